#!/usr/bin/env python3
"""The panel's pages over a real OpenStack, in Chromium: a key, a server made with it, its host keys
before and after a rebuild, and the end of both; wide and narrow, with pictures.

    openstack-browser.py URL --user NAME:PASSWORD --console FOLDER --pictures FOLDER

URL is a panel that runs with --cloud openstack, the user is Keystone's. FOLDER of --console is where
the cloud's compute driver takes a server's console from (SERVER.console): a boot prints host keys
there, as cloud-init does. What the panel learns of OpenStack must come into view without a reload."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser_page import FINGERPRINT, STRANGE, Browser, check, compare, fingerprint, launch, missing_for_pages, offered_regions, use_region

KINDS = ("ed25519", "ecdsa", "rsa")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--user", required=True)
    parser.add_argument("--console", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--only", choices=["wide", "narrow"], help="one of the two passes")
    parser.add_argument("--patience", type=float, default=120, help="seconds that any one step may take")
    return parser.parse_args()


def make_key(file, kind, comment):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", file], check=True)
    return file.with_suffix(".pub").read_text().strip()


def boot(console, number, folder, host):
    """A new system's console, with cloud-init's block of new host keys: what ssh-keygen says of them."""
    folder.mkdir()
    lines = [make_key(folder / kind, kind, f"root@{host}") for kind in KINDS]
    said = [subprocess.run(["ssh-keygen", "-lf", folder / f"{kind}.pub"], capture_output=True, text=True, check=True).stdout
            for kind in KINDS]
    text = ["[    0.000000] Linux version 6.1.0", "[    1.000000] cloud-init was here", "[\x1b[0;32m  OK  \x1b[0m] Reached it.", "-----BEGIN SSH HOST KEY KEYS-----",
            *lines, "-----END SSH HOST KEY KEYS-----", f"{host} login: "]
    # All at once: the panel reads whenever it likes.
    draft = folder / "console"
    draft.write_bytes("\r\n".join(text).encode())
    shutil.move(draft, console / f"{number}.console")
    return [FINGERPRINT.search(one).group(0) for one in said]


def live(browser, fine, what):
    """Comes into view by itself, in the page as it was loaded."""
    browser.page.evaluate("window.loadedOnce = true")
    browser.wait(fine, what)
    check(browser.page.evaluate("window.loadedOnce === true"), f"{what}: the page was loaded anew")


def running(browser):
    return "running" in browser.page.locator(".status-line .pill").first.inner_text().lower()


def logged(browser, action):
    """Whether the action log has it."""
    return browser.page.locator(f"#log tbody td:text-is('{action}')").count() > 0


def log_in(browser, name, password):
    browser.go("/")
    browser.page.wait_for_url("**/login**")
    browser.fill(name=name, password="not the password")
    browser.press("Log in")
    check("req-" in browser.page.locator("[role=alert]").inner_text(), "a wrong password is not refused in Keystone's words")
    browser.picture("login-refused")
    browser.fill(name=name, password=password)
    browser.press("Log in")
    browser.page.wait_for_url("**/servers")
    browser.picture("servers")


def add_key(browser, name, line, region):
    browser.follow("SSH Keys")
    browser.follow("Add Public Key")
    boxes = browser.page.locator("[name=region]")
    regions = offered_regions(browser)
    check(len(regions) == 2, f"regions: {regions}")
    for index, other in enumerate(regions):
        boxes.nth(index).set_checked(index == region)
    browser.fill(name=name, public_key=line)
    browser.picture("add-key")
    browser.press("Add Public Key")
    browser.sees(f"Stored {name} in {regions[region].name}", name)
    browser.picture("keys")
    for index, other in enumerate(regions):
        browser.go(f"/keys?region={other}")
        (browser.sees if index == region else browser.sees_not)(name)
        browser.picture(f"keys-of-{other}")
    return regions


def create(browser, server, keys, regions):
    browser.follow("Servers")
    browser.follow("Create Server")
    # In the fieldset of that name, which is among the advanced options.
    offered = browser.page.locator("details.advanced #ssh-key [name=key]")

    def has(region):
        names = offered.evaluate_all("boxes => boxes.map(box => box.value)")
        check(keys[region] in names and keys[1 - region] not in names, f"{regions[region]} offers {names}")
        browser.sees(f"Keys stored in {regions[region].name}")

    has(0)
    browser.fill(name=server, description="Made by the browser test")
    use_region(browser, regions[1])
    has(1)
    browser.sees(f"{regions[1].name} has no sizes", "choose another region")
    browser.picture("create-other-region")
    use_region(browser, regions[0])
    has(0)
    check(browser.page.locator("[name=name]").input_value() == server, "the name was lost with the region")
    browser.page.locator("[name=image]").select_option(label="debian-12")
    browser.page.locator(f"[name=key][value='{keys[0]}']").check()
    browser.picture("create")
    browser.press("Create Server")
    browser.sees(f"{server} is being made.")
    browser.picture("created")
    live(browser, lambda: running(browser) and logged(browser, "create"), "the server does not come up")
    browser.sees("debian-12", keys[0], "None yet")
    command = browser.page.locator(".command code").first.inner_text()
    check(re.fullmatch(r"ssh root@10\.20\.[0-9.]+", command), f"the command is {command!r}")
    browser.picture("running")
    return browser.page.url.rsplit("/", 1)[1].split("?")[0], command


def host_keys(browser, wanted):
    """They come into view, all of them, the one that ssh prefers first."""
    live(browser, lambda: browser.page.locator(".host-key").count() == len(wanted), "no host keys")
    browser.sees("read from its console", *wanted)
    check(fingerprint(browser) == wanted[0], "another kind of key comes first")


def comparisons(browser, now, before=None):
    compare(browser, f"ED25519 key fingerprint is {now}.", "Match.")
    browser.picture("match")
    compare(browser, f"ED25519 key fingerprint is {STRANGE}.", "No match.")
    browser.picture("no-match")
    if before:
        compare(browser, f"ED25519 key fingerprint is {before}.", "This was its key before.")


def reboot(browser, server):
    browser.follow("Reboot")
    browser.picture("reboot")
    browser.press("Reboot the server")
    browser.sees(f"{server} is restarting.")
    live(browser, lambda: running(browser) and logged(browser, "reboot"), "it does not run after the reboot")
    # What was said about it while it went on goes, too.
    live(browser, lambda: "is restarting." not in browser.text(), "the notice stays")


def console_log(browser, wanted):
    browser.follow("Console log")
    browser.sees("cloud-init was here", "[  OK  ] Reached it.", *wanted)
    browser.picture("console-log")
    browser.page.go_back()


def rebuild(browser, server):
    browser.follow("Rebuild")
    browser.fill(typed="another name")
    browser.press("Rebuild: lose everything on it")
    browser.sees("This is not the server's name")
    browser.picture("rebuild-refused")
    browser.page.locator("[name=image]").select_option(label="debian-13")
    browser.fill(typed=server)
    browser.press("Rebuild: lose everything on it")
    browser.sees(f"{server} is being rebuilt.")
    live(browser, lambda: running(browser) and logged(browser, "rebuild") and "debian-13" in browser.text(), "it does not run after the rebuild")
    # What the console still shows of the system before is not believed again.
    browser.sees("None yet", "The host key has changed")
    browser.picture("rebuilt")


def remove(browser, server, keys, regions):
    browser.follow("Delete")
    browser.picture("delete")
    browser.fill(typed=server)
    browser.press("Delete: lose everything on it")
    browser.page.wait_for_url("**/servers")
    live(browser, lambda: browser.page.get_by_role("link", name=server, exact=True).count() == 0, "the server is still listed")
    browser.picture("deleted")
    for key, region in zip(keys, regions):
        browser.go(f"/keys/delete?region={region}&name={key}")
        browser.picture(f"delete-key-{region}")
        browser.press("Delete the key")
        browser.sees(f"Deleted {key} from {region.name}")
        check(browser.page.locator("td", has_text=key).count() == 0, "the key is still listed")


def story(browser, options, folder):
    name, password = options.user.split(":")
    # A run that was broken off may have left its own.
    mark = f"{browser.tag}-{os.getpid()}"
    server, keys = f"page-{mark}", (f"key-{mark}", f"other-{mark}")
    browser.say("log in by the Keystone account")
    log_in(browser, name, password)
    browser.say("add a public key in each region")
    for region, key in enumerate(keys):
        regions = add_key(browser, key, make_key(folder / key, "ed25519", f"{key}@browser"), region)
    browser.say("create a server, by the keys of its region")
    number, command = create(browser, server, keys, regions)
    browser.say(f"its host keys, after {command}")
    old = boot(options.console, number, folder / "first", server)
    host_keys(browser, old)
    browser.picture("host-keys")
    comparisons(browser, old[0])
    browser.say("reboot, and the console's log")
    reboot(browser, server)
    browser.sees(*old)
    console_log(browser, [(folder / "first" / f"{kind}.pub").read_text().split()[1] for kind in KINDS])
    browser.say("rebuild, and the old and the new host key")
    rebuild(browser, server)
    new = boot(options.console, number, folder / "second", server)
    host_keys(browser, new)
    changed = browser.page.locator(".changed").inner_text()
    check(old[0] in changed and new[0] in changed and f"by {name}" in changed, f"the change is told so: {changed}")
    check(f"ssh-keygen -R {command.split('@')[1]}" in changed, f"no command to forget the old key: {changed}")
    browser.picture("changed")
    comparisons(browser, new[0], old[0])
    for path in ("account", "downloads", "audit"):
        browser.go(f"/{path}")
        browser.sees_not("Not found")
        browser.picture(f"page-{path}")
    browser.follow("Servers")
    browser.picture("servers-one")
    browser.follow(server)
    browser.say("delete the server and the keys")
    remove(browser, server, keys, regions)
    check(not browser.complaints, f"the browser complained: {browser.complaints}")


def main():
    options = arguments()
    if without := missing_for_pages():
        print(f"not run: a real OpenStack's pages in a browser: {without}")
        return 0
    from playwright.sync_api import sync_playwright

    shutil.rmtree(options.pictures, ignore_errors=True)
    options.pictures.mkdir(parents=True)
    failed = 0
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        for tag, width in (("wide", 1280), ("narrow", 390)):
            if options.only not in (None, tag):
                continue
            began = time.monotonic()
            browser = Browser(chromium, options.url.rstrip("/"), options, tag, width)
            try:
                with tempfile.TemporaryDirectory(prefix="keyway-pages-") as folder:
                    story(browser, options, Path(folder))
                print(f"ok  in Chromium, {width} px wide, {time.monotonic() - began:.0f} s", flush=True)
            except Exception as error:  # Each pass is worth its own word.
                failed += 1
                browser.page.screenshot(path=options.pictures / f"{tag}-FAILED.png", full_page=True)
                print(f"FAILED: in Chromium, {width} px wide: {error}", flush=True)
            browser.context.close()
        chromium.close()
    print(f"pictures in {options.pictures}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
