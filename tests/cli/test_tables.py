"""Tables of text, dates and holes from file to file: what comes out has the columns and the types of what went in."""

import csv
import datetime as dt
import decimal
import json
import re

import numpy as np
import pytest

from isthmus import data, load
from isthmus.data import blockwise
from isthmus.data.codec import TableCodec

NET = ("--architecture", "dense:hidden=(8)", "--units", "2", "--epochs", "3", "--quiet")
KINDS = ("--schema", "zip=category", "--schema", "visits=count", "--schema", "income=number:scale=log")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Return a csv with names, quotes, dates, truth values, zip codes and holes."""
    random = np.random.default_rng(0)
    lines = ["name;born;city;income;member;visits;zip;group"]
    for i in range(60):
        city = ("Berlin", "Köln", "")[i % 3]
        born = np.datetime64("1970-01-01") + int(random.integers(0, 9000))
        income = "?" if i % 7 == 0 else f"{random.uniform(900, 5000):.2f}".replace(".", ",")
        name = f'"Li; ""{i % 4}"""'
        lines.append(f"{name};{born};{city};{income};{'true' if i % 2 else 'false'};{i % 5};0{i % 3}067;{'ab'[i % 2]}")
    path = tmp_path_factory.mktemp("people") / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(people, shell):
    """Return a small model of it."""
    folder = people.parent / "model"
    done = shell("fit", people, "-o", folder, "--label", "group", *KINDS, *NET)
    assert done.code == 0, done.err
    return folder


def types(path):
    read = data.read(path, types={}).table
    return dict(zip(read.column_names, map(str, read.schema.types), strict=True))


def test_kinds_are_those_of_the_schema_and_of_the_rows(table):
    assert dict(zip(load(table).form_.table.names, load(table).form_.table.kinds, strict=True)) == {
        **{"name": "category", "born": "date", "city": "binary", "income": "number"},
        **{"member": "binary", "visits": "count", "zip": "category"},
    }


def test_a_schema_in_toml_is_that_of_the_flags(people, table, shell, tmp_path):
    settings = '[schema]\nzip = "category"\nvisits = "count"\nincome = {type = "number", scale = "log"}\n'
    (tmp_path / "table.toml").write_text('label = "group"\n' + settings)
    done = shell("fit", people, "-o", tmp_path / "model", "--config", tmp_path / "table.toml", *NET)
    assert done.code == 0, done.err
    assert load(tmp_path / "model").form_.table.kinds == load(table).form_.table.kinds
    assert (load(tmp_path / "model").score_samples(read(people)) == load(table).score_samples(read(people))).all()


def read(path):
    import pyarrow as pa

    return data.read(path, label="group", types={"zip": pa.string()}).table


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_come_back_in_their_own_types(people, table, shell, tmp_path, suffix):
    out = tmp_path / f"back.{suffix}"
    assert shell("reconstruct", table, people, "--label", "group", "-o", out).code == 0
    expected = {name: kind for name, kind in types(people).items() if name != "group"}
    assert types(out) == (expected if suffix == "csv" else expected | {"zip": "string"})
    assert set(read_column(out, "zip")) <= {"00067", "01067", "02067"}
    assert shell("sample", table, "-n", "7", "-o", tmp_path / f"new.{suffix}", "--drawn").code == 0
    assert list(types(tmp_path / f"new.{suffix}")) == list(expected)


def read_column(path, name):
    import pyarrow as pa

    return data.read(path, types={name: pa.string()}).table[name].to_pylist()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "pictures", "x.docx"])
def test_files_that_hold_no_table_are_refused_before_all_rows_are_made(
    people, table, shell, tmp_path, monkeypatch, name
):
    from isthmus import Autoencoder

    made, own, drawn = [], Autoencoder.reconstruct, Autoencoder.sample
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 10})
    monkeypatch.setattr(Autoencoder, "reconstruct", lambda *given: made.append(len(given[1])) or own(*given))
    monkeypatch.setattr(Autoencoder, "sample", lambda *given, **more: made.append(given[1]) or drawn(*given, **more))
    for command in (("reconstruct", table, people, "--label", "group"), ("sample", table, "-n", "500")):
        done = shell(*command, "-o", tmp_path / name)
        assert done.code == 2 and f"{name}' " in done.err and "use .csv" in done.err, done.err
    assert sum(made) <= 11 and not list(tmp_path.iterdir())


