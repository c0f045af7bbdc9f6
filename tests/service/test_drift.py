"""Rows that are answered are compared with those of the fit, and nobody waits for it or fails by it."""

import logging
import threading

import numpy as np
import pytest
from quick import quick, rows
from serving import as_json, client_of, detail

from isthmus.service.registry import loaded
from isthmus.service.worker import Worker

pytest.importorskip("prometheus_client", reason="the service needs the extra isthmus[serve]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    quick().fit(rows(1000)).save(folder / "m")
    return folder


def asked(client, X, route="score", size=1):
    for start in range(0, len(X), size):
        body = {"rows": X[start : start + size].tolist()}
        assert client.post(f"/v1/{route}", json=body | ({"reasons": 0} if route == "score" else {})).status_code == 200


def told(client):
    (found,) = client.get("/v1/drift").json()["models"]
    return found


def moved(n, seed):
    X = rows(n, seed=seed)
    X[:, 3] += 1.5 * X[:, 3].std()
    return X


def test_a_column_that_has_moved_is_told_of(folder, caplog):
    with client_of(folder, "m") as (client, _), caplog.at_level(logging.WARNING, "isthmus.service"):
        asked(client, rows(70, seed=1))
        before = told(client)
        assert (before["rows"], before["drift"], before["moved"], before["watched"]) == (70, False, [], 8)
        asked(client, moved(150, 2), size=10)
        after = told(client)
        assert (after["rows"], after["drift"]) == (220, True)
        assert "x3" in [one["column"] for one in after["moved"]]
        lines = [text for record in caplog.records if record.message == "drift" for text in record.moved]
        assert any(text.startswith("x3: ") for text in lines)
        text = client.get("/metrics").text
        assert 'isthmus_drift_rows{model="m"} 220.0' in text
        assert 'isthmus_drift_moved{column="x3",model="m"} 1.0' in text
        assert 'isthmus_drift_moved{column="x0",model="m"} 0.0' in text


def test_what_counts(folder):
    with client_of(folder, "m") as (client, _):
        asked(client, moved(200, 2), route="explain", size=200)
        asked(client, moved(200, 2), route="reconstruct", size=200)
        assert told(client)["rows"] == 0
        X = rows(300, seed=3)
        asked(client, X, size=300)
        assert told(client)["rows"] == 256  # of a large request the first rows
        tensor = {"name": "rows", "datatype": "FP64", "shape": [5, 8], "data": X[:5].ravel().tolist()}
        for outputs in ([{"name": "score"}], [{"name": "code"}]):  # the second comes without a score
            assert client.post("/v2/models/m/infer", json={"inputs": [tensor], "outputs": outputs}).status_code == 200
        assert told(client)["rows"] == 261


def test_rows_of_requests_that_wait_together_all_count(folder):
    one, worker, begin = loaded("m", folder / "m", alpha=0.01).served, Worker(), threading.Event()
    worker.submit(one, lambda: {"begun": begin.wait(10)}, None)
    waiting = [worker.submit(one, one.score, one.rows(rows(200, seed=i).tolist())) for i in range(4)]
    begin.set()
    assert all(len(future.result()["scores"]) == 200 for future in waiting)
    worker.close()
    assert one.watched.report().rows == 800


def test_a_new_model_begins_anew(folder, tmp_path):
    quick().fit(rows(300)).save(tmp_path / "m")
    with client_of(tmp_path, "m") as (client, registry):
        asked(client, rows(50, seed=1), size=50)
        quick(random_state=1).fit(rows(300)).save(tmp_path / "m")
        registry.reload()
        assert told(client)["rows"] == 0


def test_models_of_every_kind(saved, fitted):
    names = ("people", "odd", "numbers", "tiles", "classes", "target", "pictures", "series")
    with client_of(saved, *names) as (client, _):
        for name in names:
            route = "predict" if name in ("classes", "target") else "score"
            body = {"model": name, "rows": as_json(fitted[name][1][:40])}
            assert client.post(f"/v1/{route}", json=body).status_code == 200
        found = {one["model"]: one for one in client.get("/v1/drift").json()["models"]}
        assert {name for name in names if name in found} == {
            "people",
            "odd",
            "numbers",
            "classes",
            "target",
            "pictures",
        }
        assert all(found[name]["rows"] == 40 for name in found)
        assert {name for name in found if found[name]["scored"]} == {"people", "pictures"}
        answer = client.get("/v1/drift?model=series")
        assert (answer.status_code, "not compared" in detail(answer)) == (404, True)


def test_a_failure_of_the_comparison_is_nobodys(folder, caplog):
    with client_of(folder, "m") as (client, registry):
        watched = registry.entries["m"].served.watched
        watched.note = lambda *given: 1 / 0
        asked(client, rows(3))
        assert client.get("/v1/drift").json() == {"models": []}
        assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["comparison failed"]


def test_a_detector_of_series_says_why_nothing_is_compared(served):
    answer = served.get("/v1/drift?model=series")
    assert (answer.status_code, "neighbours in a series are alike" in detail(answer)) == (404, True)


def test_nothing_is_compared_where_nobody_asked(folder):
    with client_of(folder, "m", alpha=0.0) as (client, _):
        asked(client, rows(40), size=40)
        assert client.get("/v1/drift").json() == {"models": []}


def test_memory_does_not_grow(folder):
    with client_of(folder, "m") as (client, registry):
        watch = registry.entries["m"].served.watched.watch
        sizes = []
        for part in range(3):
            for each in range(4):
                asked(client, rows(256, seed=10 * part + each), size=256)
            sizes.append(sum(np.size(a) for a in (watch.urn.counts, watch.recent, watch.betting.capital)))
        assert sizes[0] == sizes[1] == sizes[2]
