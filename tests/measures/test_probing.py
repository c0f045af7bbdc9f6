"""What units know about labels: perfect units, none, and absorbed ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.measures import absorption, k_sparse_probing, label_entropy, matched_accuracy

SEEDS = st.integers(0, 9999)
LABELS = np.arange(90) % 3


def one_hot(labels=LABELS):
    return np.eye(3)[labels]


@given(SEEDS)
@settings(max_examples=5)
def test_a_unit_per_class_is_found_and_enough_in_any_order_sign_and_scale(seed):
    rng = np.random.default_rng(seed)
    order, scale = rng.permutation(5), rng.uniform(0.1, 9, 5) * rng.choice([-1, 1], 5)
    codes = np.hstack([one_hot(), 0.1 * rng.normal(size=(90, 2))])
    found = k_sparse_probing(codes[:, order] * scale, np.array(["a", "b", "c"])[LABELS], random_state=seed)
    assert found.classes.tolist() == ["a", "b", "c"] and (found.accuracy == 1).all()
    assert order[found.units[:, 0]].tolist() == [0, 1, 2]


def test_what_two_units_carry_takes_two():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(600, 6))
    y = codes[:, 1] + codes[:, 4] > 0
    one, two = (k_sparse_probing(codes, y[:, None], k).accuracy[0] for k in (1, 2))
    assert one == pytest.approx(0.75, abs=0.06) and two > 0.95
    assert set(k_sparse_probing(codes, y[:, None], 2).units[0]) == {1, 4}


def test_noise_guesses_and_rare_classes_are_weighed_alike():
    rng = np.random.default_rng(1)
    y = rng.random(2000) < 0.1
    assert k_sparse_probing(rng.normal(size=(2000, 3)), y).accuracy == pytest.approx([0.5, 0.5], abs=0.08)


def test_entropy_of_pure_mixed_and_silent_units():
    mixed, silent = np.ones(90), np.zeros(90)
    found = label_entropy(np.stack([*one_hot().T, mixed, silent, -mixed], axis=1), LABELS, top=30)
    assert found[:3].tolist() == [0, 0, 0] and found[3] == pytest.approx(np.log(3)) and np.isnan(found[4:]).all()


@pytest.mark.parametrize("top", [1, 30, 50])
def test_entropy_of_ties_does_not_depend_on_the_order_of_rows(top):
    order = np.argsort(LABELS, kind="stable")
    assert label_entropy(np.ones((90, 1)), LABELS[order], top) == pytest.approx(np.log(3))
    halves = np.where(LABELS == 0, 2.0, 1.0)[order, None]
    share = np.array([1.0, 0.0, 0.0] if top <= 30 else [30, 10, 10]) / (1 if top <= 30 else 50)
    entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
    assert label_entropy(halves, LABELS[order], top) == pytest.approx(entropy)


@given(SEEDS, st.integers(1, 20))
def test_entropy_keeps_to_its_range_and_ignores_order_and_scale(seed, top):
    rng = np.random.default_rng(seed)
    codes, order = rng.normal(size=(30, 4)), rng.permutation(4)
    found = label_entropy(codes, LABELS[:30], top)
    assert ((found >= 0) & (found <= np.log(3) + 1e-12)).all()
    np.testing.assert_allclose(label_entropy(7 * codes[:, order], LABELS[:30], top), found[order])


@given(SEEDS)
def test_matched_accuracy_of_labels_themselves_is_one(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(3)
    assert matched_accuracy(3 * one_hot()[:, order], LABELS) == 1
    assert matched_accuracy(np.hstack([one_hot(), np.zeros((90, 4))]), LABELS) == 1
    assert matched_accuracy(rng.random((90, 3)), LABELS) >= 1 / 3


def test_units_that_share_a_label_do_not_count_twice():
    halves = np.zeros((90, 4))
    halves[np.arange(90), np.where(LABELS == 0, np.arange(90) // 3 % 2, LABELS + 1)] = 1
    assert matched_accuracy(halves, LABELS) == pytest.approx(5 / 6)
    one = np.zeros((90, 4))
    one[:, 2] = 1
    assert matched_accuracy(one, LABELS) == pytest.approx(1 / 3)


def test_rows_without_a_largest_unit_count_as_wrong():
    assert matched_accuracy(np.zeros((90, 4)), LABELS) == 0
    silent = one_hot()
    silent[LABELS == 0] = 0
    assert matched_accuracy(silent, LABELS) == pytest.approx(2 / 3)


def family(rows=400, seed=0):
    """Return rows of a parent and its child, which never comes alone, their atoms, and who is there."""
    rng = np.random.default_rng(seed)
    parent = rng.random(rows) < 0.5
    child = parent & (rng.random(rows) < 0.4)
    there = np.stack([parent, child], axis=1)
    return there @ np.eye(2, 5), np.eye(2, 5), there


def test_own_atoms_absorb_nothing_and_a_child_that_speaks_for_its_parent_all():
    X, atoms, there = family()
    assert absorption(there.astype(float), atoms, X, there, directions=atoms).rates.tolist() == [0, 0]
    greedy = np.stack([atoms[0], atoms[0] + atoms[1]])  # the child's atom holds the parent's
    codes = np.stack([there[:, 0] & ~there[:, 1], there[:, 1]], axis=1).astype(float)
    np.testing.assert_allclose(codes @ greedy, X)
    found = absorption(codes, greedy, X, there, directions=atoms)
    assert found.rates[0] == found.fractions[0] == pytest.approx(there[:, 1].sum() / there[:, 0].sum())
    assert found.rates[1] == 0 and found.main.tolist() == [[0], [1]]


@given(SEEDS)
@settings(max_examples=10)
def test_absorption_ignores_order_and_the_scale_between_codes_and_atoms(seed):
    rng = np.random.default_rng(seed)
    X, atoms, there = family(seed=seed)
    codes, greedy = np.stack([there[:, 0] & ~there[:, 1], there[:, 1]], axis=1), np.stack([atoms[0], atoms.sum(axis=0)])
    scale, order = rng.uniform(0.1, 9, 2), rng.permutation(2)
    moved = absorption((codes * scale)[:, order], (greedy / scale[:, None])[order], X, there, directions=3 * atoms)
    plain = absorption(codes.astype(float), greedy, X, there, directions=atoms)
    np.testing.assert_allclose(moved.rates, plain.rates)
    np.testing.assert_allclose(moved.fractions, plain.fractions)


def test_directions_can_be_probed():
    X, atoms, there = family()
    X = X + 0.05 * np.random.default_rng(0).normal(size=X.shape)
    greedy = np.stack([atoms[0], atoms[0] + atoms[1]])
    codes = np.stack([there[:, 0] & ~there[:, 1], there[:, 1]], axis=1).astype(float)
    assert absorption(codes, greedy, X, there).rates[0] == pytest.approx(0.4, abs=0.05)
    turned = absorption(codes, greedy, -X, there, directions=atoms)
    assert np.isnan(turned.rates).all(), "a direction that shows nowhere cannot be absorbed"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: k_sparse_probing(one_hot(), np.zeros(90)),
            "class 0.0 holds all rows, so nothing tells it from others",
        ),
        (
            lambda: k_sparse_probing(one_hot(), LABELS[:80]),
            r"labels of shape \(80,\) do not describe 90 rows; give one",
        ),
        (lambda: k_sparse_probing(one_hot(), LABELS, 4), "k=4 of 3 units cannot be read; give 1 to 3"),
        (lambda: k_sparse_probing(one_hot(), np.arange(90) == 4), "class False|class True has fewer than two rows"),
        (lambda: k_sparse_probing(one_hot(), LABELS, left_out=1.0), "left_out=1.0 is no share of the rows; give"),
        (lambda: k_sparse_probing(np.eye(4), [0, 0, 1, 1]), "class 0 has 2 of 4 rows, too few .* give more rows"),
        (
            lambda: k_sparse_probing(one_hot(), np.arange(90) < 2, left_out=0.1),
            "class False has 88 of 90 rows, too few",
        ),
        (
            lambda: k_sparse_probing(one_hot() * np.nan, LABELS),
            "codes have a number that is not finite, first in row 0",
        ),
        (lambda: k_sparse_probing(one_hot(), np.full(90, np.nan)), "labels have a number that is not finite"),
        (lambda: k_sparse_probing(one_hot(), LABELS[:, None]), "hold more than truth values; give one label per row"),
        (lambda: label_entropy(one_hot(), LABELS, 0), "top=0 looks at no row; give"),
        (lambda: label_entropy(one_hot(), LABELS[:, None]), r"labels of shape \(90, 1\) are not one per row"),
        (lambda: matched_accuracy(one_hot(), LABELS[1:]), "codes and labels have 90 and 89 rows; give"),
        (lambda: absorption(one_hot(), np.eye(2), one_hot(), LABELS), "3 units, atoms .* do not fit together"),
        (lambda: absorption(one_hot(), np.eye(3), one_hot(), LABELS, main=3), "main=3 of 3 units leaves none"),
        (lambda: absorption(one_hot(), np.eye(3), one_hot(), LABELS, absorbers=0), "absorbers=0 lets no unit .* give"),
        (
            lambda: absorption(one_hot(), np.eye(3), one_hot(), LABELS, directions=np.eye(2)),
            r"directions of shape \(2, 2\) are not one of 3 entries per concept",
        ),
    ],
)
def test_refusals(call, says):
    with pytest.raises(ValueError, match=says):
        call()
