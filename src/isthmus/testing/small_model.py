"""A part at work: a small model around it, with partners that it fits and data that suit them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.catalogue import catalogue
from isthmus.component import Component, Part
from isthmus.corruption import Corruption
from isthmus.likelihood import Likelihood
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged
from isthmus.penalty import Penalty
from isthmus.records import Batch, Column, Spec, Tallies, Terms

P = TypeVar("P", bound=Part)
ROWS, COLUMNS, UNITS = 24, 10, 8


@dataclass(frozen=True)
class Setting:
    """A part at work: an objective around it, float64 rows and noise."""

    objective: Objective
    batch: Batch
    noise: Noise

    def terms(self, epoch: float = math.inf) -> tuple[Terms, Tallies]:
        """Run the objective once; the noise starts anew each time."""
        found: tuple[Terms, Tallies] = self.objective(self.batch, self.noise.at(0), epoch)
        return found

    def loss(self) -> Tensor:
        """Return the sum of the terms, averaged over rows."""
        return torch.stack(list(averaged(self.terms()[0], None).values())).sum()


def samples() -> Iterator[tuple[Spec, Tensor]]:
    """Give one small data set for every kind of data: numbers, counts, categories, tables of all kinds, images."""
    u = Noise(7).uniform(torch.empty(ROWS, COLUMNS, dtype=torch.float64))
    numbers = frozenset({"numbers", "continuous"})
    yield Spec((COLUMNS,), rows=ROWS, provides=numbers | {"unit interval"}), u
    yield Spec((COLUMNS,), rows=ROWS, provides=numbers | {"counts"}), (4 * u).floor()
    levels = tuple(Column(f"x{i}", "category", 3) for i in range(COLUMNS))
    yield Spec((COLUMNS,), levels, rows=ROWS, provides=frozenset({"levels"})), (3 * u).floor()
    kinds = ("number", "number", "category", "category", "binary", "count", "angle", "number", "category", "binary")
    mixed = tuple(Column(f"x{i}", kind, 3 if kind == "category" else 0, 0.1) for i, kind in enumerate(kinds))
    whole = torch.tensor([kind in ("category", "binary", "count") for kind in kinds])
    binary = torch.tensor([kind == "binary" for kind in kinds])
    values = torch.where(whole, (torch.where(binary, 2 * u, 3 * u)).floor(), u)
    yield Spec((COLUMNS,), mixed, rows=ROWS, provides=frozenset({"kinds"}), table=True), values
    image = Noise(8).uniform(torch.empty(ROWS, 2, 5, 4, dtype=torch.float64))
    yield Spec((2, 5, 4), rows=ROWS, provides=numbers | {"unit interval"}), image


def candidates(kind: type[P], given: tuple[Part, ...]) -> list[P]:
    """Return the part given of a kind, or one of each that the catalogue has."""
    found = [part for part in given if isinstance(part, kind)]
    return found or [cls() for cls in catalogue(kind).values()]


def choices(given: tuple[Part, ...]) -> Iterator[tuple[Corruption, Architecture, Bottleneck, Likelihood]]:
    """Give every choice of four parts."""
    yield from itertools.product(
        candidates(Corruption, given),
        candidates(Architecture, given),
        candidates(Bottleneck, given),
        candidates(Likelihood, given),
    )


def setting(part: Component, *partners: Component) -> Setting:
    """Build a part into a small model, with the first partners that it fits.

    Raises:
        AssertionError: it fits none, with the last refusal.
    """
    given = (part, *partners)
    penalties = [p for p in given if isinstance(p, Penalty)]
    refusal: ValueError | None = None
    for spec, x in samples():
        for corruption, architecture, bottleneck, likelihood in choices(given):
            try:
                suited = likelihood.suited(x)
                model = Autoencoder(spec, architecture, bottleneck, UNITS, suited.outputs(spec), Noise(1))
                objective = Objective(model, suited, penalties, corruption).double()
            except ValueError as error:
                refusal = error
                continue
            objective.start(Batch(x))
            return Setting(objective, Batch(x), Noise(2))
    raise AssertionError(f"{part!r} fits no data and no partners; the last refusal: {refusal}")
