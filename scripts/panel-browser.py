#!/usr/bin/env python3
"""The life of a key and a server, from the first log-in to the login after a rebuild, in Chromium.

Runs the panel in a network namespace of its own, goes through its pages as a person would (wide,
narrow, and with JavaScript off; every picture in the light and in the dark), logs in to the server
that was made with our ssh and with Debian's, and leaves pictures in target/browser.
"""

import argparse
import base64
import hashlib
import hmac
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser_page import FINGERPRINT, STRANGE, Browser, check, compare, fingerprint, launch, missing_for_pages, offered_regions, use_region

ROOT = Path(__file__).resolve().parent.parent
PORT = 18080
URL = f"http://127.0.0.1:{PORT}"
WARNING = "REMOTE HOST IDENTIFICATION HAS CHANGED"
INSIDE = "KEYWAY_BROWSER_INSIDE"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def arguments():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panel", type=Path, default=target / "debug/keyway-panel")
    parser.add_argument("--keyway", type=Path, default=target / "debug/keyway")
    parser.add_argument("--pictures", type=Path, default=target / "browser")
    parser.add_argument("--only", choices=["wide", "narrow", "plain"], help="one of the three passes")
    parser.add_argument("--patience", type=float, default=90, help="seconds that any one step may take")
    return parser.parse_args()


