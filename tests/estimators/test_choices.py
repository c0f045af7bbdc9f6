"""What is chosen from the data where the user left it open."""

import numpy as np
import pytest

from isthmus import Autoencoder, Trainer
from isthmus.parts import Bernoulli, Normal


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [("auto", Bernoulli()), ("none", Bernoulli()), ("common", Normal()), ("standard", Normal())],
)
def test_zeros_and_ones_are_probabilities_unless_a_scaling_is_asked_for(scaling, expected):
    X = (np.random.default_rng(0).random((40, 8)) < 0.3).astype(np.float32)
    model = Autoencoder(2, scaling=scaling, trainer=Trainer(epochs=1), random_state=0).fit(X)
    assert model.parts_.likelihood == expected


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.05, 0.9])
def test_small_numbers_are_no_probabilities(scale):
    """Rates and concentrations in a large unit lie near 0, and the same rows in a small one do not: both are learnt."""
    rng = np.random.default_rng(0)
    X = scale * (rng.random((400, 1)) @ rng.random((1, 6)))
    model = Autoencoder(1, trainer=Trainer(epochs=1), random_state=0).fit(X)
    assert model.parts_.likelihood == Normal()
    assert np.square(model.reconstruct(X) - X).sum() < 1e-4 * np.square(X - X.mean(0)).sum()


def test_the_dimension_is_measured_in_the_units_of_errors():
    """Two directions in columns of a large unit, three more in columns of a small one."""
    rng = np.random.default_rng(0)
    large = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6))
    small = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 6))
    X = np.hstack([1e4 * large, small]) + 0.01 * rng.normal(size=(600, 12)) * np.repeat([1e4, 1.0], 6)
    start = Trainer(epochs=0)
    units = {
        scaling: Autoencoder("auto", scaling=scaling, trainer=start, random_state=0).fit(X).n_components_
        for scaling in ("standard", "common")
    }
    assert units["standard"] == 5 == Autoencoder("auto", trainer=start).fit(X / X.std(axis=0)).n_components_
    assert units["common"] != 5
