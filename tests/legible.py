"""Nothing that is written on a figure covers anything else."""

import numpy as np


def shown(axis):
    """Return the labels of ticks between the ends of an axis."""
    low, high = sorted(axis.get_view_interval())
    return [
        t.label1 if t.label1.get_visible() else t.label2 for t in axis.get_major_ticks() if low <= t.get_loc() <= high
    ]


def legible(figure):
    """Check that all texts are on the page and none covers another."""
    figure.canvas.draw()
    page = figure.bbox.padded(1)
    boxes = []
    for ax in figure.axes:
        texts = [*ax.texts, ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label]
        texts += [*shown(ax.xaxis), *shown(ax.yaxis)] if ax.axison else []
        boxes += [(t.get_text(), t.get_window_extent()) for t in texts if t.get_visible() and t.get_text().strip()]
    outside = [text for text, box in boxes if not (page.x0 <= box.x0 and box.x1 <= page.x1 and box.y1 <= page.y1)]
    assert outside == []
    x0, y0, x1, y1 = np.array([box.padded(-1).extents for _, box in boxes]).T
    covers = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    assert [(boxes[i][0], boxes[j][0]) for i, j in np.argwhere(np.triu(covers, 1))] == []
