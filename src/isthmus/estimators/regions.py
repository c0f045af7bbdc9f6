"""Where a picture is odd: the regions of its map of contributions that hold the most."""

from __future__ import annotations

import numpy as np

from isthmus.estimators.inputs import Array

# The sides of a region are an eighth of those of the map, and at least two places where there are as many.
PARTS, LEAST = 8, 2


def regions(heat: Array, most: int) -> list[tuple[slice, slice]]:
    """Return the windows of a map, (height, width), that hold the most, best first, of which no two share a place.

    Args:
        heat: what each place adds, none of it negative.
        most: how many windows are looked for; there are fewer where no more is left.

    >>> heat = np.zeros((8, 8))
    >>> heat[5:7, 0:2] = 1
    >>> regions(heat, 3)
    [(slice(5, 7, None), slice(0, 2, None))]
    """
    size = tuple(min(side, max(LEAST, -(-side // PARTS))) for side in heat.shape)
    held = np.lib.stride_tricks.sliding_window_view(heat, size).sum((-2, -1))
    found: list[tuple[slice, slice]] = []
    while len(found) < most and held.max() > 0:
        top, left = (int(place) for place in np.unravel_index(held.argmax(), held.shape))
        found.append((slice(top, top + size[0]), slice(left, left + size[1])))
        # Windows that overlap it would count its places again.
        held[max(0, top - size[0] + 1) : top + size[0], max(0, left - size[1] + 1) : left + size[1]] = 0
    return found


def called(region: tuple[slice, slice], shape: tuple[int, ...]) -> str:
    """Say which places of a map a region has, counted from 0; along an axis of one place there is nothing to say.

    >>> called((slice(5, 7), slice(0, 1)), (8, 8))
    'rows 5 to 6, column 0 (from 0)'
    """
    sides = zip(("row", "column"), region, shape, strict=True)
    spans = [_span(name, own) for name, own, length in sides if length > 1]
    return f"{', '.join(spans) or 'the one place'} (from 0)"


def _span(name: str, own: slice) -> str:
    return f"{name} {own.start}" if own.stop - own.start == 1 else f"{name}s {own.start} to {own.stop - 1}"
