"""Every part of the catalogue keeps every law of its kind."""

import pytest
from torch import nn

from isthmus.catalogue import catalogue
from isthmus.parts import KINDS, L0, Cosine, Dense, Gated, GateLoss, Given, Greedy, JumpReLU, Trainer
from isthmus.testing import COLUMNS, UNITS, check_gradient, check_part

SHIPPED = [cls for kind in KINDS for cls in catalogue(kind).values() if cls.__module__.startswith("isthmus.")]
# These need to be told something before they can work.
TOLD = {Given: Given(nn.Linear(COLUMNS, UNITS), nn.Linear(UNITS, COLUMNS)), Cosine: Cosine(epochs=9.0)}
PARTS = [TOLD.get(cls) or cls() for cls in SHIPPED]
# What they count or select has no derivative, and GateLoss holds the atoms fixed (tests/parts/test_dictionaries.py).
STEPS = (L0, JumpReLU, Gated, GateLoss)
DIFFERENTIABLE = [part for part in PARTS if part.kind in ("penalty", "likelihood", "bottleneck", "corruption")]
DIFFERENTIABLE = [part for part in DIFFERENTIABLE if not isinstance(part, STEPS)]


@pytest.mark.parametrize(
    "part", [*PARTS, Trainer(), Trainer(pretraining=Greedy())], ids=lambda part: type(part).__name__
)
def test_every_part_keeps_its_laws(part):
    check_part(part)


@pytest.mark.parametrize("part", DIFFERENTIABLE, ids=lambda part: type(part).__name__)
def test_the_gradient_is_the_derivative(part):
    linear = "linear decoder" in part.requires
    check_gradient(part, Dense(() if linear else (7,), activation="tanh"))