def enter(options):
    """Starts again inside a network and mount namespace; says why not where that cannot be."""
    missing = [str(path) for path in (options.panel, options.keyway) if not path.exists()]
    if missing:
        sys.exit(f"panel-browser: build first: {' and '.join(missing)} not there")
    if without := missing_for_pages():
        return without
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode != 0:
        return "no right to make a network namespace"
    if shutil.which("ip") is None:
        return "no ip"
    os.execvpe("unshare", ["unshare", "-n", "-m", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


class Panel:
    """The panel as a process, and its word on the terminal."""

    def __init__(self, options, folder):
        self.state = folder / "state"
        self.program = options.panel
        self.log = folder / "panel.log"
        # The servers run a copy: what a build does to the original meanwhile is nothing to them.
        self.keyway = folder / "keyway"
        shutil.copy2(options.keyway, self.keyway)
        self.patience = options.patience
        self.start()
        self.password = re.search(r"password (\S+)", self.text()).group(1)

    def start(self):
        with self.log.open("ab") as log:
            command = [self.program, "--state", self.state, "--listen", f"127.0.0.1:{PORT}", "--keyway", self.keyway]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + self.patience
        while not (self.state / "orders.sock").exists() or not self.order("fingerprint"):
            check(self.process.poll() is None and time.monotonic() < end, f"the panel did not start: {self.text()}")
            time.sleep(0.1)

    def crash(self):
        """Ends at once and starts again, as after a fault."""
        self.process.kill()
        self.process.wait()
        time.sleep(2)
        self.start()

    def text(self):
        return self.log.read_text(errors="replace")

    def order(self, *words):
        done = subprocess.run([self.program, "--state", self.state, *words], capture_output=True, text=True, timeout=120)
        return done.stdout.strip()

    def stop(self):
        for line in self.order("server", "list").splitlines():
            if words := line.split():
                self.order("server", "delete", words[1] if len(words) > 1 else words[0])
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Ssh:
    """One person's ssh: a program, a known_hosts of its own, and maybe an enrolled panel."""

    def __init__(self, folder, name, keyway, program=None):
        self.folder = folder / name
        self.folder.mkdir()
        self.name = name
        self.keyway = keyway
        self.program = [program] if program else [keyway, "ssh"]
        self.keygen = ["/usr/bin/ssh-keygen"] if program else [keyway, "ssh-keygen"]
        self.known_hosts = self.folder / "known_hosts"
        self.environment = {**os.environ, "KEYWAY_PANELS": str(self.folder / "panels"), "SSH_AUTH_SOCK": ""}

    def run(self, address, identity, strict):
        options = [f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null", "BatchMode=yes",
                   "IdentitiesOnly=yes", "ConnectTimeout=20", f"StrictHostKeyChecking={strict}"]
        words = [word for option in options for word in ("-o", option)]
        command = [*self.program, "-F", "none", "-i", identity, *words, f"root@{address}", "hostname; id -u"]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, env=self.environment)

    def logs_in(self, address, identity, strict, host):
        done = self.run(address, identity, strict)
        check(done.returncode == 0 and done.stdout.split() == [host, "0"],
              f"{self.name}: ssh root@{address}: {done.returncode}, {done.stdout!r}, {done.stderr}")
        check(WARNING not in done.stderr, f"{self.name}: an alarm where none belongs: {done.stderr}")

    def is_warned(self, address, identity):
        done = self.run(address, identity, "yes")
        check(done.returncode == 255 and WARNING in done.stderr, f"{self.name}: no WARNING: {done.returncode}, {done.stderr}")
        return done.stderr

    def forget(self, command):
        words = command.split()
        check(words[:2] == ["ssh-keygen", "-R"], f"not a command to forget a host: {command}")
        done = subprocess.run([*self.keygen, "-R", words[2].strip("'"), "-f", self.known_hosts], capture_output=True, text=True)
        check(done.returncode == 0 and "updated" in done.stdout, f"{self.name}: {command}: {done.stdout} {done.stderr}")


def log_in(browser, password):
    browser.go("/")
    browser.page.wait_for_url("**/login**")
    browser.fill(name="admin", password="not the password")
    browser.press("Log in")
    check(browser.page.locator("[role=alert]").count() == 1, "a wrong password is answered with nothing")
    browser.picture("login-refused")
    # By the keyboard alone: past the link to the content, and the mark.
    browser.go("/login")
    keys = browser.page.keyboard
    keys.press("Tab")
    browser.picture("skip-link")
    keys.press("Tab")
    keys.press("Tab")
    keys.type("admin")
    keys.press("Tab")
    keys.type(password)
    browser.picture("login-focus")
    keys.press("Enter")
    browser.page.wait_for_url("**/servers")
    browser.picture("servers")


def add_key(browser, key, line, private):
    browser.follow("SSH Keys")
    browser.picture("keys-before")
    browser.follow("Add Public Key")
    regions = offered_regions(browser)
    check(len(regions) >= 2, f"regions: {regions}")
    browser.fill(name=key, public_key=private)
    browser.press("Add Public Key")
    browser.sees("PRIVATE key")
    check(browser.page.locator("[name=public_key]").input_value() == "", "a private key was sent back")
    browser.picture("private-key-refused")
    browser.fill(public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 broken")
    browser.press("Add Public Key")
    check(browser.page.locator(".error").count() == 1, "a broken key is answered with nothing beside the field")
    browser.picture("broken-key-refused")
    # As a terminal wraps it.
    browser.fill(public_key="\n".join(line[at:at + 60] for at in range(0, len(line), 60)))
    browser.press("Add Public Key")
    browser.sees(f"Stored {key} in {regions[0].name}", key)
    browser.picture("key-added")
    browser.go(f"/keys?region={regions[1]}")
    browser.sees_not(key)
    browser.picture("other-region")
    browser.go(f"/keys?region={regions[0]}")
    browser.sees(key)
    return regions


def copy_key(browser, key, regions):
    """From its row to the other region, and out of that again."""
    browser.page.locator("tr", has_text=key).get_by_role("button", name=re.compile("^Copy")).first.click()
    browser.page.wait_for_load_state()
    browser.sees(f"Copied {key} to {regions[1].name}")
    browser.picture("key-copied")
    browser.go(f"/keys?region={regions[1]}")
    browser.sees(key)
    browser.go(f"/keys/delete?region={regions[1]}&name={key}")
    browser.page.locator("main form button").last.click()
    browser.page.wait_for_url("**/keys")
    browser.sees(f"Deleted {key} from {regions[1].name}", key)


def keys_on_server(browser, address, client, first, folder, keyway, tag):
    """A second key is added on the server's page and lets its holder in; taken away, no more."""
    second = folder / "id_second"
    subprocess.run([keyway, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{tag}@second", "-f", second], check=True)
    page = browser.page
    if page.locator("#keys summary").count():
        page.locator("#keys summary").first.click()
    browser.fill(public_key="no key at all")
    page.get_by_role("button", name="Add to the server").click()
    page.wait_for_load_state()
    check(page.locator("#keys .error").count() == 1, "what is no key is answered with nothing beside the field")
    browser.picture("no-key-for-server")
    browser.fill(public_key=second.with_suffix(".pub").read_text())
    page.get_by_role("button", name="Add to the server").click()
    page.wait_for_load_state()
    browser.sees("Added the key", f"{tag}@second")
    browser.picture("key-on-server")
    host = client.run(address, second, "accept-new")
    check(host.returncode == 0, f"the added key does not let in: {host.stderr}")
    page.locator("#keys tr", has_text=f"{tag}@second").get_by_role("button", name="Remove").click()
    page.wait_for_load_state()
    browser.sees("Removed the key")
    check(page.locator("#keys tr", has_text=f"{tag}@second").count() == 0, "the removed key is still listed")
    check(client.run(address, second, "accept-new").returncode != 0, "the removed key still lets in")
    check(client.run(address, first, "accept-new").returncode == 0, "the other key does not let in any more")


def code_of(secret, step):
    """RFC 6238 with its usual parameters."""
    key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), "sha1").digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFFFFFF) % 1000000:06}"


