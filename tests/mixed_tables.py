"""A table of every kind of column, for tests of graphs."""

import datetime as dt

import numpy as np
import pyarrow as pa

SCHEMA = {
    "robust": "number:scale=robust",
    "income": "number:scale=log",
    "bent": "number:scale=quantile",
    "kids": "count",
    "word": "hashed:buckets=5",
    "town": "category:width=3",
}


def table(n=80, seed=0):
    """Return a table of every kind of column, with holes."""
    rng = np.random.default_rng(seed)
    stamps = dt.datetime(2019, 1, 1) + np.array([dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**8, n)])
    columns = {
        "age": rng.normal(40, 10, n),
        "whole": rng.integers(0, 50, n),
        "robust": rng.standard_cauchy(n),
        "income": rng.lognormal(8, 2, n) * rng.choice([-1, 1], n),
        "bent": rng.exponential(3, n) ** 2,
        "kids": rng.poisson(2, n),
        "ok": rng.choice([True, False], n).tolist(),
        "sex": rng.choice(["m", "f"], n).tolist(),
        "digit": rng.choice([3.0, 7.0], n),
        "town": rng.choice(list("abcd"), n).tolist(),
        "word": [f"w{i}" for i in rng.integers(0, 40, n)],
        "always": ["x"] * n,
        "when": stamps.tolist(),
        "day": [(dt.date(2020, 1, 1) + dt.timedelta(days=int(d))) for d in rng.integers(0, 300, n)],
    }
    holes = {name: rng.random(n) < 0.15 for name in columns if name not in ("sex", "when")}
    return pa.table(
        {name: pa.array(values, mask=holes.get(name), from_pandas=False) for name, values in columns.items()}
    )


def unseen(X):
    """Return the table with levels in some rows that the fit did not see."""
    for name, value in (("town", "new"), ("always", "y"), ("digit", 5.0)):
        X = X.set_column(X.column_names.index(name), name, pa.array([value, *X[name].to_pylist()[1:]], X[name].type))
    return X