def test_codes_of_a_table_come_back_as_a_table(people, table, shell, tmp_path):
    shell("encode", table, people, "--label", "group", "-o", tmp_path / "codes.csv")
    shell("encode", table, people, "--label", "group", "-o", tmp_path / "codes.npz", "--bits", "32")
    assert shell("reconstruct", table, people, "--label", "group", "-o", tmp_path / "rows.csv").code == 0
    assert shell("reconstruct", table, tmp_path / "codes.csv", "--codes", "-o", tmp_path / "a.csv").code == 0
    assert shell("reconstruct", table, tmp_path / "codes.npz", "-o", tmp_path / "b.csv").code == 0
    rows = [(tmp_path / name).read_text().splitlines() for name in ("rows.csv", "a.csv", "b.csv")]
    assert rows[0][0] == rows[1][0] == rows[2][0] and len(rows[0]) == len(rows[1]) == len(rows[2]) == 61


def test_filled_tables_keep_what_was_there_and_every_column(people, table, shell, tmp_path):
    out = tmp_path / "filled.csv"
    done = shell("impute", table, people, "--label", "group", "-o", out)
    assert done.code == 0 and "29 cells filled in city, income" in done.out, done.out + done.err
    before, after = data.read(people).table, data.read(out).table
    assert after.column_names == before.column_names and types(out) == types(people)
    for name in before.column_names:
        assert after[name].null_count == 0
        there = before[name].is_valid()
        assert after[name].filter(there).equals(before[name].filter(there)), name


