"""Bins, and conformal p-values by their definition."""

import numpy as np
import pytest
from scipy.stats import kstest

from isthmus.measures.urn import Urn, bins_of, edges_of


def by_definition(counts, bins, uniform):
    """Return the p-values of one stream, the rows of the reference written out."""
    past = [b for b, count in enumerate(counts) for _ in range(count)]
    found = []
    for b, u in zip(bins, uniform, strict=True):
        past.append(b)
        found.append((sum(a > b for a in past) + u * sum(a == b for a in past)) / len(past))
    return found


def test_p_values_are_those_of_the_definition_in_parts_of_any_size():
    rng = np.random.default_rng(0)
    counts, bins, uniform = rng.integers(0, 9, (3, 5)), rng.integers(0, 5, (100, 3)), rng.random((100, 3))
    whole = Urn(counts).p_values(bins, uniform)
    for stream in range(3):
        expected = by_definition(counts[stream], bins[:, stream], uniform[:, stream])
        np.testing.assert_allclose(whole[:, stream], expected)
    urn = Urn.from_lists(Urn(counts).to_lists())
    parts = [urn.p_values(bins[a:b], uniform[a:b]) for a, b in ((0, 1), (1, 40), (40, 100))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_p_values_of_streams_like_the_reference_are_uniform_and_independent():
    rng = np.random.default_rng(1)
    odds = np.array([0.6, 0.3, 0.08, 0.02])
    # A stream far longer than its reference: with a reference that stays, these would be far from uniform.
    counts = rng.multinomial(20, odds, size=200)
    p = Urn(counts).p_values(rng.choice(4, (400, 200), p=odds), rng.random((400, 200)))
    assert kstest(p.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(p[:-1].ravel(), p[1:].ravel())[0, 1]) < 0.02
    # Of each stream, too: its mean scatters as a mean of 400 independent numbers does.
    assert np.std(p.mean(0)) == pytest.approx(np.sqrt(1 / 12 / 400), rel=0.2)


def test_bins():
    x = np.array([1.0, 2.0, 2.0, np.nan, 5.0])
    (edges,) = edges_of(x[:, None], np.array([True]))
    np.testing.assert_allclose(edges, [1, 2, 5], atol=1e-5)
    assert (edges > [1, 2, 5]).all()
    assert bins_of(np.array([0.0, 1.5, 5.0, 6.0, np.nan]), edges, ordered=True).tolist() == [0, 1, 2, 3, 4]
    (levels,) = edges_of(np.array([[7.0], [3.0], [3.0]]), np.array([False]))
    assert levels.tolist() == [3, 7]
    assert bins_of(np.array([7.0, 3.0, 4.0, np.nan]), levels, ordered=False).tolist() == [1, 0, 2, 3]


def test_columns_are_looked_at_one_by_one():
    rng = np.random.default_rng(2)
    x, ordered = rng.integers(0, 50, (200, 4)).astype(float), np.array([True, False, True, False])
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 2] = rng.normal(size=200)
    for i, whole in enumerate(edges_of(x, ordered)):
        (alone,) = edges_of(x[:, [i]], ordered[[i]])
        np.testing.assert_array_equal(whole, alone)
        assert np.isin(whole.round(), x[:, i].round()).all()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_column_without_a_value(ordered):
    (edges,) = edges_of(np.full((5, 1), np.nan), np.array([ordered]))
    assert not len(edges)
    assert bins_of(np.array([1.0, np.nan]), edges, ordered=ordered).tolist() == [0, 1]
