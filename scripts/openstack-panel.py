#!/usr/bin/env python3
"""The panel's pages over a real OpenStack, as a browser without scripts sees them.

    openstack-panel.py URL --key FILE.pub --regions RegionOne,RegionTwo
        --user NAME:PASSWORD --other NAME:PASSWORD [--console FOLDER]

URL is a panel that runs with --cloud openstack; the two users are Keystone's, each in a project of
its own. FOLDER is where the cloud's compute driver takes a server's console from (SERVER.console),
so that a boot can print host keys there. With --clouds FILE, OpenStack's own Python SDK is asked, too,
as the administrator of that file, what there really is. Prints one line a step, and ends with a
status."""
import argparse
import base64
import html
import http.cookiejar
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Page:
    def __init__(self, status, url, text):
        self.status, self.url, self.text = status, url, text

    @property
    def words(self):
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())

    def value(self, name):
        found = re.search(r'name="%s" value="([^"]*)"' % re.escape(name), self.text)
        return html.unescape(found.group(1)) if found else ""

    def option(self, text):
        found = re.search(r'<option value="([^"]*)"[^>]*>%s<' % re.escape(text), self.text)
        return found.group(1) if found else ""


class Browser:
    def __init__(self, base):
        self.base = base.rstrip("/")
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def _open(self, path, data=None):
        request = urllib.request.Request(self.base + path, data=data, headers={"Origin": self.base} if data is not None else {})
        try:
            with self.opener.open(request, timeout=120) as answer:
                return Page(answer.status, answer.geturl()[len(self.base):], answer.read().decode())
        except urllib.error.HTTPError as error:
            return Page(error.code, path, error.read().decode())

    def get(self, path):
        return self._open(path)

    def post(self, path, form, **fields):
        pairs = [("csrf", form.value("csrf"))] if form.value("csrf") else []
        for name, value in fields.items():
            pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
        return self._open(path, urllib.parse.urlencode(pairs).encode())

    def log_in(self, name, password):
        form = self.get("/login")
        need("Domain" in form.words, "the login form asks for a domain", form)
        return self.post("/login", form, token=form.value("token"), name=name, password=password,
                         domain=form.value("domain") or re.search(r'id="domain"[^>]*value="([^"]*)"', form.text).group(1))


def need(right, what, page=None):
    if not right:
        print("FAILED: " + what)
        if page is not None:
            print("  %s %s\n  %s" % (page.status, page.url, page.words[:1500]))
        sys.exit(1)


def step(text):
    print("ok  " + text, flush=True)


def wait(browser, path, wanted, what, seconds=240):
    """Looks at a page until its words are right."""
    end = time.monotonic() + seconds
    while True:
        page = browser.get(path)
        if wanted(page):
            return page
        need(time.monotonic() < end, what + " within %d seconds" % seconds, page)
        time.sleep(1)


def status_of(page):
    found = re.search(r'class="pill (\w+)"', page.text)
    return found.group(1) if found else ""


def actions(page):
    """How long each action in the log took."""
    rows = re.findall(r'<td data-label="What">(.*?)</td>.*?<td data-label="Took">(.*?)</td>', page.text, re.S)
    return {what: re.sub(r"<[^>]+>", "", took).strip() for what, took in rows}


def act(browser, server, action, **fields):
    form = browser.get("%s/confirm/%s" % (server, action))
    need(form.status == 200, "the question before " + action, form)
    done = browser.post("%s/do/%s" % (server, action), form, **fields)
    need(done.status == 200, action, done)
    return done


def tidy(entry, judge, name, password, regions):
    """What a run that failed has left."""
    import openstack
    for server in list(judge.compute.servers(all_projects=True)):
        judge.compute.delete_server(server)
        judge.compute.wait_for_delete(server, wait=60)
    auth = {**entry["auth"], "username": name, "project_name": name, "password": password}
    for region in regions:
        compute = openstack.connect(region_name=region, **auth).compute
        for pair in list(compute.keypairs()):
            compute.delete_keypair(pair)


