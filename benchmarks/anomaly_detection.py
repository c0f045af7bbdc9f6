"""How well are anomalies found, on 21 data sets of ADBench, beside other detectors and what is published?

Protocols of Livernoche et al. (2024, "On Diffusion Modeling for Anomaly Detection"). One-class: fitted to the first
half of the normal rows of a shuffled set, tested on the other half and all anomalies. Unsupervised: fitted to a
bootstrap resample of the whole set, labels unseen, tested on the whole set. At most 50,000 rows are drawn, and five
seeds. They also bootstrap sets under 1,000 rows to 1,000 before the split, so that test rows are copies of training
rows: *as published* does so for comparison, *clean* leaves it out.

isthmus has one fixed setting, ``AnomalyDetector(contamination=0)`` for one-class and ``AnomalyDetector()`` for
unsupervised, chosen on other data sets: no label of these was looked at. It sees rows as they are, the others see
columns standardised by the training rows. Its parts are what clean rows alone and noisy copies alone add to the score
of the same fit; a one-class fit has no noisy copies. PyOD's detectors have their own defaults, in an environment of
their own (:mod:`benchmarks.peers`).

A line of every data set is kept in ``anomaly_detection_sets.jsonl``; what is there is not measured again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import tables
from benchmarks.common import ROOT, Bench, Column, Table, plain
from benchmarks.peers import PyOD
from benchmarks.tables import Array
from isthmus import AnomalyDetector
from isthmus.bench.machine import circumstances

MOST, LEAST, BLOCK, QUICK_ROWS = 50_000, 1000, 4096, 600
SMALL = ("38_thyroid", "14_glass")
OURS = ("isthmus", "isthmus, clean rows alone", "isthmus, noisy copies alone")
PEERS = ("AutoEncoder", "VAE", "KNN", "IForest", "ECOD")
METHODS = (*OURS, "scikit-learn IsolationForest", *(f"PyOD {name}" for name in PEERS))
PROTOCOLS = ("one-class", "unsupervised")
VARIANTS = ("as published", "clean")


class Split(NamedTuple):
    """Rows to fit, rows to score, and which of these are anomalies."""

    train: Array
    test: Array
    odd: Array


class Found(NamedTuple):
    """Scores of the test rows by method, and seconds of fit and score: the processor's and the clock's."""

    scores: dict[str, Array]
    cpu: float
    wall: float


def row_of(protocol: str, variant: str, method: str) -> str:
    """Name a row of the table."""
    return f"{protocol}, {variant}: {method}"


def measured(protocol: str, method: str) -> bool:
    """Say whether a method exists under a protocol."""
    return protocol == "unsupervised" or method != OURS[2]


ROWS = [
    row_of(protocol, variant, method)
    for protocol in PROTOCOLS
    for variant in VARIANTS
    for method in METHODS
    if measured(protocol, method)
]
WIN = {"one-class": "≥ 87.04 / 75.27 (DTE-NP)", "unsupervised": "≥ 79.99 / 52.04 (IForest)"}
TABLE = Table(
    name="anomaly_detection",
    columns={
        "auroc": Column("AUROC", "{:.2f}", "spread"),
        "precision": Column("average precision", "{:.2f}", "spread"),
        "rank": Column("mean rank by AUROC", "{:.2f}"),
        "rank_precision": Column("by average precision", "{:.2f}"),
        "sets": Column("sets", "{:.0f}", "first"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "cpu_seconds": Column("CPU seconds of a set", "{:.1f}"),
    },
    rows=tuple(ROWS),
    targets={row_of(protocol, VARIANTS[0], OURS[0]): target for protocol, target in WIN.items()},
)


def splits(name: str, seed: int, quick: bool) -> Iterator[tuple[str, str, Split]]:
    """Yield the protocols and variants of a set; a large set has one variant, which counts as both."""
    X, odd = tables.adbench(name)
    rng = np.random.default_rng(seed)
    if len(X) > (most := QUICK_ROWS if quick else MOST):
        drawn = rng.choice(len(X), most, replace=False)
        X, odd = X[drawn], odd[drawn]
    again = rng.choice(len(X), LEAST) if len(tables.adbench(name)[0]) < LEAST else None
    for variant in VARIANTS[::-1]:
        if variant == VARIANTS[0] and again is None:
            continue
        rows, labels = (X, odd) if variant == "clean" else (X[again], odd[again])
        normal = rng.permutation(np.flatnonzero(~labels))
        half = len(normal) // 2
        test = np.concatenate([normal[half:], np.flatnonzero(labels)])
        yield "one-class", variant, Split(rows[normal[:half]], rows[test], labels[test])
        yield "unsupervised", variant, Split(rows[rng.choice(len(rows), len(rows))], rows, labels)


def taken_apart(detector: AnomalyDetector, X: Array) -> tuple[Array, Array]:
    """Return what clean rows and what noisy copies add to the anomaly score, (rows,) each; they sum to the score."""
    members, x = detector.members_, detector.reading_.admit(detector, X)
    levels, scale = len(members.recipe.levels), members.scales.mean(0)
    clean, noisy = np.empty(len(x)), np.empty(len(x))
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        surprise = members.surprises(x[part], range(len(members.noises))).mean(0)
        still, moved = surprise.copy(), surprise.copy()
        still[levels:], moved[:levels] = 0, 0
        clean[part] = members.flattened(still, scale).sum(1)
        noisy[part] = members.flattened(moved, scale).sum(1)
    return clean, noisy


def by_isthmus(split: Split, protocol: str, seed: int) -> Found:
    """Fit our detector, and take its scores apart."""
    wall, cpu = time.perf_counter(), time.process_time()
    detector = AnomalyDetector(contamination=0 if protocol == "one-class" else "unknown", random_state=seed)
    clean, noisy = taken_apart(detector.fit(split.train), split.test)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    scores = dict(zip(OURS, (clean + noisy, clean, noisy), strict=True))
    return Found({method: found for method, found in scores.items() if measured(protocol, method)}, *spent)


def standardised(split: Split) -> tuple[Array, Array]:
    """Return training and test rows by the means and deviations of the training rows."""
    mean, deviation = split.train.mean(0), split.train.std(0)
    deviation[deviation <= 1e-12 * np.abs(mean)] = 1  # what is left of a constant column is rounding
    return (split.train - mean) / deviation, (split.test - mean) / deviation


def by_forest(split: Split, protocol: str, seed: int) -> Found:
    """Fit scikit-learn's forest."""
    from sklearn.ensemble import IsolationForest

    train, test = standardised(split)
    wall, cpu = time.perf_counter(), time.process_time()
    scores = -IsolationForest(random_state=seed).fit(train).score_samples(test)
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return Found({METHODS[3]: scores}, *spent)


