"""What a model keeps of the rows that it was trained on, for answers that a code alone cannot give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from isthmus.estimators import chunks
from isthmus.estimators.inference import Inference
from isthmus.estimators.inputs import Array
from isthmus.measures.baseline import Baseline
from isthmus.noise import Noise

ROWS = 4096


@dataclass(frozen=True, eq=False)
class Past:
    """PCA of the training rows, to compare errors with, and codes of some of them, to sample from."""

    baseline: Baseline
    codes: Array

    @classmethod
    def of(cls, x: Array, weight: Array | None, answers: Inference, size: int, noise: Noise) -> Self:
        """Look at training rows; ``size`` is the number of principal axes, as many as a code has numbers."""
        known = answers.scaling.comparable(x)
        holes = answers.table and np.isnan(known.sum())
        with chunks.onednn(chunks.squares_by_onednn(known.shape[1])):
            baseline = Baseline.fit(np.nan_to_num(known) if holes else known, size, weight)
        return cls(baseline, answers.codes(x[_some(len(x), weight, noise)]).astype(np.float32))


def _some(n: int, weight: Array | None, noise: Noise) -> Array:
    """Draw rows to remember: each once at most, or as often as its weight says (systematic resampling)."""
    if weight is None:
        return np.sort(noise.permutation(n)[:ROWS].numpy())
    ends, m = np.cumsum(weight), min(n, ROWS)
    places = (np.arange(m) + float(noise.uniform(torch.empty(1, dtype=torch.float64)))) / m
    return np.searchsorted(ends / ends[-1], places)


@dataclass(frozen=True, eq=False)
class Reservoir:
    """A fair sample of a stream: every row draws a number, and the rows with the least numbers so far are kept.

    The numbers are exponential with the row's weight as rate, so that a row is kept by its weight (Efraimidis &
    Spirakis, 2006, "Weighted random sampling with a reservoir").
    """

    rows: Array
    numbers: Array
    passed: int = 0

    def joined(self, x: Array, weight: Array | None, noise: Noise) -> Self:
        """Let more rows pass."""
        drawn = -np.log1p(-noise.at(self.passed).uniform(torch.empty(len(x), dtype=torch.float64)).numpy())
        if weight is not None:
            x, drawn = x[weight > 0], drawn[weight > 0] / weight[weight > 0]
        rows, numbers = np.concatenate([self.rows, x]), np.concatenate([self.numbers, drawn])
        least = np.sort(np.argsort(numbers, kind="stable")[:ROWS])
        return type(self)(rows[least], numbers[least], self.passed + len(drawn))


class TrainingRows:
    """The past of a model: looked at after a fit, and when it is asked for while rows of a stream go on to pass."""

    def __init__(self, size: int, noise: Noise, known: Past | None = None) -> None:
        """Start with what is known already."""
        self.size, self.noise, self.known = size, noise, known
        self._stream: Reservoir | None = None
        self._news = False

    def look(self, x: Array, weight: Array | None, answers: Inference) -> None:
        """Look at all training rows."""
        self.known, self._stream = Past.of(x, weight, answers, self.size, self.noise), None

    def let_pass(self, x: Array, weight: Array | None) -> None:
        """Let some more rows pass."""
        before = self._stream if self._stream is not None else Reservoir(x[:0], np.empty(0))
        self._stream, self._news = before.joined(x, weight, self.noise), True

    @property
    def sample(self) -> Array | None:
        """Rows of the stream that passed; None where none did."""
        return None if self._stream is None else self._stream.rows

    def past(self, answers: Inference) -> Past:
        """Return what is known; rows of a stream replace those of a fit once they are as many as were kept of it."""
        stream = self._stream
        if stream is not None and self._news and (self.known is None or len(stream.rows) >= len(self.known.codes)):
            self.known, self._news = Past.of(stream.rows, None, answers, self.size, self.noise), False
        if self.known is None:
            raise ValueError("no rows are known of this model; fit it first")
        return self.known
