"""Chromium without a network, for pages."""

import os
import shutil
from contextlib import contextmanager

import pytest

PATHS = ("chromium", "chromium-browser", "google-chrome")
# A machine without a graphics card draws WebGL in software.
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking")


def missing(what):
    """Skip, or fail where Chromium has to be there."""
    if os.environ.get("ISTHMUS_CHROMIUM") == "required":
        pytest.fail(what)
    pytest.skip(what)


def path():
    """Return where it is."""
    found = next(filter(None, map(shutil.which, PATHS)), None)
    if found is None:
        missing("there is no Chromium to look at pages with; install it (Debian: apt install chromium)")
    return found


@contextmanager
def chromium():
    """Start it."""
    there = path()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("there is no playwright to drive Chromium with; pip install playwright")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=there, args=list(FLAGS))
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what went wrong on it."""

    def __init__(self, context):
        self.context, self.faults, self.asked = context, [], []
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def open(self, url):
        """Open a page and wait until it stands."""
        self.page.goto(url)
        self.page.wait_for_selector("h1")
        return self.page

    def elsewhere(self, *own):
        """Return what was asked of any other place than the page itself."""
        inner = ("file:", "data:", "blob:", *own)
        return [url for url in self.asked if not url.startswith(inner)]
