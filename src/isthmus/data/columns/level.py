"""Columns of levels: truth values, categories, constants, and text that is hashed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from isthmus.component import count
from isthmus.data.columns import Codec, Kind
from isthmus.data.columns.facts import LIMIT, Facts, plain
from isthmus.data.record import Array
from isthmus.records import Column

COUNTED = 100_000


@dataclass(frozen=True, repr=False)
class Category(Kind):
    """One of some levels without an order; levels that the fit did not see have a place of their own.

    Args:
        width: learn an embedding of so many numbers per level; 0 gives each level an indicator, which is an embedding
            as wide as the first layer.
        limit: most levels that are taken.

    >>> Category(width=8)
    Category(width=8)
    """

    width: int = count(0, low=0)
    limit: int = count(LIMIT, low=2)

    def facts(self, name: str, values: Any) -> Facts:
        """Count so many levels as are taken, of numbers too."""
        return Facts.of(name, values, limit=self.limit)

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec.

        Raises:
            ValueError: too many levels, or a date.
        """
        if facts.type == "date":
            raise ValueError(f"column {name!r} holds dates, which are no category; declare it as date")
        refuse_many({name: self}, {name: facts})
        return LevelCodec(name, *_counted(facts), width=self.width)


def refuse_many(kinds: Mapping[str, Kind], facts: Mapping[str, Facts]) -> None:
    """Refuse categories of more levels than they take, all of them at once.

    Raises:
        ValueError: there are such.
    """
    wide = {name: kind.limit for name, kind in kinds.items() if isinstance(kind, Category) and _wide(facts[name], kind)}
    if not wide:
        return
    names, most = list(wide), " or ".join(map(str, sorted(set(wide.values()))))
    one, out = len(names) == 1, f"X.drop(columns={names})"
    it, told = ("it", f"column {names[0]!r} has") if one else ("them", f"columns {', '.join(map(repr, names))} have")
    hashed = f"hash {'it' if one else 'one'}, as schema={{{names[0]!r}: 'hashed'}}"
    remedy = f"leave {it} out: {out}; or {hashed}; or shorten {it} to what rows have in common"
    raise ValueError(f"{told} more than {most} levels, too many for a category; {remedy}")


def _wide(facts: Facts, kind: Category) -> bool:
    return facts.type != "date" and (facts.levels is None or len(facts.levels) > kind.limit)


@dataclass(frozen=True, repr=False)
class Binary(Kind):
    """One of two levels, such as truth values: one input and one logistic output.

    >>> Binary()
    Binary()
    """

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec.

        Raises:
            ValueError: more than two levels.
        """
        if facts.type == "date" or facts.levels is None or len(facts.levels) > 2:
            raise ValueError(f"column {name!r} is declared as binary, but has more than two levels; declare it anew")
        levels, unseen = _counted(facts)
        return LevelCodec(name, levels, unseen, binary=True)


@dataclass(frozen=True, repr=False)
class Constant(Kind):
    """A single level, or none: kept aside and put back; any other value is a level that was never seen.

    >>> Constant()
    Constant()
    """

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec.

        Raises:
            ValueError: several levels.
        """
        if facts.type == "date" or facts.levels is None or len(facts.levels) > 1:
            raise ValueError(f"column {name!r} is declared as constant, but is not; declare it anew")
        return LevelCodec(name, *_counted(facts))


@dataclass(frozen=True, repr=False)
class Hashed(Kind):
    """Text of very many levels, by a hash into so many buckets; what comes back is a bucket's most frequent text.

    >>> Hashed(buckets=128)
    Hashed(buckets=128)
    """

    buckets: int = count(64, low=2)

    def facts(self, name: str, values: Any) -> Facts:
        """Count levels, of numbers too, so that the most frequent one of a bucket is known."""
        return Facts.of(name, values, limit=COUNTED)

    def codec(self, name: str, facts: Facts) -> Codec:
        """Return the codec; texts are known where they are at most 100,000."""
        known: dict[int, tuple[int, str]] = {}
        for value, times in (facts.levels or {}).items():
            # Whole numbers arrive as floats when they are encoded.
            bucket = _bucket(float(value) if type(value) is int else value, self.buckets)
            known[bucket] = max(known.get(bucket, (0, "")), (times, str(value)))
        best = tuple(known[i][1] if i in known else None for i in range(self.buckets))
        return HashedCodec(name, self.buckets, best)


def _counted(facts: Facts) -> tuple[tuple[Any, ...], float]:
    """Return levels in order, and the chance that the next row has none of them (Good, 1953)."""
    levels = facts.levels or {}
    once = sum(times == 1 for times in levels.values())
    seen = sum(levels.values())
    return tuple(sorted(levels, key=lambda level: (str(type(level)), level))), (once + 1) / (seen + 2)