@pytest.fixture(scope="module")
def odd(tmp_path_factory, shell):
    """Return a csv file whose cells are written in ways that types would lose, and a model of some of its columns."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("odd")
    lines = [";zip;phone;ok;at;price;mark;x;y"]
    for i in range(60):
        at, price = f"2020-01-{i % 28 + 1:02}T10:00:00+02:00", f"{1 + i % 9}.{random.integers(100, 999)},50"
        ok, mark = ("True", "False", "")[i % 3], ("N/A", '" a ""b""; c"')[i % 2]
        x = "" if i % 5 == 0 else f"{random.normal():.4f}".replace(".", ",")
        lines.append(f"00{i};0{random.integers(999):04};+{i:04};{ok};{at};{price};{mark};{x};1,{i}0")
    path = folder / "odd.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    drops = [word for name in ("zip", "at", "mark") for word in ("--drop", name)]
    done = shell("fit", path, "-o", folder / "model", *drops, *NET)
    assert done.code == 0, done.err
    return path, folder / "model"


def test_cells_that_were_there_keep_their_text(odd, shell, tmp_path):
    path, model = odd
    done = shell("impute", model, path, "-o", tmp_path / "filled.csv", "--uncertainty")
    assert done.code == 0 and "32 cells filled in ok, x" in done.out, done.out + done.err
    texts = (file.read_text(encoding="utf-8").splitlines() for file in (path, tmp_path / "filled.csv"))
    before, after = (list(csv.reader(lines, delimiter=";")) for lines in texts)
    names = after[0]
    assert names == ["", "zip", "phone", "ok", "ok_uncertainty", "at", "price", "mark", "x", "x_uncertainty", "y"]
    places = [names.index(name) for name in before[0]]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert all(new[place] == cell for place, cell in zip(places, old, strict=True) if cell)
        assert new[3] in ("True", "False") and re.fullmatch(r"-?\d+(,\d+)?", new[8]), new
    assert {name: kind for name, kind in types(tmp_path / "filled.csv").items() if "_unc" not in name} == types(path)


def test_text_in_types_loses_no_zeros_of_columns_that_no_model_read(odd, shell, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    path, model = odd
    assert shell("impute", model, path, "-o", tmp_path / "filled.parquet").code == 0
    found = pq.read_table(tmp_path / "filled.parquet")
    kinds = [str(found.schema.field(name).type) for name in ("zip", "phone", "ok", "price", "x")]
    assert kinds == ["string", "double", "bool", "double", "double"]
    assert found["__index_level_0__"].to_pylist() == [f"00{i}" for i in range(60)] and found["x"].null_count == 0


@pytest.fixture(scope="module")
def typed(tmp_path_factory, shell):
    """Return a Parquet file of types that text or floats would lose, and a model of some of its columns."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    random, folder, n = np.random.default_rng(0), tmp_path_factory.mktemp("typed"), 60
    some = {
        "price": pa.array([None if i % 7 == 0 else decimal.Decimal(i) / 4 for i in range(n)], pa.decimal128(20, 2)),
        "at": pa.array([None if i % 6 == 0 else dt.time(i % 3) for i in range(n)], pa.time64("us")),
        "kind": pa.array([None if i % 5 == 0 else "ab"[i % 2] for i in range(n)]).dictionary_encode(),
        "view": pa.array([None if i % 5 == 1 else "ab"[i % 2] for i in range(n)], pa.string_view()),
        "small": pa.array([None if i % 8 == 0 else i for i in range(n)], pa.int8()),
        "x": pa.array(random.normal(size=n), pa.float32()),
    }
    apart = {
        "exact": pa.array([decimal.Decimal("12345678901234567.89")] * n, pa.decimal128(20, 2)),
        "tags": pa.array([["a", "b"]] * n),
        "far": pa.array([float("inf")] * n),
        "name": pa.array([f"{i:03}" for i in range(n)]),
    }
    noted = {"pandas": json.dumps({"index_columns": ["name"], "columns": []})}
    pq.write_table(pa.table(some | apart).replace_schema_metadata(noted), folder / "t.parquet")
    drops = [word for name in ("exact", "tags", "far") for word in ("--drop", name)]
    done = shell("fit", folder / "t.parquet", "-o", folder / "model", *drops, *NET)
    assert done.code == 0, done.err
    return folder / "t.parquet", folder / "model"


def test_columns_of_parquet_keep_their_types(typed, shell, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    path, model = typed
    done = shell("impute", model, path, "-o", tmp_path / "f.parquet")
    assert done.code == 0 and "filled in price, at, kind, view, small" in done.out, done.out + done.err
    before, after = pq.read_table(path), pq.read_table(tmp_path / "f.parquet")
    assert after.schema.equals(before.schema, check_metadata=True)
    for name in before.column_names:
        there = before[name].is_valid().to_pylist()
        pairs = zip(before[name].to_pylist(), after[name].to_pylist(), there, strict=True)
        assert after[name].null_count == 0 and all(old == new for old, new, here in pairs if here), name


def test_parquet_as_text_is_refused_where_text_cannot_hold_it(typed, shell, tmp_path):
    path, model = typed
    done = shell("impute", model, path, "-o", tmp_path / "f.csv")
    assert done.code == 2 and "cannot hold all columns (Unsupported Type:list" in done.err, done.err
    assert not (tmp_path / "f.csv").exists()


def test_columns_of_too_many_levels_are_refused_together(shell, tmp_path):
    names = ["order", 'what "he" said])', "note", "size"]
    lines = [f"o{i},w{i % 1100},n{i},{i % 7}" for i in range(1200)]
    header = 'order,"what ""he"" said])",note,size'
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    done = shell("fit", tmp_path / "t.csv", "-o", tmp_path / "m")
    assert done.code == 2 and "columns 'order', 'what \"he\" said])', 'note' have more than 1000 levels" in done.err
    assert """leave them out: --drop order --drop 'what "he" said])' --drop note; or hash one, as """ in done.err
    assert "--schema 'order=hashed'" in done.err
    with pytest.raises(
        ValueError, match=re.escape(f"leave them out: X.drop(columns={names[:3]}); or hash one, as schema")
    ):
        TableCodec.fit(data.read(tmp_path / "t.csv").table)


def test_floats_that_are_no_numbers_are_holes_too(shell, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    x = np.random.default_rng(0).normal(size=(40, 2))
    x[3, 0] = x[7, 1] = np.nan
    given, out = tmp_path / "t.parquet", tmp_path / "f.parquet"
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1]}), given)
    assert shell("fit", given, "-o", tmp_path / "m", *NET).code == 0
    done = shell("impute", tmp_path / "m", given, "-o", out)
    assert "2 cells filled in a, b" in done.out, done.out + done.err
    found = np.column_stack([data.read(out, types={}).table[name].to_numpy() for name in "ab"])
    assert np.isfinite(found).all() and (found == x).sum() == 78


