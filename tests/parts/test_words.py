"""Parts find each other by words, and a refusal names culprit, reason and remedy."""

import re
from pathlib import Path

import pytest

from isthmus.catalogue import catalogue
from isthmus.component import Component
from isthmus.parts import (
    KINDS,
    KL,
    L2,
    ActivationRate,
    Bernoulli,
    Categorical,
    Clean,
    Contractive,
    Dense,
    GaussianNoise,
    Given,
    Masking,
    Normal,
    Orthogonality,
    Poisson,
    Undercomplete,
    Variational,
)
from isthmus.vocabulary import WORDS, check

PARTS = [cls() for kind in KINDS for cls in catalogue(kind).values() if cls.__module__.startswith("isthmus.")]
COMPONENTS = [part for part in PARTS if isinstance(part, Component)]
TABLE = Path(__file__).parents[2] / "docs" / "refusals.md"
NUMBERS = frozenset({"numbers", "continuous", "narrow code", "outputs shaped as inputs"})


@pytest.mark.parametrize("part", COMPONENTS, ids=lambda part: type(part).__name__)
def test_every_word_that_a_part_speaks_is_in_the_list(part):
    assert part.requires | part.provides <= WORDS.keys()


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_in_the_documentation(word):
    rows = [line.split("|")[1].strip() for line in TABLE.read_text().splitlines() if line.startswith("|")]
    assert f"`{word}`" in rows


def test_every_requirement_is_in_the_documentation():
    table = {line.split("|")[1].strip(" `"): line for line in TABLE.read_text().splitlines() if line.startswith("| `")}
    for part in [*COMPONENTS, Dense(tied=True), Given(trained=False)]:
        for word in part.requires:
            assert f"`{type(part).__name__}" in table[word], f"{type(part).__name__} requires {word!r}"


@pytest.mark.parametrize(
    ("parts", "given", "message"),
    [
        (
            [Dense(), Undercomplete(), Clean(), Normal(), KL()],
            NUMBERS,
            "KL needs a bottleneck with a density, which Undercomplete lacks; use Variational()",
        ),
        (
            [Dense(), Variational(), Clean(), Normal(), ActivationRate()],
            NUMBERS,
            "ActivationRate needs a bottleneck whose units have a lowest and a highest value, which Variational lacks; "
            "use Sigmoid() or Tanh()",
        ),
        (
            [Dense(), Undercomplete(), Clean(), Bernoulli()],
            NUMBERS,
            "Bernoulli needs values in [0, 1], which the data lacks; scale the data into [0, 1] or use Normal()",
        ),
        (
            [Dense(), Undercomplete(), Clean(), Poisson()],
            NUMBERS,
            "Poisson needs counts 0, 1, 2, ..., which the data lacks; use Normal()",
        ),
        (
            [Dense(), Undercomplete(), Masking(), Categorical(3)],
            frozenset({"levels", "narrow code"}),
            "Masking needs numbers, which the data lacks; use SwapNoise()",
        ),
        (
            [Dense(), Undercomplete(), Clean(), Normal()],
            frozenset({"levels", "narrow code"}),
            "Normal needs numbers, which the data lacks; use Categorical()",
        ),
        (
            [Dense(), Undercomplete(), GaussianNoise(), Categorical(3)],
            frozenset({"levels", "narrow code"}),
            "GaussianNoise needs continuous numbers, which the data lacks; use SwapNoise()",
        ),
        (
            [Dense(), Undercomplete(), Clean(), Normal()],
            NUMBERS - {"narrow code"},
            "Undercomplete needs a code no wider than the data, which the chosen size lacks; "
            "lower n_components or use Overcomplete()",
        ),
        (
            [Dense(tied=True), Undercomplete(), Clean(), Normal()],
            NUMBERS - {"outputs shaped as inputs"},
            "Dense needs a likelihood with one output per input, which Normal lacks; use tied=False",
        ),
        (
            [Given(trained=False), Undercomplete(), Clean(), Normal(), L2()],
            NUMBERS,
            "L2 needs an architecture with weights to train, which Given lacks; use Conv() or Dense() or Dictionary()",
        ),
        (
            [Given(), Undercomplete(), Clean(), Normal(), Orthogonality()],
            NUMBERS,
            "Orthogonality needs an architecture that says which weights read the code, which Given lacks; "
            "use Conv() or Dense() or Dictionary()",
        ),
    ],
)
def test_refusals_read_as_sentences(parts, given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(parts, given)


def test_what_fits_is_told_everything_that_is_provided():
    words = check([Dense(()), Variational(), Clean(), Normal(), KL(), Contractive()], NUMBERS)
    assert {"density", "linear encoder", "squared error"} | NUMBERS <= words


def test_a_word_that_no_list_knows_is_refused_too():
    class _Strange(Undercomplete):
        @property
        def requires(self):
            return frozenset({"moonlight"})

    with pytest.raises(
        ValueError, match=r"^_Strange needs 'moonlight', which the choice of parts lacks; leave _Strange out$"
    ):
        check([_Strange()], frozenset())
