"""The least change of concepts after which another class is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from isthmus.estimators.concept_explanation import places, ranked
from isthmus.estimators.inputs import Array
from isthmus.estimators.interventions import RANGE, Counterfactual, outcome

if TYPE_CHECKING:
    from isthmus.estimators.self_explaining import SelfExplainingClassifier

# By how much the class wanted leads afterwards.
BEYOND = 1e-3
# Where relevances follow the code: steps of a search, points between two ends, known rows that it starts from too.
STEPS, POINTS, HALVINGS, NEAREST = 6, 16, 30, 2


class Box(NamedTuple):
    """Where concepts may be, and what a change of each is measured in, (concepts,)."""

    low: Array
    high: Array
    spread: Array

    def cost(self, change: Array) -> Array:
        """Return the sum of changes in standard deviations, (rows,)."""
        found: Array = (np.abs(change) / self.spread).sum(1)
        return found


def counterfactual(model: SelfExplainingClassifier, x: Array, target: Any) -> Counterfactual:
    """Find the least changes for rows, which are ``x`` as variables."""
    concepts, relevances = model._taken_apart(x)
    _, counter = ranked((concepts[:, :, None] * relevances).sum(1))
    wanted = counter if target is None else places(model, target, len(x), "target")
    known = model.known_concepts_.astype(np.float64)
    low, high = np.percentile(known, RANGE, axis=0)
    box = Box(low, high, np.maximum(known.std(0), 1e-6))
    code, after = concepts[:, :-1].astype(np.float64), concepts.copy()
    if model.reads == "inputs":
        gap = over_others(relevances, wanted)
        gaps = (concepts[:, :, None] * gap).sum(1), gap[:, :-1].astype(np.float64)
        after[:, :-1] = np.stack([least(*row, box) for row in zip(code, code, *gaps, strict=True)])
    else:
        after[:, :-1] = searched(Gaps(model), code, wanted, known, box)
    found = outcome(model, concepts, relevances, after)
    reached = found["logits_after"].argmax(1) == wanted
    return Counterfactual(**found, target=wanted, reached=reached, cost=box.cost((after - concepts)[:, :-1]))


def least(code: Array, at: Array, gaps: Array, slopes: Array, box: Box, within: float = np.inf) -> Array:
    """Return the code nearest to ``code`` from which the class wanted leads all others by a margin, (concepts,).

    Minimise ``sum_i |d_i| / s_i`` subject to ``gap_c(at) + slope_c (code + d - at) >= margin`` for every other class c,
    ``low <= code + d <= high``, and ``|code + d - at| <= within s``: a linear programme. Where there is no such d, it
    returns ``at``. Relevances that stay as they are make gaps linear, and the answer exact.
    """
    from scipy.optimize import linprog  # which costs every start a third of a second

    highest = np.minimum(np.maximum(box.high - code, 0), at - code + within * box.spread)
    lowest = np.maximum(np.minimum(box.low - code, 0), at - code - within * box.spread)
    up = np.stack([np.maximum(lowest, 0), np.maximum(highest, 0)], 1)
    down = np.stack([np.maximum(-highest, 0), np.maximum(-lowest, 0)], 1)
    missing = BEYOND - gaps - (code - at) @ slopes
    done = linprog(
        np.tile(1 / box.spread, 2),
        A_ub=np.hstack([-slopes.T, slopes.T]),
        b_ub=-missing,
        bounds=np.concatenate([up, down]),
    )
    size = len(code)
    return code + done.x[:size] - done.x[size:] if done.success else at


def over_others(values: Array, wanted: Array) -> Array:
    """Return what the class wanted has more than every other, (rows, ..., outputs - 1)."""
    rows = np.arange(len(wanted))
    gap = values[rows, ..., wanted][..., None] - values
    return np.stack([np.delete(gap[row], wanted[row], axis=-1) for row in rows])


class Gaps:
    """By how much a class leads all others at codes, where a model's relevances follow these."""

    def __init__(self, model: SelfExplainingClassifier) -> None:
        """Hold the model."""
        self.model = model

    def __call__(self, code: Array, wanted: Array) -> Array:
        """Return the gaps of codes, (rows, classes - 1)."""
        known = np.hstack([code, np.ones((len(code), 1))])
        return over_others((known[:, :, None] * self.model._relevances_of(known)).sum(1), wanted)

    def slopes(self, code: Array, wanted: Array) -> Array:
        """Return how gaps change with concepts, (rows, concepts, classes - 1)."""
        task = self.model._in_precision(code)
        with torch.enable_grad():
            h = torch.from_numpy(code).to(next(task.parameters()).device).requires_grad_()
            known = torch.cat([h, h.new_ones(len(h), 1)], 1)
            logits = (known.unsqueeze(2) * task.relevances(h)).sum(1).sum(0)
            slopes = [torch.autograd.grad(logit, h, retain_graph=True)[0] for logit in logits]
        return over_others(torch.stack(slopes, 2).cpu().numpy(), wanted)

    def lead(self, code: Array, wanted: Array) -> Array:
        """Tell whether the class wanted leads, (rows,)."""
        found: Array = self(code, wanted).min(1) >= BEYOND / 2
        return found

    def step(self, code: Array, at: Array, wanted: Array, box: Box, within: float = np.inf) -> Array:
        """Return the nearest codes to ``code`` by the slopes there are at ``at``, (rows, concepts)."""
        told = self(at, wanted), self.slopes(at, wanted)
        return np.stack([least(*row, box, within) for row in zip(code, at, *told, strict=True)])


