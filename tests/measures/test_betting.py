"""Martingales: what is promised of uniform p-values, and what others are worth."""

import json

import numpy as np
import pytest

from isthmus.measures.betting import BETS, Betting, reserve


def test_players_bet_densities():
    """What each multiplies his capital by is 1 on average, whatever came before."""
    betting = Betting(1)
    betting.update(np.random.default_rng(0).beta(0.4, 2, (96, 1)))
    grid = (np.arange(4096) + 0.5) / 4096
    odds = betting._odds(grid[:, None])[:, 0]
    assert odds.shape == (4096, BETS)
    assert (odds > 0).all()
    np.testing.assert_allclose(odds.mean(0), 1, atol=1e-6)


def test_false_alarms_are_as_rare_as_promised():
    capital, _ = Betting(400).update(np.random.default_rng(0).random((2000, 400)))
    for alpha in (0.5, 0.2, 0.05):
        share = (capital.max(0) >= 1 / alpha).mean()
        assert share <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / 400)
    assert (capital.max(0) >= 2).mean() > 0.1  # nor is it that nobody bets


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (lambda p: p**1.6, 400),  # values moved up
        (lambda p: 1 - (1 - p) ** 1.6, 400),
        (lambda p: np.where(p < 0.5, 2 * p**2, 1 - 2 * (1 - p) ** 2), 400),  # they spread
        (lambda p: 0.5 + np.sign(p - 0.5) * np.sqrt(np.abs(p - 0.5) / 2), 400),  # they gather
        (lambda p: np.where(p < 0.08, p / 8, p), 600),  # strange ones
        (lambda p: np.where(p < 0.25, 0.4 + p / 4, p), 600),  # a level in the middle
    ],
)
@pytest.mark.parametrize("change", [0, 1000])
def test_every_kind_of_change_is_found_and_placed(kind, rows, change):
    p = np.random.default_rng(3).random((change + rows, 20))
    p[change:] = kind(p[change:]).clip(0, 1)
    capital, begun = Betting(20).update(p)
    assert (capital[-1] > 100).mean() > 0.9
    assert np.median(np.abs(begun[-1] - change)) < 150


def test_parts_of_any_size_and_a_pause_change_nothing():
    p = np.random.default_rng(0).random((150, 3)) ** 1.2
    capital, begun = Betting(3).update(p)
    betting, found = Betting(3), []
    for a, b in ((0, 1), (1, 31), (31, 33), (33, 150)):
        found.append(betting.update(p[a:b]))
        betting = Betting.from_dict(json.loads(json.dumps(betting.to_dict())))
    np.testing.assert_allclose(np.concatenate([each for each, _ in found]), capital, rtol=1e-9)
    np.testing.assert_array_equal(np.concatenate([each for _, each in found]), begun)


def test_capital_that_is_not_staked():
    left = reserve(np.arange(10_000))
    assert left[:2].tolist() == [1.0, 0.5]
    assert (np.diff(left) < 0).all()
    assert left[-1] > 0.05


def test_enormous_evidence_stays_a_number():
    capital, _ = Betting(1).update(np.full((5000, 1), 1e-9))
    assert np.isfinite(capital).all()
    assert capital[-1] > 1e100
