"""What several seeds of the benchmark of concepts say, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLUMNS = {
    "mcc": ("MCC", ".3f"),
    "f1": ("F1", ".3f"),
    "feature_f1": ("F1 of features", ".3f"),
    "mmcs": ("MMCS", ".3f"),
    "mmcs_found": ("MMCS back", ".3f"),
    "uniqueness": ("unique", ".3f"),
    "absorbed": ("absorbed", ".3f"),
    "mig": ("MIG", ".3f"),
    "sap": ("SAP", ".3f"),
    "disentanglement": ("D", ".3f"),
    "completeness": ("C", ".3f"),
    "l0": ("L0", ".2f"),
    "l0_target": ("asked for", ".2f"),
    "explained": ("expl. var.", ".3f"),
    "dead": ("dead", ".3f"),
    "fit_seconds": ("fit, s", ".1f"),
    "encode_ms": ("ms per 1,000 rows", ".1f"),
}
PLAIN = ("l0_target", "fit_seconds", "encode_ms")


def brief(values: Mapping[str, Any]) -> str:
    """Say a row in few words.

    >>> brief({"mcc": 0.9, "l0": 4.0})
    'MCC 0.900, L0 4.00'
    """
    if "not run" in values:
        return f"not run: {values['not run']}"
    return ", ".join(f"{title} {values[name]:{form}}" for name, (title, form) in COLUMNS.items() if name in values)


def told(key: str, values: Sequence[float]) -> str:
    """Return one cell: times, and what was asked for, without an interval."""
    return interval([float(np.mean(values))] if key in PLAIN else values, COLUMNS[key][1])


def interval(values: Sequence[float], form: str) -> str:
    """Return the mean over seeds and half the width of its 95 % interval, by Student's t.

    >>> interval([1.0, 2.0, 3.0], ".2f"), interval([1.0], ".2f")
    ('2.00 ± 2.48', '1.00')
    """
    from scipy.special import stdtrit

    n = len(values)
    mean = f"{np.mean(values):{form}}"
    if n < 2:
        return mean
    return f"{mean} ± {stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n):{form}}"


def report(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return a table per set: a line per method, means and 95 % intervals over seeds."""
    written = []
    for name in dict.fromkeys(line["set"] for line in lines):
        of_set = [line for line in lines if line["set"] == name]
        shown = [key for key in COLUMNS if any(key in line["values"] for line in of_set)]
        cells = [["", *(COLUMNS[key][0] for key in shown)]]
        for method in dict.fromkeys(line["method"] for line in of_set):
            values = [line["values"] for line in of_set if line["method"] == method]
            if "not run" in values[0]:
                cells.append([method, f"not run: {values[0]['not run']}"])
                continue
            cells.append([method, *(told(key, [v[key] for v in values]) for key in shown)])
        seeds = len({line["seed"] for line in of_set})
        written.append(f"\n{name} ({of_set[0]['setup']['rows']:,} rows, {seeds} seeds)\n{aligned(cells)}")
    return "\n".join(written)


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Return rows of cells under each other; a row that is shorter is a remark."""
    full = [row for row in cells if len(row) == len(cells[0])]
    first = max(len(row[0]) for row in cells)
    widths = [max(len(row[i]) for row in full) for i in range(1, len(cells[0]))]
    lines = []
    for name, *rest in cells:
        padded = (
            rest if len(rest) < len(widths) else [cell.rjust(width) for cell, width in zip(rest, widths, strict=True)]
        )
        lines.append("  ".join(["", name.ljust(first), *padded]))
    return "\n".join(lines)
