"""Built-in sets: the digits that scikit-learn carries, MNIST and Fashion-MNIST."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.data import idx
from isthmus.data.download import Progress, fetch
from isthmus.data.record import Data
from isthmus.machine import cache


@dataclass(frozen=True)
class Collection:
    """Where the four idx files of a set of pictures come from, and their published MD5 sums.

    Attributes:
        mirrors: Addresses of folders, the first one tried first.
        sums: The MD5 sum of each file, by the file's name.
    """

    mirrors: tuple[str, ...]
    sums: Mapping[str, str]


PARTS = {"train": "train", "test": "t10k"}

COLLECTIONS: dict[str, Collection] = {
    "mnist": Collection(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        sums={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": Collection(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        sums={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}

BUILT_IN: tuple[str, ...] = ("digits", *COLLECTIONS)


def home() -> Path:
    """Return the folder that holds the built-in sets: ``ISTHMUS_DATA``, or ``isthmus`` in the user's cache folder."""
    named = os.environ.get("ISTHMUS_DATA")
    if named:
        return Path(named).expanduser()
    return cache()


def load(name: str, part: str | None, limit: int | None, progress: Progress | None) -> Data:
    """Read a built-in set; of those in two parts the training one unless ``part`` says ``test``.

    Files that are not in :func:`home` are downloaded there.

    Raises:
        ValueError: The set has no such part, or its files can neither be read nor downloaded.
    """
    if name == "digits":
        if part is not None:
            raise ValueError(f"'digits' has no part {part!r}, it is one set; write digits")
        return _digits(limit)
    if (part or "train") not in PARTS:
        raise ValueError(f"{name!r} has no part {part!r}; write {name}:train or {name}:test")
    stem = PARTS[part or "train"]
    collection = COLLECTIONS[name]
    images, labels = (
        _file(collection, home() / name, f"{stem}-{kind}-ubyte.gz", progress) for kind in ("images-idx3", "labels-idx1")
    )
    return idx.pair(images, labels, limit, f"{name}:{part or 'train'}")


def _file(collection: Collection, folder: Path, name: str, progress: Progress | None) -> Path:
    """Return the path of one file, packed or unpacked, downloaded if it is missing."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return path
    return fetch(name, collection.mirrors, folder, collection.sums[name], progress)


def _digits(limit: int | None) -> Data:
    # The one use of scikit-learn in this package: the digits are a file of its.
    from sklearn.datasets import load_digits

    digits = load_digits()
    X = (digits.images[:limit, None] / 16).astype(np.float32)
    return Data(X, y=digits.target[:limit], source="digits", itemsize=1)
