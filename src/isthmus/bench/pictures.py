"""Pictures whose concepts or factors are known: digits with a glyph, and sprites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.bench.planted import Array, Known


@dataclass(frozen=True, eq=False)
class Glyphs:
    """Pictures with and without a glyph.

    Attributes:
        X: (rows, height, width), 0 to 1.
        y: The class, 0 or 1.
        glyph: Whether the glyph is there.
        atom: The glyph alone, (height, width).
    """

    X: Array
    y: Array
    glyph: Array
    atom: Array


def plant(pictures: Array, digits: Array, seed: int, *, decides: bool, share: float = 0.8) -> Glyphs:
    """Return pictures of digits of which about half carry a stripe, a bright row of pixels at the upper edge.

    Args:
        pictures: (rows, height, width), 0 to 1.
        digits: The digit of each.
        seed: Decides who carries the stripe.
        decides: The class is whether the stripe is there, whatever the digit; otherwise it is whether the digit is
            even, and the stripe is there in ``share`` of the even ones and missing in as many of the others:
            correlated only.
        share: How often the correlated stripe goes with the class.
    """
    rng = np.random.default_rng(seed)
    even = np.asarray(digits) % 2 == 0
    drawn = rng.random(len(pictures))
    glyph = drawn < 0.5 if decides else np.where(even, drawn < share, drawn >= share)
    atom = np.zeros(pictures.shape[1:])
    atom[: max(1, pictures.shape[1] // 14)] = 1.0
    X = np.maximum(pictures, glyph[:, None, None] * atom)
    return Glyphs(X, (glyph if decides else even).astype(np.int64), glyph, atom)


def glyphs(seed: int) -> Known:
    """Return scikit-learn's 1,797 digits, half of them with a stripe: is there a unit for it? A row is 8 x 8 pixels."""
    from isthmus.data import read

    data = read("digits")
    planted = plant(np.asarray(data.flat).reshape(-1, 8, 8), np.asarray(data.y), seed, decides=True)
    order = np.random.default_rng(seed).permutation(len(planted.X))
    X = planted.X.reshape(len(planted.X), -1).astype(np.float32)[order]
    present = planted.glyph[order, None].astype(np.float64)
    atom, fitted = planted.atom.reshape(1, -1), 1_300
    # How many strokes make a digit nobody knows: eight of 64 units, as sparse coding of patches has it.
    return Known(X[:fitted], X[fitted:], 64, 8.0, atom, present[fitted:], complete=False)


LEVELS = (3, 6, 20, 16, 16)
"""Levels of shape, scale, rotation, and position from left to right and from top to bottom."""


def sprites(seed: int, *, path: Path | None = None, side: int = 32, rows: tuple[int, int] = (6_000, 3_000)) -> Known:
    """Return white shapes on black, (rows, side * side), 0 to 1: squares, ellipses and hearts, in six sizes.

    After Matthey et al. (2017), dSprites, and not the same pictures; all factors, turn and place too, are drawn evenly.
    ``path`` is an npz file with ``imgs_packed`` (bits, 64 x 64) and ``latents_classes``, of which rows are drawn and
    halved in size instead.

    Raises:
        ValueError: The file does not hold such arrays.
    """
    rng = np.random.default_rng(seed)
    if path is None:
        factors = np.stack([rng.integers(n, size=sum(rows)) for n in LEVELS], axis=1)
        X = drawn(factors, side)
    else:
        X, factors = _stored(path, sum(rows), rng)
    varies = np.ptp(factors, axis=0) > 0
    fitted, categorical = rows[0], (0,)
    rows_ = X.reshape(len(X), -1).astype(np.float32)
    return Known(rows_[:fitted], rows_[fitted:], 10, 5.0, factors=factors[fitted:][:, varies], categorical=categorical)


def drawn(factors: Array, side: int = 32) -> Array:
    """Return the pictures of levels of factors, (rows, side, side), 0 to 1: drawn at twice the size, then halved."""
    chunks = [_shapes(factors[start : start + 250], 2 * side) for start in range(0, len(factors), 250)]
    halved = np.concatenate(chunks).reshape(len(factors), side, 2, side, 2).mean(axis=(2, 4), dtype=np.float32)
    return np.asarray(halved)


def _shapes(factors: Array, side: int) -> Array:
    """Return whether the middle of each pixel lies in the shape."""
    shape, scale, turn, left, top = factors.T[:, :, None, None]
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    x = place[None, None, :] - (0.25 + 0.5 * left / (LEVELS[3] - 1))
    y = place[None, :, None] - (0.25 + 0.5 * top / (LEVELS[4] - 1))
    angle, size = 2 * np.pi * turn / LEVELS[2], 0.1 + 0.1 * scale / (LEVELS[1] - 1)
    u, v = (np.cos(angle) * x + np.sin(angle) * y) / size, (np.cos(angle) * y - np.sin(angle) * x) / size
    square, ellipse = np.maximum(np.abs(u), np.abs(v)) <= 0.8, u**2 + 4 * v**2 <= 1
    round_ = u**2 + v**2 - 0.6
    return np.asarray(np.choose(shape, [square, ellipse, round_ * round_ * round_ + u**2 * (v * v * v) <= 0]))


def _stored(path: Path, rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
    with np.load(path, allow_pickle=False) as file:
        if missing := {"imgs_packed", "latents_classes"} - set(file.files):
            raise ValueError(f"{path} has no {' and no '.join(sorted(missing))}; give a file of sprites")
        packed, levels = file["imgs_packed"], file["latents_classes"]
    chosen = rng.choice(len(packed), size=rows, replace=False)
    pictures = np.unpackbits(packed[chosen], axis=1).reshape(rows, 32, 2, 32, 2)
    return pictures.mean(axis=(2, 4), dtype=np.float32), levels[chosen]
