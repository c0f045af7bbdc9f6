"""Parameter paths through parts: ``bottleneck__k``, ``penalties__l1__weight``, ``trainer__epochs``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from isthmus.catalogue import name_of
from isthmus.component import Part, suggest


def settings(part: Part) -> dict[str, Any]:
    """Return the fields of a part, and those of nested parts by path."""
    found: dict[str, Any] = {}
    for f in fields(part):
        value = getattr(part, f.name)
        found[f.name] = value
        found |= {f"{f.name}__{path}": inner for path, inner in nested(value).items()}
    return found


def nested(value: Any) -> dict[str, Any]:
    """Return the settings inside a parameter's value: of a part, or of each part of a tuple by its name."""
    if isinstance(value, Part):
        return settings(value)
    if isinstance(value, (tuple, list)) and all(isinstance(item, Part) for item in value):
        return {
            path: inner
            for item in value
            for path, inner in [
                (name_of(item), item),
                *((f"{name_of(item)}__{p}", v) for p, v in settings(item).items()),
            ]
        }
    return {}


def changed(value: Any, path: str, new: Any, owner: str) -> Any:
    """Return a copy of a part, or of a tuple of parts, with one setting replaced.

    Raises:
        ValueError: no such setting, with a suggestion.
    """
    head, _, rest = path.partition("__")
    if isinstance(value, Part):
        known = [f.name for f in fields(value)]
        if head not in known:
            raise ValueError(f"Invalid parameter {head!r} for {owner}={value!r}; {suggest(head, known)}")
        return replace(value, **{head: changed(getattr(value, head), rest, new, head) if rest else new})
    if isinstance(value, (tuple, list)):
        names = [name_of(item) for item in value]
        if head not in names:
            raise ValueError(f"Invalid parameter {head!r} for {owner}={value!r}; {suggest(head, names)}")
        swap = [changed(item, rest, new, head) if rest else new for item in value if name_of(item) == head]
        return tuple(swap[0] if name == head else item for name, item in zip(names, value, strict=True))
    raise ValueError(f"Invalid parameter {path!r}: {owner}={value!r} has no settings; give {owner} a part first")


@contextmanager
def whole(estimator: BaseEstimator) -> Iterator[None]:
    """Leave an estimator as it was where a fit is refused, so that a mistake does not cost the model of the last."""
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class PartParameters(BaseEstimator):
    """``get_params`` and ``set_params`` that see inside parts; parts are values, so setting one replaces it."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return parameters; with ``deep``, the settings of parts by path too."""
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            for name, value in list(params.items()):
                params |= {f"{name}__{path}": inner for path, inner in nested(value).items()}
        return params

    def set_params(self, **params: Any) -> PartParameters:
        """Set parameters, paths into parts included.

        Raises:
            ValueError: an unknown name, with a suggestion.
        """
        known = super().get_params(deep=False)
        deeper: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for name, value in params.items():
            head, _, rest = name.partition("__")
            if head not in known:
                raise ValueError(f"Invalid parameter {head!r} for {type(self).__name__}; {suggest(head, list(known))}")
            if rest:
                deeper[head].append((rest, value))
            else:
                setattr(self, head, value)
        for head, changes in deeper.items():
            value = self._part(head)
            if hasattr(value, "set_params"):
                value.set_params(**dict(changes))
            else:
                for rest, new in sorted(changes, key=lambda change: change[0].count("__")):
                    value = changed(value, rest, new, head)
            setattr(self, head, value)
        return self

    def _part(self, name: str) -> Any:
        """Return the value that a path starts from; a default that is not named yet is resolved by the estimator."""
        return getattr(self, name)


def seed_of(random_state: Any) -> int:
    """Return a seed from what scikit-learn takes as one; a RandomState moves on, and None moves no one's generator.

    Raises:
        ValueError: something else.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError:
        remedy = "give a whole number from 0 to 2**32 - 1, which int(g.integers(2**32)) draws from a numpy Generator g"
        raise ValueError(
            f"random_state={random_state!r} is not a seed; {remedy}, a numpy.random.RandomState or None"
        ) from None
