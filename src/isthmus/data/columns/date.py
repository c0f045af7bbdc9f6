"""Columns of dates: when on the line, and where in the year, the week and the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.data.columns import Codec, Kind
from isthmus.data.columns.facts import Facts, plain, seconds
from isthmus.data.columns.number import refuse_other
from isthmus.data.record import Array
from isthmus.records import Column

DAY = 86_400.0
# Period and where it starts, in seconds; 1970 began on a Thursday, and weeks begin on Monday.
CYCLES = {"year": (365.2425 * DAY, 0.0), "week": (7 * DAY, -3 * DAY), "day": (DAY, 0.0)}


@dataclass(frozen=True, repr=False)
class Date(Kind):
    """Dates and times: a number that grows with time, and an angle for each cycle that the rows go through.

    The year counts where the rows span two of them, the week where they span two, the day where they have hours. The
    number is scored as a measurement and every angle by the von Mises distribution, so that a Sunday night can be odd
    where the date itself is not. What comes back is the time on the line.

    Args:
        format: how text is read, as ``%d.%m.%Y %H:%M``; ISO 8601 where it is empty.

    >>> Date("%d.%m.%Y")
    Date(format='%d.%m.%Y')
    """

    format: str = ""

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec."""
        refuse_other(name, facts, ("date",), "date")
        span = facts.high - facts.low
        hours = not (facts.unit == "D" or (facts.whole and facts.low % DAY == 0 and facts.mean % DAY == 0))
        cycles = [cycle for cycle, (period, _) in CYCLES.items() if cycle != "day" and span >= 2 * period]
        cycles += ["day"] if hours and span >= DAY / 2 else []
        return DateCodec(name, facts.mean, facts.deviation or DAY, tuple(cycles), self.format)


@dataclass(frozen=True, eq=False)
class DateCodec(Codec):
    """Dates to seconds, scaled, and angles."""

    centre: float = 0.0
    factor: float = 1.0
    cycles: tuple[str, ...] = ()
    format: str = ""

    @property
    def variables(self) -> tuple[Column, ...]:
        """A number, and an angle per cycle."""
        return (Column(self.name), *(Column(f"{self.name} in the {cycle}", "angle") for cycle in self.cycles))

    def encode(self, values: Any, out: Array) -> None:
        """Scale, and find the place in each cycle."""
        time = seconds(parsed(self.name, values, self.format))
        out[:, 0] = (time - self.centre) / self.factor
        for i, cycle in enumerate(self.cycles, 1):
            period, start = CYCLES[cycle]
            out[:, i] = 2 * np.pi * (((time - start) / period) % 1.0) - np.pi

    def decode(self, U: Array) -> Array:
        """Return times, to a microsecond, as numpy's dates."""
        time = self.centre + self.factor * U[:, 0]
        missing = ~np.isfinite(time)
        ticks = np.round(np.where(missing, 0.0, time) * 1e6).astype(np.int64)
        found = ticks.astype("datetime64[us]")
        found[missing] = np.datetime64("NaT")
        return found

    def log_slope(self, U: Array) -> Array:
        """Return the scale of seconds; angles are in radians."""
        return np.array([[-float(np.log(self.factor))] + [0.0] * len(self.cycles)])

    def spread(self, U: Array, deviations: Array) -> Array:
        """Return the deviation in seconds."""
        return np.full(len(U), deviations[0] * self.factor)

    def told(self, value: Any) -> str:
        """Write a date as far as it says something."""
        text = str(value).replace("T", " ")
        return text.removesuffix(" 00:00:00.000000").removesuffix(" 00:00:00").removesuffix(".000000")


def parsed(name: str, values: Any, format: str = "") -> Any:
    """Return text as dates.

    Raises:
        ValueError: text that is no date, with its row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = plain(values) if not isinstance(values, np.ndarray) else pa.array(values)
    if pa.types.is_temporal(values.type) or pa.types.is_null(values.type):
        return values.cast(pa.timestamp("us")) if pa.types.is_null(values.type) else values
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise ValueError(f"column {name!r} is declared as date, but holds {values.type}; correct the schema")
    found = pc.strptime(values, format=format, unit="us", error_is_null=True) if format else _iso(values)
    lost = (found.is_null().to_numpy(zero_copy_only=False)) & ~values.is_null().to_numpy(zero_copy_only=False)
    if lost.any():
        row = int(lost.argmax())
        wanted = f"of the form {format!r}" if format else "like 2024-12-31 or 2024-12-31 23:59:59; name another format"
        raise ValueError(f"column {name!r} holds {values[row].as_py()!r} in row {row}, which is no date {wanted}")
    return found


def _iso(values: Any) -> Any:
    """Parse ISO dates; null where one is none."""
    import pyarrow as pa

    try:
        return values.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        found = []
        for text in values.to_pylist():
            try:
                found.append(None if text is None else pa.scalar(text).cast(pa.timestamp("us")).as_py())
            except pa.ArrowInvalid:
                found.append(None)
        return pa.array(found, pa.timestamp("us"))
