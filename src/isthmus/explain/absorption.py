"""Units that fall silent where a more special one speaks for them."""

from __future__ import annotations

import numpy as np
import torch

from isthmus.explain.activity import Activity, Array
from isthmus.explain.likeness import unit_norm

# A unit that says a label is right in eight of ten rows, and says it in a quarter of the label's rows.
DETECTS, SAYS = 0.8, 0.25
ALIKE, CARRIES, ABSORBERS, OFTEN = 0.1, 0.4, 3, 0.05


def absorbed(found: Activity, atoms: Array, rows: Array, labels: Array) -> tuple[Array, Array]:
    r"""Return of every unit the share of its label's rows in which it is absorbed, and by which unit, (units,) each.

    The unit that says a label is the one whose atom is most like the label's direction, among those with
    :math:`P(\text{label} \mid \text{active}) \ge 0.8` and :math:`P(\text{active} \mid \text{label}) \ge 0.25`; the
    direction is that of a logistic probe on the rows. A row of the label is absorbed where that unit is silent while
    others, whose atoms have a cosine over 0.1 with the direction and which say the label as surely, carry 40 % or more
    of the code's projection on it, the three largest counted (after Chanin et al., 2024, "A is for absorption:
    studying feature splitting and absorption in sparse autoencoders"). Units that say no label have NaN; ``by`` is -1
    below a twentieth of the rows. It speaks of sparse codes with a linear decoder.

    Args:
        found: what the units do in these rows.
        atoms: (units, columns): what each unit writes per unit of code.
        rows: (rows, columns), in the units of the atoms.
        labels: (rows,).
    """
    share, by = np.full(len(atoms), np.nan), np.full(len(atoms), -1)
    active = found.active.astype(float)
    for label in np.unique(labels):
        of = labels == label
        both = active[of].sum(axis=0)
        precision = both / np.maximum(active.sum(axis=0), 1)
        recall = both / of.sum()
        sure = (precision >= DETECTS) & (recall >= SAYS)
        if of.all() or not sure.any():
            continue
        direction = unit_norm(probe(rows, of)[None])[0]
        likeness = unit_norm(atoms) @ direction
        main = int(np.where(sure, likeness, -2.0).argmax())
        carried = found.values[of] * (atoms @ direction)
        total = carried.sum(axis=1)
        like = (likeness > ALIKE) & (precision >= DETECTS)
        like[main] = False
        top = np.sort(np.where(like, carried, 0.0).clip(0), axis=1)[:, -ABSORBERS:].sum(axis=1)
        silent = ~found.active[of, main] & (total > 0) & (top >= CARRIES * total)
        share[main] = silent.mean()
        if share[main] >= OFTEN:
            by[main] = int(np.where(like, carried[silent].sum(axis=0), -np.inf).argmax())
    return share, by


def probe(rows: Array, of: Array, decay: float = 1e-3) -> Array:
    """Return the weights of a logistic probe that tells some rows from the others, (columns,).

    Columns are centred and divided by one number; the decay makes the minimum unique.
    """
    x = torch.from_numpy((rows - rows.mean(axis=0)) / max(float(rows.std(axis=0).max()), 1e-300))
    y = torch.from_numpy(of.astype(np.float64))
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        logit = x @ w[:-1] + w[-1]
        value = torch.nn.functional.binary_cross_entropy_with_logits(logit, y) + decay * w[:-1].square().sum()
        value.backward()
        return value

    solver.step(loss)
    return w.detach()[:-1].numpy()
