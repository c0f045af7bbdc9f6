"""An anomaly detector as one graph: everything that is asked of a member at once is one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.export.cells import Cells
from isthmus.export.graphs import batch_of
from isthmus.objective import Objective
from isthmus.records import Batch, Corrupted

KNEE, TIE = 2.0, 3e-6


class Denoiser(nn.Module):
    """How far numbers are from what a member expects: squared at every noise level, then of noisy copies on average.

    Args:
        objective: the member.
        levels: noise levels.
        probes: (probes, numbers): noises that are added, and their opposites.
        ends: (2, numbers): least and greatest of the fit; what is beyond is not told to the member.
    """

    offsets: Tensor
    each: Tensor
    ends: Tensor

    def __init__(self, objective: Objective, levels: Sequence[float], probes: Tensor, ends: Tensor) -> None:
        """Lay out the copies: one without a noise for each level, and then all noises for each level."""
        super().__init__()
        self.objective, self.count, self.noises = objective, len(levels), 2 * len(probes)
        steps = torch.tensor(levels, dtype=torch.float32)
        both = torch.cat([probes, -probes]).float()
        noisy = (steps.reshape(-1, 1, 1) * both).flatten(0, 1)
        self.register_buffer("offsets", torch.cat([torch.zeros(len(steps), probes.shape[1]), noisy]))
        self.register_buffer("each", torch.cat([steps, steps.repeat_interleave(self.noises)]))
        self.register_buffer("ends", ends.float())

    def forward(self, x: Tensor) -> Tensor:
        """Return surprises, (asked, rows, numbers); 0 where a number is missing."""
        inside = clipped(x, self.ends)
        batch, copies = batch_of(self.objective.model.spec, inside), self.offsets.shape[0]
        beyond = torch.where(x.isnan(), 0.0, x - inside)
        rows, seen = repeated(batch, copies)
        noisy = (batch.x.unsqueeze(0) + self.offsets.unsqueeze(1)).flatten(0, 1)
        level = self.each.unsqueeze(1).expand(-1, x.shape[0]).flatten()
        p = self.objective.model.forward(Batch(rows, seen), Corrupted(noisy, seen, level=level))
        away = rows - p.output + level.clamp_max(1.0).unsqueeze(1) * beyond.repeat(copies, 1)
        away = (away * seen).reshape(copies, -1, x.shape[1])
        clean = away[: self.count].square()
        if not self.noises:
            return clean
        return torch.cat([clean, away[self.count :].abs().unflatten(0, (self.count, self.noises)).mean(1)])


class Filler(nn.Module):
    """What a member says of variables that it does not see, given the others.

    Args:
        objective: the member.
        met: (variables, levels): whether the member has met a level; others are to it as one that was never seen.
    """

    met: Tensor
    levels: Tensor

    def __init__(self, objective: Objective, met: Tensor) -> None:
        """Hold the member, and of which columns levels are looked up."""
        super().__init__()
        self.objective = objective
        columns = objective.model.spec.columns
        some = [j for j, column in enumerate(columns) if column.levels > 1 and not bool(met[j].all())]
        self.some = some
        self.register_buffer("met", met[some].float())
        self.register_buffer("levels", torch.tensor([float(columns[j].levels) for j in some]))

    def forward(self, x: Tensor, surprised: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
        """Return -log p and what is expected, (rows, variables) both, where each group in turn is hidden.

        Args:
            x: variables.
            surprised: (groups, variables): the groups of which -log p is asked.
            expected: (groups, variables): those of which an expectation is.
        """
        hidden, first = torch.cat([surprised, expected]), len(surprised)
        rows, seen = repeated(batch_of(self.objective.model.spec, self._known(x)), len(hidden))
        here = seen.reshape(len(hidden), -1, x.shape[1]) * (~hidden).unsqueeze(1)
        p = self.objective.model.forward(Batch(rows, seen), Corrupted(rows, here.flatten(0, 1)))
        mean = self.objective.likelihood.mean(p.output, self.objective.memory_of("likelihood"))
        nll, mean = (t.reshape(len(hidden), -1, x.shape[1]) for t in (self.objective.nll(p).clamp_min(0), mean))
        return of_hidden(nll[:first], surprised), of_hidden(mean[first:], expected)

    def _known(self, x: Tensor) -> Tensor:
        """Return variables with levels that the member has met, or the place of all others."""
        if not self.some:
            return x
        own = x[:, self.some]
        place = torch.where(own.isnan(), self.levels, own).clamp_min(0).minimum(self.levels).long()
        known = torch.where(own.isnan() | (self.met.gather(1, place.T).T > 0), own, self.levels)
        pieces = list(x.unbind(1))
        for i, j in enumerate(self.some):
            pieces[j] = known[:, i]
        return torch.stack(pieces, 1)


def of_hidden(values: Tensor, hidden: Tensor) -> Tensor:
    """Return of (groups, rows, variables) what each group says of its own variables."""
    return torch.where(hidden.unsqueeze(1), values, 0.0).sum(0)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a detector knows by numbers alone, in float64.

    Attributes:
        scales: (members, asked, variables): mean surprises of rows held out.
        levels: number of noise levels, the first that are asked.
        floor: share of the mean over variables that is added to each.
        ends: (2, variables): least and greatest number of the fit.
        free: (variables,): what has no order, so that no end counts.
        spread: (variables,): half the range in which nine of ten values lie.
        numbers: (variables,): which are numbers.
        discrete: (variables,): which are levels, whose -log p counts as it is.
        groups: (groups, variables): what is hidden at once where surprises are asked; none where all are numbers.
        columns: (groups, variables): what is hidden at once where expectations are.
        ordered: (columns,): whether a column has a range.
        calibration: by fold, or one for all: scores of rows that calibrate.
    """

    scales: Tensor
    levels: int
    floor: float
    ends: Tensor
    free: Tensor
    spread: Tensor
    numbers: Tensor
    discrete: Tensor
    groups: Tensor
    columns: Tensor
    ordered: Tensor
    calibration: tuple[Tensor, ...]


