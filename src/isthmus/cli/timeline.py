"""Series in the shell: the column of dates is the axis of time, and all others are read through windows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import remembered, rows
from isthmus.cli.options import Reading

if TYPE_CHECKING:
    from isthmus.data import Data

HINT, CHANNELS = 64, 8
"""The window that is proposed, and of how many numbers beside a date rows may be points of a series."""
REGULAR, LONGER = 0.9, 1.5
"""Times have a rhythm where so many steps are alike, and a gap where one is so many times as long."""


def read(source: str, reading: Reading, types: Any, *, quiet: bool) -> Data:
    """Read a series for a fit; an array of one axis is one channel."""
    found = _one_axis(source, reading)
    return found if found is not None else rows.read(source, reading, types=types, quiet=quiet, colours=True)


def _one_axis(source: str, reading: Reading) -> Data | None:
    """Return the numbers of an npy file of one axis, in order of time; None of any other source."""
    path = Path(source).expanduser()
    if path.suffix.lower() != ".npy" or not path.is_file():
        return None
    from isthmus.data import npfiles
    from isthmus.data.record import of_array

    array = npfiles.mapped(path)
    if array.ndim != 1:
        return None
    return of_array(npfiles.as_rows(array[: reading.limit, None], source), source=source, itemsize=array.dtype.itemsize)


def times_of(given: Data) -> str | None:
    """Return the name of the column of dates; None where there is none.

    Raises:
        ValueError: there are several.
    """
    if given.table is None:
        return None
    from isthmus.data.codec import facts_of
    from isthmus.data.frames import framed

    found = [name for name, facts in facts_of(framed(given.table)).items() if facts.type == "date"]
    if len(found) > 1:
        drops = " ".join(f'--drop "{name}"' for name in found[1:])
        raise ValueError(f"{given.source!r} has {len(found)} columns of dates ({', '.join(found)}); keep one: {drops}")
    return found[0] if found else None


def divided(given: Data) -> tuple[Data, str | None]:
    """Return the channels of a series, and the name of its axis of time, where it has one.

    Raises:
        ValueError: points that are not in order of time, or columns that are no numbers.
    """
    time = times_of(given)
    if time is not None:
        _in_order(given, time)
        given = without(given, time)
    if given.table is not None:
        _refuse_words(given)
    return given, time


def without(given: Data, time: str) -> Data:
    """Return rows without a column."""
    table = given.table.drop_columns([time])
    return replace(given, table=table, names=tuple(table.column_names))


def _refuse_words(given: Data) -> None:
    import pyarrow as pa

    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_null)
    words = [field.name for field in given.table.schema if not any(is_one(field.type) for is_one in numbers)]
    if words:
        drops = " ".join(f'--drop "{name}"' for name in words)
        raise ValueError(
            f"{given.source!r}: a series is read as numbers, which {words[0]!r} is not; leave out: {drops}"
        )


def _in_order(given: Data, time: str) -> None:
    """Refuse points that are not in order of time, some may be of one time, and warn of gaps between them.

    Raises:
        ValueError: a row that is earlier than the one before.
    """
    seconds = _seconds(given, time)
    row = _backwards(seconds)
    if row is not None:
        raise ValueError(f"{given.source!r}: row {row} is of an earlier {time!r} than the one before; sort by it")
    found = gaps(seconds)
    if found is not None:
        many, longest, after, step = found
        count = "a gap" if many == 1 else f"{many} gaps, the longest"
        warnings.warn(
            f"{given.source!r} has {count} of {timedelta(seconds=longest)} in {time!r}, after row {after}; windows "
            f"read across as if nothing were missing: put empty rows there, one for every {timedelta(seconds=step)}",
            stacklevel=2,
        )


def _seconds(given: Data, time: str) -> Any:
    """Return the time of each row in seconds since 1970, NaN where it has none."""
    from isthmus.data.codec import TableCodec

    return TableCodec.fit(given.table.select([time])).cells(given.table.select([time]))[:, 0]


def _backwards(seconds: Any) -> int | None:
    """Return the number of the first row that is earlier than the one before; None where all are in order."""
    import numpy as np

    known = np.flatnonzero(~np.isnan(seconds))
    back = np.flatnonzero(np.diff(seconds[known]) < 0)
    return int(known[back[0] + 1]) + 1 if len(back) else None


def gaps(seconds: Any) -> tuple[int, float, int, float] | None:
    """Return how many gaps times in a rhythm have, the longest in seconds, the row before it, and the rhythm's step.

    None where there is no gap or no rhythm. A row without a time lies where it may.

    >>> gaps([0.0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200])
    (1, 600.0, 11, 60.0)
    """
    import numpy as np

    known = np.flatnonzero(~np.isnan(seconds))
    steps, rows = np.diff(np.asarray(seconds)[known]), np.diff(known)
    if len(steps) == 0 or (step := float(np.median(steps / rows))) <= 0:
        return None
    longer = steps > LONGER * step * rows
    alike = np.abs(steps - step * rows) < 0.01 * step
    if not longer.any() or alike.mean() < REGULAR:
        return None
    worst = int(np.argmax(np.where(longer, steps, 0.0)))
    return int(longer.sum()), float(steps[worst]), int(known[worst]) + 1, step


def hint(given: Data) -> str | None:
    """Say that rows look like points of a series: a date in its order, and a few numbers; None where they do not."""
    import pyarrow as pa

    if given.table is None or not 2 <= given.table.num_columns <= CHANNELS + 1 or len(given) < 4 * HINT:
        return None
    names = [f.name for f in given.table.schema if not (pa.types.is_integer(f.type) or pa.types.is_floating(f.type))]
    time = times_of(replace(given, table=given.table.select(names), names=tuple(names))) if len(names) == 1 else None
    if time is None or _backwards(_seconds(given, time)) is not None:
        return None
    return f"rows are in order of {time!r}; if they are points of a series, add --window {HINT}"


def timed(detector: Any, source: str, reading: Reading) -> tuple[Data, Any]:
    """Return the points of a series, and the time of each; None where the file has no such column."""
    found, time = points(detector, source, reading), getattr(detector, "time_", None)
    if time not in (found.names or ()):
        return found, None
    return without(found, time), found.table[time].to_pylist()


def points(detector: Any, source: str, reading: Reading) -> Data:
    """Return the points of a series as a detector of such reads them: all at once, its column of times aside.

    Raises:
        ValueError: points that are not in order of time.
    """
    found = _one_axis(source, reading)
    if found is not None:
        return found
    reading = remembered.reading_for(detector, source, reading)
    time = getattr(detector, "time_", None)
    if time is None or time not in reading.drop:
        return rows.read(source, reading, types=rows.types_of(detector), colours=True, aside=True)
    kept = replace(reading, drop=tuple(name for name in reading.drop if name != time))
    read = rows.read(source, kept, types=rows.types_of(detector), colours=True, aside=True)
    if time in (read.names or ()) and times_of(replace(read, table=read.table.select([time]), names=(time,))):
        _in_order(read, time)
    return read
