"""The codec of tables: what it chooses, what it refuses, and that any frame goes in and comes back."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.codec import TableCodec, facts_of, joined
from isthmus.data.columns.facts import Facts
from isthmus.data.frames import framed
from isthmus.data.schema import chosen
from isthmus.parts import Category, Number

CELLS = {
    "float": st.floats(-1e9, 1e9),
    "int": st.integers(-(2**40), 2**40),
    "text": st.text(max_size=3),
    "bool": st.booleans(),
    "date": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    "day": st.dates(),
    "nothing": st.none(),
}


@st.composite
def tables(draw, least=1):
    n = draw(st.integers(least, 12))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    cells = [draw(st.lists(st.none() | CELLS[kind], min_size=n, max_size=n)) for kind in kinds]
    types = {
        "float": pa.float64(),
        "int": pa.int64(),
        "text": pa.string(),
        "bool": pa.bool_(),
        "date": pa.timestamp("us"),
    }
    types |= {"day": pa.date32(), "nothing": pa.null()}
    return pa.table({f"c{i}": pa.array(v, types[k]) for i, (k, v) in enumerate(zip(kinds, cells, strict=True))})


def near(a, b):
    if isinstance(b, float):
        return a == pytest.approx(b, rel=1e-9, abs=1e-6)
    return abs(a - b) <= dt.timedelta(microseconds=2) if isinstance(b, dt.datetime) else a == b


@given(tables())
def test_any_table_comes_back(X):
    codec = TableCodec.fit(X)
    U = codec.encode(X)
    back = codec.decode(U, like=X)
    assert back.schema == X.schema
    for name in X.column_names:
        assert all(near(a, b) for a, b in zip(back[name].to_pylist(), X[name].to_pylist(), strict=True))
    missing = np.stack([column.is_null().to_numpy() for column in X.columns], 1)
    np.testing.assert_array_equal(codec.by_column(np.isnan(U)) > 0, missing)
    assert not codec.log_slopes(U)[np.isnan(U)].any()
    again = TableCodec.from_dict(json.loads(json.dumps(codec.to_dict())))
    np.testing.assert_array_equal(again.encode(X), U)


@given(tables(least=2), st.data())
def test_the_codec_of_facts_of_two_parts_is_that_of_the_whole(X, data):
    at = data.draw(st.integers(1, X.num_rows - 1))
    facts = joined(facts_of(framed(X[:at])), facts_of(framed(X[at:])))
    codec, whole = TableCodec.of(facts, X[:0]), TableCodec.fit(X)
    assert codec.kinds == whole.kinds
    np.testing.assert_allclose(codec.encode(X), whole.encode(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.5, 3.5], "number"),
        ([1, 2, 3], "number"),
        ([0, 1, None, 1], "binary"),
        ([True, False, None], "binary"),
        (["a", "b"], "binary"),
        (["a", "b", "c"], "category"),
        (["a", None, "a"], "constant"),
        ([3.0, 3.0], "constant"),
        ([None, None], "constant"),
        ([dt.date(2020, 1, 1), None], "date"),
    ],
)
def test_kinds_are_chosen_from_what_columns_hold(values, kind):
    assert type(chosen(Facts.of("c", pa.array(values)))).__name__.lower() == kind


X = pd.DataFrame({"b": list("uvwu"), "c": [1, 2, 4, 9], "d": [1.0, None, 3.0, 7.0]})


@pytest.mark.parametrize(
    "kind", ["category:width=3", {"type": "category", "width": 3}, Category(width=3)], ids=["text", "mapping", "object"]
)
def test_a_schema_speaks_of_kinds_in_three_ways(kind):
    codec = TableCodec.fit(X, {"c": kind, "b": "hashed"})
    assert codec.kinds == ("hashed", "category", "number")
    assert codec.variables[1].width == 3


def test_columns_of_arrays_are_named_by_number():
    x = np.random.default_rng(0).normal(size=(9, 3))
    found = TableCodec.fit(x, {0: Number("robust"), np.int64(2): "number:scale=log", "x1": "number:scale=quantile"})
    assert [codec.scale for codec in found.columns] == ["robust", "quantile", "log"]
    numbered = TableCodec.fit(pd.DataFrame(x), {1: "number:scale=log"})
    assert [codec.scale for codec in numbered.columns] == ["standard", "log", "standard"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"b": "catgory"}, "schema of column 'b': unknown column 'catgory'; did you mean 'category'"),
        ({"c": "number:scle=log"}, "did you mean 'scale'"),
        ({"c": "number:scale=lgo"}, "scale='lgo' is unknown; did you mean 'log'"),
        ({"bb": "category"}, "a column 'bb', which the table does not have; did you mean 'b'"),
        ({7: "category"}, "a column 7, which the table does not have; there are b, c, d"),
        ({"b": 3}, "schema of column 'b' is 3, which is no kind; write for example 'category'"),
        ({"b": Category}, "which is no kind"),
        ({"b": "number"}, "column 'b' is declared as number, but holds text"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(schema, message):
    with pytest.raises(ValueError, match=message):
        TableCodec.fit(X, schema)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (X.drop(columns="c"), "the table lacks 'c'; give the columns of the fit: 'b', 'c', 'd'"),
        (X.assign(e=1), "the table adds 'e'"),
        (X.rename(columns={"c": "e"}), "the table lacks 'c' and adds 'e'"),
        (X[["c", "b", "d"]], "the table has 'c' where the fit had 'b'"),
        (
            X.assign(c=list("xyzx")),
            r"column 'c' was numbers in the fit and is text now: 4 of 4 values are no numbers, the first 'x' in row 0",
        ),
        (X.assign(b=True), "column 'b' was text in the fit and is truth values now"),
        (X.assign(b=2.5), "column 'b' was text in the fit and is numbers now"),
        (X.assign(c=pd.Timestamp("2020-01-01")), "column 'c' was numbers in the fit and is dates now"),
        (X.to_numpy()[:, :2], "X has 2 features, but the fit had 3"),
        (X.to_numpy()[:, [1, 0, 2]], "column 'b' was text in the fit and is numbers now"),
        (X.assign(d=np.inf), r"column 'd' is infinite in row 0 \(from 0\)"),
        (X.iloc[:0], "without rows"),
    ],
)
def test_other_columns_than_those_of_the_fit_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        TableCodec.fit(X).encode(other)


def test_names_are_compared_one_by_one_however_many_there_are():
    asked = []

    class Name(str):
        def __eq__(self, other):
            asked.append(other)
            return str(self) == str(other)

        __hash__ = str.__hash__

    wide = pd.DataFrame(np.zeros((2, 200))).rename(columns=str)
    codec = TableCodec.fit(wide)
    codec = replace(codec, columns=tuple(replace(one, name=Name(one.name)) for one in codec.columns))
    codec.encode(wide)
    with pytest.raises(ValueError, match="lacks '7'"):
        codec.encode(wide.drop(columns="7"))
    assert len(asked) < 5 * 200


def test_a_column_without_any_value_has_any_type():
    codec = TableCodec.fit(X.assign(e=pd.Timestamp("2020-01-01"), f=None))
    for nothing in (None, np.nan, pd.NaT):
        U = codec.encode(X.assign(b=nothing, c=nothing, e=nothing, f=nothing))
        assert np.isnan(U[:, [0, 1, 3, 4]]).all()
    assert codec.encode(X.assign(e=None, f=2.5))[:, -1].tolist() == [1.0] * 4  # any value is new


def test_facts_of_other_columns_do_not_join():
    here = facts_of(framed(X))
    with pytest.raises(ValueError, match="some rows have the columns 'b', 'c', 'd', others 'b', 'c'; give the same"):
        joined(here, facts_of(framed(X[["b", "c"]])))
    with pytest.raises(ValueError, match="column 'c' holds numbers in some rows and text or truth values in others"):
        joined(here, facts_of(framed(X.assign(c="x"))))


def test_quantiles_are_the_same_on_every_look():
    x = np.random.default_rng(0).normal(size=(20_000, 1))
    a, b = (TableCodec.fit(x, {0: "number:scale=quantile"}) for _ in range(2))
    np.testing.assert_array_equal(a.encode(x), b.encode(x))
    assert abs(a.encode(x).mean()) < 0.02 and abs(a.encode(x).std() - 1) < 0.05
