"""Parts of an autoencoder: immutable descriptions that validate, print, compare, hash and turn into JSON.

A part holds no tensors, shapes or device, so clones and processes can share it. What a part learns or remembers during
training lives in a :class:`Memory`, which belongs to the model.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import numpy as np
from torch import Tensor, nn

if TYPE_CHECKING:
    from isthmus.records import Batch, Pass, Shape, Spec, Terms


def number(default: Any = MISSING, *, low: float = -math.inf, high: float = math.inf) -> Any:
    """Declare a dataclass field that holds a number (or a schedule) between ``low`` and ``high``."""
    return field(default=default, metadata={"low": low, "high": high})


def count(default: Any = MISSING, *, low: int = 1) -> Any:
    """Declare a dataclass field that holds a whole number: structure, never scheduled."""
    return field(default=default, metadata={"low": low, "high": math.inf, "whole": True})


def choice(default: Any, options: Sequence[str]) -> Any:
    """Declare a dataclass field that holds one of ``options``."""
    return field(default=default, metadata={"options": tuple(options)})


def suggest(name: str, options: Sequence[str]) -> str:
    """Say what a misspelt ``name`` may have meant, and list the options."""
    close = difflib.get_close_matches(name, options, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(sorted(options))}"


@dataclass(frozen=True)
class Part:
    """An immutable description with checked fields; every number of it may be a schedule."""

    kind: ClassVar[str] = "part"

    def __post_init__(self) -> None:
        """Refuse values outside a field's declared range, naming the part, the field and the range."""
        kind: Any = type(self)
        hints = _hints(kind)
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.generic):
                value = value.item()
                object.__setattr__(self, f.name, value)
            single = get_origin(hints[f.name]) is tuple and isinstance(value, (int, float, Part))
            if isinstance(value, list) or single:
                value = (value,) if single else tuple(value)
                object.__setattr__(self, f.name, value)
            if isinstance(value, Schedule) and "Schedule" not in str(f.type):
                raise ValueError(
                    f"{type(self).__name__}: {f.name}={value!r} changes with the epoch, but this setting is fixed when "
                    "the model is built; give a plain value"
                )
            self._check(f.name, value, f.metadata)
            hint = hints[f.name]
            if not _fits(value, hint):
                raise ValueError(f"{type(self).__name__}: {f.name}={value!r} is not {_wanted(hint)}")

    def _check(self, name: str, value: Any, rule: Any) -> None:
        # A tensor is not even shown: a device that holds it would have to be waited for.
        if value is None or isinstance(value, (Part, Tensor)):
            return
        label = f"{type(self).__name__}: {name}={value!r}"
        if "options" in rule and value not in rule["options"]:
            raise ValueError(f"{label} is unknown; {suggest(str(value), rule['options'])}")
        if "low" not in rule:
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{label} is not a number; give a number{'' if rule.get('whole') else ' or a schedule'}")
        if rule.get("whole") and not isinstance(value, int):
            raise ValueError(f"{label} is not a whole number; give an integer")
        if not rule["low"] <= value <= rule["high"]:
            raise ValueError(f"{label} is out of range; it must be {_range(rule['low'], rule['high'])}")

    def at(self, epoch: float) -> Self:
        """Return this part with every schedule, nested ones too, replaced by its value at ``epoch``."""
        return self._each(epoch.of if isinstance(epoch, Moment) else lambda schedule: schedule.value(epoch))

    def over(self, epochs: float) -> Self:
        """Return this part with every schedule that spans the fit, nested ones too, told how many epochs it has."""
        return self._each(lambda schedule: schedule.over(epochs))

    def _each(self, change: Callable[[Schedule], Any]) -> Self:
        changes = {}
        for f in fields(self):
            value = getattr(self, f.name)
            now = _changed(value, change)
            if now is not value:
                changes[f.name] = now
        if not changes:
            return self
        # Every optimiser step asks for the numbers of its moment: what was checked before is not checked again.
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        for name, value in changes.items():
            object.__setattr__(new, name, value)
            new._check(name, value, type(self).__dataclass_fields__[name].metadata)
        return new

    def __repr__(self) -> str:
        """Show the fields that differ from their defaults."""
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __init_subclass__(cls) -> None:
        """Keep this ``repr`` in dataclasses that are declared below."""
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Part.__repr__  # type: ignore[method-assign]


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """Say whether a value is of a type that a field takes."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint in _NUMBERS:
        return isinstance(value, (*_NUMBERS[hint], Tensor)) and not isinstance(value, bool)
    return not (isinstance(hint, type) and issubclass(hint, (Part, bool, types.NoneType))) or isinstance(value, hint)


_NUMBERS: dict[Any, tuple[type, ...]] = {int: (int, np.integer), float: (int, float, np.number)}


def _wanted(hint: Any) -> str:
    """Say what a field takes."""
    if hint is bool:
        return "True or False"
    several, kinds = get_origin(hint) is tuple, [hint, *get_args(hint)]
    names = [kind.kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Part)]
    if not names:
        return f"a tuple of {'whole ' if int in kinds else ''}numbers" if several else "what this setting takes"
    return f"a tuple of parts of the kind {names[0]}" if several else f"a part of the kind {names[0]}"


def _range(low: float, high: float) -> str:
    if high == math.inf:
        return f"at least {low:g}"
    return f"at most {high:g}" if low == -math.inf else f"between {low:g} and {high:g}"


def _changed(value: Any, change: Callable[[Schedule], Any]) -> Any:
    if isinstance(value, Schedule):
        return change(value)
    if isinstance(value, Part):
        return value._each(change)
    if isinstance(value, tuple):
        items = tuple(_changed(item, change) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


@dataclass(frozen=True, repr=False)
class Schedule(Part):
    """A number that changes with the epoch."""

    kind: ClassVar[str] = "schedule"

    def value(self, epoch: float) -> float:
        """Return the number at ``epoch`` (fractions count; ``inf`` gives the final value)."""
        raise NotImplementedError(f"{type(self).__name__} must define value(epoch)")  # abstract

    def over(self, epochs: float) -> Self:
        """Return this schedule with the fit's number of epochs, where it spans the fit."""
        return self


