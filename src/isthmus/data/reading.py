"""One door for every source of rows."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.data import datasets, idx, images, npfiles, places, tables
from isthmus.data.datasets import BUILT_IN
from isthmus.data.download import Progress
from isthmus.data.parquetfiles import PARQUET
from isthmus.data.record import Data
from isthmus.data.together import of_rows, read_together

LOG = logging.getLogger("isthmus.data")
KINDS = (
    "csv, tsv, txt, data (also .gz), parquet, npy, npz, idx, zarr, a picture, a folder of pictures, idx or Parquet "
    "files, a pattern of files, or a URL"
)


def read(
    source: str | os.PathLike[str],
    *,
    label: str | None = None,
    drop: Sequence[str] = (),
    limit: int | None = None,
    size: tuple[int, int] | None = None,
    types: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read rows from a file, a folder or a built-in set.

    The kind follows from the name: csv and other text tables (with or without a line of names), Parquet, npy, npz
    (arrays ``X`` and ``y``), a picture or a folder of them (its sub-folders are the labels), an idx file or a folder of
    them, a folder of Parquet files, an array of zarr, or one of the built-in sets ``digits``, ``mnist``,
    ``fashion-mnist`` (``mnist:test`` for the test part). A built-in set wins over a file of its name; write ``./mnist``
    for the file. A pattern (``rows/*.csv``) stands for all files that match, and a URL (``s3://bucket/rows.csv``) for
    what a store has, as for :func:`isthmus.data.stream`. A file of another ending whose content is text in rows of as
    many cells is read as csv, which is logged.

    Complete numbers become an array, ``X``. A csv or Parquet file that holds more (text, dates, missing cells), or an
    npy or npz file with NaN in its rows, becomes an Arrow ``table``, whose columns are called x0, x1, ... by their
    places where the file has no names. In a text file empty cells, ``?``, NA and their like are missing, and blanks
    around a text do not belong to it.

    Args:
        source: A path or a built-in name.
        label: The column of a table (or the array of an npz) to take out as labels; in a table without names its
            number, counted from 0, or from the end as -1.
        drop: Columns of a table to leave out, named as ``label`` is.
        limit: Read the first so many rows.
        size: Stretch pictures to (height, width).
        types: Read a csv or Parquet file as a table, also where it holds complete numbers, with these Arrow types by
            column: text stays text where it looks like numbers (zip codes); ``{}`` leaves all types to the file.
        progress: Called during a download with the file's name, the bytes so far and their total (or None).

    Returns:
        The rows, with labels and names where the source has them.

    Raises:
        ValueError: The source is missing, damaged, empty, or holds infinite numbers or lists. The message names the
            culprit, the reason and the remedy.

    >>> data = read("digits", limit=3)
    >>> data.shape, data.y
    ((1, 8, 8), array([0, 1, 2]))
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} leaves no rows; give a number from 1 on")
    name, _, part = str(source).partition(":")
    if isinstance(source, str) and name in BUILT_IN:
        _only(source, label=label, drop=drop, size=size)
        return datasets.load(name, part or None, limit, progress)
    path = Path(source).expanduser()
    if places.several(source) or (path.is_dir() and of_rows(path)):
        own = partial(_file, label=label, drop=drop, size=size)
        return read_together(str(source), lambda path, limit, types: own(path, limit=limit, types=types), limit, types)
    if not path.exists():
        raise ValueError(_unknown(str(source), path))
    if path.is_dir():
        return _folder(path, label, drop, limit, size)
    return _file(path, label, drop, limit, size, types)


def _folder(
    path: Path, label: str | None, drop: Sequence[str], limit: int | None, size: tuple[int, int] | None
) -> Data:
    if any(idx.is_idx(p) for p in path.iterdir()):
        _only(str(path), label=label, drop=drop, size=size)
        return idx.read_idx_folder(path, limit)
    _only(str(path), label=label, drop=drop)
    return images.read_images(path, size, limit)


def _file(
    path: Path,
    label: str | None,
    drop: Sequence[str],
    limit: int | None,
    size: tuple[int, int] | None,
    types: Mapping[str, Any] | None,
) -> Data:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if images.is_image(path):
        _only(str(path), label=label, drop=drop)
        X, itemsize = images.stack([path], size)
        return Data(X, source=str(path), itemsize=itemsize)
    _only(str(path), size=size)
    if tables.text_file(path):
        if suffix not in tables.TEXT:
            LOG.warning("%s is read as a table of text, as csv files are; its ending does not say what it is", path)
        return tables.read_csv(path, label, drop, limit, types)
    if suffix in PARQUET:
        return tables.read_parquet(path, label, drop, limit, types)
    _only(str(path), drop=drop)
    if suffix == ".npz":
        return npfiles.read_npz(path, label, limit)
    _only(str(path), label=label)
    if suffix == ".npy":
        return npfiles.read_npy(path, limit)
    if idx.is_idx(path):
        return idx.read_idx(path, limit)
    raise ValueError(f"{str(path)!r} ends in {suffix or 'nothing'!r}, which is not readable; give {KINDS}")


def _only(source: str, *, label: object = None, drop: object = None, size: object = None) -> None:
    """Refuse an option that says nothing about this kind of source."""
    for option, value in (("label", label), ("drop", drop), ("size", size)):
        if value:
            belongs = "pictures" if option == "size" else "tables with columns"
            raise ValueError(f"{option} is for {belongs}, which {source!r} is not; leave it out")


def _unknown(source: str, path: Path) -> str:
    name = source.partition(":")[0]
    close = difflib.get_close_matches(name.lower(), BUILT_IN, n=1)
    if close and not path.suffix and path.parent == Path():
        return f"there is no file or built-in set {source!r}; did you mean {close[0]!r}?"
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    similar = difflib.get_close_matches(path.name, beside, n=1)
    if similar:
        return f"there is no file {source!r}; did you mean {str(path.parent / similar[0])!r}?"
    return f"there is no file or built-in set {source!r}; give {KINDS}, or one of {', '.join(BUILT_IN)}"
