"""What is answered over HTTP is what the estimators answer themselves."""

import re

import numpy as np
import pyarrow as pa
import pytest
from serving import as_json, client_of, detector, some

from isthmus import load

AUTOENCODERS = ("plain", "named", "pictures", "people")
DETECTORS = ("odd", "numbers", "tiles", "series")
TABLES = ("people", "classes", "target")


def asked(served, route, name, rows, **options):
    answer = served.post(f"/v1/{route}?model={name}", json={"rows": rows} | options)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def loaded(saved):
    return lambda name: load(saved / name)


def near(found, wanted):
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(wanted, float), rtol=1e-6, atol=1e-6)


def same_rows(found, wanted):
    """Check records against a table or an array."""
    if not isinstance(wanted, pa.Table):
        found = [list(row.values()) if isinstance(row, dict) else row for row in found]
        near(np.reshape(found, np.shape(wanted)), wanted)
        return
    for row, own in zip(found, wanted.to_pylist(), strict=True):
        assert list(row) == list(own)
        for name, value in own.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value, rel=1e-6), name
            else:
                text = str(row[name]).removesuffix(".000000") if hasattr(value, "year") else row[name]
                assert text == (str(value) if hasattr(value, "year") else value), name


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_autoencoders(served, fitted, loaded, name):
    X, model = some(fitted[name][1]), loaded(name)
    rows = as_json(X)
    score = asked(served, "score", name, rows)
    near(score["scores"], model.score_samples(X))
    errors = model.feature_errors(X)
    told = asked(served, "explain", name, rows)["explanations"]
    near([[column["adds"] for column in row["columns"]] for row in told], errors)
    worst = [told[row]["columns"][int(j)]["column"] for row, j in enumerate(errors.argmax(1))]
    assert all(own[0].startswith(column) for own, column in zip(score["reasons"], worst, strict=True))
    back = asked(served, "reconstruct", name, rows)["rows"]
    same_rows(back, model.reconstruct(X))


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors(served, fitted, loaded, name):
    X, model = some(fitted[name][1], 20), loaded(name)
    rows = as_json(X)
    found, told = asked(served, "score", name, rows), model.explain(X)
    near(found["scores"], model.anomaly_score(X))
    near(found["p_values"], model.p_values(X))
    assert found["anomalies"] == (model.predict(X) == -1).tolist()
    assert found["reasons"] == [told.reasons(row) for row in range(len(X))]
    assert asked(served, "score", name, rows, reasons=0).keys() == {"scores", "p_values", "anomalies"}
    whole = asked(served, "explain", name, rows)["explanations"]
    near([[column["adds"] for column in row["columns"]] for row in whole], told.contributions)
    assert [row["neighbours"] for row in whole] == told.neighbours.tolist()
    assert [row["reasons"] for row in whole] == found["reasons"]