def test_an_array_with_holes_is_a_table_from_the_fit_to_its_answers(shell, tmp_path):
    x, given, out = np.random.default_rng(0).normal(size=(40, 2)), tmp_path / "x.npy", tmp_path / "out.csv"
    np.save(tmp_path / "whole.npy", x)
    x[3, 0] = x[7, 1] = np.nan
    np.save(given, x)
    assert shell("fit", given, "-o", tmp_path / "m", *NET).code == 0
    assert len(shell("score", tmp_path / "m", given).out.splitlines()) == 41
    done = shell("impute", tmp_path / "m", given, "-o", out)
    assert "2 cells filled in x0, x1" in done.out, done.err
    detector = ("--task", "anomaly", "--members", "2", *NET[:2], *NET[4:])
    assert shell("fit", given, "-o", tmp_path / "d", *detector).code == 0
    assert "40 rows" in shell("score", tmp_path / "d", given, "-o", out).out


def test_arrays_are_filled_as_tables_are(shell, tmp_path):
    given, out = tmp_path / "x.npy", tmp_path / "filled.csv"
    np.save(given, np.random.default_rng(0).normal(size=(40, 2)))
    assert shell("fit", given, "-o", tmp_path / "m", "--schema", "auto", *NET).code == 0
    done = shell("impute", tmp_path / "m", given, "-o", out)
    assert "40 rows, no cell was missing" in done.out, done.err
    np.testing.assert_array_equal(data.read(out).X, np.load(given))


def test_doubts_stand_beside_the_columns_that_had_holes(people, table, shell, tmp_path):
    out = tmp_path / "filled.parquet"
    assert shell("impute", table, people, "--label", "group", "-o", out, "--uncertainty").code == 0
    filled, holes = data.read(out).table, data.read(people).table
    assert [name for name in filled.column_names if name.endswith("_uncertainty")] == [
        "city_uncertainty",
        "income_uncertainty",
    ]
    doubts = filled["income_uncertainty"].to_numpy()
    assert ((doubts > 0) == holes["income"].is_null().to_numpy()).all()
    again = shell("impute", table, out, "--drop", "city_uncertainty", "--drop", "income_uncertainty", "--drop", "group")
    assert again.code == 2, "no --out"
    drops = [word for name in ("city_uncertainty", "income_uncertainty") for word in ("--drop", name)]
    done = shell("impute", table, out, *drops, "--label", "group", "-o", tmp_path / "again.csv")
    assert "no cell was missing" in done.out


def test_scores_and_nats_of_each_column(people, table, shell, tmp_path):
    lines = shell("score", table, people, "--label", "group", "--per-column").out.splitlines()
    assert lines[0] == "score," + ",".join(f"nats_{name}" for name in load(table).feature_names_in_)
    numbers = np.array([line.split(",") for line in lines[1:]], float)
    np.testing.assert_allclose(numbers[:, 0], -numbers[:, 1:].sum(1), rtol=1e-5)
    np.testing.assert_allclose(numbers[:, 0], load(table).score_samples(read(people)), rtol=1e-5)


