"""Text tables and Parquet: every layout reads as the same numbers, more than numbers as a table of its own types."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus.cli import remembered
from isthmus.data import blockwise, read, stream, write
from isthmus.data.record import Colour, unlabelled

ROWS = np.array([[1.5, 2.0, -3.0], [4.0, 5.25, 6e-3]])


def table(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b,c\n1.5,2,-3\n4,5.25,6e-3\n", ("a", "b", "c")),
        ("1.5,2,-3\n4,5.25,6e-3\n", None),
        ("1.5,2,-3\n4,5.25,6e-3", None),
        ("1,5;2,0;-3,0\n4,0;5,25;0,006\n", None),
        ("a;b;c\n1,5;2;-3\n4;5,25;0,006\n", ("a", "b", "c")),
        ("a\tb\tc\n1.5\t2\t-3\n4\t5.25\t6e-3\n", ("a", "b", "c")),
        ("# a b c\n1.5 2 -3\n4 5.25 6e-3\n", ("a", "b", "c")),
        ("sepal length, petal width, c\n1.5, 2, -3\n4, 5.25, 6e-3\n", ("sepal length", "petal width", "c")),
        ('"a, or so","b;b",c\n1.5,2,-3\n4,5.25,6e-3\n', ("a, or so", "b;b", "c")),
        ("\n\na|b|c\r\n1.5|2|-3\r\n4|5.25|6e-3\r\n", ("a", "b", "c")),
        ("sep=;\r\na;b;c\r\n1,5;2;-3\r\n4;5,25;0,006\r\n", ("a", "b", "c")),
        ("SEP=,\n1.5,2,-3\n4,5.25,6e-3\n", None),
        ("sep=\t\na\tb\tc\n1.5\t2\t-3\n4\t5.25\t6e-3\n", ("a", "b", "c")),
        ("sep=^\na^b^c\n1.5^2^-3\n4^5.25^6e-3\n", ("a", "b", "c")),
        ("0,1,2\n1.5,2,-3\n4,5.25,6e-3\n", ("0", "1", "2")),
        ("﻿a,b,c\n1.5,2,-3\n4,5.25,6e-3\n", ("a", "b", "c")),
        ("größe,b,c\n1.5,2,-3\n4,5.25,6e-3\n".encode("latin-1"), ("größe", "b", "c")),
        ("größe,b,c\n1.5,2,-3\n4,5.25,6e-3\n".encode("utf-16"), ("größe", "b", "c")),
    ],
)
def test_layouts(tmp_path, text, names):
    data = read(table(tmp_path, text))
    assert data.names == names
    assert data.X.dtype == np.float64
    np.testing.assert_allclose(data.X, ROWS, rtol=1e-15)


@pytest.mark.parametrize("text", ["", "0", "a"])
def test_an_unnamed_first_column_names_the_rows(tmp_path, text):
    rows = ("u", "v") if text == "a" else ("0", "1")
    data = read(table(tmp_path, f",a,b\n{rows[0]},1,2\n{rows[1]},3,4\n"))
    assert data.names == ("a", "b")
    assert data.index.tolist() == list(rows)
    assert data.X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("names", [("0001", "0002"), ("1.50", "-"), ("2020-01-01", "31.12.2020"), ("true", "1e5")])
def test_names_of_rows_are_text_as_it_is(tmp_path, names):
    data = read(table(tmp_path, f",a,b\n{names[0]},1,2\n {names[1]} ,3,x\n"), types={"a": pa.float64()})
    assert data.index.tolist() == list(names)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(("header", "names"), [("a,b\n", ("a", "b")), ("", None)])
def test_one_row_whose_line_does_not_end(tmp_path, header, names, encoding):
    path = tmp_path / "one.csv"
    path.write_text(header + "1.5,2", encoding=encoding)
    data = read(path)
    assert data.X.tolist() == [[1.5, 2.0]] and data.names == names


def test_a_missing_value_in_the_first_row_does_not_make_it_a_header(tmp_path):
    assert read(table(tmp_path, "1,?,3\n4,5,6\n")).table.to_pylist()[0] == {"x0": 1, "x1": None, "x2": 3}


def test_text_and_numbers_without_a_header(tmp_path):
    data = read(table(tmp_path, "M,1,2\nF,3,4\nI,5,6\n"), label="0")
    assert data.names is None
    assert data.y.tolist() == ["M", "F", "I"]
    assert data.X.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("country,2019,2020\nItaly,1,2\nFrance,3,4\n", ("country", "2019", "2020")),
        (
            "country,code,1990,2000,2010\nItaly,ITA,,1.5,2\nFrance,FRA,3,,\n",
            ("country", "code", "1990", "2000", "2010"),
        ),
        ("2020,2019,country\n1,2,Italy\n3,4,France\n", ("2020", "2019", "country")),
        ("code,2019,size\na,1,\nb,3,4\n", ("code", "2019", "size")),
        ("kind,1_000,2_000\na,1,2\nb,3,4\n", ("kind", "1_000", "2_000")),
        ("Rossi,2019,2020\nBianchi,2021,2022\n", None),
        ("a,1950,1971\nb,3,4\n", None),
        ("a,2019,7\nb,3,4\n", None),
        ("2019,2020\n1,2\n", None),
    ],
)
def test_years_may_name_columns(tmp_path, text, names):
    found = read(table(tmp_path, text), types={})
    assert found.table.column_names == list(names or [f"x{i}" for i in range(text.split()[0].count(",") + 1)])


@pytest.mark.parametrize(("label", "expected"), [("kind", ["x", "y"]), ("b", [2, 5])])
def test_label_is_taken_out(tmp_path, label, expected):
    data = read(table(tmp_path, "a,b,kind\n1,2, x\n4,5,y\n"), label=label, drop=["kind"] if label != "kind" else [])
    assert data.y.tolist() == expected
    assert label not in data.names
    assert data.X[:, 0].tolist() == [1, 4]


def test_last_column_by_number_drop_and_limit(tmp_path):
    data = read(table(tmp_path, "1,2,3\n4,5,6\n7,8,9\n"), label="-1", drop=["0"], limit=2)
    assert (data.X.tolist(), data.y.tolist()) == ([[2], [5]], [3, 6])


def test_gzip_booleans_and_a_number_that_appears_late(tmp_path):
    text = "a,b\n" + "1,true\n" * 200_000 + "1.5,false\n"
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    data = read(path)
    assert data.X[-1].tolist() == [1.5, 0]
    assert data.X[0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a table"),
        ("a,b\n", "has a header and no rows"),
        ("a,b", "has a header and no rows"),
        ('a,b\n"x,1\ny,2\n', "line 2 opens a cell with a quotation mark that nothing closes; close it, or take it out"),
        ('a,b\n1,"x\n2,y\n', "line 2 opens a cell with a quotation mark that nothing closes"),
        ('a,b\n1,x\n2,"y\n3,z', "line 3 opens a cell with a quotation mark that nothing closes"),
        pytest.param("a,b\n" + "1,x\n" * 3000 + '2,"y\n' + "3,z\n" * 99_999, "line 3002 opens a cell", id="far down"),
        pytest.param("a,b\n" + "1,x\n" * 3000 + '"2,y\n' + "3,z\n" * 99_999, "line 3002 opens a cell", id="in between"),
        ("a,b\n1,2\n3\n", "cannot read .*: line 3 has 1 cell and those before it 2: '3'; correct that line"),
        ('a,b\n1,"2\n"\n\n3,4,5\n', "line 5 has 3 cells and those before it 2: '3,4,5'; correct that line"),
        ("a,b\n1,2\n1,-inf\n", r"1 infinite values in column 'b' \(first in row 2\)"),
        ("a,b\nx,2.5\ny,-inf\n", r"1 infinite values in column 'b' \(first in row 2\)"),
        ("a,a\n1,2\n", "two columns called 'a'; rename one"),
        ("a,b\n1,2,3\n4,5,6\n", "names 2 columns in line 1 and has 3; make them agree"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(table(tmp_path, text))
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_quotes_that_close_late_are_cells(tmp_path):
    poem = "\n".join(f"line {i}" for i in range(40))
    found = read(table(tmp_path, f'a,b\n1,"{poem}"\n2,"{poem}"'))
    assert found.table["b"].to_pylist() == [poem, poem]
    assert [
        row for block in blockwise.blocks(tmp_path / "t.csv", types={}) for row in block.table["b"].to_pylist()
    ] == [
        poem,
        poem,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "weigth"}, "has no column 'weigth'; did you mean 'weight'"),
        ({"label": "zzz"}, "has no column 'zzz'; it has height, weight"),
        ({"drop": ["height", "weight"]}, "has no columns besides its labels"),
        ({"limit": 0}, "limit=0 leaves no rows"),
        ({"size": (8, 8)}, "size is for pictures, which .*t.csv' is not"),
    ],
)
def test_refused_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read(table(tmp_path, "height,weight\n1,2\n3,4\n"), **options)


def test_columns_without_names_are_asked_for_by_number(tmp_path):
    with pytest.raises(ValueError, match="has no header and no column 'kind'; give a number from 0 to 1"):
        read(table(tmp_path, "1,2\n3,4\n"), label="kind")


@pytest.mark.parametrize("text", ["5\n6\n", "my size\n5\n6\n", "5\n6", "my size\r5\r6\r"])
def test_one_column(tmp_path, text):
    data = read(table(tmp_path, text))
    assert data.X.tolist() == [[5], [6]]
    assert data.names == (("my size",) if "size" in text else None)


def test_a_damaged_gzip_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*t.csv.gz': Not a gzipped file.*; give a readable table"):
        read(table(tmp_path, "1,2\n", "t.csv.gz"))
    with pytest.raises(ValueError, match=r"cannot read .*t.csv.gz': .*; give a readable table"):
        read(table(tmp_path, gzip.compress(b"1,2\n" * 99)[:-12], "t.csv.gz"))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_names_of_columns_may_go_on_in_the_next_line(tmp_path, ending):
    path = table(tmp_path, '"a\n(kg)",b,"c ""\n\nd"\n1,2,3\n4,5,6\n'.replace("\n", ending))
    data = read(path)
    assert data.names == ("a\n(kg)", "b", 'c "\n\nd')
    assert data.X.tolist() == [[1, 2, 3], [4, 5, 6]]
    (block,) = blockwise.blocks(path)
    assert block.names == data.names and (data.X == block.X).all()
    assert read(table(tmp_path, '5" pipe,"b\n1,2\n3,4\n')).names == ('5" pipe', "b")


def test_a_text_table_of_any_ending_is_read_and_that_is_said(tmp_path, caplog):
    path = table(tmp_path, "a;b\n1,5;x\n2;y\n", "adult.test")
    assert read(path).table.to_pydict() == {"a": [1.5, 2], "b": ["x", "y"]}
    assert "adult.test is read as a table of text" in caplog.text
    assert blockwise.in_blocks(str(path)) and next(blockwise.blocks(path)).names == ("a", "b")


@pytest.mark.parametrize("text", ["", "a, b\nb\nc, d, e\n", '{"a": 1, "b": 2}\n', "a,b\0\n1,2\n", "alone\n"])
def test_what_is_no_table_stays_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"ends in '.test', which is not readable"):
        read(table(tmp_path, text, "adult.test"))


def test_very_many_columns(tmp_path):
    data = read(table(tmp_path, ",".join(["0.125"] * 50_000) + "\n" + ",".join(["2"] * 50_000)))
    assert data.X.shape == (2, 50_000)
    assert data.X.sum() == 50_000 * 2.125


def test_a_label_may_not_be_missing(tmp_path):
    with pytest.raises(ValueError, match=r"has no label in row 2 \(column 'kind'\)"):
        read(table(tmp_path, "a,kind\n1,x\n2,\n"), label="kind")


@pytest.mark.parametrize(("kind", "dtype"), [(pa.float32(), np.float32), (pa.float64(), np.float64)])
def test_parquet_keeps_float32_and_names(tmp_path, kind, dtype):
    columns = {name: pa.array(ROWS[:, i], kind) for i, name in enumerate("abc")}
    pq.write_table(pa.table({**columns, "label": ["x", "y"]}), tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet", label="label")
    assert data.names == ("a", "b", "c")
    assert data.X.dtype == dtype
    assert (ROWS.astype(dtype) == data.X).all()
    assert data.y.tolist() == ["x", "y"]


def test_parquet_vectors_data_frame_index_decimals_and_limit(tmp_path):
    from decimal import Decimal

    frame = pa.table(
        {
            "v": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 2),
            "price": pa.array([Decimal("1.5"), Decimal("2.5"), Decimal("3.5")]),
            "flag": [True, False, True],
            "__index_level_0__": ["p", "q", "r"],
        }
    )
    pq.write_table(frame, tmp_path / "t.parquet", row_group_size=1)
    data = read(tmp_path / "t.parquet", limit=2)
    assert data.names == ("v_0", "v_1", "price", "flag")
    assert data.X.tolist() == [[0, 1, 1.5, 1], [2, 3, 2.5, 0]]
    assert data.index.tolist() == ["p", "q"]


def test_all_levels_of_an_index_are_left_out(tmp_path):
    pd = pytest.importorskip("pandas")
    levels = pd.MultiIndex.from_tuples([("p", 1), ("p", 2), ("q", 1)])
    pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=levels).to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert (data.names, data.X.tolist(), data.index.tolist()) == (("x",), [[1], [2], [3]], ["p", "p", "q"])
    assert stream(tmp_path / "t.parquet").shape == (1,)


def test_an_index_that_has_a_name_is_row_names_too(tmp_path):
    pd = pytest.importorskip("pandas")
    index = pd.Index(["p", "q", "r"], name="patient")
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0]}, index=index).to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert (data.names, data.index.tolist()) == (("x", "y"), ["p", "q", "r"])
    assert [part.names for part in blockwise.blocks(tmp_path / "t.parquet", rows=2)] == [("x", "y")] * 2
    assert stream(tmp_path / "t.parquet").names == ("x", "y")
    assert remembered.columns(str(tmp_path / "t.parquet")) == ("x", "y")
    assert read(tmp_path / "t.parquet", label="patient").y.tolist() == ["p", "q", "r"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1, 2], [3]], r"column 'b' holds lists .*; give a column per value, or leave it out with drop="),
        (pa.array([np.nan, np.inf]), r"1 infinite values in column 'b' \(first in row 2\)"),
    ],
)
def test_parquet_refusals(tmp_path, column, message):
    pq.write_table(pa.table({"a": [1, 2], "b": column}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + bytes(20) + b"PAR1"])
def test_damaged_parquet(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*t.parquet' as Parquet: .*; write the file again"):
        read(tmp_path / "t.parquet")


PEOPLE = """name;born;city;income;member;visits;zip;note
"Müller, Anna";1980-05-17;Berlin;3500,50;true;3;01067;"says ""hi"" twice"
"O'Brien; Pat";1991-12-02; Köln;;false;0;50667;
Li;?;Berlin;2100;true;1;10115;"two
lines"
Ana;1975-01-30;;4100,25;;NA;01067;x
"""


def test_text_dates_truth_values_and_holes_come_in_their_own_types(tmp_path):
    data = read(table(tmp_path, PEOPLE))
    assert data.X is None and data.rows is data.table and len(data) == 4 and data.shape == (8,)
    kinds = dict(zip(data.table.column_names, map(str, data.table.schema.types), strict=True))
    assert kinds == {
        **{"name": "string", "born": "date32[day]", "city": "string", "income": "double", "member": "bool"},
        **{"visits": "int64", "zip": "int64", "note": "string"},
    }
    assert data.table["city"].to_pylist() == ["Berlin", "Köln", "Berlin", None]
    assert data.table["note"].to_pylist() == ['says "hi" twice', None, "two\nlines", "x"]
    assert data.table["income"].to_pylist() == [3500.5, None, 2100.0, 4100.25]
    assert [column.null_count for column in data.table.columns] == [0, 1, 1, 1, 1, 1, 0, 1]
    assert 0 < data.bytes_per_row < 200


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_written_as_it_was_read(tmp_path, suffix):
    made = read(table(tmp_path, PEOPLE), types={"zip": pa.string()}).table
    write(tmp_path / f"again.{suffix}", made)
    assert made["zip"][0].as_py() == "01067"
    assert read(tmp_path / f"again.{suffix}", types={"zip": pa.string()}).table.equals(made)


def test_a_written_table_needs_no_quotes_and_keeps_whole_seconds(tmp_path):
    at = pa.array([np.datetime64("2024-03-01T12:30:00", "us"), None])
    write(tmp_path / "t.csv", pa.table({"kind": pa.array(["a", "b"]).dictionary_encode(), "at": at, "n": [1, None]}))
    assert (tmp_path / "t.csv").read_text().splitlines() == ['"kind","at","n"', "a,2024-03-01 12:30:00,1", "b,,"]
    with pytest.raises(ValueError, match=r"ends in '.npy', which holds no table of columns; use .csv or .parquet"):
        write(tmp_path / "t.npy", pa.table({"kind": ["a"]}))


def test_blanks_after_commas_belong_to_no_level_and_hide_no_numbers(tmp_path):
    rows = "39, State-gov, 2020-01-01, 1.5, yes\n50, ?, ?, ?, no\n"
    data = read(table(tmp_path, rows))
    assert data.names == ("x0", "x1", "x2", "x3", "x4")
    first, second = data.table.to_pylist()
    assert (first["x1"], first["x4"]) == ("State-gov", "yes")
    assert first["x2"].isoformat() == "2020-01-01" and first["x3"] == 1.5
    assert [second[name] for name in ("x1", "x2", "x3")] == [None, None, None]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("p,x,s\ne,x,y\n", ("x0", "x1", "x2")),
        ("p,p,s\ne,x,y\n", ("x0", "x1", "x2")),
        ("a,b,c\ne,x,y\n", ("a", "b", "c")),
        ("M,1\nF,2\n", ("x0", "x1")),
    ],
)
def test_a_name_is_not_a_value_of_its_column(tmp_path, text, names):
    assert read(table(tmp_path, text)).names == names


def test_labels_and_columns_of_a_table_without_names_are_found_by_place_and_by_name(tmp_path):
    path = table(tmp_path, "M,1,2,u\nF,3,4,v\n")
    for label, drop in (("-1", "1"), ("x3", "x1")):
        data = read(path, label=label, drop=[drop], limit=1)
        assert data.names == ("x0", "x2") and data.y.tolist() == ["u"] and data.table.num_rows == 1


def test_types_make_a_table_of_numbers_and_widen_what_a_few_rows_do_not_show(tmp_path):
    path = table(tmp_path, "a,b,c,d\n1,2,2020-01-01,\n3,4,2020-01-02,\n")
    assert read(path, drop=["c", "d"]).table is None
    types = {"a": pa.float64(), "b": pa.string(), "c": pa.timestamp("s"), "d": pa.string(), "other": pa.string()}
    assert read(path, types=types).table.schema.types == list(types.values())[:4]
    assert read(path, drop=["c", "d"], types={}).table.to_pydict() == {"a": [1, 3], "b": [2, 4]}


def test_times_of_day_and_decimals_of_a_table(tmp_path):
    from decimal import Decimal

    made = pa.table({"at": pa.array([3600], pa.time32("s")), "price": [Decimal("1.5")], "kind": ["x"]})
    pq.write_table(made, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").table.to_pylist() == [{"at": "01:00:00.000", "price": 1.5, "kind": "x"}]


def test_numbers_are_asked_of_a_table_in_vain(tmp_path):
    data = read(table(tmp_path, "a,b\n1,x\n2,y\n"))
    with pytest.raises(ValueError, match="holds text, dates or missing cells, no plain numbers"):
        _ = data.flat


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", None], r"column 'b' holds text \('x' in row 1\), and rows in blocks are numbers; code such columns as"),
        (pa.array([0, 1], pa.date32()), r"column 'b' holds dates or times \(1970-01-01\)"),
        (pa.nulls(2), "column 'b' holds missing values only"),
    ],
)
def test_blocks_of_rows_are_numbers(tmp_path, column, message):
    pq.write_table(pa.table({"a": [1, 2], "b": column}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=message):
        stream(tmp_path / "t.parquet")


def test_many_columns_of_text_are_named_by_the_first(tmp_path):
    pq.write_table(pa.table({name: ["u"] for name in "abcd"}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"'a' holds .*'b' holds .*'c' holds text .*, and so on \(4 columns\)"):
        stream(tmp_path / "t.parquet")


@pytest.mark.parametrize(("cell", "kind"), [("2,5", "double"), ("2.5", "double")])
def test_the_decimal_sign_is_that_of_the_first_fraction(tmp_path, cell, kind):
    data = read(table(tmp_path, f"a;b;c\n1;?;x\n2;{cell};y\n"))
    assert list(map(str, data.table.schema.types)) == ["int64", kind, "string"]
    assert data.table["b"].to_pylist() == [None, 2.5]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("types", [None, {}])
def test_parts_without_rows_are_passed_over(tmp_path, suffix, types):
    rows = pa.table({"a": [1.0, 2.0], "b": [3.0, None]})
    for i, part in enumerate((rows.slice(0, 0), rows, rows.slice(0, 0))):
        write(tmp_path / f"part-{i}{suffix}", part)
    pattern = str(tmp_path / f"part-*{suffix}")
    found = read(pattern, types=types)
    assert (len(found), found.names) == (2, ("a", "b"))
    assert sum(map(len, blockwise.blocks(pattern))) == 2
    (tmp_path / f"part-1{suffix}").unlink()
    with pytest.raises(ValueError, match=rf"part-0{suffix}' and 1 more have no rows; give at least one row"):
        read(pattern, types=types)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_whole_numbers_that_no_array_holds_stay_in_a_table(tmp_path, suffix):
    rows = pa.table({"id": [2**60 + i for i in range(40)], "x": [0.5 * i for i in range(40)]})
    write(tmp_path / f"t{suffix}", rows)
    assert read(tmp_path / f"t{suffix}").table["id"].to_pylist() == rows["id"].to_pylist()
    if suffix == ".parquet":
        with pytest.raises(ValueError, match=r"'id' holds whole numbers beyond 2\*\*53 \(1152921504606846977\)"):
            list(stream(tmp_path / "t.parquet"))
    write(tmp_path / f"t{suffix}", rows.set_column(0, "id", pa.array([2**60 + 256 * i for i in range(40)])))
    assert read(tmp_path / f"t{suffix}").X[:, 0].tolist() == [2**60 + 256 * i for i in range(40)]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["a", "", "b"], ["a", "no label", "b"]),
        (["1", "", "2"], ["1", "no label", "2"]),
        (["1.5", "", "2"], [1.5, np.nan, 2.0]),
    ],
)
def test_labels_that_only_colour_may_be_missing(tmp_path, cells, found):
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n" + "".join(f"{i}.5,{cell}\n" for i, cell in enumerate(cells)))
    with pytest.raises(ValueError, match="has no label in"):
        read(path, label="y")
    y = read(path, label=Colour("y")).y
    np.testing.assert_array_equal(y, found)
    assert unlabelled(y).tolist() == [False, True, False]