@dataclass(frozen=True, eq=False)
class LevelCodec(Codec):
    """Levels to their numbers, and back; the number after the last is any level that the fit did not see."""

    levels: tuple[Any, ...] = ()
    unseen: float = 0.5
    width: int = 0
    binary: bool = False

    @property
    def variables(self) -> tuple[Column, ...]:
        """One level."""
        if self.binary:
            return (Column(self.name, "binary", 2, min(self.unseen, 0.5)),)
        return (Column(self.name, "category", max(1, len(self.levels)), min(self.unseen, 0.5), self.width),)

    def encode(self, values: Any, out: Array) -> None:
        """Look levels up."""
        new = self.variables[0].levels
        if isinstance(values, np.ndarray):
            found = np.full(len(values), float(new))
            for i, level in enumerate(self.levels):
                found[values == level] = i
            out[:, 0] = np.where(np.isnan(values.astype(np.float64)), np.nan, found)
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        # Numbers are compared as the fit has counted them.
        values = _floats(plain(values)) if not pa.types.is_dictionary(values.type) else plain(values)
        missing = values.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
        known = _typed(self.levels, values.type) if self.levels else None
        if known is None:
            out[:, 0] = new
        else:
            places = pc.index_in(values, value_set=known)
            out[:, 0] = places.cast(pa.float64()).fill_null(float(new)).to_numpy(zero_copy_only=False)
        out[missing, 0] = np.nan

    def decode(self, U: Array) -> list[Any]:
        """Return levels; None where one is missing or was never seen."""
        known = [*self.levels, None, None]
        numbers = np.where(np.isnan(U[:, 0]), len(self.levels), U[:, 0]).astype(int).clip(0, len(self.levels))
        return [known[i] for i in numbers]

    @classmethod
    def variables_of(cls, codecs: Sequence[Self], cells: Tensor) -> Tensor:
        """Take every place that no level has for a level that was never seen."""
        new = torch.tensor([float(codec.variables[0].levels) for codec in codecs], dtype=torch.float64)
        known = (cells >= 0) & (cells < cls._sizes(codecs))
        return torch.where(known | cells.isnan(), cells, new).unsqueeze(2)

    @classmethod
    def cells_of(cls, codecs: Sequence[Self], variables: Tensor) -> Tensor:
        """Return the place of a level; that behind the last where it was never seen."""
        return torch.minimum(variables[:, :, 0].clamp_min(0), cls._sizes(codecs))

    @staticmethod
    def _sizes(codecs: Sequence[LevelCodec]) -> Tensor:
        return torch.tensor([float(len(codec.levels)) for codec in codecs], dtype=torch.float64)

    def described(self) -> dict[str, Any]:
        """Give the levels, by their place, and the place of all others."""
        return {"levels": list(self.levels), "unseen": self.variables[0].levels}


def _floats(values: Any) -> Any:
    """Return Arrow numbers as float64, and anything else as it is."""
    import pyarrow as pa

    kind = values.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return values.cast(pa.float64(), safe=False) if number else values


def _typed(levels: tuple[Any, ...], kind: Any) -> Any:
    """Return levels in the type of a column; None where they cannot be of it, so that none of them is there."""
    import pyarrow as pa

    try:
        return pa.array(levels).cast(kind)
    except pa.ArrowException:
        return None


@dataclass(frozen=True, eq=False)
class HashedCodec(Codec):
    """Text to the number of a bucket."""

    buckets: int = 64
    best: tuple[str | None, ...] = field(default=())

    @property
    def variables(self) -> tuple[Column, ...]:
        """One level; every bucket is known."""
        return (Column(self.name, "category", self.buckets, 1e-9),)

    def encode(self, values: Any, out: Array) -> None:
        """Hash every distinct text once."""
        listed = values.astype(float).tolist() if isinstance(values, np.ndarray) else _floats(plain(values)).to_pylist()
        known: dict[Any, float] = {None: np.nan}
        for value in listed:
            if value not in known:
                known[value] = np.nan if value != value else float(_bucket(value, self.buckets))
        out[:, 0] = [known[value] for value in listed]

    def decode(self, U: Array) -> list[Any]:
        """Return the most frequent text of each bucket."""
        return [None if np.isnan(u) else self.best[int(u)] for u in U[:, 0]]

    def described(self) -> dict[str, Any]:
        """Say how text is hashed, and give the most frequent text of each bucket as its level."""
        return {"hash": "crc32", "buckets": self.buckets, "levels": list(self.best)}


def _bucket(value: Any, buckets: int) -> int:
    return zlib.crc32(str(value).encode()) % buckets
