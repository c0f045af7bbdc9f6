"""Refusals and hints about one row, which each reader counts in their own way: files from 1, arrays from 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self


class AtRow(Exception):
    """What is said of one row: ``before``, the row, ``after``.

    Whoever knows how the rows are called says so by :meth:`named`: a frame by its labels, the shell by the number of
    the row in its file. Until then it is a position, counted from 0.

    >>> told = RowError("column 'a' is infinite in ", 4, "; leave it out")
    >>> print(told)
    column 'a' is infinite in row 4 (from 0); leave it out
    >>> print(told.later(1000).named("row 1,005"))
    column 'a' is infinite in row 1,005; leave it out
    """

    def __init__(self, before: str, row: int, after: str = "", name: str = "") -> None:
        """Hold the words."""
        super().__init__(before, row, after, name)  # what pickle makes it of again
        self.before, self.row, self.after, self.name = before, int(row), after, name

    def __str__(self) -> str:
        """Say it."""
        return f"{self.before}{self.name or self._called()}{self.after}"

    def _called(self) -> str:
        return called(self.row)

    def named(self, name: str) -> Self:
        """Return the same of a row that is called so."""
        return type(self)(self.before, self.row, self.after, name)

    def later(self, rows: int) -> Self:
        """Return the same where so many rows were before these."""
        return type(self)(self.before, self.row + rows, self.after, self.name)

    def in_file(self) -> str:
        """Say it to somebody who looks at a file, whose first row is row 1."""
        return str(self if self.name else self.named(in_file(self.row)))


class RowError(AtRow, ValueError):
    """A refusal."""


class FileRowError(RowError):
    """A refusal of a row of a file, whose first row is row 1 to everybody."""

    def _called(self) -> str:
        return in_file(self.row)


class RowWarning(AtRow, UserWarning):
    """A hint."""


def called(row: int, labels: Any = None) -> str:
    """Return what a row of an array or a frame is called: by its label where it has one, else by its position."""
    if labels is None:
        return f"row {row} (from 0)"
    label = labels[row]
    return f"row labelled {label!r}" if isinstance(label, str) else f"row labelled {label}"


def in_file(row: int) -> str:
    """Return what a row of a file is called."""
    return f"row {row + 1:,}"


def labels_of(X: Any) -> Any:
    """Return the labels of a data frame's rows; None where they are no more than their positions, or X has none."""
    index = getattr(X, "index", None) if hasattr(X, "columns") else None
    if index is None or not hasattr(index, "tolist"):
        return None
    positions = type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)
    return None if positions else index


@contextmanager
def labelled(X: Any) -> Iterator[None]:
    """Call the row of a refusal by its label in X, where it has such."""
    try:
        yield
    except RowError as error:
        labels = labels_of(X)
        raise (error if labels is None or error.name else error.named(called(error.row, labels))) from None


@contextmanager
def behind(rows: int) -> Iterator[None]:
    """Count the row of a refusal behind so many, which were before its block."""
    try:
        yield
    except RowError as error:
        raise error.later(rows) from None
