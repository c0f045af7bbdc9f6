"""What is known of a column after some rows: facts of parts of a table add up to those of the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from isthmus.atrow import RowError
from isthmus.data.cells import MARKS, NUMBER
from isthmus.data.columns.zones import zone_of
from isthmus.data.record import Array

LIMIT = 1000
SKETCH = 1000
# Rows from which on it is no chance that all values differ.
IDENTIFIED = 100
GREATEST = 1e150
DAY = 86_400.0
# Thousands or a fraction, by what a comma or a point is.
TWO_WAYS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
WORDS = {"number": "numbers", "level": "text or truth values", "date": "dates"}


@dataclass(frozen=True, eq=False)
class Facts:
    """Counts, moments, levels and, on request, quantiles of one column.

    ``type`` is ``number``, ``level``, ``date`` or ``none`` (all missing so far). Facts of two blocks of rows are
    :meth:`joined`, so that a table can be looked at in blocks, on several machines too. Moments are merged after Chan,
    Golub & LeVeque (1983), quantiles are those of a t-digest (Dunning & Ertl, 2019), which draws no random numbers.

    Attributes:
        rows, missing: how many there are.
        mean, squares, low, high: of numbers; of dates in seconds since 1970.
        step: what every number is a multiple of: 1 of whole ones, a day of dates without hours, 0 of others.
        levels: how often each value occurs, None where they are more than ``limit``.
        limit: how many levels are counted, 1,000 (of numbers two, which tell a binary column) if no kind asks for more.
        sketch: of numbers, where asked for.
        unit: what else a type says: ``D`` of dates without hours, ``text`` of dates that were read from text.
        zone: the time zone of dates, empty where they have none.

    >>> import pyarrow as pa
    >>> both = Facts.of("x", pa.array([1, 2, None])).joined(Facts.of("x", pa.array([6])))
    >>> both.rows, both.missing, both.mean, both.step
    (4, 1, 3.0, 1.0)
    """

    type: str
    rows: int
    missing: int
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    step: float = 0.0
    levels: dict[Any, int] | None = None
    limit: int = LIMIT
    sketch: Any = None
    unit: str = ""
    zone: str = ""

    @classmethod
    def of(cls, name: str, values: Any, *, quantiles: bool = False, limit: int = 0) -> Self:
        """Look at a column of rows: a numpy array of numbers or an Arrow array.

        Raises:
            ValueError: infinite numbers, or values of a type that no kind of column reads.
        """
        kind, unit = type_of(name, values)
        if kind == "none":
            return cls("none", len(values), len(values), levels={})
        if kind == "level":
            return cls._of_levels(values, limit or LIMIT, unit)
        found = seconds(values) if kind == "date" else numbers(name, values)
        here = found[~np.isnan(found)]
        if not len(here):
            return cls("none", len(values), len(values), levels={}, unit=unit)
        mean = float(here.mean())
        return cls(
            kind,
            len(found),
            len(found) - len(here),
            mean,
            float(np.square(here - mean).sum()),
            float(here.min()),
            float(here.max()),
            _step(here, DAY if kind == "date" else 1.0),
            {} if kind == "date" else _few(here, limit or 2),
            limit or 2,
            _sketched(here) if quantiles else None,
            unit,
            zone_of(getattr(values, "type", None)),
        )

    @classmethod
    def _of_levels(cls, values: Any, limit: int, unit: str) -> Self:
        import pyarrow.compute as pc

        counts = pc.value_counts(plain(values)).to_pylist()
        levels = {item["values"]: item["counts"] for item in counts if item["values"] == item["values"]}
        levels.pop(None, None)
        missing = len(values) - sum(levels.values())
        return cls(
            "level", len(values), missing, levels=levels if len(levels) <= limit else None, limit=limit, unit=unit
        )

    @property
    def names_rows(self) -> bool:
        """Whether every row has a value of its own, as names and counters have: of numbers, one after another."""
        n = self.rows - self.missing
        if self.missing or n < IDENTIFIED:
            return False
        if self.type == "level":
            return self.levels is not None and len(self.levels) == n
        counts = self.type == "number" and self.step == 1 and self.high - self.low == n - 1
        return counts and bool(np.isclose(self.squares, n * (n * n - 1) / 12, rtol=1e-9))

    def joined(self, other: Self) -> Self:
        """Return the facts of both."""
        if "none" in (self.type, other.type) and self.type != other.type:
            known, empty = (other, self) if self.type == "none" else (self, other)
            return replace(known, rows=known.rows + empty.rows, missing=known.missing + empty.missing)
        if self.type != other.type:
            raise ValueError(f"holds {WORDS[self.type]} in some rows and {WORDS[other.type]} in others; make them one")
        if bool(self.zone) != bool(other.zone):
            raise ValueError("holds dates with a time zone in some rows and without in others; make them one")
        n, m = self.rows - self.missing, other.rows - other.missing
        away = other.mean - self.mean
        sketch = self.sketch
        if sketch is not None and other.sketch is not None:
            sketch = type(sketch)(SKETCH)  # a new one, as merging changes the one that it is merged into
            sketch.merge(self.sketch)
            sketch.merge(other.sketch)
        return replace(
            self,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            mean=self.mean + away * (m / max(1, n + m)),
            squares=self.squares + other.squares + away**2 * (n * m / max(1, n + m)),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            step=min(self.step, other.step),
            levels=_added(self.levels, other.levels, self.limit),
            sketch=sketch,
        )

    @property
    def deviation(self) -> float:
        """The standard deviation of what was seen; exactly 0 where it is constant."""
        seen = self.rows - self.missing
        return 0.0 if self.high <= self.low or not seen else float(np.sqrt(self.squares / seen))

    def quantile(self, shares: Array) -> Array:
        """Return the numbers below which these shares of the rows lie, all zero where no number was seen."""
        if self.sketch is None:
            return np.zeros(len(shares))
        return np.array([self.sketch.get_quantile(share) for share in shares])


def _added(a: dict[Any, int] | None, b: dict[Any, int] | None, limit: int) -> dict[Any, int] | None:
    if a is None or b is None:
        return None
    both = {value: a.get(value, 0) + b.get(value, 0) for value in {**a, **b}}
    return None if len(both) > limit else both


def _step(values: Array, step: float) -> float:
    """Return the greatest of a day, 1 and 0 up to ``step`` that all values are multiples of."""
    fits = [one for one in (DAY, 1.0) if one <= step and np.all(values % one == 0)]
    return fits[0] if fits else 0.0


def _few(values: Array, limit: int) -> dict[Any, int] | None:
    """Count the values where they are few."""
    if limit > 2:
        found, times = np.unique(values, return_counts=True)
        return dict(zip(found.tolist(), times.tolist(), strict=True)) if len(found) <= limit else None
    low, high = float(values.min()), float(values.max())
    lows = int((values == low).sum())
    highs = int((values == high).sum()) if high > low else 0
    if lows + highs < len(values):
        return None
    return {low: lows} | ({high: highs} if highs else {})


def _sketched(values: Array) -> Any:
    import datasketches

    sketch = datasketches.tdigest_double(SKETCH)
    sketch.update(np.ascontiguousarray(values))
    return sketch


def type_of(name: str, values: Any) -> tuple[str, str]:
    """Say what a column of values is: number, level, date or none, and its unit.

    Raises:
        ValueError: lists, structures, complex numbers: what no kind of column reads.
    """
    if isinstance(values, np.ndarray):
        return "number", ""
    import pyarrow.types as is_

    kind = values.type.value_type if is_.is_dictionary(values.type) else values.type
    if is_.is_null(kind):
        return "none", ""
    if is_.is_boolean(kind):
        return "level", "bool"
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind):
        return ("level" if is_.is_dictionary(values.type) else "number"), ""
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return "level", "text"
    if is_.is_timestamp(kind):
        return "date", kind.unit
    if is_.is_date(kind):
        return "date", "D"
    remedy = "give a number, text, a truth value or a date, or drop the column"
    raise ValueError(f"column {name!r} holds {kind}, which no kind of column reads; {remedy}")


def plain(values: Any) -> Any:
    """Return the values of an Arrow column of categories as they are."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.cast(kind.value_type))
    return values.cast(pa.string()) if pa.types.is_string_view(kind) else values  # for which Arrow has no look-up


