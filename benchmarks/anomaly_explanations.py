"""Does an explanation name the column that is at fault?

Faults are planted in one to three known columns of 300 fresh normal rows of three tables: stars that are no pulsars
(HTRU2), people (adult) and normal connections (NSL-KDD). Detectors are fitted to 5,000 other rows. A *shift* puts a
number 6 deviations above the largest training value, or below the smallest where numbers are no counts; only columns of
more than ten values are shifted. An *unseen level* replaces a level by one that occurs among the training rows, but
never with some of the row's other levels: the one that misses most of them. *Another row's value* replaces a cell by
that of a random training row, where it differs; often nothing is odd about it, and no one could tell. Shares are those
of the k faulty columns among the k that have most of the score, over rows.

``explain(X).contributions`` stands beside what ECOD and COPOD add per column, and beside the squared error of a default
``Autoencoder``; these see standardised numbers and an indicator of every level, and indicators are summed by column. A
picture shows shifts by 1 to 10 deviations from the row's own value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import render
from benchmarks.anomaly_promises import connections, parted, people, stars, taken
from benchmarks.common import Bench, Column, Table
from benchmarks.peers import PyOD, python
from benchmarks.tables import Array
from isthmus import AnomalyDetector, Autoencoder, Trainer

FIT, FRESH, DEVIATIONS, DISTINCT, FREQUENT = 5000, 300, 6.0, 10, 20
SIZES = tuple(range(1, 11))
METHODS = ("isthmus", "squared error of Autoencoder()", "PyOD ECOD", "PyOD COPOD")
TABLES = {"HTRU2": lambda: stars()[0], "adult": lambda: people()[0].dropna(), "NSL-KDD": lambda: connections()[0]}
COUNTS = (1, 2, 3)
TABLE = Table(
    name="anomaly_explanations",
    columns={f"shift_{k}": Column(f"shift, {k}", "{:.1f} %") for k in COUNTS}
    | {f"level_{k}": Column(f"unseen level, {k}", "{:.1f} %") for k in COUNTS}
    | {f"other_{k}": Column(f"another row's value, {k}", "{:.1f} %") for k in COUNTS}
    | {"columns": Column("columns", "{:.0f}", "first"), "seeds": Column("seeds", "{:.0f}", "sum")},
    rows=[f"{method}, {name}" for method in METHODS for name in TABLES],
    targets={f"{METHODS[0]}, {name}": "shift and level ≥ 90 %" for name in TABLES},
)


class Case(NamedTuple):
    """Faulty rows, and which columns are at fault, (rows, columns); no rows where a table has no such columns."""

    X: Any
    faults: Array


class Planter:
    """Plants faults in rows, as the training rows make them odd."""

    def __init__(self, train: Any) -> None:
        """Look at the training rows."""
        self.train = train
        self.names = list(train.columns)
        self.numbers = [n for n in self.names if train[n].dtype.kind in "if" and train[n].nunique() > DISTINCT]
        self.levels = [n for n in self.names if train[n].dtype.kind not in "if"]
        self.deviations = {n: float(train[n].astype(float).std()) for n in self.numbers}
        self.pairs = {(a, b): set(zip(train[a], train[b], strict=True)) for a in self.levels for b in self.levels}
        self.known = {n: [v for v, count in train[n].value_counts().items() if count >= FREQUENT] for n in self.levels}

    def shift(self, X: Any, k: int, rng: np.random.Generator, by: float | None = None) -> Case:
        """Move numbers out of the range of the training rows, or by so many deviations from where they are."""
        columns = {n: X[n].to_numpy().copy() for n in self.numbers}
        faults = np.zeros(X.shape, dtype=bool)
        for i in range(len(X)):
            for n in rng.choice(self.numbers, min(k, len(self.numbers)), replace=False):
                up = self.train[n].dtype.kind == "i" or bool(rng.integers(2))
                start = columns[n][i] if by is not None else self.train[n].max() if up else self.train[n].min()
                step = (DEVIATIONS if by is None else by) * self.deviations[n]
                value = start + (step if up else -step)
                columns[n][i] = value if columns[n].dtype.kind == "f" else np.ceil(value)
                faults[i, self.names.index(n)] = True
        return Case(X.assign(**columns), faults)

    def level(self, X: Any, k: int, rng: np.random.Generator) -> Case:
        """Put levels that never occur with others of the row; rows for which there are none are left out."""
        if len(self.levels) <= k:
            return Case(X.iloc[:0], np.zeros((0, X.shape[1]), dtype=bool))
        columns = {n: X[n].to_numpy(dtype=object).copy() for n in self.levels}
        faults = np.zeros(X.shape, dtype=bool)
        for i in range(len(X)):
            for n in rng.permutation(self.levels):
                others = [m for m in self.levels if m != n]
                missed = [sum((v, columns[m][i]) not in self.pairs[n, m] for m in others) for v in self.known[n]]
                if missed and max(missed) > 0 and faults[i].sum() < k:
                    columns[n][i] = self.known[n][int(np.argmax(missed))]
                    faults[i, self.names.index(n)] = True
        done = faults.sum(1) == k
        return Case(taken(X.assign(**columns), np.flatnonzero(done)), faults[done])

    def other(self, X: Any, k: int, rng: np.random.Generator) -> Case:
        """Put values of other rows."""
        columns = {n: X[n].to_numpy().copy() for n in self.names}
        faults = np.zeros(X.shape, dtype=bool)
        pool = {n: self.train[n].to_numpy() for n in self.names}
        for i in range(len(X)):
            for n in rng.permutation(self.names):
                unlike = pool[n][pool[n] != columns[n][i]]
                if len(unlike) and faults[i].sum() < k:
                    columns[n][i] = rng.choice(unlike)
                    faults[i, self.names.index(n)] = True
        return Case(X.assign(**columns), faults)


def hits(contributions: Array, faults: Array) -> float:
    """Return the share, per cent, of k faulty columns among the k that have most.

    >>> hits(np.array([[3.0, 1.0, 2.0]]), np.array([[True, True, False]]))
    50.0
    """
    order = np.argsort(np.argsort(-contributions, axis=1, kind="stable"), axis=1)
    k = faults.sum(1, keepdims=True)
    return 100 * float(((order < k) & faults).sum(1).astype(float).mean() / k.mean()) if len(faults) else float("nan")


class Indicators:
    """A frame as standardised numbers and an indicator of every level."""

    def __init__(self, train: Any) -> None:
        """Look at the training rows."""
        import pandas as pd

        made = pd.get_dummies(train, dtype=float)
        self.columns, self.mean, self.deviation = made.columns, made.mean(), made.std(ddof=0).replace(0, 1)
        text = [n for n in train if train[n].dtype.kind not in "if"]
        self.deviation[[c for c in made if c not in train]] = 1.0
        self.owner = [list(train).index(next((n for n in text if c.startswith(f"{n}_")), c)) for c in made]

    def encode(self, X: Any) -> Array:
        """Return the numbers of rows."""
        import pandas as pd

        made = pd.get_dummies(X, dtype=float).reindex(columns=self.columns, fill_value=0.0)
        return np.asarray((made - self.mean) / self.deviation, dtype=float)

    def by_column(self, values: Array, width: int) -> Array:
        """Add up what the numbers of each column have."""
        found = np.zeros((len(values), width))
        for at, owner in enumerate(self.owner):
            found[:, owner] += values[:, at]
        return found


Explains = Callable[[Any], Array]


def ours(train: Any, seed: int, quick: bool, peer: PyOD) -> Explains:
    """Fit our detector."""
    detector = AnomalyDetector(contamination=0, random_state=seed).fit(train)
    return lambda X: detector.explain(X).contributions


def squared(train: Any, seed: int, quick: bool, peer: PyOD) -> Explains:
    """Fit a default autoencoder to numbers and indicators."""
    seen = Indicators(train)
    model = Autoencoder(trainer=Trainer(epochs=5) if quick else None, random_state=seed).fit(seen.encode(train))

    def explain(X: Any) -> Array:
        x = seen.encode(X)
        return seen.by_column(np.square(x - model.reconstruct(x)), X.shape[1])

    return explain


def by_pyod(name: str) -> Callable[[Any, int, bool, PyOD], Explains]:
    """Return how one of PyOD's detectors explains: it is fitted anew for every question, which is how it answers."""

    def fit(train: Any, seed: int, quick: bool, peer: PyOD) -> Explains:
        seen = Indicators(train)

        def explain(X: Any) -> Array:
            said = peer.ask(name, seen.encode(train), seen.encode(X), seed=seed)
            assert said.dimensions is not None
            return seen.by_column(said.dimensions, X.shape[1])

        return explain

    return fit


