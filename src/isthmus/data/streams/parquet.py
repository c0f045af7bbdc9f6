"""Parquet files in their row groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isthmus.data.parquetfiles import parquet_file
from isthmus.data.parquetrows import columns_of, read_row_group
from isthmus.data.places import Place
from isthmus.data.record import Array
from isthmus.data.streams.base import READERS, WIDTH, Once, Stream, rows_in
from isthmus.data.streams.unchanged import Unchanged


class Parquet(Stream):
    """A Parquet file, whose footer is read once; of a row group only the columns that are wanted are."""

    def __init__(self, place: Place, drop: Sequence[str], window_bytes: int) -> None:
        """Look at the columns and at the sizes of the row groups."""
        self._place, self.source = place, str(place)
        self.readers = 1 if place.here is not None else READERS
        # The path, or the open object of a store, which is asked for its size once.
        self._opened = Once(place.source)
        self._unchanged = Unchanged(place)
        self._metadata = parquet_file(place, source=self._opened()).metadata
        rows = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        self._groups = [group for group, count in enumerate(rows) if count]
        self.starts = np.cumsum([0, *(count for count in rows if count)])
        found = columns_of(place, self._metadata, drop, self._opened())
        self._kept, self.names, self.dtype, self.layout = found.kept, found.names, found.dtype, found.layout
        self.shape = (len(self.names),)
        self.window = rows_in(window_bytes, self.width)
        self._refuse_large(window_bytes)

    def _refuse_large(self, window_bytes: int) -> None:
        rows = int(np.diff(self.starts).max(initial=0))
        if rows > self.window:
            raise ValueError(
                f"{self.source!r} has a row group of {rows:,} rows, {rows * self.width * WIDTH:,} bytes "
                f"in float32, which no window of {window_bytes:,} holds; raise window_bytes, or write the file with "
                "smaller groups (row_group_size of pyarrow and pandas)"
            )

    def read(self, block: int) -> Array:
        self._unchanged.check()
        return read_row_group(self._place, self._metadata, self._groups[block], self._kept, self._opened())

    def where(self, row: int) -> str:
        """Say in which row group a row is."""
        block = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"row {row - self.starts[block] + 1} of row group {self._groups[block]} of {self.source!r}"
