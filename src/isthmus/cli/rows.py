"""Rows from a source for an estimator, and its answers back into files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli.options import Reading

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.data.streams import Stream
    from isthmus.estimators import Autoencoder

# What the readers take for a column of row names.
ROW_NAMES = {".csv": "", ".parquet": "__index_level_0__"}


def sizes(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read 28x28 or 1x28x28.

    Raises:
        ValueError: anything but whole numbers between crosses.
    """
    if text is None:
        return None
    items = text.lower().replace(",", "x").split("x")
    if not all(item.strip().isdigit() for item in items):
        raise ValueError(f"--{option} {text!r} is not a size; write for example 28x28")
    return tuple(int(item) for item in items)


def read(source: str, reading: Reading, *, quiet: bool = False) -> Data:
    """Read rows; a download shows how far it is."""
    from isthmus.cli.progress import Download
    from isthmus.data import read as read_rows

    size = sizes(reading.size, "size")
    if size is not None and len(size) != 2:
        raise ValueError(f"--size {reading.size!r} is not HEIGHTxWIDTH; write for example 28x28")
    with Download(quiet=quiet) as shown:
        return read_rows(
            source, label=reading.label, drop=reading.drop, limit=reading.limit, size=size, progress=shown.step
        )


def opened(source: str, reading: Reading, *, asked: bool) -> Stream | None:
    """Return rows that are not to be read at once, as was asked for or as they would fill a quarter of memory."""
    from isthmus.data import stream
    from isthmus.data.streams import size

    if asked and (reading.limit is not None or reading.size is not None):
        raise ValueError("--stream goes with neither --limit nor --size; leave one of them out")
    path, whole = Path(source).expanduser(), reading.limit is None and reading.size is None
    if not asked and not (whole and path.exists() and 4 * size(path) > memory()):
        return None
    return stream(path, drop=(*reading.drop, *((reading.label,) if reading.label is not None else ())))


def memory() -> int:
    """Return the bytes of physical memory, or a large number where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    known = "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else 1 << 62


def sampled(rows: Stream) -> Data:
    """Return some rows of a stream, to measure and to draw."""
    from isthmus.data import Data

    return Data(rows.sample(), names=rows.names, source=rows.source)


def frame(data: Data) -> Any:
    """Return rows with their columns' names, where they have such, so that an estimator can check them."""
    from isthmus.data.tables import named

    return named(data.X, data.names)


def model_at(path: Path) -> Autoencoder:
    """Load a saved model."""
    from isthmus.estimators import load

    return load(path)


def write(path: Path, values: Any, names: Any = None, data: Data | None = None) -> None:
    """Write rows by the path's suffix; tables lead with the rows' own names where the source had such."""
    import numpy as np

    from isthmus.data import write as write_rows

    heading = ROW_NAMES.get(path.suffix.lower())
    if data is not None and data.index is not None and heading is not None:
        table = np.asarray(values, dtype=object).reshape(len(values), -1)
        names = list(names) if names is not None else [f"x{i}" for i in range(table.shape[1])]
        values, names = np.column_stack([np.asarray(data.index, dtype=object), table]), [heading, *names]
    write_rows(path, values, names)