def second_factor(browser, password):
    """On, logged in with it, and off again."""
    browser.go("/account/second-factor")
    secret = next(word for word in browser.page.locator("main code").all_inner_texts()
                  if re.fullmatch("[A-Z2-7 ]{16,}", word.strip())).strip()
    browser.picture("second-factor")
    browser.fill(code="000000")
    browser.press("Turn it on")
    check(browser.page.locator(".error").count() == 1, "a wrong code is answered with nothing beside the field")
    step = int(time.time()) // 30
    browser.fill(code=code_of(secret, step))
    browser.press("Turn it on")
    browser.sees("The second factor is on.")
    browser.page.get_by_role("button", name="Log out").click()
    browser.page.wait_for_url("**/login**")
    browser.fill(name="admin", password=password)
    browser.press("Log in")
    browser.sees("Enter the code")
    browser.picture("login-code")
    browser.fill(password=password, code=code_of(secret, step))
    browser.press("Log in")
    browser.sees("was used already")
    # A code is good once, and the next one a little before its time.
    browser.fill(password=password, code=code_of(secret, step + 1))
    browser.press("Log in")
    browser.page.wait_for_url("**/servers")
    browser.go("/account")
    browser.fill(confirm=password)
    browser.press("Turn it off")
    browser.sees("The second factor is off.")


def create(browser, server, key, regions):
    browser.follow("Servers")
    browser.follow("Create Server")
    box = browser.page.locator(f"[name=key][value='{key}']")
    check(box.count() == 1, "the key is not offered in its region")
    browser.fill(name=server, description="Made by the browser test")
    use_region(browser, regions[1])
    check(box.count() == 0, "the key of one region is offered in the other")
    browser.sees(f"No key is stored in {regions[1].name} yet", f"in {regions[0].name}")
    browser.picture("create-other-region")
    use_region(browser, regions[0])
    check(browser.page.locator("[name=name]").input_value() == server, "the name was lost with the region")
    check(browser.page.locator("[name=description]").input_value() != "", "the description was lost with the region")
    # Enter in a field means the plain button, not the one that comes first on the page.
    with browser.page.expect_navigation():
        browser.page.locator("[name=name]").press("Enter")
    browser.sees("Choose a key, or say that you want none")
    browser.picture("create-without-key")
    box.check()
    browser.picture("create")
    browser.press("Create Server")
    browser.picture("created")
    active(browser)
    browser.picture("server")
    shown = browser.page.locator(".command code").first.inner_text()
    check(re.fullmatch(r"ssh root@[0-9.]+", shown), f"the command is {shown!r}")
    return shown.split("@")[1]


def active(browser):
    """Until it runs and its host keys are known."""
    keys = browser.page.locator(".host-key")
    pill = browser.page.locator(".status-line .pill")
    browser.wait(lambda: "running" in pill.first.inner_text().lower() and keys.count() > 0, "the server does not come up")


def rebuild(browser, server):
    before = fingerprint(browser)
    browser.follow("Rebuild")
    browser.fill(typed="another name")
    browser.press("Rebuild: lose everything on it")
    browser.sees("This is not the server's name")
    browser.picture("rebuild-refused")
    browser.fill(typed=server)
    browser.press("Rebuild: lose everything on it")
    browser.wait(lambda: browser.page.locator(".host-key").count() > 0 and fingerprint(browser) != before,
                 "no new host key")
    active(browser)
    browser.sees("The host key has changed", before, "by admin")
    # The keys on it come into view by themselves, too.
    browser.wait(lambda: "@browser" in browser.page.locator("#keys").inner_text(), "no keys on the server")
    # What was said about it while it went on goes, too.
    browser.wait(lambda: "is being rebuilt." not in browser.text(), "the notice stays")
    browser.picture("rebuilt")
    return before, fingerprint(browser)


