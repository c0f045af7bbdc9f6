"""The members of an anomaly detector, trained at once, and how strange they find each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.arrays import Scaling
from isthmus.estimators.assembly import Parts
from isthmus.estimators.inference import Inference, batch_of, rows_of
from isthmus.estimators.inputs import Array, tensor
from isthmus.estimators.plain import Outputs, outputs_of
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.records import Corrupted, Spec
from isthmus.training.callbacks import Callback

BLOCK, NUMBERS, CACHED, FLOOR, KNEE, GROUPS = 8192, 2**24, 2**17, 0.05, 2.0, 16
PROBE, FILL = 11, 12


@dataclass(frozen=True)
class Recipe:
    """What members are, and how they are asked.

    Attributes:
        denoiser: parts of what is fitted to noise of many levels.
        filler: parts of what is fitted to fill hidden cells.
        levels: noise levels at which rows are read.
        probes: number of noises, and their opposites, that are added to rows at each level; 0 reads clean rows only.
        floor: share of the mean surprise of all columns that is added to that of each.
    """

    denoiser: Parts
    filler: Parts
    levels: tuple[float, ...]
    probes: int
    floor: float = FLOOR


class Members:
    """Denoisers say how strange numbers are, fillers how strange levels, counts and angles are given what is beside.

    A denoiser read at a noise level s expects D(x; s) for the numbers x of a row. Of a number, r = (x - D(x; s))^2 and,
    where there are probes e, q is the mean over them of the distance of x from D(x + s e; s); of anything else, r is
    -log p(x_j) given the rest of the row, by the filler, which is asked for 16 parts of these columns in turn. Means
    over members are divided by those over held-out rows, r' and q', to which 5 % of the mean of all is added, and

        contribution_j = mean_s [ h(sqrt(r_j / r'_j)) + q_j / q'_j ],   h(z) = z^2 / 2, from z = 2 on 2 z - 2,

    so that no single cell counts by its square (Huber, 1964, "Robust estimation of a location parameter"). Levels have
    a probability, and contribute r_j itself: where it is divided, columns that are nearly certain take the blame.

    A level that a member has not met in two of its rows is to it one that was never seen, as one of a row to come may
    be. A row that is held out of the member, and calibrates, would else have levels that are known and impossible, and
    what is met once is as likely as its share of all such (Good, 1953).

    A number beyond all of the fit would move what is expected of the others, where no row has taught a denoiser: D is
    told that it lies at the end of their range, and what is beyond adds to its own distance, min(s, 1) of it.

    Args:
        recipe: parts and levels.
        spec: the variables.
        noises: one for each member.
    """

    def __init__(self, recipe: Recipe, spec: Spec, noises: Sequence[Noise]) -> None:
        """Build every member."""
        self.recipe, self.spec, self.noises = recipe, spec, list(noises)
        self.numbers = np.array([column.kind == "number" for column in spec.columns])
        # What never varied has no probabilities to compare: any other value is measured as a number would be.
        self.discrete = np.array(
            [column.kind in ("category", "binary") and column.levels > 1 for column in spec.columns]
        )
        others = np.flatnonzero(~self.numbers)
        self.hidden = [others[i::GROUPS] for i in range(min(GROUPS, len(others)))]
        # Numbers are denoised among numbers: an odd level would make them odd too, and take the blame from itself.
        self.places = np.flatnonzero(self.numbers)
        columns = tuple(spec.columns[i] for i in self.places)
        words = frozenset({"kinds", "numbers", "continuous"})
        self.plain = replace(spec, shape=(len(columns),), columns=columns, provides=words)
        among = told(self.plain, recipe.denoiser)
        self.denoisers = [recipe.denoiser.build(among, noise) for noise in noises if columns]
        filling = noises if self.hidden else noises[:1]
        self.fillers = [recipe.filler.build(told(spec, recipe.filler), noise.branch(FILL)) for noise in filling]
        # One row per surprise: squares at every level, then probes at every level.
        self.asked = len(recipe.levels) * (2 if recipe.probes else 1)
        self.scales = np.ones((len(noises), self.asked, spec.size))
        self.deviations = np.ones(spec.size)
        self.ends = np.array([[-np.inf], [np.inf]]) * np.ones(spec.size)
        most = max((column.levels for column in spec.columns), default=0) + 1
        self.met = np.ones((len(noises), spec.size, most if self.discrete.any() else 1), dtype=bool)
        self._answer_anew()

    def _answer_anew(self) -> None:
        def answers(objective: Objective) -> Inference:
            size = objective.model.spec.size
            return Inference(objective, Scaling("none", np.zeros(size), np.ones(size)))

        self.reading = [answers(objective) for objective in self.denoisers]
        self.filling = [answers(objective) for objective in self.fillers]

    def fit(
        self, x: Array, fits: Sequence[Array], held: Sequence[Array], callback: Callback | None = None
    ) -> list[Any]:
        """Train every member on its rows of x, and measure surprises on those held out of it; return their loops."""
        loops = self._trained(
            self.recipe.denoiser, self.denoisers, x[:, self.places], self.noises, fits, held, callback
        )
        filling = [noise.branch(FILL) for noise in self.noises]
        loops += self._trained(self.recipe.filler, self.fillers, x, filling, fits, held, callback)
        self._answer_anew()
        among = x[np.unique(np.concatenate(fits))]
        ends = [end(among, axis=0) for end in (np.fmin.reduce, np.fmax.reduce)]
        self.ends = np.where(np.isnan(ends), [[-np.inf], [np.inf]], ends)
        for j in np.flatnonzero(self.discrete):
            for m, own in enumerate(fits):
                levels, there = self.spec.columns[j].levels, x[own, j]
                often = np.bincount(there[~np.isnan(there)].astype(int), minlength=levels)
                self.met[m, j, :levels] = often[:levels] > 1
        for m, own in enumerate(held):
            seen = np.maximum((~np.isnan(x[own])).sum(0), 1)
            self.scales[m] = sum(self.surprises(x[own[part]], (m,))[0].sum(1) for part in self._parts(len(own))) / seen
        return loops

    @staticmethod
    def _trained(
        parts: Parts,
        tasks: Sequence[Objective],
        x: Array,
        noises: Sequence[Noise],
        fits: Sequence[Array],
        held: Sequence[Array],
        callback: Callback | None,
    ) -> list[Any]:
        """Train some objectives at once, each on its rows; those held out choose the weights where the trainer asks."""
        n = len(tasks)
        if not n:
            return []
        whole = rows_of(tasks[0].model.spec, tensor(x.astype(np.float32)))
        rows = [whole.pick(torch.from_numpy(own)) for own in fits[:n]]
        kept = [whole.pick(torch.from_numpy(own)) for own in held[:n]] if parts.trainer.validation else None
        return parts.trainer.fit_many(tasks, rows, noises[:n], held_out=kept, callback=callback)

    def surprises(self, x: Array, which: Sequence[int]) -> Array:
        """Return the surprise of every cell, (members, asked, rows, variables); 0 where a value is missing."""
        found, levels = np.zeros((len(which), self.asked, len(x), self.spec.size)), len(self.recipe.levels)
        for place, m in enumerate(which):
            if len(self.places):
                write = [partial(_into, found[place, i], self.places) for i in range(self.asked)]
                ends = torch.from_numpy(self.ends[:, self.places])
                asked = partial(denoised, self.recipe, self._probes(m), ends, outputs_of(self.denoisers[m]))
                self.reading[m].each(x[:, self.places], asked, write)
                # In float64: in single precision squares end at those of 1.8e19, and a mark may say missing by 1e20.
                np.square(found[place, :levels], out=found[place, :levels])
            if not self.hidden:
                continue
            beside, outputs = self.within(x, m), outputs_of(self.fillers[m])
            for group in self.hidden:
                write = [partial(_into, found[place, :levels], group)]
                self.filling[m].each(beside, partial(filled, group, outputs), write)
        return found

    def within(self, x: Array, m: int) -> Array:
        """Return rows as a member knows them: numbers within the ends of the fit, and the levels that it has met.

        A number further out would blur the others; a level that it has not met is one that was never seen.
        """
        found: Array = np.where(self.numbers, np.clip(x, *self.ends), x)
        for j in np.flatnonzero(self.discrete & ~self.met[m].all(1)):
            levels = self.spec.columns[j].levels
            place = np.nan_to_num(x[:, j], nan=levels).clip(0, levels).astype(int)
            found[:, j] = np.where(np.isnan(x[:, j]) | self.met[m, j, place], x[:, j], levels)
        return found

    def _probes(self, m: int) -> Tensor:
        like = torch.empty(self.recipe.probes, len(self.places))
        return self.noises[m].branch(PROBE).normal(like)

    def contributions(self, x: Array) -> tuple[Array, Array]:
        """Return what each variable adds to a row's score, (rows, variables), and the scores of each member alone."""
        added, alone = np.empty((len(x), self.spec.size)), np.empty((len(self.noises), len(x)))
        for part in self._parts(len(x)):
            added[part], each = self.apart(x[part])
            alone[:, part] = each.sum(2)
        return added, alone

    def _parts(self, rows: int) -> list[slice]:
        """Cut rows into blocks whose surprises fit the memory, however wide they are."""
        most = max(1, min(BLOCK, NUMBERS // (len(self.noises) * self.asked * self.spec.size)))
        return [slice(start, start + most) for start in range(0, rows, most)]

    def apart(self, x: Array) -> tuple[Array, Array]:
        """Return contributions, (rows, variables), and those of each member alone, (members, rows, variables)."""
        found = self.surprises(x, range(len(self.noises)))
        each = [self.flattened(own, scale) for own, scale in zip(found, self.scales, strict=True)]
        return self.flattened(found.mean(0), self.scales.mean(0)), np.stack(each)

    def alone(self, m: int, x: Array) -> Array:
        """Return the contributions that one member sees in the rows that gave it its scales, (rows, variables).

        Each row is measured by the scales of the others, as a row to come will be: among the rows that make it, a mean
        is nearer to each of them than to any other row.
        """
        found, seen = np.empty((len(x), self.spec.size)), (~np.isnan(x)).sum(0)
        for part in self._parts(len(x)):
            surprise = self.surprises(x[part], (m,))[0]
            others = np.maximum(seen - ~np.isnan(x[part]), 1)
            left = np.maximum(self.scales[m][:, None] * np.maximum(seen, 1) - surprise, 0.0) / others
            found[part] = self.flattened(surprise, left)
        return found

    def flattened(self, surprise: Array, scale: Array) -> Array:
        """Return contributions, (rows, variables), from surprises, (asked, rows, variables), and their scales.

        Scales are (asked, variables), or one of these for each row.
        """
        scale = np.broadcast_to(scale[:, None] if scale.ndim == 2 else scale, surprise.shape)
        most = max(1, CACHED // (surprise.shape[0] * surprise.shape[2]))
        parts = [slice(first, first + most) for first in range(0, max(1, surprise.shape[1]), most)]
        return np.concatenate([self._flat(surprise[:, part], scale[:, part]) for part in parts])

    def _flat(self, surprise: Array, scale: Array) -> Array:
        """Do so for rows that fit the cache."""
        typical = scale.sum(-1, keepdims=True, where=~self.discrete) / max(1, (~self.discrete).sum())
        share = surprise / (scale + self.recipe.floor * typical + 1e-12)
        levels = len(self.recipe.levels)
        z = np.sqrt(np.maximum(share[:levels], 0, out=share[:levels]), out=share[:levels])
        found: Array = bent(z).mean(0)
        found = found + share[levels:].mean(0) if self.recipe.probes else found
        return np.where(self.discrete, surprise[0], found)


def bent(z: Array) -> Array:
    """Return h(z) = z^2 / 2, from z = 2 on 2 z - 2; ``z``, from 0 up, is written over."""
    near = np.minimum(z, KNEE)
    found: Array = near * np.subtract(z, near / 2, out=z)
    return found


def told(spec: Spec, parts: Parts) -> Spec:
    """Return the description for a member: whether it is told of missing cells and of noise levels."""
    return replace(spec, missing=spec.missing or parts.hides, level=parts.corruption.level)


def denoised(
    recipe: Recipe, probes: Tensor, ends: Tensor, outputs: Outputs, objective: Objective, x: Tensor
) -> list[Tensor]:
    """Return residuals of numbers at each noise level, then means of absolute ones of noisy copies."""
    inside = x.clamp(*ends.to(x))
    batch, beyond = batch_of(objective.model.spec, inside), (x - inside).nan_to_num(0.0)
    if batch.seen is not None and bool(batch.seen.all()):
        batch = replace(batch, seen=None)  # the same answers, sooner

    def residual(noisy: Tensor, level: float) -> Tensor:
        corrupted = Corrupted(noisy, batch.seen, level=noisy.new_full((noisy.shape[0],), level))
        away = batch.x - outputs(objective, batch, corrupted) + min(level, 1.0) * beyond
        return away if batch.seen is None else away * batch.seen

    clean = [residual(batch.x, level) for level in recipe.levels]
    if not len(probes):
        return clean
    both = [e.to(x) for e in (*probes, *-probes)]
    copies = ([residual(batch.x + level * e, level).abs() for e in both] for level in recipe.levels)
    # Divided first, so that no sum is larger than what single precision holds.
    return [*clean, *((torch.stack(each) / len(both)).sum(0) for each in copies)]


def filled(group: Array, outputs: Outputs, objective: Objective, x: Tensor) -> list[Tensor]:
    """Return -log p of the columns of a group, which are hidden, given the others."""
    batch = batch_of(objective.model.spec, x)
    seen = torch.ones_like(batch.x) if batch.seen is None else batch.seen.clone()
    seen[:, torch.from_numpy(group)] = 0
    output = outputs(objective, batch, Corrupted(batch.x, seen))
    nll = objective.likelihood.nll(output, batch.x, objective.memory_of("likelihood"))
    nll = nll if batch.seen is None else nll * batch.seen
    return [nll[:, torch.from_numpy(group)].clamp_min(0)]


def _into(out: Array, columns: Array, rows: slice, found: Array) -> None:
    out[..., rows, columns] = found
