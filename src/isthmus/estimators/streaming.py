"""Streams as X: looked at in one pass before a fit, and answered block by block after it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np

from isthmus.atrow import behind, labelled
from isthmus.data.arrays import Moments, Scaling
from isthmus.data.shuffle import PIECE, Shuffled
from isthmus.data.streams import SHARE, Stream, drawn, stream
from isthmus.data.tables import named
from isthmus.estimators import assembly
from isthmus.estimators.inputs import Array
from isthmus.likelihood import Likelihood
from isthmus.records import Shape

Method = TypeVar("Method", bound=Callable[..., Any])


def opened(X: Any, sample_weight: Any = None, schema: Any = None) -> Any:
    """Return what a fit works on: a stream that was looked at, or rows in memory, also those that fit into one window.

    An array that is mapped from a file and exceeds a window is a stream.

    Raises:
        ValueError: row weights or a schema beside a stream, or numbers in it that are not finite.
    """
    found = _streamed(X)
    if not isinstance(found, Stream):
        return X
    if sample_weight is not None:
        raise ValueError(
            "sample_weight is for rows in memory, and X is streamed; leave it out, or read X first (np.array)"
        )
    if schema is not None and len(found) > found.window:
        raise ValueError(
            "a schema is for tables in memory, and X is streamed; leave it out, or read X first (X.sample(), a frame)"
        )
    return named(found.take(np.arange(len(found))), found.names) if len(found) <= found.window else Looked(found)


def _streamed(X: Any) -> Any:
    if isinstance(X, np.memmap) and X.ndim > 1 and X.size and X.dtype.kind in "biuf":
        found = stream(X)
        return found if len(found) > found.window else X
    return X


class Looked:
    """A stream after one pass over all of its rows: their moments, and some rows that stand for them.

    What a user left open is chosen by these: a quarter of a window drawn at random, and at their end the rows with the
    least and the greatest number (:attr:`extremes` of them).
    """

    extremes = 2

    def __init__(self, found: Stream) -> None:
        """Pass over the rows.

        Raises:
            ValueError: a number that is not finite.
        """
        self.stream = found
        least, greatest, at = np.inf, -np.inf, 0
        ends: list[Array] = [np.empty(0), np.empty(0)]
        moments: Moments | None = None
        places = drawn(len(found), found.window // SHARE)
        # Many small pieces would leave holes in the heap, which stay with the process.
        sample = np.empty((len(places) + self.extremes, *found.shape), found.dtype)
        for block in found:
            here = slice(*np.searchsorted(places, (at, at + len(block))))
            sample[here] = block[places[here] - at]
            for rows in _pieces(block.reshape(len(block), -1)):
                these = Moments.of(rows)
                self._refuse_holes(rows, these, at)
                at += len(rows)
                if (low := these.low.min()) < least:
                    least, ends[0] = low, rows[int(rows.min(1).argmin())].copy()
                if (high := these.high.max()) > greatest:
                    greatest, ends[1] = high, rows[int(rows.max(1).argmax())].copy()
                moments = these if moments is None else moments.joined(these)
        assert moments is not None  # a stream has rows
        self.moments = moments
        sample[-self.extremes :] = np.stack(ends).reshape(-1, *found.shape)
        self.sample = named(sample, found.names)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.stream)

    def _refuse_holes(self, rows: Array, here: Moments, at: int) -> None:
        if np.isfinite(here.mean).all():
            return
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, column = bad[0]
            kind = "missing (NaN)" if np.isnan(rows[row, column]) else "infinite"
            name = column if self.stream.names is None else self.stream.names[column]
            raise ValueError(
                f"column {str(name)!r} is {kind} in {self.stream.where(at + int(row))}; fill in or leave out such rows"
            )

    def refuse_unsupported(self, likelihood: Likelihood) -> None:
        """Pass over the rows again where the likelihood does not take every number.

        Raises:
            ValueError: an entry outside the support.
        """
        if type(likelihood).supports is Likelihood.supports:
            return
        at = 0
        for block in self.stream:
            for rows in _pieces(block.reshape(len(block), -1)):
                assembly.refuse_unsupported(rows, likelihood, self.stream.names, where=partial(self._where, at))
                at += len(rows)

    def _where(self, first: int, row: int) -> str:
        return self.stream.where(first + row)

    def scaling(self, mode: str) -> Scaling:
        """Return the scaling of all rows."""
        return Scaling.of(mode, self.moments.mean, self.moments.variance, self.stream.dtype)

    def rows(self, scaling: Scaling, shape: Shape) -> Shuffled:
        """Return the rows of a fit, scaled and shaped as the model sees them."""
        return Shuffled(self.stream, scaling.forward, shape)


def _pieces(rows: Array) -> list[Array]:
    """Cut rows into pieces that stay in the processor's cache."""
    step = max(1, PIECE // (rows.shape[1] * rows.itemsize))
    return [rows[i : i + step] for i in range(0, len(rows), step)]


def by_blocks(answer: Method) -> Method:
    """Let a method that answers row by row take a stream too: its answers, an array, have to fit into memory."""

    @wraps(answer)
    def answered(self: Any, X: Any) -> Any:
        found = _streamed(X)
        if not isinstance(found, Stream):
            with labelled(X):
                return answer(self, X)
        done, answers = 0, np.empty(0)
        for block in found:
            with behind(done):
                here = np.asarray(answer(self, named(block, found.names)))
            if done == 0:
                answers = np.empty((len(found), *here.shape[1:]), here.dtype)
            answers[done : done + len(here)] = here
            done += len(here)
        return answers

    return cast("Method", answered)
