"""Models of every kind behind the service, for its tests."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
from mixed_tables import SCHEMA, table, unseen
from quick import quick, rows, unit_rows

from isthmus import AnomalyDetector, SelfExplainingClassifier, SelfExplainingRegressor, Trainer
from isthmus.parts import Dense

FEW = Trainer(epochs=2)


def detector(**changes):
    settings = {"contamination": 0, "members": 2, "random_state": 0, "trainer": Trainer(epochs=3)}
    settings["architecture"] = Dense((8,))
    return AnomalyDetector(**(settings | changes))


def made():
    """Return fitted models by name, each with rows as its methods take them."""
    X, text = table(80), rows(60)
    names = pa.table({f"c{i}": text[:, i] for i in range(4)})
    labels, targets = np.array(["no", "yes"])[np.arange(80) % 2], X["age"].fill_null(40.0).to_numpy()
    pictures = unit_rows(60, 16).reshape(60, 4, 4)
    settings = {"trainer": FEW, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "plain": (quick().fit(text), text),
            "named": (quick().fit(names), names),
            "pictures": (quick(shape=(1, 4, 4)).fit(pictures.reshape(60, -1)), pictures.reshape(60, -1)),
            "people": (quick(schema=SCHEMA).fit(X), X),
            "odd": (detector(schema=SCHEMA).fit(X), X),
            "numbers": (detector().fit(text), text),
            "tiles": (detector().fit(pictures), pictures),
            "series": (detector(window=8).fit(text), text),
            "classes": (SelfExplainingClassifier(quick(schema=SCHEMA), **settings).fit(X, labels), X),
            "three": (SelfExplainingClassifier(quick(), **settings).fit(text, np.arange(60) % 3), text),
            "target": (SelfExplainingRegressor(quick(schema=SCHEMA), **settings).fit(X, targets), X),
        }


def some(X, n=7):
    """Return a few rows, of tables also such as the fit did not see."""
    return unseen(X.slice(0, n)) if isinstance(X, pa.Table) and "town" in X.column_names else X[:n]


def as_json(X):
    """Return rows as a request has them."""
    if isinstance(X, pa.Table):
        return [{k: str(v) if hasattr(v, "year") else v for k, v in row.items()} for row in X.to_pylist()]
    return X.tolist()


@contextmanager
def client_of(folder, *names, key=None, alpha=0.01, **limits):
    """Serve saved models within this process, and yield a client and their registry."""
    for needed in ("fastapi", "prometheus_client"):
        pytest.importorskip(needed, reason="the service needs the extra isthmus[serve]")
    from fastapi.testclient import TestClient

    from isthmus.service.api import api
    from isthmus.service.guard import Limits
    from isthmus.service.logs import Metrics
    from isthmus.service.registry import Registry
    from isthmus.service.worker import Worker

    metrics = Metrics()
    registry, worker = Registry({name: folder / name for name in names}, metrics.reload, alpha), Worker()
    try:
        guard = api(registry, worker, Limits(**limits), metrics, key)
        yield TestClient(guard, raise_server_exceptions=False), registry
    finally:
        registry.close()
        worker.close()


def detail(answer):
    """Return what a refusal says."""
    return answer.json()["detail"]