def two_keys(browser, given, region, key, image, flavor, judge):
    """Nova takes one key; the others come by user data, here beside a script of the person's."""
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUqffKn2+VyWQ8534ZurD+d54nmdaQMWXM3V/CNE2Aw other"
    browser.post("/keys/new", browser.get("/keys/new"), name="other", region=region, public_key=other)
    form = browser.get("/servers/new")
    made = browser.post("/servers/new", form, name="two", region=region, image=image, flavor=flavor,
                        key=["me@laptop", "other"], user_data="#!/bin/sh\necho hello\n")
    need("two is being made" in made.words, "a server with two keys", made)
    ready = wait(browser, made.url, lambda page: status_of(page) == "good", "it runs")
    need("me@laptop, other" in ready.words, "both keys are named", ready)
    if judge:
        there = judge.compute.get_server(made.url.rsplit("/", 1)[1])
        import email
        parts = [part.get_payload(decode=True).decode() for part in email.message_from_bytes(base64.b64decode(there.user_data)).get_payload()]
        need(len(parts) == 2 and key.split()[1] in parts[0] and other.split()[1] in parts[0] and parts[1].startswith("#!/bin/sh"),
             "the parts of its user data: %r" % parts)
    act(browser, made.url, "delete", typed="two")
    wait(browser, made.url, lambda page: page.status == 404, "it is gone")
    page = browser.get("/keys/delete?region=%s&name=other" % region)
    browser.post("/keys/delete", page, region=region, name="other")
    step("a server with two keys and a script: both are in its user data")


