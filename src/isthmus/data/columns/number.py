"""Columns of numbers: measurements and counts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from isthmus.atrow import RowError
from isthmus.component import choice
from isthmus.data.columns import Codec, Kind, each, typical
from isthmus.data.columns.facts import WORDS, Facts, numbers, refuse_words
from isthmus.data.record import Array
from isthmus.records import Column

KNOTS = 101


@dataclass(frozen=True, repr=False)
class Number(Kind):
    r"""Measurements, scaled to about mean 0 and deviation 1.

    ``standard`` subtracts the mean and divides by the standard deviation; ``robust`` takes the median and the
    interquartile range over 1.349, which outliers do not move; ``log`` takes
    :math:`\operatorname{arsinh}(x / m)` first, a logarithm that takes zero and negative numbers too; m is the largest
    of the magnitudes of the three quartiles, which a sketch of x tells, as it does not the median of \|x\|.
    ``quantile`` maps 101 quantiles to those of the normal distribution, and goes on linearly outside.

    >>> Number("log")
    Number(scale='log')
    """

    scale: str = choice("standard", ("standard", "robust", "log", "quantile"))

    def facts(self, name: str, values: object) -> Facts:
        """Look for quantiles too, which all but the standard scale need."""
        refuse_spelled(name, values, "number")
        return Facts.of(name, values, quantiles=self.scale != "standard")

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec; a constant number is only centred."""
        refuse_other(name, facts, ("number",), "number")
        knots, at = np.empty(0), np.empty(0)
        unit, centre, spread = 0.0, facts.mean, facts.deviation
        if self.scale in ("robust", "log"):
            low, centre, high = facts.quantile(np.array([0.25, 0.5, 0.75]))
            if self.scale == "log":
                unit = max(abs(low), abs(centre), abs(high)) or facts.deviation or 1.0
                low, centre, high = np.arcsinh(np.array([low, centre, high]) / unit)
            spread = float(high - low) / 1.349 or (facts.deviation if self.scale == "robust" else 1.0)
        if self.scale == "quantile":
            knots, at = _knots(facts)
            centre, spread = 0.0, 1.0
        return NumberCodec(
            name, self.scale, float(centre), float(spread) or 1.0, float(unit), knots, at, facts.step > 0, *_ends(facts)
        )


def _ends(facts: Facts) -> tuple[float, float]:
    """Return the least and the largest number; none where no number was seen."""
    return (float(facts.low), float(facts.high)) if facts.low <= facts.high else (-np.inf, np.inf)


def _knots(facts: Facts) -> tuple[Array, Array]:
    """Return quantiles without repetition, and the normal scores that they are mapped to."""
    from statistics import NormalDist

    shares = (np.arange(KNOTS) + 0.5) / KNOTS
    found, scores = facts.quantile(shares), np.array([NormalDist().inv_cdf(share) for share in shares])
    distinct, first = np.unique(found, return_index=True)
    last = np.append(first[1:], KNOTS) - 1
    scores = (scores[first] + scores[last]) / 2
    if len(distinct) < 2:  # almost all values are one
        return facts.mean + np.array([-1.0, 1.0]) * (facts.deviation or 1.0), np.array([-1.0, 1.0])
    return distinct, scores


