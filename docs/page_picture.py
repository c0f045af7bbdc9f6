"""Write docs/images/page.png, three views of pages in Chromium: .venv/bin/python docs/page_picture.py."""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import sync_playwright

from isthmus import AnomalyDetector, Autoencoder, Trainer, data
from isthmus.report import report

DOCS = Path(__file__).resolve().parent
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WIDTHS, GAP = (900, 900, 500), 24


def pages(folder):
    """Write the page of digits and that of strange trips."""
    digits = data.read("digits")
    model = Autoencoder(10, trainer=Trainer(epochs=60), random_state=0).fit(digits.X)
    yield report(model, digits.X, digits.y, name="digits", label="digit").write(folder / "digits.html")
    rng = np.random.default_rng(0)
    city = rng.choice(["Oslo", "Bern", "Rome"], 900)
    trips = pd.DataFrame({"city": city, "km": np.where(city == "Rome", 900, 300) + rng.normal(0, 20, 900)})
    trips["cost"] = 2 * trips["km"] + rng.normal(0, 9, 900)
    trips["seats"] = rng.integers(1, 9, 900)
    detector = AnomalyDetector(random_state=0).fit(trips)
    trips.loc[41, ["city", "km", "cost"]] = ["Oslo", 310.0, 1240.0]
    yield report(detector, trips, name="trips").write(folder / "trips.html")


def views(browser, digits, trips):
    """Take the pictures."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=2)
    for path, wanted in ((digits, ("#code-map .layout", "#decoder .play")), (trips, ("#anomalies .place",))):
        page.goto(path.as_uri())
        page.wait_for_function("!document.body.innerText.includes('Opening …')")
        page.wait_for_timeout(2000)
        for selector in wanted:
            found = page.locator(selector).first
            found.scroll_into_view_if_needed()
            yield found.screenshot()


def main():
    """Set the pictures beside each other."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = [Image.open(io.BytesIO(png)).convert("RGB") for png in views(browser, *pages(Path(folder)))]
        browser.close()
    maps, decoder, reasons = (picture.resize((width, round(width * picture.height / picture.width)))
                              for picture, width in zip(found, WIDTHS, strict=True))  # fmt: skip
    high = max(maps.height + GAP + decoder.height, reasons.height) + 2 * GAP
    whole = Image.new("RGB", (maps.width + reasons.width + 3 * GAP, high), "#fbfbf9")
    whole.paste(maps, (GAP, GAP))
    whole.paste(decoder, (GAP, maps.height + 2 * GAP))
    whole.paste(reasons, (maps.width + 2 * GAP, GAP))
    whole.save(DOCS / "images" / "page.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
