"""Text tables and Parquet: every layout reads as the same numbers, everything else is refused by name."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus.data import read

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
        ("a;b;c\n1,5;2;-3\n4;5,25;0,006\n", ("a", "b", "c")),
        ("1,5;2,0;-3,0\n4,0;5,25;0,006\n", None),
        ("a\tb\tc\n1.5\t2\t-3\n4\t5.25\t6e-3\n", ("a", "b", "c")),
        ("# a b c\n1.5 2 -3\n4 5.25 6e-3\n", ("a", "b", "c")),
        ("sepal length, petal width, c\n1.5, 2, -3\n4, 5.25, 6e-3\n", ("sepal length", "petal width", "c")),
        ('"a, or so","b;b",c\n1.5,2,-3\n4,5.25,6e-3\n', ("a, or so", "b;b", "c")),
        ("\n\na|b|c\r\n1.5|2|-3\r\n4|5.25|6e-3\r\n", ("a", "b", "c")),
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
    assert [str(name) for name in data.index] == list(rows)
    assert data.X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(("header", "names"), [("a,b\n", ("a", "b")), ("", None)])
def test_one_row_whose_line_does_not_end(tmp_path, header, names, encoding):
    path = tmp_path / "one.csv"
    path.write_text(header + "1.5,2", encoding=encoding)
    data = read(path)
    assert data.X.tolist() == [[1.5, 2.0]] and data.names == names


def test_a_missing_value_in_the_first_row_does_not_make_it_a_header(tmp_path):
    with pytest.raises(ValueError, match=r"1 missing \(NaN\) values in column '1' \(first in row 1\)"):
        read(table(tmp_path, "1,?,3\n4,5,6\n"))


def test_text_and_numbers_without_a_header(tmp_path):
    data = read(table(tmp_path, "M,1,2\nF,3,4\nI,5,6\n"), label="0")
    assert data.names is None
    assert data.y.tolist() == ["M", "F", "I"]
    assert data.X.tolist() == [[1, 2], [3, 4], [5, 6]]


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
        ("a,b\n1,2\n3\n", "cannot read .*Expected 2 columns, got 1: 3; correct that line"),
        (
            "a,b\n1,2\n3,x\n",
            r"column 'b' holds text \('x' in row 2\); code such columns as numbers, leave them out with",
        ),
        ("a,b,c,d,e\nu,u,u,u,1\n", r"'a' holds .*'b' holds .*'c' holds text .*, and so on \(4 columns\)"),
        ("a,b\n1,2020-01-01\n", r"column 'b' holds dates or times \(2020-01-01\)"),
        ("a,b\n1,\n2,\n", "column 'b' holds missing values only"),
        ("a,b\n1,2\n,3\n?,4\n", r"2 missing \(NaN\) values in column 'a' \(first in row 2\); fill in or leave out"),
        ("a,b\n1,2\n1,-inf\n", r"1 infinite values in column 'b' \(first in row 2\)"),
        ("a,a\n1,2\n", "two columns called 'a'; rename one"),
        ("a,b\n1,2,3\n4,5,6\n", "names 2 columns and has 3; make them agree"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(table(tmp_path, text))
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", None], r"column 'b' holds text \('x' in row 1\)"),
        ([[1, 2], [3]], "column 'b' holds lists"),
        (pa.array([1, None]), r"1 missing \(NaN\) values in column 'b' \(first in row 2\)"),
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
