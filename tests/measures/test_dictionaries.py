"""Dictionaries beside the one that made the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.measures import (
    cosines,
    detection,
    matched_correlation,
    matched_cosine,
    mean_max_cosine,
    shrinkage,
    uniqueness,
)

BESIDE_TRUTH = (matched_cosine, mean_max_cosine, uniqueness)
SEEDS = st.integers(0, 9999)


def shuffled(rng, atoms):
    """Return atoms in another order, mirrored and rescaled."""
    return rng.permutation(atoms * rng.choice([-1, 1], (len(atoms), 1)) * rng.uniform(0.1, 9, (len(atoms), 1)))


@given(SEEDS, st.integers(1, 8), st.integers(2, 8))
def test_the_true_dictionary_is_perfect_in_any_order_sign_and_length(seed, units, entries):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(units, entries))
    for measure in BESIDE_TRUTH:
        assert measure(shuffled(rng, truth), truth) == pytest.approx(1)


@given(SEEDS, st.integers(1, 6), st.integers(1, 6))
def test_nothing_depends_on_order_sign_and_length(seed, units, features):
    rng = np.random.default_rng(seed)
    atoms, truth = rng.normal(size=(units, 4)), rng.normal(size=(features, 4))
    for measure in BESIDE_TRUTH:
        found = measure(atoms, truth)
        assert measure(shuffled(rng, atoms), shuffled(rng, truth)) == pytest.approx(found)
        assert 0 <= found <= 1
    assert matched_cosine(atoms, truth) == pytest.approx(matched_cosine(truth, atoms))


def test_a_rotation_by_45_degrees_has_the_cosine_of_45_degrees():
    turned = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert matched_cosine(turned, np.eye(2)) == pytest.approx(np.sqrt(0.5))
    assert mean_max_cosine(turned, np.eye(2)) == pytest.approx(np.sqrt(0.5))


def test_one_atom_found_four_times_is_seen_by_all_but_one_direction():
    truth, copies = np.eye(4), np.tile([1.0, 0, 0, 0], (4, 1))
    assert mean_max_cosine(truth, copies) == 1, "every copy has a true atom"
    assert mean_max_cosine(copies, truth) == matched_cosine(copies, truth) == uniqueness(copies, truth) == 0.25


def test_atoms_of_zeros_and_tiny_ones():
    assert cosines(np.array([[0.0, 0.0], [1e-200, 0.0]]), np.eye(2)).tolist() == [[0, 0], [1, 0]]
    assert uniqueness(np.array([[0.0, 0.0], [1.0, 0.0]]), np.eye(2)) == 0.5


@given(SEEDS, st.floats(0.01, 10))
def test_shrinkage_is_the_factor(seed, factor):
    X = np.random.default_rng(seed).normal(size=(5, 2, 2))
    X[0] = 0
    assert shrinkage(X, factor * X) == pytest.approx(factor)


@given(SEEDS)
def test_codes_match_factors_in_any_order_sign_and_scale(seed):
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(30, 4))
    assert matched_correlation(shuffled(rng, h.T).T + 7, h) == pytest.approx(1)
    assert matched_correlation(np.full((30, 4), 0.1), h) == 0


@given(SEEDS, st.integers(1, 6))
def test_features_detect_themselves(seed, features):
    rng = np.random.default_rng(seed)
    present = rng.random((50, features)) < 0.3
    present[0] = True
    order = rng.permutation(features)
    found = detection(-2.5 * present[:, order] * rng.uniform(1, 2, (50, features)), present)
    assert (found.f1 == 1).all() and (found.precision == 1).all() and (found.recall == 1).all()
    assert (present[:, found.feature] == present[:, order]).all()


def test_precision_and_recall_of_a_unit_that_misses_and_of_one_that_says_too_much():
    feature = np.array([1, 1, 1, 1, 0, 0, 0, 0])[:, None]
    codes = np.zeros((8, 3))
    codes[:2, 0] = codes[:, 1] = 1
    found = detection(codes, feature)
    assert found.precision.tolist() == [1, 0.5, 0] and found.recall.tolist() == [0.5, 1, 0]
    assert found.f1 == pytest.approx([2 / 3, 2 / 3, 0]) and found.feature.tolist() == [0, 0, -1]
    assert (detection(codes, feature, tolerance=1.0).f1 == 0).all()
    assert detection(1.0 - feature, feature).feature.tolist() == [-1], "one that fires only where no feature is"


def test_chunks_add_up():
    rng = np.random.default_rng(0)
    codes, features = rng.random((9000, 3)) - 0.5, rng.random((9000, 2)) < 0.5
    codes[codes < 0] = 0
    both = ((codes > 0)[:, :, None] & features[:, None]).sum(axis=0)
    f1 = 2 * both / ((codes > 0).sum(axis=0)[:, None] + features.sum(axis=0))
    np.testing.assert_allclose(detection(codes, features).f1, f1.max(axis=1))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: matched_cosine(np.ones(3), np.eye(3)), r"atoms of shape \(3,\) are not \(rows, entries\); reshape"),
        (lambda: uniqueness(np.eye(2), np.eye(3)), "atoms and true atoms have 2 and 3 columns; give"),
        (
            lambda: mean_max_cosine(np.eye(2) * np.inf, np.eye(2)),
            "atoms have a number that is not finite, first in row 0",
        ),
        (lambda: matched_cosine(np.ones((0, 3)), np.eye(3)), "have no rows, so there is nothing to measure; give some"),
        (lambda: detection(np.ones((4, 0)), np.ones((4, 1))), "have no units, so there is nothing to measure; give"),
        (lambda: detection(np.ones((4, 1)), np.ones((5, 1))), "codes and features have 4 and 5 rows; give"),
        (lambda: shrinkage(np.zeros((2, 2)), np.ones((2, 2))), "every row is zero, so that no length can shrink"),
        (lambda: shrinkage(np.zeros((2, 2)), np.ones((2, 3))), "came back as"),
    ],
)
def test_refusals(call, says):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=says):
        call()
