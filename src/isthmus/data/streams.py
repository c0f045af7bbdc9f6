"""Rows that stay on disk and are read in blocks: npy files and other arrays, Parquet files and folders of them."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data import npfiles, tables
from isthmus.data.record import Array

WINDOW = 256 << 20
# Blocks of an array in a window; a batch-mate comes from the same block once in so many times.
BLOCKS = 64
WIDTH = 4
SHARE = 4


class Stream(ABC):
    """Rows in blocks that are read one after another or in any order; no more than a window of them is in memory.

    A fit holds two windows (the one in use and the next), and a quarter of one each for held-out rows and for the
    sample of rows that is looked at beforehand. ``window_bytes`` is the size of a window in float32.

    Attributes:
        source: where the rows are, for messages.
        names: one name per column, or None where the source has none.
        shape: shape of one row.
        dtype: float32 or float64, what rows come in.
        starts: first row of every block, and the number of rows at the end.
        window: rows in a window.
    """

    source: str
    names: tuple[str, ...] | None = None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    starts: Array
    window: int

    @abstractmethod
    def read(self, block: int) -> Array:
        """Return the rows of a block, (rows, *shape).

        Raises:
            ValueError: they cannot be read; the message names the file.
        """

    def take(self, rows: Array) -> Array:
        """Return the rows at these places, which ascend, reading each block once."""
        found = np.empty((len(rows), *self.shape), self.dtype)
        ends = np.searchsorted(rows, self.starts)
        for block in np.flatnonzero(np.diff(ends)):
            here = slice(ends[block], ends[block + 1])
            found[here] = self.read(int(block))[rows[here] - self.starts[block]]
        return found

    def sample(self) -> Array:
        """Return a quarter of a window, drawn at random: always the same rows, in the order of the file."""
        return self.take(drawn(len(self), self.window // SHARE))

    def where(self, row: int) -> str:
        """Say where a row is, counted from 1 in its file."""
        return f"row {row + 1} of {self.source!r}"

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.starts[-1])

    @property
    def width(self) -> int:
        """The number of numbers in a row."""
        return int(np.prod(self.shape))

    def __iter__(self) -> Iterator[Array]:
        """Give the blocks in their order."""
        return map(self.read, range(len(self.starts) - 1))

    def __repr__(self) -> str:
        """Say what is streamed, and how."""
        parts = f"{len(self):,} rows of {self.shape} in {len(self.starts) - 1:,} blocks"
        return f"<stream of {parts}, {self.window:,} rows in a window: {self.source}>"


class Mapped(Stream):
    """An array on disk (or in memory), in ranges of rows of which 64 fill a window.

    ``array`` is an array, or the path of an npy file; there bytes with three or four axes are pictures, as for
    :func:`isthmus.data.read`.
    """

    def __init__(self, array: Array | Path, window_bytes: int) -> None:
        """Look at the shape and the type."""
        self._array = array
        self.source = str(array) if isinstance(array, Path) else str(getattr(array, "filename", None) or "array")
        found: Any = self._open()
        # To read what lies in order costs half of mapping it page by page, and nothing of it stays in memory.
        self._place = (array, found.offset) if isinstance(array, Path) and found.flags.c_contiguous else None
        self._kind, self._stored = found.dtype, found.shape[1:]
        if 0 in found.shape:
            raise ValueError(f"{self.source!r} has no rows or no columns (shape {found.shape}); give at least one")
        first = self._numbers(found[:1])
        self.shape, self.dtype = first.shape[1:], first.dtype
        self.window = rows_in(window_bytes, self.width)
        step = max(1, self.window // BLOCKS)
        self.starts = np.append(np.arange(0, len(found), step), len(found))

    def _open(self) -> Array:
        return npfiles.mapped(self._array) if isinstance(self._array, Path) else self._array

    def _numbers(self, rows: Array) -> Array:
        if rows.dtype in (np.float32, np.float64) and rows.ndim > 1:
            return np.asarray(rows)
        if not isinstance(self._array, Path) and rows.dtype.kind in "biu" and rows.ndim > 1:
            return np.asarray(rows, np.float64)
        return npfiles.as_rows(rows, self.source)

    def read(self, block: int) -> Array:
        start, end = (int(row) for row in self.starts[block : block + 2])
        if self._place is None:
            return self._numbers(self._open()[start:end])
        path, offset = self._place
        width = math.prod(self._stored)
        count = (end - start) * width
        found = np.fromfile(path, self._kind, count, offset=offset + start * width * self._kind.itemsize)
        if len(found) < count:
            raise ValueError(f"{self.source!r} became shorter while it was read; write it again")
        return self._numbers(found.reshape(-1, *self._stored))

    def take(self, rows: Array) -> Array:
        return self._numbers(self._open()[rows])


class Parquet(Stream):
    """Local Parquet files of the same columns, in their row groups."""

    def __init__(self, paths: Sequence[Path], drop: Sequence[str], window_bytes: int) -> None:
        """Look at the columns and at the sizes of the row groups."""
        self.source = str(paths[0]) if len(paths) == 1 else str(paths[0].parent)
        self._paths = paths
        self._metadata = [tables.parquet_file(path).metadata for path in paths]
        for path, found in zip(paths, self._metadata, strict=True):
            self._refuse_other(self._metadata[0].schema.to_arrow_schema(), found.schema.to_arrow_schema(), path)
        sizes = [
            (i, group, found.row_group(group).num_rows)
            for i, found in enumerate(self._metadata)
            for group in range(found.num_row_groups)
        ]
        self._groups = [(i, group) for i, group, rows in sizes if rows]
        self.starts = np.cumsum([0, *(rows for *_, rows in sizes if rows)])
        if not self._groups:
            raise ValueError(f"{self.source!r} has no rows; give at least one")
        i = self._groups[0][0]
        first, self.names, self._kept = tables.first_row(paths[i], self._metadata[i], drop)
        self.dtype, self.shape = first.dtype, first.shape[1:]
        self.window = rows_in(window_bytes, self.width)
        self._refuse_large(window_bytes)

    def _refuse_other(self, schema: Any, other: Any, path: Path) -> None:
        if not schema.equals(other):
            pairs = zip(schema, other, strict=False)
            at = next((f"{b.name!r} {b.type} where it has {a.name!r} {a.type}" for a, b in pairs if a != b), "others")
            raise ValueError(f"{str(path)!r} has not the columns of {str(self._paths[0])!r}: {at}; make them agree")

    def _refuse_large(self, window_bytes: int) -> None:
        rows = np.diff(self.starts)
        block = int(rows.argmax())
        if rows[block] > self.window:
            size = int(rows[block]) * self.width * WIDTH
            raise ValueError(
                f"{str(self._paths[self._groups[block][0]])!r} has a row group of {rows[block]:,} rows, {size:,} bytes "
                f"in float32, which no window of {window_bytes:,} holds; raise window_bytes, or write the file with "
                "smaller groups (row_group_size of pyarrow and pandas)"
            )

    def read(self, block: int) -> Array:
        i, group = self._groups[block]
        return tables.read_row_group(self._paths[i], self._metadata[i], group, self._kept)

    def where(self, row: int) -> str:
        """Say in which file and row group a row is."""
        block = int(np.searchsorted(self.starts, row, side="right")) - 1
        i, group = self._groups[block]
        return f"row {row - self.starts[block] + 1} of row group {group} of {str(self._paths[i])!r}"


def drawn(n: int, some: int) -> Array:
    """Draw some places of n at random, the same ones each time, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(n, max(1, min(n, some)), replace=False))


