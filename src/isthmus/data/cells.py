"""Cells of a table as their writer meant them: blanks around text, marks of missing values, and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A")


def cleaned(table: Any, decimal: str) -> Any:
    """Return the columns of a text file without blanks around text; numbers and dates that these hid are such again.

    A column is text to pyarrow where one cell is `` ?``, the missing value of a file with blanks after its commas.
    """
    import pyarrow as pa

    for i, column in enumerate(table.columns):
        if pa.types.is_string(column.type):
            found = _trimmed(column)
            if not found.equals(column):
                table = table.set_column(i, table.column_names[i], _guessed(found, decimal))
    return table


def _trimmed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)


def _guessed(text: Any, decimal: str) -> Any:
    """Return text as the first type that reads all of it, as pyarrow tries them; else as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if text.null_count == len(text):
        return pa.chunked_array([pa.nulls(len(text))])
    point = pc.replace_substring(text, decimal, ".") if decimal != "." else text
    for source, kind in (
        (text, pa.int64()),
        (point, pa.float64()),
        (text, pa.bool_()),
        (text, pa.date32()),
        (text, pa.timestamp("s")),
        (text, pa.timestamp("us")),
    ):
        try:
            return source.cast(kind)
        except pa.ArrowInvalid:
            continue
    return text


def settled(table: Any) -> Any:
    """Return a table whose decimals are floats and whose times of day are text: what kinds of columns read."""
    import pyarrow as pa

    for i, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        elif pa.types.is_time(column.type):
            column = column.cast(pa.string())
        else:
            continue
        table = table.set_column(i, table.column_names[i], column)
    return table


def conformed(table: Any, types: Mapping[str, Any]) -> Any:
    """Return columns in these types where that loses nothing: whole numbers as floats, days as times."""
    import pyarrow.types as is_

    for i, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        have, want = column.type, types.get(name)
        if want is None or want == have:
            continue
        wider = (is_.is_floating(want) and is_.is_integer(have)) or (is_.is_timestamp(want) and is_.is_temporal(have))
        if wider or is_.is_null(have):
            table = table.set_column(i, name, column.cast(want, safe=False))
    return table


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is text, or categories of text."""
    import pyarrow.types as is_

    kind = kind.value_type if is_.is_dictionary(kind) else kind
    return bool(is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind))