def by_pyod(peer: PyOD, name: str) -> Callable[[Split, str, int], Found]:
    """Return how a detector of PyOD is fitted."""

    def fit(split: Split, protocol: str, seed: int) -> Found:
        said = peer.ask(name, *standardised(split), seed=seed)
        return Found({f"PyOD {name}": said.scores}, said.cpu, said.seconds)

    return fit


class Ledger:
    """The lines of every data set: what was measured is read back, and what is new is appended."""

    def __init__(self, path: Path, quick: bool) -> None:
        """Read what is there."""
        self.path, self.quick = path, quick
        self.lines: dict[tuple[Any, ...], dict[str, Any]] = {}
        for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            line = json.loads(text)
            if line["quick"] == quick:
                self.lines[self.key(line)] = line

    @staticmethod
    def key(line: Mapping[str, Any]) -> tuple[Any, ...]:
        """Say what makes a line the only one of its kind."""
        return tuple(line[name] for name in ("set", "protocol", "variant", "method", "seed"))

    def add(self, line: dict[str, Any]) -> None:
        """Append a line."""
        line = plain(line | {"quick": self.quick}) | made_by()
        self.lines[self.key(line)] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{line['set']}: {line['method']} {line['auroc']:.2f} {line['precision']:.2f}", flush=True)

    def values(self, protocol: str, variant: str, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
        """Return lines by set and method; a set whose variants are the same counts as both."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for line in self.lines.values():
            same = (line["protocol"], line["seed"]) == (protocol, seed)
            both = line["variant"] == "clean" and not line["small"]
            if same and (line["variant"] == variant or both):
                found.setdefault(line["set"], {})[line["method"]] = line
        return found


@lru_cache
def made_by() -> dict[str, Any]:
    """Return the revision and the versions."""
    found = circumstances(ROOT)
    return {name: found[name] for name in ("git", "versions", "cpu")}


def measure(ledger: Ledger, name: str, seed: int, fits: Mapping[str, Callable[[Split, str, int], Found]]) -> None:
    """Fit what is missing on one set and seed."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    small = len(tables.adbench(name)[0]) < LEAST
    for protocol, variant, split in splits(name, seed, ledger.quick):
        for method, fit in fits.items():
            where = {"set": name, "protocol": protocol, "variant": variant, "seed": seed, "small": small}
            if ledger.key(where | {"method": method}) in ledger.lines:
                continue
            found = fit(split, protocol, seed)
            for told, scores in found.scores.items():
                values = {
                    "method": told,
                    "auroc": 100 * roc_auc_score(split.odd, scores),
                    "precision": 100 * average_precision_score(split.odd, scores),
                    "cpu_seconds": found.cpu,
                    "seconds": found.wall,
                    "rows": len(split.train),
                }
                ledger.add(where | values)


def ranks(values: Mapping[str, Mapping[str, Mapping[str, Any]]], methods: Sequence[str], measure: str) -> Array:
    """Return the rank of every method on every set, (sets, methods): 1 is best, ties share."""
    from scipy.stats import rankdata

    scores = np.array([[by[method][measure] for method in methods] for by in values.values()])
    return np.asarray(rankdata(-scores, axis=1))


def whole(methods: Sequence[str]) -> list[str]:
    """Return methods without the parts of ours, which no one would use."""
    return [method for method in methods if method not in OURS[1:]]


def summarise(bench: Bench, ledger: Ledger, seed: int, names: Sequence[str]) -> None:
    """Append the rows of a seed: means over the sets on which every method was measured."""
    for protocol in PROTOCOLS:
        for variant in VARIANTS:
            asked = [m for m in METHODS if measured(protocol, m) and bench.wants(row_of(protocol, variant, m))]
            found = {
                name: by
                for name, by in ledger.values(protocol, variant, seed).items()
                if name in names and set(asked) <= set(by)
            }
            for method in asked if found else ():
                row = row_of(protocol, variant, method)
                # A part is ranked in the place of the whole.
                rivals = [method, *(m for m in whole(asked) if m != method and (m != OURS[0] or method not in OURS))]
                printed = in_print(protocol, sorted(found)) if (variant, method) == (VARIANTS[0], OURS[0]) else {}
                with bench.row(row, {"sets": sorted(found), "published": printed}, seed) as values:
                    for key in ("auroc", "precision", "cpu_seconds", "seconds"):
                        values[key] = float(np.mean([by[method][key] for by in found.values()]))
                    if len(rivals) == len(whole(METHODS)):
                        values["rank"] = float(ranks(found, rivals, "auroc")[:, 0].mean())
                        values["rank_precision"] = float(ranks(found, rivals, "precision")[:, 0].mean())
                    values |= {"sets": len(found), "seeds": 1}


def in_print(protocol: str, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return what others print of these sets: AUROC and average precision by method, best first."""
    kind = protocol.replace("-", "_")
    auroc, precision = (tables.published(kind, measure) for measure in ("auroc", "aupr"))
    means = {
        method: tuple(round(float(np.mean([table[method][name] for name in names])), 2) for table in (auroc, precision))
        for method in auroc
    }
    return dict(sorted(means.items(), key=lambda item: -item[1][0]))


def over_seeds(ledger: Ledger, protocol: str, variant: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Return means over seeds by set and method, of what was measured with every seed."""
    by_seed = [ledger.values(protocol, variant, seed) for seed in seeds]
    methods = [m for m in whole(METHODS)]
    names = [name for name in by_seed[0] if all(set(methods) <= set(by.get(name, {})) for by in by_seed)]
    return {
        name: {
            m: {key: float(np.mean([by[name][m][key] for by in by_seed])) for key in ("auroc", "precision")}
            for m in methods
        }
        for name in names
    }


def critical_difference(methods: int, sets: int, level: float = 0.05) -> float:
    """Return the difference of mean ranks that Nemenyi's test calls significant (Demšar, 2006).

    >>> round(critical_difference(5, 30), 3)
    1.114
    """
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * sets)))


