"""Saved models, and a folder of Parquet files that they score."""

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus import AnomalyDetector, Autoencoder, SelfExplainingClassifier, Trainer
from isthmus.parts import Dense

FILES, ROWS = 30, 120


def table(seed, rows=ROWS):
    rng = np.random.default_rng(seed)
    towns = np.array(["Bern", "Oslo", None])[rng.integers(0, 3, rows)]
    x = rng.normal(size=(rows, 2)) @ rng.normal(size=(2, 3))
    return pa.table({"a": x[:, 0], "b": x[:, 1], "town": towns, "c": x[:, 2], "other": [f"n{i}" for i in range(rows)]})


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder of Parquet files in ``rows``, with folders in it, and of a ``detector``, a ``plain`` model and
    one that ``predicts``."""
    made = tmp_path_factory.mktemp("cluster")
    for i in range(FILES):
        path = made / "rows" / f"{i % 3}" / f"{i:02}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(i), path, row_group_size=50)
    few, names = Trainer(epochs=2), ["a", "b", "c"]
    known = pa.concat_tables([table(i) for i in range(3)])
    nets = {"trainer": few, "random_state": 0}
    detector = AnomalyDetector(contamination=0, members=2, architecture=Dense((8,)), **nets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector.fit(known.drop_columns(["other"])).save(made / "detector")
        plain = Autoencoder(2, **nets)
        plain.fit(known.select(names)).save(made / "plain")
        labels = np.arange(len(known)) % 2
        SelfExplainingClassifier(Autoencoder(2, **nets), **nets).fit(known.select(names), labels).save(
            made / "predicts"
        )
    return made
