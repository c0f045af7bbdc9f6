"""Rows of requests to a model's cells and variables, and back, without a data frame in between."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from isthmus import export
from isthmus.data.codec import TableCodec
from isthmus.data.columns.facts import GREATEST
from isthmus.data.record import Array
from isthmus.service.fields import Field, listed
from isthmus.service.refusal import Refused, closest, shown

DEEPEST, NUMBERS = 6, frozenset([int, float])


class Columns:
    """The columns of a model.

    Args:
        told: what ``describe_columns`` says of them.
        codec: of a table; None where numbers are their own variables.
        shape: of one row, as the fit had it.
        named: whether the fit had names, so that rows are objects.
        nullable: whether cells may be missing.

    >>> columns = Columns([{"name": "a", "kind": "number"}], None, (1,), named=True, nullable=False)
    >>> columns.of_records([{"a": 2}]).tolist()
    [[2.0]]
    """

    def __init__(
        self,
        told: Sequence[dict[str, Any]],
        codec: TableCodec | None,
        shape: tuple[int, ...],
        named: bool,
        nullable: bool,
    ) -> None:
        """Make a field of every column."""
        codecs: Sequence[Any] = [None] * len(told) if codec is None else codec.columns
        self.fields = [Field(t["name"], t, c, nullable) for t, c in zip(told, codecs, strict=True)]
        self.places = [slice(i, i + 1) for i in range(len(told))] if codec is None else list(codec.slices)
        self.names = [each.name for each in self.fields]
        self.codec, self.shape, self.named, self.nullable = codec, shape, named, nullable
        self.width = self.places[-1].stop
        self._names = set(self.names)
        self._numbers = all(field.plain for field in self.fields)

    def of_records(self, rows: Any) -> Array:
        """Return the cells of rows, (rows, columns) of numbers: objects, or lists where the fit had no names.

        Raises:
            Refused: rows that are none, other columns, or a cell that its column cannot hold.
        """
        if not isinstance(rows, list) or not rows:
            found = "an empty list" if rows == [] else shown(rows)
            raise Refused(422, f"'rows' is {found}; give a list of rows, at least one")
        if not self.named and isinstance(rows[0], list):
            return self._of_lists(rows)
        for place, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != self._names:
                self._refuse_row(place, row)
        plain = numbers([[row[name] for name in self.names] for row in rows]) if self._numbers else None
        if plain is not None:
            return plain
        return self.of_values([[row[name] for row in rows] for name in self.names])

    def of_values(self, columns: Sequence[list[Any]]) -> Array:
        """Return the cells of columns, (rows, columns) of numbers."""
        out = np.empty((len(columns[0]), len(self.fields)))
        for place, (field, cells) in enumerate(zip(self.fields, columns, strict=True)):
            field.read(cells, out[:, place])
        return out

    def variables(self, cells: Array) -> Array:
        """Return the variables of cells, (rows, variables)."""
        if self.codec is None:
            return cells
        out = np.empty((len(cells), self.width))
        for i, (field, place) in enumerate(zip(self.fields, self.places, strict=True)):
            field.variables(cells[:, i], out[:, place])
        return out

    def _refuse_row(self, place: int, row: Any) -> None:
        if not isinstance(row, dict):
            lists = "" if self.named else ", or every row as a list"
            raise Refused(422, f"rows[{place}] is {shown(row)}; give an object with a value for every column{lists}")
        strange = [name for name in row if name not in self._names]
        lacks = [name for name in self.names if name not in row]
        if strange:
            meant = closest(strange[0], lacks or self.names)
            raise Refused(422, f"rows[{place}] has {shown(strange[0])}, which the fit had not; {meant}")
        more = f" and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        missing = ", null where its value is missing" if self.nullable else ""
        raise Refused(422, f"rows[{place}] lacks {lacks[0]!r}{more}; give every column of the fit{missing}")

    def _of_lists(self, rows: list[Any]) -> Array:
        """Return the cells of rows that are lists, nested as the shape of a row or flat."""
        cells = []
        for place, row in enumerate(rows):
            if not isinstance(row, list):
                raise Refused(422, f"rows[{place}] is {shown(row)}, and the first row is a list; give all rows alike")
            flat = flattened(row)
            if len(flat) != len(self.fields) or (flat is not row and not alike(row, self.shape)):
                self._refuse_shape(place, len(flat))
            cells.append(flat)
        if self._numbers and (found := numbers(cells)) is not None:
            return found
        return self.of_values([list(column) for column in zip(*cells, strict=True)])

    def _refuse_shape(self, place: int, count: int) -> None:
        size = " x ".join(map(str, self.shape))
        if count != len(self.fields):
            raise Refused(422, f"rows[{place}] has {count} numbers, and rows of the fit have {size}; give as many")
        raise Refused(
            422, f"rows[{place}] is nested in another way than rows of the fit, {size}; turn it, or give it flat"
        )

    def refuse_cells(self, cells: Array) -> None:
        """Refuse numbers, (rows, columns), that stand for no cells.

        Raises:
            Refused: with the row of the first.
        """
        for i, field in enumerate(self.fields):
            field.refuse_cells(cells[:, i])

    def to_records(self, cells: Array) -> list[dict[str, Any]]:
        """Return cells as objects, one per row."""
        return transposed({field.name: field.written(cells[:, i]) for i, field in enumerate(self.fields)})

    def to_rows(self, cells: Array) -> list[Any]:
        """Return cells as rows were given: objects, or lists in the shape of a row where the fit had no names."""
        if self.named or self.codec is not None:
            return self.to_records(cells)
        rows: list[Any] = listed(cells.reshape(-1, *self.shape))
        return rows

    def record(self, row: Any) -> dict[str, Any]:
        """Return a row that was given as an object."""
        return dict(row) if isinstance(row, dict) else dict(zip(self.names, flattened(row), strict=True))

    def objects(self, cells: Array) -> Array:
        """Return cells as Python has them, (rows, columns): what reasons name."""
        found = np.empty(cells.shape, dtype=object)
        for i, field in enumerate(self.fields):
            found[:, i] = field.objects(cells[:, i])
        return found

    def values(self, given: list[Any], cells: Array) -> Array:
        """Return what was given, (rows, columns) of objects, with levels that the fit did not see; dates as such."""
        found, records = self.objects(cells), [self.record(row) for row in given]
        for i, field in enumerate(self.fields):
            if field.type != "date" or field.told["text"]:
                found[:, i] = [record[field.name] for record in records]
        return found

    def to_cells(self, variables: Array, *, within: bool = False) -> Array:
        """Return variables as the numbers that graphs write, (rows, columns), ``within`` those of the fit if asked."""
        if self.codec is None:
            return variables
        found: Array = export.Columns(self.codec).cells(torch.from_numpy(np.ascontiguousarray(variables))).numpy()
        for i, codec in enumerate(self.codec.columns if within else ()):
            found[:, i] = codec.within(found[:, i])
        return found

    def example(self) -> Any:
        """Return a row such as those of the fit."""
        if self.named or self.codec is not None:
            return {field.name: field.example for field in self.fields}
        rows: Any = np.reshape([field.example for field in self.fields], self.shape).tolist()
        return rows

    @property
    def size(self) -> int:
        """The number of cells of a row."""
        return math.prod(self.shape)


def numbers(rows: list[list[Any]]) -> Array | None:
    """Return rows of complete numbers as an array; None of any others, which are looked at column by column.

    >>> numbers([[1, 2.5]]), numbers([[1, None]])
    (array([[1. , 2.5]]), None)
    """
    if not set(map(type, itertools.chain.from_iterable(rows))) <= NUMBERS:
        return None
    try:
        found = np.array(rows, dtype=np.float64)
    except OverflowError:
        return None
    return found if np.abs(found).max() <= GREATEST else None


def flattened(row: Any) -> list[Any]:
    """Return the innermost values of nested lists, of those nested too deeply for any row as they are."""
    if not isinstance(row, list):
        return [row]
    found: list[Any] = row
    for _ in range(DEEPEST):
        if list not in map(type, found):
            break
        found = [inner for item in found for inner in (item if isinstance(item, list) else [item])]
    return found


def alike(row: list[Any], shape: tuple[int, ...]) -> bool:
    """Say whether lists are nested as a shape, whose axes of length one may be left out or put in.

    >>> alike([[1, 2], [3, 4]], (1, 2, 2)), alike([[1, 2, 3], [4]], (2, 2)), alike([[1, 2]], (2, 1))
    (True, False, True)
    """
    found, axes = row, [len(row)]
    while {*map(type, found)} == {list}:
        if len({*map(len, found)}) > 1:
            return False
        axes.append(len(found[0]))
        found = [inner for item in found for inner in item]
    return list not in map(type, found) and [n for n in axes if n > 1] == [n for n in shape if n > 1]


def transposed(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return columns as objects, one per row."""
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
