"""Corruptions that change each entry by chance, independently of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isthmus.component import Memory, Schedule, number, settled
from isthmus.corruption import Corruption
from isthmus.noise import Noise
from isthmus.records import Batch, Corrupted, Shape, Spec


def chosen(batch: Batch, rate: float | Schedule, noise: Noise) -> Tensor:
    """Choose every entry that was seen with probability ``rate``."""
    hit = noise.uniform(batch.x) < settled(rate)
    return hit if batch.seen is None else hit & batch.seen.bool()


@dataclass(frozen=True, repr=False)
class GaussianNoise(Corruption):
    """x~ = x + sigma e, e ~ N(0, 1) (Vincent et al., 2010, "Stacked Denoising Autoencoders").

    With the squared error the best reconstruction of a corrupted x~ is x~ + sigma^2 d log p(x~) / d x~, where p is the
    data's density smoothed by the noise (Alain & Bengio, 2014). ``sigma`` is in units of the data that the model sees.
    To stay in a range, wrap it: ``Clipped(GaussianNoise(0.4))``.

    >>> GaussianNoise(sigma=0.4)
    GaussianNoise(sigma=0.4)
    """

    by_row: ClassVar[bool] = True
    sigma: float | Schedule = number(0.1, low=0.0)

    @property
    def requires(self) -> frozenset[str]:
        """Half a step from one category to the next means nothing."""
        return frozenset({"continuous"})

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched: all of them."""
        return frozenset({"touched entries"})

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Add noise to every entry that was seen."""
        touched = torch.ones_like(batch.x, dtype=torch.bool) if batch.seen is None else batch.seen.bool()
        x = batch.x + settled(self.sigma) * noise.normal(batch.x) * touched
        return Corrupted(x, batch.seen, touched=touched)


@dataclass(frozen=True, repr=False)
class NoiseLevels(Corruption):
    r"""Noise of many levels, of which the model is told: x~ = x + s e, e ~ N(0, 1), log s uniform between its ends.

    The model predicts :math:`x / (1 + s^2)`, which it carries past the code, plus :math:`s / \sqrt{1 + s^2}` times
    what it decodes, from inputs divided by :math:`\sqrt{1 + s^2}` and log s / 4; squared errors count
    :math:`(1 + s^2) / s^2` times, so that every level asks for as much (Karras et al., 2022, "Elucidating the Design
    Space of Diffusion-Based Generative Models", for data of deviation 1). One net then knows the density smoothed at
    every scale. A clean row is read at the lowest level.

    >>> NoiseLevels(0.1, 1.0)
    NoiseLevels(low=0.1, high=1.0)
    """

    by_row: ClassVar[bool] = True
    low: float = number(0.2, low=1e-3)
    high: float = number(2.0, low=1e-3)

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        super().__post_init__()
        if self.low > self.high:
            raise ValueError(f"NoiseLevels: low={self.low!r} is above high={self.high!r}; swap them")

    @property
    def requires(self) -> frozenset[str]:
        """Half a step from one category to the next means nothing, and noise is carried to values of the data's own."""
        return frozenset({"continuous", "values out"})

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched: all of them."""
        return frozenset({"touched entries"})

    @property
    def level(self) -> float:
        """The least level."""
        return self.low

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Draw a level for every row, and add noise to every entry that was seen."""
        touched = torch.ones_like(batch.x, dtype=torch.bool) if batch.seen is None else batch.seen.bool()
        share = noise.uniform(batch.x.flatten(1)[:, 0])
        level = self.low * (self.high / self.low) ** share
        wide = level.reshape(-1, *[1] * (batch.x.dim() - 1))
        x = batch.x + wide * noise.normal(batch.x) * touched
        emphasis = (1 + wide.pow(-2)).expand_as(batch.x)
        return Corrupted(x, batch.seen, emphasis, level, touched)


@dataclass(frozen=True, repr=False)
class Hiding(Corruption):
    """Hide each entry with probability ``rate``: the encoder is told that it is missing, the loss still asks for it.

    The model learns to fill holes (Gondara & Wang, 2018, "MIDA: Multiple imputation using denoising autoencoders"), in
    columns of any kind. Unlike :class:`Masking` a hidden entry differs from one that is zero. With
    ``Emphasised(Hiding())`` only hidden entries are asked for, as in masked language models.

    >>> Hiding(0.2)
    Hiding(rate=0.2)
    """

    by_row: ClassVar[bool] = True
    rate: float | Schedule = number(0.1, low=0.0, high=1.0)

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched, and hides some from the encoder."""
        return frozenset({"touched entries", "hidden entries"})

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Take entries out of those that were seen."""
        touched = chosen(batch, self.rate, noise)
        before = torch.ones_like(touched) if batch.seen is None else batch.seen.bool()
        return Corrupted(batch.x, (before & ~touched).to(batch.x.dtype), touched=touched)


@dataclass(frozen=True, repr=False)
class Masking(Corruption):
    """Set each entry to zero with probability ``rate``, as if it were missing (Vincent et al., 2008).

    The rest is not scaled up: unlike dropout, the encoder is meant to see fewer entries and to fill them in. Zero is
    the value of the data that the model sees, so that for centred data it is the mean.

    >>> Masking(rate=0.3)
    Masking(rate=0.3)
    """

    by_row: ClassVar[bool] = True
    rate: float | Schedule = number(0.25, low=0.0, high=1.0)

    @property
    def requires(self) -> frozenset[str]:
        """Among categories, zero is a level like any other and not the absence of one."""
        return frozenset({"numbers"})

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched."""
        return frozenset({"touched entries"})

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Zero the chosen entries."""
        touched = chosen(batch, self.rate, noise)
        # Several times as fast as filling by a mask.
        return Corrupted(batch.x * (~touched).to(batch.x.dtype), batch.seen, touched=touched)


@dataclass(frozen=True, repr=False)
class SaltAndPepper(Corruption):
    """Set each entry, with probability ``rate``, to its lowest or highest possible value by a fair coin.

    (Vincent et al., 2010.) Where ``low`` or ``high`` is None it is taken from the data before training starts: 0 and 1
    where all values lie between them, else the smallest and largest value of that column (or channel).

    >>> SaltAndPepper(rate=0.1, low=0.0, high=1.0)
    SaltAndPepper(rate=0.1, low=0.0, high=1.0)
    """

    rate: float | Schedule = number(0.25, low=0.0, high=1.0)
    low: float | None = number(None)
    high: float | None = number(None)

    @property
    def requires(self) -> frozenset[str]:
        """Categories have no lowest and highest level."""
        return frozenset({"numbers"})

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched."""
        return frozenset({"touched entries"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the range of every column."""
        return range_memory(spec)

    def remember(self, memory: Any, sample: Batch) -> None:
        """Take the range from data."""
        remember_range(memory, sample, self.low, self.high)

    def __call__(self, batch: Batch, noise: Noise, memory: Any) -> Corrupted:
        """Set the chosen entries to an end of their range."""
        touched = chosen(batch, self.rate, noise)
        end = torch.where(noise.uniform(batch.x) < 0.5, memory.low, memory.high)
        return Corrupted(torch.where(touched, end, batch.x), batch.seen, touched=touched)


def range_memory(spec: Spec) -> Memory:
    """Return a memory for the lowest and highest value of every column (channel)."""
    shape = (spec.shape[0], *[1] * (len(spec.shape) - 1))
    return Memory(buffers={"low": torch.zeros(shape), "high": torch.ones(shape)})


def remember_range(memory: Any, sample: Batch, low: float | None, high: float | None) -> None:
    """Keep the ends that are given, and take the others from data."""
    for kept, given, found in zip((memory.low, memory.high), (low, high), extremes(sample), strict=True):
        kept.copy_(found if given is None else torch.full_like(found, given))


def extremes(sample: Batch) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest seen value of each column (channel), or 0 and 1 where all lie between them."""
    x, seen = sample.x, torch.ones_like(sample.x, dtype=torch.bool) if sample.seen is None else sample.seen.bool()
    others = [0, *range(2, x.dim())]
    low = x.masked_fill(~seen, math.inf).amin(others)
    high = x.masked_fill(~seen, -math.inf).amax(others)
    never = low > high  # a column without a single value
    low, high = low.masked_fill(never, 0.0), high.masked_fill(never, 1.0)
    if low.min() >= 0 and high.max() <= 1:
        low, high = torch.zeros_like(low), torch.ones_like(high)
    shape = (-1, *[1] * (x.dim() - 2))
    return low.reshape(shape), high.reshape(shape)


@dataclass(frozen=True, repr=False)
class SwapNoise(Corruption):
    """Replace each entry, with probability ``rate``, by the same column of another row of the batch.

    The values of a column stay the column's own, so that it suits any table, categories too. In a batch of one row
    there is no other row, and nothing changes; nor where the other row's value is missing.

    >>> SwapNoise(rate=0.3)
    SwapNoise(rate=0.3)
    """

    rate: float | Schedule = number(0.15, low=0.0, high=1.0)

    @property
    def provides(self) -> frozenset[str]:
        """It says which entries it touched."""
        return frozenset({"touched entries"})

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Replace the chosen entries by those of other rows, each row equally likely."""
        rows = len(batch.x)
        touched = chosen(batch, self.rate, noise)
        if rows == 1:
            return Corrupted(batch.x, batch.seen, touched=torch.zeros_like(touched))
        ahead = 1 + (noise.uniform(batch.x) * (rows - 1)).long().clamp_max(rows - 2)
        own = torch.arange(rows, device=batch.x.device).reshape(rows, *[1] * (batch.x.dim() - 1))
        other = (own + ahead) % rows
        if batch.seen is not None:
            touched = touched & batch.seen.bool().gather(0, other)
        return Corrupted(torch.where(touched, batch.x.gather(0, other), batch.x), batch.seen, touched=touched)
