"""How a page comes together: the graphs that it runs, its sections, and as many rows as fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

import isthmus
from isthmus.report import rows as of_rows
from isthmus.report.code_map import CodeMapWriter
from isthmus.report.contract import FORMAT, Graph, Page
from isthmus.report.decoding import DecoderWriter
from isthmus.report.gallery import GalleryWriter
from isthmus.report.of_detectors import AnomaliesWriter
from isthmus.report.of_predictors import PredictionWriter
from isthmus.report.packing import Blobs
from isthmus.report.reconstructions import ReconstructionsWriter
from isthmus.report.rows import Given, Shown
from isthmus.report.summary import summarise

MEGABYTE = 1_000_000
RUNTIME = ("runtime.mjs", "runtime.wasm")
# The fewest rows of a page, and how often it is composed until it fits.
LEAST, TRIES = 300, 4


def asset(name: str) -> bytes:
    """Return what ``web/`` was built to."""
    return resources.files("isthmus.report").joinpath(f"assets/{name}").read_bytes()


@dataclass(frozen=True)
class Live:
    """What a page computes with: graphs and what runs them; or why it has none."""

    graphs: dict[str, Graph]
    blobs: Blobs
    why: str = ""

    @classmethod
    def none(cls, why: str) -> Live:
        """Return nothing, and why."""
        return cls({}, Blobs(), why)

    @classmethod
    def of(cls, model: Any, most: int) -> Live:
        """Return the graphs of a model, where they take less than ``most`` bytes of a page."""
        try:
            made = dict(exported(model))
        except (ImportError, ValueError) as error:
            return cls.none(f"This page does not decode: {error}")
        blobs = Blobs()
        for name in RUNTIME:
            blobs.add_packed(name, asset(f"{name}.gz"))
        for name, (content, _) in made.items():
            blobs.add(f"graphs/{name}", content)
        if blobs.size > most:
            told = f"What decodes of this model takes {blobs.size / MEGABYTE:.1f} MB, more than this page may have"
            return cls.none(f"{told}; a larger --size may have room for it, isthmus explore has.")
        return cls({name: Graph(f"graphs/{name}", width) for name, (_, width) in made.items()}, blobs)


def exported(model: Any) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Give the graphs of a model, each with the width of its input."""
    inner = getattr(model, "autoencoder_", model)
    for name in model.graphs():
        if name != "encoder":  # the score holds it
            codes = name == "decoder" or name.endswith("from_code")
            yield name, (model.to_onnx(name), inner._n_features_out if codes else model.n_features_in_)


class Draft:
    """A page that is composed with fewer and fewer rows until it fits."""

    def __init__(self, found: Given, live: Live) -> None:
        """Answer all that does not depend on which rows are shown."""
        self.found, self.live = found, live
        self.writers, self.summary = writers(found, live=bool(live.graphs)), summarise(found)

    def fitted(self, most: int) -> tuple[Page, Blobs, bool]:
        """Return the page with as many rows as ``most`` bytes hold, its blobs, and whether it fits at all."""
        fixed = Blobs()
        fixed.add_packed("app", asset("app.gz"))
        fixed.packed |= self.live.blobs.packed
        room, rows, before = most - len(asset("page.html")) - fixed.size, len(self.found), (0, 0)
        for _ in range(TRIES):
            own = Blobs()
            page = self.page(rows, own)
            if own.size <= room or rows <= LEAST:
                break
            # What a row takes is known from the second try on; at first all of the page counts as rows.
            per_row = (before[1] - own.size) / (before[0] - rows) if before[0] > rows else own.size / rows
            if per_row <= 0:
                break  # sections want these rows, however few are asked for
            before = (rows, own.size)
            rows = max(LEAST, int(rows - 1.02 * (own.size - room) / per_row))
        fixed.packed |= own.packed
        return page, fixed, own.size <= room

    def page(self, rows: int, blobs: Blobs) -> Page:
        """Write every section, with so many rows."""
        found, shown = self.found, Shown.of(len(self.found), rows, (each.wanted for each in self.writers.values()))
        sections = {name: writer.write(shown, blobs) for name, writer in self.writers.items()}
        page = Page(
            format=FORMAT,
            version=isthmus.__version__,
            title=f"{found.name}: {self.summary.title}",
            data=of_rows.data(found, shown, blobs, limits(found)),
            summary=self.summary,
            graphs=self.live.graphs,
            live=self.live.why,
            editable=False,
            **{name: sections.get(name) for name in SECTIONS},
        )
        blobs.page(page)
        return page


SECTIONS = ("reconstructions", "code_map", "decoder", "concepts", "prediction", "anomalies")


def writers(found: Given, *, live: bool) -> dict[str, Any]:
    """Return what writes each section, in the order of the page."""
    if found.autoencoder is None:
        anomalies = AnomaliesWriter(found)
        codes = np.empty((len(found), 0))
        code_map = CodeMapWriter(found, codes, anomalies.score, "anomaly score")
        return {"code_map": code_map, "anomalies": anomalies}
    codes, model = found.codes, found.autoencoder
    made: dict[str, Any] = {
        "reconstructions": ReconstructionsWriter(found),
        "code_map": CodeMapWriter(found, codes, found.likelihood, "log-likelihood, nats"),
        "decoder": DecoderWriter(found, codes, live=live),
    }
    if len(model.objective_.model.code_shape) == 1:
        made["concepts"] = GalleryWriter(found)
    if found.model is not model:
        made["prediction"] = PredictionWriter(found)
    return made


def limits(found: Given) -> tuple[float, float]:
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