FITS = dict(zip(METHODS, (ours, squared, by_pyod("ECOD"), by_pyod("COPOD")), strict=True))


def measure(explain: Explains, planter: Planter, X: Any, seed: int, quick: bool) -> dict[str, Any]:
    """Plant every fault, and see which columns are named."""
    found: dict[str, Any] = {"columns": X.shape[1], "seeds": 1}
    for kind, plant in (("shift", planter.shift), ("level", planter.level), ("other", planter.other)):
        for k in COUNTS:
            case = plant(X, k, np.random.default_rng((seed, k)))
            if len(case.X):
                found[f"{kind}_{k}"] = hits(explain(case.X), case.faults)
                found[f"{kind}_{k}_rows"] = len(case.X)
    found["curve"] = []
    for by in SIZES[:2] if quick else SIZES:
        case = planter.shift(X, 1, np.random.default_rng((seed, 9)), float(by))
        found["curve"].append(hits(explain(case.X), case.faults))
    return found


def details(lines: Sequence[Any]) -> str:
    """Return the picture of shifts."""
    text = "![Share of rows whose true column is first, by the size of a shift](images/anomaly-explanations.png)"
    return text if lines else ""


def draw(path: Path, folder: Path) -> None:
    """Draw how the share of true first columns grows with the size of a shift."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = render.read(path)
    figure, axes = plt.subplots(1, len(TABLES), figsize=(9, 3), layout="constrained", sharey=True)
    for name, axis in zip(TABLES, axes, strict=True):
        for method in METHODS:
            curves = [line["values"]["curve"] for line in render.latest(lines, f"{method}, {name}")] if lines else []
            if curves:
                axis.plot(SIZES[: len(curves[0])], np.mean(curves, axis=0), "o-", markersize=3, label=method)
        axis.set(title=name, xlabel="shift, deviations", ylim=(0, 102))
    axes[0].set_ylabel("true column first, %")
    if axes[0].lines:
        axes[0].legend(fontsize="x-small")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "anomaly-explanations.png", dpi=120)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, all rows of a seed before the next seed."""
    bench = Bench(TABLE, arguments, __doc__)
    with PyOD() as peer:
        for seed in bench.seeds((0, 1, 2)):
            for method, fit in FITS.items():
                for name, load in TABLES.items():
                    if not bench.wants(row := f"{method}, {name}") or ("PyOD" in method and not python()):
                        continue
                    sizes = (1000, 60) if bench.quick else (FIT, FRESH)
                    train, test = parted(load(), *sizes, np.random.default_rng(seed))
                    with bench.row(row, {"rows": len(train), "test rows": len(test)}, seed) as values:
                        values |= measure(fit(train, seed, bench.quick, peer), Planter(train), test, seed, bench.quick)
    if bench.path.exists():
        draw(bench.path, bench.pictures)


if __name__ == "__main__":
    main()
