"""Columns of text that spell numbers or dates: what they are read as, and a word where nobody can tell."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from isthmus.atrow import RowError, RowWarning, called, labels_of
from isthmus.data.cells import DATE, NUMBER
from isthmus.data.columns import Kind
from isthmus.data.columns.date import Date, declared_as, format_of, kind_of, parsed
from isthmus.data.columns.exact import warn_of_inexact
from isthmus.data.columns.facts import first_of, plain, type_of
from isthmus.data.frames import Frame
from isthmus.data.schema import Schema, declared

# As Arrow's regular expressions have it: numbers with decimals of either sign, and thousands apart.
SPELLED = r"^[+-]?(\d{1,3}([., '\x{2019}\x{a0}\x{202f}]\d{3})+|\d+)?([.,]\d*)?([eE][+-]?\d+)?$"
# So many of the values of a column, and more values than grades, sizes or months have.
MOST, FEW = 0.9, 12


def recognised(frame: Frame, schema: Schema | None) -> Schema | None:
    """Return a schema that also declares columns of text as dates, where all of their texts are such in one way.

    Of other columns that nobody declared and that are numbers or dates for the most part, a warning says what is none.
    """
    known, found = declared(frame.names, schema), {}
    if isinstance(frame.native, np.ndarray) and frame.native.dtype.kind in "biuf":
        return schema
    warn_of_inexact(frame.native)
    for name, values in frame.columns():
        if name not in known and type_of(name, values) == ("level", "text"):
            kind = _date(name, plain(values))
            if kind is not None:
                found[name] = kind
            elif (hint := _hint(name, plain(values))) is not None:
                labels = labels_of(frame.native)
                warnings.warn(hint if labels is None else hint.named(called(hint.row, labels)), stacklevel=3)
    return {**(schema or {}), **found} if found else schema


def _date(name: str, values: Any) -> Kind | None:
    """Return how texts are dates: of one form, in which some day is above 12, and no month."""
    format = format_of(values)
    if format is None:
        return None
    try:
        parsed(name, values, format)
    except RowError:  # as the 31st of February
        return None
    return Date(format)


def _hint(name: str, values: Any) -> RowWarning | None:
    """Say what is none among numbers or dates, or which of them can be read in two ways; None of any other text."""
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(values)
    counts = pc.value_counts(text.drop_null())
    there, known = len(text) - text.null_count, counts.field("values")
    for what, pattern in (("numbers", SPELLED), ("dates", DATE)):
        like = pc.and_(pc.match_substring_regex(known, pattern), pc.match_substring_regex(known, r"\d"))
        many = pc.sum(pc.if_else(like, counts.field("counts"), 0)).as_py() or 0
        if many >= MOST * there and pc.sum(like).as_py() > FEW:
            if many == there:
                return _in_two_ways(name, text) if what == "numbers" else _undated(name, text)
            other = known.filter(pc.invert(like))
            row = first_of(text, pc.is_in(text, other))
            before = f"column {name!r} is taken for a category: {many:,} of its {there:,} values are {what}, but "
            remedy = "correct it, or leave it empty where it means missing; if they are names, declare "
            return RowWarning(before, row, f" holds {text[row].as_py()!r}; {remedy}{declared_as(name, 'category')}")
    return None


def _in_two_ways(name: str, text: Any) -> RowWarning | None:
    """Name the first number with a separator; who keeps plain ones as text has a reason, as for zip codes."""
    import pyarrow.compute as pc

    odd = pc.invert(pc.match_substring_regex(text, NUMBER))
    if not pc.any(odd).as_py():
        return None
    row = first_of(text, odd)
    remedy = "write it as 1234.5, or if they are names declare "
    after = (
        f" holds {text[row].as_py()!r}, whose separators can mean two things; {remedy}{declared_as(name, 'category')}"
    )
    return RowWarning(f"column {name!r} is taken for a category, though all its values look like numbers: ", row, after)


def _undated(name: str, text: Any) -> RowWarning:
    """Ask how dates are written."""
    import pyarrow.compute as pc

    row = first_of(text, pc.is_valid(text))
    value = text[row].as_py()
    after = f" holds {value!r}; say how they are written, as {declared_as(name, kind_of(value))}"
    return RowWarning(f"column {name!r} is taken for a category, though all its values look like dates: ", row, after)
