"""Rows and estimators that are fitted in a blink, for tests of what users touch."""

import json

import numpy as np
import pytest
import torch

from isthmus import Autoencoder, Trainer
from isthmus.parts import Conv, Dense, Given

WIDTH = 8
TWO = Trainer(epochs=2)
START = Trainer(epochs=0)


def rows(n=60, width=WIDTH, *, seed=0, rank=2):
    """Return noisy rows near a plane that is far from the origin."""
    rng = np.random.default_rng(seed)
    plane = rng.normal(size=(n, rank)) @ np.random.default_rng(99).normal(size=(rank, width))
    return 5.0 + plane + 0.1 * rng.normal(size=(n, width))


def unit_rows(n=60, width=WIDTH, *, seed=0):
    """Return rows of numbers between 0 and 1."""
    return np.random.default_rng(seed).random((n, width))


def quick(units=3, **changes):
    """Return a small unfitted autoencoder."""
    settings = {"architecture": Dense((6,)), "trainer": TWO, "random_state": 0}
    return Autoencoder(units, **(settings | changes))


def convolutional(units=3, **changes):
    """Return a small unfitted autoencoder with convolutions."""
    return quick(units, architecture=Conv((2, 2)), **changes)


def linear(matrix, back, **changes):
    """Return an autoencoder of two given matrices, (numbers out, numbers in), that is not trained."""
    layers = []
    for weight in (matrix, back):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = torch.tensor(weight, dtype=torch.float32)
        layers.append(layer)
    settings = {"architecture": Given(*layers), "trainer": START, "scaling": "none"}
    return quick(len(matrix), **(settings | changes))


def weights(model):
    """Return a copy of every parameter and buffer of a fitted estimator."""
    return {name: tensor.detach().clone() for name, tensor in model.objective_.state_dict().items()}


def identical(a, b):
    """Say whether two fitted estimators agree in every bit."""
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _says(content):
    """Return the values of a manifest; None of anything else."""
    try:
        return json.loads(content)
    except ValueError:
        return None


def refuses_damage(load, file, flips):
    """Check that a saved model is not believed once a bit of one of its files is flipped, or its end is cut off."""
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(len(whole), size=flips):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        if _says(flipped) == _says(whole) is not None:
            continue  # 1e-05 and 1E-05 are one number
        file.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"damaged|not that of a saved model|newer|version"):
            load(file.parent)
    for kept in (0, 1, len(whole) // 2, len(whole) - 2):
        file.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"damaged|not that of a saved model"):
            load(file.parent)
