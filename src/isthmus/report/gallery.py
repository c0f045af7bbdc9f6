"""The gallery of concepts: the passport of every unit."""

from __future__ import annotations

import numpy as np

from isthmus.data.record import unlabelled
from isthmus.explain import Passport, Passports, passports
from isthmus.explain.activity import BANDS
from isthmus.report.contract import Band, Concept, Concepts, Label, Near
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown

ROWS, MOST, EXAMPLES, CONTRAST, LABELS = 20_000, 512, 6, 6, 5


class GalleryWriter:
    """Issues passports on the rows, or on a sample of very many."""

    def __init__(self, found: Given) -> None:
        """Issue them."""
        rows = len(found)
        self.found = found
        self.some = np.arange(rows) if rows <= ROWS else np.sort(np.random.default_rng(0).permutation(rows)[:ROWS])
        y = None if found.y is None or not _labels(found.y) else found.y[self.some]
        self.book: Passports = passports(found.autoencoder, found.some(self.some), y, examples=EXAMPLES)
        # A dictionary of thousands: the liveliest first, as many as a page holds.
        self.units = sorted(self.book.order()[:MOST])
        self.cards = [self.book[unit] for unit in self.units]

    @property
    def wanted(self) -> Array:
        """The rows that are examples of a concept."""
        rows = [some for card in self.cards for some in (*card.bands, card.contrast[:CONTRAST])]
        return self.some[np.unique(np.concatenate(rows).astype(int))] if rows else np.empty(0, int)

    def write(self, shown: Shown, blobs: Blobs) -> Concepts:
        """Return the section."""
        traversal = np.stack([self.found.cells_of_objects(np.asarray(card.traversal)) for card in self.cards])
        return Concepts(
            concepts=[self._concept(card, shown) for card in self.cards],
            atoms=blobs.single("concepts/atoms", np.stack([card.atom for card in self.cards])),
            atom_unit=self.cards[0].atom_units,
            where=blobs.single("concepts/where", np.stack([card.where for card in self.cards])),
            steps=blobs.single("concepts/steps", np.stack([card.steps for card in self.cards])),
            traversal=blobs.looked_at("concepts/traversal", traversal, self.found.kind),
        )

    def _concept(self, card: Passport, shown: Shown) -> Concept:
        return Concept(
            unit=card.unit,
            name=card.name,
            rate=card.rate,
            quantiles=[float(value) for value in card.range],
            bands=self._bands(card, shown),
            contrast=shown.place(self.some[card.contrast[:CONTRAST]]),
            labels=[
                Label(lift.brief.split(" ×")[0], lift.lift, lift.low, lift.high, lift.precision, lift.recall)
                for lift in card.lifted[:LABELS]
            ],
            nearest=[Near(near.unit, near.cosine, near.correlation) for near in card.nearest],
            flags=list(card.flags),
            stability=None if card.stability is None else card.stability[0],
            sentence=sentence(card),
        )

    def _bands(self, card: Passport, shown: Shown) -> list[Band]:
        """Return examples from every quarter of a unit's values, strongest first."""
        values = self.book.activity.values[:, card.unit]
        made = []
        for name, rows in reversed(list(zip(BANDS, card.bands, strict=True))):
            if len(rows):
                ends = float(values[rows].min()), float(values[rows].max())
                made.append(Band(name, *ends, shown.place(self.some[rows])))
        return made


def sentence(card: Passport) -> str:
    """Say in one sentence when a concept speaks, what it goes with and what it moves."""
    if card.dead:
        return "It is never active on these rows, so it means nothing here."
    said = [f"It is active in {100 * card.rate:.3g} % of the rows"]
    if card.lifted:
        lift = card.lifted[0]
        side = " (when it is low)" if lift.side == "below" else ""
        said.append(f"most of all where the label is {lift.label}{side}, {lift.lift:.2g} times as often as chance")
    elif card.lifts:
        said.append("and goes with no label beyond chance")
    text = ", ".join(said) + "."
    if len(card.shape) == 1 and card.movers():
        text += f" It mostly moves {', '.join(name for name, _ in card.movers())}."
    return text


def _labels(y: Array) -> bool:
    """Say whether what rows are labelled with are labels, as passports count them."""
    if unlabelled(y).any():
        return False
    distinct = np.unique(y)
    return len(distinct) <= 100 and (y.dtype.kind != "f" or bool((distinct == distinct.round()).all()))