class Moment(float):
    """An epoch that says by itself what schedules are worth."""

    def of(self, schedule: Schedule) -> Any:
        """Return the value of a schedule."""
        return schedule.value(float(self))


def settled(value: float | Schedule) -> float:
    """Return a number that is a schedule no longer.

    Raises:
        ValueError: it still is one, since the part was used without ``part.at(epoch)``.
    """
    if isinstance(value, Schedule):
        raise ValueError(f"{value!r} has no value without an epoch; use part.at(epoch) in place of the part")
    return value


def declaration(part: Any, name: str, formula: str = "__call__") -> Any:
    """Return what a part declares of its own formula, such as a derivative; None where it is of a formula above it.

    >>> class Square:
    ...     slope = "2 x"
    ...     def __call__(self, x): return x**2
    >>> class Cube(Square):
    ...     def __call__(self, x): return x**3
    >>> declaration(Square(), "slope"), declaration(Cube(), "slope")
    ('2 x', None)
    """
    for kind in type(part).__mro__:
        if name in vars(kind):
            return getattr(part, name, None)
        if formula in vars(kind):
            return None
    return None


class Memory(nn.Module):
    """What one part learns (parameters) or remembers (buffers); its ``training`` tells fitting from use."""

    def __init__(self, parameters: dict[str, Tensor] | None = None, buffers: dict[str, Tensor] | None = None) -> None:
        """Register the given tensors under their names."""
        super().__init__()
        for name, tensor in (parameters or {}).items():
            self.register_parameter(name, nn.Parameter(tensor))
        for name, tensor in (buffers or {}).items():
            self.register_buffer(name, tensor)


@dataclass(frozen=True, repr=False)
class Component(Part):
    """A part that takes part in training: it declares what it needs and gives, and may keep a memory.

    ``by_row`` says that what it returns for a row depends on that row alone, and not on other rows, on weights or on a
    memory; a part that says so is called once for the rows of several models that are trained together.
    """

    by_row: ClassVar[bool] = False

    @property
    def requires(self) -> frozenset[str]:
        """Words that some other part, the data or the engine must provide (see ``docs/formalism.md``)."""
        return frozenset()

    @property
    def provides(self) -> frozenset[str]:
        """Words that this part provides to the others."""
        return frozenset()

    def memory(self, spec: Spec, code: Shape) -> Memory:
        """Build the empty memory of this part for data like ``spec`` and codes of shape ``code``."""
        return Memory()

    def tally(self, p: Pass) -> dict[str, Tensor]:
        """Return sums over this batch that :meth:`learn` folds into the memory; sums add over processes."""
        return {}

    def learn(self, memory: Memory, tallies: dict[str, Tensor]) -> None:
        """Fold tallies into the memory, once per optimiser step."""
        return

    def measure(self, p: Pass) -> Terms:
        """Return what held-out rows are looked at for besides the terms: (rows,) or one number, by name."""
        return {}

    def told(self, memory: Memory, found: dict[str, float]) -> None:
        """Take note of the held-out means of terms and measures, after the epoch was judged by them."""
        return

    def start(self, objective: Any, sample: Batch) -> None:
        """Set initial values from data, before the first step."""
        return
