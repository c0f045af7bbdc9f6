"""How large are pages, and how fast do they open, decode and draw?

Every page is opened from the disk in headless Chromium, which draws WebGL in software here. A slider of the decoder is
moved fifty times; a frame is the time from the move until the picture has changed. Gradio and Streamlit show the same
decoder under a slider, each from a process on this machine, in environments of their own (the folder ``sliders`` in
``ISTHMUS_ENVIRONMENTS``, with gradio, streamlit and numpy). Maps are of made-up codes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.common import Bench, Column, Table
from isthmus import AnomalyDetector, Autoencoder, SelfExplainingClassifier, Trainer, data, recipes
from isthmus.parts import Dense
from isthmus.report import Report, report

MOVES = 50
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
MAPS = {f"a map of {rows:,} points": rows for rows in (10_000, 100_000, 1_000_000)}
PAGES = (
    "digits, small",
    "digits, 1,797 rows",
    "digits, self-explaining",
    "pictures 28x28, convolutional, 10,000 rows",
    "a table of 5 numbers, anomalies, 20,000 rows",
)
TABLE = Table(
    name="page",
    columns={
        "megabytes": Column("MB", "{:.1f}"),
        "rows": Column("rows shown", "{:,.0f}", "first"),
        "written": Column("seconds to write", "{:.1f}"),
        "first": Column("ms to the first picture", "{:,.0f}"),
        "frame": Column("ms per frame, median", "{:.1f}"),
        "slowest": Column("95 % below", "{:.1f}"),
        "drawn": Column("ms to draw the map", "{:,.0f}"),
    },
    rows=(*PAGES, *MAPS, "Gradio, the same slider", "Streamlit, the same slider"),
)
# Waits, from the next key on, until the picture is another one.
WATCH = """(drawn) => {
  const look = () => {
    const found = document.querySelector(drawn);
    return found === null ? "" : found.tagName === "IMG" ? found.src : found.toDataURL();
  };
  const before = look();
  let began = 0;
  document.addEventListener("keydown", () => (began = performance.now()), { capture: true, once: true });
  window.frame = (async () => {
    while (look() === before || began === 0) {
      if (began > 0 && performance.now() - began > 10000) throw new Error("the picture did not change");
      await new Promise((go) => setTimeout(go, 0));
    }
    return performance.now() - began;
  })();
}"""


def made(name: str, quick: bool) -> Report:
    """Fit the model of a page, and compose the page.

    Raises:
        KeyError: a page without a model.
    """
    digits, rng = data.read("digits"), np.random.default_rng(0)
    short = Trainer(epochs=2 if quick else 30)
    if name.startswith("digits, self"):
        model: Any = SelfExplainingClassifier(Autoencoder(16), trainer=short, random_state=0).fit(digits.X, digits.y)
        return report(model, digits.X, digits.y, name="digits")
    if name.startswith("digits"):
        model = Autoencoder(16, architecture=Dense((64,)), trainer=short, random_state=0).fit(digits.X)
        return report(model, digits.X, digits.y, name="digits", size="small" if "small" in name else "auto")
    if name.startswith("pictures"):
        rows = 300 if quick else 10_000
        X = (rng.random((rows, 1, 7, 7)) > 0.7).repeat(4, 2).repeat(4, 3).astype(np.float32)
        model = recipes.convolutional(16, trainer=Trainer(epochs=1), random_state=0).fit(X)
        return report(model, X, name="pictures")
    if name.startswith("a table"):
        rows = 1_000 if quick else 20_000
        table = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(rows, 5))
        return report(AnomalyDetector(random_state=0).fit(table), table, name="table")
    raise KeyError(name)


def mapped(rows: int) -> Report:
    """Compose the page of very many codes."""
    x = np.random.default_rng(0).normal(size=(rows, 2)).astype(np.float32)
    return report(recipes.pca(2, random_state=0).fit(x[:1000]), x, name="points", size="whole")


@contextmanager
def chromium() -> Iterator[Any]:
    """Open a window of Chromium that has no network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        browser.close()


def moved(page: Any, slider: str, drawn: str) -> dict[str, float]:
    """Move a slider by its key, step by step."""
    took = []
    page.locator(slider).first.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(500)
    for _ in range(MOVES + 5):
        page.evaluate(WATCH, drawn)
        page.keyboard.press("ArrowRight")
        took.append(page.evaluate("window.frame"))
        page.wait_for_timeout(30)
    return {"frame": float(np.median(took[5:])), "slowest": float(np.quantile(took[5:], 0.95))}


