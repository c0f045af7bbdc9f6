"""Units that fall silent where a more special one speaks for them."""

from __future__ import annotations

import numpy as np
import torch

from isthmus.explain.activity import Activity, Array
from isthmus.explain.likeness import cosines
from isthmus.measures import absorption

# A unit that says a label is right in eight of ten rows, and says it in a quarter of the label's rows; it counts as
# absorbed where others speak for it in a twentieth of them.
DETECTS, SAYS, OFTEN = 0.8, 0.25, 0.05


def absorbed(found: Activity, atoms: Array, labels: Array) -> tuple[Array, Array]:
    r"""Return of every unit that says a label the share of the label's rows in which it is absorbed, and by which unit.

    As :func:`isthmus.measures.absorption` counts, on what the code writes. A unit says a label if its atom is the one
    most like the label's direction, :math:`P(\text{label} \mid \text{active}) \ge 0.8` and :math:`P(\text{active} \mid
    \text{label}) \ge 0.25`; others have NaN. The absorber, which says it as surely, is the one that speaks loudest in
    rows of the label where the unit is silent, and -1 below a twentieth of the rows. It speaks of sparse codes with a
    linear decoder.

    Args:
        found: what the units do in these rows.
        atoms: (units, columns): what each unit writes per unit of code.
        labels: (rows,).
    """
    share, by = np.full(len(atoms), np.nan), np.full(len(atoms), -1)
    member = labels[:, None] == np.unique(labels)
    member = member[:, (member.sum(axis=0) > 0) & (member.sum(axis=0) < len(labels))]
    both = found.active.T.astype(float) @ member
    precision = both / np.maximum(found.active.sum(axis=0), 1)[:, None]
    sure = (precision >= DETECTS) & (both >= SAYS * member.sum(axis=0))
    said = sure.any(axis=0)
    if not said.any() or len(atoms) < 2:
        return share, by
    written = found.values @ atoms
    directions = np.stack([probe(written, of) for of in member[:, said].T])
    told = absorption(found.values, atoms, written, member[:, said], directions=directions)
    for label, unit, rate in zip(np.flatnonzero(said), told.main[:, 0], told.rates, strict=True):
        if not sure[unit, label]:
            continue
        share[unit] = rate
        if rate >= OFTEN:
            silent = member[:, label] & ~found.active[:, unit]
            loud = (found.values[silent] * np.linalg.norm(atoms, axis=1)).mean(axis=0)
            like = (cosines(atoms[unit][None], atoms)[0] > 0) & (precision[:, label] >= DETECTS)
            like[unit] = False
            by[unit] = int(np.where(like, loud, -np.inf).argmax()) if like.any() else -1
    return share, by


def probe(rows: Array, of: Array, decay: float = 1e-3) -> Array:
    """Return the weights of a logistic regression that tells some rows from the others, (columns,).

    Columns are centred and divided by one number, which keeps directions; the decay makes the minimum unique, so that
    it is found in few steps however long the rows are.
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