def searched(gaps: Gaps, code: Array, wanted: Array, known: Array, box: Box) -> Array:
    """Return the nearest codes that were found from which the class wanted leads; the code itself where none was.

    Gaps are no linear functions here. A search follows their slopes from the row, and from the nearest known codes of
    the class; what it finds is pulled back to where the class begins to lead, and the slopes there are followed again.
    """
    best, cost = code.copy(), np.full(len(code), np.inf)
    for start in (_followed(gaps, code, wanted, box), *_nearest(gaps, code, wanted, known, box)):
        at, leads = pulled_back(gaps, code, start, wanted)
        for step in range(STEPS + 1):
            # Where a step went too far, on the way back to where the class led there is a place where it begins to.
            at = pulled_back(gaps, gaps.step(code, at, wanted, box, 0.5 ** (step - 1)), at, wanted)[0] if step else at
            better = leads & (box.cost(at - code) < cost)
            best[better], cost[better] = at[better], box.cost(at - code)[better]
    return best


def _followed(gaps: Gaps, code: Array, wanted: Array, box: Box) -> Array:
    """Return where slopes lead from rows, step by step, until the class wanted leads."""
    at = code
    for _ in range(STEPS):
        on = ~gaps.lead(at, wanted)
        if not on.any():
            break
        at = at.copy()
        at[on] = gaps.step(code[on], at[on], wanted[on], box)
    return at


def _nearest(gaps: Gaps, code: Array, wanted: Array, known: Array, box: Box) -> list[Array]:
    """Return the nearest known codes of the class wanted, within the box; the code itself where there are none."""
    inside = known[((known >= box.low) & (known <= box.high)).all(1)]
    found = [code.copy() for _ in range(NEAREST)]
    for c in np.unique(wanted):
        own = inside[gaps.lead(inside, np.full(len(inside), c))] if len(inside) else inside
        for row in np.flatnonzero(wanted == c):
            order = np.argsort(box.cost(own - code[row]), kind="stable")[:NEAREST]
            for place, which in enumerate(order):
                found[place][row] = own[which]
    return found


def pulled_back(gaps: Gaps, near: Array, far: Array, wanted: Array) -> tuple[Array, Array]:
    """Return where on the way from near to far the class wanted begins to lead, and whether it leads at all."""
    high, leads = np.ones(len(near)), gaps.lead(far, wanted)

    def there(share: Array) -> Array:
        return near + share[:, None] * (far - near)

    for point in np.arange(POINTS - 1, -1, -1) / POINTS:
        share = np.full(len(near), point)
        high = np.where(leads & gaps.lead(there(share), wanted), point, high)
    low = np.maximum(high - 1 / POINTS, 0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        back = leads & gaps.lead(there(middle), wanted)
        low, high = np.where(back, low, middle), np.where(back, middle, high)
    return there(high), leads
