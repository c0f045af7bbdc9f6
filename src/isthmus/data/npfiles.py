"""NumPy's own files: ``.npy`` and ``.npz``, never with pickled objects."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.record import Array, Data, of_array


def mapped(path: Path) -> Array:
    """Return the array of an npy file, of which only what is used is read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"cannot read {str(path)!r} as npy: {_reason(error)}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"cannot read {str(path)!r} as npy: it is an npz file by another name; rename it")
    return array


def header(file: Any, source: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type and the place of the first number in an open npy file.

    Raises:
        ValueError: no npy file, or one whose numbers lie column by column, so that no range of bytes is some rows.
    """
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        found = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"cannot read {source!r} as npy: {_reason(error)}") from error
    shape, by_columns, dtype = found
    if by_columns and len(shape) > 1:
        raise ValueError(f"{source!r} lies column by column; save it in order of rows: np.ascontiguousarray(X)")
    return shape, dtype, int(file.tell())


def read_npy(path: Path, limit: int | None) -> Data:
    """Read an array of rows; unsigned bytes with three or four axes are pictures."""
    array = mapped(path)
    X = as_rows(array[:limit] if array.ndim else array, str(path))
    return of_array(X, source=str(path), itemsize=array.dtype.itemsize)


def read_npz(path: Path, label: str | None, limit: int | None) -> Data:
    """Read the array ``X``, or the only one, with labels from ``y`` (or ``label``) and column names from ``names``."""
    arrays = read_arrays(path)
    key = label or "y"
    if label is not None and label not in arrays:
        raise ValueError(f"{str(path)!r} has no array {label!r} for the labels; it has {', '.join(sorted(arrays))}")
    rest = [name for name in arrays if name not in (key, "names")]
    if "X" not in rest and len(rest) != 1:
        found = ", ".join(sorted(arrays)) or "none"
        raise ValueError(f"{str(path)!r} has no array called 'X' (it has {found}); save the rows as X, the labels as y")
    X = arrays["X" if "X" in rest else rest[0]]
    names = arrays.get("names")
    return of_array(
        as_rows(X[:limit] if X.ndim else X, str(path)),
        y=arrays[key][:limit] if key in arrays else None,
        names=None if names is None else tuple(str(name) for name in names),
        source=str(path),
        itemsize=X.dtype.itemsize,
    )


def read_arrays(path: str | Path) -> dict[str, Array]:
    """Return every array of an npz file by name.

    Raises:
        ValueError: The file is missing, damaged, not an npz, or holds pickled objects.
    """
    try:
        with Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it is an npy file by another name; rename it")
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"cannot read {str(path)!r} as npz: {_reason(error)}") from error


def as_rows(array: Array, source: str) -> Array:
    """Return rows of float32 or float64 from any array of numbers; pictures come back channels first, in [0, 1]."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{source!r} holds {array.dtype}, not numbers; save plain integers or floats")
    if array.ndim < 2:
        shape = tuple(array.shape)
        raise ValueError(
            f"{source!r} has the shape {shape}, rows x columns are needed; save it as array[:, None] (one column) "
            "or array[None] (one row), or fit a detector of a series in the shell: --task anomaly --window 64"
        )
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        return as_pictures(array)
    wide = array.dtype.kind == "f" and array.dtype != np.float64
    return np.array(array, dtype=np.float32 if wide and array.dtype.itemsize <= 4 else np.float64)


def as_pictures(pixels: Array) -> Array:
    """Return bytes, (rows, height, width) or with channels first or last, as (rows, channels, height, width) / 255."""
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[-1] in (1, 3, 4) and pixels.shape[1] not in (1, 3, 4):
        pixels = np.moveaxis(pixels, -1, 1)
    rows = np.array(pixels, dtype=np.float32, order="C")
    rows /= np.float32(255)
    return rows


def _reason(error: Exception) -> str:
    text = str(error)
    if "pickle" in text.lower() or "python objects" in text.lower():
        return "it holds pickled objects, which could run code when loaded; save it as an array of numbers"
    if "rename it" in text:
        return text
    return f"{getattr(error, 'strerror', None) or text or 'it is cut short'}; give a whole file, or write it again"
