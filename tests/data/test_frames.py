"""Frames of any library: every type goes in and comes back as it was, with its levels, names, index and holes."""

import datetime as dt
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal as assert_polars_equal

from isthmus.data.codec import TableCodec
from isthmus.data.frames import framed
from isthmus.data.restoring import filled, restored

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
Money = decimal.Decimal
DAYS = [dt.date(2020, 2, 29), None, dt.date(1950, 1, 1), dt.date(2021, 5, 5)]
TIMES = [dt.datetime(2020, 1, 1, 3, 4, 5), None, dt.datetime(1950, 5, 5), dt.datetime(2021, 1, 5, 12)]
LETTERS = ["x", "y", None, "x", "z"]


def pandas_columns():
    yield from (pd.Series([1, 5, 3, 7], dtype=t) for t in [*INTEGERS, "float16", "float32", "float64"])
    yield from (
        pd.Series([1, None, 3, 7], dtype=t) for t in ["Int8", "UInt64", "Int64", "Float32", "Float64", "float64"]
    )
    yield from (pd.Series([True, None, False], dtype=t) for t in ["boolean", pd.ArrowDtype(pa.bool_()), object])
    yield from (pd.Series(LETTERS, dtype=t) for t in ["string", "string[pyarrow]", "str", object])
    yield from (pd.Series([1, None, 3, 7], dtype=pd.ArrowDtype(t)) for t in (pa.int64(), pa.float32(), pa.float64()))
    yield from (pd.Series(TIMES, dtype=pd.ArrowDtype(pa.timestamp(u))) for u in ("s", "us", "ns"))
    yield from (pd.Series(TIMES, dtype=f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns"))
    yield pd.Series(TIMES, dtype="datetime64[us]").dt.tz_localize("Europe/Berlin")
    yield pd.Series(DAYS, dtype=pd.ArrowDtype(pa.date32()))
    for levels in (["z", "q", "y", "x"], ["z", "y", "x"]):
        yield from (pd.Series(pd.Categorical(LETTERS, categories=levels, ordered=o)) for o in (True, False))
    yield from (pd.Series(pd.Categorical(v)) for v in ([3, 1, None, 2], [2.5, None, 1.0], [True, False], ["a", 1, "b"]))
    yield pd.Series(pd.Categorical([None, None], categories=["a", "b"]))
    yield pd.Series(pd.Categorical(pd.to_datetime(["2020-01-01", "2021-01-01"])))
    yield from (
        pd.Series(v, dtype=object) for v in (DAYS, TIMES, [1, 2, None, 5], ["a", 1, 2.5, True], ["a", np.nan, "b"])
    )
    yield from (pd.Series(v, dtype=object) for v in ([1, pd.NA, 3, 7], ["a", pd.NA, "b"], ["a", 1, pd.NA, True]))
    yield pd.Series([Money("1.25"), None, Money("3.50"), Money("9.75")], dtype=object)
    yield pd.Series(
        [pd.Timestamp("2020-01-01", tz="Europe/Berlin"), pd.Timestamp("2020-06-01", tz="Europe/Berlin")], dtype=object
    )
    yield from (pd.Series([None, None], dtype=t) for t in ("float64", object, "Int64", "datetime64[ns]"))
    yield pd.Series(np.array([2**64 - 1, 2**64 - 2, 7], dtype=np.uint64))
    yield pd.Series([3, 3, 3])


@pytest.mark.filterwarnings("ignore:.*holds whole numbers beyond")  # the greatest there are
@pytest.mark.parametrize("column", list(pandas_columns()), ids=lambda s: f"{s.dtype}")
def test_pandas_comes_back(column):
    X = pd.DataFrame({"a": column, "b": column[::-1].array}).set_axis([7, 7, 3, 1, 0][: len(column)])
    codec = TableCodec.fit(X)
    back = codec.decode(codec.encode(X), like=X)
    whole = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu" and column.max() < 2**50
    pd.testing.assert_frame_equal(back, X, check_exact=whole, rtol=1e-12)
    if column.dtype == object and isinstance(column[0], int | str | Money):
        assert [type(v) for v in back["a"]] == [type(v) for v in X["a"]]


@pytest.mark.parametrize(
    "column",
    [
        *(pl.Series([1, None, 3, 9], dtype=t) for t in (pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Float64)),
        pl.Series([1.5, float("nan"), 3.0, 4.0]),
        pl.Series(LETTERS, dtype=pl.Enum(["z", "y", "unused", "x"])),
        pl.Series(LETTERS, dtype=pl.Categorical),
        pl.Series(LETTERS),
        pl.Series([True, None, False]),
        pl.Series([None, None]),
        pl.Series(DAYS),
        *(pl.Series(TIMES, dtype=pl.Datetime(unit)) for unit in ("ms", "us", "ns")),
        pl.Series(TIMES).dt.replace_time_zone("Europe/Berlin"),
        pl.Series([Money("1.25"), None, Money("3.50")], dtype=pl.Decimal(10, 2)),
    ],
    ids=lambda s: f"{s.dtype}",
)
def test_polars_comes_back(column):
    X = pl.DataFrame({"a": column})
    codec = TableCodec.fit(X)
    assert_polars_equal(codec.decode(codec.encode(X), like=X), X, rel_tol=1e-12)


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array(LETTERS, t) for t in (pa.string(), pa.large_string(), pa.string_view())),
        pa.array(LETTERS).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), pa.array(["u", "v", "w"]), ordered=True),
        pa.array([3, 4, None, 5]).dictionary_encode(),
        pa.array(DAYS, pa.date32()),
        pa.array(DAYS, pa.date64()),
        *(
            pa.array(TIMES, pa.timestamp(unit, zone))
            for unit in ("s", "ms", "us", "ns")
            for zone in (None, "Asia/Tokyo")
        ),
        pa.array([Money("1.25"), None, Money("3.50"), Money("9.75")], pa.decimal128(8, 2)),
        pa.array([True, None, False]),
        pa.array(np.array([1, 2, 3], np.float16)),
        pa.nulls(3),
        pa.chunked_array([pa.array(["x", "y"]).dictionary_encode(), pa.array(["z", "y"]).dictionary_encode()]),
    ],
    ids=lambda a: f"{a.type}",
)
def test_arrow_comes_back(column):
    X = pa.table({"a": column, "n": pa.array(range(len(column)))})
    X = X.cast(X.schema.set(1, pa.field("n", pa.int64(), nullable=False))).replace_schema_metadata({"owner": "us"})
    codec = TableCodec.fit(X)
    back = codec.decode(codec.encode(X), like=X)
    assert back.schema.equals(X.schema, check_metadata=True)
    assert back.to_pylist() == X.to_pylist()


