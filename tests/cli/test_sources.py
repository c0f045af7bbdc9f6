"""Patterns, folders, URLs and zarr wherever a command takes rows, and answers that are written block by block."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import streamed

from isthmus import load
from isthmus.data import read

X = (np.random.default_rng(0).normal(size=(120, 2)) @ np.random.default_rng(1).normal(size=(2, 4))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, shell):
    """Return a model that was fitted to a pattern of Parquet files, and the pattern."""
    folder = tmp_path_factory.mktemp("sources")
    pattern = streamed.KINDS["pattern"](folder, X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(streamed.stream.__kwdefaults__, "window_bytes", 4 * 4 * 40)
        done = shell("fit", pattern, "--stream", "-o", folder / "model", "--epochs", "2", "--units", "2")
    assert done.code == 0, done.err
    assert load(folder / "model").history_[-1]["shuffle_quality"] != 1
    return folder / "model", pattern


@pytest.mark.parametrize("kind", ["folder", "pattern", "store", "file URL"])
def test_every_command_takes_every_way_to_say_where_rows_are(kind, fitted, shell, tmp_path):
    model, _ = fitted
    streamed.opened(kind, tmp_path, X)
    source, expected = streamed.KINDS[kind](tmp_path, X), load(model)
    rows = pa.table({f"c{i}": X[:, i] for i in range(4)})
    for command, out, answers in (
        ("encode", "codes.parquet", expected.transform(rows)),
        ("reconstruct", "rows.npy", np.asarray(expected.reconstruct(rows))),
        ("score", "scores.csv", expected.score_samples(rows)[:, None]),
    ):
        done = shell(command, model, source, "-o", tmp_path / out)
        assert done.code == 0, done.err
        np.testing.assert_allclose(read(tmp_path / out).flat, answers, rtol=1e-5, atol=1e-5)
    lines = shell("score", model, source).out.splitlines()
    assert lines[0] == "score" and len(lines) == 121
    assert shell("evaluate", model, source).out.startswith("rows 120, ")
    assert shell("fit", source, "-o", tmp_path / "again", "--epochs", "1", "--units", "2").code == 0


def test_answers_to_blocks_are_those_to_all_rows_whatever_they_are_written_to(fitted, shell, tmp_path, monkeypatch):
    model, pattern = fitted
    monkeypatch.setattr(
        "isthmus.data.blockwise.blocks.__kwdefaults__", {"label": None, "drop": (), "types": None, "rows": 7}
    )
    for ending in ("csv", "parquet", "npy", "npz"):
        done = shell("score", model, pattern, "--per-column", "-o", tmp_path / f"s.{ending}")
        assert done.code == 0 and "120 rows, mean score " in done.out, done.err
    found = [read(tmp_path / f"s.{ending}") for ending in ("csv", "parquet", "npy", "npz")]
    assert found[0].names == found[1].names == found[3].names == ("score", *(f"nats_c{i}" for i in range(4)))
    assert all(np.array_equal(part.X, found[2].X) for part in found)


def test_a_csv_of_a_store_and_many_on_disk_are_tables(fitted, shell, tmp_path):
    for i, town in enumerate(("Bern", "Oslo", "Rome")):
        (tmp_path / f"t{i}.csv").write_text("x,town\n" + "".join(f"{k}.5,{town}\n" for k in range(9)))
    whole = read(str(tmp_path / "t*.csv"))
    assert whole.table.column("town").to_pylist() == ["Bern"] * 9 + ["Oslo"] * 9 + ["Rome"] * 9
    assert len(read(str(tmp_path / "t*.csv"), limit=11)) == 11
    stored = read(streamed._put(tmp_path / "t1.csv", "t1.csv"), label="town")
    assert stored.X[:, 0].tolist() == [k + 0.5 for k in range(9)] and set(stored.y) == {"Oslo"}
    (tmp_path / "t3.csv").write_text("x,city\n1,Paris\n")
    with pytest.raises(ValueError, match=r"t3.csv' has not the columns of .*t0.csv'; make them agree"):
        read(str(tmp_path / "t*.csv"))
    (tmp_path / "t3.csv").write_text("1,2,3\n4,5\n")
    with pytest.raises(ValueError, match=r"cannot read 'memory://bucket/bad.csv' as a table"):
        read(streamed._put(tmp_path / "t3.csv", "bad.csv"))


def test_what_no_file_matches_is_said_by_every_command(fitted, shell, tmp_path):
    model, _ = fitted
    (tmp_path / "a.csv").touch()
    for command in (["fit", "-o", tmp_path / "m"], ["fit", "-o", tmp_path / "m", "--stream"], ["score", model]):
        done = shell(*command, tmp_path / "*.parquet")
        assert done.code == 2 and f"no file matches {str(tmp_path / '*.parquet')!r}" in done.err, done
        assert "has a.csv" in done.err
    done = shell("score", model, "s9://x/y.parquet")
    assert done.code == 2 and "Protocol not known: s9" in done.err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_named(fitted, shell, tmp_path):
    pq.write_table(streamed.table(X), tmp_path / "x.parquet")
    (tmp_path / "x.parquet").chmod(0)
    done = shell("score", fitted[0], tmp_path / "x.parquet")
    assert done.code == 2 and "may not be read" in done.err