def draw(ledger: Ledger, seeds: Sequence[int], folder: Path) -> None:
    """Draw mean ranks of the clean protocols; bars join methods that Nemenyi's test cannot tell apart."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = {protocol: over_seeds(ledger, protocol, "clean", seeds) for protocol in PROTOCOLS}
    if any(len(values) < 2 for values in found.values()):
        return
    figure, axes = plt.subplots(2, 1, figsize=(8, 5.2), layout="constrained")
    for (protocol, values), axis in zip(found.items(), axes, strict=True):
        one_plot(axis, protocol, values)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "anomaly-ranks.png", dpi=120)
    plt.close(figure)


def one_plot(axis: Any, protocol: str, values: Mapping[str, Any]) -> None:
    """Draw one diagram of critical differences."""
    from scipy.stats import friedmanchisquare

    methods = whole(METHODS)
    by_set = ranks(values, methods, "auroc")
    mean, cd = by_set.mean(0), critical_difference(len(methods), len(by_set))
    p = friedmanchisquare(*by_set.T).pvalue
    order = np.argsort(mean)
    half, lowest = (len(order) + 1) // 2, 0
    for place, m in enumerate(order):
        left = place < half
        y = -1.0 - (place if left else len(order) - 1 - place) - 1.2
        lowest = min(lowest, y)
        edge = 0.4 if left else len(methods) + 0.6
        axis.plot([mean[m], mean[m], edge], [0, y, y], color="0.3", linewidth=0.8)
        name = f"{methods[m]} ({mean[m]:.2f})"
        weight = "bold" if methods[m] == OURS[0] else "normal"
        axis.text(edge, y, name, ha="right" if left else "left", va="center", fontsize=9, weight=weight)
    reached, level = -1.0, 0
    for place, m in enumerate(order):
        near = max(k for k in range(place, len(order)) if mean[order[k]] - mean[m] <= cd)
        if near > place and near > reached:
            level, reached = level + 1, near
            axis.plot([mean[m] - 0.04, mean[order[near]] + 0.04], [-0.35 * level] * 2, color="C0", linewidth=3)
    axis.plot([1, len(methods)], [0, 0], color="black")
    for tick in range(1, len(methods) + 1):
        axis.plot([tick, tick], [0, 0.25], color="black")
        axis.text(tick, 0.4, str(tick), ha="center", fontsize=8)
    axis.set(xlim=(-3.2, len(methods) + 4.2), ylim=(lowest - 0.5, 2.2))
    axis.set_title(f"{protocol}: {len(by_set)} sets, Friedman p = {p:.1g}, critical difference {cd:.2f}", fontsize=10)
    axis.axis("off")


def details(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return what is printed of the same sets, and the picture of ranks."""
    written = []
    for line in {line["row"]: line for line in lines if line["setup"]["published"]}.values():
        title = (
            f"{line['row'].partition(',')[0]}, printed by Livernoche et al. for these {len(line['setup']['sets'])} sets"
        )
        told = [f"{method} {a:.2f} / {p:.2f}" for method, (a, p) in line["setup"]["published"].items()]
        written += [f"<small>{title[0].upper()}{title[1:]} (AUROC / average precision): {', '.join(told)}.</small>", ""]
    if any("rank" in line["values"] for line in lines):
        written += ["![Mean ranks; bars join methods that cannot be told apart](images/anomaly-ranks.png)"]
    return "\n".join(written)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every set with one seed before the next seed: ours first, then the others."""
    bench = Bench(TABLE, arguments, __doc__)
    ledger = Ledger(bench.path.with_name(f"{TABLE.name}_sets.jsonl"), bench.quick)
    names = [name for name in tables.adbench_names() if not bench.quick or name in SMALL]
    seeds = bench.seeds(range(5))
    with PyOD() as peer:
        fits: dict[str, Any] = {OURS[0]: by_isthmus, METHODS[3]: by_forest}
        fits |= {f"PyOD {name}": by_pyod(peer, name) for name in PEERS}
        asked = {
            m: fit for m, fit in fits.items() if any(bench.wants(row_of(p, v, m)) for p in PROTOCOLS for v in VARIANTS)
        }
        for seed in seeds:
            for name in sorted(names, key=size):
                measure(ledger, name, seed, asked)
            summarise(bench, ledger, seed, names)
        draw(ledger, seeds, bench.pictures)


def size(name: str) -> int:
    """Return the number of columns of a set: wide ones last."""
    return tables.adbench(name)[0].shape[1]


if __name__ == "__main__":
    main()
