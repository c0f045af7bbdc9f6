"""The idx format of the original MNIST files, plain or gzip."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from isthmus.data.npfiles import as_pictures, as_rows
from isthmus.data.record import Array, Data

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(idx\d|\.idx|ubyte)(\b|[-_.])", re.IGNORECASE)


def is_idx(path: Path) -> bool:
    """Tell by its name whether a file is in idx format."""
    return _NAME.search(path.name) is not None


def read_idx_array(path: Path) -> Array:
    """Return the array of one idx file.

    Format: two zero bytes, one byte for the type, one for the number of axes, one big-endian uint32 per axis, the
    values in row order (LeCun, Cortes & Burges, The MNIST database).

    Raises:
        ValueError: The file is missing, is not idx, or its length differs from what its header says.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"cannot read {str(path)!r}: {reason}; fetch the file again") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _TYPES or len(raw) < 4 + 4 * raw[3]:
        raise ValueError(f"{str(path)!r} is not an idx file (it begins with {raw[:4].hex()}); fetch it again")
    shape = tuple(np.frombuffer(raw, ">u4", count=raw[3], offset=4).tolist())
    kind = np.dtype(_TYPES[raw[2]])
    body = raw[4 + 4 * raw[3] :]
    if len(body) != math.prod(shape) * kind.itemsize:
        told = math.prod(shape) * kind.itemsize
        raise ValueError(f"{str(path)!r} holds {len(body)} bytes and its header tells {told}; fetch the file again")
    return np.frombuffer(body, kind).reshape(shape).astype(kind.newbyteorder("="))


def read_idx(path: Path, limit: int | None) -> Data:
    """Read a file of pictures (or other rows), with labels from the labels file beside it where there is one."""
    beside = _labels_beside(path)
    return pair(path, beside if beside.is_file() and beside != path else None, limit, str(path))


def pair(images: Path, labels: Path | None, limit: int | None, source: str) -> Data:
    """Join a file of rows and a file of labels."""
    pixels = read_idx_array(images)[:limit]
    X = as_pictures(pixels) if pixels.dtype == np.uint8 and pixels.ndim in (3, 4) else as_rows(pixels, source)
    y = None if labels is None else read_idx_array(labels)[:limit].astype(np.int64)
    return Data(X, y=y, source=source, itemsize=pixels.dtype.itemsize)


def read_idx_folder(folder: Path, limit: int | None) -> Data:
    """Read the pictures of a folder of idx files: the only file of them, or the one for training."""
    images = sorted(p for p in folder.iterdir() if is_idx(p) and "label" not in p.name.lower())
    chosen = images if len(images) == 1 else [p for p in images if "train" in p.name.lower()]
    if len(chosen) != 1:
        names = ", ".join(p.name for p in images) or "none"
        raise ValueError(f"{str(folder)!r} has several idx files of rows ({names}); give the path of one of them")
    return read_idx(chosen[0], limit)


def _labels_beside(path: Path) -> Path:
    return path.with_name(re.sub(r"idx\d", "idx1", path.name.replace("images", "labels")))
