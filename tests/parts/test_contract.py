"""Every part of the catalogue keeps every law of its kind."""

import pytest
from torch import nn

from isthmus.catalogue import catalogue
from isthmus.parts import KINDS, Cosine, Dense, Given, Greedy, Trainer
from isthmus.testing import COLUMNS, UNITS, check_gradient, check_part

SHIPPED = [cls for kind in KINDS for cls in catalogue(kind).values() if cls.__module__.startswith("isthmus.")]
# These need to be told something before they can work.
TOLD = {Given: Given(nn.Linear(COLUMNS, UNITS), nn.Linear(UNITS, COLUMNS)), Cosine: Cosine(epochs=9.0)}
PARTS = [TOLD.get(cls) or cls() for cls in SHIPPED]
DIFFERENTIABLE = [part for part in PARTS if part.kind in ("penalty", "likelihood", "bottleneck", "corruption")]


@pytest.mark.parametrize(
    "part", [*PARTS, Trainer(), Trainer(pretraining=Greedy())], ids=lambda part: type(part).__name__
)
def test_every_part_keeps_its_laws(part):
    check_part(part)


@pytest.mark.parametrize("part", DIFFERENTIABLE, ids=lambda part: type(part).__name__)
def test_the_gradient_is_the_derivative(part):
    check_gradient(part, Dense((7,), activation="tanh"))
