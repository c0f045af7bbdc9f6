"""Do p-values and lists of discoveries keep their promise, and what do anomalies among the rows of the fit cost?

Five tables of normal rows: stars that are no pulsars (HTRU2), people (adult), normal connections (NSL-KDD), 30
principal components of MNIST's digits, and 10 skewed columns that are made up. Each of five detectors is fitted to
5,000 rows with ``contamination=0``, of which it keeps 1,000 for p-values, and scores 4,000 fresh rows once. These 5,000
scores of rows that no member has seen are then split 40 times into 1,000 that calibrate and 4,000 that are tested,
which makes 200 splits; to fit 200 times would take long. Such a mean is right for any scores that rarely tie. What a
detector's own calibration says of fresh rows stands beside it: that rate scatters, from fit to fit, by 0.8 per cent.

Discoveries: 900 normal rows and 100 in which two columns of numbers were moved by 4 deviations, in each of the 200
splits, at levels of 0.05 and 0.1. Two standard errors are those of the mean over splits.

Few rows: p-values of n calibration rows are multiples of 1 / (n + 1), and so the rate of alarms is the exact one.
Anomalies among the rows: ``AnomalyDetector()`` is told nothing and fitted to 5,000 rows of which a share are pulsars,
or attacks. PyOD's AutoEncoder stands beside with ``contamination=0.05``, levels as indicators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks import sets, tables
from benchmarks.common import Bench, Column, Table
from benchmarks.peers import PyOD, python
from benchmarks.tables import Array
from isthmus import AnomalyDetector
from isthmus.measures.conformal import benjamini_hochberg, p_values

ALPHA, LEVELS = 0.05, (0.05, 0.1)
FIT, FRESH, SPLITS, SEEDS = 5000, 4000, 40, 5
NORMAL, MOVED, DEVIATIONS = 900, 100, 4.0
SHARES, FEW = (0.0, 0.01, 0.05, 0.1), (19, 30, 50, 99)
FEW_SPLITS = 5000


@lru_cache
def stars() -> tuple[Any, Any]:
    """Return stars that are no pulsars, and pulsars."""
    frame, pulsar = tables.htru2()
    return frame[~pulsar], frame[pulsar]


@lru_cache
def people() -> tuple[Any, Any]:
    """Return people; none of them is an anomaly."""
    return tables.adult("data"), None


@lru_cache
def connections() -> tuple[Any, Any]:
    """Return normal connections, and attacks."""
    frame, attack = tables.nsl_kdd()
    return frame[~attack], frame[attack]


@lru_cache
def digits() -> tuple[Any, Any]:
    """Return 30 principal components of the training digits, by those of the test digits."""
    from sklearn.decomposition import PCA

    rows = sets.mnist("test")
    return PCA(min(30, len(rows)), random_state=0).fit(rows).transform(sets.mnist("train")).astype(np.float64), None


@lru_cache
def made_up() -> tuple[Any, Any]:
    """Return 10 skewed columns of four factors."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 4)) @ rng.normal(size=(4, 10)) / 2 + 0.3 * rng.normal(size=(20_000, 10))
    x[:, :4], x[:, 4:7] = np.exp(0.7 * x[:, :4]), np.square(x[:, 4:7])
    return x, None


TABLES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "HTRU2": stars,
    "adult": people,
    "NSL-KDD": connections,
    "MNIST, 30 components": digits,
    "made up": made_up,
}
TARGET = "alarms 4.5 to 5.5 %, false discoveries ≤ level"
DIRTY = {
    f"isthmus, {share:.0%} {odd} among the rows, {name}": (name, share)
    for name, odd in (("HTRU2", "pulsars"), ("NSL-KDD", "attacks"))
    for share in SHARES
}
RATES, PEERS = ({f"{who}{name}": name for name in TABLES} for who in ("isthmus, ", "PyOD AutoEncoder at 5 %, "))
COUNTS = {f"isthmus, {n} calibration rows, HTRU2": n for n in FEW}
TABLE = Table(
    name="anomaly_promises",
    columns={
        "alarms": Column("false alarms at 5 %", "{:.2f} %"),
        "exact": Column("exactly", "{:.2f} %", "first"),
        "own": Column("of fresh rows, own calibration", "{:.2f} %", "spread"),
        "false": Column("false discoveries at 0.05", "{:.2f} %"),
        "false_error": Column("two standard errors", "{:.2f} %"),
        "found": Column("found", "{:.1f} %"),
        "false_10": Column("false discoveries at 0.1", "{:.2f} %"),
        "false_10_error": Column("two standard errors", "{:.2f} %"),
        "found_10": Column("found", "{:.1f} %"),
        "power": Column("anomalies that raise an alarm", "{:.1f} %", "spread"),
        "seeds": Column("fits", "{:.0f}", "sum"),
    },
    rows=(*RATES, *COUNTS, *DIRTY, *PEERS),
    targets=dict.fromkeys(RATES, TARGET) | dict.fromkeys(COUNTS, "the exact rate"),
)


