"""What happened in a fit: one row per epoch, every term by name, for training and held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]


class History:
    """Rows of a fit, oldest first; plain values, ready for JSON.

    A row holds ``phase`` and ``epoch``; ``train`` and ``held_out``: term -> mean per row in nats, and their sum
    ``loss``; ``measured``: what the task measures on held-out rows besides, such as an error rate; ``learning_rate``;
    ``rollbacks``: how often the phase had gone back to the start of an epoch because its loss was not finite;
    ``seconds`` and ``rows_per_second``. Layers that were pretrained one by one are phases before ``fit``.

    >>> history = History([{"epoch": 1, "train": {"reconstruction": 2.0, "loss": 2.0}, "held_out": {}}])
    >>> history.curve("loss")
    [2.0]
    """

    def __init__(self, rows: list[Row] | None = None) -> None:
        """Start from rows, of a checkpoint or a saved model."""
        self.rows = rows if rows is not None else []

    def add(self, row: Row) -> None:
        """Append one epoch."""
        self.rows.append(row)

    def curve(self, term: str = "loss", part: str = "train", phase: str = "fit") -> list[float]:
        """Return a term over epochs, on ``train`` or ``held_out`` rows; epochs that lack it are left out."""
        rows = [row for row in self.rows if row.get("phase", "fit") == phase]
        return [row[part][term] for row in rows if term in row.get(part, {})]

    @property
    def terms(self) -> list[str]:
        """The names of the terms of the last phase, without their sum."""
        return [name for name in (self.rows[-1]["train"] if self.rows else {}) if name != "loss"]

    @property
    def phases(self) -> list[str]:
        """The names of the phases, in their order."""
        return list(dict.fromkeys(row.get("phase", "fit") for row in self.rows))

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """Walk through the epochs."""
        return iter(self.rows)

    def __getitem__(self, index: int) -> Row:
        """Return one epoch."""
        return self.rows[index]

    def __repr__(self) -> str:
        """Say how long it ran and where it ended."""
        if not self.rows:
            return "History(no epochs)"
        last = self.rows[-1]
        part = "held_out" if last["held_out"] else "train"
        return f"History({len(self.rows)} epochs, {part} loss {last[part]['loss']:.4g})"
