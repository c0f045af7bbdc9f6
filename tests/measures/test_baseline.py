"""The yardstick that travels with a model is PCA's error."""

import numpy as np
import pytest

from isthmus.measures import baseline as module
from isthmus.measures import mean_error, pca_error
from isthmus.measures.baseline import Baseline


def sample(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, columns)) * 0.9 ** np.arange(columns) + 5).astype(np.float32)


@pytest.mark.parametrize(("rows", "columns"), [(300, 12), (20, 12), (8, 40)])
def test_errors_are_those_of_pca(rows, columns):
    X, other = sample(rows, columns), sample(50, columns, seed=1)
    for k in (1, 3, 7):
        kept = Baseline(**Baseline.fit(X, k).arrays())
        assert kept.errors(other).mean() == pytest.approx(pca_error(X, other, k), rel=1e-5)
        assert kept.errors_of_mean(other).mean() == pytest.approx(mean_error(X, other), rel=1e-5)
        assert kept.rows.tolist() == [rows]


def test_no_more_axes_than_the_rows_vary_in():
    assert Baseline.fit(np.ones((5, 3)), 2).axes.shape == (0, 3)
    assert Baseline.fit(np.ones((1, 3)), 2).axes.shape == (0, 3)
    flat = np.outer(np.arange(9.0), np.ones(4))
    kept = Baseline.fit(flat, 3)
    assert kept.axes.shape == (1, 4)
    assert kept.errors(flat).max() < 1e-8


def test_many_rows_are_represented_by_a_share(monkeypatch):
    X = sample(5000, 10)
    monkeypatch.setattr(module, "WORK", 1000 * 10 * 10)
    kept = Baseline.fit(X, 3)
    assert kept.rows.tolist() == [1000]
    assert kept.errors(X).mean() == pytest.approx(pca_error(X, X, 3), rel=0.02)
