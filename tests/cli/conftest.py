"""A shell without processes, and models that many tests use."""

from pathlib import Path

import numpy as np
import pytest
from shells import isthmus

SMALL = ("--architecture", "dense:hidden=(16)", "--units", "4", "--epochs", "2", "--limit", "150")


@pytest.fixture(scope="session")
def shell():
    """Run a command and return its exit code and what it said."""
    return isthmus


@pytest.fixture(scope="session")
def small():
    """Options that make a fit of the digits take a moment."""
    return SMALL


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Return a small model of the digits."""
    folder = tmp_path_factory.mktemp("shell") / "model"
    assert isthmus("fit", "digits", "-o", folder, *SMALL, "--quiet").code == 0
    return folder


@pytest.fixture(scope="session")
def wine(tmp_path_factory) -> Path:
    """Return a csv of measurements with names of columns and a class."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    path = tmp_path_factory.mktemp("table") / "wine.csv"
    names = [name.replace("/", "_") for name in bunch.feature_names]
    grapes = np.array(["nebbiolo", "barbera", "grignolino"])[bunch.target]
    rows = [",".join([*names, "grape"])]
    rows += [",".join([*map(repr, row.tolist()), grape]) for row, grape in zip(bunch.data, grapes, strict=True)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def table_model(wine) -> Path:
    """Return a small model of the csv."""
    folder = wine.parent / "model"
    plain = ("--architecture", "dense:hidden=(16)", "--units", "3", "--epochs", "3", "--scaling", "standard")
    assert isthmus("fit", wine, "-o", folder, "--label", "grape", *plain, "--quiet").code == 0
    return folder
