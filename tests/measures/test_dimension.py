"""The dimension that generated rows were given comes out again, to within one."""

import numpy as np
import pytest

from isthmus.measures import intrinsic_dimension


def linear(h, rng, columns):
    return h @ rng.normal(size=(h.shape[1], columns))


def tanh(h, rng, columns):
    return np.tanh(linear(h, rng, columns) / np.sqrt(h.shape[1]))


def quadratic(h, rng, columns):
    i, j = np.triu_indices(h.shape[1])
    bend = linear(h[:, i] * h[:, j], rng, columns) / np.sqrt(len(i))
    return linear(h, rng, columns) / np.sqrt(h.shape[1]) + 0.3 * bend


def two_layers(h, rng, columns):
    return linear(tanh(h, rng, 3 * h.shape[1]), rng, columns)


def generated(make, dimension, columns, rows, seed, noise=0.01):
    rng = np.random.default_rng(seed)
    X = make(rng.normal(size=(rows, dimension)), rng, columns)
    return X + noise * X.std() * rng.normal(size=X.shape)


@pytest.mark.parametrize("rows", [500, 5000])
@pytest.mark.parametrize("make", [linear, tanh, quadratic, two_layers])
@pytest.mark.parametrize(("dimension", "columns"), [(3, 20), (10, 100)])
def test_within_one_of_the_truth(dimension, columns, make, rows):
    for seed in range(2):
        found = intrinsic_dimension(generated(make, dimension, columns, rows, seed))
        assert abs(found - dimension) <= 1, (found, seed)


@pytest.mark.parametrize(("dimension", "columns"), [(1, 2), (3, 20), (10, 100), (15, 20), (30, 60)])
def test_flat_rows_are_exact_also_in_noise_and_float32(dimension, columns):
    X = generated(linear, dimension, columns, 1500, seed=0, noise=0.05)
    assert intrinsic_dimension(X) == dimension
    assert intrinsic_dimension(X.astype(np.float32)) == dimension


@pytest.mark.parametrize("draw", ["normal", "uniform"])
@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_flat_rows_without_any_noise_are_exact(dimension, draw):
    """There the last components are no noise, though they are as white as it."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = getattr(rng, draw)(size=(1500, dimension)) @ rng.normal(size=(dimension, 40))
        assert intrinsic_dimension(X) == intrinsic_dimension(X.astype(np.float32)) == dimension


def test_units_shape_and_the_order_of_columns_do_not_matter():
    X = generated(tanh, 3, 20, 600, seed=3)
    found = intrinsic_dimension(X)
    assert intrinsic_dimension(1e6 * X[:, ::-1] + 1e7) == found
    assert intrinsic_dimension(X.reshape(600, 1, 4, 5)) == found


def test_more_columns_than_rows():
    assert intrinsic_dimension(generated(linear, 3, 3000, 100, seed=0)) == 3


def test_white_noise_needs_every_column():
    assert intrinsic_dimension(np.random.default_rng(0).normal(size=(1000, 20))) >= 18


def test_repeated_columns_and_rows_add_nothing():
    X = generated(tanh, 3, 20, 600, seed=0)
    assert intrinsic_dimension(np.hstack([X, X, np.ones((600, 5))])) == intrinsic_dimension(X)
    assert 2 <= intrinsic_dimension(np.repeat(X[:200], 3, axis=0)) <= 4


@pytest.mark.parametrize(
    "X",
    [
        np.ones((1, 4)),
        np.ones((50, 4)),
        np.arange(2.0)[:, None] * np.ones(3),
        np.random.default_rng(0).normal(size=(100, 1)),
        np.random.default_rng(0).integers(0, 2, size=(100, 1)),
    ],
)
def test_the_smallest_answer_is_one(X):
    assert intrinsic_dimension(X) == 1


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 8, 12])
def test_a_few_rows_give_an_answer_below_their_number(rows):
    assert 1 <= intrinsic_dimension(np.random.default_rng(rows).normal(size=(rows, 6))) <= min(6, rows - 1)


def test_the_seed_decides_and_global_generators_stay(untouched_generators):
    X = generated(two_layers, 10, 100, 3000, seed=0)
    assert intrinsic_dimension(X, random_state=3) == intrinsic_dimension(X, random_state=3)


def test_digits_take_a_handful():
    from sklearn.datasets import load_digits

    assert 5 <= intrinsic_dimension(load_digits().data) <= 9


def test_refusal():
    with pytest.raises(ValueError, match="the dimension of no rows is unknown"):
        intrinsic_dimension(np.ones((0, 3)))
