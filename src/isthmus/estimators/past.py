"""What a model keeps of the rows that it was trained on, for answers that a code alone cannot give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

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
    def of(cls, x: Array, answers: Inference, size: int, noise: Noise) -> Self:
        """Look at training rows; ``size`` is the number of principal axes, as many as a code has numbers."""
        some = np.sort(noise.permutation(len(x))[:ROWS].numpy())
        return cls(Baseline.fit(answers.scaling.comparable(x), size), answers.codes(x[some]).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Reservoir:
    """A fair sample of a stream: every row draws a number, and the rows with the least numbers so far are kept."""

    rows: Array
    numbers: Array
    passed: int = 0

    def joined(self, x: Array, noise: Noise) -> Self:
        """Let more rows pass."""
        drawn = noise.at(self.passed).uniform(torch.empty(len(x), dtype=torch.float64)).numpy()
        rows, numbers = np.concatenate([self.rows, x]), np.concatenate([self.numbers, drawn])
        least = np.sort(np.argsort(numbers, kind="stable")[:ROWS])
        return type(self)(rows[least], numbers[least], self.passed + len(x))


class TrainingRows:
    """The past of a model: looked at after a fit, and when it is asked for while rows of a stream go on to pass."""

    def __init__(self, size: int, noise: Noise, known: Past | None = None) -> None:
        """Start with what is known already."""
        self.size, self.noise, self.known = size, noise, known
        self._stream: Reservoir | None = None
        self._news = False

    def look(self, x: Array, answers: Inference) -> None:
        """Look at all training rows."""
        self.known, self._stream = Past.of(x, answers, self.size, self.noise), None

    def let_pass(self, x: Array) -> None:
        """Let some more rows pass."""
        before = self._stream if self._stream is not None else Reservoir(x[:0], np.empty(0))
        self._stream, self._news = before.joined(x, self.noise), True

    def past(self, answers: Inference) -> Past:
        """Return what is known; rows of a stream replace those of a fit once they are as many as were kept of it."""
        stream = self._stream
        if stream is not None and self._news and (self.known is None or len(stream.rows) >= len(self.known.codes)):
            self.known, self._news = Past.of(stream.rows, answers, self.size, self.noise), False
        if self.known is None:
            raise ValueError("no rows are known of this model; fit it first")
        return self.known
