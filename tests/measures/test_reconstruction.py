"""Errors and the PCA yardstick against independent ways to the same number."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from isthmus.data import datasets, read
from isthmus.measures import explained_variance, mean_error, pca_error, principal_axes, squared_error


def sample(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + 3.0


def test_squared_error_sums_over_a_row_of_any_shape_in_float64():
    rng = np.random.default_rng(0)
    X, R = (rng.normal(size=(5000, 2, 3)).astype(np.float32) for _ in range(2))
    errors = squared_error(X, R)
    assert errors.dtype == np.float64
    np.testing.assert_allclose(errors, ((X.astype(float) - R.astype(float)) ** 2).sum(axis=(1, 2)), rtol=1e-13)
    assert (squared_error(X[:7], R[:7]) == errors[:7]).all()


def test_bytes_are_compared_as_numbers():
    assert squared_error(np.array([[0]], np.uint8), np.array([[255]], np.uint8)).tolist() == [255**2]


def test_large_sums_lose_no_digits():
    X = np.full((1, 1_000_000), 1.0, np.float32)
    X[0, 0] = 1e4  # a float32 sum of 1e8 and a million ones stops counting
    assert squared_error(X, np.zeros_like(X))[0] == 1e8 + 999_999


def test_explained_variance_is_one_minus_a_ratio_of_sums():
    X = sample(5000, 4) * [1, 10, 100, 1000]
    R = X + np.random.default_rng(1).normal(size=X.shape)
    direct = 1 - ((X - R) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum()
    assert explained_variance(X, R) == pytest.approx(direct, abs=1e-12)
    assert explained_variance(X, np.broadcast_to(X.mean(axis=0), X.shape)) == pytest.approx(0, abs=1e-12)
    assert np.isnan(explained_variance(np.ones((3, 2)), np.ones((3, 2))))
    assert np.isnan(explained_variance(np.full((7, 3), 0.1), np.full((7, 3), 0.1))), "rounding is no variance"


@pytest.mark.parametrize(("rows", "columns"), [(200, 6), (13, 6), (6, 6), (5, 9), (2, 30)])
def test_pca_error_is_scikit_learns(rows, columns):
    train, test = sample(rows, columns), sample(40, columns, seed=1)
    for k in range(min(rows - 1, columns) + 1):
        pca = PCA(n_components=k or 1, svd_solver="full").fit(train)
        back = pca.inverse_transform(pca.transform(test)) if k else np.broadcast_to(train.mean(axis=0), test.shape)
        expected = ((test - back) ** 2).sum(axis=1).mean()
        assert pca_error(train, test, k) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_both_ways_to_the_axes_agree():
    X = sample(60, 10)
    many, few = principal_axes(np.repeat(X, 2, axis=0)), principal_axes(X[:20])
    assert many.axes.shape == few.axes.shape == (10, 10)
    for found in (many, few):
        np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(10), atol=1e-12)
        assert (np.diff(found.variances) <= 0).all()
    np.testing.assert_allclose(many.variances.sum(), X.var(axis=0).sum())


def test_few_rows_have_one_axis_less_than_rows():
    train, test = sample(4, 9), sample(40, 9, seed=1)
    assert principal_axes(train).axes.shape == (3, 9)
    assert pca_error(train, test, 9) == pca_error(train, test, 3)


def test_error_falls_with_size_from_the_means_to_nothing():
    X = sample(100, 5).reshape(100, 1, 5)
    errors = [pca_error(X, X, k) for k in range(6)]
    assert errors[0] == pytest.approx(mean_error(X, X))
    assert (np.diff(errors) < 0).all()
    # What is left of all components is rounding, not the difference of two large sums.
    assert errors[-1] < 1e-25 * errors[0]
    tail = principal_axes(X).variances
    np.testing.assert_allclose(errors[:5], [tail[k:].sum() for k in range(5)], rtol=1e-10)


def test_refusals():
    with pytest.raises(ValueError, match=r"rows of shape \(2, 3\) came back as \(2, 4\)"):
        squared_error(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="4 components of rows with 3 entries; give 0 to 3"):
        pca_error(np.ones((2, 3)), np.ones((2, 3)), 4)


@pytest.mark.slow
def test_pca_with_30_components_leaves_13_866_of_mnist():
    if len(list((datasets.home() / "mnist").glob("*.gz"))) < 4:
        pytest.skip("the MNIST files are not on this machine")
    train, test = read("mnist"), read("mnist:test")
    assert pca_error(train.X, test.X, 30) == pytest.approx(13.866, abs=5e-4)


@pytest.mark.parametrize("rows", [9, 40])
def test_axes_of_weighted_rows_are_those_of_repeated_rows(rows):
    rng = np.random.default_rng(0)
    X, times = rng.normal(size=(rows, 6)) + 3, rng.integers(0, 4, rows)
    weighted, repeated = principal_axes(X, times.astype(float)), principal_axes(np.repeat(X, times, axis=0))
    np.testing.assert_allclose(weighted.centre, repeated.centre)
    np.testing.assert_allclose(weighted.variances, repeated.variances, atol=1e-12)
    np.testing.assert_allclose(weighted.errors(X, 3), repeated.errors(X, 3))