def refuse_words(before: str, values: Any, after: str) -> None:
    """Refuse text among what should be numbers; other values pass.

    Raises:
        RowError: with ``before``, how many are no numbers, the first of them and its row, and ``after``.
    """
    if isinstance(values, np.ndarray) or type_of("", values) != ("level", "text"):
        return
    import pyarrow.compute as pc

    text = plain(values)
    found = pc.fill_null(pc.match_substring_regex(pc.utf8_trim_whitespace(text), NUMBER), True)
    there, wrong = len(text) - text.null_count, len(text) - (pc.sum(found).as_py() or 0)
    if not there:
        return
    # Numbers that are written as text are none to a model: then the first of all is shown.
    row = first_of(text, pc.invert(found) if wrong else pc.is_valid(text))
    shown = text[row].as_py()
    if TWO_WAYS.fullmatch(shown.strip()):
        after = "its separator can mean two things, and no number of the file says which: write 1234 or 1.234"
    many = f"{wrong:,} of {there:,} values are no numbers" if wrong else "its numbers are written as text"
    raise RowError(f"{before}: {many}, the first {shown!r} in ", row, f"; {after}")


def first_of(text: Any, marked: Any) -> int:
    """Return the first row that is marked, one that means missing in files only where there is no other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    other = pc.and_(marked, pc.invert(pc.is_in(text, pa.array(MARKS))))
    row = pc.index(other, pa.scalar(True)).as_py()
    return int(row if row >= 0 else pc.index(marked, pa.scalar(True)).as_py())


def numbers(name: str, values: Any) -> Array:
    """Return a column as float64; NaN where it is missing.

    Raises:
        ValueError: infinite numbers, or some whose squares are.
    """
    if not isinstance(values, np.ndarray):
        import pyarrow as pa

        values = plain(values)
        values = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    found = np.asarray(values, dtype=np.float64)
    great = np.abs(found) > GREATEST
    if great.any():
        row = int(great.argmax())
        held = "is infinite" if np.isinf(found[row]) else f"is {found[row]:g}"
        remedy = "; give NaN where a value is missing, and less than 1e150"
        raise RowError(f"column {name!r} {held} in ", row, remedy)
    return found


def seconds(values: Any) -> Array:
    """Return dates as seconds since 1970; NaN where one is missing."""
    import pyarrow as pa

    stamps = values.cast(pa.timestamp("us"), safe=False) if not pa.types.is_timestamp(values.type) else values
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[stamps.type.unit]
    ticks = stamps.cast(pa.int64())
    missing = ticks.is_null().to_numpy(zero_copy_only=False)
    whole = ticks.fill_null(0).to_numpy(zero_copy_only=False)
    # Whole seconds and the rest apart: a float64 holds both to a microsecond within centuries.
    found = whole // per + (whole % per) / per
    return np.where(missing, np.nan, found)
