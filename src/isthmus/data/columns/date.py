"""Columns of dates: when on the line, and where in the year, the week and the day."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from isthmus.atrow import RowError
from isthmus.data.columns import Codec, Kind, each, typical
from isthmus.data.columns.facts import DAY, Facts, plain, seconds
from isthmus.data.columns.number import refuse_other
from isthmus.data.columns.zones import shifts, zone_of
from isthmus.data.record import Array
from isthmus.records import Column

# The years 1 to 9999 in seconds, and what 64 bits hold of nanoseconds.
LIMITS = {"": (-62_135_596_800, 253_402_214_400), "ns": (-9_223_286_400, 9_223_286_400)}
# Period and where it starts, in seconds; 1970 began on a Thursday, and weeks begin on Monday.
CYCLES = {"year": (365.2425 * DAY, 0.0), "week": (7 * DAY, -3 * DAY), "day": (DAY, 0.0)}

# A date of ISO 8601, and a day, a month and a year in either order; perhaps a time.
_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?)?", re.ASCII)
_WRITTEN = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})( \d{1,2}:\d{2}(?::\d{2})?)?", re.ASCII)


@dataclass(frozen=True, repr=False)
class Date(Kind):
    """Dates and times: a number that grows with time, and an angle for each cycle that the rows go through.

    The year counts where the rows span two of them, the week where they span two, the day where they have hours. The
    number is scored as a measurement and every angle by the von Mises distribution, so that a Sunday night can be odd
    where the date itself is not. What comes back is the time on the line. Where dates have a time zone, angles are
    those of local time, and dates without one are refused; those of another zone are the same instants.

    Args:
        format: how text is read, as ``%d.%m.%Y %H:%M``; ISO 8601 where it is empty, and beside any format, as it can
            mean one thing only.

    >>> Date("%d.%m.%Y")
    Date(format='%d.%m.%Y')
    """

    format: str = ""

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec."""
        refuse_other(name, facts, ("date",), "date")
        span = facts.high - facts.low
        hours = facts.step < DAY
        cycles = [cycle for cycle, (period, _) in CYCLES.items() if cycle != "day" and span >= 2 * period]
        cycles += ["day"] if hours and span >= DAY / 2 else []
        scale, step = facts.deviation or DAY, max(facts.step, 1e-6)
        local = shifts(facts.zone) if facts.zone and cycles else ((), (0.0,))
        return DateCodec(name, facts.mean, scale, tuple(cycles), self.format, step, facts.unit, facts.zone, *local)

    def facts(self, name: str, values: Any) -> Facts:
        """Look at dates, which text is read as."""
        found = parsed(name, values, self.format)
        known = Facts.of(name, found)
        return known if isinstance(values, np.ndarray) or found.type == values.type else replace(known, unit="text")


