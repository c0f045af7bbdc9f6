"""The words in which parts, data and engines say what they require and provide.

``requires <= provides`` over all of them together is the whole compatibility check; ``docs/formalism.md`` lists the
words with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from isthmus.catalogue import catalogue
from isthmus.component import Component


class Word(NamedTuple):
    """Who can provide a word, how it reads in a sentence, and what to do where no part provides it."""

    owner: str
    phrase: str
    remedy: str = ""


WORDS = {
    "density": Word("bottleneck", "a bottleneck with a density"),
    "bounded code": Word("bottleneck", "a bottleneck whose units have a lowest and a highest value"),
    "plain code": Word("bottleneck", "a bottleneck that leaves the features as they are"),
    "selection": Word("bottleneck", "a bottleneck that selects units"),
    "stages": Word("architecture", "an architecture with stages"),
    "code weights": Word("architecture", "an architecture that says which weights read the code"),
    "trainable weights": Word("architecture", "an architecture with weights to train"),
    "input gradient": Word("architecture", "an encoder that can be differentiated by its inputs"),
    "linear encoder": Word("architecture", "a linear encoder", "use Dense(hidden=())"),
    "linear decoder": Word("architecture", "a linear decoder", "use Dense(hidden=())"),
    "squared error": Word("likelihood", "a likelihood that is the squared error"),
    "touched entries": Word("corruption", "a corruption that says which entries it touched"),
    "narrow code": Word("data", "no more units than the data has variables", "lower n_components or use Overcomplete()"),
    "places": Word("data", "rows with places, such as images or signals", "give the shape of a row, shape=(channels, height, width)"),
    "outputs shaped as inputs": Word("data", "outputs shaped as the inputs", "use tied=False"),
    "numbers": Word("data", "numbers", "use Categorical()"),
    "continuous": Word("data", "continuous numbers", "use Masking() or SwapNoise()"),
    "unit interval": Word("data", "values in [0, 1]", "scale the data into [0, 1] or use Normal()"),
    "counts": Word("data", "counts 0, 1, 2, ...", "use Normal()"),
    "levels": Word("data", "levels of a category, 0, 1, 2, ...", "use Normal()"),
}


def check(parts: Iterable[Component], given: frozenset[str]) -> frozenset[str]:
    """Return all words provided by ``parts`` and ``given`` together.

    Raises:
        ValueError: a part requires a word that nobody provides; the message names culprit, reason and remedy.
    """
    parts = list(parts)
    provided = given.union(*(part.provides for part in parts))
    for part in parts:
        for name in sorted(part.requires - provided):
            raise ValueError(_refusal(part, name, parts))
    return provided


def _refusal(culprit: Component, name: str, parts: list[Component]) -> str:
    word = WORDS.get(name, Word("data", name))
    lacking = next((type(part).__name__ for part in parts if part.kind == word.owner), f"the {word.owner}")
    return f"{type(culprit).__name__} needs {word.phrase}, which {lacking} lacks; {word.remedy or _remedy(name, parts)}"


def _remedy(name: str, parts: list[Component]) -> str:
    kind = next(type(part).__mro__ for part in parts if part.kind == WORDS[name].owner)
    base = next(cls for cls in reversed(kind) if getattr(cls, "kind", "part") == WORDS[name].owner)
    able = [cls.__name__ for cls in catalogue(base).values() if _offers(cls, name)]
    return f"use {' or '.join(able)}" if able else "leave it out"


def _offers(cls: type[Component], name: str) -> bool:
    try:
        return name in cls().provides
    except TypeError:
        return False
