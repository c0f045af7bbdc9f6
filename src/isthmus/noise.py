"""Randomness as an argument: a function of (seed, step, process), so that there is no state to save."""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
# Where fewer than one of so many are drawn, an order of all would cost the more memory.
FEW = 50


def _mix(*keys: int) -> int:
    """Hash whole numbers to 63 bits (SplitMix64 finaliser; Steele, Lea & Flood, 2014)."""
    z = 0
    for key in keys:
        z = (z + (key & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        z ^= z >> 31
    return z >> 1


class Noise:
    """A stream of random numbers that starts anew at every step.

    >>> noise = Noise(seed=0)
    >>> a, b = noise.at(3).normal(torch.zeros(2)), noise.at(3).normal(torch.zeros(2))
    >>> bool((a == b).all())
    True
    """

    def __init__(self, seed: int, step: int = 0, process: int = 0) -> None:
        """Start the stream of (seed, step, process)."""
        self.seed, self.step, self.process = int(seed), int(step), int(process)
        self._generators: dict[torch.device, torch.Generator] = {}

    def at(self, step: int) -> Noise:
        """Return the stream of another step."""
        return Noise(self.seed, step, self.process)

    def branch(self, tag: int) -> Noise:
        """Return an independent stream for another purpose."""
        return Noise(_mix(self.seed, tag, 0x5EED), self.step, self.process)

    @property
    def key(self) -> int:
        """What the generators of this stream start from."""
        return _mix(self.seed, self.step, self.process)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            generator = torch.Generator(device)
            generator.manual_seed(self.key)
            self._generators[device] = generator
        return self._generators[device]

    @property
    def members(self) -> list[Noise]:
        """The noise of each model that draws; of one, itself."""
        return [self]

    def standing(self, device: torch.device) -> tuple[Noise, list[Standing]]:
        """Return the same stream on one device from generators that stay, and these."""
        own = Standing(self, device)
        return own, [own]

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from U[0, 1), shaped as ``like``."""
        return torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=self._generator(like.device))

    def normal(self, like: Tensor) -> Tensor:
        """Draw from N(0, 1), shaped as ``like``."""
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self._generator(like.device))

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw counts from Poisson(rate), shaped as ``rate``."""
        return torch.poisson(rate, generator=self._generator(rate.device))

    def for_process(self, process: int) -> Noise:
        """Return the stream of another process."""
        return Noise(self.seed, self.step, process)

    def share(self, first: int, rows: int, whole: int) -> Noise:
        """Return the stream as some rows of a batch see it: they get the numbers that they get in the whole batch."""
        return Share(self, first, rows, whole)

    def permutation(self, n: int, device: torch.device | str = "cpu") -> Tensor:
        """Draw an order of n rows; the same one on every device."""
        return torch.randperm(n, generator=self._generator(torch.device("cpu"))).to(device)

    def some(self, n: int, k: int) -> Tensor:
        """Draw k of n rows, in ascending order; in memory for these k where they are few.

        >>> Noise(seed=0).some(10**12, 3).shape, Noise(seed=0).some(4, 4)
        (torch.Size([3]), tensor([0, 1, 2, 3]))
        """
        if k > n // FEW:
            return self.permutation(n)[:k].sort().values
        generator, found = self._generator(torch.device("cpu")), torch.empty(0, dtype=torch.int64)
        while len(found) < k:
            found = torch.cat([found, torch.randint(n, (k,), generator=generator)]).unique()
        # Whatever is left of different rows that were drawn alike is drawn alike.
        return found[torch.randperm(len(found), generator=generator)[:k]].sort().values


class Share(Noise):
    """The noise of a whole batch, of which some rows in succession are here: what is drawn for the others is dropped.

    What is drawn for anything but rows is drawn alike for all shares.

    >>> whole, x = Noise(seed=0), torch.zeros(5, 3)
    >>> bool((whole.share(2, 2, 5).normal(x[2:4]) == Noise(seed=0).normal(x)[2:4]).all())
    True
    """

    def __init__(self, noise: Noise, first: int, rows: int, whole: int) -> None:
        """Remember which rows are here."""
        super().__init__(noise.seed, noise.step, noise.process)
        self.first, self.rows, self.whole = first, rows, whole

    def at(self, step: int) -> Noise:
        """Return the stream of another step."""
        return super().at(step).share(self.first, self.rows, self.whole)

    def branch(self, tag: int) -> Noise:
        """Return an independent stream for another purpose."""
        return super().branch(tag).share(self.first, self.rows, self.whole)

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from U[0, 1), shaped as ``like``."""
        return self._own(super().uniform(self._all(like)), like)

    def normal(self, like: Tensor) -> Tensor:
        """Draw from N(0, 1), shaped as ``like``."""
        return self._own(super().normal(self._all(like)), like)

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw counts from Poisson(rate), shaped as ``rate``; the numbers drawn for others depend on their rates."""
        return super().poisson(rate)

    def _draws(self, like: Tensor) -> int:
        """Return how many blocks of these rows there are, 0 where something else than rows is drawn for."""
        return 0 if not like.dim() or len(like) % self.rows else len(like) // self.rows

    def _all(self, like: Tensor) -> Tensor:
        draws = self._draws(like)
        return like.new_empty(1).expand(draws * self.whole, *like.shape[1:]) if draws else like

    def _own(self, drawn: Tensor, like: Tensor) -> Tensor:
        draws = self._draws(like)
        if not draws:
            return drawn
        blocks = drawn.view(draws, self.whole, *like.shape[1:])[:, self.first : self.first + self.rows]
        return blocks.reshape(like.shape)


class Several(Noise):
    """Streams side by side: each of them draws for rows of its own, as if it were alone."""

    def parts(self, like: Tensor) -> list[tuple[Noise, Tensor]]:
        """Return every stream with its rows, in their order."""
        raise NotImplementedError(f"{type(self).__name__} must define parts")  # abstract

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from U[0, 1), shaped as ``like``."""
        return torch.cat([noise.uniform(own) for noise, own in self.parts(like)])

    def normal(self, like: Tensor) -> Tensor:
        """Draw from N(0, 1), shaped as ``like``."""
        return torch.cat([noise.normal(own) for noise, own in self.parts(like)])

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw counts from Poisson(rate), shaped as ``rate``."""
        return torch.cat([noise.poisson(own) for noise, own in self.parts(rate)])


class Unrecordable(RuntimeError):
    """Why the noise of a step cannot come from generators that stay."""


class Standing(Noise):
    """A stream of one step on one device whose generator stays, to be moved to the start of another step's stream.

    ``drawn`` says whether anything was drawn from it.

    >>> noise, x = Noise(seed=0), torch.zeros(3)
    >>> _, (standing,) = noise.at(1).standing(x.device)
    >>> standing.move(noise.at(2))
    >>> bool((standing.uniform(x) == noise.at(2).uniform(x)).all())
    True
    """

    def __init__(self, noise: Noise, device: torch.device) -> None:
        """Start where a stream starts."""
        super().__init__(noise.seed, noise.step, noise.process)
        self.generator, self.drawn = torch.Generator(device), False
        self.move(noise)

    def move(self, noise: Noise) -> None:
        """Go to the start of another stream."""
        self.generator.manual_seed(noise.key)

    def at(self, step: int) -> Noise:
        """Return this stream; it has no other steps."""
        if step != self.step:
            raise Unrecordable("a step that draws the noise of another one cannot be recorded")
        return self

    def branch(self, tag: int) -> Noise:
        """Refuse: the branches of another step's stream would be others."""
        raise Unrecordable("a step that branches its noise cannot be recorded")

    def _generator(self, device: torch.device) -> torch.Generator:
        if device != self.generator.device:
            raise Unrecordable(f"a step that draws noise on {device} beside {self.generator.device} cannot be recorded")
        self.drawn = True
        return self.generator
