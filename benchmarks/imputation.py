"""How well are missing cells filled, beside means, neighbours and chained regressions?

UCI adult: 6 columns of numbers, 9 of levels. From the training rows a tenth of the cells is removed at random, so that
every method learns from a table with holes; from 5,000 rows of the test file a fifth, anew for every seed. What is
filled in is compared with what was there: the root mean squared error of numbers, in deviations of the training rows,
over all removed cells, and the share of wrong levels.

scikit-learn's imputers see numbers standardised and levels as indicator columns, of which the largest is the answer.
Regressions see one indicator fewer: of all of them each is one minus the others, and nothing else is learnt. They are
fitted on 10,000 of the training rows, for the neighbours of more take long. The last row asks whether frames of pandas
and polars come back with the types and levels they had, and with every cell that was there as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import tables
from benchmarks.common import Bench, Column, Table
from benchmarks.tables import Array
from isthmus import Autoencoder, Trainer
from isthmus.parts import Emphasised, Hiding, Overcomplete

TYPES = "types and levels, pandas and polars"
FEW, TEST, REMOVED, HELD_REMOVED = 10_000, 5_000, 0.1, 0.2


class Wide:
    """A table as numbers alone: standardised, and an indicator of every level."""

    def __init__(self, frame: Any) -> None:
        """Look at the training rows."""
        self.numbers = [name for name in frame if frame[name].dtype.kind == "f"]
        # The most frequent level first.
        self.levels = {name: list(frame[name].value_counts().index) for name in frame if name not in self.numbers}
        self.mean, self.deviation = frame[self.numbers].mean(), frame[self.numbers].std(ddof=0)

    def encode(self, frame: Any, skip: int = 0) -> Array:
        """Return (rows, numbers and indicators but for the first few); NaN where a cell is missing."""
        parts = [((frame[self.numbers] - self.mean) / self.deviation).to_numpy()]
        for name, levels in self.levels.items():
            values = frame[name].to_numpy(dtype=object)
            there = np.array([[value == level for level in levels[skip:]] for value in values], dtype=float)
            there[frame[name].isna().to_numpy()] = np.nan
            parts.append(there)
        return np.hstack(parts)

    def decode(self, values: Array, like: Any, skip: int = 0) -> Any:
        """Return a frame: the largest indicator is the level; one that was left out is what the others leave of 1."""
        made, at = like.copy(), len(self.numbers)
        made[self.numbers] = values[:, :at] * self.deviation.to_numpy() + self.mean.to_numpy()
        for name, levels in self.levels.items():
            told = values[:, at : at + len(levels) - skip]
            shares = np.hstack([np.repeat(1 - told.sum(1, keepdims=True), skip, axis=1), told])
            made[name] = np.array(levels, dtype=object)[shares.argmax(1)]
            at += len(levels) - skip
        return made


def constants(train: Any, test: Any, seed: int, quick: bool) -> Any:
    """Fill means and most frequent levels."""
    return test.fillna(
        {name: train[name].mean() if train[name].dtype.kind == "f" else train[name].mode()[0] for name in train}
    )


def by_sklearn(imputer: Callable[[int], Any], skip: int = 0) -> Callable[[Any, Any, int, bool], Any]:
    """Return a method that has one of scikit-learn's imputers."""

    def fill(train: Any, test: Any, seed: int, quick: bool) -> Any:
        wide = Wide(train)
        few = train.sample(min(FEW, len(train)), random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ten rounds are not enough for IterativeImputer's own tolerance
            fitted = imputer(seed).set_output(transform="default").fit(wide.encode(few, skip))
            return wide.decode(fitted.transform(wide.encode(test, skip)), test, skip)

    return fill


def neighbours(seed: int) -> Any:
    """Return scikit-learn's imputer by neighbours."""
    from sklearn.impute import KNNImputer

    return KNNImputer(keep_empty_features=True)


def regressions(seed: int) -> Any:
    """Return scikit-learn's imputer by chained regressions."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(random_state=seed, keep_empty_features=True)


def plain(seed: int, trainer: Trainer | None) -> Autoencoder:
    """Return the default autoencoder."""
    return Autoencoder(trainer=trainer, random_state=seed)


def wide(seed: int, trainer: Trainer | None) -> Autoencoder:
    """Return a net whose code is no narrower than the table, asked for hidden cells above all."""
    corruption = Emphasised(Hiding(0.3), beta=0.1)
    return Autoencoder(64, bottleneck=Overcomplete(), corruption=corruption, trainer=trainer, random_state=seed)


def by_isthmus(model: Callable[[int, Trainer | None], Autoencoder]) -> Callable[[Any, Any, int, bool], Any]:
    """Return a method that has an autoencoder."""

    def fill(train: Any, test: Any, seed: int, quick: bool) -> Any:
        return model(seed, Trainer(epochs=5) if quick else None).fit(train).impute(test)

    return fill


METHODS = {
    "isthmus, default": by_isthmus(plain),
    "isthmus, wide": by_isthmus(wide),
    "mean and most frequent level": constants,
    "scikit-learn KNNImputer": by_sklearn(neighbours),
    "scikit-learn IterativeImputer": by_sklearn(regressions, skip=1),
}
TABLE = Table(
    name="imputation",
    columns={
        "error": Column("error of numbers, deviations", "{:.3f}", "spread"),
        "wrong": Column("wrong levels", "{:.1f} %", "spread"),
        "kept": Column("columns whose type, levels and cells came back", over_seeds="first"),
        "seeds": Column("seeds", "{:.0f}", "sum"),
        "cpu_minutes": Column("minutes", "{:.1f}"),
    },
    rows=(*METHODS, f"isthmus, {TYPES}"),
)


def holed(frame: Any, rate: float, rng: np.random.Generator) -> Any:
    """Return a frame without some of its cells."""
    return frame.mask(rng.random(frame.shape) < rate)


def measure(filled: Any, true: Any, holes: Any, wide: Wide) -> dict[str, Any]:
    """Compare what was filled in with what was there."""
    removed = (holes.isna() & true.notna()).to_numpy()
    numbers = [true.columns.get_loc(name) for name in wide.numbers]
    off = (filled[wide.numbers] - true[wide.numbers]).to_numpy(dtype=float) / wide.deviation.to_numpy()
    levels = [true.columns.get_loc(name) for name in wide.levels]
    other = filled[list(wide.levels)].to_numpy(dtype=object) != true[list(wide.levels)].to_numpy(dtype=object)
    return {
        "error": float(np.sqrt(np.square(off[removed[:, numbers]]).mean())),
        "wrong": 100 * float(other[removed[:, levels]].mean()),
        "cells": int(removed.sum()),
        "seeds": 1,
    }


def typed(frame: Any) -> tuple[Any, Any]:
    """Return people as frames of pandas and polars with a column of nearly every type, a fifth of their cells gone."""
    import pandas as pd
    import polars as pl

    rng, n = np.random.default_rng(0), len(frame)
    whole = pd.DataFrame(
        {
            "age": frame["age"].astype("Int64"),
            "weight": frame["fnlwgt"].astype("float64"),
            "hours": frame["hours_per_week"].astype("float32"),
            "education": pd.Categorical(frame["education"], ordered=True),
            "race": frame["race"].astype("category"),
            "sex": frame["sex"].astype("str"),
            "rich": (frame["income"] == ">50K").astype("boolean"),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 999, n), unit="D"),
        }
    ).mask(rng.random((n, 8)) < HELD_REMOVED)
    kinds = {
        "age": pl.Int16,
        "weight": pl.Float64,
        "hours": pl.Float32,
        "education": pl.Enum(sorted(frame["education"].unique())),
        "race": pl.Categorical,
        "sex": pl.String,
        "rich": pl.Boolean,
        "day": pl.Date,
    }
    cells = {name: [None if pd.isna(v) else v for v in whole[name].astype(object)] for name in whole}
    return whole, pl.DataFrame(cells, strict=False).with_columns(pl.col(n).cast(kind) for n, kind in kinds.items())


def came_back(before: Any, after: Any) -> tuple[int, int]:
    """Count columns of the same type and levels, with no hole left and every cell that was there; and all columns."""
    kept = 0
    for name in before.columns:
        old, new = before[name], after[name]
        hole = np.asarray(old.isna() if hasattr(old, "isna") else old.is_null())
        left = np.asarray(new.isna() if hasattr(new, "isna") else new.is_null())
        same = all(a == b for a, b, gone in zip(old.to_list(), new.to_list(), hole, strict=True) if not gone)
        kept += old.dtype == new.dtype and same and not left.any()
    return kept, len(before.columns)


def types(frame: Any, quick: bool) -> dict[str, Any]:
    """Fit and fill frames of both libraries."""
    trainer = Trainer(epochs=5) if quick else None
    told = [
        came_back(table, Autoencoder(trainer=trainer, random_state=0).fit(table).impute(table))
        for table in typed(frame)
    ]
    return {"kept": " and ".join(f"{kept} of {columns}" for kept, columns in told), "seeds": 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, all rows of a seed before the next seed."""
    bench = Bench(TABLE, arguments, __doc__)
    train, test = (tables.adult(part) for part in ("data", "test"))
    numbers = [name for name in train if train[name].dtype.kind in "if"]
    kinds = dict.fromkeys(numbers, float) | {name: object for name in train if name not in numbers}
    train, test = train.astype(kinds), test.astype(kinds)
    for seed in bench.seeds((0, 1, 2)):
        rng = np.random.default_rng(seed)
        rows = train.sample(min(len(train), 2000), random_state=seed) if bench.quick else train
        true = test.sample(min(len(test), 500 if bench.quick else TEST), random_state=seed).reset_index(drop=True)
        learnt, holes = holed(rows.reset_index(drop=True), REMOVED, rng), holed(true, HELD_REMOVED, rng)
        told = Wide(learnt)
        for name, fill in METHODS.items():
            if bench.wants(name):
                with bench.row(name, {"rows": len(learnt), "test rows": len(true)}, seed) as values:
                    values |= measure(fill(learnt, holes, seed, bench.quick), true, holes, told)
        if bench.wants(TABLE.rows[-1]) and seed == 0:
            with bench.row(TABLE.rows[-1], {"rows": 3000}) as values:
                values |= types(train.sample(min(len(train), 3000), random_state=0), bench.quick)


if __name__ == "__main__":
    main()
