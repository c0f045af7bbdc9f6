"""Parts of scores: which there are, that each row is in one, and that those of two runs are never mixed."""

import json
import os
import shutil

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import LocalFileSystem
from shells import isthmus as shell

from isthmus import AnomalyDetector, Trainer, load
from isthmus.cluster import connection, parts, scoring
from isthmus.cluster.scoring import score
from isthmus.data import read
from isthmus.estimators import score_batches, scored_schema


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 20))
def test_ranges_hold_every_row_group_once_and_are_no_longer_than_asked(sizes, most):
    found = parts._ranges(sizes, most)
    assert [group for groups, _, _ in found for group in groups] == [i for i, rows in enumerate(sizes) if rows]
    first = 1
    for groups, begins, rows in found:
        assert begins == first and rows == sum(sizes[group] for group in groups)
        assert rows <= most or len(groups) == 1
        first += rows


@pytest.mark.parametrize("kind", ["detector", "plain", "predicts"])
def test_parts_hold_the_answers_to_every_row_once(folder, tmp_path, kind):
    found = score(folder / kind, folder / "rows", tmp_path / "out", part_rows=100, per_column=kind == "plain")
    table, files = pq.read_table(tmp_path / "out"), sorted((folder / "rows").rglob("*.parquet"))
    expected = pa.concat_tables(
        [score_batches(load(folder / kind), pq.read_table(f), per_column=kind == "plain") for f in files]
    )
    assert table.column_names == ["file", "row", *expected.column_names]
    for name in expected.column_names:
        if pa.types.is_floating(expected[name].type):
            np.testing.assert_allclose(table[name], expected[name], rtol=1e-6, atol=1e-9)
        elif not name.startswith("reason"):
            assert table[name].equals(expected[name])
    assert table["file"].to_pylist() == [f.relative_to(folder / "rows").as_posix() for f in files for _ in range(120)]
    assert table["row"].to_pylist() == [*range(1, 121)] * len(files)
    # Groups of 50, 50 and 20 rows make two parts.
    assert (found.rows, found.parts, found.kept) == (120 * len(files), 2 * len(files), 0)
    assert found.anomalies == (sum(expected["anomaly"].to_pylist()) if kind == "detector" else None)