def silent(browser, file, one, two):
    """A region whose Nova is gone, and the pages of the other."""
    os.killpg(int(open(file).read().split()[0]), signal.SIGTERM)
    time.sleep(2)
    began = time.monotonic()
    page = browser.get("/servers")
    need(page.status == 200 and "Nova of " + two in page.words and "does not answer" in page.words, "the page says what is silent", page)
    for path in ("/servers/new", "/keys", "/servers?region=" + one):
        page = browser.get(path)
        need(page.status == 200, path + " works without " + two, page)
    page = browser.get("/keys?region=" + two)
    need(page.status == 503 and "does not answer" in page.words, "its own page says so", page)
    need(time.monotonic() - began < 25, "and nothing hangs")
    step("a region that is down is named, and does not keep the other's pages from working")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--key", required=True)
    parser.add_argument("--regions", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--other", required=True)
    parser.add_argument("--console")
    parser.add_argument("--clouds")
    parser.add_argument("--silence", help="the pid file of the second region's Nova, to be stopped at the end")
    given = parser.parse_args()
    one, two = given.regions.split(",")
    judge = None
    if given.clouds:
        import openstack
        entry = json.load(open(given.clouds))["clouds"]["real"]
        judge = openstack.connect(region_name=entry["region_name"], compute_default_microversion="2.90", **entry["auth"])
    key = open(given.key).read().strip()
    name, password = given.user.split(":")
    if judge:
        tidy(entry, judge, name, password, (one, two))

    browser = Browser(given.url)
    wrong = browser.log_in(name, "not the password")
    need(wrong.status == 401 and "req-" in wrong.words, "a wrong password is refused in Keystone's words", wrong)
    step("a wrong password is refused, in Keystone's words and with its request's identifier")
    page = browser.log_in(name, password)
    need(page.status == 200 and page.url == "/servers", "logging in by a Keystone account", page)
    step("logged in by a Keystone account")
    account = browser.get("/account")
    need("Account of" in account.words and "Change the password" not in account.words, "the account page", account)
    refused = browser.post("/account/password", account, password="a", new_password="b")
    need(refused.status == 403 and "cloud's own" in refused.words, "a password is not changed here", refused)
    need(browser.get("/users").status == 404, "users are not administered here")
    step("the account page says whose the account is, and offers nothing that fails")

    form = browser.get("/keys/new")
    need(all('name="region" value="%s"' % region in form.text for region in (one, two)), "both regions are offered", form)
    stored = browser.post("/keys/new", form, name="me@laptop", region=one, public_key=key)
    need("Stored me@laptop in " + one in stored.words, "storing a key", stored)
    listed = browser.get("/keys?region=" + one)
    need("me@laptop" in listed.words and "SHA256:" in listed.words, "the key is listed", listed)
    need("me@laptop" not in browser.get("/keys?region=" + two).words, "the other region has no such key")
    step("a key is stored in %s, and %s has none" % (one, two))
    again = browser.post("/keys/new", browser.get("/keys/new"), name="me@laptop", region=one, public_key=key)
    need(again.status == 422 and "already" in again.words, "the same name twice", again)
    page = browser.get("/keys")
    copied = browser.post("/keys/copy", page, key=one + "/me@laptop", to=two)
    need(re.search(r"Copied me@laptop to [^.]*\b%s\b" % two, copied.words), "copying a key", copied)
    page = browser.get("/keys/delete?region=%s&name=%s" % (two, urllib.parse.quote("me@laptop")))
    deleted = browser.post("/keys/delete", page, region=two, name="me@laptop")
    need(re.search(r"Deleted me@laptop from [^.]*\b%s\b" % two, deleted.words), "deleting a key", deleted)
    step("the key is copied to %s, and deleted there" % two)
    second = " ".join(key.split()[:2]) + " second"

    form = browser.get("/servers/new")
    image = form.option("debian-12")
    need(image, "images are listed", form)
    flavor = re.search(r'name="flavor" value="([^"]*)"[^>]*>\s*<span><strong>m1.tiny', form.text)
    need(flavor, "flavors are listed", form)
    fields = dict(region=one, image=image, flavor=flavor.group(1), key="me@laptop", description="made by a test")
    bad = browser.post("/servers/new", form, name="web", user_data="#cloud-config\ndisable_root: true\n", **fields)
    need(bad.status == 422 and "keeps root out" in bad.words, "user data that keeps root out is refused", bad)
    step("user data that cannot be joined with the key is refused, plainly")
    made = browser.post("/servers/new", form, name="web", user_data="#cloud-config\npackages: [git]\n", **fields)
    need("web is being made" in made.words, "creating a server", made)
    server = made.url
    ready = wait(browser, server, lambda page: status_of(page) == "good", "the server runs")
    need("ssh root@10.20." in ready.words and "me@laptop" in ready.words, "address and key are shown", ready)
    need("debian-12" in ready.words and "m1.tiny" in ready.words, "image and size are shown", ready)
    need(" create " in ready.words, "the action log has its creation", ready)
    need("Open a shell" not in ready.words, "no shell is offered that would fail", ready)
    step("a server is made with the key, and runs: " + re.search(r"ssh root@[0-9.]+", ready.words).group(0))

    number = server.rsplit("/", 1)[1]
    if judge:
        there = judge.compute.get_server(number)
        data = base64.b64decode(there.user_data).decode()
        need(there.status == "ACTIVE" and there.key_name == "me@laptop", "Nova has the server with its key")
        need(data.startswith("#cloud-config\npackages: [git]\n") and "disable_root: false" in data and key.split()[1] in data,
             "its user data lets root in by the key, behind the person's own: " + data)
        need(there.description == "made by a test", "and its description")
        step("OpenStack's SDK agrees: key, user data, description")
    if given.console:
        def boots(with_key):
            with open("%s/%s.console" % (given.console, number), "w") as console:
                console.write("[    1.000000] boot\r\n[\x1b[0;32m  OK  \x1b[0m] Started it.\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n%s root@web\r\n"
                              "-----END SSH HOST KEY KEYS-----\r\nweb login: " % with_key)
        boots(" ".join(key.split()[:2]))
        shown = wait(browser, server, lambda page: "read from its console" in page.words, "the host key is read from the console", 60)
        fingerprint = re.search(r"SHA256:[A-Za-z0-9+/]{43}", shown.words).group(0)
        lines = browser.get("/downloads/known_hosts").text
        need(key.split()[1] in lines and lines.startswith("10.20."), "known_hosts has it")
        step("its host key is read from the console's key block: " + fingerprint)
        if judge:
            address = re.search(r"ssh root@([0-9.]+)", ready.words).group(1)
            said = browser.get("/vouch/v1/statement?address=%s&port=22&nonce=%s" % (address, "a1" * 10))
            need("10.20.0.0/16" in browser.get("/vouch/v1/introduction").text, "the panel speaks for the shared network")
            need(said.status == 200 and "present" in said.text and key.split()[1] in said.text, "the panel vouches for the host key", said)
            elsewhere = browser.get("/vouch/v1/statement?address=10.20.250.250&port=22&nonce=%s" % ("a1" * 10))
            need("vacant" in elsewhere.text, "and says that nobody is elsewhere", elsewhere)
            step("the panel vouches for it to whoever asks, as Nova says who has the address")

    log = browser.get(server + "/log")
    need("boot" in log.words, "the console log", log)
    if given.console:
        need(re.search(r'\[<span class="log-green">\s+OK\s+</span>\] Started it', log.text), "its colours, although Nova takes the escapes away", log)
    step("the console log is shown, in its colours")
    page = browser.get(server)
    need("console" in page.text, "the screen is offered", page)
    screen = browser.post(server + "/screen", page)
    need(screen.status == 200 and "vnc_auto.html" in screen.text, "the cloud's own console", screen)
    step("the cloud's own console is linked")

    act(browser, server, "reboot")
    wait(browser, server, lambda page: status_of(page) == "good" and " reboot " in page.words and "running" not in re.sub(r".*Action log", "", page.words), "it runs after a reboot")
    step("rebooted")
    act(browser, server, "stop")
    wait(browser, server, lambda page: status_of(page) == "off", "it stops")
    act(browser, server, "start")
    wait(browser, server, lambda page: status_of(page) == "good", "it starts")
    step("stopped and started")
    act(browser, server, "lock")
    need("Locked" in browser.get(server).words, "it is locked")
    act(browser, server, "unlock")
    need("Locked" not in browser.get(server).words, "it is unlocked")
    step("locked and unlocked")
    # Each ended within the second that it began in.
    done = wait(browser, server, lambda page: all(one in actions(page) for one in ("lock", "unlock", "stop", "start")), "the action log has them", 20)
    done = wait(browser, server, lambda page: all(end.endswith(" s") for end in actions(page).values()), "each action has an end", 20)
    step("the action log tells the end of each: " + ", ".join("%s %s" % one for one in actions(done).items()))
    refused = browser.post(server + "/do/rebuild", browser.get(server + "/confirm/rebuild"), image=image, typed="wrong")
    need(refused.status == 422, "the name must be typed", refused)
    act(browser, server, "rebuild", image=browser.get(server + "/confirm/rebuild").option("debian-13"), typed="web")
    wait(browser, server, lambda page: status_of(page) == "good" and "debian-13" in page.words and " rebuild " in page.words, "it runs after a rebuild")
    if judge:
        there = judge.compute.get_server(number)
        need(there.image.id == browser.get(server + "/confirm/rebuild").option("debian-13"), "Nova has the other image")
    step("rebuilt from another image")
    if given.console:
        still = browser.get(server)
        need("None yet" in still.words, "keys of the system before are not believed again", still)
        boots("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUqffKn2+VyWQ8534ZurD+d54nmdaQMWXM3V/CNE2Aw")
        changed = wait(browser, server, lambda page: "The host key has changed" in page.words and "None yet" not in page.words, "the new host key is read", 60)
        need(fingerprint in changed.words, "the old key is told", changed)
        step("its new host key is told from the old one")

    stranger = Browser(given.url)
    stranger.log_in(*given.other.split(":"))
    need(stranger.get(server).status == 404, "another project's user sees no such server", stranger.get(server))
    need("web" not in re.findall(r"<strong>([^<]*)</strong>", stranger.get("/servers").text), "nor is it in the list")
    need("me@laptop" not in stranger.get("/keys").words, "nor the key")
    step("another project's user sees nothing of it")

    act(browser, server, "delete", typed="web")
    wait(browser, server, lambda page: page.status == 404, "it is gone")
    need("No servers yet" in browser.get("/servers").words, "the list is empty again", browser.get("/servers"))
    if judge:
        need(not [one for one in judge.compute.servers(all_projects=True) if one.id == number], "Nova has it no more")
    two_keys(browser, given, one, key, image, flavor.group(1), judge)
    page = browser.get("/keys/delete?region=%s&name=%s" % (one, urllib.parse.quote("me@laptop")))
    browser.post("/keys/delete", page, region=one, name="me@laptop")
    step("deleted, and its key")
    if given.silence:
        silent(browser, given.silence, one, two)
    browser.post("/logout", browser.get("/account"))
    need(browser.get("/servers").url.startswith("/login"), "logged out")
    step("logged out")


main()
