"""Write the rows of a work as a float32 .npy file: MNIST where it lies, else pictures or a table from a fixed seed."""

from __future__ import annotations

import json
import sys

import numpy as np


def pictures(rows: int) -> tuple[np.ndarray, str]:
    """Return rows of 784 pixels in [0, 1]."""
    from isthmus.data import read
    from isthmus.data.datasets import home

    if (home() / "mnist").is_dir():
        x = np.asarray(read("mnist:train").flat, dtype=np.float32)
        return np.ascontiguousarray(np.resize(x, (rows, x.shape[1]))), "MNIST"
    rng = np.random.default_rng(0)
    return (rng.random((rows, 784)) ** 4).astype(np.float32), "random pictures"


def table(rows: int, columns: int = 30, factors: int = 8) -> tuple[np.ndarray, str]:
    """Return standardised columns, smooth functions of a few factors with noise on them."""
    rng = np.random.default_rng(0)
    mixed = np.tanh(rng.normal(size=(rows, factors)) @ rng.normal(size=(factors, columns)))
    x = mixed + 0.1 * rng.normal(size=(rows, columns))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32), "a made-up table"


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    found, name = (pictures if asked["data"] == "pictures" else table)(asked["rows"])
    np.save(asked["path"], found)
    print(json.dumps({"data": name}))
