"""A model's columns as requests give them: what each holds, how its cells become numbers, and back."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import torch

from isthmus.data.columns import Codec
from isthmus.data.columns.date import LIMITS, DateCodec
from isthmus.data.columns.facts import DAY, GREATEST
from isthmus.data.columns.level import HashedCodec, LevelCodec
from isthmus.data.record import Array
from isthmus.service.refusal import Refused, named, shown

WORDS = {"number": "a number", "text": "text", "truth": "true or false", "date": "a date as text", "any": "a value"}
TYPES: dict[str, frozenset[type]] = {
    "number": frozenset([int, float]),
    "text": frozenset([str]),
    "truth": frozenset([bool]),
    "date": frozenset([str]),
    "any": frozenset([str, int, float, bool]),
}

# The end of a time that says how far it is from UTC.
ZONED = re.compile(r":\d{2}(\.\d+)? ?(Z|[+-]\d{2}(:?\d{2})?)$", re.ASCII)


@dataclass(frozen=True, eq=False)
class Field:
    """One column.

    Args:
        name: of the column.
        told: what ``describe_columns`` says of it.
        codec: of a table's column; None where a number is its own variable.
        nullable: whether a cell may be missing.
    """

    name: str
    told: dict[str, Any]
    codec: Codec | None = None
    nullable: bool = False
    places: dict[Any, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look levels up by a dictionary: Arrow's look-up costs more than all else that is done for a single row."""
        if isinstance(self.codec, LevelCodec):
            self.places.update({level: float(i) for i, level in enumerate(self.codec.levels)})

    @property
    def type(self) -> str:
        """What cells are: number, text, truth, date or any."""
        if self.told["kind"] == "date":
            return "date"
        if not isinstance(self.codec, LevelCodec):
            return "any" if isinstance(self.codec, HashedCodec) else "number"
        kinds = {"number" if type(level) in (int, float) else type(level).__name__ for level in self.codec.levels}
        return (
            {"number": "number", "str": "text", "bool": "truth"}.get(kinds.pop(), "any") if len(kinds) == 1 else "any"
        )

    @property
    def plain(self) -> bool:
        """Whether any number can be a cell, and is what graphs read."""
        return self.type == "number" and self.told["kind"] != "count" and not isinstance(self.codec, LevelCodec)

    @property
    def example(self) -> Any:
        """Return a cell such as rows of the fit have."""
        if "typical" not in self.told:
            return (self.told.get("levels") or [0.0])[0] if self.told["kind"] != "count" else 1
        middle = self.told["typical"][1]
        if isinstance(self.codec, DateCodec):
            return self.written(np.array([middle]))[0]
        return int(middle) if self.told.get("whole") else float(f"{middle:.4g}")

    def read(self, cells: list[Any], out: Array) -> None:
        """Write cells as graphs read them, (rows,): numbers, places of levels, seconds; NaN where one is missing.

        Raises:
            Refused: a cell of another type, without a value where none may be missing, or too great; with its row.
        """
        self.refuse_types(cells)
        try:
            out[:] = self._read(cells)
        except ValueError as error:
            if self.type == "date":
                self._refuse_zone(cells)
            told, column = named(error), f"column {self.name!r}"
            raise Refused(422, told if told.startswith(column) else f"{column} cannot be read: {told}") from None
        except OverflowError:
            remedy = "give numbers less than 1e150"
            raise Refused(422, f"column {self.name!r} holds a number of very many digits; {remedy}") from None

    def _read(self, cells: list[Any]) -> Any:
        if isinstance(self.codec, (LevelCodec, HashedCodec)):
            refuse_great(self.name, cells)
        if isinstance(self.codec, LevelCodec):
            new = float(len(self.places))
            return [math.nan if cell is None else self.places.get(cell, new) for cell in cells]
        if isinstance(self.codec, HashedCodec):
            count = self.codec.buckets
            return [math.nan if cell is None else zlib.crc32(_text(cell).encode()) % count for cell in cells]
        if isinstance(self.codec, DateCodec):
            import pyarrow as pa

            return self.codec.cells(pa.array(cells, pa.string()))
        numbers = np.array(cells, dtype=np.float64)
        self.refuse_cells(numbers, cells)
        return numbers

    def variables(self, cells: Array, out: Array) -> None:
        """Write the variables of cells, (rows, variables), as the codec makes them."""
        if self.codec is None or isinstance(self.codec, HashedCodec):
            out[:, 0] = cells
        elif isinstance(self.codec, LevelCodec):
            known = (cells >= 0) & (cells < len(self.codec.levels)) | np.isnan(cells)
            out[:, 0] = np.where(known, cells, self.codec.variables[0].levels)
        elif isinstance(self.codec, DateCodec):
            out[:] = DateCodec.variables_of([self.codec], torch.from_numpy(cells[:, None].copy()))[:, 0].numpy()
        else:
            self.codec.encode(np.ascontiguousarray(cells), out)

    def refuse_types(self, cells: list[Any]) -> None:
        """Refuse cells of a type that the column has not.

        Raises:
            Refused: with the row of the first.
        """
        allowed = TYPES[self.type]
        if set(map(type, cells)) <= allowed:
            return
        for row, cell in enumerate(cells):
            if type(cell) in allowed or (cell is None and self.nullable):
                continue
            if cell is None:
                raise Refused(422, f"rows[{row}] has null for {self.name!r}, and this model knows no missing cells")
            missing = ", or null where it is missing" if self.nullable else ""
            raise Refused(422, f"rows[{row}] has {shown(cell)} for {self.name!r}; give {WORDS[self.type]}{missing}")

    def _refuse_zone(self, cells: list[Any]) -> None:
        """Refuse a date with a time zone: that of a request is none, or UTC where the fit had one."""
        for row, cell in enumerate(cells):
            if cell is not None and ZONED.search(cell):
                remedy = f"write the time{' in UTC' if getattr(self.codec, 'zone', None) else ''} without one"
                raise Refused(422, f"rows[{row}] has {shown(cell)} for {self.name!r}, with a time zone; {remedy}")

    def refuse_cells(self, cells: Array, given: list[Any] | None = None) -> None:
        """Refuse numbers that stand for no cell of the column: (rows,), NaN where one is missing.

        Raises:
            Refused: with the row of the first.
        """
        here, kind = ~np.isnan(cells), self.told["kind"]
        wrong, wanted = here & (np.abs(cells) > GREATEST), "a number less than 1e150"
        if kind == "date":
            low, high = LIMITS[""]
            wrong, wanted = here & ((cells < low) | (cells > high)), "seconds since 1970 in the years 1 to 9999"
        elif "buckets" in self.told:
            count = self.told["buckets"]
            wrong = here & ((cells < 0) | (cells >= count) | (cells != np.floor(cells)))
            wanted = f"the number of a bucket, 0 to {count - 1}"
        elif "levels" in self.told:
            wrong |= here & (cells != np.floor(cells))
            wanted = f"the place of a level, 0 to {len(self.told['levels'])}"
        elif kind == "count":
            wrong |= here & ((cells < 0) | (cells != np.floor(cells)))
            wanted = "a count, 0, 1, 2 and so on, less than 1e150"
        if not self.nullable:
            wrong = wrong | ~here
        if wrong.any():
            row = int(wrong.argmax())
            held = "null" if np.isnan(cells[row]) else f"{cells[row]:g}" if given is None else shown(given[row])
            raise Refused(422, f"rows[{row}] has {held} for {self.name!r}; give {wanted}")

    def objects(self, cells: Array) -> list[Any]:
        """Return cells as Python has them: numbers, levels, dates; None where one is missing."""
        if isinstance(self.codec, (LevelCodec, HashedCodec)):
            known = self.codec.levels if isinstance(self.codec, LevelCodec) else self.codec.best
            places = np.where(np.isnan(cells), len(known), cells).clip(0, len(known)).astype(int)
            padded = [*known, None]
            return [padded[place] for place in places]
        if not isinstance(self.codec, DateCodec):
            found: list[Any] = listed(cells)
            return found
        times = np.round(np.nan_to_num(cells) * 1e6).astype("datetime64[us]")
        times[np.isnan(cells)] = np.datetime64("NaT")
        objects: list[Any] = times.tolist()
        return objects if not self.told["text"] else self._dates(objects)

    def _dates(self, times: list[Any]) -> list[Any]:
        return [None if time is None else time.strftime(self.told["format"]) for time in times]

    def written(self, cells: Array) -> list[Any]:
        """Return cells as JSON has them; None where one is missing."""
        found = self.objects(cells)
        if isinstance(self.codec, DateCodec) and not self.told["text"]:
            return self._dates(found)
        return [None if cell is None else int(cell) for cell in found] if self.told.get("whole") else found

    def spelled(self, cell: Any) -> Any:
        """Return one of :meth:`objects`, or of a reading, as JSON has it: dates in one form, to the column's step.

        A date that says more than that is written as far as it says something.
        """
        if isinstance(cell, np.datetime64):
            cell = cell.astype("datetime64[us]").item()
        if not isinstance(cell, datetime):
            return cell
        text = cell.isoformat(" ", "microseconds" if self.told["step"] < 1 else "auto")
        return text.removesuffix(" 00:00:00") if self.told["step"] == DAY else text


def refuse_great(name: str, cells: list[Any]) -> None:
    """Refuse numbers that are too great for any column, where they would stand for a level.

    Raises:
        Refused: with the row of the first.
    """
    for row, cell in enumerate(cells):
        if type(cell) in (int, float) and not abs(cell) <= GREATEST:
            raise Refused(422, f"rows[{row}] has {shown(cell)} for {name!r}; give a number less than 1e150")


def _text(cell: Any) -> str:
    """Return a cell as the text that is hashed: a number's is that of a float."""
    return str(cell) if isinstance(cell, (str, bool)) else str(float(cell))


def listed(values: Any) -> Any:
    """Return an array for JSON, which has no NaN.

    >>> listed(np.array([[1.5, np.nan]]))
    [[1.5, None]]
    """
    found: Array = np.asarray(values)
    if found.dtype.kind != "f" or np.isfinite(found).all():
        return found.tolist()
    holed: Any = found.astype(object)
    holed[~np.isfinite(found)] = None
    return holed.tolist()