def test_few_rows_that_look_like_numbers_are_read_as_the_fit_read_them(people, table, shell, tmp_path):
    head = people.read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "one.csv").write_text(f"{head}\n7;1980-01-01;1;1000;true;3;01067;a\n")
    done = shell("score", table, tmp_path / "one.csv", "--label", "group")
    assert done.code == 0 and len(done.out.splitlines()) == 2, done.err


def test_figures_and_summary_of_a_table(people, shell, tmp_path):
    options = ("--label", "group", "--figures", tmp_path / "figures", *NET[:-1])
    done = shell("fit", people, "-o", tmp_path / "model", *options, "--test", people)
    assert done.code == 0, done.err
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == ["curves.png", "plane.png", "summary.json", "summary.txt"]
    assert "left out for a table" in done.out and "from other cells" in done.out
    numbers = json.loads((tmp_path / "figures" / "summary.json").read_text())
    assert [column["name"] for column in numbers["columns"]] == list(load(tmp_path / "model").feature_names_in_)


def test_numbers_with_a_schema_are_a_table_of_their_types(shell, tmp_path):
    (tmp_path / "counts.csv").write_text("\n".join(f"{i % 4},{i % 3},{i / 2}" for i in range(40)))
    done = shell("fit", tmp_path / "counts.csv", "-o", tmp_path / "model", "--schema", "0=count", "--drop", "1", *NET)
    assert done.code == 0, done.err
    codec = load(tmp_path / "model").form_.table
    assert (codec.names, codec.kinds) == (("x0", "x2"), ("count", "number"))
    out = tmp_path / "back.csv"
    assert shell("reconstruct", tmp_path / "model", tmp_path / "counts.csv", "--drop", "1", "-o", out).code == 0
    assert types(out) == {"x0": "int64", "x2": "double"}
    done = shell("evaluate", tmp_path / "model", tmp_path / "counts.csv", "--drop", "x1")
    assert done.code == 0 and "x0      count" in done.out


def test_blocks_are_no_tables(shell, wine, tmp_path):
    done = shell("fit", wine, "-o", tmp_path / "model", "--stream", "--schema", "auto")
    assert done.code == 2 and "--stream reads numbers in blocks" in done.err


def test_a_cell_that_is_no_number_is_named_by_its_row_in_the_file(shell, tmp_path):
    given, later = tmp_path / "t.csv", tmp_path / "new.csv"
    rows = [f"{i}.5;{i % 28 + 1}.{i % 12 + 1}.2020" for i in range(60)]
    given.write_text("\n".join(["age (y);since", *rows[:30], "-;-", *rows[30:]]) + "\n")
    done = shell("fit", given, "-o", tmp_path / "m", *NET)
    assert done.code == 0 and "isthmus: column" not in done.err, done.err
    later.write_text("\n".join(["age (y);since", *rows[:3], "n.a.;", "old;1.1.2020"]) + "\n")
    done = shell("reconstruct", tmp_path / "m", later, "-o", tmp_path / "r.csv")
    assert done.code == 2 and "text now: 1 of 4 values are no numbers, the first 'old' in row 5; correct it" in done.err
    later.write_text("\n".join(["age (y);since", *rows[:3], "-;-"]) + "\n")
    assert shell("reconstruct", tmp_path / "m", later, "-o", tmp_path / "r.csv").code == 0
    assert (tmp_path / "r.csv").read_text().splitlines()[1].endswith(".2020")

    given.write_text("\n".join(["x,n", *(f"{i}.5,{i}" for i in range(40)), "N/A?,3"]) + "\n")
    done = shell("fit", given, "-o", tmp_path / "m", *NET)
    assert done.code == 0 and done.err.count("of its 41 values are numbers, but row 41 holds 'N/A?'; correct it") == 1
    assert "declare --schema 'x=category'" in done.err and "schema={" not in done.err
    done = shell("fit", given, "-o", tmp_path / "m", "--schema", "x=number", *NET)
    assert done.code == 2 and "1 of 41 values are no numbers, the first 'N/A?' in row 41;" in done.err


