"""Limits of size, rows and time, the key, ids, logs and metrics."""

import json
import logging
import time

import pytest
from serving import client_of, detail

pytest.importorskip("prometheus_client", reason="the service needs the extra isthmus[serve]")

from isthmus.service.logs import Lines, request_id

ROW = [0.0] * 8


def test_a_body_that_is_too_large(saved):
    with client_of(saved, "plain", body=1000) as (client, _):
        whole = json.dumps({"rows": [ROW] * 100}).encode()
        for content in (whole, (whole[i : i + 100] for i in range(0, len(whole), 100))):  # the second comes in chunks
            answer = client.post("/v1/score", content=content)
            assert answer.status_code == 413
            assert "1,000 bytes" in detail(answer)
            assert answer.headers["connection"] == "close"
        assert (
            client.post("/v1/score", content=iter([b'{"rows": [', json.dumps(ROW).encode(), b"]}"])).status_code == 200
        )


def test_too_many_rows(saved):
    with client_of(saved, "plain", "people", rows=5) as (client, _):
        for answer in (
            client.post("/v1/score?model=plain", json={"rows": [ROW] * 6}),
            client.post("/v1/sample?model=plain", json={"n": 6}),
            client.post(
                "/v2/models/plain/infer",
                json={"inputs": [{"name": "rows", "datatype": "FP64", "shape": [6, 8], "data": [ROW] * 6}]},
            ),
        ):
            assert answer.status_code == 413
            assert "send them in parts" in detail(answer)


def test_too_late(saved):
    with client_of(saved, "plain", seconds=0.2) as (client, registry):
        served = registry.entries["plain"].served
        quick, served.routes["score"] = served.routes["score"], lambda rows: time.sleep(0.6) or {"scores": [0.0]}
        answer = client.post("/v1/score", json={"rows": [ROW]})
        assert answer.status_code == 503
        assert "not ready within 0.2 seconds" in detail(answer)
        served.routes["score"] = quick
        time.sleep(0.6)
        assert client.post("/v1/score", json={"rows": [ROW]}).status_code == 200


def test_a_slow_body(saved):
    def drops():
        yield b"{"
        time.sleep(0.4)
        yield b"}"

    with client_of(saved, "plain", seconds=0.2) as (client, _):
        assert client.post("/v1/score", content=drops()).status_code in (408, 422)


def test_the_key(saved):
    with client_of(saved, "plain", key="sesame") as (client, _):
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
        for headers in ({}, {"x-api-key": "sesam"}, {"authorization": "Basic sesame"}, {"authorization": "Bearer "}):
            answer = client.get("/v1/models", headers=headers)
            assert answer.status_code == 401
            assert "Authorization: Bearer KEY" in detail(answer)
            assert answer.headers["www-authenticate"] == "Bearer"
        for headers in ({"x-api-key": "sesame"}, {"authorization": "Bearer sesame"}):
            assert client.get("/v1/models", headers=headers).status_code == 200
            assert client.get("/openapi.json", headers=headers).json()["security"]


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("two words", False), ("x" * 200, False), ("é", False)])
def test_request_ids(served, given, kept):
    answer = served.get("/v2", headers={"x-request-id": given.encode()})
    assert (answer.headers["x-request-id"] == given) == kept
    assert request_id(given) == given or len(request_id(given)) == 32


def test_a_line_of_json_for_every_request(served, caplog):
    with caplog.at_level(logging.INFO, "isthmus.service"):
        served.post("/v1/score?model=plain", json={"rows": [ROW, ROW]}, headers={"x-request-id": "a-1"})
    line = json.loads(Lines().format(caplog.records[-1]))
    assert line.pop("seconds") > 0
    assert line.pop("time")
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "a-1",
        "method": "POST",
        "path": "/v1/score",
        "status": 200,
        "rows": 2,
    }


def test_metrics(saved):
    from prometheus_client.parser import text_string_to_metric_families

    with client_of(saved, "plain") as (client, _):
        client.post("/v1/score", json={"rows": [ROW, ROW]})
        client.post("/v1/score", json={"rows": []})
        client.get("/nowhere/17")
        text = client.get("/metrics").text
    found = {
        (s.name, *sorted(s.labels.items())): s.value for m in text_string_to_metric_families(text) for s in m.samples
    }
    assert found["isthmus_requests_total", ("route", "/v1/score"), ("status", "200")] == 1
    assert found["isthmus_requests_total", ("route", "/v1/score"), ("status", "422")] == 1
    assert found["isthmus_requests_total", ("route", "other"), ("status", "404")] == 1
    assert found["isthmus_rows_total", ("model", "plain")] == 2
    assert found["isthmus_request_seconds_count", ("route", "/v1/score")] == 2
