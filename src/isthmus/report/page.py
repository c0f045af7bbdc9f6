"""One self-contained HTML file: the page that was built, the tree of what it shows, and arrays and graphs beside it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.data.writing import atomic
from isthmus.report.composing import MEGABYTE, Draft, Live, asset
from isthmus.report.contract import Page, Summary
from isthmus.report.packing import Blobs
from isthmus.report.rows import given

# What a page of each size may weigh, and what it needs beside graphs at least.
SIZES = {"small": 1 * MEGABYTE, "usual": 6 * MEGABYTE, "large": 20 * MEGABYTE, "whole": 1 << 62}
ROOM = MEGABYTE
SMALL = "This is a small page, without what decodes: ask for a larger one with --size usual."


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
        page = asset("page.html").decode()
        scripts = self.blobs.scripts() if server is None else ()
        head = "" if server is None else f'<meta name="isthmus-server" content="{html.escape(server)}" />'
        head += '<meta name="isthmus-host" content="frame" />' if host else ""
        page = page.replace("<!--isthmus:head-->", head, 1)
        title = f"<title>{html.escape(self.page.title)}</title>"
        return page.replace("<title>isthmus</title>", title, 1).replace("<!--isthmus:blobs-->", "\n".join(scripts), 1)

    def write(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path.

        Raises:
            ValueError: the file cannot be written; an older one there stays as it was.
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
    bytes_per_row: float | None = None,
    titles: Any = None,
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
            is usual, or large where the model needs it. Where not all rows fit, a sample is shown. ``whole`` has no
            limit.
        bytes_per_row: what a row takes at its source, where that is not what X takes, as bytes of pictures (of what
            ``isthmus.data.read`` returns its ``bytes_per_row``): the size that codes are compared with.
        titles: what each row is called beside its number, as a file or a time; the labels of a pandas frame if None.

    Raises:
        ValueError: an estimator that is not fitted or of no known kind, or rows unlike those of the fit.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> digits = data.read("digits", limit=200)
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(digits.X)
    >>> found = report(model, digits.X, digits.y, name="digits", size="small")
    >>> found.page.data.rows, found.page.code_map is not None
    (200, True)
    """
    if size not in ("auto", *SIZES):
        raise ValueError(f"size={size!r} is unknown; give auto, {', '.join(SIZES)}")
    found = given(_known(model), X, y, name=name, label=label, shape=shape, bytes_per_row=bytes_per_row, titles=titles)
    sizes = ("usual", "large") if size == "auto" else (size,)
    live = Live.none(SMALL) if size == "small" else Live.of(model, SIZES[sizes[-1]] - ROOM)
    draft = Draft(found, live)
    for each in sizes:
        page, blobs, fits = draft.fitted(SIZES[each])
        if fits:
            break
    return Report(page, blobs)


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
