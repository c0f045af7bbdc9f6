"""What a unit writes: its atom, what changes without it, and rows along its range."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.explain.activity import Activity, Array, spaced
from isthmus.likelihood.poisson import Poisson

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

# Rows from which a unit is taken away; a thousand numbers per unit are enough for a mean of them.
TRIED = 64
BLOCK = 4096


class Writer:
    """The decoder of a fitted model around the mean code of some rows.

    Args:
        model: a fitted autoencoder.
        codes: (rows, units, places).
        found: what the units do in these rows.
    """

    def __init__(self, model: Autoencoder, codes: Array, found: Activity) -> None:
        """Keep codes, and their mean at every place."""
        self.model, self.codes, self.found = model, codes, found
        self.mean = codes.mean(axis=0)
        self.shape = tuple(model.objective_.model.code_shape)
        self._objective = model.answers.objective(torch.float64)

    def expected(self, codes: Array) -> Array:
        """Return the expected value of every variable, (rows, variables), in the caller's units."""
        return self.model.answers.decode(codes.reshape(len(codes), -1))

    @torch.no_grad()
    def outputs(self, codes: Array) -> Array:
        """Return what the decoder says before the likelihood makes data of it, (rows, outputs)."""
        objective, made = self._objective, []
        place = next((p.device for p in objective.parameters()), torch.device("cpu"))
        for block in torch.from_numpy(codes).split(BLOCK):
            made.append(objective.model.decode(block.reshape(len(block), *self.shape).to(place)).flatten(1).cpu())
        return torch.cat(made).numpy()

    @property
    def linear(self) -> bool:
        """Whether the decoder is linear with an output for each variable, so that its weights are the atoms."""
        size = math.prod(self._objective.model.outputs)
        return "linear decoder" in self.model.parts_.architecture.provides and size == self.model.spec_.size

    @property
    def says_outputs(self) -> bool:
        """Whether atoms are weights of a linear decoder; of a table these are laid out kind by kind, in other units."""
        return self.linear and self.model.form_.table is None

    @property
    def scale(self) -> str:
        """What atoms that are weights are changes of, where their outputs are no values of the data; else nothing."""
        likelihood = self.model.parts_.likelihood
        if not self.says_outputs or "values out" in likelihood.provides:
            return ""
        return "log rate" if isinstance(likelihood, Poisson) else "logit"

    def _moved(self, on: Array, off: Array) -> tuple[Array, Array]:
        """Return the mean code with each unit on and off, at the middle place of a map: (units, units, places) each."""
        units, place = len(on), middle(self.shape)
        high = np.repeat(self.mean[None], units, axis=0)
        low = high.copy()
        index = np.arange(units)
        high[index, index, place], low[index, index, place] = on, off
        return high, low

    def directions(self, on: Array, off: Array) -> Array:
        """Return g(mean, unit on) - g(mean, unit off) before the likelihood, (units, outputs)."""
        high, low = self._moved(on, off)
        return self.outputs(high) - self.outputs(low)

    def atoms(self, on: Array, off: Array, directions: Array) -> Array:
        """Return what each unit writes when it goes on, (units, variables).

        Of a linear decoder these are its weights times (on - off): in the caller's units where its outputs are numbers
        of the data, else in nats of the logit, or of the log rate of counts. Other decoders, and those of tables, are
        followed into the expected data.
        """
        if self.says_outputs:
            return directions if self.scale else directions * self.model.scaling_.factor.ravel()
        high, low = self._moved(on, off)
        return self.expected(high) - self.expected(low)

    def moves(self) -> Array:
        """Return how far g(h) is from g(h without the unit), the mean over rows, (units, variables).

        Without a unit means at its typical value in every place. Rows are up to 64 in which it is active, evenly
        spaced. A level that changes counts as 1.
        """
        level = levels(self.model)
        moved = np.zeros((len(self.found.typical), self.model.spec_.size))
        for unit, typical in enumerate(self.found.typical):
            rows = spaced(np.flatnonzero(self.found.active[:, unit]), TRIED)
            if not len(rows):
                continue
            without = self.codes[rows].copy()
            without[:, unit] = typical
            change = np.abs(self.expected(self.codes[rows]) - self.expected(without))
            moved[unit] = (np.where(level, change != 0, change)).mean(axis=0)
        return moved

    def along(self, unit: int, steps: Array) -> Array:
        """Return the mean code with one unit at each of some steps, (steps, numbers per code).

        A unit of a map moves at all places together.
        """
        codes = np.repeat(self.mean[None], len(steps), axis=0)
        codes[:, unit] += (steps - self.mean[unit].mean())[:, None]
        return codes.reshape(len(steps), -1)


def middle(shape: tuple[int, ...]) -> int:
    """Return the middle place of a code (units, *places), counted through all places; 0 for a code vector."""
    return int(np.ravel_multi_index([size // 2 for size in shape[1:]], shape[1:])) if shape[1:] else 0


def cells(rows: Any) -> Array:
    """Return rows as an array, (rows, columns): numbers, or the objects of a frame."""
    if not hasattr(rows, "columns"):
        made = np.asarray(rows)
        return made.reshape(len(made), -1)
    import narwhals.stable.v2 as nw

    frame = nw.from_native(rows, eager_only=True)
    out = np.empty(frame.shape, dtype=object)
    for place, column in enumerate(frame.iter_columns()):
        out[:, place] = column.to_list()
    return out


def by_column(model: Autoencoder, values: Array) -> Array:
    """Add up what the variables of each column of a table have, (units, columns)."""
    table = model.form_.table
    return values if table is None else table.by_column(values)


def levels(model: Autoencoder) -> Array:
    """Tell of every variable whether it is a level, which has no distance to another, (variables,)."""
    columns = model.spec_.columns
    known = [column.kind in ("category", "binary") for column in columns]
    return np.array(known, bool) if len(known) == model.spec_.size else np.zeros(model.spec_.size, bool)


def spreads(writer: Writer) -> Array:
    """Return the standard deviation of every variable over decoded rows, (variables,); 1 for levels and constants."""
    rows = spaced(np.arange(len(writer.codes)), BLOCK)
    spread = writer.expected(writer.codes[rows]).std(axis=0)
    return np.where((spread > 0) & ~levels(writer.model), spread, 1.0)
