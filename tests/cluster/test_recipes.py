"""The recipes of docs/cluster.md for other engines, as they stand there."""

import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus import load
from isthmus.estimators import score_batches

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
# Engines warn of their own parts, and leave sockets to the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def recipe(name):
    """Return the block of the page that begins with an engine's name."""
    return re.search(rf"```python\n# {name}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    """Work in a folder that has what recipes speak of."""
    shutil.copytree(folder / "rows" / "0", tmp_path / "rows")
    shutil.copytree(folder / "detector", tmp_path / "detector")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compared(here):
    """Compare the scores of an engine, whose rows may come in any order, with those of one process."""
    expected = [score_batches(load("detector"), pq.read_table(file)) for file in sorted(here.glob("rows/*.parquet"))]
    expected, found = pa.concat_tables(expected).sort_by("score"), pq.read_table(here / "scores").sort_by("score")
    assert found.num_rows == expected.num_rows and found.column_names[:6] == expected.column_names
    for name in ("score", "p_value"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
    assert found["anomaly"].to_pylist() == expected["anomaly"].to_pylist()


@pytest.mark.skipif(find_spec("dask") is None, reason="Dask is not installed: pip install 'dask[dataframe]'")
def test_dask(here):
    import dask

    with dask.config.set(scheduler="synchronous"):
        exec(recipe("dask"), {})
    compared(here)


@pytest.mark.skipif(find_spec("pyspark") is None, reason="Spark is not installed: pip install pyspark")
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark(here, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    plain = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.driver.host": "127.0.0.1"}
    made = SparkSession.builder.master("local[2]").config(map=plain).getOrCreate()
    try:
        exec(recipe("spark"), {})
        compared(here)
    finally:
        made.stop()
