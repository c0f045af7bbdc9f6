"""Every row as a point: its code, and planes to look at it in."""

from __future__ import annotations

import numpy as np

from isthmus.report.contract import CodeMap, Plane
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown

# Rows that components are measured on, and the smaller side of a matrix that is decomposed as a whole.
ROWS, DENSE = 20_000, 128


class CodeMapWriter:
    """Keeps the codes of all rows, and places them in planes."""

    def __init__(self, found: Given, codes: Array, score: Array | None, score_name: str) -> None:
        """Keep codes, (rows, units), which may have no units where the model has no code."""
        self.found, self.codes, self.score, self.score_name = found, codes, score, score_name

    @property
    def wanted(self) -> Array:
        """No row of its own."""
        return np.empty(0, int)

    def write(self, shown: Shown, blobs: Blobs) -> CodeMap:
        """Return the section."""
        planes = []
        if self.codes.shape[1]:
            share, places = components(self.codes)
            planes.append(self._plane("PCA of the code", share, places, shown, blobs, "map/code"))
        if not planes and self.score is not None and self.found.cells.shape[1] == 1:
            places = np.column_stack([self.found.cells[:, 0], self.score])
            blob = blobs.fine("map/data", shown.take(places))
            planes.append(Plane(f"value and {self.score_name}", blob, [self.found.names[0], self.score_name]))
        elif self.found.kind in ("table", "numbers") or not planes:
            share, places = components(standardised(self.found))
            planes.append(self._plane("PCA of the data", share, places, shown, blobs, "map/data"))
        score = None if self.score is None else blobs.single("map/score", shown.take(self.score))
        code = blobs.codes("map/codes", shown.take(self.codes))
        return CodeMap(code, planes, score, self.score_name)

    def _plane(self, name: str, share: Array, places: Array, shown: Shown, blobs: Blobs, blob: str) -> Plane:
        axes = [f"component {i + 1} ({100 * part:.0f} % of the variance)" for i, part in enumerate(share)]
        return Plane(name, blobs.fine(blob, shown.take(places)), axes)


def components(values: Array) -> tuple[Array, Array]:
    """Return the share of the variance that the first two principal components have, and the places of rows in them.

    Of very many rows the components are those of a sample.
    """
    values = values.astype(np.float64)
    centre = values.mean(0)
    some = values if len(values) <= ROWS else values[np.random.default_rng(0).permutation(len(values))[:ROWS]]
    spread, first = leading(some - centre)
    # A sign that does not depend on the linear algebra of a machine: the largest entry is positive.
    first = first * np.sign(first[np.abs(first).argmax(0), np.arange(first.shape[1])])
    places = np.zeros((len(values), 2))
    places[:, : first.shape[1]] = (values - centre) @ first
    share = np.zeros(2)
    share[: first.shape[1]] = spread / max(float(np.square(some - centre).sum()), 1e-300)
    return share.clip(0, 1), places


def leading(x: Array) -> tuple[Array, Array]:
    """Return the two largest squared singular values of centred rows, and their directions, (columns, 2)."""
    if min(x.shape) <= DENSE:
        values, axes = np.linalg.svd(x, full_matrices=False)[1:]
        return np.square(values[:2]), axes[:2].T
    from scipy.sparse.linalg import svds

    # Few steps of Lanczos' method instead of all directions; from ones, so that it finds the same each time.
    values, axes = svds(x, k=2, v0=np.ones(min(x.shape)), return_singular_vectors="vh")[1:]
    return np.square(values[::-1]), axes[::-1].T


def standardised(found: Given) -> Array:
    """Return cells in standard deviations, holes at the mean; levels as indicators of the most frequent ones."""
    kinds = found.codec.kinds if found.codec is not None else ("number",) * found.cells.shape[1]
    pieces = []
    for kind, column in zip(kinds, found.cells.T, strict=True):
        if kind in ("category", "hashed"):
            levels, counts = np.unique(column[np.isfinite(column)], return_counts=True)
            frequent = levels[np.argsort(-counts, kind="stable")[:8]]
            pieces += [(column == level).astype(float) - (column == level).mean() for level in frequent]
            continue
        known = np.isfinite(column)
        centre = column[known].mean() if known.any() else 0.0
        spread = column[known].std() if known.any() else 1.0
        pieces.append(np.where(known, (column - centre) / (spread or 1.0), 0.0))
    return np.stack(pieces, 1)