@dataclass(frozen=True, eq=False)
class DateCodec(Codec):
    """Dates to seconds, scaled, and angles.

    ``zone`` is empty where dates had none, and None of a model that was saved before that was kept: then angles are
    those of UTC. Local time is ahead of UTC by the first of ``ahead``, and from each of ``turns`` on by the next.
    """

    centre: float = 0.0
    factor: float = 1.0
    cycles: tuple[str, ...] = ()
    format: str = ""
    step: float = 1e-6
    unit: str = ""
    zone: str | None = None
    turns: tuple[float, ...] = ()
    ahead: tuple[float, ...] = (0.0,)

    @property
    def variables(self) -> tuple[Column, ...]:
        """A number, and an angle per cycle."""
        return (Column(self.name), *(Column(f"{self.name} in the {cycle}", "angle") for cycle in self.cycles))

    def encode(self, values: Any, out: Array) -> None:
        """Scale, and find the place in each cycle."""
        time = seconds(parsed(self.name, values, self.format))
        out[:, 0] = (time - self.centre) / self.factor
        time = time + np.asarray(self.ahead)[np.searchsorted(self.turns, time, side="right")]
        for i, cycle in enumerate(self.cycles, 1):
            period, start = CYCLES[cycle]
            out[:, i] = 2 * np.pi * (((time - start) / period) % 1.0) - np.pi

    def decode(self, U: Array) -> Any:
        """Return times as numpy's dates, or as text where they came as such: to a day, a second or a microsecond."""
        time = self.centre + self.factor * U[:, 0]
        missing = np.isnan(time)
        first, last = LIMITS["ns" if self.unit == "ns" else ""]
        whole = np.round(np.where(missing, 0.0, time).clip(first, last) / self.step)
        # Steps of a second or more are whole numbers of microseconds, which no rounding moves to the day before.
        found = (whole.astype(np.int64) * round(1e6 * self.step)).astype("datetime64[us]")
        found[missing] = np.datetime64("NaT")
        return self._written(found) if self.unit == "text" else found

    def cells(self, values: Any) -> Array:
        """Return seconds since 1970."""
        return seconds(parsed(self.name, values, self.format))

    @property
    def alike(self) -> Hashable:
        """Dates of the same cycles in the same zone are."""
        return self.cycles, self.turns, self.ahead

    @classmethod
    def variables_of(cls, codecs: Sequence[Self], cells: Tensor) -> Tensor:
        """Scale seconds since 1970, and find the place in each cycle."""
        found, cycles = [(cells - each(codecs, "centre")) / each(codecs, "factor")], codecs[0].cycles
        cells = codecs[0].local(cells) if cycles else cells
        for cycle in cycles:
            period, start = CYCLES[cycle]
            turns = (cells - start) / period
            found.append(2 * np.pi * (turns - turns.floor()) - np.pi)
        return torch.stack(found, 2)

    def local(self, cells: Tensor) -> Tensor:
        """Return local time, in seconds, of seconds since 1970, in operations that graphs have."""
        if not self.turns:
            return cells + self.ahead[0]
        turns, ahead = (torch.tensor(values, dtype=cells.dtype) for values in (self.turns, self.ahead))
        passed = (cells.unsqueeze(-1) >= turns).to(cells.dtype)
        return cells + ahead[0] + (passed * ahead.diff()).sum(-1)

    @classmethod
    def cells_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Return seconds since 1970: to a day, a second or a microsecond."""
        limits = [LIMITS["ns" if codec.unit == "ns" else ""] for codec in codecs]
        first, last = torch.tensor(limits, dtype=torch.float64).unbind(1)
        time = variables[:, :, 0] * each(codecs, "factor") + each(codecs, "centre")
        steps = each(codecs, "step")
        return (torch.maximum(torch.minimum(time, last), first) / steps).round() * steps

    @classmethod
    def log_slopes_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Return the scale of seconds; angles are in radians."""
        slopes = torch.from_numpy(np.concatenate([codec.log_slope(np.empty(0)) for codec in codecs]))
        return slopes.expand_as(variables)

    def described(self) -> dict[str, Any]:
        """Say how dates are written, and that cells are seconds."""
        told = {"format": self.format or _plain(self.step), "step": self.step, "unit": "seconds since 1970-01-01"}
        told |= {"zone": self.zone} if self.zone else {}
        return told | {"text": self.unit == "text", "typical": typical(self)}

    def refuse_zone(self, values: Any) -> None:
        """Refuse dates without a time zone where those of the fit had one, and the other way round.

        Raises:
            ValueError: always with the zone.
        """
        zone, before = zone_of(getattr(values, "type", None)), f"column {self.name!r} was dates"
        if self.zone is None or bool(zone) == bool(self.zone):
            return
        if zone:
            told, remedy = f"without a time zone in the fit and has one ({zone}) now", "give its local times without it"
        else:
            told, remedy = f"with a time zone ({self.zone}) in the fit and has none now", "say which zone it is in"
        raise ValueError(f"{before} {told}; {remedy}, or fit again")

    def _written(self, times: Array) -> list[str | None]:
        """Return times as text: in the format that they are read in, else as far as they say something."""
        form = self.format or _plain(self.step)
        return [None if time is None else time.strftime(form) for time in times.tolist()]

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


