"""Small models of every kind of rows, fitted once."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from isthmus import Autoencoder, Trainer, data, recipes
from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Rectified
from isthmus.corruption.noise import Masking

SHORT = Trainer(epochs=2, validation=0.2)
NET = Dense(hidden=(12,))


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test drew, so that figures of others are not counted."""
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def digits():
    return data.read("digits", limit=120)


@pytest.fixture(scope="session")
def pictures(digits):
    """Return a denoising model of pictures."""
    corruption = Masking(rate=0.4)
    return Autoencoder(5, architecture=NET, corruption=corruption, trainer=SHORT, random_state=0).fit(digits.X)


@pytest.fixture(scope="session")
def maps(digits):
    """Return a model whose codes are maps of 4x4 places."""
    net = Conv(channels=(6,), head="map")
    return Autoencoder(3, architecture=net, bottleneck=Rectified(), trainer=SHORT, random_state=0).fit(digits.X)


@pytest.fixture(scope="session")
def variational(digits):
    return recipes.variational(3, hidden=(12,), trainer=SHORT, random_state=0).fit(digits.X)


@pytest.fixture(scope="session")
def linear(digits):
    return recipes.pca(4, random_state=0).fit(digits.X)


@pytest.fixture(scope="session")
def colour():
    """Return a model of small colour pictures, and these."""
    X = np.random.default_rng(0).uniform(size=(60, 3, 4, 5)).astype(np.float32)
    return Autoencoder(4, architecture=NET, trainer=SHORT, random_state=0).fit(X), X


@pytest.fixture(scope="session")
def signals():
    """Return a model of signals of two channels, and these."""
    time = np.linspace(0, 6, 30)
    X = np.stack([[np.sin(time + p), np.cos(time * p)] for p in np.linspace(0, 3, 60)])
    model = Autoencoder(4, architecture=NET, shape=(2, 30), trainer=SHORT, random_state=0)
    return model.fit(X.reshape(60, 60)), X.reshape(60, 60)


@pytest.fixture(scope="session")
def table():
    """Return a model of a table, and this with its names."""
    import pandas as pd

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 6)) * 10.0 ** np.arange(6), columns=[f"column {i}" for i in range(6)])
    model = Autoencoder(2, architecture=NET, scaling="standard", trainer=SHORT, random_state=0)
    return model.fit(X), X
