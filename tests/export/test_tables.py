"""Graphs of autoencoders of tables: cells go in and come out, by the codecs in torch."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from answering import SIZES, agree, both, cells_scored, opened, slack
from hypothesis import given as drawn
from hypothesis import strategies as st
from mixed_tables import SCHEMA, table, unseen
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import Autoencoder, Trainer, load
from isthmus.data.codec import TableCodec
from isthmus.export import Columns
from isthmus.parts import Dense, Hiding

X = table()


def fitted(X=X, schema=SCHEMA, **changes):
    settings = {"architecture": Dense((8,)), "trainer": Trainer(epochs=2), "random_state": 0}
    return Autoencoder(2, schema=schema, **(settings | changes)).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def answers(model):
    return both(model)


@pytest.mark.parametrize("rows", SIZES)
def test_a_graph_scores_as_the_estimator_does(model, answers, rows):
    for given in (X[:rows], table(20, seed=1)[:rows], unseen(X)[:rows]):
        agree(answers(rows=model.cells(given)), cells_scored(model, given), slack(model, X))


def test_any_place_without_a_level_is_a_new_one(model, answers):
    given = unseen(X)[:3]
    cells = model.cells(given)
    for column in model.describe_columns():
        if "unseen" in column:
            i = given.column_names.index(column["name"])
            assert math.isnan(cells[0, i]) or 0 <= cells[0, i] <= column["unseen"]
    other = cells.copy()
    town = given.column_names.index("town")
    for place in (-1.0, 4.0, 1000.0):
        other[0, town] = place
        assert_array_equal(answers(rows=other)["score"], answers(rows=cells)["score"])


def test_a_decoder_gives_cells_and_chances(model, answers):
    whole = answers(rows=model.cells(X))
    found = both(model, "decoder")(code=whole["code"])
    agree(found, {name: whole[name] for name in ("reconstruction", "chance")})
    assert (found["chance"] > 0).all() and (found["chance"] <= 1).all()
    numbers = [X.column_names.index(name) for name in ("age", "income", "when", "kids")]
    assert (found["chance"][:, numbers] == 1).all()


def test_a_loaded_model_has_the_same_graph(model, answers, tmp_path):
    again = load(model.save(tmp_path / "model"))
    cells = model.cells(X)
    assert_array_equal(again.cells(X), cells)
    assert_array_equal(opened(again.to_onnx("encoder"))(rows=cells)["code"], answers(rows=cells)["code"])
    assert again.describe_columns() == model.describe_columns()


def test_frames_of_pandas_and_arrays_have_cells_too():
    frame = pd.DataFrame({"a": [1.0, None, 3.0, 4.0] * 5, "b": pd.Categorical(["x", "y", None, "y"] * 5)})
    model = fitted(frame, None, corruption=Hiding(0.2))
    agree(both(model)(rows=model.cells(frame)), cells_scored(model, frame), slack(model, frame))
    array = frame.assign(b=frame["b"].cat.codes).to_numpy()
    model = fitted(array, "auto", corruption=Hiding(0.2))
    agree(both(model)(rows=model.cells(array)), cells_scored(model, array), slack(model, array))


def test_what_columns_are_is_told_in_json(model):
    told = {column["name"]: column for column in json.loads(json.dumps(model.describe_columns(), allow_nan=False))}
    assert list(told) == X.column_names
    assert {name: column["kind"] for name, column in told.items() if "kind" in column} == dict(
        zip(X.column_names, model.form_.table.kinds, strict=True)
    )
    assert told["town"]["levels"] == list("abcd") and told["town"]["unseen"] == 4
    assert told["ok"]["levels"] == [False, True] and told["digit"]["levels"] == [3.0, 7.0]
    assert told["word"]["hash"] == "crc32" and told["word"]["buckets"] == 5
    assert told["when"]["format"] == "%Y-%m-%d %H:%M:%S" and told["day"]["format"] == "%Y-%m-%d"
    assert told["whole"]["whole"] and not told["age"]["whole"]
    assert told["age"]["typical"] == sorted(told["age"]["typical"])


def test_a_codec_in_torch_does_what_it_does_in_numpy(model):
    codec = model.form_.table
    table_of = Columns(codec)
    for given in (X, unseen(X), table(50, seed=3)):
        U, cells = codec.encode(given), codec.cells(given)
        found = table_of.variables(torch.from_numpy(cells))
        assert_allclose(found, U, rtol=1e-9, atol=1e-9)
        assert_allclose(table_of.log_slopes(found), codec.log_slopes(U), atol=1e-9)
        assert_allclose(table_of.by_column(found.nan_to_num()), codec.by_column(np.nan_to_num(U)))
        back = codec.cells(codec.decode(U, like=given))
        here = ~np.isnan(back)  # what was never seen does not come back
        assert_allclose(table_of.cells(found).numpy()[here], back[here], rtol=1e-9, atol=1e-6)


@drawn(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-1e7, 1e7))
def test_numbers_of_any_scale_go_there_and_back(values, x):
    for scale in ("standard", "robust", "log", "quantile"):
        codec = TableCodec.fit(pa.table({"c": values}), {"c": f"number:scale={scale}"}).columns[0]
        U = np.empty((1, 1))
        codec.encode(np.array([x]), U)
        found = codec.variables_of([codec], torch.tensor([[x]], dtype=torch.float64))
        assert_allclose(found[:, :, 0], U, rtol=1e-7, atol=1e-7)