DROPPED = "name, of\u00a0all"


@pytest.fixture(scope="module")
def three(tmp_path_factory, shell):
    """Return a csv, models of three tasks that left a column of it out, and the folder of both."""
    folder = tmp_path_factory.mktemp("dropped")
    lines = [
        f'"{DROPPED}",a,b,c,kind',
        *(f'"N{i}, x",{i % 7},{i % 5 if i % 6 else ""},{i * 37 % 80 / 2},{"uv"[i % 2]}' for i in range(80)),
    ]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tasks = {
        "plain": ("--label", "kind"),
        "odd": ("--task", "anomaly", "--members", "2", "--drop", "kind"),
        "judge": ("--task", "classify", "--target", "kind"),
    }
    for name, told in tasks.items():
        net = ("--epochs", "1", "--quiet") if name == "odd" else NET
        done = shell("fit", folder / "rows.csv", "-o", folder / name, "--drop", DROPPED, *told, *net)
        assert done.code == 0, done.err
    return folder


READ = [
    *(("plain", c) for c in ("report", "score", "encode", "reconstruct", "impute", "evaluate", "monitor", "concepts")),
    *(("odd", c) for c in ("report", "score", "monitor")),
    *(("judge", c) for c in ("report", "score", "explain", "encode", "evaluate", "monitor", "impute")),
]
WRITES = ("report", "encode", "reconstruct", "impute", "concepts")


@pytest.mark.parametrize(("model", "command"), READ)
def test_what_the_fit_dropped_is_dropped_by_itself(three, shell, tmp_path, model, command):
    out = ("-o", tmp_path / ("out.html" if command == "report" else "out.csv")) if command in WRITES else ()
    small = ("--size", "small") if command == "report" else ()
    done = shell(command, three / model, three / "rows.csv", *out, *small)
    assert done.code == 0, done.err
    if command == "impute":
        assert data.read(tmp_path / "out.csv", types={}).names == (DROPPED, "a", "b", "c", "kind")


@pytest.mark.parametrize(("model", "command"), READ)
def test_columns_that_are_new_are_refused_by_every_command(three, shell, tmp_path, model, command):
    lines = (three / "rows.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "more.csv").write_text("\n".join([lines[0] + ",new one", *(f"{line},1" for line in lines[1:])]))
    out = ("-o", tmp_path / "out.csv") if command in WRITES else ()
    done = shell(command, three / model, tmp_path / "more.csv", *out)
    assert done.code == 2 and "adds 'new one' to the columns of the fit; leave out: --drop \"new one\"" in done.err
    done = shell(command, three / model, tmp_path / "more.csv", *out, "--drop", "new one")
    assert done.code == 0, done.err


def test_a_dropped_column_need_not_be_there(three, shell, tmp_path):
    lines = (three / "rows.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "less.csv").write_text("\n".join(line.split(",", 2)[2] for line in lines))
    whole, less = (shell("score", three / "odd", path).out for path in (three / "rows.csv", tmp_path / "less.csv"))
    assert whole == less != ""
    (tmp_path / "bare.csv").write_text("\n".join(f"{i % 7},{9.5 - i},{i / 2}" for i in range(60)))
    done = shell(
        "fit", tmp_path / "bare.csv", "-o", tmp_path / "bare", "--drop", "1", "--units", "1", *NET[:2], *NET[4:]
    )
    assert done.code == 0, done.err
    assert shell("score", tmp_path / "bare", tmp_path / "bare.csv").code == 0


def test_models_saved_before_know_of_nothing_dropped(three, tmp_path):
    import shutil

    from isthmus.persistence import checksum

    folder = shutil.copytree(three / "plain", tmp_path / "old")
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest.pop("left_out") == [DROPPED, "kind"]
    (folder / "model.json").write_text(json.dumps(manifest | {"checksum": checksum(manifest)}))
    assert load(folder).left_out_ == ()
    assert load(three / "plain").save(tmp_path / "again") and load(tmp_path / "again").left_out_ == (DROPPED, "kind")