def test_dates_of_an_explanation_are_in_one_form(served, fitted):
    rows = as_json(some(fitted["odd"][1], 20))
    told = asked(served, "explain", "odd", rows)["explanations"]
    forms = {"day": r"\d{4}-\d\d-\d\d", "when": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"}
    cells = [(row, own) for row, answer in zip(rows, told, strict=True) for own in answer["columns"]]
    dates = [(row, own) for row, own in cells if own["column"] in forms]
    for row, own in dates:
        assert own["value"] == row[own["column"]]
        assert all(re.fullmatch(forms[own["column"]], own[key]) for key in ("expected", "low", "high")), own
    assert len(dates) == 40
    (late,) = asked(served, "explain", "odd", [rows[0] | {"day": "2020-05-05 13:00:00"}])["explanations"]
    assert "2020-05-05 13:00:00" in [own["value"] for own in late["columns"]]  # what was given, whole


def test_dates_with_a_time_zone_are_told_as_requests_have_them(tmp_path):
    hours = np.datetime64("2024-01-01", "us") + np.random.default_rng(0).integers(0, 9000, 80) * 3_600_000_000
    X = pa.table({"when": pa.array(hours, pa.timestamp("us", "Europe/Berlin")), "x": np.arange(80.0) % 7})
    detector().fit(X).save(tmp_path / "zoned")
    with client_of(tmp_path, "zoned") as (client, _):
        rows = [{"when": "2024-06-14 22:00:00", "x": 1.0}]
        (told,) = asked(client, "explain", "zoned", rows)["explanations"]
    (when,) = [own for own in told["columns"] if own["column"] == "when"]
    assert when["value"] == rows[0]["when"] and "+0" not in " ".join(told["reasons"])
    expected = load(tmp_path / "zoned").explain(pa.table({"when": X["when"][:1], "x": [1.0]})).expected
    assert all(re.fullmatch(r"[-\d]{10} [:\d]{8}", when[key]) for key in ("expected", "low", "high")), when
    assert expected[0, 0].utcoffset() is not None


@pytest.mark.parametrize("name", ["classes", "three", "target"])
def test_models_that_predict(served, fitted, loaded, name):
    X, model = some(fitted[name][1]), loaded(name)
    rows, told = as_json(X), model.explain(X, probes=0)
    found = asked(served, "predict", name, rows)
    if name == "target":
        near(found["predictions"], model.predict(X))
    else:
        assert found["predictions"] == model.predict(X).tolist()
        near([list(own.values()) for own in found["probabilities"]], model.predict_proba(X))
        against = asked(served, "explain", name, rows, against=model.classes_[0].item())["explanations"]
        near(
            [[c["adds"] for c in row["concepts"]] for row in against], model.explain(X, model.classes_[0]).contributions
        )
    assert found["reasons"] == [told.gap().reasons(row) for row in range(len(X))]
    parts = asked(served, "explain", name, rows)["explanations"]
    near([[list(c["adds"].values()) for c in row["concepts"]] for row in parts], told.contributions)


@pytest.mark.parametrize("name", TABLES)
def test_holes_are_filled(served, fitted, loaded, name):
    X, model = some(fitted[name][1]), loaded(name)
    own = getattr(model, "autoencoder_", model)
    found = asked(served, "impute", name, as_json(X))
    made, doubts = own.impute(X, return_std=True)
    same_rows(found["rows"], made)
    for row, told, off in zip(X.to_pylist(), found["uncertainty"], doubts.to_pylist(), strict=True):
        assert told.keys() == {column for column, cell in row.items() if cell is None}
        near([off[column] for column in told], list(told.values()))


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_samples(served, loaded, name):
    body = {"n": 3, "seed": 5, "mean": False}
    found = served.post(f"/v1/sample?model={name}", json=body).json()["rows"]
    same_rows(found, loaded(name).sample(3, random_state=5, mean=False))


def test_rows_that_wait_together_are_answered_as_alone(saved, fitted):
    from isthmus.service.registry import loaded as entry_of
    from isthmus.service.worker import Worker

    one = entry_of("people", saved / "people").served
    rows = [one.rows([row]) for row in as_json(some(fitted["people"][1]))]
    worker = Worker()
    waiting = [worker.submit(one, one.routes["score"], own) for own in [*rows, *rows]]
    found = [future.result() for future in waiting]
    worker.close()
    for answer, own in zip(found, [*rows, *rows], strict=True):
        near(answer["scores"], one.score(own)["scores"])
        assert answer["reasons"] == one.score(own)["reasons"]


def test_routes_are_those_of_the_kind(served):
    for model in served.get("/v1/models").json()["models"]:
        for route in ("score", "explain", "reconstruct", "impute", "sample", "predict"):
            body = {} if route == "sample" else {"rows": [model["example"]] * 8}
            answer = served.post(f"/v1/{route}", json=body | {"model": model["name"]})
            able = f"/v1/{route}" in model["routes"]
            assert answer.status_code == (200 if able else 404), answer.text
            assert able or "does not answer" in answer.json()["detail"]
