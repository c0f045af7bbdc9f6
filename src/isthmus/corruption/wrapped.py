"""Corruptions made of corruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Memory, Schedule, number, settled
from isthmus.corruption import Corruption
from isthmus.corruption.noise import GaussianNoise, Masking, SwapNoise, range_memory, remember_range
from isthmus.noise import Noise
from isthmus.records import Batch, Corrupted, Pass, Shape, Spec


@dataclass(frozen=True, repr=False)
class _Wrapper(Corruption):
    """A corruption with others inside: it needs what they need, and each keeps a memory of its own."""

    @property
    def inside(self) -> tuple[Corruption, ...]:
        """The corruptions inside, in order."""
        raise NotImplementedError(f"{type(self).__name__} must define inside")  # abstract

    @property
    def requires(self) -> frozenset[str]:
        """What any of them needs."""
        return frozenset().union(*(part.requires for part in self.inside))

    @property
    def provides(self) -> frozenset[str]:
        """What any of them provides."""
        return frozenset().union(*(part.provides for part in self.inside))

    @property
    def level(self) -> float:
        """The least level of any of them."""
        return max(part.level for part in self.inside)

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Hold one memory for each."""
        memory = Memory()
        for i, part in enumerate(self.inside):
            memory.add_module(str(i), part.memory(spec, code))
        return memory

    def remember(self, memory: Memory, sample: Batch) -> None:
        """Let each remember the data."""
        for part, own in zip(self.inside, memories(memory), strict=True):
            part.remember(own, sample)

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Collect the sums of each."""
        sums: dict[str, Tensor] = {}
        for i, (part, own) in enumerate(zip(self.inside, memories(p.memory), strict=True)):
            sums |= {f"{i}/{name}": value for name, value in part.tally(p.of(own)).items()}
        return sums

    def learn(self, memory: Memory, tallies: dict[str, Tensor]) -> None:
        """Hand each its own sums."""
        for i, (part, own) in enumerate(zip(self.inside, memories(memory), strict=True)):
            mine = {name.partition("/")[2]: v for name, v in tallies.items() if name.partition("/")[0] == str(i)}
            if mine:
                part.learn(own, mine)


def memories(memory: Memory) -> list[Memory]:
    """Return the memories inside a wrapper's memory, in order."""
    return [own for own in memory.children() if isinstance(own, Memory)]


def either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Return the entries that one or the other touched."""
    return a if b is None else b if a is None else a | b


def product(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Return the product of two emphases, of which either may be absent."""
    return a if b is None else b if a is None else a * b


@dataclass(frozen=True, repr=False)
class Compose(_Wrapper):
    """Apply corruptions one after the other: x~ ~ C_n( ... C_1(x) ... ).

    >>> Compose((GaussianNoise(0.1), Masking(0.2)))
    Compose(parts=(GaussianNoise(), Masking(rate=0.2)))

    Raises:
        ValueError: no corruption to apply.
    """

    parts: tuple[Corruption, ...] = (GaussianNoise(), Masking())

    def __post_init__(self) -> None:
        """Refuse a chain of nothing."""
        super().__post_init__()
        if not self.parts:
            raise ValueError(f"parts={self.parts!r} of Compose hold no corruption; give one or more, or use Clean()")

    @property
    def inside(self) -> tuple[Corruption, ...]:
        """The corruptions, in order."""
        return self.parts

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Hand the batch through; an entry is touched where any of them touched it."""
        so_far = Corrupted(batch.x, batch.seen)
        for part, own in zip(self.parts, memories(memory), strict=True):
            new = part(replace(batch, x=so_far.x, seen=so_far.seen), noise, own)
            so_far = replace(
                new,
                emphasis=product(so_far.emphasis, new.emphasis),
                level=new.level if new.level is not None else so_far.level,
                touched=either(so_far.touched, new.touched),
            )
        return so_far


@dataclass(frozen=True, repr=False)
class Clipped(_Wrapper):
    """Keep corrupted values between ``low`` and ``high``: pixels stay pixels.

    ``Clipped(GaussianNoise(0.4))`` is the denoising example of Keras, which cuts noisy pixels to [0, 1]. Where ``low``
    or ``high`` is None it is taken from the data, as the encoder sees them, before training starts: 0 and 1 where all
    values lie between them, else the smallest and largest value of that column (or channel).

    >>> Clipped(GaussianNoise(0.4))
    Clipped(base=GaussianNoise(sigma=0.4))
    """

    base: Corruption = GaussianNoise()  # noqa: RUF009  (frozen)
    low: float | None = number(None)
    high: float | None = number(None)

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        super().__post_init__()
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"Clipped: low={self.low!r} is above high={self.high!r}; swap them")

    @property
    def inside(self) -> tuple[Corruption, ...]:
        """The corruption whose values are clipped."""
        return (self.base,)

    @property
    def requires(self) -> frozenset[str]:
        """Categories have no lowest and highest level."""
        return super().requires | {"numbers"}

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep the range of every column beside the memory inside."""
        memory = super().memory(spec, code)
        for name, ends in range_memory(spec).named_buffers():
            memory.register_buffer(name, ends)
        return memory

    def remember(self, memory: Memory, sample: Batch) -> None:
        """Take the range from data."""
        super().remember(memory, sample)
        remember_range(memory, sample, self.low, self.high)

    def __call__(self, batch: Batch, noise: Noise, memory: Any) -> Corrupted:
        """Corrupt, then clip what was touched; untouched entries keep their value even outside the range."""
        new = self.base(batch, noise, memories(memory)[0])
        cut = torch.maximum(torch.minimum(new.x, memory.high), memory.low)
        return replace(new, x=cut if new.touched is None else torch.where(new.touched, cut, new.x))


