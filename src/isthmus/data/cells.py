"""Cells of a table as their writer meant them: blanks around text, marks of missing values, and types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.atrow import FileRowError

# Missing in any column, and in one whose other cells are numbers or dates.
MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A")
MARKS = tuple(
    "- -- --- . .. ... \u2013 \u2014 NA na Na N.A. n.a. n/a n/d nd ND nil None none NONE Null NAN Nan "  # noqa: SIM905
    "<NA> NaT (null) #NA #DIV/0! #VALUE! #REF! #NUM! #NAME? #NULL! k.A.".split()
)
# So many cells are looked at first, and how numbers, dates and truth values begin.
FIRST, FIGURES = 100, re.compile(r"[+-]?[.,]?\d|true$|false$", re.IGNORECASE)
# What sets thousands apart, whatever the decimal sign is.
APART = ("'", "\u2019", " ", "\u00a0", "\u202f")
# A number as Arrow's regular expressions have it.
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# A date, and perhaps a time, as Arrow's regular expressions have it.
DATE = r"^(\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}[./-]\d{1,2}[./-]\d{1,2})([ T]\d{1,2}:\d{2}.*)?$"


def cleaned(
    table: Any,
    decimal: str,
    types: Mapping[str, Any] | None = None,
    names: Sequence[int] = (),
    *,
    decided: bool = True,
) -> Any:
    """Return the columns of a text file without blanks around text; numbers and dates that these hid are such again.

    A column is text to pyarrow where one cell is `` ?``, the missing value of a file with blanks after its commas, or
    a mark that means missing among numbers and dates alone, as ``-``, or where thousands are set apart. ``types`` are
    those that columns are known to have, text too. ``names`` are the places of columns that name the rows. Where
    the file has not ``decided`` its decimal sign a column of numbers needs proof, too, of what its commas mean.

    Raises:
        FileRowError: a number with a point where the decimals of the file have a comma.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    read = {}
    for i, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if i in names:
            read[i] = pc.utf8_trim_whitespace(column)
        elif pa.types.is_string(column.type):
            known = (types or {}).get(name)
            found = _trimmed(column)
            read[i] = _dated(found) if is_text(known) else _read(found, decimal, known, decided)
            if _number(known) and decimal == "," and pa.types.is_string(read[i].type):
                _refuse_points(name, read[i], found)
    return replaced(table, read)


def replaced(table: Any, columns: Mapping[int, Any]) -> Any:
    """Return a table with other columns in some places, made at once: one by one takes the square of their number."""
    import pyarrow as pa

    if not columns:
        return table
    whole = [columns.get(i, column) for i, column in enumerate(table.columns)]
    fields = [field.with_type(column.type) for field, column in zip(table.schema, whole, strict=True)]
    return pa.Table.from_arrays(whole, schema=pa.schema(fields, table.schema.metadata))


def _trimmed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)


def _read(text: Any, decimal: str, known: Any, decided: bool) -> Any:
    """Return text as numbers or dates where that is all it holds, but for marks of missing values; else as it is."""
    import pyarrow as pa

    number = _number(known)
    if not number and _names(text):
        return text
    found = _guessed(text, decimal)
    if not pa.types.is_string(found.type):
        return found
    marked = _unmarked(text)
    if marked.null_count == len(marked):  # of marks alone nobody knows what they are missing from, but for a fit
        return text if known is None else pa.chunked_array([pa.nulls(len(text))])
    found = _guessed(marked, decimal) if marked.null_count > text.null_count else text
    found = _joined(marked, decimal, sure=number and decided) if pa.types.is_string(found.type) else found
    if found is not None:
        return found
    # Which of the others are no numbers is said by the model, which knows points alone.
    return _pointed(marked, decimal, decided) if number else _dated(text)


def _names(text: Any) -> bool:
    """Tell early whether some of the first cells are names, so that nothing else need be looked for in the rest."""
    first = set(text.slice(0, FIRST).to_pylist()) - {None, *MARKS}
    return not all(FIGURES.match(cell) for cell in first)


def _unmarked(text: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(text, pa.array(MARKS)), pa.scalar(None, pa.string()), text)


def _dated(text: Any) -> Any:
    """Return text without marks of missing values, where all else is dates in numbers."""
    import pyarrow.compute as pc

    if _names(text):
        return text
    marked = _unmarked(text)
    hidden = marked.null_count > text.null_count and marked.null_count < len(marked)
    return marked if hidden and pc.all(pc.match_substring_regex(marked, DATE)).as_py() else text


