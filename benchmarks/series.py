"""Anomalies in series: what a detector of windows finds in the Numenta Anomaly Benchmark, with one setting for all.

Every series of NAB (Lavin & Ahmad, 2015, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly
Benchmark") is fitted on its first 15 %, NAB's probationary period, and scored after that, point by point, through
windows of 64 points. Anomalous are the points within the windows that NAB labels; series without any are left out.
AUROC and average precision are means over series. Alarms are points of p <= 0.01: shown are the share of labelled
windows with at least one, and the share of other points that raise one. Labelled windows are a tenth of a series
wide, which favours scores that are smooth: those of peers are means over the windows that cover a point, and so one
row shows the moving mean of ours over 64 points beside our own. Peers have conformal p-values too, by the last fifth
of the rows of the fit, which they then do not fit. Nothing is tuned by file. One choice was made on every
fifth of these series before all were run: windows are read less their mean.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from benchmarks import sets
from benchmarks.common import Bench, Column, Table
from isthmus import AnomalyDetector
from isthmus.data.windows import Windows
from isthmus.measures import p_values

Array = sets.Array
SIZE, STRIDE, PROBATION, NEIGHBOURS, ALARM = 64, 4, 0.15, 5, 0.01
WINDOWS = Windows(SIZE, STRIDE)
Found = tuple[Array, Array]

OURS = {"isthmus": 1, "isthmus, moving mean of scores": SIZE}
TABLE = Table(
    name="series",
    columns={
        "auroc": Column("AUROC", "{:.3f}"),
        "precision": Column("average precision", "{:.3f}"),
        "hit": Column("labelled windows with an alarm", "{:.2f}"),
        "alarms": Column("other points with an alarm", "{:.3f}"),
        "series": Column("series", "{:.0f}", "first"),
        "cpu_minutes": Column("minutes in all", "{:.1f}"),
    },
    rows=(*OURS, "nearest windows of the fit", "PCA residual", "isolation forest", "moving z-score"),
)


def series(quick: bool) -> Iterator[tuple[str, Array, list[Array]]]:
    """Give the name, values and labelled windows, each as points of time, of every series that has a label."""
    labels = json.loads(sets.present("anomaly/nab/labels", "combined_windows.json").read_text(encoding="utf-8"))
    known = {name: spans for name, spans in sorted(labels.items()) if spans}
    for name in list(known)[:: 10 if quick else 1]:
        with sets.present("anomaly/nab/data", name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        values = np.array([float(row["value"]) for row in rows])
        when = np.array([row["timestamp"] for row in rows], dtype="datetime64[s]")
        spans = [np.array(span, dtype="datetime64[s]") for span in known[name]]
        yield name, values, [np.flatnonzero((when >= first) & (when <= last)) for first, last in spans]


def ours(known: dict[bytes, Found], mean: int, train: Array, test: Array) -> Found:
    """Return the moving mean of the scores of points, and p-values, by the detector as it comes; it is fitted once."""
    own = test.tobytes()
    if own not in known:
        detector = AnomalyDetector(window=SIZE, random_state=0).fit(train)
        known[own] = detector.anomaly_score(test), detector.p_values(test)
    scores, p = known[own]
    return smooth(scores, mean), p


def smooth(scores: Array, points: int) -> Array:
    """Return the moving mean over some points around each."""
    padded = np.pad(scores, (points // 2, points - 1 - points // 2), mode="edge")
    return np.asarray(np.convolve(padded, np.full(points, 1 / points), "valid"))


def by_windows(fit: Callable[[Array], Callable[[Array], Array]]) -> Callable[[Array, Array], Array]:
    """Let a peer score windows, of values standardised by the fit, and spread the scores to points."""

    def scored(train: Array, test: Array) -> Array:
        centre, factor = train.mean(), train.std() or 1.0
        score = fit((Windows(SIZE).cut(train)[:, 0] - centre) / factor)
        return WINDOWS.spread(score((WINDOWS.cut(test)[:, 0] - centre) / factor), len(test))

    return scored


def nearest(train: Array) -> Callable[[Array], Array]:
    """Score by the mean distance to the nearest windows."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train))).fit(train)
    return lambda rows: np.asarray(index.kneighbors(rows)[0].mean(1))


def residual(train: Array) -> Callable[[Array], Array]:
    """Score by the squared distance to the principal axes of nine tenths of the variance."""
    from sklearn.decomposition import PCA

    if np.ptp(train) == 0:
        return lambda rows: np.square(rows).sum(1)
    pca = PCA(0.9, svd_solver="full").fit(train)
    return lambda rows: np.square(rows - pca.inverse_transform(pca.transform(rows))).sum(1)


def forest(train: Array) -> Callable[[Array], Array]:
    """Score by an isolation forest."""
    from sklearn.ensemble import IsolationForest

    trees = IsolationForest(random_state=0).fit(train)
    return lambda rows: -trees.score_samples(rows)


def moving(train: Array, test: Array) -> Array:
    """Score by how many deviations of the points before it a point is away from their mean."""
    before = Windows(SIZE).cut(np.concatenate([train[-SIZE:], test]))[:-1, 0]
    return np.asarray(np.abs(test - before.mean(1)) / (before.std(1) + 1e-3 * (train.std() or 1.0)))


PEERS: dict[str, Callable[[Array, Array], Array]] = {
    "nearest windows of the fit": by_windows(nearest),
    "PCA residual": by_windows(residual),
    "isolation forest": by_windows(forest),
    "moving z-score": moving,
}


def peer(score: Callable[[Array, Array], Array], train: Array, test: Array) -> Found:
    """Return a peer's scores, and p-values by points that followed a fit without them."""
    kept = len(train) - max(SIZE, len(train) // 5)
    return score(train, test), p_values(score(train[:kept], test), score(train[:kept], train[kept:]))


def measured(method: Callable[[Array, Array], Found], quick: bool) -> dict[str, object]:
    """Return means over all series, and the values of each."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = {}
    for name, values, spans in series(quick):
        start = int(PROBATION * len(values))
        scores, p = method(values[:start], values[start:])
        odd = np.zeros(len(values), dtype=bool)
        odd[np.concatenate(spans)] = True
        odd, later = odd[start:], [span[span >= start] - start for span in spans]
        hits = [bool((p[span] <= ALARM).any()) for span in later if len(span)]
        auroc, precision = roc_auc_score(odd, scores), average_precision_score(odd, scores)
        found[name] = {"auroc": auroc, "precision": precision, "hit": np.mean(hits)}
        found[name]["alarms"] = np.mean(p[~odd] <= ALARM)
        print(name, {key: round(float(value), 3) for key, value in found[name].items()}, flush=True)
    means = {key: np.mean([one[key] for one in found.values()]) for key in next(iter(found.values()))}
    return means | {"series": len(found), "by series": found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every method on every series."""
    bench = Bench(TABLE, arguments, __doc__)
    setup = {"window": SIZE, "probation": PROBATION, "alarm": ALARM}
    answers: dict[bytes, Found] = {}
    for name, mean in OURS.items():
        if bench.wants(name):
            with bench.row(name, setup) as values:
                values |= measured(partial(ours, answers, mean), bench.quick)
    for name, score in PEERS.items():
        if bench.wants(name):
            with bench.row(name, setup) as values:
                values |= measured(partial(peer, score), bench.quick)


if __name__ == "__main__":
    main()
