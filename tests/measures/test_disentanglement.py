"""Codes whose disentanglement is known: the factors themselves, rotations of them, and one for all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.measures import concentrations, dci, mig, modularity, mutual_information, sap

GRID = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2)
TURNED = GRID @ [[1, 1], [1, -1]]
MEASURES = (mig, sap, modularity)


@pytest.mark.parametrize("measure", MEASURES)
def test_factors_are_perfect_and_a_quarter_turn_mixes_them(measure):
    assert measure(GRID, GRID) == pytest.approx(1)
    assert measure(TURNED, GRID) == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 9999))
def test_order_sign_scale_and_dead_units_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, factors = rng.normal(size=(60, 3)), rng.integers(0, 3, (60, 2))
    changed = (np.hstack([codes, np.full((60, 1), 0.1)]) * [-2, 8, -0.5, 1])[:, rng.permutation(4)]
    for measure in MEASURES:
        found = measure(codes, factors)
        assert measure(changed, factors) == pytest.approx(found) and 0 <= found <= 1
    assert mig(codes, factors * 7 - 2) == pytest.approx(mig(codes, factors))


@given(st.integers(0, 9999), st.sampled_from([3, 20, 21, 41, 100]), st.sampled_from([-1.0, 1 / 3, -0.7, 1e-9, -3e7]))
def test_levels_on_the_edges_of_bins_do_not_fall_by_rounding_or_a_mirror(seed, count, scale):
    rng = np.random.default_rng(seed)
    v = rng.choice(count, p=rng.dirichlet(np.full(count, 0.5)), size=400)
    factors = np.stack([v % 3, rng.integers(0, 2, 400)], axis=1)
    codes = np.stack([v, rng.permutation(v)], axis=1).astype(float)
    for away in (0.0, 1.7):
        found = mutual_information(scale * codes + scale * away, factors)
        np.testing.assert_allclose(found, mutual_information(codes, factors), atol=1e-9)


def test_a_unit_of_few_values_has_a_bin_for_each():
    v = np.arange(20).repeat(3)
    odd = (1.5**v)[:, None]  # which equal bins would mostly put into the first
    np.testing.assert_allclose(mutual_information(odd, v[:, None]), np.log(20))
    assert mig(odd, v[:, None]) == pytest.approx(1)


def test_values_on_an_edge_count_both_ways():
    v = np.arange(5)
    both = mutual_information(v[:, None], v[:, None], bins=4)  # 0 1 2 34 or 01 2 3 4: 2 of 5 in one bin
    np.testing.assert_allclose(both, np.log(5) - 0.4 * np.log(2))
    middle = mutual_information(np.array([[0.0], [1.0], [5.0], [10.0]]), np.array([[0], [0], [1], [1]]), bins=2)
    lower = np.log(2) - 0.75 * (-(1 / 3) * np.log(1 / 3) - (2 / 3) * np.log(2 / 3))
    np.testing.assert_allclose(middle, (np.log(2) + lower) / 2)


def test_information_is_that_of_counts():
    v = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(mutual_information(v[:, None], v[:, None]), np.log(2))
    half = mutual_information(np.array([[0], [0], [0], [1]]), v[:, None])
    assert half == pytest.approx(np.log(2) - 0.75 * (-(1 / 3) * np.log(1 / 3) - (2 / 3) * np.log(2 / 3)))


def test_chance_information_is_as_large_as_the_docstring_says():
    rng = np.random.default_rng(0)
    found = mutual_information(rng.random((10_000, 1)), rng.integers(0, 40, (10_000, 1)))
    assert found == pytest.approx(19 * 39 / 20_000, rel=0.2)


def test_one_unit_for_both_factors_and_copies():
    everything = (GRID @ [4, 1])[:, None]
    assert mig(everything, GRID) == pytest.approx(1), (
        "a gap to nothing: MIG does not see that a unit serves two factors"
    )
    assert modularity(everything, GRID) == pytest.approx(0, abs=1e-9), "modularity does"
    copies = np.hstack([GRID, GRID])
    assert mig(copies, GRID) == pytest.approx(0) and modularity(copies, GRID) == pytest.approx(1)


def test_categories_have_no_order():
    v = np.array([0, 1, 2] * 4)[:, None]
    code = np.array([0.0, 1.0, 0.0] * 4)[:, None]  # tells the middle level from the others
    assert sap(code, v) == pytest.approx(0) and sap(code, v, categorical=(0,)) == pytest.approx(1)


def three(found):
    return found.disentanglement, found.completeness, found.informativeness


def test_dci_of_known_importances():
    assert concentrations(np.eye(3)[[2, 0, 1]] * [[1], [5], [2]]) == (1, 1)
    assert concentrations(np.ones((4, 2))) == pytest.approx((0, 0))
    copies = np.vstack([np.eye(2), np.eye(2)])
    assert concentrations(copies) == pytest.approx((1, 0.5)), "two units per factor: half of log 4"
    half = concentrations(np.array([[3.0, 0.0], [1.0, 1.0]]))
    assert half[0] == pytest.approx(0.6), "weighted by what units carry"
    assert concentrations(np.array([[1.0], [0.0]])) == (1, 1)


@given(st.integers(0, 9999))
def test_concentrations_keep_to_their_range_and_ignore_order_and_scale(seed):
    rng = np.random.default_rng(seed)
    r = rng.random((4, 3))
    found = concentrations(r)
    assert concentrations(3 * r[rng.permutation(4)][:, rng.permutation(3)]) == pytest.approx(found)
    assert all(0 <= number <= 1 for number in found)


def test_dci_of_factors_of_a_rotation_and_of_another_order():
    factors = GRID.repeat(20, axis=0)
    codes = factors + 0.01 * np.random.default_rng(0).normal(size=factors.shape)
    perfect, turned = dci(codes, factors), dci(codes @ [[1, 1], [1, -1]], factors)
    assert three(perfect) == pytest.approx((1, 1, 1), abs=0.01)
    assert max(three(turned)[:2]) < 0.2 and turned.informativeness > 0.9
    swapped = dci(-3 * codes[:, ::-1], factors)
    assert three(swapped) == pytest.approx((1, 1, 1), abs=0.01)
    assert swapped.importances.argmax(axis=0).tolist() == [1, 0]


@settings(max_examples=1)
@given(st.just(None))
def test_dci_takes_any_classifier_with_importances(_):
    from sklearn.ensemble import GradientBoostingClassifier

    factors = GRID.repeat(10, axis=0)
    found = dci(factors, factors, classifier=GradientBoostingClassifier(n_estimators=5, random_state=0))
    assert three(found) == pytest.approx((1, 1, 1), abs=0.01)


@pytest.mark.parametrize("measure", [*MEASURES, dci])
@pytest.mark.parametrize(
    ("codes", "factors", "says"),
    [
        (GRID, GRID[:5], "codes and factors have 16 and 5 rows; give"),
        (GRID * np.nan, GRID, "codes have a number that is not finite"),
        (GRID[:, :0], GRID, "codes of shape .* have no units"),
        (GRID, GRID[:, 0], r"factors of shape \(16,\) are not \(rows, factors\); reshape"),
        (GRID, GRID * [1, 0], "factor 1 has the same level in every row.*leave it out"),
    ],
)
def test_refusals(measure, codes, factors, says):
    with pytest.raises(ValueError, match=says):
        measure(codes, factors)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mig(GRID, GRID, bins=1), "1 bins tell no values apart; give at least 2"),
        (lambda: modularity(GRID, GRID[:, :1]), "one factor has no others to be told apart from"),
        (lambda: modularity(np.ones((16, 2)), GRID), "no unit says anything about a factor; look for dead units"),
        (lambda: sap(GRID, GRID, categorical=(2,)), "factor 2 does not exist; they are 0 to 1"),
        (
            lambda: dci(GRID[:8], GRID[:8]),
            r"6 of 8 rows to learn from are too few for the default forest, .*; give more",
        ),
        (lambda: dci(np.ones((40, 2)), GRID.repeat(3, axis=0)[:40]), "found no unit that tells levels apart; look for"),
        (lambda: concentrations(-np.eye(2)), "importances are negative or all zero; give"),
    ],
)
def test_refusals_of_one_measure(call, says):
    with pytest.raises(ValueError, match=says):
        call()