def _joined(text: Any, decimal: str, *, sure: bool) -> Any:
    """Return numbers whose thousands are set apart; None of other text, and where a comma could be a decimal sign.

    Where decimals have a comma, a point sets thousands apart; where they have a point, a comma does if some number has
    both or two of them, or the column is known to be one of numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    point = r"\." if decimal == "." else ","
    for sign in ("," if decimal == "." else r"\.", *APART):
        number = rf"^[+-]?([1-9]\d{{0,2}}({sign}\d{{3}})+|\d+)?({point}\d*)?$"
        if not pc.all(pc.match_substring_regex(text, number)).as_py():
            continue
        proof = rf"{sign}\d{{3}}({sign}|\.)" if sign == "," else sign
        if sure or pc.any(pc.match_substring_regex(text, proof)).as_py():
            found = _guessed(pc.replace_substring_regex(text, sign, ""), decimal)
            return None if pa.types.is_string(found.type) else found
    return None


def _pointed(text: Any, decimal: str, decided: bool) -> Any:
    """Return text whose numbers, cell by cell, have a decimal point and no signs between thousands; else as it is."""
    import pyarrow.compute as pc

    point = r"\." if decimal == "." else ","
    known = (r"\.",) if decimal == "," else (",",) if decided else ()
    for sign in (*known, *APART):
        number = rf"^[+-]?([1-9]\d{{0,2}}({sign}\d{{3}})+|\d+)?({point}\d*)?([eE][+-]?\d+)?$"
        joined = pc.replace_substring(pc.replace_substring_regex(text, sign, ""), decimal, ".")
        text = pc.if_else(pc.match_substring_regex(text, number), joined, text)
    return text


def _refuse_points(name: str, text: Any, written: Any) -> None:
    """Refuse a decimal point among commas, for which :func:`_pointed` text shows no sign, where nothing else is wrong.

    Raises:
        FileRowError: always with the first one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    odd = pc.and_(pc.match_substring(text, "."), pc.equal(text, written))
    row = pc.index(odd, pa.scalar(True)).as_py()
    if row >= 0 and pc.all(pc.match_substring_regex(text, NUMBER)).as_py():
        before = f"column {name!r}: decimals of the file have a comma, but "
        raise FileRowError(before, row, f" holds {written[row].as_py()!r}; write it with a comma, too")


def _number(kind: Any) -> bool:
    import pyarrow as pa

    return kind is not None and (pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _guessed(text: Any, decimal: str) -> Any:
    """Return text as the first type that reads all of it, as pyarrow tries them; else as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if text.null_count == len(text):
        return pa.chunked_array([pa.nulls(len(text))])
    point = pc.replace_substring(text, decimal, ".") if decimal != "." else text
    # Where a comma is the decimal sign, a point is none.
    fractions = decimal == "." or not pc.any(pc.match_substring(text, ".")).as_py()
    for source, kind in (
        (text, pa.int64()),
        *([(point, pa.float64())] if fractions else []),
        (text, pa.bool_()),
        (text, pa.date32()),
        (text, pa.timestamp("s")),
        (text, pa.timestamp("us")),
    ):
        try:
            source.slice(0, FIRST).cast(kind)  # a cast that fails goes on to the end
            return source.cast(kind)
        except pa.ArrowInvalid:
            continue
    return text


def settled(table: Any) -> Any:
    """Return a table whose decimals are floats and whose times of day are text: what kinds of columns read."""
    import pyarrow as pa

    cast = {}
    for i, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            cast[i] = column.cast(pa.float64())
        elif pa.types.is_time(column.type):
            cast[i] = column.cast(pa.string())
    return replaced(table, cast)


def conformed(table: Any, types: Mapping[str, Any]) -> Any:
    """Return columns in these types where that loses nothing: whole numbers as floats, days as times."""
    import pyarrow.types as is_

    from isthmus.data.columns.zones import zone_of

    cast = {}
    for i, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        have, want = column.type, types.get(name)
        if want is None or want == have:
            continue
        wider = (is_.is_floating(want) and is_.is_integer(have)) or (
            is_.is_timestamp(want) and is_.is_temporal(have) and bool(zone_of(want)) == bool(zone_of(have))
        )
        if wider or is_.is_null(have):
            cast[i] = column.cast(want, safe=False)
    return replaced(table, cast)


def with_texts(types: Mapping[str, Any] | None, drop: Sequence[str]) -> dict[str, Any]:
    """Return types with columns that are left out as the text that they are, as in 007."""
    import pyarrow as pa

    return {**(types or {}), **dict.fromkeys(drop, pa.string())}


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is text, or categories of text."""
    import pyarrow.types as is_

    if kind is None:
        return False
    kind = kind.value_type if is_.is_dictionary(kind) else kind
    return bool(is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind))
