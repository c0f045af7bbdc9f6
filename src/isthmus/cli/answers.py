"""Answers to rows that come in blocks, and files that take them block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.atrow import behind
from isthmus.cli import rows
from isthmus.cli.options import Reading

if TYPE_CHECKING:
    from isthmus.data import Data


def walked(data: str, reading: Reading, types: Any) -> tuple[Iterator[Data], int | None]:
    """Return the rows of a source in blocks, and their number where it is known."""
    from isthmus.data import BUILT_IN, blockwise

    built_in = data.partition(":")[0] in BUILT_IN
    if reading.limit is None and reading.size is None and not built_in and blockwise.in_blocks(data):
        walk = blockwise.blocks(data, label=reading.label, drop=reading.drop, types=types)
        return walk, blockwise.count(data)
    given = rows.read(data, reading, types=types, aside=True)
    return blockwise.parts(given), len(given)


def answered(
    data: str, reading: Reading, types: Any, what: str, answer: Callable[[Data], Any]
) -> Iterator[tuple[Any, Data]]:
    """Give the answers to every block, and the block, while a bar shows how far it is.

    Raises:
        ValueError: there is no row.
    """
    from isthmus.cli.progress import Counted

    walk, total = walked(data, reading, types)
    rows = 0
    with Counted(what, total) as shown:
        for block in walk:
            with behind(rows):
                found = answer(block)
            yield found, block
            shown.step(len(block))
            rows += len(block)
    if not rows:
        raise ValueError(f"{data} has no rows; give at least one")


def write(out: Path, answers: Iterator[tuple[Any, Data | None]], names: Sequence[str] | None) -> int:
    """Write answers, numbers or Arrow tables; return how many rows they are of.

    csv and Parquet files are written block by block, behind the names of rows, which pictures have as files; any other
    file at the end, which is refused at the start where it cannot hold them.
    """
    import numpy as np

    from isthmus.data import write as write_rows
    from isthmus.data.writing import refuse_ending

    refuse_ending(out, table=False)
    if out.suffix.lower() not in rows.ROW_NAMES:
        first = next(answers)
        refuse_ending(out, table=hasattr(first[0], "column_names"))
        parts: list[Any] = []
        called: list[Any] = []
        for values, block in chain([first], answers):
            parts.append(np.asarray(values))
            called += [] if block is None or block.index is None else block.index.tolist()
        found = np.concatenate(parts)
        write_rows(out, found, names, called=called)
        return len(found)
    return append(out, (with_names(tabular(values, names), block, out) for values, block in answers))


def refuse_own(out: Path | None, data: str) -> None:
    """Refuse to write answers over the rows that they are about.

    Raises:
        ValueError: ``out`` is DATA, or one of its files.
    """
    if out is None or not out.exists():
        return
    from isthmus.data.parquetfiles import PARQUET
    from isthmus.data.places import found, is_url, located, several

    files = [Path(data)]
    if not is_url(data) and (several(data) or files[0].is_dir()):
        files += [place.here for place in found(located(data), PARQUET) if place.here is not None]
    if any(file.exists() and out.samefile(file) for file in files):
        raise ValueError(f"{str(out)!r} holds rows of DATA, which would be lost; give --out another name")


def tabular(values: Any, names: Sequence[str] | None) -> Any:
    """Return numbers, (rows, *shape), as an Arrow table; a table as it is."""
    import numpy as np
    import pyarrow as pa

    if hasattr(values, "column_names"):
        return values
    flat = np.asarray(values).reshape(len(values), -1)
    names = [f"x{i}" for i in range(flat.shape[1])] if names is None else list(names)
    return pa.Table.from_arrays([pa.array(np.ascontiguousarray(column)) for column in flat.T], names=names)


def with_names(found: Any, block: Data | None, out: Path) -> Any:
    """Return answers behind the rows' own names, where they have such."""
    import pyarrow as pa

    if block is None or block.index is None:
        return found
    return found.add_column(0, rows.ROW_NAMES[out.suffix.lower()], pa.array(block.index.tolist()))


def with_left_out(found: Any, block: Data) -> Any:
    """Return answers behind the columns that the model does not read, but for those that are called as an answer."""
    names = () if block.aside is None else block.aside.column_names
    for place, name in enumerate(name for name in names if name not in found.column_names):
        found = found.add_column(place, name, block.aside[name])
    return found


def append(out: Path, found: Iterator[Any]) -> int:
    """Write tables, one or more, of the first one's columns; return the number of rows.

    Raises:
        ValueError: what stands before answers changes its type, as from one Parquet file to the next.
    """
    import pyarrow as pa

    from isthmus.data import table_writer

    first = next(found)
    with table_writer(out, first.schema) as write:
        write(first)
        count = int(first.num_rows)
        for table in found:
            try:
                write(table.cast(first.schema))
            except pa.ArrowException as error:
                told = f"names of rows, or columns that are left out, are of several types ({error}); make them one"
                raise ValueError(told) from None
            count += table.num_rows
    return count