def _plain(step: float) -> str:
    """Return the format of dates that are multiples of a step."""
    return "%Y-%m-%d" if step == DAY else "%Y-%m-%d %H:%M:%S" if step == 1 else "%Y-%m-%d %H:%M:%S.%f"


def parsed(name: str, values: Any, format: str = "") -> Any:
    """Return text as dates.

    Raises:
        ValueError: text that is no date, with its row.
    """
    import pyarrow as pa

    values = plain(values) if not isinstance(values, np.ndarray) else pa.array(values)
    if pa.types.is_temporal(values.type) or pa.types.is_null(values.type):
        return values.cast(pa.timestamp("us")) if pa.types.is_null(values.type) else values
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise ValueError(f"column {name!r} is declared as date, but holds {values.type}; correct the schema")
    found = _formatted(values, format) if format else _iso(values)
    lost = (found.is_null().to_numpy(zero_copy_only=False)) & ~values.is_null().to_numpy(zero_copy_only=False)
    if lost.any():
        row = int(lost.argmax())
        value = values[row].as_py()
        wanted, kind = f"of the form {format!r}{' nor like 2024-12-31' * _beside(format)}; write it so", kind_of(value)
        if not format:
            wanted = "like 2024-12-31 or 2024-12-31 23:59:59; correct it, or fit with its form: "
            wanted += declared_as(name, kind)
        raise RowError(f"column {name!r} holds {value!r} in ", row, f", which is no date {wanted}")
    return found


def format_of(values: Any) -> str | None:
    """Return the one way in which all texts are dates with day and month in numbers; None where there is none, or two.

    A number above 12 is that of a day; where no such is seen, nobody can tell 03/04/2017.
    """
    import pyarrow.compute as pc

    there = pc.drop_null(values)
    if not len(there) or _WRITTEN.fullmatch(there[0].as_py()) is None:
        return None
    texts = pc.unique(there).to_pylist()
    found = [match for text in texts if (match := _WRITTEN.fullmatch(text)) is not None and len(match[4]) == 4]
    forms = {_form(match) for match in found}
    days = {place for place in (1, 3) if any(int(match[place]) > 12 for match in found)}
    if len(found) < len(texts) or len(forms) != 1 or len(days) != 1:
        return None
    return forms.pop() if days == {1} else _month_first(forms.pop())


def _form(match: re.Match[str]) -> str:
    """Return the format of a date that begins with its day."""
    time = ("", " %H:%M", " %H:%M:%S")[(match[5] or "").count(":")]
    return f"%d{match[2]}%m{match[2]}{'%Y' if len(match[4]) == 4 else '%y'}{time}"


def _month_first(form: str) -> str:
    return form.translate(str.maketrans("dm", "md"))


def declared_as(name: str, kind: str) -> str:
    """Say how a kind is declared; the shell says it in its own words."""
    return f"schema={{{name!r}: {kind!r}}}"


def kind_of(text: str) -> str:
    """Return the kind that may read a text, as it is declared: with its format, which is not needed after ISO 8601."""
    match, year = _WRITTEN.fullmatch(text), re.match(r"\d{4}([./-])\d", text)
    if match is None:
        sign = year[1] if year else "."
        return "date" if year and sign == "-" else f"date:format={f'%Y{sign}%m{sign}%d' if year else '%d.%m.%Y'}"
    return f"date:format={_form(match) if int(match[3]) <= 12 else _month_first(_form(match))}"


def _formatted(values: Any, format: str) -> Any:
    """Parse dates of a format or of ISO 8601, each once; null where one is none. Arrow's parser takes 31 February."""
    import pyarrow as pa

    known = {text: None if text is None else _date(text, format) for text in values.unique().to_pylist()}
    return pa.array([known[text] for text in values.to_pylist()], pa.timestamp("us"))


def _date(text: str, format: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.strptime(text, format)
    if _beside(format) and _ISO.fullmatch(text) is not None:
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return None


def _beside(format: str) -> bool:
    """Tell whether ISO dates beside a format mean one thing: not where it looks alike, or where dates have a zone."""
    return not format.startswith("%Y-%d") and "%z" not in format


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
