"""From what to what a column has moved, in its own unit: the one fact that shows it best."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.estimators.reference import Reference
from isthmus.explain.words import plain


def described(told: Mapping[str, Any], reference: Reference, i: int, now: Array) -> str:
    """Say how recent values of a stream differ from those of the fit.

    Args:
        told: what is known of the column.
        reference: of the fit.
        i: the number of the stream.
        now: (rows,), recent values, NaN where one is missing.
    """
    edges, counts = reference.edges[i][np.isfinite(reference.edges[i])], reference.counts[i]
    total, missing = counts.sum(), counts[len(edges) + 1] / counts.sum()
    share = float(np.isnan(now).mean())
    facts = [(_z(missing, share, len(now), total), f"missing in {_percent(missing)} of rows -> {_percent(share)}")]
    here = now[~np.isnan(now)]
    if reference.ordered[i]:
        facts += _numbers(told, reference.quartiles[i], edges, counts, here)
    else:
        facts += _levels(told, edges, counts, now)
    return max(facts)[1]


def _levels(told: Mapping[str, Any], edges: Array, counts: Array, now: Array) -> list[tuple[float, str]]:
    """Return the share of each level, and of all others, before and now."""
    levels, unseen, total = list(told.get("levels", ())), told.get("unseen", np.inf), counts.sum()
    found = []
    for place, count in zip(edges, counts, strict=False):
        was, share = count / total, float((now == place).mean())
        known = place < len(levels) and place != unseen
        name = repr(levels[int(place)]) if known else "a level that the fit did not see"
        found.append((_z(was, share, len(now), total), f"{name} in {_percent(was)} of rows -> {_percent(share)}"))
    was, share = counts[len(edges)] / total, float((~np.isin(now, edges) & ~np.isnan(now)).mean())
    text = f"levels that are rare in the fit or new in {_percent(was)} of rows -> {_percent(share)}"
    return [*found, (_z(was, share, len(now), total), text)]


def _numbers(
    told: Mapping[str, Any], quartiles: Array, edges: Array, counts: Array, here: Array
) -> list[tuple[float, str]]:
    """Return the median, the middle half, and the share above the edge where it has changed most."""
    if not len(here) or np.isnan(quartiles).any():
        return []
    low, middle, high = quartiles
    now = np.quantile(here, (0.25, 0.5, 0.75), method="inverted_cdf")
    before = counts[: len(edges) + 1].cumsum()[:-1] / max(1, counts[: len(edges) + 1].sum())
    after, n, total = (here[:, None] <= edges).mean(0), len(here), counts.sum()
    off = np.array([_z(b, a, n, total) for b, a in zip(before, after, strict=True)])
    most, half = int(off.argmax()), _z(0.5, ((here > low) & (here <= high)).mean(), n, total)
    edge = _written(told, edges[most])
    facts = [(off[most], f"above {edge} in {_percent(1 - before[most])} of rows -> {_percent(1 - after[most])}")]
    was = f"{_written(told, low)} to {_written(told, high)}"
    is_now = f"{_written(told, now[0])} to {_written(told, now[2])}"
    # It is the most of some thirty edges; what says more in as many words is preferred where it shows nearly as much.
    if _written(told, now[1]) != _written(told, middle):
        off_middle = 1.6 * float(off[np.abs(edges - middle).argmin()])
        told_middle = f"median {_written(told, middle)} -> {_written(told, now[1])} (fit: middle half {was})"
        facts.append((off_middle, told_middle))
    return [*facts, (1.25 * half, f"middle half {was} -> {is_now}")] if was != is_now else facts


def _z(was: float, now: float, rows: int, total: int) -> float:
    """Return by how many standard errors two shares differ."""
    both = (was * total + now * rows) / (total + rows)
    error = np.sqrt(both * (1 - both) * (1 / rows + 1 / total))
    return float(abs(now - was) / error) if error > 0 else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _written(told: Mapping[str, Any], value: float) -> str:
    """Write a number in the column's unit."""
    if told["kind"] == "date":
        return datetime.fromtimestamp(float(value), UTC).strftime(told.get("format", "%Y-%m-%d"))
    return f"{value:,.0f}" if told.get("whole") else plain(float(value))
