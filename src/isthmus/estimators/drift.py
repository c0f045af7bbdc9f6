"""Which columns have moved since a fit: evidence that grows with every row, and what is said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.estimators.moved import described
from isthmus.estimators.reference import Reference
from isthmus.measures.betting import Betting
from isthmus.measures.urn import Urn

RECENT = 256
SCORE = {"name": "score", "kind": "score"}


@dataclass(frozen=True)
class Moved:
    """A column, or the score of the rows, that is no longer as it was.

    Attributes:
        column: its name; None of the score.
        since: about the number of the first row that is of the new kind, from 1.
        noticed: the number of the row at which it was named.
        evidence: the capital of the players that bet against it, now.
        change: from what to what, in the column's own unit.
    """

    column: str | None
    since: int
    noticed: int
    evidence: float
    change: str

    @property
    def text(self) -> str:
        """Say it in one line."""
        what = "the score of the rows" if self.column is None else self.column
        return f"{what}: {self.change}; since about row {self.since:,}, noticed at row {self.noticed:,}"


@dataclass(frozen=True)
class Drift:
    """What rows looked like, compared with those of the fit.

    Attributes:
        rows: how many were compared.
        watched: how many columns were, and whether the score was.
        alpha: the chance that anything at all is named, ever, where nothing moved.
        moved: what has moved, the strongest evidence first.
        evidence: by column, and ``score``: 1 is none.
    """

    rows: int
    watched: int
    scored: bool
    alpha: float
    moved: tuple[Moved, ...]
    evidence: dict[str, float]

    def __bool__(self) -> bool:
        """Say whether anything moved."""
        return bool(self.moved)

    @property
    def text(self) -> str:
        """Say it in a few lines."""
        what = f"{self.watched:,} column{'' if self.watched == 1 else 's'}" if self.watched else ""
        what = " and ".join([one for one in (what, "the score of rows" if self.scored else "") if one])
        count = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        if not self.moved:
            return f"{count}, nothing has moved among {what} (a false alarm has a chance of {100 * self.alpha:g} %)"
        told = [f"{count}, {len(self.moved)} moved among {what} (a false alarm has a chance of {100 * self.alpha:g} %)"]
        return "\n".join([*told, *(f"  {one.text}" for one in self.moved)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self) | {"drift": bool(self), "moved": [asdict(m) | {"text": m.text} for m in self.moved]}


class Watch:
    """Streams that are compared with their reference, row by row.

    A stream is named when the capital against it exceeds the number of streams over ``alpha``, and stays named: where
    nothing moved, anything is named with a chance of at most ``alpha``, at whatever time one looks. So the share of
    false names among all is at most ``alpha`` on average, too.

    Args:
        reference: how the streams were.
        told: what is known of each, as ``describe_columns`` says it; ``SCORE`` of the score.
        alpha: the chance of a false alarm.
        seed: of the numbers that break ties.
    """

    def __init__(self, reference: Reference, told: Sequence[Mapping[str, Any]], alpha: float, seed: int = 0) -> None:
        """Begin with no row."""
        self.reference, self.told, self.alpha, self.seed = reference, list(told), alpha, seed
        streams = len(reference)
        self.urn, self.betting = Urn(reference.counts), Betting(streams)
        self.capital = np.ones(streams)
        self.noticed, self.since = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self.recent = np.empty((0, streams))

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return self.betting.rows

    def update(self, values: Array) -> None:
        """Compare more rows, (rows, streams); in parts of any size, answers are the same."""
        if not len(values):
            return
        before = self.rows
        # The generator is where it would be after all rows before, whoever compared them.
        uniform = np.random.Generator(np.random.PCG64(self.seed).advance(before * len(self.reference)))
        bins = self.reference.bins(values)
        p = self.urn.p_values(bins, np.asarray(uniform.random(bins.shape)))
        found, begun = self.betting.update(p)
        self.capital = found[-1]
        over = found >= len(self.reference) / self.alpha
        new = over.any(0) & (self.noticed == 0)
        first = over.argmax(0)[new]
        self.noticed[new], self.since[new] = before + first + 1, begun[first, np.flatnonzero(new)] + 1
        self.recent = np.concatenate([self.recent, values])[-RECENT:]

    def report(self) -> Drift:
        """Say what has moved so far."""
        names = [told["name"] for told in self.told]
        order = [i for i in np.argsort(-self.capital, kind="stable") if self.noticed[i]]
        moved = tuple(self._moved(int(i)) for i in order)
        scored = [told["kind"] for told in self.told].count("score")
        evidence = {name: float(capital) for name, capital in zip(names, self.capital, strict=True)}
        return Drift(self.rows, len(names) - scored, bool(scored), self.alpha, moved, evidence)

    def _moved(self, i: int) -> Moved:
        told, since = self.told[i], int(self.since[i])
        now = self.recent[max(0, len(self.recent) - (self.rows - since + 1)) :, i]
        change = described(told, self.reference, i, now)
        column = None if told["kind"] == "score" else str(told["name"])
        return Moved(column, since, int(self.noticed[i]), float(self.capital[i]), change)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        recent = [[None if v != v else v for v in row] for row in self.recent.tolist()]
        marks = {name: getattr(self, name).tolist() for name in ("capital", "noticed", "since")}
        settings = {"fit": self._fit(), "alpha": self.alpha, "seed": self.seed}
        return settings | {"urn": self.urn.to_lists(), "betting": self.betting.to_dict(), "recent": recent} | marks

    def _refuse_other_shapes(self) -> None:
        """Refuse what was read where it does not fit the reference.

        Raises:
            ValueError: it has other streams, bins or players.
        """
        fresh, streams = Betting(len(self.reference)), (len(self.reference),)
        now = [*vars(self.betting).values(), self.urn.counts, self.capital, self.noticed, self.since]
        own = [*vars(fresh).values(), self.reference.counts, *(np.empty(streams) for _ in range(3))]
        shapes = [
            [[np.shape(a) for a in one] if isinstance(one, list) else np.shape(one) for one in all]
            for all in (now, own)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError("some of its numbers are too few or too many")

    def _fit(self) -> str:
        """Return a digest of what rows are compared with."""
        digest = hashlib.sha256(repr([told["name"] for told in self.told]).encode())
        for array in self.reference.to_arrays("").values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def resumed(self, state: Mapping[str, Any]) -> Self:
        """Go on from :meth:`to_dict`'s values.

        Raises:
            ValueError: they are of another model, of other columns, or damaged.
        """
        if state.get("fit") != self._fit():
            raise ValueError("the state is of another model or of other columns; begin a new one")
        try:
            self.alpha, self.seed = float(state["alpha"]), int(state["seed"])
            self.urn, self.betting = Urn.from_lists(state["urn"]), Betting.from_dict(state["betting"])
            self.capital = np.array(state["capital"], float)
            self.noticed, self.since = (np.array(state[name], np.int64) for name in ("noticed", "since"))
            self.recent = np.array(state["recent"], float).reshape(-1, len(self.reference))
            self._refuse_other_shapes()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the state is damaged ({type(error).__name__}: {error}); begin a new one") from None
        return self
