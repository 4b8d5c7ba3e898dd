# make up      build, start a private server, log in to it, leave a prompt
# make test    install foreign peers where possible, run every test
# make check   formatting, lints, documents
# make bench   side by side with the OpenSSH of this machine (WRITE=1 keeps the table)
# make fuzz    fuzz every target for TIME seconds (TARGETS="wire keys" picks some)
# make install PREFIX=/usr/local DESTDIR=
# make links   DIR=/somewhere/bin, so that `ssh` and the others are found there

CARGO ?= cargo
PREFIX ?= /usr/local
TIME ?= 300
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The names a link to `keyway` may carry to be that tool.
TOOLS := ssh sshd ssh-keygen ssh-agent ssh-add ssh-copy-id ssh-keyscan

.PHONY: up build test check bench fuzz install links deny clean-up

up:
	@scripts/up.sh

build:
	$(CARGO) build --release -p keyway-cli

test:
	@scripts/install-test-peers.sh
	@scripts/test.sh

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

deny:
	$(CARGO) deny check bans licenses sources

bench: build
	$(CARGO) run --release -p keyway-bench -- $(if $(WRITE),--write bench/README.md) $(ARGS)

fuzz:
	@TIME="$(TIME)" TARGETS="$(TARGETS)" scripts/fuzz.sh --install

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 0755 "$(TARGET_DIR)/release/keyway" "$(DESTDIR)$(PREFIX)/bin/keyway"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/keyway; 'make links DIR=...' makes it answer to ssh, sshd, ..."

# Links sit in a folder of the caller's choice: they hide the system's tools
# only for those who put that folder first in PATH.
links:
	@test -n "$(DIR)" || { echo "usage: make links DIR=/path/to/folder"; exit 2; }
	@if test -x "$(DESTDIR)$(PREFIX)/bin/keyway"; then program="$(PREFIX)/bin/keyway"; \
	elif test -x "$(TARGET_DIR)/release/keyway"; then program="$(abspath $(TARGET_DIR))/release/keyway"; \
	else echo "no keyway in $(PREFIX)/bin or $(TARGET_DIR)/release: run 'make build' or 'make install' first"; exit 1; fi; \
	install -d "$(DESTDIR)$(DIR)" && for tool in $(TOOLS); do ln -sfn "$$program" "$(DESTDIR)$(DIR)/$$tool"; done && \
	echo "$(DESTDIR)$(DIR): $(TOOLS) -> $$program"

clean-up:
	rm -rf .keyway