def console(browser, wanted, panel):
    """The fingerprint as root's own shell tells it, read off the terminal."""
    browser.follow("Open a shell")
    page = browser.page
    page.locator("#console-state", has_text="Connected").wait_for()
    rows = page.locator("#terminal .xterm-rows > div")

    def shown():
        return "".join(text.rstrip("\n\u00a0") for text in rows.all_text_contents()).replace("\u00a0", " ")

    browser.wait(lambda: "#" in shown() or "$" in shown(), "no prompt")
    page.locator("#terminal").click()
    page.keyboard.type(f"ssh-keygen -lf {HOST_KEY}\n")
    browser.wait(lambda: FINGERPRINT.search(shown()), "the shell does not answer")
    told = FINGERPRINT.search(shown()).group(0)
    check(told == wanted, f"the shell says {told}, the page {wanted}")
    browser.picture("console")
    # Much at once arrives whole: more than the terminal's own buffers hold.
    pasted = "".join(f"line {number} of what was pasted: \u00e4\u20ac'\"$\\\n" for number in range(2000))
    page.keyboard.type("clear; echo ready; cat > /tmp/pasted; sha256sum /tmp/pasted\n")
    browser.wait(lambda: shown().strip() == "ready", "the shell does not take a command")
    page.evaluate("""text => {
        const data = new DataTransfer();
        data.setData("text/plain", text);
        document.querySelector(".xterm-helper-textarea").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }""", pasted)
    # Its echo is no measure: Linux keeps the last of it back until more is typed.
    page.keyboard.press("Control+d")
    digest = hashlib.sha256(pasted.encode()).hexdigest()
    browser.wait(lambda: "/tmp/pasted" in shown() and re.search(r"[0-9a-f]{64}", shown()), "no digest")
    check(digest in shown(), f"what was pasted is not what arrived: {shown()}")
    # The terminal is as large as the page says, also after that changed.
    for width in (700, browser.width):
        page.set_viewport_size({"width": width, "height": 800})
        time.sleep(0.5)
        page.keyboard.type(f"clear; echo {width}=$(tput cols)=\n")
        browser.wait(lambda: re.search(rf"{width}=\d+=", shown()), "no size")
        columns = int(re.search(rf"{width}=(\d+)=", shown()).group(1))
        room = page.locator("#terminal .xterm-screen").bounding_box()["width"]
        check(6 < room / columns < 10, f"{columns} columns in {room} pixels")
    # A panel that was killed and started again is found by the page, without a hand.
    page.keyboard.type("clear; echo here it is\n")
    browser.wait(lambda: shown().startswith("here it is"), "the shell does not answer")
    complaints = list(browser.complaints)
    panel.crash()
    browser.wait(lambda: page.locator("#console-state").inner_text() == "Connected" and shown().rstrip().endswith("#"),
                 "no shell again")
    page.keyboard.type("clear; echo back; hostname\n")
    browser.wait(lambda: shown().startswith("back"), "the new shell does not answer")
    # What the browser says of the panel's absence is right.
    browser.complaints[:] = complaints
    browser.picture("console-again")
    page.go_back()


def enroll(browser, client, panel):
    """By the very command that the page shows."""
    browser.follow("Downloads")
    browser.picture("downloads")
    commands = browser.page.locator(".command code").all_inner_texts()
    command = next((text.split() for text in commands if text.startswith("keyway enroll ")), None)
    check(command, f"no command to enroll: {commands}")
    check(panel.order("fingerprint") in command, f"not the panel's fingerprint: {command}")
    check(panel.order("fingerprint") in panel.text(), "the fingerprint is not on the panel's terminal")
    done = subprocess.run([client.keyway, *command[1:]], capture_output=True, text=True, env=client.environment,
                          stdin=subprocess.DEVNULL, timeout=60)
    check(done.returncode == 0, f"{command}: {done.stdout} {done.stderr}")


def remove(browser, server, key, region):
    browser.follow("Delete")
    browser.picture("delete")
    browser.fill(typed=server)
    browser.press("Delete: lose everything on it")
    browser.page.wait_for_url("**/servers")
    browser.wait(lambda: browser.page.get_by_role("link", name=server, exact=True).count() == 0,
                 "the server is still listed")
    browser.picture("deleted")
    browser.go(f"/keys/delete?region={region}&name={key}")
    browser.picture("delete-key")
    browser.page.locator("main form button").last.click()
    browser.page.wait_for_url("**/keys")
    check(browser.page.locator("td", has_text=key).count() == 0, "the key is still listed")


