"""Statistics of units, for vectors and for maps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.measures import active_units, correlation, dead_units, mean_l0, unit_range

CODES = arrays(
    st.sampled_from([np.float32, np.float64]),
    array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(CODES)
def test_a_map_counts_each_place_as_a_row(codes):
    flat = np.stack([codes[:, u].ravel() for u in range(codes.shape[1])], axis=1)
    low, high = unit_range(codes)
    assert (low == flat.min(axis=0)).all()
    assert (high == flat.max(axis=0)).all()
    assert (dead_units(codes) == (flat == flat[0]).all(axis=0)).all()
    assert mean_l0(codes) * len(codes) == pytest.approx(np.count_nonzero(codes))
    np.testing.assert_allclose(correlation(codes), correlation(flat))


@given(CODES)
def test_correlation_is_one(codes):
    matrix = correlation(codes)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert (np.abs(matrix) <= 1).all()
    dead = dead_units(codes)
    assert (matrix[dead] == np.eye(len(matrix))[dead]).all()


def test_correlation_is_pearsons():
    codes = np.random.default_rng(0).normal(size=(100, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    np.testing.assert_allclose(correlation(codes), np.corrcoef(codes.T), atol=1e-12)


def test_active_units_vary_by_more_than_a_hundredth():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(10_000, 3)) * np.sqrt([0.009, 0.011, 0.0])
    assert active_units(means).tolist() == [False, True, False]


def test_dead_units_may_tremble():
    codes = np.array([[0.5, 0.0], [0.5 + 1e-9, 1.0]])
    assert dead_units(codes).tolist() == [False, False]
    assert dead_units(codes, tolerance=1e-6).tolist() == [True, False]
    assert mean_l0(codes, tolerance=0.6) == 0.5


def test_refusal():
    with pytest.raises(ValueError, match=r"codes of shape \(3,\) have no units"):
        unit_range(np.ones(3))
