"""How often units speak, and explained variance batch by batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.measures import (
    ExplainedVariance,
    dead_fraction,
    dense_fraction,
    explained_variance,
    firing_rates,
    l0_quantiles,
    mean_l0,
)

CODES = arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.sampled_from([0.0, -2.0, 3.0]))


@given(CODES, st.randoms(use_true_random=False))
def test_rates_are_of_units_whatever_their_sign_scale_and_order(codes, random):
    order = random.sample(range(codes.shape[1]), codes.shape[1])
    rates = firing_rates(codes)
    np.testing.assert_allclose(firing_rates(-5 * codes[:, order]), rates[order])
    assert rates.sum() * codes.size / codes.shape[1] / len(codes) == pytest.approx(mean_l0(codes))
    assert dead_fraction(codes) == (rates == 0).mean() and dense_fraction(codes, 0.5) == (rates > 0.5).mean()


@given(CODES)
def test_quantiles_lie_around_the_mean(codes):
    least, median, most = l0_quantiles(codes, (0.0, 0.5, 1.0))
    assert least <= median <= most and least <= mean_l0(codes) <= most


def test_a_selection_over_the_batch_has_a_mean_and_a_spread():
    codes = np.zeros((2, 8))
    codes[0, :6] = codes[1, :2] = 1.0
    assert mean_l0(codes) == 4 and l0_quantiles(codes, (0.0, 1.0)).tolist() == [2, 6]
    assert dense_fraction(codes, rate=0.5) == 0.25 and dead_fraction(codes) == 0.25
    assert firing_rates(codes, tolerance=1.0).sum() == 0


@given(st.integers(0, 999), st.integers(1, 40), st.floats(-1e3, 1e3))
def test_explained_variance_does_not_depend_on_batches(seed, batch, away):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 2, 3)) + away
    back = X + 0.3 * rng.normal(size=X.shape)
    found = ExplainedVariance()
    assert np.isnan(found.value)
    for start in range(0, 40, batch):
        found.add(X[start : start + batch], back[start : start + batch])
    found.add(X[:0], back[:0])
    assert found.value == pytest.approx(explained_variance(X, back), abs=1e-9) and found.rows == 40


def test_refusals():
    with pytest.raises(ValueError, match=r"codes of shape \(3,\) have no units; give"):
        firing_rates(np.ones(3))
    with pytest.raises(ValueError, match=r"codes of shape \(0, 4\) are empty.*give some"):
        dead_fraction(np.ones((0, 4)))
    with pytest.raises(ValueError, match="codes have a number that is not finite, first in row 0"):
        l0_quantiles(np.full((2, 2), np.nan))
    found = ExplainedVariance()
    found.add(np.ones((2, 3)), np.ones((2, 3)))
    assert np.isnan(found.value), "rows that do not vary leave nothing to explain"
    tenths = ExplainedVariance()
    for count in (3, 7, 11):
        tenths.add(np.full((count, 3), 0.1), np.full((count, 3), 0.2))
    assert np.isnan(tenths.value), "rounding is no variance"
    with pytest.raises(ValueError, match="a batch has rows of 2 numbers, earlier ones of 3; start anew"):
        found.add(np.ones((2, 2)), np.ones((2, 2)))