def rows_in(window_bytes: int, width: int) -> int:
    """Return how many rows of float32 a window holds.

    Raises:
        ValueError: a size that holds no two rows.
    """
    rows = int(window_bytes) // (width * WIDTH)
    if rows < 2:
        raise ValueError(f"window_bytes={window_bytes!r} does not hold two rows of {width} numbers; raise it")
    return rows


def stream(source: str | os.PathLike[str] | Array, *, drop: Sequence[str] = (), window_bytes: int = WINDOW) -> Stream:
    """Open rows that are larger than memory, to be read in blocks while a model is fitted.

    Args:
        source: the path of an npy file, of a Parquet file or of a folder of Parquet files; or an array, mapped or not.
        drop: columns of a table to leave out.
        window_bytes: size in float32 of the rows that are shuffled together. The more blocks in a window, the better
            the shuffle: ``history_[-1]["shuffle_quality"]`` has what was achieved. Rows that fit into one window are
            read at once and fitted as rows in memory.

    Raises:
        ValueError: the source is missing, damaged, of another kind or empty, or does not hold numbers.

    >>> opened = stream(np.zeros((1000, 8), np.float32), window_bytes=8192)
    >>> opened
    <stream of 1,000 rows of (8,) in 250 blocks, 256 rows in a window: array>
    """
    if isinstance(source, np.ndarray):
        _no_columns(drop, "array")
        return Mapped(source, window_bytes)
    path = Path(source).expanduser()
    if path.is_dir():
        files = parquet_files(path)
        if not files:
            raise ValueError(
                f"{str(path)!r} has no Parquet file; give a folder of these, a Parquet file or an npy file"
            )
        return Parquet(files, drop, window_bytes)
    if not path.exists():
        raise ValueError(f"there is no file {str(path)!r}; give an npy file, a Parquet file or a folder of these")
    if path.suffix.lower() in tables.PARQUET:
        return Parquet([path], drop, window_bytes)
    if path.suffix.lower() == ".npy":
        _no_columns(drop, str(path))
        return Mapped(path, window_bytes)
    kind = repr(path.suffix) if path.suffix else "nothing"
    raise ValueError(f"{str(path)!r} ends in {kind}, which is not streamed; write it as npy or Parquet")


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in tables.PARQUET)


def size(path: Path) -> int:
    """Return the bytes of the rows in an npy file, a Parquet file or a folder of these; 0 for what is not streamed."""
    if path.is_file() and path.suffix.lower() == ".npy":
        return path.stat().st_size
    files = parquet_files(path) if path.is_dir() else [path] * (path.suffix.lower() in tables.PARQUET)
    return sum(tables.size(file) for file in files if file.exists())


def _no_columns(drop: Sequence[str], source: str) -> None:
    if drop:
        raise ValueError(f"drop is for tables with columns, which {source!r} is not; leave it out")