@dataclass(frozen=True, eq=False)
class NumberCodec(Codec):
    """Numbers to mean 0 and deviation 1, and back; ``low`` and ``high`` are the ends of those that the fit saw."""

    scale: str
    centre: float
    factor: float
    unit: float = 0.0
    knots: Array = field(default_factory=lambda: np.empty(0))
    scores: Array = field(default_factory=lambda: np.empty(0))
    whole: bool = False
    low: float = -np.inf
    high: float = np.inf

    @property
    def variables(self) -> tuple[Column, ...]:
        """One number."""
        return (Column(self.name),)

    def encode(self, values: object, out: Array) -> None:
        """Scale."""
        x = numbers(self.name, values)
        if self.scale == "quantile":
            out[:, 0] = _bent(x, self.knots, self.scores)
            return
        x = np.arcsinh(x / self.unit) if self.scale == "log" else x
        out[:, 0] = (x - self.centre) / self.factor

    def decode(self, U: Array) -> Array:
        """Scale back; whole numbers stay whole."""
        if self.scale == "quantile":
            x = _bent(U[:, 0], self.scores, self.knots)
        else:
            x = self.centre + self.factor * U[:, 0]
            x = self.unit * np.sinh(x) if self.scale == "log" else x
        return np.round(x) if self.whole else x

    def within(self, values: Array) -> Array:
        """Return numbers, those beyond the fit's at its ends."""
        return values.clip(self.low, self.high)

    def log_slope(self, U: Array) -> Array | float:
        """Return minus the logarithm of what one unit of the variable is in the column's."""
        if self.scale in ("standard", "robust"):
            return -float(np.log(self.factor))
        if self.scale == "log":
            x = self.centre + self.factor * U[:, :1]
            return -np.log(self.factor * self.unit * np.cosh(x))
        slopes = np.diff(self.scores) / np.diff(self.knots)
        place = np.searchsorted(self.scores, U[:, :1]).clip(1, len(self.scores) - 1) - 1
        return np.where(np.isnan(U[:, :1]), 0.0, np.log(slopes)[place])

    def spread(self, U: Array, deviations: Array) -> Array:
        """Return half the way from one deviation below to one above, in the column's unit."""
        either = [self.__class__.decode(self._unrounded, U[:, :1] + sign * deviations[:1]) for sign in (1, -1)]
        return (either[0] - either[1]) / 2

    def cells(self, values: object) -> Array:
        """Return the numbers."""
        return numbers(self.name, values)

    @property
    def alike(self) -> Hashable:
        """Scales of one kind differ in numbers alone, but for quantiles, of which there may be more or fewer."""
        return (self.scale, self.whole, self.name if self.scale == "quantile" else "")

    @classmethod
    def variables_of(cls, codecs: Sequence[Self], cells: Tensor) -> Tensor:
        """Scale."""
        if codecs[0].scale == "quantile":
            return _line(cells, codecs[0].knots, codecs[0].scores).unsqueeze(2)
        if codecs[0].scale == "log":  # arsinh in double precision, which not every runtime has
            size = cells.abs() / each(codecs, "unit")
            cells = torch.log1p(size + size.square() / (1 + (1 + size.square()).sqrt())) * cells.sign()
        return ((cells - each(codecs, "centre")) / each(codecs, "factor")).unsqueeze(2)

    @classmethod
    def cells_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Scale back; whole numbers stay whole."""
        if codecs[0].scale == "quantile":
            x = _line(variables[:, :, 0], codecs[0].scores, codecs[0].knots)
        else:
            x = variables[:, :, 0] * each(codecs, "factor") + each(codecs, "centre")
            x = each(codecs, "unit") * (x.exp() - (-x).exp()) / 2 if codecs[0].scale == "log" else x
        return x.round() if codecs[0].whole else x

    @classmethod
    def log_slopes_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Return minus the logarithm of what one unit of the variable is in the column's."""
        if codecs[0].scale == "quantile":
            slopes = torch.from_numpy(np.log(np.diff(codecs[0].scores) / np.diff(codecs[0].knots)))
            return slopes[_place(variables, codecs[0].scores)]
        factor = each(codecs, "factor").unsqueeze(1)
        if codecs[0].scale == "log":
            x = variables * factor + each(codecs, "centre").unsqueeze(1)
            return -((x.exp() + (-x).exp()) / 2 * (factor * each(codecs, "unit").unsqueeze(1))).log()
        return -factor.log().expand_as(variables)

    def described(self) -> dict[str, Any]:
        """Say whether only whole numbers came, and where most of them are."""
        return {"whole": self.whole, "scale": self.scale, "typical": typical(self)}

    @property
    def _unrounded(self) -> NumberCodec:
        return NumberCodec(self.name, self.scale, self.centre, self.factor, self.unit, self.knots, self.scores)


