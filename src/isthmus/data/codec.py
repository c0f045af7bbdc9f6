"""The invertible codec of tables: a frame of any library to one number per variable, and back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Self, cast

import numpy as np

from isthmus.atrow import labelled
from isthmus.data.columns import Codec
from isthmus.data.columns.facts import Facts, refuse_words
from isthmus.data.frames import Frame, framed
from isthmus.data.record import Array
from isthmus.data.restoring import restored
from isthmus.data.schema import Schema, chosen, declared
from isthmus.data.spelled import recognised
from isthmus.data.templates import packed, unpacked
from isthmus.records import Column, Spec


def facts_of(frame: Frame, schema: Schema | None = None) -> dict[str, Facts]:
    """Return what is known of every column of some rows; see :func:`joined` for more rows.

    Raises:
        ValueError: a schema that names a column that is not there, infinite numbers, or lists in cells.
    """
    kinds = declared(frame.names, schema)
    found = {}
    with labelled(frame.native):
        for name, values in frame.columns():
            found[name] = kinds[name].facts(name, values) if name in kinds else Facts.of(name, values)
    return found


def warn_of_names(name: str, rows: int) -> None:
    """Warn of a column that tells rows apart and nothing else."""
    warnings.warn(
        f"column {name!r} has another value in each of {rows:,} rows, as names and counters of rows have: nothing can "
        "be learnt from it, and rows to come are odd in it; drop it, or declare its kind (schema) to keep it in "
        "silence",
        stacklevel=3,
    )


def joined(a: Mapping[str, Facts], b: Mapping[str, Facts]) -> dict[str, Facts]:
    """Return the facts of the rows of both.

    Raises:
        ValueError: other columns, or a column of another type.
    """
    if a.keys() != b.keys():
        raise ValueError(f"some rows have the columns {_listed(tuple(a))}, others {_listed(tuple(b))}; give the same")
    found = {}
    for name, facts in a.items():
        try:
            found[name] = facts.joined(b[name])
        except ValueError as error:
            raise ValueError(f"column {name!r} {error}") from None
    return found


@dataclass(frozen=True, eq=False)
class TableCodec:
    """What every column becomes, and how it comes back.

    Args:
        columns: one codec per column of the table.
        kinds: the name of each column's kind.
        template: the table without rows, in the caller's library: what types come back.

    >>> import pyarrow as pa
    >>> table = pa.table({"age": [38, 50, None, 44], "sex": ["m", "f", "f", "f"]})
    >>> codec = TableCodec.fit(table)
    >>> codec.kinds, codec.encode(table).round(2).tolist()
    (('number', 'binary'), [[-1.22, 1.0], [1.22, 0.0], [nan, 0.0], [0.0, 0.0]])
    >>> codec.decode(codec.encode(table), like=table).equals(table)
    True
    """

    columns: tuple[Codec, ...]
    kinds: tuple[str, ...]
    template: Any

    @classmethod
    def fit(cls, X: Any, schema: Schema | None = None) -> Self:
        """Look at a table's rows and choose what every column becomes.

        Args:
            X: a frame of pandas, polars or pyarrow, or a 2-D array.
            schema: kinds by column, for those that should not be chosen from the rows.

        Raises:
            ValueError: no rows, columns of one name, or a column that its kind cannot hold.
        """
        frame = framed(X)
        schema = recognised(frame, schema)
        return cls.of(facts_of(frame, schema), frame.template(), schema)

    @classmethod
    def of(cls, facts: Mapping[str, Facts], template: Any, schema: Schema | None = None) -> Self:
        """Return the codec of a table whose columns have these facts."""
        from isthmus.catalogue import name_of
        from isthmus.data.columns.level import refuse_many

        said = declared(list(facts), schema)
        kinds = {name: said.get(name) or chosen(known) for name, known in facts.items()}
        refuse_many(kinds, facts)
        for name in (name for name, known in facts.items() if name not in said and known.names_rows):
            warn_of_names(name, facts[name].rows)
        codecs = tuple(kinds[name].codec(name, known) for name, known in facts.items())
        return cls(codecs, tuple(name_of(kind) for kind in kinds.values()), template)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the table's columns."""
        return tuple(codec.name for codec in self.columns)

    @cached_property
    def variables(self) -> tuple[Column, ...]:
        """Every variable of the model, in order."""
        return tuple(variable for codec in self.columns for variable in codec.variables)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where the variables of each column are."""
        ends = np.cumsum([len(codec.variables) for codec in self.columns])
        return tuple(slice(int(end) - len(codec.variables), int(end)) for codec, end in zip(self.columns, ends))  # noqa: B905

    def spec(self, x: Array, *, missing: bool = False, level: float = 0.0) -> Spec:
        """Describe rows of variables as parts see them; ``missing`` says that some are hidden where none is missing."""
        kinds = {variable.kind for variable in self.variables}
        words = {"kinds"} | ({"numbers", "continuous"} if kinds == {"number"} else set())
        missing = missing or bool(np.isnan(x).any())
        return Spec((x.shape[1],), self.variables, missing, len(x), frozenset(words), table=True, level=level)

    def encode(self, X: Any) -> Array:
        """Return the variables of a table, (rows, variables), float64; NaN where a value is missing.

        Raises:
            ValueError: other columns than those of the fit, or values that they cannot hold.
        """
        frame = self._framed(X)
        out = np.empty((frame.rows, len(self.variables)))
        with labelled(frame.native):
            for codec, place, (_, values) in zip(self.columns, self.slices, frame.columns(), strict=True):
                codec.encode(values, out[:, place])
        return out

    def cells(self, X: Any) -> Array:
        """Return the cells of a table, (rows, columns), float64: what a graph of a model reads.

        Numbers and counts are as they are, levels their places, dates seconds since 1970; NaN is a missing one.

        Raises:
            ValueError: other columns than those of the fit, or values that they cannot hold.
        """
        frame = self._framed(X)
        with labelled(frame.native):
            columns = zip(self.columns, frame.columns(), strict=True)
            return np.stack([codec.cells(values) for codec, (_, values) in columns], 1)

    def _framed(self, X: Any) -> Frame:
        frame = framed(X)
        with labelled(frame.native):
            self._refuse_drift(frame)
        return frame

    def decode(self, U: Array, like: Any = None, *, within: bool = False) -> Any:
        """Return the table of variables, with the types of ``like`` (or of the fit's table) and its index.

        Numbers stay ``within`` those of the fit where that is asked: no price is negative where none was.
        """
        U = np.asarray(U, dtype=np.float64)  # in single precision a date is off by minutes
        values = {codec.name: codec.decode(U[:, place]) for codec, place in self._placed()}
        if within:
            values = {codec.name: codec.within(values[codec.name]) for codec in self.columns}
        return restored(values, self.template if like is None else like, len(U))

    def log_slopes(self, U: Array) -> Array:
        """Return log du/dx, (rows, variables): what nats of variables and of the table differ by."""
        out = np.empty(U.shape)
        for codec, place in self._placed():
            out[:, place] = codec.log_slope(U[:, place])
        return np.where(np.isnan(U), 0.0, out)

    def by_column(self, values: Array) -> Array:
        """Add up what the variables of each column have, (rows, columns)."""
        return np.stack([values[:, place].sum(1) for place in self.slices], 1)

    def spreads(self, U: Array, deviations: Array) -> Array:
        """Return how far values deviate, in the table's units, (rows, columns); NaN where they are levels."""
        return np.stack([codec.spread(U[:, place], deviations[place]) for codec, place in self._placed()], 1)

    def described(self) -> list[dict[str, Any]]:
        """Return, for JSON, what it takes to make cells of what a person writes, and back, column by column."""
        pairs = zip(self.columns, self.kinds, strict=True)
        return [{"name": codec.name, "kind": kind} | codec.described() for codec, kind in pairs]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the template's types are an Arrow table's bytes."""
        columns = [{"type": type(codec).__name__, **_plain(vars(codec))} for codec in self.columns]
        return {"columns": columns, "kinds": list(self.kinds), "template": packed(self.template)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a codec from :meth:`to_dict`'s values; its template is of the caller's library where that is here."""
        codecs = tuple(_codec(dict(column)) for column in values["columns"])
        return cls(codecs, tuple(values["kinds"]), unpacked(values["template"]))

    def _placed(self) -> Iterator[tuple[Codec, slice]]:
        return zip(self.columns, self.slices, strict=True)

    def _refuse_drift(self, frame: Frame) -> None:
        """Refuse columns that are not those of the fit.

        Raises:
            ValueError: columns that are missing, new, in another order, or of another type.
        """
        names = self.names
        if frame.named and frame.names != names:
            self._refuse_names(frame.names)
        if len(frame.names) != len(names):
            raise ValueError(f"X has {len(frame.names)} features, but the fit had {len(names)}; give the same ones")
        for codec, kind, (_, values) in zip(self.columns, self.kinds, frame.columns(), strict=True):
            _refuse_type(codec, kind, codec.name, values)

    def _refuse_names(self, given: Sequence[str]) -> NoReturn:
        """Refuse names that are not those of the fit in their order.

        Raises:
            ValueError: always with the first of them.
        """
        names, known, here = self.names, set(self.names), set(given)
        missing = [name for name in names if name not in here]
        extra = [name for name in given if name not in known]
        if missing or extra:
            told = [f"{what} {_listed(which)}" for what, which in (("lacks", missing), ("adds", extra)) if which]
            raise ValueError(f"the table {' and '.join(told)}; give the columns of the fit: {_listed(names)}")
        now, fit = next((now, fit) for now, fit in zip(given, names, strict=True) if now != fit)
        remedy = "give them in its order: X[list(model.feature_names_in_)]"
        raise ValueError(f"the table has {now!r} where the fit had {fit!r}; {remedy}")


def _refuse_type(codec: Codec, kind: str, name: str, values: Any) -> None:
    """Refuse a column of another type than in the fit.

    Raises:
        ValueError: always with both.
    """
    from isthmus.data.columns.facts import type_of

    found, unit = type_of(name, values)
    found = "truth" if unit == "bool" else found
    levels = {type(level) for level in getattr(codec, "levels", ())}
    other = ("truth", "number") if bool in levels else ("number", "level") if levels != {str} else ("level",)
    wanted = {"number": ("number",), "count": ("number",), "date": ("date", "level")}.get(kind, other)
    if found not in (*wanted, "none") and (levels or kind in ("number", "count", "date")):
        if found == "level" and wanted[0] == "number":
            before = f"column {name!r} was numbers in the fit and is text now"
            refuse_words(before, values, "correct it (empty it where it means missing), or fit again")
        words = {"number": "numbers", "level": "text", "date": "dates", "truth": "truth values"}
        remedy = "give it as it was, or fit again"
        raise ValueError(f"column {name!r} was {words[wanted[0]]} in the fit and is {words[found]} now; {remedy}")
    if kind == "date" and found != "none":
        cast("Any", codec).refuse_zone(values)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(repr, names[:8])) + more


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def _codec(values: dict[str, Any]) -> Codec:
    """Rebuild the codec of one column."""
    from isthmus.data.columns.date import DateCodec
    from isthmus.data.columns.level import HashedCodec, LevelCodec
    from isthmus.data.columns.number import CountCodec, NumberCodec

    classes: dict[str, Any] = {c.__name__: c for c in (DateCodec, HashedCodec, LevelCodec, CountCodec, NumberCodec)}
    made = classes[values.pop("type")]
    arrays = {name: np.asarray(values.pop(name), dtype=float) for name in ("knots", "scores") if name in values}
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    codec: Codec = made(**fields, **arrays)
    return codec
