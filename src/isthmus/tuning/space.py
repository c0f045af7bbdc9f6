"""What is searched, in the grammar of parts: ``units=2:64:log``, ``bottleneck=top_k:k=4|8|16,undercomplete``.

A value is a range, ``LOW:HIGH``, by the ratio with ``:log``; or one of several between bars, ``4|8|16``. A part is one
of several between commas, and each of its settings may be such a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.catalogue import catalogue, from_dict
from isthmus.component import Part, suggest
from isthmus.corruption import Corruption
from isthmus.grammar import literal, split
from isthmus.likelihood import Likelihood
from isthmus.penalty import Penalty
from isthmus.training.optimiser import Optimiser

if TYPE_CHECKING:
    from optuna import Trial

KINDS: dict[str, Any] = {
    "architecture": Architecture,
    "bottleneck": Bottleneck,
    "corruption": Corruption,
    "likelihood": Likelihood,
    "penalties": Penalty,
    "trainer__optimiser": Optimiser,
}
ALIASES = {"units": "n_components", "penalty": "penalties", "optimiser": "trainer__optimiser"}
# What stands for several parameters; see isthmus.tuning.settings.
WHOLE, SHARES = ("n_components", "depth", "width"), ("learning_rate",)
EXAMPLE = "units=2:64:log, learning_rate=1e-4:1e-2:log or bottleneck=top_k:k=4|8|16,undercomplete"


@dataclass(frozen=True)
class Range:
    """Numbers between two, ends included; whole where both ends are; by their ratio with ``log``.

    >>> Range(2, 64, log=True)
    Range(low=2, high=64, log=True)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse a range that is none."""
        ends = (self.low, self.high)
        if not all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in ends) or not (
            -float("inf") < self.low < self.high < float("inf")
        ):
            raise ValueError(f"{self.low!r}:{self.high!r} is no range; give a number and a greater one, as 2:64")
        if self.log and self.low <= 0:
            raise ValueError(f"{self.low!r}:{self.high!r}:log starts at 0 or below, which has no ratio; start above 0")

    def drawn(self, trial: Trial, name: str, *, whole: bool | None) -> Any:
        """Let a trial draw a number; ``whole`` says what kind of number it is for, None that nobody knows."""
        if whole is None:
            whole = isinstance(self.low, int) and isinstance(self.high, int)
        if whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, float(self.low), float(self.high), log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def drawn(self, trial: Trial, name: str, *, whole: bool | None) -> Any:
        """Let a trial choose; a study holds the words for a value, which a file of it can."""
        if len(self.values) == 1:
            return self.values[0]
        words: dict[Any, Any] = {
            value if isinstance(value, (str, int, float)) else repr(value): value for value in self.values
        }
        return words[trial.suggest_categorical(name, list(words))]


@dataclass(frozen=True)
class Parts:
    """One of several parts, with settings that are searched.

    Attributes:
        kind: what the parts are.
        options: by name: settings, each fixed or a :class:`Range` or :class:`Choice`.
    """

    kind: Any
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def drawn(self, trial: Trial, name: str, *, whole: bool | None) -> Part | None:
        """Let a trial choose a part and its settings."""
        names = list(self.options)
        chosen = names[0] if len(names) == 1 else trial.suggest_categorical(name, names)
        if chosen == "none":
            return None
        rules = {f.name: f.metadata for f in fields(catalogue(self.kind)[chosen])}
        settings = {
            key: value.drawn(trial, f"{name}.{chosen}.{key}", whole=bool(rules[key].get("whole", False)))
            if isinstance(value, (Range, Choice))
            else value
            for key, value in self.options[chosen].items()
        }
        found: Part = from_dict(self.kind, {"type": chosen, **settings})
        return found


def named(name: str) -> str:
    """Return the estimator's parameter of this name."""
    return ALIASES.get(name, name)


Searched = Range | Choice | Parts
Space = Mapping[str, Searched]


def space_of(given: Mapping[str, Any]) -> dict[str, Searched]:
    """Return a space from texts of the grammar, sequences of values, or what this module calls them.

    >>> space_of({"units": "2:64:log", "scaling": ["common", "standard"]})
    {'units': Range(low=2, high=64, log=True), 'scaling': Choice(values=('common', 'standard'))}
    >>> space_of({"bottleneck": "top_k:k=4|8,undercomplete"})["bottleneck"].options
    {'top_k': {'k': Choice(values=(4, 8))}, 'undercomplete': {}}

    Raises:
        ValueError: what is no range, choice or part.
    """
    found: dict[str, Searched] = {}
    for key, value in given.items():
        if same := next((other for other in found if named(other) == named(key)), None):
            raise ValueError(f"{same} and {key} are one setting; search it by one name")
        if isinstance(value, (Range, Choice, Parts)):
            found[key] = value
        elif isinstance(value, str):
            found[key] = read(named(key), value)
        elif isinstance(value, Sequence) and len(value):
            found[key] = Choice(tuple(value))
        else:
            raise ValueError(f"{key}={value!r} is nothing to search; write for example {EXAMPLE}")
    return found


def parsed(texts: Sequence[str]) -> dict[str, Searched]:
    """Return a space from NAME=VALUE texts, as the command line has them."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise ValueError(f"--search {text!r} is not NAME=VALUES; write for example {EXAMPLE}")
        key = name.strip().replace("-", "_").replace(".", "__")
        if key in given:
            raise ValueError(f"--search has {key} twice; give it once, several values as {key}=4|8")
        given[key] = value.strip()
    return space_of(given)


def read(name: str, text: str) -> Searched:
    """Read what one parameter may be."""
    if name in KINDS:
        return _parts(KINDS[name], text)
    if name == "scaling":  # one of its words is none, which elsewhere is no value
        return Choice(tuple(word.strip() for word in text.split("|")))
    found = value_of(text)
    return found if isinstance(found, (Range, Choice)) else Choice((found,))


def value_of(text: str) -> Any:
    """Read a range, a choice, or one value."""
    options = text.split("|")
    if len(options) > 1:
        return Choice(tuple(literal(option.strip()) for option in options))
    ends = text.split(":")
    numbers = [literal(end.strip()) for end in ends[:2]]
    if len(ends) in (2, 3) and all(isinstance(end, (int, float)) for end in numbers):
        if ends[2:] not in ([], ["log"]):
            raise ValueError(f"{text!r} is no range; write LOW:HIGH or LOW:HIGH:log")
        return Range(numbers[0], numbers[1], log=len(ends) == 3)
    return literal(text)


def _parts(kind: Any, text: str) -> Parts:
    """Read parts between commas; a comma before NAME=VALUE goes on with the settings of the part before it."""
    options: dict[str, dict[str, Any]] = {}
    known, current = catalogue(kind), ""
    for item in split(text):
        head, equals, value = item.partition("=")
        name, colon, key = head.partition(":")
        if not equals or colon:
            current = name.strip().replace("-", "_").lower()
            if current not in known and not (current == "none" and kind is Penalty):
                raise ValueError(f"unknown {kind.kind} {name.strip()!r}; {suggest(name.strip(), list(known))}")
            if current in options:
                raise ValueError(f"{kind.kind} {current!r} stands twice; give it once, with settings as k=4|8")
            options[current] = {}
        if equals:
            key = (key if colon else head).strip()
            allowed = [f.name for f in fields(known[current])] if current in known else []
            if key not in allowed:
                raise ValueError(f"{kind.kind} {current!r} has no setting {key!r}; {suggest(key, allowed)}")
            options[current][key] = value_of(value.strip())
    return Parts(kind, options)
