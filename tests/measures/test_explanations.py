"""Explanations whose truth is known: sums that explain themselves, and others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.measures import (
    additive_score,
    completeness_error,
    deletion_auc,
    deletion_curve,
    faithfulness,
    infidelity,
    insertion_auc,
    insertion_curve,
    local_lipschitz,
    removal_drops,
)

SEEDS = st.integers(0, 9999)


def parts(seed, rows=6, concepts=4, classes=3):
    """Return contributions of every class, the classes to explain, and the contributions of those."""
    rng = np.random.default_rng(seed)
    c, which = rng.normal(size=(rows, concepts, classes)), rng.integers(0, classes, rows)
    return c, which, c[np.arange(rows), :, which]


@given(SEEDS)
def test_a_sum_is_faithful_and_complete_by_construction(seed):
    c, which, own = parts(seed)
    score = additive_score(c, which)
    np.testing.assert_allclose(faithfulness(own, score), 1)
    np.testing.assert_allclose(removal_drops(score, *own.shape), own, atol=1e-12)
    assert completeness_error(own, score(np.ones(own.shape, dtype=bool))).max() < 1e-12
    assert completeness_error(c, c.sum(axis=1)).max() < 1e-12
    assert completeness_error(c, c.sum(axis=1) + np.array([0, 0, 2])) == pytest.approx(2)
    np.testing.assert_allclose(faithfulness(-own, score), -1)
    np.testing.assert_allclose(faithfulness(3 * own + 1, score), 1)


@given(SEEDS)
def test_order_of_concepts_does_not_matter(seed):
    c, which, own = parts(seed)
    order = np.random.default_rng(seed).permutation(4)
    score, moved = (additive_score(x, which, probability=True) for x in (c, c[:, order]))
    for measure in (faithfulness, deletion_auc, insertion_auc):
        np.testing.assert_allclose(measure(own[:, order], moved), measure(own, score))


def test_probabilities_are_the_softmax_of_the_sum():
    c, which, own = parts(3)
    logits = c.sum(axis=1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    score = additive_score(c, which, probability=True)
    np.testing.assert_allclose(score(np.ones(own.shape, dtype=bool)), p[np.arange(6), which])
    np.testing.assert_allclose(score(np.zeros(own.shape, dtype=bool)), 1 / 3)
    assert np.isfinite(additive_score(1e4 * c, which, probability=True)(np.ones(own.shape, dtype=bool))).all()


def test_explanations_of_another_model_are_not_faithful():
    rng = np.random.default_rng(0)
    c, own = rng.normal(size=(2000, 8)), rng.normal(size=(2000, 8))
    found = faithfulness(own, lambda kept: (kept * c).sum(axis=1))
    assert np.abs(found.mean()) < 0.05


def test_rows_in_which_nothing_varies_have_no_faithfulness():
    c = np.array([[1.0, 2.0, 3.0], [0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    found = faithfulness(c, lambda kept: np.array([0.1, 1, 1]) * (kept * [[1, 1, 1], [1, 2, 3], [1, 2, 4]]).sum(axis=1))
    assert np.isnan(found).tolist() == [True, True, False]


@given(SEEDS)
def test_deleting_the_largest_first_is_the_best_order_of_a_sum(seed):
    own = np.abs(parts(seed)[2])

    def score(kept):
        return (kept * own).sum(axis=1)

    down, up = deletion_curve(own, score), insertion_curve(own, score)
    np.testing.assert_allclose(down[:, ::-1], insertion_curve(-own, score))
    assert (np.diff(down, axis=1) <= 1e-12).all() and (np.diff(up, axis=1) >= -1e-12).all()
    np.testing.assert_allclose(deletion_auc(own, score) + insertion_auc(own, score), own.sum(axis=1))
    other = np.random.default_rng(seed).permuted(own, axis=1)
    assert (deletion_auc(own, score) <= deletion_auc(other, score) + 1e-9).all()
    assert (insertion_auc(own, score) >= insertion_auc(other, score) - 1e-9).all()


def test_areas_are_those_of_trapezoids():
    own = np.array([[3.0, 1.0]])
    score = additive_score(own[:, :, None], np.zeros(1, dtype=int))
    assert deletion_auc(own, score) == pytest.approx((4 + 1) / 4 + (1 + 0) / 4)
    assert insertion_auc(own, score) == pytest.approx((0 + 3) / 4 + (3 + 4) / 4)


@given(SEEDS)
def test_infidelity_of_a_line_is_zero_and_of_a_wrong_slope_known(seed):
    rng = np.random.default_rng(seed)
    w, h, moves = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=(4, 5, 3))
    slopes = np.tile(w, (5, 1))
    assert infidelity(slopes, h, lambda h: h @ w + 7, moves) == pytest.approx(0, abs=1e-20)
    wrong = infidelity(slopes + np.eye(3)[0], h, lambda h: h @ w, moves)
    np.testing.assert_allclose(wrong, np.square(moves[:, :, 0]).mean(axis=0))


@given(SEEDS, st.floats(0.1, 10))
def test_the_lipschitz_ratio_of_a_linear_map_and_of_other_scales(seed, a):
    h = np.random.default_rng(seed).normal(size=(20, 3))
    assert np.nanmax(local_lipschitz(a * h, h, eps=2.0).ratios) == pytest.approx(a)
    assert (local_lipschitz(np.ones((20, 3)), h, eps=9.0).ratios == 0).all()
    plain, scaled = local_lipschitz(h**2, h, h, eps=1.0), local_lipschitz(h**2 / a, a * h, h, eps=1.0)
    np.testing.assert_allclose(scaled.ratios, plain.ratios / a**2)
    order = np.random.default_rng(seed).permutation(20)
    np.testing.assert_allclose(local_lipschitz((h**2)[order], h[order], eps=1.0).ratios, plain.ratios[order])


def test_ratios_are_of_distances_and_grow_with_the_radius():
    h = np.array([[0.0], [1.0], [3.0]])
    assert local_lipschitz(h**2, h, eps=1.0).ratios == pytest.approx([1, 1, np.nan], nan_ok=True)
    wide = local_lipschitz(h**2, h, eps=3.0)
    assert wide.ratios == pytest.approx([3, 4, 4]) and wide.neighbours.tolist() == [2, 2, 2]


def test_equal_concepts_have_no_ratio_and_are_counted():
    h = np.array([[1.0], [1.0 + 1e-9], [2.0]])
    found = local_lipschitz(np.array([[0.0], [5.0], [1.0]]), h, eps=5.0)
    assert found.ratios == pytest.approx([1, 4, 4]) and found.left_out == 1
    dead = local_lipschitz(np.arange(4.0)[:, None], np.zeros((4, 2)), np.arange(4.0)[:, None], eps=9.0)
    assert np.isnan(dead.ratios).all() and dead.left_out == 6 and (dead.neighbours == 0).all()


ONE = np.ones((2, 1))
TWO = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: faithfulness(ONE, lambda kept: kept[:, 0]), "one concept has nothing to be compared with; give"),
        (lambda: faithfulness(np.full((2, 2), np.nan), len), "contributions have a number that is not finite"),
        (lambda: faithfulness(TWO, lambda kept: kept), r"the score has shape \(2, 2\) for 2 rows; return one number"),
        (lambda: deletion_auc(TWO, lambda kept: kept[:, 0] / np.nan), "scores have a number that is not finite"),
        (lambda: deletion_auc(np.ones((2, 0)), len), "have no concepts, so there is nothing to measure"),
        (lambda: additive_score(TWO, np.zeros(2)), r"are not \(rows, concepts, classes\), \(rows,\)"),
        (lambda: completeness_error(TWO, TWO), "add up over axis 1, which does not give outputs"),
        (lambda: infidelity(TWO, TWO, len, TWO), "relevances .* concepts .* and moves .* do not fit together"),
        (lambda: local_lipschitz(TWO, TWO, eps=0.0), "a radius eps=0.0 has no neighbours; give a distance above 0"),
        (lambda: local_lipschitz(TWO[:1], TWO[:1], eps=1.0), "one row has no neighbours; give at least two"),
        (lambda: local_lipschitz(TWO[:1], TWO, eps=1.0), "relevances and concepts have 1 and 2 rows; give"),
        (lambda: local_lipschitz(TWO, TWO[0], eps=1.0), r"concepts of shape \(2,\) are not \(rows, numbers\)"),
    ],
)
def test_refusals(call, says):
    with pytest.raises(ValueError, match=says):
        call()
