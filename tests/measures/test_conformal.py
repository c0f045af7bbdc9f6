"""Rates of false alarms and of false discoveries are what was asked for, whatever the scores are."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control

from isthmus.measures import benjamini_hochberg, cross_p_values, p_values, q_values, threshold

# Few different values, so that many tie; and ones that differ in the last digit or in precision only.
VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False, width=32))
SCORES = arrays(st.sampled_from([np.float32, np.float64]), st.integers(0, 12), elements=VALUES)
CALIBRATION = arrays(st.sampled_from([np.float32, np.float64]), st.integers(1, 40), elements=VALUES)
RATES = st.one_of(st.floats(0.001, 0.999), st.sampled_from([0.01, 0.05, 0.1, 0.29, 0.5, 0.7]))
THOUSANDTHS = st.integers(1, 999).map(lambda rate: Fraction(rate, 1000))
SEEDS = st.integers(0, 2**32 - 1)


def brute_force(scores, calibration):
    return np.array([(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores])


def interval(samples):
    """Return mean and standard error of independent samples."""
    return np.mean(samples), np.std(samples, ddof=1) / np.sqrt(len(samples))


@given(SCORES, CALIBRATION)
def test_p_values_count_calibration_scores_as_high(scores, calibration):
    assert (p_values(scores, calibration) == brute_force(scores, calibration)).all()


@given(SCORES, CALIBRATION, SEEDS)
def test_higher_scores_have_lower_p_values_and_order_does_not_matter(scores, calibration, seed):
    rng = np.random.default_rng(seed)
    p = p_values(np.sort(scores), calibration)
    assert (np.diff(p) <= 0).all()
    assert (p_values(np.sort(scores), rng.permutation(calibration)) == p).all()
    order = rng.permutation(len(scores))
    assert (p_values(scores[order], calibration) == p_values(scores, calibration)[order]).all()


@given(SCORES, CALIBRATION, RATES)
def test_the_threshold_tells_exactly_the_rows_with_small_p_values(scores, calibration, alpha):
    # Scores beside the calibration scores are the ones that rounding could put on the wrong side.
    with np.errstate(over="ignore"):
        beside = np.nextafter(calibration, np.inf, dtype=calibration.dtype)
    scores = np.concatenate([scores, calibration, beside])
    alarms = scores > threshold(calibration, alpha)
    assert (alarms == (p_values(scores, calibration) <= alpha)).all()


def test_float32_scores_are_compared_in_the_precision_of_the_threshold():
    calibration = np.array([0.1 + 1e-12, 0.0])
    score = np.array([0.1], np.float32)
    assert (score > threshold(calibration, 0.4)) == (p_values(score, calibration) <= 0.4) == [True]
    score = np.nextafter(score, np.float32(0))
    assert (score > threshold(calibration, 0.4)) == (p_values(score, calibration) <= 0.4) == [False]


@given(st.integers(1, 300), THOUSANDTHS)
def test_the_threshold_is_the_quantile_of_one_more_row(n, alpha):
    rank = math.ceil((1 - alpha) * (n + 1))
    assert threshold(np.arange(1.0, n + 1), float(alpha)) == (rank if rank <= n else np.inf)


def test_levels_that_rounding_would_miss():
    assert 0.29 * 100 < 29
    assert threshold(np.arange(1.0, 100), 0.29) == 71


@given(arrays(np.float64, st.integers(2, 40), elements=VALUES), RATES)
def test_left_out_one_by_one_at_most_alpha_of_exchangeable_rows_raise_an_alarm(rows, alpha):
    p = np.array([p_values(rows[[i]], np.delete(rows, i))[0] for i in range(len(rows))])
    assert np.mean(p <= alpha) <= alpha
    distinct = np.argsort(np.argsort(rows, kind="stable"))
    p = [p_values(distinct[[i]], np.delete(distinct, i))[0] for i in range(len(rows))]
    np.testing.assert_array_equal(np.sort(p), np.arange(1, len(rows) + 1) / len(rows))


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (50, 0.1), (99, 0.29), (200, 0.02)])
def test_the_rate_of_false_alarms_is_the_exact_one(n, alpha):
    rng = np.random.default_rng(n)
    rates = []
    for _ in range(1000):
        calibration = rng.exponential(size=n)
        rates.append(np.mean(rng.exponential(size=50) > threshold(calibration, alpha)))
    mean, error = interval(rates)
    exact = int(Fraction(str(alpha)) * (n + 1)) / (n + 1)
    assert abs(mean - exact) <= 3 * error
    assert error < 0.1 * exact


@given(SCORES, CALIBRATION, SEEDS)
def test_folds_whose_models_agree_are_one_calibration(scores, calibration, seed):
    assert (cross_p_values(scores[None], [calibration]) == p_values(scores, calibration)).all()
    folds = np.array_split(calibration, 1 + seed % len(calibration))
    copies = np.repeat(scores[None], len(folds), axis=0)
    assert (cross_p_values(copies, folds) == p_values(scores, calibration)).all()


def test_every_fold_is_compared_with_its_own_model():
    p = cross_p_values(np.array([[1.0, 5.0], [30.0, 10.0]]), [np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0])])
    assert p.tolist() == [(1 + 2 + 1) / 6, (1 + 0 + 3) / 6]


def cross_rate(rng, alpha, n=30, folds=5, dimension=4):
    """Return the share of false alarms where the model is the mean of its rows and the score a distance from it."""
    X, fresh = rng.normal(size=(n, dimension)), rng.normal(size=(40, dimension))
    parts = np.array_split(np.arange(n), folds)
    centres = [np.delete(X, part, axis=0).mean(axis=0) for part in parts]
    scores = np.array([np.square(fresh - centre).sum(axis=1) for centre in centres])
    held = [np.square(X[part] - centre).sum(axis=1) for part, centre in zip(parts, centres, strict=True)]
    return np.mean(cross_p_values(scores, held) <= alpha)


@pytest.mark.parametrize("folds", [5, 30])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_the_rate_of_false_alarms_of_folds_is_close_to_alpha(alpha, folds):
    rng = np.random.default_rng(folds)
    mean, error = interval([cross_rate(rng, alpha, folds=folds) for _ in range(500)])
    assert error < 0.01
    assert abs(mean - alpha) <= 0.15 * alpha + 3 * error


@given(arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 20).map(lambda p: p / 20)), THOUSANDTHS)
def test_discoveries_are_those_of_benjamini_and_hochberg(p, fdr):
    ascending = np.sort(p)
    fits = [k for k in range(1, len(p) + 1) if Fraction(round(20 * ascending[k - 1]), 20) <= k * fdr / len(p)]
    expected = p <= ascending[fits[-1] - 1] if fits else np.zeros(len(p), bool)
    assert (benjamini_hochberg(p, float(fdr)) == expected).all()
    np.testing.assert_allclose(q_values(p), false_discovery_control(p), rtol=1e-12)


def test_p_values_on_the_bound_are_discoveries_at_any_rounding():
    lost = 0
    for m in range(1, 61):
        # k of m rows have the level k / (10 m) exactly.
        for k in range(1, m + 1):
            p = np.where(np.arange(m) < k, k / (10 * m), 1.0)
            assert benjamini_hochberg(p, 0.1).sum() == k
            lost += q_values(p)[0] > 0.1
    assert lost, "the tolerance is not needed"


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)), SEEDS)
def test_q_values_keep_the_order_of_p_values_and_none_is_smaller(p, seed):
    q = q_values(p)
    assert (np.diff(q[np.argsort(p)]) >= 0).all()
    assert (q >= p * (1 - 1e-12)).all()
    assert (q <= 1).all()
    order = np.random.default_rng(seed).permutation(len(p))
    assert (q_values(p[order]) == q[order]).all()


@pytest.mark.parametrize("fdr", [0.1, 0.2])
def test_the_share_of_false_discoveries_is_kept_though_calibration_rows_are_shared(fdr):
    rng = np.random.default_rng(0)
    normal, shares, found = np.arange(50) < 40, [], []
    for _ in range(1000):
        scores = rng.normal(size=50) + np.where(normal, 0, 3)
        discovered = benjamini_hochberg(p_values(scores, rng.normal(size=200)), fdr)
        shares.append((discovered & normal).sum() / max(1, discovered.sum()))
        found.append(discovered[~normal].mean())
    mean, error = interval(shares)
    assert mean <= fdr + 2 * error
    assert np.mean(found) > 0.5


def test_no_rows_have_no_p_values():
    none = np.empty(0)
    assert p_values(none, np.ones(3)).shape == q_values(none).shape == benjamini_hochberg(none, 0.1).shape == (0,)
    assert cross_p_values(np.empty((2, 0)), [np.ones(3)] * 2).shape == (0,)


def test_refusals():
    with pytest.raises(ValueError, match=r"scores has 1 NaN, first in row 1 \(from 0\), .* leave out these rows"):
        p_values(np.array([0.0, np.nan]), np.ones(3))
    with pytest.raises(ValueError, match=r"calibration has 2 NaN, first in row 0 \(from 0\)"):
        threshold(np.array([np.nan, np.nan]), 0.1)
    with pytest.raises(ValueError, match="calibration has no scores; give those of normal rows"):
        p_values(np.ones(3), np.empty(0))
    with pytest.raises(ValueError, match=r"scores of shape \(3, 1\) must have one number per row"):
        p_values(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match="calibration of fold 1 has no scores"):
        cross_p_values(np.ones((2, 3)), [np.ones(2), np.empty(0)])
    with pytest.raises(ValueError, match="2 folds score new rows and 1 calibrate"):
        cross_p_values(np.ones((2, 3)), [np.ones(2)])
    with pytest.raises(ValueError, match="0 folds score new rows and 0 calibrate"):
        cross_p_values(np.ones((0, 3)), [])
    for rate in (0.0, 1.0, 5.0, np.nan):
        with pytest.raises(ValueError, match=f"alpha={rate:g} is no rate of errors; give a number between 0 and 1"):
            threshold(np.ones(3), rate)
        with pytest.raises(ValueError, match="fdr="):
            benjamini_hochberg(np.ones(3), rate)
    for rate in ("a", None, True):
        with pytest.raises(ValueError, match=f"fdr={rate!r} is no rate of errors|fdr=1 is no rate of errors"):
            benjamini_hochberg(np.ones(3), rate)
    with pytest.raises(ValueError, match=r"p lies between 0\.5 and 2; give p-values"):
        q_values(np.array([0.5, 2.0]))
