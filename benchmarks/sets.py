"""The data of the benchmarks, as float32 rows; files lie in the folder that ``ISTHMUS_DATA`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data import read
from isthmus.data.datasets import home

Array = NDArray[Any]


def mnist(part: str) -> Array:
    """Return the 60,000 ``train`` or 10,000 ``test`` pictures of MNIST as rows of 784 pixels in [0, 1]."""
    return np.asarray(read(f"mnist:{part}").flat)


def mnist_labels(part: str) -> Array:
    """Return the digit, 0 to 9, that each picture of :func:`mnist` shows."""
    return np.asarray(read(f"mnist:{part}").y)


def digits() -> Array:
    """Return scikit-learn's 1,797 digits as rows of 64 pixels in [0, 1]."""
    return np.asarray(read("digits").flat)


def binarised_mnist(part: str) -> Array:
    """Return the ``train``, ``valid`` or ``test`` rows of MNIST in Larochelle & Murray's (2011) fixed binarisation."""
    return matlab("binarized-mnist", f"binarized_mnist_{part}.amat", "X").astype(np.float32)


def natural_patches() -> Array:
    """Return 5,000 grey patches of 10 x 10 pixels from photographs of nature, in [0, 1]."""
    return np.asarray(read(present("natural-patches", "training_matrix_5000x100.npy")).flat)


def olivetti() -> Array:
    """Return the 400 Olivetti faces as rows of 64 x 64 pixels in [0, 1]."""
    stored = matlab("olivetti-faces", "olivettifaces.mat", "faces").T.reshape(400, 64, 64)
    return np.ascontiguousarray(stored.transpose(0, 2, 1).reshape(400, -1) / np.float32(255))


def breast_cancer() -> Array:
    """Return the 569 x 30 measurements of cell nuclei that scikit-learn carries, in their own units."""
    from sklearn.datasets import load_breast_cancer

    return np.asarray(load_breast_cancer().data, dtype=np.float32)


def photographs() -> list[Array]:
    """Return the two colour photographs that scikit-learn carries, each (3, height, width) in [0, 1]."""
    from sklearn.datasets import load_sample_images

    return [(image / np.float32(255)).transpose(2, 0, 1) for image in load_sample_images().images]


def sprites() -> Path:
    """Return the file of 92,160 pictures of sprites, 64 x 64 bits, with the levels of their factors."""
    return present("dsprites-like", "dsprites_like_3x6x20x16x16_64x64_packed.npz")


def matlab(folder: str, name: str, array: str) -> Array:
    """Read one array of a MATLAB file (version 5, whatever the file's name ends in)."""
    from scipy.io import loadmat

    return np.asarray(loadmat(present(folder, name), appendmat=False)[array])


def present(folder: str, name: str) -> Path:
    """Return the path of a data file, or end the script with what to do."""
    path = home() / folder / name
    if not path.is_file():
        raise SystemExit(f"{path} is missing, so this row cannot be run; set ISTHMUS_DATA to the folder with {folder}/")
    return path