def _bent(x: Array, knots: Array, values: Array) -> Array:
    """Interpolate between knots, and go on outside as between the outermost two."""
    found: Array = np.interp(x, knots, values)
    for end, beside, outside in ((0, 1, x < knots[0]), (-1, -2, x > knots[-1])):
        slope = (values[end] - values[beside]) / (knots[end] - knots[beside])
        found = np.where(outside, values[end] + slope * (x - knots[end]), found)
    return np.where(np.isnan(x), np.nan, found)


def _place(x: Tensor, knots: Array) -> Tensor:
    """Return the number of the stretch between two knots that numbers lie in; the outermost ones have no end."""
    return (x.unsqueeze(-1) > torch.from_numpy(knots[1:-1])).sum(-1)


def _line(x: Tensor, knots: Array, values: Array) -> Tensor:
    """Do what :func:`_bent` does: what is outside goes on as the outermost stretches do."""
    place = _place(x, knots)
    start, height = torch.from_numpy(knots[:-1])[place], torch.from_numpy(values[:-1])[place]
    return height + torch.from_numpy(np.diff(values) / np.diff(knots))[place] * (x - start)


@dataclass(frozen=True, repr=False)
class Count(Kind):
    """Numbers of events, 0, 1, 2, ..., scored by the Poisson distribution.

    >>> Count()
    Count()
    """

    def facts(self, name: str, values: object) -> Facts:
        """Look at numbers."""
        refuse_spelled(name, values, "count")
        return Facts.of(name, values)

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec.

        Raises:
            ValueError: numbers that are no counts.
        """
        refuse_other(name, facts, ("number",), "count")
        if facts.type == "number" and (not facts.step or facts.low < 0):
            bad = f"{facts.low:g}" if facts.low < 0 else "fractions"
            raise ValueError(f"column {name!r} is to be a count, but holds {bad}; declare it as number")
        return CountCodec(name)


@dataclass(frozen=True, eq=False)
class CountCodec(Codec):
    """Counts as they are."""

    @property
    def variables(self) -> tuple[Column, ...]:
        """One count."""
        return (Column(self.name, "count"),)

    def encode(self, values: object, out: Array) -> None:
        """Check.

        Raises:
            ValueError: a negative number or a fraction.
        """
        x = numbers(self.name, values)
        bad = (x < 0) | (x != np.floor(x)) & ~np.isnan(x)
        if bad.any():
            row = int(bad.argmax())
            remedy = "correct it, or declare the column as number"
            raise RowError(f"column {self.name!r} counts, but ", row, f" holds {x[row]:g}; {remedy}")
        out[:, 0] = x

    def decode(self, U: Array) -> Array:
        """Round expected counts."""
        return np.round(np.maximum(U[:, 0], 0))

    @classmethod
    def cells_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Round expected counts."""
        return variables[:, :, 0].clamp_min(0).round()

    def described(self) -> dict[str, Any]:
        """Say that only whole numbers from 0 up can come."""
        return {"whole": True, "low": 0}

    def spread(self, U: Array, deviations: Array) -> Array:
        """Return the deviation of a count."""
        return np.full(len(U), deviations[0])


def refuse_spelled(name: str, values: Any, kind: str) -> None:
    """Refuse text where numbers were declared.

    Raises:
        RowError: always with the first one that is none.
    """
    remedy = "correct it (empty it where it means missing), or the schema"
    refuse_words(f"column {name!r} is declared as {kind}, but holds text", values, remedy)


def refuse_other(name: str, facts: Facts, types: tuple[str, ...], kind: str) -> None:
    """Refuse a column that does not hold what was declared.

    Raises:
        ValueError: always with the column and what it holds.
    """
    if facts.type not in (*types, "none"):
        holds = f"{WORDS[facts.type]}; correct the schema or the column"
        raise ValueError(f"column {name!r} is declared as {kind}, but holds {holds}")
