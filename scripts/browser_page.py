"""A panel's pages in headless Chromium: what the scripts that go through them have in common."""

import re
import time
from pathlib import Path

CHROMIUM = "/usr/bin/chromium"
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# Of no key that anybody has.
STRANGE = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class Failed(Exception):
    """A step did not do what it should."""


def check(fine, what):
    if not fine:
        raise Failed(what)


def missing_for_pages():
    """What keeps a browser from being run here; empty where nothing does."""
    if not Path(CHROMIUM).exists():
        return f"no {CHROMIUM}"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "no playwright"
    return ""


def launch(playwright):
    """Chromium's own sandbox does not start as root; what it opens here is our pages alone."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Browser:
    """A page, and what a person does with it."""

    def __init__(self, chromium, url, options, tag, width, script=True):
        self.url, self.tag, self.width, self.script, self.pictures = url, tag, width, script, options.pictures
        self.patience = options.patience
        self.context = chromium.new_context(viewport={"width": width, "height": 800}, java_script_enabled=script,
                                            locale="en-GB", timezone_id="Europe/Berlin")
        self.page = self.context.new_page()
        self.page.set_default_timeout(options.patience * 1000)
        self.complaints = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self.heard)
        self.count = 0

    def heard(self, message):
        # A form that is refused answers 4xx, which the browser also puts here.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def say(self, text):
        print(f"  {self.tag}: {text}", flush=True)

    def go(self, path):
        self.page.goto(self.url + path)

    def follow(self, name):
        """Presses the link of this name, by its beginning."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=re.compile(f"^{re.escape(name)}")).first.click()

    def press(self, name):
        with self.page.expect_navigation():
            self.page.locator("main").get_by_role("button", name=name, exact=True).last.click()

    def fill(self, **fields):
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").first.fill(value)

    def text(self):
        return self.page.locator("main").inner_text()

    def sees(self, *texts):
        shown = self.text()
        for text in texts:
            check(text in shown, f"the page does not say {text!r} but: {shown}")

    def sees_not(self, text):
        shown = self.text()
        check(text not in shown, f"the page says {text!r}: {shown}")

    def wait(self, fine, what):
        """Live pages change by themselves; without script a person reloads."""
        end = time.monotonic() + self.patience
        while not fine():
            check(time.monotonic() < end, f"{what}: {self.text()}")
            time.sleep(0.3)
            if not self.script:
                self.page.reload()

    def picture(self, name):
        """In the light and in the dark, and nothing may stick out at the side."""
        self.count += 1
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            to = self.pictures / f"{self.tag}-{self.count:02}-{name}-{scheme}.png"
            self.page.screenshot(path=to, full_page=True)
        wide, room = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        check(wide <= room, f"{name} is {wide} wide in a window of {room}")


class Region(str):
    """A region by its identifier, and what the pages call it."""

    def __new__(cls, identifier, name):
        region = super().__new__(cls, identifier)
        region.name = name
        return region


def offered_regions(browser):
    """Those that a form has boxes for."""
    pairs = browser.page.locator("[name=region]").evaluate_all("boxes => boxes.map(box => [box.value, box.labels[0].innerText.trim()])")
    return [Region(*pair) for pair in pairs]


def use_region(browser, region):
    select = browser.page.locator("#region")
    if browser.script:
        with browser.page.expect_navigation():
            select.select_option(region)
    else:
        select.select_option(region)
        browser.press("Use this region")
    check(browser.page.locator("#region").input_value() == region, "the region was not taken")


def fingerprint(browser):
    return FINGERPRINT.search(browser.page.locator(".host-key").first.inner_text()).group(0)


def compare(browser, printed, word):
    browser.page.locator("#printed").fill(printed)
    browser.press("Compare")
    found = browser.page.locator("#compare .notice").all_inner_texts()
    check(any(word in text for text in found), f"{word!r} is not said of {printed}: {found}")