def story(chromium, options, panel, folder, tag, width, script):
    folder = folder / tag
    folder.mkdir()
    browser = Browser(chromium, URL, options, tag, width, script)
    keyway = options.keyway
    stock = Ssh(folder, "debian", keyway, "/usr/bin/ssh") if Path("/usr/bin/ssh").exists() else None
    ours, enrolled = Ssh(folder, "ours", keyway), Ssh(folder, "enrolled", keyway)
    clients = [client for client in (stock, ours) if client]
    identity = folder / "id_ed25519"
    subprocess.run([keyway, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{tag}@browser", "-f", identity], check=True)
    key, server = f"key-{tag}", f"web-{tag}"
    try:
        browser.say("log in")
        log_in(browser, panel.password)
        browser.say("add a public key in one region")
        regions = add_key(browser, key, identity.with_suffix(".pub").read_text(), identity.read_text())
        browser.say("copy it to the other region, and delete the copy")
        copy_key(browser, key, regions)
        browser.say("enroll the panel")
        enroll(browser, enrolled, panel)
        browser.say("create a server with the key")
        address = create(browser, server, key, regions)
        browser.say(f"ssh root@{address}")
        for client in clients:
            client.logs_in(address, identity, "accept-new", server)
        enrolled.logs_in(address, identity, "ask", server)
        browser.say("a second key on the server, and off it again")
        keys_on_server(browser, address, clients[0], identity, folder, keyway, tag)
        browser.say("rebuild")
        old, new = rebuild(browser, server)
        browser.say("the warning, and the fingerprint compared")
        printed = [client.is_warned(address, identity) for client in clients]
        enrolled.logs_in(address, identity, "ask", server)
        for text in printed:
            check(new in text, f"the warning does not show {new}: {text}")
            compare(browser, text, "Match.")
        browser.picture("match")
        compare(browser, f"ED25519 key fingerprint is {STRANGE}.", "No match.")
        browser.picture("no-match")
        compare(browser, old, "This was its key before.")
        compare(browser, "nothing of the kind", "There is no fingerprint")
        if script:
            console(browser, new, panel)
        else:
            browser.follow("Open a shell")
            browser.sees("needs JavaScript")
            browser.picture("console")
            browser.page.go_back()
        browser.say("the line removed, and in again")
        command = browser.page.locator(".changed .command code").inner_text()
        for client in clients:
            client.forget(command)
            client.logs_in(address, identity, "accept-new", server)
        enrolled.logs_in(address, identity, "ask", server)
        browser.follow("Console log")
        browser.picture("console-log")
        browser.page.go_back()
        if tag == "wide":
            browser.say("a second factor")
            second_factor(browser, panel.password)
        for path in ("account", "users", "projects", "images", "audit", "keys"):
            browser.go(f"/{path}")
            browser.picture(f"page-{path}")
        browser.follow("Servers")
        browser.picture("servers-one")
        browser.follow(server)
        browser.say("delete both")
        remove(browser, server, key, regions[0])
        check(not browser.complaints, f"the browser complained: {browser.complaints}")
    except Exception:
        browser.page.screenshot(path=options.pictures / f"{tag}-FAILED.png", full_page=True)
        raise
    finally:
        browser.context.close()


def main():
    options = arguments()
    if os.environ.get(INSIDE) != "1":
        print(f"not run: the panel in a browser: {enter(options)}")
        return 0
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    from playwright.sync_api import sync_playwright

    shutil.rmtree(options.pictures, ignore_errors=True)
    options.pictures.mkdir(parents=True)
    passes = [("wide", 1280, True), ("narrow", 390, True), ("plain", 1280, False)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="keyway-browser-") as name, sync_playwright() as playwright:
        folder = Path(name)
        panel = Panel(options, folder)
        chromium = launch(playwright)
        try:
            for tag, width, script in passes:
                if options.only not in (None, tag):
                    continue
                began = time.monotonic()
                try:
                    story(chromium, options, panel, folder, tag, width, script)
                    print(f"ok: {tag}, {time.monotonic() - began:.0f} s", flush=True)
                except Exception as error:  # Each pass is worth its own word.
                    failed += 1
                    print(f"FAILED: {tag}: {error}", flush=True)
        finally:
            chromium.close()
            panel.stop()
            if failed:
                print(f"The panel's last lines:\n{panel.text()[-3000:]}")
    print(f"pictures in {options.pictures}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
