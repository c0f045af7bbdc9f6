"""What is known of a column after some rows: facts of parts of a table add up to those of the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from isthmus.data.record import Array

LIMIT = 1000
SKETCH = 400


@dataclass(frozen=True, eq=False)
class Facts:
    """Counts, moments, levels and, on request, quantiles of one column.

    ``type`` is ``number``, ``level``, ``date`` or ``none`` (all missing so far). Facts of two blocks of rows are
    :meth:`joined`, so that a table can be looked at in blocks, on several machines too. Moments are merged after Chan,
    Golub & LeVeque (1983), quantiles are those of a KLL sketch (Karnin, Lang & Liberty, 2016).

    Attributes:
        rows, missing: how many there are.
        mean, squares, low, high: of numbers; of dates in seconds since 1970.
        whole: whether every number is one.
        levels: how often each value occurs, None where they are more than 1,000 (of numbers: more than two).
        sketch: of numbers, where asked for.
        unit: what else a type says, such as ``us`` of dates.

    >>> import pyarrow as pa
    >>> both = Facts.of("x", pa.array([1, 2, None])).joined(Facts.of("x", pa.array([6])))
    >>> both.rows, both.missing, both.mean, both.whole
    (4, 1, 3.0, True)
    """

    type: str
    rows: int
    missing: int
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    levels: dict[Any, int] | None = None
    sketch: Any = None
    unit: str = ""

    @classmethod
    def of(cls, name: str, values: Any, *, quantiles: bool = False) -> Self:
        """Look at a column of rows: a numpy array of numbers or an Arrow array.

        Raises:
            ValueError: infinite numbers, or values of a type that no kind of column reads.
        """
        kind, unit = type_of(name, values)
        if kind == "none":
            return cls("none", len(values), len(values), levels={})
        if kind == "level":
            return cls._of_levels(values, unit)
        found = seconds(values) if kind == "date" else numbers(name, values)
        here = found[~np.isnan(found)]
        if not len(here):
            return cls("none", len(values), len(values), levels={}, unit=unit)
        mean = float(here.mean())
        distinct = {} if kind == "date" else _few(here)
        return cls(
            kind,
            len(found),
            len(found) - len(here),
            mean,
            float(np.square(here - mean).sum()),
            float(here.min()),
            float(here.max()),
            bool(np.all(here == np.floor(here))),
            distinct,
            _sketched(here) if quantiles else None,
            unit,
        )

    @classmethod
    def _of_levels(cls, values: Any, unit: str) -> Self:
        import pyarrow.compute as pc

        counts = pc.value_counts(plain(values))
        levels = {item["values"]: item["counts"] for item in counts.to_pylist() if item["values"] is not None}
        many = len(levels) > LIMIT
        return cls("level", len(values), values.null_count, levels=None if many else levels, unit=unit)

    def joined(self, other: Self) -> Self:
        """Return the facts of both."""
        if "none" in (self.type, other.type) and self.type != other.type:
            known, empty = (other, self) if self.type == "none" else (self, other)
            return replace(known, rows=known.rows + empty.rows, missing=known.missing + empty.missing)
        if self.type != other.type:
            raise ValueError(f"a column holds a {self.type} in some rows and a {other.type} in others; make it one")
        n, m = self.rows - self.missing, other.rows - other.missing
        away = other.mean - self.mean
        sketch = self.sketch
        if sketch is not None and other.sketch is not None:
            sketch = type(sketch)(sketch)
            sketch.merge(other.sketch)
        return replace(
            self,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            mean=self.mean + away * (m / max(1, n + m)),
            squares=self.squares + other.squares + away**2 * (n * m / max(1, n + m)),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            whole=self.whole and other.whole,
            levels=_added(self.levels, other.levels, 2 if self.type == "number" else LIMIT),
            sketch=sketch,
        )

    @property
    def deviation(self) -> float:
        """The standard deviation of what was seen; exactly 0 where it is constant."""
        seen = self.rows - self.missing
        return 0.0 if self.high <= self.low or not seen else float(np.sqrt(self.squares / seen))

    def quantile(self, shares: Array) -> Array:
        """Return the numbers below which these shares of the rows lie."""
        return np.asarray(self.sketch.get_quantiles(list(shares)), dtype=np.float64)


def _added(a: dict[Any, int] | None, b: dict[Any, int] | None, limit: int) -> dict[Any, int] | None:
    if a is None or b is None:
        return None
    both = {value: a.get(value, 0) + b.get(value, 0) for value in {**a, **b}}
    return None if len(both) > limit else both


def _few(values: Array) -> dict[Any, int] | None:
    """Count the values where they are two at most."""
    low, high = float(values.min()), float(values.max())
    lows = int((values == low).sum())
    highs = int((values == high).sum()) if high > low else 0
    if lows + highs < len(values):
        return None
    return {low: lows} | ({high: highs} if highs else {})


def _sketched(values: Array) -> Any:
    import datasketches

    sketch = datasketches.kll_doubles_sketch(SKETCH)
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
    return values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values


def numbers(name: str, values: Any) -> Array:
    """Return a column as float64; NaN where it is missing.

    Raises:
        ValueError: infinite numbers.
    """
    if not isinstance(values, np.ndarray):
        import pyarrow as pa

        values = plain(values)
        values = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    found = np.asarray(values, dtype=np.float64)
    if np.isinf(found).any():
        row = int(np.isinf(found).argmax())
        raise ValueError(f"column {name!r} is infinite in row {row}; give NaN where a value is missing")
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
