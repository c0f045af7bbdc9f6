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