def drawn(X: Any, n: int, rng: np.random.Generator) -> Any:
    """Return n rows in random order, or as many as there are."""
    return taken(X, rng.permutation(len(X))[:n])


def parted(X: Any, fit: int, fresh: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return rows to fit and fresh ones; of a table with too few, two thirds are to fit."""
    rows = drawn(X, fit + fresh, rng)
    if len(rows) < fit + fresh:
        fit = 2 * len(rows) // 3
    return taken(rows, slice(fit)), taken(rows, slice(fit, fit + fresh))


def taken(X: Any, rows: Any) -> Any:
    """Return some rows of a frame or an array."""
    return X.iloc[rows].reset_index(drop=True) if hasattr(X, "iloc") else X[rows]


def moved(X: Any, like: Any, rng: np.random.Generator) -> Any:
    """Return rows in which two columns of numbers are moved by several of the deviations of like rows."""
    out = X.copy()
    frame = hasattr(X, "iloc")
    varies = [j for j in range(X.shape[1]) if not frame or X.dtypes.iloc[j].kind in "if"]
    values = (like.iloc[:, varies] if frame else like[:, varies]).astype(float)
    deviation = np.nanstd(np.asarray(values), axis=0)
    varies, deviation = [j for j, d in zip(varies, deviation, strict=True) if d > 0], deviation[deviation > 0]
    there = (out.iloc[:, varies] if frame else out[:, varies]).astype(float).to_numpy() if frame else out[:, varies]
    there = np.array(there, dtype=float)
    for row in there:
        at = rng.choice(len(varies), min(2, len(varies)), replace=False)
        row[at] += rng.choice([-DEVIATIONS, DEVIATIONS], len(at)) * deviation[at]
    if frame:
        return out.assign(**{out.columns[j]: there[:, i] for i, j in enumerate(varies)})
    out[:, varies] = there
    return out


def sizes(quick: bool) -> tuple[int, int, int]:
    """Return numbers of rows to fit and of fresh rows, and of splits."""
    return (1500, 600, 10) if quick else (FIT, FRESH, SPLITS)


def rates(name: str, seed: int, quick: bool) -> dict[str, Any]:
    """Fit one detector, and split its scores again and again."""
    fit, fresh, splits = sizes(quick)
    rng = np.random.default_rng(seed)
    learnt, tested = parted(TABLES[name]()[0], fit, fresh, rng)
    detector = AnomalyDetector(contamination=0, calibration="split", random_state=seed).fit(learnt)
    own, scores = detector.calibration_[0], detector.anomaly_score(tested)
    odd = detector.anomaly_score(moved(tested, learnt, rng))
    pool = np.concatenate([scores, own])
    alarms, lists = [], []
    for _ in range(splits):
        order = rng.permutation(len(pool))
        held, other = order[: len(own)], order[len(own) :]
        alarms.append(np.mean(p_values(pool[other], pool[held]) <= ALPHA))
        lists.append(discoveries(pool[held], pool, odd, other, rng))
    found = summary(np.array(lists))
    return found | {
        "alarms": 100 * float(np.mean(alarms)),
        "exact": exact(len(own)),
        "own": 100 * float(np.mean(p_values(scores, own) <= ALPHA)),
        "seeds": 1,
    }


def exact(n: int) -> float:
    """Return the rate of alarms, per cent, with n calibration rows and no ties."""
    return 100 * np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= ALPHA) / (n + 1)


def discoveries(held: Array, pool: Array, odd: Array, other: Array, rng: np.random.Generator) -> list[float]:
    """Return false shares and found shares at every level, of a list of normal rows and moved ones."""
    candidates = rng.permutation(other[other < len(odd)])
    count = min(MOVED, len(candidates) // 5)
    normal = np.setdiff1d(other, candidates[:count])[:NORMAL]
    p = p_values(np.concatenate([pool[normal], odd[candidates[:count]]]), held)
    told = []
    for level in LEVELS:
        listed = benjamini_hochberg(p, level)
        wrong, right = listed[: len(normal)].sum(), listed[len(normal) :].sum()
        told += [100 * wrong / max(1, wrong + right), 100 * right / max(1, count)]
    return told


def summary(lists: Array) -> dict[str, float]:
    """Return means over splits; standard errors are those of the mean over all splits of all fits."""
    mean, error = lists.mean(0), 2 * lists.std(0) / np.sqrt(len(lists) * SEEDS)
    names = ("false", "found", "false_10", "found_10")
    found = dict(zip(names, mean, strict=True))
    return found | {"false_error": error[0], "false_10_error": error[2]}


def few(n: int, seed: int, quick: bool, kept: dict[int, Array]) -> dict[str, Any]:
    """Split the scores of one fit so that n rows calibrate."""
    fit, fresh, _ = sizes(quick)
    rng = np.random.default_rng(seed)
    if seed not in kept:
        learnt, tested = parted(stars()[0], fit, fresh, rng)
        detector = AnomalyDetector(contamination=0, calibration="split", random_state=seed).fit(learnt)
        kept[seed] = np.concatenate([detector.calibration_[0], detector.anomaly_score(tested)])
    alarms = []
    for _ in range(FEW_SPLITS):
        order = rng.permutation(len(kept[seed]))
        alarms.append(np.mean(p_values(kept[seed][order[n:]], kept[seed][order[:n]]) <= ALPHA))
    return {"alarms": 100 * float(np.mean(alarms)), "exact": exact(n), "seeds": 1}


def dirty(name: str, share: float, seed: int, quick: bool) -> dict[str, Any]:
    """Fit to rows of which a share are anomalies, and count alarms on fresh rows of both kinds."""
    fit, fresh, _ = sizes(quick)
    rng = np.random.default_rng(seed)
    normal, odd = (drawn(rows, len(rows), rng) for rows in TABLES[name]())
    if len(normal) < fit + fresh:
        fit = 2 * len(normal) // 3
    among = min(round(share * fit), len(odd) // 2)
    learnt = joined(taken(normal, slice(fit - among)), taken(odd, slice(among)))
    detector = AnomalyDetector(random_state=seed).fit(drawn(learnt, len(learnt), rng))
    told = [detector.predict(taken(rows, slice(at, at + fresh))) == -1 for rows, at in ((normal, fit), (odd, among))]
    return {"own": 100 * float(told[0].mean()), "power": 100 * float(told[1].mean()), "seeds": 1}


def joined(a: Any, b: Any) -> Any:
    """Return the rows of two frames."""
    import pandas as pd

    return pd.concat([a, b], ignore_index=True)


def peer_rates(peer: PyOD, name: str, seed: int, quick: bool) -> dict[str, Any]:
    """Count the alarms of PyOD's AutoEncoder, whose threshold is a quantile of the scores of its fit."""
    fit, fresh, _ = sizes(quick)
    learnt, tested = parted(as_numbers(TABLES[name]()[0]), fit, fresh, np.random.default_rng(seed))
    said = peer.ask("AutoEncoder", learnt, tested, seed=seed, contamination=ALPHA)
    return {"own": 100 * float(said.labels.mean()), "seeds": 1}


def as_numbers(X: Any) -> Array:
    """Return a frame as numbers, with an indicator of every level."""
    if not hasattr(X, "iloc"):
        return np.asarray(X)
    import pandas as pd

    return np.asarray(pd.get_dummies(X, dtype=float), dtype=float)


def planned(bench: Bench, peer: PyOD, seed: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield every row with what measures it."""
    kept: dict[int, Array] = {}
    quick = bench.quick
    for row, name in RATES.items():
        yield row, lambda name=name: rates(name, seed, quick)  # type: ignore[misc]
    for row, n in COUNTS.items():
        yield row, lambda n=n: few(n, seed, quick, kept)  # type: ignore[misc]
    for row, (name, share) in DIRTY.items():
        yield row, lambda name=name, share=share: dirty(name, share, seed, quick)  # type: ignore[misc]
    for row, name in PEERS.items() if python() else ():
        yield row, lambda name=name: peer_rates(peer, name, seed, quick)  # type: ignore[misc]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, all rows of a seed before the next seed."""
    bench = Bench(TABLE, arguments, __doc__)
    with PyOD() as peer:
        for seed in bench.seeds(range(SEEDS)):
            for row, measure in planned(bench, peer, seed):
                if bench.wants(row):
                    with bench.row(row, {"rows": sizes(bench.quick)}, seed) as values:
                        values |= measure()


if __name__ == "__main__":
    main()
