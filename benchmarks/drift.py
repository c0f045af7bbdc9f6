"""How many rows does it take until a column that has moved is named, and how often is one named that has not?

Tables of ten columns that hang together: seven numbers, two with levels, one with a twentieth of its cells missing. Of
every stream there is a model of its own, an autoencoder fitted to 2,000 rows, so that false alarms are counted over
fits and streams together, as they are promised: at alpha = 0.05, 200 streams of 10,000 rows like those of the fit.
Beside it what is often done: a Kolmogorov-Smirnov test (of levels, chi-square) of every column in windows of 500 rows
against the rows of the fit, at the same rate after Benjamini & Hochberg over the columns of each window.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import Bench, Column, Table
from isthmus import Autoencoder, Monitor, Trainer
from isthmus.measures.conformal import benjamini_hochberg
from isthmus.parts import Dense

FIT, STREAM, STREAMS, WINDOW, ALPHA = 2000, 10_000, 200, 500, 0.05
NUMBERS, LEVELS = 7, ("red", "green", "blue", "white")
NULL = "nothing moves: 200 streams of 10,000 rows"
MOVES = {
    "a number by 0.5 deviations, from row 1": (0, "shift"),
    "a number by 0.5 deviations, from row 2,001": (2000, "shift"),
    "a number by 0.25 deviations, from row 1": (0, "small"),
    "a number spreads by half, from row 1": (0, "spread"),
    "a level from 10 to 25 %, from row 1": (0, "level"),
    "missing cells from 5 to 15 %, from row 1": (0, "missing"),
}
MOVED = {"shift": "n0", "small": "n0", "spread": "n0", "level": "colour", "missing": "holes"}
TABLE = Table(
    name="drift",
    columns={
        "named": Column("streams in which it is named", "{:.0%}"),
        "rows": Column("rows until then, median", "{:,.0f}"),
        "rows_95": Column("95 % within", "{:,.0f}"),
        "since": Column("off by, of its first row", "{:,.0f}"),
        "false": Column("streams with a false name", "{:.1%}"),
        "windows": Column("the same, windows of 500", "{:.1%}"),
    },
    rows=(NULL, *MOVES),
    targets={NULL: "at most 5 %"},
)


def drawn(rows: int, rng: np.random.Generator, kind: str = "") -> pa.Table:
    """Draw rows; of a kind that differs in one column."""
    hidden = rng.normal(size=(rows, 3))
    mix = np.random.default_rng(0).normal(size=(3, NUMBERS)) / 2
    x = hidden @ mix + rng.normal(size=(rows, NUMBERS))
    x /= np.sqrt(np.square(mix).sum(0) + 1)
    x[:, 0] = x[:, 0] * (1.5 if kind == "spread" else 1) + {"shift": 0.5, "small": 0.25}.get(kind, 0.0)
    share = 0.25 if kind == "level" else 0.1
    odds = np.array([share, *(np.array([0.5, 0.3, 0.2]) * (1 - share))])
    colours = np.array(LEVELS)[rng.choice(4, rows, p=odds)]
    holes = np.where(rng.random(rows) < (0.15 if kind == "missing" else 0.05), np.nan, hidden[:, 0])
    named = {f"n{i}": x[:, i] for i in range(NUMBERS)}
    named |= {"colour": colours, "sign": np.where(hidden[:, 1] > 0, "up", "down")}
    return pa.table(named | {"holes": pa.array(holes, from_pandas=True)})


def fitted(table: pa.Table, seed: int) -> Autoencoder:
    """Fit a small model."""
    trainer = Trainer(epochs=3, batch_size=256)
    return Autoencoder(3, architecture=Dense((16,)), trainer=trainer, random_state=seed).fit(table)


def windows(fit: pa.Table, later: pa.Table) -> bool:
    """Say whether tests of windows name any column."""
    from scipy.stats import chi2_contingency, ks_2samp

    for start in range(0, later.num_rows, WINDOW):
        window, p = later.slice(start, WINDOW), []
        for name in fit.column_names:
            a, b = fit[name].drop_null().to_numpy(), window[name].drop_null().to_numpy()
            if a.dtype.kind == "f":
                p.append(ks_2samp(a, b).pvalue)
            else:
                levels = np.unique(a)
                p.append(chi2_contingency([[np.sum(part == level) for level in levels] for part in (a, b)]).pvalue)
        if benjamini_hochberg(np.array(p), ALPHA).any():
            return True
    return False


def followed(seed: int, change: int, kind: str, rows: int, *, compared: bool = False) -> dict[str, Any]:
    """Fit a model, let rows pass, and say what was named when."""
    rng = np.random.default_rng(seed)
    fit = drawn(FIT, rng)
    later = pa.concat_tables([drawn(change, rng), drawn(rows - change, rng, kind)])
    monitor = Monitor(fitted(fit, seed), alpha=ALPHA)
    found = {moved.column: moved for moved in monitor.update(later).moved}
    right = found.get(MOVED.get(kind, ""))
    wrong = [one for name, one in found.items() if name not in (MOVED.get(kind), None) or (not kind)]
    # What moved drags the score along, and a name before the change is false too.
    early = right is not None and right.noticed <= change
    told = {"false": bool(wrong) or early, "named": right is not None and not early}
    if told["named"] and right is not None:
        told |= {"rows": right.noticed - change, "since": abs(right.since - change - 1)}
    return told | ({"windows": windows(fit, later)} if compared else {})


def summary(found: Sequence[dict[str, Any]], null: bool) -> dict[str, Any]:
    """Return what streams have in common."""
    values: dict[str, Any] = {"streams": len(found), "false": float(np.mean([one["false"] for one in found]))}
    if null:
        return values | {"windows": float(np.mean([one["windows"] for one in found]))}
    rows = np.array([one.get("rows", np.inf) for one in found])
    values |= {"named": float(np.mean([one["named"] for one in found])), "rows": float(np.median(rows))}
    most = float(np.quantile(rows, 0.95, method="higher"))
    since = [one["since"] for one in found if one["named"]]
    return values | {"rows_95": most if np.isfinite(most) else None, "since": float(np.median(since))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Follow the streams of the rows asked for."""
    bench = Bench(TABLE, arguments, __doc__)
    warnings.simplefilter("ignore")
    setup = {"alpha": ALPHA, "fit": FIT, "streams": STREAMS}
    if bench.wants(NULL):
        with bench.row(NULL, setup) as values:
            streams, rows = (10, 2000) if bench.quick else (STREAMS, STREAM)
            values |= summary([followed(s, 0, "", rows, compared=True) for s in range(streams)], null=True)
    for name, (change, kind) in MOVES.items():
        if bench.wants(name):
            with bench.row(name, setup) as values:
                streams = range(1000, 1000 + (10 if bench.quick else STREAMS))
                values |= summary([followed(s, change, kind, change + 2000) for s in streams], null=False)


if __name__ == "__main__":
    main()
