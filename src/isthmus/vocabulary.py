"""The words in which parts, data and engines say what they require and provide.

``requires <= provides`` over all of them together is the whole compatibility check; ``docs/refusals.md`` lists
the words with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from isthmus.catalogue import catalogue
from isthmus.component import Component


class Word(NamedTuple):
    """Who can provide a word, how it reads in a sentence, and what to do where no other part would provide it.

    ``remedies`` are for culprits of one kind, where what helps depends on who asks.
    """

    owner: str
    phrase: str
    remedy: str = ""
    remedies: Mapping[str, str] = MappingProxyType({})


WORDS = {
    "density": Word("bottleneck", "a bottleneck with a density"),
    "bounded code": Word("bottleneck", "a bottleneck whose units have a lowest and a highest value"),
    "plain code": Word("bottleneck", "a bottleneck that leaves the features as they are"),
    "elementwise code": Word("bottleneck", "a bottleneck in which each unit depends on features of its own"),
    "selection": Word("bottleneck", "a bottleneck that selects units"),
    "silent units": Word("bottleneck", "a bottleneck whose units can be silent"),
    "open sparsity": Word("bottleneck", "a bottleneck in which penalties decide how many units are silent"),
    "graded selection": Word("bottleneck", "a bottleneck whose selection has a gradient"),
    "gate": Word("bottleneck", "a bottleneck with gates"),
    "stages": Word("architecture", "an architecture with stages"),
    "code weights": Word("architecture", "an architecture that says which weights read the code"),
    "trainable weights": Word("architecture", "an architecture with weights to train"),
    "input gradient": Word("architecture", "an encoder that can be differentiated by its inputs"),
    "linear encoder": Word("architecture", "a linear encoder", "use Dense(hidden=())"),
    "linear decoder": Word("architecture", "a linear decoder", "use Dense(hidden=())"),
    "squared error": Word("likelihood", "a likelihood that is the squared error"),
    "values out": Word("likelihood", "a likelihood whose outputs are values in units of the data", "use Normal()"),
    "touched entries": Word("corruption", "a corruption that says which entries it touched"),
    "hidden entries": Word("corruption", "a corruption that tells the encoder what it hides", "use Hiding()"),
    "narrow code": Word("chosen size", "a code no wider than the data", "lower n_components or use Overcomplete()"),
    "places": Word("data", "rows with places, such as images or signals", "give shape=(channels, height, width)"),
    "outputs shaped as inputs": Word("likelihood", "a likelihood with one output per input", "use tied=False"),
    "numbers": Word(
        "data",
        "numbers",
        "use Categorical()",
        MappingProxyType({"corruption": "use SwapNoise()", "architecture": "use Dense(hidden=())"}),
    ),
    "continuous": Word("data", "continuous numbers", "use SwapNoise()"),
    "unit interval": Word("data", "values in [0, 1]", "scale the data into [0, 1] or use Normal()"),
    "counts": Word("data", "counts 0, 1, 2, ...", "use Normal()"),
    "kinds": Word("data", "a table whose columns say of which kind they are", "give a data frame, or schema='auto'"),
    "levels": Word("data", "levels of a category, 0, 1, 2, ...", "use Normal()"),
}


def check(
    parts: Iterable[Component], given: frozenset[str], facts: Mapping[str, str] = MappingProxyType({})
) -> frozenset[str]:
    """Return all words provided by ``parts`` and ``given`` together.

    ``facts`` say of words what is there instead, as the sizes where the code is wider than the data.

    Raises:
        ValueError: a part requires a word that nobody provides; the message names culprit, reason and remedy.
    """
    parts = list(parts)
    provided = given.union(*(part.provides for part in parts))
    for part in parts:
        for name in sorted(part.requires - provided):
            raise ValueError(refusal(part, name, parts, facts.get(name, "")))
    return provided


def refusal(culprit: Component, name: str, parts: Sequence[Component], fact: str = "") -> str:
    """Say which part needs what, who lacks it, and what to do."""
    word = WORDS.get(name, Word("choice of parts", f"{name!r}"))
    lacking = next((type(part).__name__ for part in parts if part.kind == word.owner), f"the {word.owner}")
    remedy = word.remedies.get(culprit.kind) or word.remedy or _able(name, word, culprit, parts)
    lacks = f"{lacking} lacks ({fact})" if fact else f"{lacking} lacks"
    return f"{type(culprit).__name__} needs {word.phrase}, which {lacks}; {remedy}"


def _able(name: str, word: Word, culprit: Component, parts: Sequence[Component]) -> str:
    """Name the parts that would help, or advise to leave the culprit out."""
    bases = [_kind(part) for part in parts if part.kind == word.owner]
    able = [f"{cls.__name__}()" for base in bases for cls in catalogue(base).values() if _offers(cls, name)]
    return f"use {' or '.join(sorted(able))}" if able else f"leave {type(culprit).__name__} out"


def _kind(part: Component) -> type[Component]:
    """Return the abstract class of a part's kind."""
    return next(cls for cls in reversed(type(part).__mro__) if getattr(cls, "kind", "part") == part.kind)


def _offers(cls: type[Component], name: str) -> bool:
    try:
        return name in cls().provides
    except TypeError:
        return False