@dataclass(frozen=True, repr=False)
class Emphasised(_Wrapper):
    """Weigh the errors of touched entries by ``alpha`` and of the others by ``beta`` (Vincent et al., 2010).

    alpha sum_{touched} -log p(x_i) + beta sum_{untouched} -log p(x_i): ``beta=0`` asks only to undo the damage (full
    emphasis, the paper's best with salt-and-pepper noise). With weights other than 1 the reconstruction term is no
    longer a likelihood in nats.

    >>> Emphasised(Masking(0.3), alpha=1.0, beta=0.5)
    Emphasised(base=Masking(rate=0.3), beta=0.5)

    Raises:
        ValueError: a base that touches nothing, so that there is nothing to emphasise.
    """

    base: Corruption = Masking()  # noqa: RUF009  (frozen)
    alpha: float | Schedule = number(1.0, low=0.0)
    beta: float | Schedule = number(0.0, low=0.0)

    def __post_init__(self) -> None:
        """Refuse a base that does not say what it touched."""
        super().__post_init__()
        if "touched entries" not in self.base.provides:
            raise ValueError(
                f"Emphasised needs a corruption that says which entries it touched, which {self.base!r} does not; "
                "use for example Emphasised(Masking())"
            )

    @property
    def inside(self) -> tuple[Corruption, ...]:
        """The corruption whose entries are weighed."""
        return (self.base,)

    def __call__(self, batch: Batch, noise: Noise, memory: Memory) -> Corrupted:
        """Corrupt, then give every entry its weight."""
        new = self.base(batch, noise, memories(memory)[0])
        touched = torch.zeros_like(batch.x) if new.touched is None else new.touched.to(batch.x.dtype)
        alpha, beta = settled(self.alpha), settled(self.beta)
        return replace(new, emphasis=product(new.emphasis, beta + (alpha - beta) * touched))


@dataclass(frozen=True, repr=False)
class PerKind(_Wrapper):
    """Damage numbers in one way and levels, counts and angles in another, in tables of both.

    >>> PerKind(GaussianNoise(0.2), SwapNoise(0.1))
    PerKind(numbers=GaussianNoise(sigma=0.2))
    """

    numbers: Corruption = GaussianNoise()  # noqa: RUF009  (frozen)
    others: Corruption = SwapNoise(0.1)  # noqa: RUF009

    @property
    def inside(self) -> tuple[Corruption, ...]:
        """The corruption of numbers, and that of all else."""
        return (self.numbers, self.others)

    @property
    def requires(self) -> frozenset[str]:
        """What the other kinds need; numbers are what the first one gets."""
        return self.others.requires | (self.numbers.requires & {"values out"})

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Keep which columns are numbers."""
        memory = super().memory(spec, code)
        kinds = [column.kind == "number" for column in spec.columns] or [not spec.levels] * spec.shape[0]
        places = torch.tensor(kinds).reshape(-1, *[1] * (len(spec.shape) - 1))
        memory.register_buffer("is_number", places, persistent=False)
        return memory

    def __call__(self, batch: Batch, noise: Noise, memory: Any) -> Corrupted:
        """Take each column from the corruption of its kind."""
        first, second = (part(batch, noise, own) for part, own in zip(self.inside, memories(memory), strict=True))

        def either_kind(a: Tensor | None, b: Tensor | None, whole: Tensor) -> Tensor | None:
            if a is None and b is None:
                return None
            return torch.where(memory.is_number, whole if a is None else a, whole if b is None else b)

        whole = torch.ones_like(batch.x) if batch.seen is None else batch.seen.to(batch.x.dtype)
        return Corrupted(
            torch.where(memory.is_number, first.x, second.x),
            either_kind(first.seen, second.seen, whole),
            either_kind(first.emphasis, second.emphasis, torch.ones_like(batch.x)),
            first.level if first.level is not None else second.level,
            either_kind(first.touched, second.touched, torch.zeros_like(batch.x, dtype=torch.bool)),
        )