@pytest.mark.parametrize(
    "X",
    [
        *(np.array([[1, 9], [5, 7], [3, 8]], dtype=t) for t in [*INTEGERS, "float32", "float64", bool]),
        np.array([[1, np.nan], [2, 3.5], [4, 1]]),
        np.array([["a", 1], ["b", None], ["c", 3]], dtype=object),
        np.array([["a", "u"], ["b", "v"], ["c", "w"]]),
        np.array(
            [["2020-01-01", "2021-01-01"], ["2020-01-03", "NaT"], ["2020-01-07", "2022-01-01"]], dtype="datetime64[D]"
        ),
    ],
    ids=lambda X: f"{X.dtype}",
)
def test_arrays_come_back(X):
    codec = TableCodec.fit(X)
    back = codec.decode(codec.encode(X), like=X)
    assert back.dtype == X.dtype
    np.testing.assert_array_equal(back, X)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_of_every_arrow_type_is_filled(kind):
    X = pa.table({"a": pa.chunked_array([pa.array(["u", None], kind), pa.array(["w"], kind)]), "n": [1, 2, 3]})
    made = X.set_column(0, "a", pa.chunked_array([pa.array(["v", "v", "v"], kind)]))
    found = filled(X, made)
    assert found["a"].to_pylist() == ["u", "v", "w"] and found.schema == X.schema


def test_what_pandas_calls_na_is_missing_in_arrays_of_objects_too():
    X = pd.DataFrame({"a": ["u", None, "v"], "b": [1, 2, None]}).convert_dtypes().to_numpy()
    assert X[1, 0] is X[2, 1] is pd.NA
    codec = TableCodec.fit(X)
    back = codec.decode(codec.encode(X), like=X)
    assert [[cell is pd.NA for cell in row] for row in back.tolist()] == [[False] * 2, [True, False], [False, True]]
    assert filled(X, np.array([["z", 9]] * 3, dtype=object)).tolist() == [["u", 1], ["z", 2], ["v", 9]]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Index([3, 1]),
        pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]),
        pd.Index(["u", "v"], name="n"),
        pd.RangeIndex(2),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "index",
    [[1, 1, 1], pd.MultiIndex.from_tuples([(1, 2), (1, 3), (2, 2)]), pd.date_range("2020", periods=3, name="d")],
)
def test_labels_and_index_come_back(labels, index):
    X = pd.DataFrame([["a", 1.5], ["b", None], ["c", 3.5]], index=index)
    X.columns = labels
    codec = TableCodec.fit(X)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(X), like=X), X, check_freq=False)
    assert codec.names == tuple(map(str, labels))


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame(
            {
                "c": pd.Categorical(LETTERS, categories=["z", "q", "y", "x"], ordered=True),
                "n": [1, 2, 3, 4, 9],
                "s": LETTERS,
            }
        ),
        pd.DataFrame({0: pd.Categorical([3, 1, None, 2]), 1: pd.Series(TIMES).dt.tz_localize("UTC")}),
        pl.DataFrame({"e": pl.Series(LETTERS, dtype=pl.Enum(["z", "y", "q", "x"])), "f": [1.0, None, 2.5, 3.0, 4.0]}),
        pa.table({"d": pa.array(LETTERS).dictionary_encode(), "f": [1.0, None, 2.5, 3.0, 4.0]}),
        np.array([[1.0, np.nan], [2, 3.5], [4, 1]]),
    ],
    ids=["categories", "numbered", "polars", "arrow", "array"],
)
def test_a_saved_codec_gives_the_same_types_and_levels(X):
    codec = TableCodec.fit(X)
    again = TableCodec.from_dict(json.loads(json.dumps(codec.to_dict())))
    U = codec.encode(X)
    np.testing.assert_array_equal(again.encode(X), U)
    if isinstance(X, pd.DataFrame):
        pd.testing.assert_frame_equal(again.decode(U), codec.decode(U))
    elif isinstance(X, pl.DataFrame):
        assert_polars_equal(again.decode(U), codec.decode(U))
        assert again.decode(U).schema == X.schema
    elif isinstance(X, pa.Table):
        assert again.decode(U).equals(codec.decode(U))
    else:
        np.testing.assert_array_equal(again.decode(U), X)


