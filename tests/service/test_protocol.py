"""The Open Inference Protocol, by the shapes that it asks for, and equal to the estimators."""

import math

import numpy as np
import pyarrow as pa
import pytest
from serving import as_json, some

from isthmus import load

KINDS = ("plain", "pictures", "named", "people", "odd", "numbers", "tiles", "classes", "three", "target")
DATATYPES = {"BOOL", "BYTES", "FP64", "FP32", "INT64"}


def infer(served, name, **body):
    return served.post(f"/v2/models/{name}/infer", json=body)


def tensors(served, name, X):
    """Return rows as the inputs that metadata name."""
    inputs = served.get(f"/v2/models/{name}").json()["inputs"]
    if not isinstance(X, pa.Table):
        return [inputs[0] | {"shape": [len(X), *inputs[0]["shape"][1:]], "data": X.tolist()}]
    rows = as_json(X)
    return [one | {"shape": [len(rows)], "data": [row[one["name"]] for row in rows]} for one in inputs]


def test_health_and_server(served):
    assert served.get("/v2/health/live").json() == {"live": True}
    assert served.get("/v2/health/ready").json() == {"ready": True}
    assert served.get("/v2").json().keys() == {"name", "version", "extensions"}


@pytest.mark.parametrize("name", KINDS)
def test_outputs_are_those_of_metadata_and_of_the_model(served, fitted, saved, name):
    X, model = some(fitted[name][1]), load(saved / name)
    assert served.get(f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}
    told = served.get(f"/v2/models/{name}").json()
    assert {"name", "versions", "platform", "inputs", "outputs"} == told.keys()
    answer = infer(served, name, id="a1", inputs=tensors(served, name, X)).json()
    assert (answer["id"], answer["model_name"]) == ("a1", name)
    for tensor, known in zip(answer["outputs"], told["outputs"], strict=True):
        assert (tensor["name"], tensor["datatype"]) == (known["name"], known["datatype"])
        assert tensor["datatype"] in DATATYPES
        assert tensor["shape"] == [len(X), *known["shape"][1:]]
        assert len(tensor["data"]) == math.prod(tensor["shape"])
    found = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    own = {
        "score": "anomaly_score" if "p_value" in found else "score_samples",
        "p_value": "p_values",
        "prediction": "predict",
    }
    for output in found.keys() & own.keys():
        wanted = getattr(model, own[output])(X).tolist()
        assert found[output] == (wanted if isinstance(wanted[0], str) else pytest.approx(wanted, rel=1e-6))


@pytest.mark.parametrize("name", ["people", "odd", "classes"])
def test_a_table_may_come_as_cells(served, fitted, saved, name):
    X = some(fitted[name][1])
    cells = load(saved / name).cells(X)
    data = [[None if np.isnan(cell) else cell for cell in row] for row in cells.tolist()]
    whole = {"name": "rows", "datatype": "FP64", "shape": list(cells.shape), "data": data}
    one = infer(served, name, inputs=[whole]).json()["outputs"]
    assert one == infer(served, name, inputs=tensors(served, name, X)).json()["outputs"]


def test_outputs_are_selected(served, fitted):
    inputs = tensors(served, "plain", fitted["plain"][1][:2])
    found = infer(served, "plain", inputs=inputs, outputs=[{"name": "code"}]).json()["outputs"]
    assert [tensor["name"] for tensor in found] == ["code"]


def wrong(**changes):
    return [{"name": "rows", "datatype": "FP64", "shape": [1, 8], "data": [0.0] * 8} | changes]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give a list of tensors"),
        ({"inputs": []}, "give a list of tensors"),
        ({"inputs": wrong(name="row")}, "did you mean 'rows'"),
        ({"inputs": wrong(shape=[8])}, "give rows of 8 cells"),
        ({"inputs": wrong(shape=[2, 8])}, "has 8 items, its shape 16"),
        ({"inputs": wrong(shape=[-1, 8])}, "whole numbers from 1 up"),
        ({"inputs": wrong(shape=[10**30, 8])}, "rows are asked for at once"),
        ({"inputs": wrong(datatype="BYTES")}, "the datatype of 'rows'"),
        ({"inputs": wrong(data=["x"] * 8)}, "give a number"),
        ({"inputs": wrong(data=[None] * 8)}, "rows[0] has null for 'x0'"),
        ({"inputs": wrong(data=[10**400] * 8)}, "very many digits"),
        ({"inputs": wrong(), "outputs": [{"name": "scores"}]}, "did you mean 'score'"),
        ({"inputs": wrong(), "id": 3}, "'id' is 3"),
        ({"input": wrong()}, "did you mean 'inputs'"),
    ],
)
def test_refusals_name_culprit_and_remedy(served, body, words):
    answer = infer(served, "plain", **body)
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["error"]
    assert answer.json()["error"] == answer.json()["detail"]


def test_a_column_is_missing(served, fitted):
    inputs = tensors(served, "people", fitted["people"][1].slice(0, 2))
    assert "'age' is missing" in infer(served, "people", inputs=inputs[1:]).json()["error"]
    inputs[0] = inputs[0] | {"shape": [1], "data": inputs[0]["data"][:1]}
    assert "give the same rows" in infer(served, "people", inputs=inputs).json()["error"]
    assert infer(served, "nobody", inputs=inputs).status_code == 404
