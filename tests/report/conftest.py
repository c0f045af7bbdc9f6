"""Fitted models of every kind that has a page, and their pages."""

import numpy as np
import pyarrow as pa
import pytest
from quick import rows

from isthmus import AnomalyDetector, Autoencoder, SelfExplainingClassifier, SelfExplainingRegressor, Trainer, data
from isthmus.parts import Conv, Dense, Masking, TopK, Variational

SHORT = Trainer(epochs=2)
NET = Dense((12,))


def table(n=120, seed=0):
    """Return a table of every kind of column, with holes."""
    rng = np.random.default_rng(seed)
    age = rng.integers(17, 90, n)
    return pa.table(
        {
            "age": age.astype(float),
            "city": rng.choice(["Bern", "Köln", "Łódź"], n, p=[0.6, 0.3, 0.1]),
            "income": pa.array(np.where(rng.random(n) < 0.1, np.nan, np.exp(9 + age / 50)), from_pandas=True),
            "joined": pa.array(np.datetime64("2021-01-01") + rng.integers(0, 900, n).astype("timedelta64[D]")),
            "visits": rng.poisson(1 + age / 30),
            "member": rng.random(n) < age / 100,
        }
    )


def fitted(kind):
    """Return a fitted model, rows and labels."""
    digits = data.read("digits", limit=120)
    settings = {"architecture": NET, "trainer": SHORT, "random_state": 0}
    if kind == "digits":
        return Autoencoder(5, corruption=Masking(0.3), **settings).fit(digits.X), digits.X, digits.y
    if kind == "conv_vae":
        net = {"architecture": Conv((4,)), "bottleneck": Variational()}
        return Autoencoder(4, **settings | net).fit(digits.X), digits.X, digits.y
    if kind == "sparse":
        return Autoencoder(24, bottleneck=TopK(3), **settings).fit(digits.flat), digits.flat, None
    if kind == "table":
        schema = {"visits": "count", "income": "number:scale=log"}
        return Autoencoder(3, schema=schema, **settings).fit(table()), table(), None
    if kind == "detector":
        return AnomalyDetector(members=2, **settings).fit(table()), table(), np.arange(120) % 40 == 0
    if kind == "pictures_detector":
        return AnomalyDetector(members=2, **settings).fit(digits.X[:, 0]), digits.X[:, 0], None
    if kind == "series":
        wave = np.sin(np.arange(300) / 5) + 0.1 * np.random.default_rng(0).normal(size=300)
        return AnomalyDetector(window=20, members=2, **settings).fit(wave), wave, None
    inner = Autoencoder(4, **settings)
    if kind == "classifier":
        made = SelfExplainingClassifier(inner, trainer=SHORT, random_state=0)
        return made.fit(digits.flat, digits.y), digits.flat, digits.y
    x = rows(80)
    return SelfExplainingRegressor(inner, trainer=SHORT, random_state=0).fit(x, x[:, 0]), x, x[:, 0]


@pytest.fixture(scope="session")
def model_of():
    """Return a fitted model, rows and labels by kind, each fitted once."""
    known = {}

    def found(kind):
        if kind not in known:
            known[kind] = fitted(kind)
        return known[kind]

    return found


@pytest.fixture(scope="session")
def page_of(model_of):
    """Return the small page of a model by kind, each composed once."""
    from isthmus.report import report

    known = {}

    def found(kind):
        if kind not in known:
            model, X, y = model_of(kind)
            known[kind] = report(model, X, y, name=f"{kind} rows", size="small")
        return known[kind]

    return found
