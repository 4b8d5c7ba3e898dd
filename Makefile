# make up      build, start the panel, make a server with a key, log in, leave a prompt
# make down    stop what make up started; make clean-cloud deletes it
# make up-ssh  the same without a panel: a private sshd, and the host key question
# make test    install foreign peers where possible, run every test
# make test-tempest  OpenStack's test suite and schemathesis against the panel's API (ARGS="keypairs" picks tests, ARGS=--embedded runs over real servers)
# make test-openstack  the panel's pages over a real OpenStack, which is installed and run for it (root, minutes); pictures in target/browser-openstack
# make test-browser  the panel in Chromium, from the first log-in to a rebuilt server (ARGS="--only narrow"); pictures in target/browser
# make test-images  images by mmdebstrap, umoci and skopeo, and servers from them in which cloud-init does its work
# make regress OpenSSH's own test scripts, all of them, with these tools (ARGS="--round server connect" picks some)
# make check   formatting, lints, documents
# make check-mac  compiles for macOS, on any system that has Rust's library for it (ARGS="aarch64-apple-darwin" picks)
# make bench   side by side with the OpenSSH of this machine (WRITE=1 keeps the table); servers of the panel's, as root
# make fuzz    fuzz every target for TIME seconds (TARGETS="wire keys" picks some)
# make install PREFIX=/usr/local DESTDIR=
# make install-panel PREFIX=/usr/local DESTDIR=  the panel beside it, with its systemd unit
# make links   DIR=/somewhere/bin, so that `ssh` and the others are found there

CARGO ?= cargo
PREFIX ?= /usr/local
TIME ?= 300
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: up down clean-cloud up-ssh build test test-tempest test-openstack regress check bench fuzz install install-panel links deny clean-up test-browser check-mac test-images

up:
	@scripts/up.sh

down:
	@scripts/up.sh down

clean-cloud:
	@scripts/up.sh clean

up-ssh:
	@scripts/up-ssh.sh

build:
	$(CARGO) build --release -p keyway-cli -p keyway-sshd

test:
	@scripts/install-test-peers.sh
	@scripts/test.sh

test-browser:
	@scripts/install-test-peers.sh
	@$(CARGO) build -p keyway-cli -p keyway-panel
	@scripts/panel-browser.sh $(ARGS)

# Minutes of outside judges; `make test` runs the clients.
test-tempest:
	@scripts/install-test-peers.sh --heavy
	@scripts/panel-tempest.sh $(ARGS)
	@$(if $(ARGS),true,scripts/panel-schemathesis.sh && scripts/panel-schemathesis.sh --embedded)

# Minutes, and hundreds of megabytes.
test-images:
	@scripts/install-test-peers.sh --heavy
	@$(CARGO) build -p keyway-cli -p keyway-panel
	@scripts/test-images.sh

# Keystone, Nova and the others from PyPI, on the loopback.
test-openstack:
	@scripts/test-openstack.sh

# The rest of OpenSSH's scripts; `make test` runs those that are short.
regress: build
	@scripts/install-test-peers.sh
	@scripts/regress.py --program "$(TARGET_DIR)/release/keyway" $(ARGS)

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items

deny:
	$(CARGO) deny --manifest-path crates/cli/Cargo.toml check bans licenses sources
	$(CARGO) deny --manifest-path crates/panel/Cargo.toml --config deny.panel.toml check bans licenses sources

# As it is installed: that is what people run.
bench: build
	@$(MAKE) --no-print-directory install DESTDIR= PREFIX="$(abspath $(TARGET_DIR))/bench" >/dev/null
	KEYWAY_BIN="$(abspath $(TARGET_DIR))/bench/bin/keyway" $(CARGO) run --release -p keyway-bench -- $(if $(WRITE),--write bench/README.md) $(ARGS)

fuzz:
	@TIME="$(TIME)" TARGETS="$(TARGETS)" scripts/fuzz.sh --install

check-mac:
	@scripts/check-mac.sh $(ARGS)

# The program and its links: with PREFIX/bin first in PATH, `ssh` is ours. What serves
# a connection to sshd is a smaller program beside it.
install: build
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/libexec/keyway"
	install -m 0755 "$(TARGET_DIR)/release/sshd-connection" "$(DESTDIR)$(PREFIX)/libexec/keyway/sshd-connection"
	install -m 0755 "$(TARGET_DIR)/release/keyway" "$(DESTDIR)$(PREFIX)/bin/keyway"
	"$(DESTDIR)$(PREFIX)/bin/keyway" links "$(DESTDIR)$(PREFIX)/bin"
	"$(DESTDIR)$(PREFIX)/bin/keyway" man "$(DESTDIR)$(PREFIX)/share/man"
	scripts/install-completions.sh "$(DESTDIR)$(PREFIX)"

# Settings that are there already stay as they are.
install-panel: install
	$(CARGO) build --release -p keyway-panel
	install -m 0755 "$(TARGET_DIR)/release/keyway-shim" "$(DESTDIR)$(PREFIX)/libexec/keyway/keyway-shim"
	install -m 0755 "$(TARGET_DIR)/release/keyway-panel" "$(DESTDIR)$(PREFIX)/bin/keyway-panel"
	install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system" "$(DESTDIR)/etc/keyway"
	sed 's|/usr/bin/|$(PREFIX)/bin/|' packaging/keyway-panel.service > "$(DESTDIR)$(PREFIX)/lib/systemd/system/keyway-panel.service"
	test -e "$(DESTDIR)/etc/keyway/panel.toml" || install -m 0600 packaging/panel.toml "$(DESTDIR)/etc/keyway/panel.toml"

links: build
	@test -n "$(DIR)" || { echo "usage: make links DIR=/path/to/folder"; exit 2; }
	"$(abspath $(TARGET_DIR))/release/keyway" links "$(DIR)"

clean-up:
	rm -rf .keyway
