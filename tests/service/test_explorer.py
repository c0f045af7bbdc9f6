"""The explorer answers what the page asks, to this machine only."""

import gzip
import json

import pytest
from quick import quick, unit_rows

from isthmus import load
from isthmus.service.explorer import Explorer

pytest.importorskip("fastapi", reason="the explorer needs the extra isthmus[serve]")


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    """Return the explorer of a saved model, whose concepts have no names before and after every test."""
    X = unit_rows()
    path = quick().fit(X).save(tmp_path_factory.mktemp("explorer") / "model")
    return Explorer(load(path), X, path=path, name="rows")


@pytest.fixture
def client(explorer):
    from fastapi.testclient import TestClient

    from isthmus.service.app import app

    yield TestClient(app(explorer), base_url="http://127.0.0.1")
    assert load(explorer.path).concept_names_ == {}


def concepts(client):
    """Return the names of concepts as the page has them now."""
    return {c["unit"]: c["name"] for c in client.get("/blobs/page").json()["concepts"]["concepts"]}


def test_the_page_asks_its_server(client):
    text = client.get("/").text
    assert '<meta name="isthmus-server" content="" />' in text
    assert "data-blob=" not in text.split("</script>")[-1]


def test_blobs_are_those_of_the_report(client, explorer):
    for name, content in explorer.report.blobs.packed.items():
        assert client.get(f"/blobs/{name}").content == gzip.decompress(content)
    assert json.loads(client.get("/blobs/page").content)["editable"] is True
    assert client.get("/blobs/nothing").status_code == 404


def test_a_name_is_saved_into_the_model(client, explorer):
    assert client.put("/concepts/1", json={"name": "round"}).status_code == 204
    assert concepts(client)[1] == "round"
    assert load(explorer.path).concept_names_ == {1: "round"}
    assert client.put("/concepts/1", json={"name": ""}).status_code == 204
    assert load(explorer.path).concept_names_ == {}


@pytest.mark.parametrize(("unit", "name"), [(9, "far"), (0, "two\nlines"), (0, "x" * 61)])
def test_what_is_no_name_is_refused_and_changes_nothing(client, explorer, unit, name):
    answer = client.put(f"/concepts/{unit}", json={"name": name})
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert load(explorer.path).concept_names_ == {}


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"host": ""}])
def test_others_are_refused(client, headers):
    assert client.get("/", headers=headers).status_code == 403
    assert client.put("/concepts/0", json={"name": "x"}, headers=headers).status_code == 403
