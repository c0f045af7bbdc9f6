"""A detector in the shell: fitted, saved, and asked about files of any size."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from unpack import blobs_in

from isthmus import AnomalyDetector, data, load
from isthmus.cli import composing, detecting, scoring
from isthmus.cli.options import Training
from isthmus.data import blockwise
from isthmus.displays import ContributionsDisplay, folder

NET = ("--architecture", "dense:hidden=(8)", "--epochs", "2", "--task", "anomaly", "--members", "2")
pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """Return a csv with row names, names of customers, dates, holes and a label, of which one row is odd."""
    random = np.random.default_rng(0)
    lines = [",customer,ordered,amount,group"]
    for i in range(120):
        day = np.datetime64("2024-01-01") + int(random.integers(0, 300))
        amount = "" if i % 11 == 3 else f"{random.normal(50, 5):.2f}"
        lines.append(
            f'n{i},"{("Rossi, Anna", "Li", "O’Neil")[i % 3]}",{day},{9999 if i == 20 else amount},{"ab"[i % 2]}'
        )
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fitted(orders, shell):
    folder, figures = orders.parent / "model", orders.parent / "figures"
    done = shell("fit", orders, "-o", folder, "--label", "group", "--figures", figures, *NET)
    assert done.code == 0, done.err
    return folder, done, figures


@pytest.fixture
def model(fitted):
    return fitted[0]


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_fit_says_what_it_made(fitted):
    folder, done, figures = fitted
    for words in (
        "120 of ",
        "some of which may be anomalies",
        "3: 1 category (customer), 1 date (ordered), 1 number (amount)",
        "120 rows, each scored by the member not fitted on it; the smallest p-value is 0.0083",
        "for false alarms on 5 % of normal rows",
        f"isthmus score {folder} NEW_DATA",
    ):
        assert words in done.out, words
    assert "denoisers: epoch 2/2" in done.err and "fillers: epoch 2/2" in done.err
    assert sorted(p.name for p in figures.iterdir()) == ["contributions.png", "scores.png", "summary.txt"]
    assert isinstance(load(folder), AnomalyDetector)


def test_options_of_training_change_what_they_name_and_nothing_else(orders, monkeypatch):
    monkeypatch.setattr("isthmus.estimators.anomaly.STEPS", 8)
    given = data.read(orders, label="group")

    def recipe(**training):
        asked = detecting.Asked(None, None, 2, None, (), None, 0, "dense:hidden=(8)", Training(**training))
        changed = composing.overrides(asked.training)
        return detecting.detector_of(asked).fit(given.rows, training=changed).members_.recipe

    plain, placed, short = recipe(), recipe(device="cpu"), recipe(epochs=3)
    assert plain.filler.trainer.epochs == 2 * plain.denoiser.trainer.epochs
    for part in ("denoiser", "filler"):
        own = getattr(plain, part).trainer
        assert getattr(placed, part).trainer == replace(own, device="cpu")
        assert getattr(short, part).trainer == replace(own, epochs=3)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_are_those_of_the_detector_with_names_of_rows(orders, model, shell, tmp_path, suffix):
    out = tmp_path / f"scored.{suffix}"
    done = shell("score", model, orders, "-o", out, "--label", "group", "--per-column")
    assert done.code == 0, done.err
    assert "120 rows, " in done.out and "6 false alarms" not in done.out.split(";")[0]
    found, X = data.read(out, types={}), data.read(orders, label="group").table
    assert found.index.tolist() == [f"n{i}" for i in range(120)]
    detector, table = load(model), found.table
    names = ["score", "p_value", "anomaly", "reason_1", "reason_2", "reason_3"]
    assert table.column_names == [*names, "adds_customer", "adds_ordered", "adds_amount"]
    np.testing.assert_allclose(table["score"], detector.anomaly_score(X), rtol=1e-6)
    np.testing.assert_allclose(table["p_value"], detector.p_values(X), rtol=1e-6)
    assert table["anomaly"].to_pylist() == (detector.predict(X) < 0).tolist()
    assert table["reason_1"][20].as_py().startswith("amount is 9999, expected ")


def test_blocks_give_what_the_whole_gives(orders, model, shell, tmp_path, monkeypatch):
    shell("score", model, orders, "-o", tmp_path / "whole.csv")
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 32})
    shell("score", model, orders, "-o", tmp_path / "parts.csv")
    whole, parts = read(tmp_path / "whole.csv"), read(tmp_path / "parts.csv")
    assert [row[""] for row in parts] == [row[""] for row in whole]
    np.testing.assert_allclose([float(row["score"]) for row in parts], [float(row["score"]) for row in whole], 1e-5)
    assert [row["anomaly"] for row in parts] == [row["anomaly"] for row in whole]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("options", [(), ("--fdr", "0.2"), ("--limit", "120")])
def test_columns_that_the_model_does_not_read_stand_before_its_answers(
    orders, model, shell, tmp_path, monkeypatch, suffix, options
):
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 50})
    lines = orders.read_text(encoding="utf-8").splitlines()
    more = [f"{line},{'order,score' if not i else f'{i:04d},no'}" for i, line in enumerate(lines)]
    (tmp_path / "in.csv").write_text("\n".join(more), encoding="utf-8")
    drop = ("--drop", "order", "--drop", "score", *options)
    done = shell("score", model, tmp_path / "in.csv", "-o", tmp_path / f"out.{suffix}", *drop)
    assert done.code == 0, done.err
    table = data.read(tmp_path / f"out.{suffix}", types={"order": pa.string()}).table
    assert table.column_names[:3] == ["group", "order", "score"] and table.column_names.count("score") == 1
    assert table["order"].to_pylist() == [f"{i + 1:04d}" for i in range(120)]
    assert table["group"].to_pylist() == data.read(orders, types={}).table["group"].to_pylist()


def test_rows_of_the_fit_are_told_from_new_ones(orders, model, shell, tmp_path):
    known = "these are the rows of the fit, which its members have seen: new ones may raise more"
    assert known in shell("score", model, orders).out
    assert known in shell("score", model, orders, "-o", tmp_path / "s.csv").out
    lines = orders.read_text(encoding="utf-8").splitlines()
    (tmp_path / "new.csv").write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    done = shell("score", model, tmp_path / "new.csv")
    assert done.code == 0 and "would be expected if all rows were normal\n" in done.out
    for path, of_fit in ((orders, True), (tmp_path / "new.csv", False)):
        done = shell("report", model, path, "-o", tmp_path / "p.html", "--size", "small")
        page = json.loads(blobs_in((tmp_path / "p.html").read_text(encoding="utf-8"))["page"])
        assert done.code == 0 and page["anomalies"]["of_fit"] is of_fit


@pytest.mark.parametrize("rows", [120, 1000])
def test_a_log_that_has_grown_since_the_fit_is_not_called_its_rows(rows, shell, tmp_path):
    X = np.random.default_rng(3).normal(size=(rows + 40, 3))
    (tmp_path / "fit.csv").write_text("a,b,c\n" + "".join("{},{},{}\n".format(*row) for row in X[:rows]))
    (tmp_path / "more.csv").write_text("a,b,c\n" + "".join("{},{},{}\n".format(*row) for row in X))
    assert shell("fit", tmp_path / "fit.csv", "-o", tmp_path / "m", *NET, "--quiet").code == 0
    assert "these are the rows of the fit" in shell("score", tmp_path / "m", tmp_path / "fit.csv").out
    grown = shell("score", tmp_path / "m", tmp_path / "more.csv").out
    assert f"; the first {rows:,} rows are those of the fit, which its members have seen" in grown
    for path, of_fit in (("fit.csv", True), ("more.csv", False)):
        assert shell("report", tmp_path / "m", tmp_path / path, "-o", tmp_path / "p.html", "--size", "small").code == 0
        page = json.loads(blobs_in((tmp_path / "p.html").read_text(encoding="utf-8"))["page"])
        assert page["anomalies"]["of_fit"] is of_fit


def test_the_strangest_rows_are_shown_with_reasons(orders, model, shell):
    lines = shell("score", model, orders).out.splitlines()
    assert lines[0].startswith("120 rows, ")
    rows = [line for line in lines if line.startswith("row ")]
    assert len(rows) == scoring.SHOWN and rows[0].startswith("row 21 (n20): score ") and rows[0].endswith(", anomaly")
    assert lines[lines.index(rows[0]) + 1].startswith("  amount is 9999, expected ")
    scores = [float(row.split("score ")[1].split(",")[0]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert "  of each column: customer " in shell("score", model, orders, "--per-column").out


def test_discoveries_are_those_of_the_whole_file(orders, model, shell, tmp_path, monkeypatch):
    out, some = tmp_path / "scored.csv", orders.with_name("some.csv")
    some.write_text("\n".join(orders.read_text(encoding="utf-8").splitlines()[:31]) + "\n", encoding="utf-8")
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 12})
    done = shell("score", model, some, "-o", out, "--fdr", "0.7")
    assert done.code == 0, done.err
    expected = load(model).detect(data.read(some, label="group").table, fdr=0.7)
    assert data.read(out, types={}).table["anomaly"].to_pylist() == expected.tolist() and expected.any()
    assert f"{expected.sum()} anomal" in done.out and [p.name for p in tmp_path.iterdir()] == [out.name]
    assert "of which about 70 % may be false: that no more are on average is proven for fits to 1,000 rows" in done.out
    few = shell("score", model, orders, "--fdr", "0.01").out
    assert "with 120 calibration rows no p-value is below 0.0083, so that only 100 or more" in few


def test_a_limit_of_false_discoveries_is_told_where_it_is_proven(shell, tmp_path):
    X = np.random.default_rng(3).normal(size=(1000, 3))
    X[5] = 30
    (tmp_path / "x.csv").write_text("a,b,c\n" + "".join("{},{},{}\n".format(*row) for row in X))
    for options, words in (((), "at most 60 % are false on average"), (("--window", "8"), "about 60 % may be false")):
        assert shell("fit", tmp_path / "x.csv", "-o", tmp_path / "m", *NET, "--quiet", *options).code == 0
        assert f"of which {words}" in shell("score", tmp_path / "m", tmp_path / "x.csv", "--fdr", "0.6").out


def test_an_interruption_leaves_the_older_file(orders, model, shell, tmp_path, monkeypatch):
    out = tmp_path / "scored.csv"
    out.write_text("older")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.estimators.score_batches", interrupted)
    for more in ((), ("--fdr", "0.1")):
        assert shell("score", model, orders, "-o", out, *more).code == 130
        assert out.read_text() == "older" and [p.name for p in tmp_path.iterdir()] == ["scored.csv"]


def test_pictures_are_scored_too(shell, tmp_path):
    folder = tmp_path / "model"
    done = shell("fit", "digits", "-o", folder, *NET, "--limit", "60", "--contamination", "0.05")
    assert done.code == 0 and "5 % of them anomalies" in done.out and "each row a 1x8x8" in done.out, done.err
    done = shell("score", folder, "digits", "--limit", "12", "-o", tmp_path / "s.csv")
    assert done.code == 0 and "threshold that 5 % of the fit's rows exceed" in done.out, done.err
    X = data.read("digits", limit=12).X
    found = [float(row["score"]) for row in read(tmp_path / "s.csv")]
    np.testing.assert_allclose(found, load(folder).anomaly_score(X), rtol=1e-5)
    assert all(
        re.fullmatch(r"rows \d to \d, columns .* of the score", row["reason_1"]) for row in read(tmp_path / "s.csv")
    )


def test_the_strangest_rows_of_all_blocks_are_drawn(orders, model, shell, tmp_path, monkeypatch):
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 32})
    drawn = []
    monkeypatch.setattr(ContributionsDisplay, "from_estimator", lambda *given, rows: drawn.append((given, rows)))
    monkeypatch.setattr(folder, "write", lambda display, path: path)
    for more in ((), ("-o", tmp_path / "s.csv"), ("-o", tmp_path / "s.csv", "--fdr", "0.1")):
        done = shell("score", model, orders, "--figures", tmp_path / "drawn", *more)
        assert done.code == 0 and "contributions.png: the strangest rows" in done.out, done.err
    scores = np.array([float(row["score"]) for row in read(tmp_path / "s.csv")])
    for (_, X), rows in drawn:
        assert len(X) == len(rows) == 8 and set(rows) == {*(np.argsort(-scores)[:8] + 1)}
    assert len(drawn) == 3


def test_pictures_are_drawn_with_their_heat_maps(shell, tmp_path):
    shell("fit", "digits", "-o", tmp_path / "model", *NET, "--limit", "60")
    done = shell("score", tmp_path / "model", "digits", "--limit", "12", "--figures", tmp_path / "drawn")
    assert done.code == 0 and [path.name for path in (tmp_path / "drawn").iterdir()] == ["contributions.png"], done.err
    refused = shell("score", tmp_path / "model", "digits", "--figures", tmp_path / "drawn" / "contributions.png")
    assert refused.code == 2 and "is a file; name a folder" in refused.err


REFUSED = [
    (("encode", "MODEL", "DATA", "-o", "x.csv"), "holds an anomaly detector|isthmus score"),
    (("reconstruct", "MODEL", "DATA", "-o", "x.csv"), "holds an anomaly detector"),
    (("sample", "MODEL", "-o", "x.csv"), "holds an anomaly detector"),
    (("impute", "MODEL", "DATA", "-o", "x.csv"), "holds an anomaly detector"),
    (("evaluate", "MODEL", "DATA"), "holds an anomaly detector"),
    (("score", "MODEL", "DATA", "-o", "x.npy"), "cannot hold reasons|csv or Parquet"),
    (("score", "MODEL", "DATA", "--fdr", "5"), "--fdr 5 is no share"),
    (("score", "MODEL", "digits"), "lacks 'customer'|give the columns of the fit"),
    (("fit", "DATA", "-o", "x", "--alarm-rate", "0.1"), "add --task anomaly"),
    (("fit", "DATA", "-o", "x", *NET, "--contamination", "many"), "'many' is no share"),
    (("fit", "DATA", "-o", "x", *NET, "--contamination", "0.9"), "0.9|up to 0.5"),
    (("fit", "DATA", "-o", "x", *NET, "--alarm-rate", "2"), "alarm_rate=2.0"),
    (("fit", "DATA", "-o", "x", *NET, "--units", "3", "--stream"), "--units, --stream: a detector"),
    (("fit", "DATA", "-o", "x", *NET, "--penalty", "l1"), "--penalty: a detector"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_mistakes_are_told_in_one_line(arguments, words, orders, model, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"MODEL": model, "DATA": orders}
    done = shell(*(places.get(argument, argument) for argument in arguments))
    assert done.code == 2 and done.err.count("\n") == 1, done.err
    assert all(word in done.err for word in words.split("|")), done.err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_row_is_named_by_its_number_in_the_file(model, orders, shell, tmp_path, monkeypatch):
    lines = orders.read_text(encoding="utf-8").splitlines()
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 32})
    for cell, words in (("1e200", "'amount' is 1e+200 in row 101;"), ("-inf", "'amount' (first in row 101)")):
        name, customer, ordered, _, group = lines[101].replace(", ", "~ ").split(",")
        bad = [*lines[:101], ",".join([name, customer.replace("~", ","), ordered, cell, group]), *lines[102:]]
        (tmp_path / "bad.csv").write_text("\n".join(bad) + "\n", encoding="utf-8")
        done = shell("score", model, tmp_path / "bad.csv", "-o", tmp_path / "scored.csv")
        assert done.code == 2 and words in done.err, done.err


def test_dates_with_a_time_zone_are_no_others(shell, tmp_path):
    from pyarrow import parquet

    hours = np.datetime64("2024-01-01T00:00", "us") + np.random.default_rng(0).integers(0, 9000, 120) * 3_600_000_000
    for zone in (None, "Europe/Berlin"):
        table = pa.table({"when": pa.array(hours, pa.timestamp("us", zone)), "x": np.arange(120.0) % 7})
        parquet.write_table(table, tmp_path / f"{'zoned' if zone else 'local'}.parquet")
    lines = ["when,x", *(f"{str(hour)[:19]}+01:00,{i % 7}" for i, hour in enumerate(hours))]
    (tmp_path / "offsets.csv").write_text("\n".join(lines) + "\n")
    for own, other, words in (
        ("local", "zoned", "was dates without a time zone in the fit and has one (Europe/Berlin) now"),
        ("zoned", "local", "was dates with a time zone (Europe/Berlin) in the fit and has none now"),
    ):
        assert shell("fit", tmp_path / f"{own}.parquet", "-o", tmp_path / own, *NET, "--quiet").code == 0
        assert shell("score", tmp_path / own, tmp_path / f"{own}.parquet").code == 0
        done = shell("score", tmp_path / own, tmp_path / f"{other}.parquet")
        assert done.code == 2 and words in done.err, done.err
    assert shell("score", tmp_path / "zoned", tmp_path / "offsets.csv").code == 0
    assert "has one (UTC) now" in shell("score", tmp_path / "local", tmp_path / "offsets.csv").err


def test_discoveries_and_figures_need_a_detector(shell, tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(f"{i},{i * i}" for i in range(40)))
    shell(
        "fit",
        tmp_path / "t.csv",
        "-o",
        tmp_path / "m",
        "--epochs",
        "1",
        "--architecture",
        "dense:hidden=(4)",
        "--quiet",
    )
    done = shell("score", tmp_path / "m", tmp_path / "t.csv", "--fdr", "0.1")
    assert done.code == 2 and "isthmus fit --task anomaly" in done.err
    done = shell("score", tmp_path / "m", tmp_path / "t.csv", "--figures", tmp_path / "drawn")
    assert done.code == 2 and "is no anomaly detector" in done.err and not (tmp_path / "drawn").exists()
