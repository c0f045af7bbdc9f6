"""Whatever comes in, mistakes are the caller's: a status below 500, and a sentence in JSON."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import quick, rows
from serving import as_json, client_of, detail

ROUTES = ("score", "explain", "reconstruct", "impute", "sample", "predict")
MODELS = ("plain", "people", "odd", "series", "classes", "tiles")


def changed(fitted, **cells):
    return [as_json(fitted["people"][1].slice(0, 1))[0] | cells]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"agee": 3}, "'agee', which the fit had not"),
        ({"age": "38"}, "'38' for 'age'; give a number, or null where it is missing"),
        ({"age": True}, "true for 'age'"),
        ({"age": [1]}, "a list for 'age'"),
        ({"age": 1e200}, "give a number less than 1e150"),
        ({"age": 10**400}, "very many digits"),
        ({"sex": 1}, "1 for 'sex'; give text"),
        ({"ok": "yes"}, "'yes' for 'ok'; give true or false"),
        ({"kids": 1.5}, "1.5 for 'kids'; give a count"),
        ({"kids": -1}, "-1 for 'kids'; give a count"),
        ({"kids": 1e200}, "1e+200 for 'kids'; give a count, 0, 1, 2 and so on, less than 1e150"),
        ({"when": "31.12.2020"}, "column 'when' holds '31.12.2020' in rows[0], which is no date"),
        ({"when": 3}, "give a date as text"),
        ({"when": "2020-01-31T10:00:00Z"}, "with a time zone; write the time without one"),
        ({"when": "2020-01-31 10:00:00.5+02:00"}, "with a time zone"),
        ({"digit": 10**400}, "very many digits for 'digit'; give a number less than 1e150"),
        ({"digit": 1e200}, "1e+200 for 'digit'; give a number less than 1e150"),
        ({"word": 1e200}, "1e+200 for 'word'; give a number less than 1e150"),
        ({"word": "\ud800"}, "column 'word' cannot be read"),
    ],
)
def test_cells(served, fitted, cells, words):
    answer = served.post("/v1/score?model=people", content=json.dumps({"rows": changed(fitted, **cells)}))
    assert answer.status_code == 422
    assert words in detail(answer)


def test_pictures_that_lie_on_their_side_are_none(served):
    tile = [[[0.0] * 4] * 4]
    assert served.post("/v1/score?model=tiles", json={"rows": [tile]}).status_code == 200
    assert served.post("/v1/score?model=tiles", json={"rows": [tile[0]]}).status_code == 200
    for strange in ([[0.0] * 8] * 2, [[0.0] * 16], [[0.0] * 4, [0.0] * 4, [0.0] * 8]):
        answer = served.post("/v1/score?model=tiles", json={"rows": [strange]})
        assert (answer.status_code, "nested in another way" in detail(answer)) == (422, True), strange


@pytest.mark.parametrize("row", [None, 5, True, "ab", {}])
def test_a_row_that_is_no_list_among_lists(tmp_path, row):
    quick(1).fit(rows(width=1)).save(tmp_path / "one")
    with client_of(tmp_path, "one") as (client, _):
        answer = client.post("/v1/score", json={"rows": [[5.0], row]})
    assert answer.status_code == 422
    assert "give all rows alike" in detail(answer)


def test_what_is_infinite_is_no_level(served, fitted):
    body = json.dumps({"rows": changed(fitted, digit=12345)}).replace("12345", "1e999")
    answer = served.post("/v1/impute?model=people", content=body)
    assert (answer.status_code, detail(answer)) == (422, "rows[0] has inf for 'digit'; give a number less than 1e150")


def test_a_packed_body(served):
    body = gzip.compress(b'{"rows": [[0, 0, 0, 0, 0, 0, 0, 0]]}')
    answer = served.post("/v1/score?model=plain", content=body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert detail(answer) == "the body is packed (gzip); send it as it is, without Content-Encoding"


def test_a_model_that_is_null_is_not_named(served):
    body = {"rows": [[0.0] * 8], "model": None}
    assert served.post("/v1/score?model=plain", json=body).status_code == 200
    assert "several models are served" in detail(served.post("/v1/score", json=body))


def test_levels_that_the_fit_did_not_see_are_no_mistake(served, fitted):
    answer = served.post("/v1/score?model=people", json={"rows": changed(fitted, town="Ulm", always="y", digit=4)})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("model", "body", "status", "words"),
    [
        ("plain", b"", 400, "no JSON"),
        ("plain", b"[]", 400, "send an object"),
        ("plain", b'{"rows": [[NaN]]}', 400, "write null where a value is missing"),
        ("plain", b'{"rows": [[1e999, 0, 0, 0, 0, 0, 0, 0]]}', 422, "for 'x0'"),
        ("plain", b"\xff\xfe", 400, "no JSON"),
        ("plain", b'{"rows": ' + b"[" * 100_000, 400, "nested too deeply"),
        ("plain", b"{}", 422, "no 'rows'"),
        ("plain", b'{"rows": []}', 422, "an empty list"),
        ("plain", b'{"row": []}', 422, "did you mean 'rows'"),
        ("plain", b'{"rows": [[1, 2]]}', 422, "rows[0] has 2 numbers, and rows of the fit have 8"),
        ("plain", b'{"rows": [[null, 0, 0, 0, 0, 0, 0, 0]]}', 422, "knows no missing cells"),
        ("plain", b'{"rows": [[0, 0, 0, 0, 0, 0, 0, 0], {}]}', 422, "rows[1] is an object, and the first"),
        ("plain", b'{"rows": [[' + b"1" * 5000 + b"]]}", 422, "a number of very many digits; give numbers less than"),
        ("plain", b'{"rows": [{"x0": 1}]}', 422, "rows[0] lacks 'x1' and 6 more"),
        ("people", b'{"rows": [[1]]}', 422, "give an object with a value for every column"),
        ("series", b'{"rows": [[0, 0, 0, 0, 0, 0, 0, 0]]}', 422, "window"),
        ("plain", b'{"rows": [[0, 0, 0, 0, 0, 0, 0, 0]], "reasons": -1}', 422, "from 0 to 100"),
        ("nobody", b"{}", 404, "no model 'nobody'"),
    ],
)
def test_bodies(served, model, body, status, words):
    answer = served.post(f"/v1/score?model={model}", content=body)
    assert answer.status_code == status
    assert words in detail(answer)


def test_paths_and_methods(served):
    assert served.get("/v1/score").status_code == 405
    assert served.get("/v3").status_code == 404
    assert "openapi.json" in detail(served.get("/v3"))
    assert "several models" in detail(served.post("/v1/score", json={"rows": [[1]]}))
    assert "names a class" in detail(
        served.post("/v1/explain?model=target", json={"rows": [served_example(served, "target")], "against": "x"})
    )
    assert served.post("/v1/score/?model=plain", json={}, follow_redirects=False).status_code == 404
    assert "against='maybe' is no class of the fit; give one of 'no', 'yes'" in detail(
        served.post("/v1/explain?model=classes", json={"rows": [served_example(served, "classes")], "against": "maybe"})
    )


def served_example(served, name):
    return next(m["example"] for m in served.get("/v1/models").json()["models"] if m["name"] == name)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def sound(answer):
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 200 or isinstance(detail(answer), str)


@settings(max_examples=40)
@given(
    st.sampled_from(ROUTES),
    st.sampled_from(MODELS),
    st.binary(max_size=60) | values.map(lambda v: json.dumps(v).encode()),
)
def test_any_body(served, route, model, body):
    sound(served.post(f"/v1/{route}?model={model}", content=body))
    sound(served.post(f"/v2/models/{model}/infer", content=body))


@settings(max_examples=40)
@given(st.data())
def test_almost_a_row(served, data):
    """Change something in a row that is right."""
    model = data.draw(st.sampled_from(MODELS))
    row = served_example(served, model)
    if isinstance(row, dict):
        name = data.draw(st.sampled_from([*row, "other"]))
        row = row | {name: data.draw(values)}
    else:
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(values)
    rows = [row] * data.draw(st.sampled_from([1, 8]))
    for route in ROUTES:
        body = {
            "rows": rows,
            **data.draw(st.dictionaries(st.sampled_from(["reasons", "against", "n", "model"]), values, max_size=1)),
        }
        sound(served.post(f"/v1/{route}?model={model}", content=json.dumps(body)))


@settings(max_examples=40)
@given(st.data())
def test_almost_a_tensor(served, data):
    model = data.draw(st.sampled_from(MODELS))
    spec = served.get("/openapi.json").json()["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]
    inputs = spec["content"]["application/json"]["examples"][model]["value"]["inputs"]
    place = data.draw(st.integers(0, len(inputs) - 1))
    field = data.draw(st.sampled_from(["name", "shape", "datatype", "data", "parameters", "other"]))
    items = st.lists(leaves, min_size=len(inputs[place]["data"]), max_size=len(inputs[place]["data"]))
    inputs[place] |= {field: data.draw(items if field == "data" else values)}
    sound(served.post(f"/v2/models/{model}/infer", content=json.dumps({"inputs": inputs})))


def test_examples_of_the_description_are_answered(served):
    spec = served.get("/openapi.json").json()
    assert spec["openapi"].startswith("3.")
    for path, methods in spec["paths"].items():
        for method, told in methods.items():
            if method == "get":
                assert served.get(path.replace("{name}", "people")).status_code == 200
                continue
            for name, example in told["requestBody"]["content"]["application/json"]["examples"].items():
                body = example["value"]
                if name == "series" and "rows" in body:
                    body = body | {"rows": body["rows"] * 8}
                if name == "series" and "inputs" in body:
                    (one,) = body["inputs"]
                    body = {"inputs": [one | {"shape": [8, 8], "data": [one["data"]] * 8}]}
                assert served.post(path.replace("{name}", name), json=body).status_code == 200, (path, name)


def test_a_failure_of_the_server_is_not_shown(saved, caplog):
    with client_of(saved, "plain") as (client, registry):
        registry.entries["plain"].served.routes["score"] = lambda rows: 1 / 0
        answer = client.post("/v1/score", json={"rows": [[0] * 8]})
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-request-id"] in detail(answer)


def test_an_address_that_names_no_model_is_not_found_whatever_the_body_says(served):
    body = {"model": "plain", "rows": [[0.0] * 8]}
    assert served.post("/v1/score?model=", json=body).status_code == 404
    answer = served.post("/v1/score?model=numbers", json=body)
    assert (answer.status_code, "name one model" in detail(answer)) == (422, True)