class Detector(nn.Module):
    """Rows to how strange they are, which columns say so, and what was expected there.

    Args:
        cells: from the caller's cells to variables and back.
        denoisers: of the numbers, one for each member; none where there are no numbers.
        fillers: of all variables, one for each member, or one where all are numbers.
        measured: everything else.
    """

    def __init__(
        self, cells: Cells, denoisers: Sequence[Denoiser], fillers: Sequence[Filler], measured: Measured
    ) -> None:
        """Hold the members."""
        super().__init__()
        self.cells, self.known = cells, measured
        self.denoisers, self.fillers = nn.ModuleList(denoisers), nn.ModuleList(fillers)
        self.places = measured.numbers.nonzero()[:, 0]
        others = (~measured.numbers).nonzero()[:, 0]
        self.others, self.order = others, torch.cat([self.places, others]).argsort()

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return scores, what columns add to them, p-values, expected cells and their ranges."""
        variables = self.cells.variables(rows)
        inside = self._within(variables)
        filled = [filler(inside, self.known.groups, self.known.columns) for filler in self.fillers]
        found = [self._surprises(m, variables, filled) for m in range(len(self.known.scales))]
        contributions = self.cells.by_column(self._flattened(torch.stack(found).mean(0), self.known.scales.mean(0)))
        score = contributions.sum(1)
        answers = {"score": score, "contributions": contributions, "p_value": self._p_value(score, found)}
        return answers | self._expected(torch.stack([expected for _, expected in filled]))

    def _within(self, variables: Tensor) -> Tensor:
        """Return variables whose numbers are no further out than those of the fit."""
        return torch.where(self.known.numbers, clipped(variables, self.known.ends), variables)

    def _surprises(self, m: int, variables: Tensor, filled: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the surprises of a member, (asked, rows, variables)."""
        asked, pieces = self.known.scales.shape[1], []
        if len(self.denoisers):
            pieces.append(self.denoisers[m](variables.index_select(1, self.places)))
        if len(self.known.groups):
            one = filled[m][0].index_select(1, self.others)
            # Noisy copies are asked for numbers only.
            rest = torch.zeros_like(one).expand(asked - self.known.levels, -1, -1)
            pieces.append(torch.cat([one.expand(self.known.levels, -1, -1), rest]))
        return torch.cat(pieces, 2).index_select(2, self.order).double()

    def _flattened(self, surprise: Tensor, scale: Tensor) -> Tensor:
        """Return contributions, (rows, variables), from surprises and their scales."""
        measured = ~self.known.discrete
        typical = (scale * measured).sum(1, keepdim=True) / measured.sum().clamp_min(1)
        unit = scale + self.known.floor * typical + 1e-12
        share, levels = surprise / unit.unsqueeze(1), self.known.levels
        z = share[:levels].clamp_min(0).sqrt()
        found = torch.where(z < KNEE, z * z / 2, KNEE * z - KNEE**2 / 2).mean(0)
        found = found if levels == len(scale) else found + share[levels:].mean(0)
        return torch.where(self.known.discrete, surprise[0], found)

    def _p_value(self, score: Tensor, found: Sequence[Tensor]) -> Tensor:
        held = self.known.calibration
        scores = [score]
        if len(held) > 1:
            scores = [self._flattened(own, scale).sum(1) for own, scale in zip(found, self.known.scales, strict=True)]
        # Scores that tie, as those of levels do, tie in spite of rounding.
        limits = [s - TIE * (1 + s.abs()) for s in scores]
        counts = [(c >= s.unsqueeze(1)).sum(1) for s, c in zip(limits, held, strict=True)]
        return (1 + torch.stack(counts).sum(0)).double() / (1 + sum(map(len, held)))

    def _expected(self, told: Tensor) -> dict[str, Tensor]:
        """Return cells of what members expect, and where nine of ten values lie; NaN where there is no range."""
        # A mean of levels is none: the first member's word counts there.
        expected = torch.where(self.known.numbers, told.mean(0), told[0]).double()
        ends = torch.where(self.known.free, torch.tensor([[-torch.inf], [torch.inf]]).double(), self.known.ends)
        middle = clipped(expected, ends)
        low, high = (clipped(middle + sign * self.known.spread, ends) for sign in (-1, 1))
        cells = self.cells.cells(torch.cat([middle, low, high])).unflatten(0, (3, -1))
        limits = torch.where(self.known.ordered, cells[1:], torch.nan)
        return {"expected": cells[0], "low": limits[0], "high": limits[1]}


def repeated(batch: Batch, copies: int) -> tuple[Tensor, Tensor]:
    """Return values and flags of a table's rows, one block of rows after another."""
    seen = torch.ones_like(batch.x) if batch.seen is None else batch.seen
    return batch.x.repeat(copies, 1), seen.repeat(copies, 1)


def clipped(values: Tensor, ends: Tensor) -> Tensor:
    """Return values between ends, (2, variables); NaN stays, which not every runtime's minimum sees to."""
    low, high = ends[0], ends[1]
    return torch.where(values < low, low, torch.where(values > high, high, values))
