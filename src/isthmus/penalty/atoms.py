"""What some units of a code add to the output of a linear decoder: shared by the penalties of dictionaries."""

from __future__ import annotations

from torch import Tensor

from isthmus.records import Pass, repeated


def spoken(p: Pass, code: Tensor, atoms: Tensor) -> Tensor:
    """Return sum_j h_j d_j of some units, shaped as outputs: what they add, without the bias."""
    said = (code.flatten(1) @ atoms).reshape(len(code), *p.model.outputs)
    beside = p.model.reader.beside(p.corrupted)
    return said if beside is None else repeated(beside[1], p.draws) * said


def half_square(p: Pass, away: Tensor) -> Tensor:
    """Return half the squared length of differences of outputs per row, over the entries that were seen."""
    squared = away.square()
    if p.batch.seen is not None:
        squared = squared * repeated(p.batch.seen, p.draws)
    return squared.flatten(1).sum(1) / 2


def clean(p: Pass) -> Tensor:
    """Return the clean rows, once per draw."""
    return repeated(p.batch.x, p.draws)
