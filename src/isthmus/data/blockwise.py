"""Rows of files in blocks, each as :func:`isthmus.data.read` reads it, for what needs no two rows at once."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.atrow import behind
from isthmus.data import places, tables
from isthmus.data.cells import with_texts
from isthmus.data.csvlayout import Layout, ends_open, layout, lines_of, refuse_open
from isthmus.data.parquetfiles import PARQUET, parquet_file, reading
from isthmus.data.places import Place
from isthmus.data.record import Data, of_array
from isthmus.data.streams.opening import stream
from isthmus.data.together import of_rows

ROWS, BYTES = 8192, 1 << 22


def blocks(
    source: str | os.PathLike[str],
    *,
    label: str | None = None,
    drop: Sequence[str] = (),
    types: Mapping[str, Any] | None = None,
    rows: int = ROWS,
) -> Iterator[Data]:
    """Read csv, Parquet, npy or zarr files in blocks of up to so many rows, in memory that does not grow with them.

    Args:
        source: a file, a folder of Parquet files, a pattern or a URL, as for :func:`isthmus.data.read`.
        label: column to leave out as labels.
        drop: columns to leave out.
        types: Arrow types by column, as for :func:`isthmus.data.read`; a block of a text file has no others to go by
            than what its own cells look like.
        rows: most rows in a block.

    Raises:
        ValueError: the file cannot be read.
    """
    for place in files(source):
        if place.suffix in PARQUET:
            before = 0
            for table in _parquet(place, rows):
                with behind(before):
                    data = tables.parquet_rows(table, place, label, drop, None, types)
                yield data
                before += table.num_rows
        elif kind(place) in tables.TEXT:
            with place.local() as path:
                yield from _text(path, label, drop, types, rows)
        else:
            if label is not None:
                raise ValueError(f"label is for tables with columns, which {str(place)!r} is not; leave it out")
            for block in stream(place, drop=drop):
                yield from parts(of_array(block, source=str(place)), rows)


def _text(
    path: Path, label: str | None, drop: Sequence[str], types: Mapping[str, Any] | None, rows: int
) -> Iterator[Data]:
    import pyarrow as pa

    found = layout(path)
    inner, before = replace(found, skip=0, encoding="utf-8"), 0
    for lines in _lines(path, found):
        # A file of Python's would be read by a thread of Arrow's, which the end of the process could abort.
        table = tables.arrow_csv(path, inner, with_texts(types, drop), pa.BufferReader(lines.encode()))
        for start in range(0, table.num_rows, rows):
            with behind(before + start):
                block = tables.csv_rows(table.slice(start, rows), inner, path, label, drop, None, types)
            yield block
        before += table.num_rows


def in_blocks(source: str) -> bool:
    """Tell whether :func:`blocks` reads a source.

    Raises:
        ValueError: a pattern or a URL that stands for nothing.
    """
    path = Path(source).expanduser()
    if not places.several(source) and (not path.exists() or (path.is_dir() and not of_rows(path))):
        return False
    found = files(source)
    known = (*tables.TEXT, *PARQUET, ".npy", ".zarr")
    return bool(found) and all(kind(place) in known or place.zarr() for place in found)


def files(source: str | os.PathLike[str]) -> list[Place]:
    """Return the files that a source stands for."""
    return places.found(places.located(source), PARQUET)


def kind(place: Place) -> str:
    """Return the ending of a file, whether or not it is compressed; that of csv where it says nothing of a table."""
    ending = place.suffix if place.suffix != ".gz" else Path(place.path.removesuffix(".gz")).suffix.lower()
    here = place.here if ending not in (*tables.TEXT, *tables.OTHER) else None
    return ".csv" if here is not None and here.is_file() and tables.text_file(here) else ending


def parts(data: Data, rows: int = ROWS) -> Iterator[Data]:
    """Give rows that are in memory in blocks."""
    for start in range(0, len(data), rows):
        part = slice(start, start + rows)
        yield replace(
            data,
            X=None if data.X is None else data.X[part],
            y=None if data.y is None else data.y[part],
            index=None if data.index is None else data.index[part],
            table=None if data.table is None else data.table.slice(start, rows),
            aside=None if data.aside is None else data.aside.slice(start, rows),
        )


def count(source: str) -> int | None:
    """Return the number of rows of files, where they say so by themselves."""
    found = files(source)
    if any(kind(place) in tables.TEXT for place in found):
        return None
    return sum(
        parquet_file(place).metadata.num_rows if place.suffix in PARQUET else len(stream(place)) for place in found
    )


def _parquet(path: Place, rows: int) -> Iterator[Any]:
    import pyarrow as pa

    with parquet_file(path) as file:
        batches = iter(file.iter_batches(batch_size=rows))
        while (batch := reading(path, lambda: next(batches, None))) is not None:
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def _lines(path: Path, found: Layout) -> Iterator[str]:
    """Give the lines of values of a text file, some at a time; none is cut within a quoted cell.

    Raises:
        ValueError: bytes that are no text, a file that is damaged, or a cell in quotes that has no end.
    """
    with lines_of(path, found) as file:
        rest, seen, quoted = "", 0, False
        while text := file.read(BYTES):
            rest += text
            end, seen, quoted = _last_end(rest, found.delimiter, seen, quoted)
            if rest[:end].strip():
                yield rest[:end]
            rest, seen = rest[end:], seen - end
        if quoted and ends_open(io.StringIO(rest), found.delimiter) is not None:
            refuse_open(path, found)
        if rest.strip():
            yield f"{rest}\n"


def _last_end(text: str, delimiter: str, seen: int = 0, quoted: bool = False) -> tuple[int, int, bool]:
    """Return behind which letter the last line ends outside quotes, 0 for none, how far it was looked, and into quotes?

    As for Arrow, a quote opens a cell at its start alone, and two of them within are one letter of it: that of
    ``5" pipe`` is a letter too. ``seen`` letters were looked at before, up to within quotes where ``quoted`` says so.
    """
    rest = r'[^"]*+(?:""[^"]*+)*+("?)'
    # The letter before is looked at last: a pattern that begins with a letter is looked for as fast as that.
    opened, inside = re.compile(rf'"(?<![^{re.escape(delimiter)}\n]"){rest}'), re.compile(rest)
    end, cell = 0, inside.match(text, seen) if quoted else None
    seen = cell.end() if cell else seen
    for cell in opened.finditer(text, seen):
        end = text.rfind("\n", seen, cell.start()) + 1 or end
        seen = cell.end()
    end = text.rfind("\n", seen) + 1 or end
    if cell and cell.end() == len(text):  # it is open, or the letter that follows makes its last quote one of two
        return end, len(text) - len(cell[1]), True
    return end, len(text), False