def measured(found: Report, written: float, wanted: str) -> dict[str, Any]:
    """Open a page, and say how long what is ``wanted`` took to appear; then move its first slider."""
    with tempfile.TemporaryDirectory() as folder, chromium() as page:
        path = found.write(Path(folder) / "page.html")
        values: dict[str, Any] = {"megabytes": path.stat().st_size / 1e6, "written": written}
        values["rows"] = found.page.data.cells.shape[0]
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.locator(wanted).first.wait_for()
        values["first"] = 1000 * (time.perf_counter() - began)
        if found.page.graphs and found.page.data.kind == "image":
            values |= moved(page, "#decoder input[type=range]", "#decoder canvas")
    return values


def drawing(found: Report) -> dict[str, Any]:
    """Open the map of a page, and say how long it takes until its points are drawn."""
    with tempfile.TemporaryDirectory() as folder, chromium() as page:
        path = found.write(Path(folder) / "page.html")
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.locator("#code-map [aria-busy=false]").first.wait_for(timeout=120_000)
        drawn = 1000 * (time.perf_counter() - began)
        size = path.stat().st_size / 1e6
    return {"megabytes": size, "rows": found.page.data.cells.shape[0], "drawn": drawn}


def slider(kind: str, commands: Callable[[Path, int], list[str]], drawn: str) -> dict[str, Any]:
    """Start another library's app, and move its slider."""
    python = _python()
    rng = np.random.default_rng(0)
    shapes = [(64, 16), (64, 64)]
    layers = {f"weight_{i}": rng.normal(size=shape).astype(np.float32) / 4 for i, shape in enumerate(shapes)}
    layers |= {f"bias_{i}": np.zeros(shape[0], np.float32) for i, shape in enumerate(shapes)}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        np.savez(Path(folder) / "decoder.npz", **layers)
        command = [str(python), *commands(Path(folder) / "decoder.npz", port)]
        outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
        process = subprocess.Popen(command, env=outside | quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _listening(port)
            with chromium() as page:
                began = time.perf_counter()
                page.goto(f"http://127.0.0.1:{port}/")
                page.locator(drawn).first.wait_for(timeout=60_000)
                first = 1000 * (time.perf_counter() - began)
                return {"first": first} | moved(page, "input[type=range], [role=slider]", drawn)
        finally:
            process.terminate()
            process.wait()


def _python() -> Path:
    folder = Path(os.environ.get("ISTHMUS_ENVIRONMENTS", peers.cache()))
    return folder / "sliders" / "bin" / "python"


def _listening(port: int) -> None:
    """Wait until somebody answers."""
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the app did not start within a minute")


def gradio(weights: Path, port: int) -> list[str]:
    """Return the arguments that start it."""
    return [str(Path(peers.__file__).parent / "slider_gradio.py"), str(weights), str(port)]


def streamlit(weights: Path, port: int) -> list[str]:
    """Return the arguments that start it."""
    script = str(Path(peers.__file__).parent / "slider_streamlit.py")
    settings = ["--server.port", str(port), "--server.headless", "true", "--server.address", "127.0.0.1"]
    return ["-m", "streamlit", "run", script, *settings, "--", str(weights)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, one after another."""
    bench = Bench(TABLE, arguments, __doc__)
    for name in PAGES:
        if bench.wants(name):
            made(name, True)  # what is imported once costs no page
            began = time.perf_counter()
            found = made(name, bench.quick)
            with bench.row(name, {"moves": MOVES}) as values:
                wanted = "#anomalies .place" if found.page.decoder is None else "#decoder canvas"
                values |= measured(found, time.perf_counter() - began, wanted)
    for name, rows in MAPS.items():
        if bench.wants(name) and not (bench.quick and rows > 10_000):
            with bench.row(name, {"rows": rows}) as values:
                values |= drawing(mapped(rows))
    for name, commands in (("Gradio", gradio), ("Streamlit", streamlit)):
        row = f"{name}, the same slider"
        if bench.wants(row) and _python().exists():
            drawn = ".image-frame img" if name == "Gradio" else "[data-testid=stImage] img"
            with bench.row(row, {"moves": MOVES}) as values:
                values |= slider(name, commands, drawn)


if __name__ == "__main__":
    main()
