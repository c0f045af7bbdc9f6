"""The stem: what a row of data looks like to the encoder, which sees plain numbers only."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.noise import Noise
from isthmus.records import Batch, Corrupted, Shape, Spec


class Stem(nn.Module):
    """Values as the encoder reads them; where entries may be missing, followed by which of them were seen.

    Numbers stay as they are, and levels become indicators along axis 1. Rows of a noise level s are divided by
    sqrt(1 + s^2) and followed by log s / 4.
    """

    def __init__(self, spec: Spec) -> None:
        """Keep the description."""
        super().__init__()
        self.spec = spec

    @property
    def shown(self) -> int:
        """How many numbers values become, along axis 1."""
        return self.spec.shape[0] * (self.spec.levels or 1)

    @property
    def shape(self) -> Shape:
        """The shape of the encoder's inputs."""
        spec = self.spec
        return (self.shown + (spec.shape[0] if spec.missing else 0) + (spec.level > 0), *spec.shape[1:])

    def reset(self, noise: Noise) -> None:
        """Draw what is learnt: nothing here."""

    def present(self, x: Tensor) -> Tensor:
        """Turn values into numbers."""
        levels = self.spec.levels
        if not levels:
            return x
        hot = F.one_hot(x.long().clamp(0, levels - 1), levels).to(x.dtype if x.is_floating_point() else torch.float32)
        return hot.movedim(-1, 2).flatten(1, 2)

    def show(self, x: Tensor, seen: Tensor | None, shrink: Tensor | None = None) -> Tensor:
        """Return values as numbers, zero where they were not seen; ``shrink`` divides those that are numbers."""
        shown = self.present(x if seen is None else x * seen)
        return shown if shrink is None else shown / shrink

    def forward(self, batch: Batch | Corrupted) -> Tensor:
        """Return the encoder's inputs."""
        x, seen = batch.x, batch.seen
        if not (self.spec.missing or self.spec.level):
            return self.show(x, seen)
        if not self.spec.level:
            return torch.cat([self.show(x, seen), self._flags(x, seen)], 1)
        level = self.level(batch)
        pieces = [self.show(x, seen, (1 + level.square()).sqrt())]
        if self.spec.missing:
            pieces.append(self._flags(x, seen))
        return torch.cat([*pieces, (level.log() / 4).expand(-1, 1, *x.shape[2:])], 1)

    @staticmethod
    def _flags(x: Tensor, seen: Tensor | None) -> Tensor:
        return torch.ones_like(x) if seen is None else seen.to(x.dtype)

    def level(self, batch: Batch | Corrupted) -> Tensor:
        """Return the noise level of every row, (rows, 1, ...): the least where none is known."""
        known: Tensor | None = getattr(batch, "level", None)
        if known is None:
            known = batch.x.new_full((batch.x.shape[0],), self.spec.level)
        return known.reshape(-1, *[1] * (batch.x.dim() - 1))

    def beside(self, corrupted: Batch | Corrupted) -> tuple[Tensor, Tensor] | None:
        """Return what is carried past the code, and the factor of what is decoded; None without noise levels.

        Numbers of a noise level s are carried as x / (1 + s^2), beside s / sqrt(1 + s^2) times what is decoded; where
        one was not seen, all is decoded.
        """
        if not self.spec.level:
            return None
        level = self.level(corrupted)
        values, here = self.numbers(corrupted)
        gain = level / (1 + level.square()).sqrt()
        return values / (1 + level.square()), gain if here is None else torch.where(here > 0, gain, 1.0)

    def numbers(self, batch: Batch | Corrupted) -> tuple[Tensor, Tensor | None]:
        """Return numbers in the places of the outputs that speak of them, and 1 where one was seen; 0 elsewhere.

        None is flags where all outputs speak of numbers that were seen.
        """
        return (batch.x, None) if batch.seen is None else (batch.x * batch.seen, batch.seen)


class TableStem(Stem):
    """Columns of different kinds: numbers, indicators or embeddings of levels, angles as cosine and sine.

    A level that the fit did not see is a row of zeros among its column's indicators, as a missing one is; of two levels
    it is half-way between them.
    """

    def __init__(self, spec: Spec) -> None:
        """Lay the columns out, those of one kind together."""
        super().__init__(spec)
        self.embeddings = nn.ParameterDict()
        for i, ((_, levels, width), columns) in enumerate(spec.groups.items()):
            self.register_buffer(f"columns_{i}", torch.tensor(columns), persistent=False)
            if width:
                self.embeddings[str(i)] = torch.zeros(len(columns), levels + 1, width)

    @property
    def shown(self) -> int:
        """How many numbers values become."""
        return sum(
            len(columns) * {"category": width or levels, "angle": 2}.get(kind, 1)
            for (kind, levels, width), columns in self.spec.groups.items()
        )

    def reset(self, noise: Noise) -> None:
        """Draw embeddings with the length of an indicator on average; that of new levels is zero."""
        with torch.no_grad():
            for table in self.embeddings.values():
                table.copy_(noise.normal(table) / math.sqrt(table.shape[2]))
                table[:, -1] = 0

    def show(self, x: Tensor, seen: Tensor | None, shrink: Tensor | None = None) -> Tensor:
        """Return values as numbers, zero where they were not seen; ``shrink`` divides those that are numbers."""
        pieces = []
        for i, (kind, levels, width) in enumerate(self.spec.groups):
            columns = getattr(self, f"columns_{i}")
            values = x.index_select(1, columns)
            shown = self._shown(kind, values, levels, self.embeddings[str(i)] if width else None)
            if kind == "number" and shrink is not None:
                shown = shown / shrink
            if seen is not None:
                here = seen.index_select(1, columns).to(x.dtype)
                shown = shown * (here if len(shown.shape) == 2 else here.unsqueeze(2))
            pieces.append(shown.flatten(1))
        return torch.cat(pieces, 1)

    def numbers(self, batch: Batch | Corrupted) -> tuple[Tensor, Tensor]:
        """Return numbers in the places of the outputs that speak of them, and 1 where one was seen; 0 elsewhere."""
        flags, values, here = self._flags(batch.x, batch.seen), [], []
        for i, (kind, levels, _) in enumerate(self.spec.groups):
            columns = getattr(self, f"columns_{i}")
            seen = flags.index_select(1, columns)
            if kind != "number":
                seen = torch.zeros_like(seen).repeat_interleave({"category": levels, "angle": 2}.get(kind, 1), 1)
            values.append(batch.x.index_select(1, columns) * seen if kind == "number" else seen)
            here.append(seen)
        return torch.cat(values, 1), torch.cat(here, 1)

    @staticmethod
    def _shown(kind: str, values: Tensor, levels: int, table: Tensor | None) -> Tensor:
        """Return one number per column, or several along axis 2."""
        if kind == "angle":
            return torch.stack([values.cos(), values.sin()], 2)
        if kind == "count":
            return values.clamp_min(0).log1p()
        if kind == "binary":
            return torch.where(values > 1, 0.5, values)
        if kind != "category":
            return values
        level = values.long().clamp(0, levels)
        if table is not None:
            return table[torch.arange(len(table), device=values.device), level]
        return F.one_hot(level, levels + 1)[..., :levels].to(values.dtype)


def stem_of(spec: Spec) -> Stem:
    """Return the stem for data like ``spec``."""
    mixed = spec.table and any(column.kind != "number" for column in spec.columns)
    return TableStem(spec) if mixed else Stem(spec)