def test_a_run_goes_on_with_what_is_missing_cut_or_of_another_run(folder, tmp_path, monkeypatch):
    out, rows = tmp_path / "out", folder / "rows" / "0"
    score(folder / "detector", rows, out)
    before = pq.read_table(out)
    (out / "part-00001.parquet").unlink()
    cut = (out / "part-00003.parquet").read_bytes()
    (out / "part-00003.parquet").write_bytes(cut[: len(cut) // 2])
    pq.write_table(pq.read_table(out / "part-00005.parquet").replace_schema_metadata({}), out / "part-00005.parquet")
    (out / ".part-00007.parquet.1234.part").write_bytes(b"half")
    done, told = [], []
    monkeypatch.setattr(
        scoring.Scorer, "score", lambda self, part, own=scoring.Scorer.score: (done.append(part.name), own(self, part))
    )
    found = score(folder / "detector", rows, out, progress=told.append)
    assert done == [f"part-0000{i}.parquet" for i in (1, 3, 5)] and found.kept == 7
    assert told == [7 * 120, 120, 120, 120] and pq.read_table(out).equals(before)
    assert not list(out.glob(".*")) and json.loads((out / parts.MANIFEST).read_text())["complete"] == {"rows": 1200}


def test_other_models_files_and_options_are_refused_and_nothing_is_lost(folder, tmp_path):
    out, rows = tmp_path / "out", tmp_path / "rows"
    shutil.copytree(folder / "rows" / "1", rows)
    score(folder / "plain", rows, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for change in ({"model": folder / "detector"}, {"per_column": True}, {"part_rows": 60}):
        settings = {"model": folder / "plain", "source": rows, "out": out} | change
        with pytest.raises(ValueError, match=r"holds scores of another run: .* delete it, or choose another folder"):
            score(**settings)
    first = sorted(rows.iterdir())[0]
    os.utime(first, (1, 1))
    with pytest.raises(ValueError, match=r"another run: files.*changed was \d+ and is 1000000000 here"):
        score(folder / "plain", rows, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_that_changes_under_a_run_is_found_out(folder, tmp_path):
    path = tmp_path / "rows.parquet"
    shutil.copy(folder / "rows" / "0" / "00.parquet", path)
    (part,) = parts.planned(parts.sources(str(path)))
    os.utime(path, (1, 1))
    settings = scoring.Settings(str(folder / "plain"), str(tmp_path), "mark", None, (), False, LocalFileSystem())
    with pytest.raises(ValueError, match="has changed since the run began"):
        scoring.Scorer(settings).score(part)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_what_cannot_be_scored_is_told_with_its_place_and_other_parts_stay(folder, tmp_path):
    rows, out = tmp_path / "rows", tmp_path / "out"
    shutil.copytree(folder / "rows" / "1", rows)
    pq.write_table(pa.table({"a": ["much"], "b": [1.0], "c": [2.0]}), rows / "99.parquet")
    with pytest.raises(ValueError, match=r"99.parquet', rows 1 to 1: "):
        score(folder / "plain", rows, out)
    assert len(list(out.glob("part-*.parquet"))) == 10 and "complete" not in json.loads(
        (out / parts.MANIFEST).read_text()
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("rows.csv", "is no Parquet file, and only these are scored in parts; write it as Parquet"),
        ("nothing", "there is no file"),
        ("no.parquet", "there is no file"),
        ("empty", "there is no Parquet file at .* give a folder, a pattern or a file"),
        ("*.parq", "no file matches .* has bare.parquet"),
        ("bare.parquet", "there is no row to score"),
        ("broken.parquet", "as Parquet"),
    ],
)
def test_sources_that_are_none_are_refused(folder, tmp_path, source, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), tmp_path / "bare.parquet")
    with pytest.raises(ValueError, match=told):
        score(folder / "plain", tmp_path / source, tmp_path / "out")


def test_rows_of_a_store_have_the_scores_of_those_on_disk(folder, tmp_path):
    for file in sorted((folder / "rows" / "0").iterdir()):
        with fsspec.open(f"memory://scored/{file.name}", "wb") as there:
            there.write(file.read_bytes())
    score(folder / "plain", "memory://scored", tmp_path / "far")
    score(folder / "plain", folder / "rows" / "0", tmp_path / "near")
    assert pq.read_table(tmp_path / "far").equals(pq.read_table(tmp_path / "near"))
    assert score(folder / "plain", "memory://scored", tmp_path / "far").kept > 0


def test_a_run_that_wrote_no_part_binds_nobody(folder, tmp_path):
    rows = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": ["much"], "b": [1.0], "c": [2.0]}), rows)
    with pytest.raises(ValueError, match="rows 1 to 1: "):
        score(folder / "plain", rows, tmp_path / "out")
    shutil.copy(folder / "rows" / "0" / "00.parquet", rows)
    assert score(folder / "plain", rows, tmp_path / "out").rows == 120


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1' .* start one with ray start --head"),
        ("ray://10.0.0.1:10001", "is no HOST:PORT of a Ray cluster; on one of its machines"),
        ("here", "is no HOST:PORT"),
    ],
)
def test_an_address_where_nothing_listens_is_refused_at_once(address, told):
    with pytest.raises(ValueError, match=told):
        connection._refuse_silent(address)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-o", "x.csv", "--ray", "local"), "--ray writes a folder of Parquet files, not x.csv; name a folder"),
        (("--ray", "local"), "--ray writes a folder of Parquet files, not lines"),
        (("-o", "x", "--devices", 2), "--devices is for workers of a cluster; add --ray ADDRESS"),
        (("-o", "x", "--ray", "local", "--fdr", 0.1), "--fdr looks at the p-values of all rows together"),
        (("-o", "x", "--limit", 3), "--limit and --size are for rows that are read at once"),
    ],
)
def test_options_that_do_not_go_with_parts_are_refused(folder, options, told):
    done = shell("score", folder / "detector", folder / "rows", *options)
    assert done.code == 2 and told in done.err and len(done.err.splitlines()) == 1


def test_the_shell_scores_in_parts_by_itself(folder, tmp_path):
    done = shell("score", folder / "plain", folder / "rows" / "0", "-o", tmp_path / "out")
    assert done.code == 2 and 'leave out: --drop "town" --drop "other"' in done.err
    drops = ("--drop", "town", "--drop", "other")
    done = shell("score", folder / "plain", folder / "rows" / "0", "-o", tmp_path / "out", *drops)
    assert (done.code, done.out) == (0, f"{tmp_path / 'out'}: 1,200 rows in 10 parts\n")
    done = shell("score", folder / "plain", folder / "rows" / "0", "-o", tmp_path / "out", *drops)
    assert "in 10 parts (10 of them from an earlier run)" in done.out


def test_storage_is_for_a_cluster(tmp_path):
    done = shell("fit", "digits", "-o", tmp_path / "model", "--storage", tmp_path)
    assert done.code == 2 and "--storage is for workers of a cluster; add --ray ADDRESS" in done.err


def test_a_folder_that_holds_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds no scores of an earlier run; choose another folder"):
        score(folder / "plain", folder / "rows", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_names_of_rows_come_along(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7}, index=[f"r{i}" for i in range(40)])
    frame.to_parquet(tmp_path / "rows.parquet")
    AnomalyDetector(contamination=0, members=2, trainer=Trainer(epochs=1), random_state=0).fit(frame).save(
        tmp_path / "model"
    )
    score(tmp_path / "model", tmp_path / "rows.parquet", tmp_path / "out")
    assert read(tmp_path / "out" / "part-00000.parquet").index.tolist() == frame.index.tolist()


def test_a_model_without_scores_says_so():
    with pytest.raises(ValueError, match="a dict scores no rows; give a detector"):
        scored_schema({})
