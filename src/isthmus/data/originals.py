"""Tables as their files have them: the text of csv cells, and Parquet columns in their own types, to fill holes in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data import blockwise, csvlayout, tables
from isthmus.data.cells import cleaned, is_text
from isthmus.data.columns.facts import plain
from isthmus.data.frames import one_array
from isthmus.data.parquetfiles import PARQUET, parquet_file, reading
from isthmus.data.places import Place
from isthmus.data.record import NoRowsError
from isthmus.data.restoring import put
from isthmus.data.writing import for_text, write, write_text

ZEROS = r"^[+-]?0\d"


@dataclass(frozen=True)
class Original:
    """All columns of a table, whatever a model reads of them.

    Attributes:
        table: of Arrow, in the types of its file.
        index: names of the columns that name the rows.
    """

    table: Any
    index: tuple[str, ...] = ()

    def cells(self, name: str, holes: Any, values: Any, read: Any) -> Any:
        """Return a column whose holes have values: levels as the file spells them elsewhere, all else in its type.

        Args:
            name: of the column.
            holes: where it has holes, as truth values.
            values: what goes into them, as an Arrow column.
            read: the column as a model read it.
        """
        import pyarrow.compute as pc

        own = self.table[name]
        known = _spelled(own, read, values)
        if known is not None:
            own, holes = put(holes, known, own), pc.and_(holes, known.is_null())
        return put(holes, self.as_cells(values), own) if pc.any(holes).as_py() else own

    def as_cells(self, values: Any) -> Any:
        """Return values as the file would have them."""
        return values

    def write(self, path: Path, table: Any) -> None:
        """Write columns of this table and others beside them."""
        write(path, table)


@dataclass(frozen=True)
class Text(Original):
    """A text table, every cell the text that it is.

    Attributes:
        delimiter: what stands between cells.
        decimal: the decimal sign.
    """

    delimiter: str = ","
    decimal: str = "."

    def as_cells(self, values: Any) -> Any:
        """Return values as text, numbers with the decimal sign of the file."""
        import pyarrow as pa
        import pyarrow.compute as pc

        short = for_text(pa.table({"": values})).column(0)
        text = short.cast(pa.string())
        return pc.replace_substring(text, ".", self.decimal) if pa.types.is_floating(short.type) else text

    def write(self, path: Path, table: Any) -> None:
        """Write the table with the delimiter of its file."""
        write_text(path, table, self.delimiter)

    def typed(self, read: Any) -> Original:
        """Return the table without names of rows in types: as it was ``read``, and other columns as they look.

        Zeros before a number, as those of zip codes, would be lost: such columns that no model has read stay text.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        empty = pa.nulls(self.table.num_rows, pa.string())
        marked = [pc.if_else(pc.is_in(c, pa.array(tables.missing_marks())), empty, c) for c in self.table.columns]
        there = pa.Table.from_arrays(marked, names=self.table.column_names)
        kept = {n: pa.string() for n, c in zip(there.column_names, there.columns, strict=True) if _zeros(c)}
        guessed = cleaned(there, self.decimal, kept, names=[there.column_names.index(name) for name in self.index])
        known = set(read.column_names)
        names = [name for name in there.column_names if name not in self.index]
        return Original(pa.table({name: read[name] if name in known else guessed[name] for name in names}))


def _zeros(column: Any) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(column, ZEROS)).as_py())


def _spelled(own: Any, read: Any, values: Any) -> Any:
    """Return levels as the first cell of the same level is in the file, null where there is none; None of numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = plain(values)
    if not (is_text(values.type) or pa.types.is_boolean(values.type)):
        return None
    kind = pa.bool_() if pa.types.is_boolean(values.type) else pa.large_string()
    own = own.cast(kind) if pa.types.is_string_view(own.type) else own  # from which Arrow takes none
    # Codes are in the order of the first cells.
    levels = one_array(plain(read).cast(kind)).dictionary_encode()
    codes = levels.indices.fill_null(len(levels.dictionary)).to_numpy()
    _, first = np.unique(codes, return_index=True)
    return own.take(pa.array(first).take(one_array(pc.index_in(values.cast(kind), value_set=levels.dictionary))))


def original(source: str, limit: int | None) -> Original | None:
    """Read csv or Parquet files as they are; None of anything else.

    Raises:
        ValueError: files that are written in several ways.
    """
    if not blockwise.in_blocks(source):
        return None
    files = blockwise.files(source)
    if all(file.suffix in PARQUET for file in files):
        return _parquet(files, limit)
    text = [blockwise.kind(file) in tables.TEXT for file in files]
    if all(text):
        return _text(files, limit)
    if any(text) or any(file.suffix in PARQUET for file in files):
        raise ValueError(f"{source!r} stands for files of several kinds, which one file cannot hold; give one kind")
    return None


def _parquet(files: Sequence[Place], limit: int | None) -> Original:
    import pyarrow as pa

    parts = []
    for place in files:
        with parquet_file(place) as file:
            parts.append(reading(place, file.read))
    table = pa.concat_tables(parts, promote_options="permissive") if len(parts) > 1 else parts[0]
    names = tuple(map(str, table.column_names))
    index = tuple(names[i] for i in tables.row_names(names, table.schema))
    return Original(table.slice(0, limit), index)


def _text(files: Sequence[Place], limit: int | None) -> Original:
    import pyarrow as pa

    parts, layouts = [], []
    for place in files:
        with place.local() as path, suppress(NoRowsError):
            found = csvlayout.layout(path)
            table = tables.arrow_csv(path, found, None)
            names = found.header or [f"x{i}" for i in range(table.num_columns)]
            parts.append(table.rename_columns(list(names)))
            layouts.append(found)
    other = next((i for i, found in enumerate(layouts) if found.decimal != layouts[0].decimal), None)
    if other is not None:
        both = f"{str(files[0])!r} and {str(files[other])!r}"
        raise ValueError(f"{both} have decimals with other signs, which one file cannot hold; fill one after the other")
    table = pa.concat_tables(parts, promote_options="default").slice(0, limit)
    index = (table.column_names[0],) if layouts[0].rows_named else ()
    return Text(table, index, layouts[0].delimiter, layouts[0].decimal)
