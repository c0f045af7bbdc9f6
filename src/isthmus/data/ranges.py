"""File systems of fsspec for pyarrow, and the other way round; imported with the first of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa  # noqa: TID253  (what is pickled for workers has to be a class of a module)
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import fs  # noqa: TID253


class Ranges(fs.FSSpecHandler):  # type: ignore[misc]
    """Ask for the ranges that pyarrow wants, which it gathers itself, and for nothing beyond them."""

    def open_input_file(self, path: str) -> Any:
        if not self.fs.isfile(path):
            raise FileNotFoundError(path)
        return pa.PythonFile(self.fs.open(path, mode="rb", cache_type="none"), mode="r")


class Wrapped(ArrowFSWrapper):  # type: ignore[misc]
    """A file system of pyarrow for zarr, which asks all of them for a name."""

    fsid = "pyarrow"
