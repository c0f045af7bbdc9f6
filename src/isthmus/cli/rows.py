"""Rows from a source for an estimator, and its answers back into files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli.options import Reading, Stretched

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.data.streams import Stream
    from isthmus.estimators import Autoencoder

DIGITS = 7
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


def read(
    source: str,
    reading: Reading,
    *,
    types: Mapping[str, Any] | None = None,
    quiet: bool = False,
    colours: bool = False,
    aside: bool = False,
) -> Data:
    """Read rows, as a table where ``types`` are given; a download shows how far it is.

    With ``colours`` labels colour what is drawn and teach no model, so that rows may lack them. Columns that are left
    out are kept ``aside`` where they are to be written again, and take no memory elsewhere.
    """
    from isthmus.cli.progress import Download
    from isthmus.data import read as read_rows
    from isthmus.data.record import Colour

    stretch = "stretch" if isinstance(reading, Stretched) else "size"
    size = sizes(reading.size, stretch)
    if size is not None and len(size) != 2:
        raise ValueError(f"--{stretch} {reading.size!r} is not HEIGHTxWIDTH; write for example 28x28")
    with Download(quiet=quiet) as shown:
        found = read_rows(
            source,
            label=Colour(reading.label) if colours and reading.label is not None else reading.label,
            drop=reading.drop,
            limit=reading.limit,
            size=size,
            types=types,
            progress=shown.step,
        )
    return found if aside else replace(found, aside=None)


def opened(source: str, reading: Reading, *, asked: bool, table: bool) -> Stream | None:
    """Return rows that are not to be read at once, as was asked for or as they would fill a quarter of memory."""
    from isthmus.data import BUILT_IN, stream
    from isthmus.data.streams import size

    if asked and (reading.limit is not None or reading.size is not None):
        raise ValueError("--stream goes with neither --limit nor --size; leave one of them out")
    if asked and table:
        raise ValueError("--stream reads numbers in blocks, and --schema makes a table of them; leave one of them out")
    whole = reading.limit is None and reading.size is None and source.partition(":")[0] not in BUILT_IN
    if not asked and not (whole and not table and 4 * size(source) > memory()):
        return None
    return stream(source, drop=(*reading.drop, *((reading.label,) if reading.label is not None else ())))


def memory() -> int:
    """Return the bytes of physical memory, or a large number where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    known = "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else 1 << 62


def sampled(rows: Stream) -> Data:
    """Return some rows of a stream, to measure and to draw."""
    from isthmus.data import Data

    return Data(rows.sample(), names=rows.names, source=rows.source)


def types_of(model: Any) -> dict[str, Any] | None:
    """Return the types in which files are read for a model of a table; None for a model of numbers."""
    from isthmus.estimators.blocks import types_of

    return types_of(model)


def arrow(frame: Any) -> Any:
    """Return a table of any library as Arrow's."""
    import narwhals.stable.v2 as nw

    return nw.from_native(frame, eager_only=True).to_arrow()


def brief(column: Any) -> Any:
    """Return floats in the seven digits that a model of single precision knows of them; all else as it is."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_float64(column.type):
        return column
    x = column.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        places = 10.0 ** np.clip(DIGITS - 1 - np.floor(np.log10(np.abs(x))), -300, 300)
        short = np.round(x * places) / places
    return pa.array(np.where(np.isfinite(short), short, x), mask=np.isnan(x))


def shortened(table: Any) -> Any:
    """Return a table whose floats are :func:`brief`."""
    from isthmus.data.cells import replaced

    return replaced(table, {i: brief(column) for i, column in enumerate(table.columns)})


def some(given: Data, index: Any) -> Data:
    """Return some rows of a source."""
    import numpy as np

    index = np.asarray(index)
    return replace(
        given,
        X=None if given.X is None else given.X[index],
        y=None if given.y is None else given.y[index],
        index=None if given.index is None else given.index[index],
        table=None if given.table is None else given.table.take(index),
        aside=None if given.aside is None else given.aside.take(index),
    )


def predicts(model: Any) -> bool:
    """Tell whether a model is a self-explaining one."""
    return hasattr(model, "target_name_")


def described(model: Any) -> str:
    """Say what a model is."""
    return "an autoencoder" if hasattr(model, "objective_") else "an anomaly detector"


def fitted_at(path: Path) -> Any:
    """Load a saved model, whatever it is."""
    from isthmus.estimators import load

    return load(path)


def model_at(path: Path) -> Autoencoder:
    """Load a saved autoencoder, or that of a self-explaining model.

    Raises:
        ValueError: an anomaly detector, which can do something else.
    """
    return autoencoder_of(fitted_at(path), path)


def autoencoder_of(model: Any, path: Path) -> Autoencoder:
    """Return the autoencoder of a model that was loaded.

    Raises:
        ValueError: it has none.
    """
    from isthmus.estimators import Autoencoder

    own = model.autoencoder_ if predicts(model) else model
    if not isinstance(own, Autoencoder):
        raise ValueError(
            f"{path} holds an anomaly detector, which scores rows and has no code to read or write them by; ask for "
            f"its scores (isthmus score {path} DATA), or fit an autoencoder (isthmus fit DATA -o MODEL)"
        )
    return own


def write(path: Path, values: Any, names: Any = None, data: Data | None = None) -> None:
    """Write rows by the path's suffix; tables lead with the rows' own names where the source had such."""
    import numpy as np

    from isthmus.data import write as write_rows

    heading = ROW_NAMES.get(path.suffix.lower())
    index = None if data is None or heading is None else data.index
    if hasattr(values, "column_names"):
        if index is not None:
            import pyarrow as pa

            values = values.add_column(0, heading, pa.array(index.tolist()))
        return write_rows(path, values)
    if index is not None:
        table = np.asarray(values, dtype=object).reshape(len(values), -1)
        names = list(names) if names is not None else [f"x{i}" for i in range(table.shape[1])]
        values, names = np.column_stack([np.asarray(index, dtype=object), table]), [heading, *names]
    write_rows(path, values, names)