def test_types_that_arrow_lacks_do_not_stop_a_model_from_being_saved():
    for X in (
        pl.DataFrame({"i": pl.Series([1, 2, 4], dtype=pl.Int128)}),
        pd.DataFrame({"c": pd.Categorical(["a", 1, "b"])}),
    ):
        codec = TableCodec.fit(X)
        again = TableCodec.from_dict(codec.to_dict())
        np.testing.assert_array_equal(again.encode(X), codec.encode(X))
        assert len(again.decode(codec.encode(X))) == 3


@pytest.mark.parametrize("dtype", INTEGERS)
def test_what_is_expected_stays_within_the_type(dtype):
    far, one, limits = {"a": np.array([-1e30, 1e30, 5.0])}, np.array([1], dtype), np.iinfo(dtype)
    tables = [library({"a": one}) for library in (pd.DataFrame, pl.DataFrame, pa.table)]
    for found in [*(restored(far, like, 3)["a"].to_numpy() for like in tables), restored(far, one[:, None], 3)[:, 0]]:
        low, high, here = found.tolist()
        assert low == limits.min and here == 5 and 0 <= limits.max - high <= limits.max / 2**50


def test_a_column_without_any_value_takes_what_is_expected_of_it():
    X = pd.DataFrame({"a": ["x", "y", "z"], "b": [1.0, 2.0, 4.0]})
    codec = TableCodec.fit(X)
    empty = pd.DataFrame({"a": [np.nan] * 3, "b": [None] * 3})
    assert np.isnan(codec.encode(empty)).all()
    assert codec.decode(codec.encode(X), like=empty)["a"].tolist() == ["x", "y", "z"]
    for like in (pl.DataFrame({"a": [None] * 3, "b": [None] * 3}), pa.table({"a": pa.nulls(3), "b": pa.nulls(3)})):
        assert codec.decode(codec.encode(X), like=like)["a"].to_numpy().tolist() == ["x", "y", "z"]


def test_text_in_an_array_is_not_cut():
    fit = np.array([["long one"], ["short"], ["other"]])
    codec = TableCodec.fit(fit)
    assert codec.decode(codec.encode(fit), like=np.array([["s"]] * 3))[:, 0].tolist() == fit[:, 0].tolist()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns called 'a'; rename one"),
        (pd.DataFrame([[1, 2]], columns=["1", 1]), "two columns called '1'; rename one"),
        (pd.DataFrame([[1, 2]], columns=["a", 1]), "names of columns that are text, and 1, which is not; make all"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), "two columns called 'a'"),
        (pd.DataFrame({"a": []}), "a table without rows"),
        (pd.DataFrame(index=[1, 2]), "no columns"),
        (np.zeros((2, 2, 2)), r"not the shape \(2, 2, 2\); reshape it"),
        (pd.Series([1]), "a Series is no table; give a pandas, polars or pyarrow table"),
        (pd.DataFrame({"a": [[1], [2]]}), "column 'a' holds list<.*, which no kind of column reads"),
        (pd.DataFrame({"a": [b"x", b"y"]}), "column 'a' holds binary"),
        (pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="h")}), "column 'a' holds duration"),
        (pd.DataFrame({"a": [1j, 2]}), "column 'a' holds a complex; give numbers, text"),
        (pl.DataFrame({"a": [{"b": 1}]}), "column 'a' holds struct"),
        (np.array([[object()]]), "column 'x0' holds a object"),
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        TableCodec.fit(X)


def test_text_and_numbers_in_one_column_are_text_and_too_large_ones_are_floats():
    mixed = dict(framed(np.array([["a", 2**70], [1, 3], [None, 2.5]], dtype=object)).columns())
    assert mixed["x0"].to_pylist() == ["a", "1", None]
    assert mixed["x1"].to_pylist() == [2.0**70, 3.0, 2.5]
