"""One self-contained HTML file: the page that was built, the tree of what it shows, and arrays and graphs beside it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

import isthmus
from isthmus.data.writing import atomic
from isthmus.report import rows as of_rows
from isthmus.report.code_map import CodeMapWriter
from isthmus.report.contract import FORMAT, Graph, Page, Summary
from isthmus.report.decoding import DecoderWriter
from isthmus.report.gallery import GalleryWriter
from isthmus.report.of_detectors import AnomaliesWriter
from isthmus.report.of_predictors import PredictionWriter
from isthmus.report.packing import Blobs
from isthmus.report.reconstructions import ReconstructionsWriter
from isthmus.report.rows import Given, Shown
from isthmus.report.summary import summarise

MEGABYTE = 1_000_000
# What a page of each size may weigh; the smallest has no room for what runs graphs.
SIZES = {"small": 1 * MEGABYTE, "usual": 6 * MEGABYTE, "large": 20 * MEGABYTE, "whole": 1 << 62}
RUNTIME = ("runtime.mjs", "runtime.wasm")
# The fewest rows of a page, how often it is composed until it fits, and the bytes that it needs beside graphs.
LEAST, TRIES, BESIDE = 300, 4, 400_000


@dataclass(frozen=True, eq=False)
class Report:
    """A page that is ready to be written.

    Attributes:
        page: the tree of what it shows.
        blobs: arrays, graphs and the runtime, by name.
    """

    page: Page
    blobs: Blobs

    @property
    def summary(self) -> Summary:
        """What was trained, on what, and how well."""
        return self.page.summary

    def html(self, server: str | None = None, *, host: bool = False) -> str:
        """Return the page: with everything inside, or as one that asks a ``server`` for it; a ``host`` keeps names."""
        page = _asset("page.html").decode()
        scripts = self.blobs.scripts() if server is None else ()
        head = "" if server is None else f'<meta name="isthmus-server" content="{html.escape(server)}" />'
        head += '<meta name="isthmus-host" content="frame" />' if host else ""
        page = page.replace("<!--isthmus:head-->", head, 1)
        title = f"<title>{html.escape(self.page.title)}</title>"
        return page.replace("<title>isthmus</title>", title, 1).replace("<!--isthmus:blobs-->", "\n".join(scripts), 1)

    def write(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path.

        Raises:
            OSError: the file cannot be written; an older one there stays as it was.
        """
        with atomic(Path(path)) as beside:
            beside.write_text(self.html(), encoding="utf-8")
        return Path(path)


def report(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    name: str = "data",
    label: str = "",
    shape: tuple[int, ...] | None = None,
    size: str = "auto",
) -> Report:
    """Look inside a fitted model: everything that a page shows of it and of some rows.

    Args:
        model: a fitted autoencoder, anomaly detector or self-explaining model.
        X: rows like those of its fit.
        y: a label per row; a number per row only colours them.
        name: what the rows are called on the page.
        label: what y is called.
        shape: draw flat rows as pictures, (channels, height, width), or signals, (channels, length).
        size: ``small`` pages weigh at most 1 MB and do not decode, ``usual`` ones 6 MB, ``large`` ones 20 MB. ``auto``
            is usual, or large where the graphs of the model need it. Where not all rows fit, a sample is shown.
            ``whole`` has no limit.

    Raises:
        ValueError: an estimator that is not fitted or of no known kind, rows unlike those of the fit, or a model too
            large for the size.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> digits = data.read("digits", limit=200)
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(digits.X)
    >>> found = report(model, digits.X, digits.y, name="digits", size="small")
    >>> found.page.data.rows, found.page.code_map is not None
    (200, True)
    """
    if size not in ("auto", *SIZES):
        raise ValueError(f"size={size!r} is unknown; give auto, {', '.join(SIZES)}")
    found = of_rows.given(_known(model), X, y, name=name, label=label, shape=shape)
    blobs = Blobs()
    blobs.add_packed("app", _asset("app.gz"))
    graphs, live, most = _graphs(model, blobs, size)
    return _fitted(found, blobs, graphs, live, most)


def _asset(name: str) -> bytes:
    """Return what ``web/`` was built to."""
    return resources.files("isthmus.report").joinpath(f"assets/{name}").read_bytes()


def _known(model: Any) -> Any:
    """Return a fitted estimator of a kind that pages show.

    Raises:
        ValueError: something else.
    """
    if not any(hasattr(model, name) for name in ("objective_", "members_", "task_")):
        raise ValueError(f"a report is of a fitted model, and this is {type(model).__name__}; call fit first")
    if hasattr(model, "task_") and not hasattr(model, "explain"):
        raise ValueError("a fine-tuned classifier has nothing to explain; give its autoencoder_")
    return model


