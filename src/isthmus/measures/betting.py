"""Martingales that bet against p-values: evidence that a stream is no longer like its reference, valid at any time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from isthmus.measures.reconstruction import Array

BLOCK, HALF, PRIOR = 32, 512.0, 32.0
STAKE, SLOWLY = 0.5, 64.0
RICH = 1e200
LINES, CURVES = (1.6, -1.6, 0.6, -0.6), (0.9, -0.9)
EVEN = np.arange(17) / 16
TAILS = np.array([0, 1 / 256, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 15 / 16, 63 / 64, 255 / 256, 1])
GRIDS = (EVEN, TAILS)
BETS = len(LINES) + len(CURVES) + len(GRIDS)


class Betting:
    r"""Capital of players who bet against the p-values of several streams; high where these are not uniform.

    A player multiplies what he holds by :math:`f(p)`, a density on [0, 1]: :math:`1 \pm 1.6 (p - 1/2)` and
    :math:`1 \pm 0.6 (p - 1/2)` where values move up or down, :math:`1 \pm 0.9 (6 p^2 - 6 p + 1)` where they spread or
    gather, and two histograms of the past p-values, one of which is fine at both ends, where anything else changes.
    Half of the capital is staked at the first row; of the other half a little with each row, so that a change that
    comes late finds players who have lost nothing. Of uniform p-values the capital S is a martingale that begins with
    1, so that

    .. math:: P(\sup_n S_n \ge 1 / \alpha) \le \alpha

    (Ville, 1939; Vovk, 2021, "Testing randomness online", Statistical Science 36). Histograms are those of blocks of 32
    rows that are over, and forget half of what they hold within 512 rows; so rows may come in parts of any size.

    Args:
        streams: how many there are.
    """

    def __init__(self, streams: int) -> None:
        """Begin with nothing staked."""
        self.rows = 0
        self.capital = np.zeros((streams, BETS))
        self.gain, self.since = np.zeros((streams, BETS)), np.zeros((streams, BETS), np.int64)
        self.known = [np.zeros((streams, len(grid) - 1)) for grid in GRIDS]
        self.new = [np.zeros((streams, len(grid) - 1)) for grid in GRIDS]

    def update(self, p: Array) -> tuple[Array, Array]:
        """Bet against p-values, (rows, streams).

        Returns:
            The capital after each row, (rows, streams), and the number of rows before the change, if there was one: the
            start of the largest sum of log f(p), of all players, that ends with the row (Page, 1954, "Continuous
            inspection schemes").

        >>> rng, betting = np.random.default_rng(0), Betting(1)
        >>> bool(betting.update(rng.random((1000, 1)))[0].max() < 20)
        True
        >>> capital, begun = betting.update(rng.random((200, 1)) ** 2)
        >>> bool(capital.max() > 1000), bool(abs(begun[-1, 0] - 1000) < 50)
        (True, True)
        """
        found, begun, start = np.empty(p.shape), np.empty(p.shape, np.int64), 0
        while start < len(p):
            # Histograms change between rows 32, 64, ... of the stream, wherever its parts end.
            end = min(len(p), start + BLOCK - self.rows % BLOCK)
            found[start:end], begun[start:end] = self._bet(p[start:end])
            start = end
        return found, begun

    def _bet(self, p: Array) -> tuple[Array, Array]:
        """Bet within one block, in which no product of odds is too large for a float."""
        odds, rows = self._odds(p), len(p)
        left = reserve(self.rows + np.arange(rows + 1))
        stakes = ((left[:-1] - left[1:]) / BETS)[:, None, None]
        grown = odds.cumprod(0)
        before = np.concatenate([np.ones_like(grown[:1]), grown[:-1]])
        # Never more than can be held; to give away capital keeps the promise.
        capital = np.minimum(grown * (self.capital + (stakes / before).cumsum(0)), RICH)
        begun = self._begun(np.log(odds))
        self.capital, self.rows = capital[-1], self.rows + rows
        if self.rows % BLOCK == 0:
            keep = 0.5 ** (BLOCK / HALF)
            self.known = [keep * old + new for old, new in zip(self.known, self.new, strict=True)]
            self.new = [np.zeros_like(new) for new in self.new]
        return left[1:, None] + capital.sum(2), begun

    def _begun(self, logs: Array) -> Array:
        """Return where the best player's largest sum began, (rows, streams); sums begin anew when they are below 0."""
        sums = np.concatenate([self.gain[None], self.gain + logs.cumsum(0)])
        least = np.minimum.accumulate(np.concatenate([np.zeros_like(sums[:1]), sums[:-1]]))
        anew = np.where(sums[:-1] <= least[:-1], np.arange(len(logs))[:, None, None], -1)
        place = np.maximum.accumulate(anew)
        since = np.where(place < 0, self.since, self.rows + place)
        gain = sums[1:] - least[1:]
        self.gain, self.since = gain[-1], since[-1]
        best = gain.argmax(2)[:, :, None]
        return np.asarray(np.take_along_axis(since, best, 2)[:, :, 0])

    def _odds(self, p: Array) -> Array:
        """Return what every player multiplies his capital by, (rows, streams, players), and count for histograms."""
        found = [1 + slope * (p - 0.5) for slope in LINES]
        found += [1 + bend * (6 * p * (p - 1) + 1) for bend in CURVES]
        streams = np.arange(p.shape[1])
        for grid, known, new in zip(GRIDS, self.known, self.new, strict=True):
            width = np.diff(grid)
            place = np.searchsorted(grid, p, side="right").clip(1, len(width)) - 1
            density = (known + PRIOR * width) / ((known.sum(1, keepdims=True) + PRIOR) * width)
            found.append(density[streams, place])
            np.add.at(new, (np.broadcast_to(streams, p.shape), place), 1)
        return np.stack(found, 2)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        arrays = {"capital": self.capital, "gain": self.gain, "since": self.since}
        lists = {name: array.tolist() for name, array in arrays.items()}
        return {
            "rows": self.rows,
            **lists,
            "known": [a.tolist() for a in self.known],
            "new": [a.tolist() for a in self.new],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`'s values."""
        made = cls(len(values["capital"]))
        made.rows = int(values["rows"])
        made.capital, made.gain = np.array(values["capital"], float), np.array(values["gain"], float)
        made.since = np.array(values["since"], np.int64)
        made.known = [np.array(a, float) for a in values["known"]]
        made.new = [np.array(a, float) for a in values["new"]]
        return made


def reserve(rows: Array) -> Array:
    """Return the share of capital that is not staked after so many rows: 1, then 1/2 and ever less."""
    late = STAKE / (1 + np.log2(1 + np.maximum(rows - 1, 0) / SLOWLY))
    return np.where(rows == 0, 1.0, late)
