"""The kinds of a table's columns: those that a schema declares, and those that are chosen from the rows."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isthmus.catalogue import from_dict
from isthmus.data.columns import Kind
from isthmus.data.columns.facts import Facts
from isthmus.grammar import parse

Schema = Mapping[Any, Any]
KIND: Any = Kind  # an abstract class, whose name the catalogue needs


def declared(names: Sequence[str], schema: Schema | None) -> dict[str, Kind]:
    """Return the kinds that a schema declares: kinds, or their names as in ``'number:scale=log'``.

    Raises:
        ValueError: a column that is not there, or something that is no kind.
    """
    found = {}
    for name, kind in (schema or {}).items():
        label = f"x{name}" if isinstance(name, (int, np.integer)) and f"x{name}" in names else str(name)
        if label not in names:
            close = difflib.get_close_matches(label, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(list(names)[:8])}"
            raise ValueError(f"the schema names a column {name!r}, which the table does not have; {hint}")
        found[label] = _kind(label, kind)
    return found


def _kind(name: str, kind: Any) -> Kind:
    try:
        if isinstance(kind, str):
            found: Kind = parse(KIND, kind)
            return found
        if isinstance(kind, Mapping):
            found = from_dict(KIND, dict(kind))
            return found
    except ValueError as error:
        raise ValueError(f"the schema of column {name!r}: {error}") from None
    if isinstance(kind, Kind):
        return kind
    raise ValueError(f"the schema of column {name!r} is {kind!r}, which is no kind; write for example 'category'")


def chosen(facts: Facts) -> Kind:
    """Choose the kind of a column that nobody declared.

    Truth values and columns of two values are binary, other text is a category (but see
    :func:`isthmus.data.spelled.recognised`), dates are dates, a single value is
    constant, and other numbers are measurements: whether a whole number counts, ranks or names something, data cannot
    tell.
    """
    from isthmus.data.columns.date import Date
    from isthmus.data.columns.level import Binary, Category, Constant
    from isthmus.data.columns.number import Number

    if facts.type == "none" or (facts.levels is not None and len(facts.levels) == 1):
        return Constant()
    if facts.type == "date":
        return Date()
    if facts.levels is not None and len(facts.levels) == 2:
        return Binary()
    return Number() if facts.type == "number" else Category()