def _graphs(model: Any, blobs: Blobs, size: str) -> tuple[dict[str, Graph], str, int]:
    """Keep the graphs that the page runs; return them, why there are none, and the bytes that the page may have."""
    if size == "small":
        return {}, "This is a small page, without what decodes: ask for a larger one with --size usual.", SIZES[size]
    try:
        made = dict(_exported(model))
    except (ImportError, ValueError, NotImplementedError) as error:
        return {}, f"This page does not decode: {error}", SIZES["usual" if size == "auto" else size]
    room = Blobs()
    for name in RUNTIME:
        room.add_packed(name, _asset(f"{name}.gz"))
    for name, (content, _) in made.items():
        room.add(f"graphs/{name}", content)
    asked = ("usual", "large") if size == "auto" else (size,)
    needed = room.size + blobs.size + len(_asset("page.html")) + BESIDE
    fits = [label for label in asked if needed < SIZES[label]]
    if not fits:
        told = f"What decodes of this model takes {room.size / MEGABYTE:.1f} MB, more than this page may have; "
        other = "--size large has room for it." if needed < SIZES["large"] else "isthmus explore shows it."
        return {}, f"{told}{other}", SIZES["usual" if size == "auto" else size]
    blobs.packed |= room.packed
    return {name: Graph(f"graphs/{name}", width) for name, (_, width) in made.items()}, "", SIZES[fits[0]]


def _exported(model: Any) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Give the graphs of a model, each with the width of its input."""
    inner = getattr(model, "autoencoder_", model)
    if not hasattr(model, "graphs"):
        raise ValueError(f"there are no graphs of a {type(model).__name__} yet")
    for name in model.graphs():
        if name != "encoder":  # the score holds it
            codes = name == "decoder" or name.endswith("from_code")
            yield name, (model.to_onnx(name), inner._n_features_out if codes else model.n_features_in_)
    if inner is not model:
        yield "decoder", (inner.to_onnx("decoder"), inner._n_features_out)
        yield "score", (inner.to_onnx("score"), inner.n_features_in_)


def _fitted(found: Given, blobs: Blobs, graphs: dict[str, Graph], live: str, most: int) -> Report:
    """Compose the page, of as many rows as fit."""
    writers, summary = _writers(found, live=bool(graphs)), summarise(found)
    room, rows = most - len(_asset("page.html")) - blobs.size, len(found)
    before = (0, 0)
    for _ in range(TRIES):
        own = Blobs()
        made = _composed(found, writers, summary, graphs, live, rows, own)
        if own.size <= room or rows <= LEAST:
            break
        # What a row takes is known from the second try on; at first all of the page counts as rows.
        per_row = (before[1] - own.size) / (before[0] - rows) if before[0] > rows else own.size / rows
        before = (rows, own.size)
        rows = max(LEAST, int(rows - 1.02 * (own.size - room) / per_row))
    blobs.packed |= own.packed
    return Report(made, blobs)


def _composed(
    found: Given,
    writers: dict[str, Any],
    summary: Summary,
    graphs: dict[str, Graph],
    live: str,
    rows: int,
    blobs: Blobs,
) -> Page:
    """Write every section, with so many rows."""
    shown = Shown.of(len(found), rows, (writer.wanted for writer in writers.values()))
    sections = {name: writer.write(shown, blobs) for name, writer in writers.items()}
    page = Page(
        format=FORMAT,
        version=isthmus.__version__,
        title=f"{found.name}: {summary.title}",
        data=of_rows.data(found, shown, blobs, _limits(found)),
        summary=summary,
        graphs=graphs,
        live=live,
        editable=False,
        **{name: sections.get(name) for name in SECTIONS},
    )
    blobs.page(page)
    return page


SECTIONS = ("reconstructions", "code_map", "decoder", "concepts", "prediction", "anomalies")


def _writers(found: Given, *, live: bool) -> dict[str, Any]:
    """Return what writes each section, in the order of the page."""
    if found.autoencoder is None:
        anomalies = AnomaliesWriter(found)
        codes = np.empty((len(found), 0))
        code_map = CodeMapWriter(found, codes, anomalies.score, "anomaly score")
        return {"code_map": code_map, "anomalies": anomalies}
    model = found.autoencoder
    codes = np.asarray(model.transform(found.X), np.float64)
    made: dict[str, Any] = {
        "reconstructions": ReconstructionsWriter(found),
        "code_map": CodeMapWriter(found, codes, model.score_samples(found.X), "log-likelihood, nats"),
        "decoder": DecoderWriter(found, codes, live=live),
    }
    if len(model.objective_.model.code_shape) == 1:
        made["concepts"] = GalleryWriter(found)
    if found.model is not model:
        made["prediction"] = PredictionWriter(found, codes)
    return made


def _limits(found: Given) -> tuple[float, float]:
    """Return the values that pixels are drawn between: bytes and shares as such, else the ends of most values."""
    values = found.cells[np.isfinite(found.cells)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and 128 < high <= 255:
        return 0.0, 255.0
    return low, high
