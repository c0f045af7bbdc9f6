"""Schedules: numbers that change with the epoch. Any number of a part may be one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from isthmus.component import Schedule, number


@dataclass(frozen=True, repr=False)
class Ramp(Schedule):
    """A straight line from ``start`` to ``stop`` over ``epochs``, constant afterwards (a warm-up).

    >>> [Ramp(0.0, 1.0, epochs=4).value(e) for e in (0, 1, 2, 8)]
    [0.0, 0.25, 0.5, 1.0]
    """

    start: float = number(0.0)
    stop: float = number(1.0)
    epochs: float = number(10.0, low=1e-9)

    def value(self, epoch: float) -> float:
        """Return start + (stop - start) * min(epoch / epochs, 1)."""
        return self.start + (self.stop - self.start) * min(epoch / self.epochs, 1.0)


@dataclass(frozen=True, repr=False)
class Steps(Schedule):
    """``initial`` times ``factor`` for every milestone that has passed.

    >>> [round(Steps(1.0, factor=0.1, milestones=(2, 4)).value(e), 3) for e in (0, 2, 5)]
    [1.0, 0.1, 0.01]
    """

    initial: float = number(1e-3)
    factor: float = number(0.1)
    milestones: tuple[float, ...] = ()

    def value(self, epoch: float) -> float:
        """Return initial * factor ** (milestones reached)."""
        return self.initial * self.factor ** sum(epoch >= m for m in self.milestones)


@dataclass(frozen=True, repr=False)
class Cosine(Schedule):
    """Half a cosine from ``start`` down to ``stop``, after a linear warm-up (Loshchilov & Hutter, 2017).

    ``epochs`` is its whole length; 0 spans the fit: ``Adam(Cosine(1e-3))`` ends at ``stop`` with the trainer's last
    epoch. A fit without an end, such as a stream of partial ones, stays at ``start``.

    >>> [round(Cosine(1.0, 0.0, epochs=4).value(e), 3) for e in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    >>> Cosine(1.0).over(epochs=40)
    Cosine(start=1.0, epochs=40)
    """

    start: float = number(1e-3)
    stop: float = number(0.0)
    epochs: float = number(0.0, low=0.0)
    warmup: float = number(0.0, low=0.0)

    def value(self, epoch: float) -> float:
        """Return stop + (start - stop) * (1 + cos(pi * t)) / 2 with t the elapsed fraction."""
        if epoch < self.warmup:
            return self.start * (epoch + 1e-3) / (self.warmup + 1e-3)
        length = self.epochs or math.inf
        t = min((epoch - self.warmup) / max(length - self.warmup, 1e-9), 1.0) if epoch < math.inf else 1.0
        return self.stop + (self.start - self.stop) * (1.0 + math.cos(math.pi * t)) / 2.0

    def over(self, epochs: float) -> Cosine:
        """Take the fit's epochs where none were given."""
        return self if self.epochs else replace(self, epochs=epochs)
