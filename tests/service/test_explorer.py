"""The explorer answers what the page asks, to this machine only."""

import gzip
import json
import socket

import pytest
from quick import quick, unit_rows

from isthmus import AnomalyDetector, Trainer, load
from isthmus.service.explorer import Explorer, serve

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


def test_a_model_that_was_saved_meanwhile_is_not_lost(tmp_path):
    X = unit_rows()
    path = quick().fit(X).save(tmp_path / "model")
    explorer = Explorer(load(path), X, path=path)
    explorer.rename(0, "first")
    quick(4).fit(X).save(path)
    with pytest.raises(ValueError, match="was saved anew since this page was opened; open the page again"):
        explorer.rename(1, "second")
    assert load(path).n_components == 4
    assert explorer.model.concept_names_ == {0: "first"}


def test_a_name_that_cannot_be_saved_is_not_given(tmp_path, monkeypatch):
    explorer = Explorer(quick().fit(unit_rows()), unit_rows(), path=tmp_path / "model")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(explorer.model, "save", full)
    with pytest.raises(ValueError, match=r"the name was not saved: .*No space left"):
        explorer.rename(1, "round")
    assert explorer.model.concept_names_ == {}


def test_the_page_is_there_while_a_concept_is_named(explorer, client, monkeypatch):
    class Kept(dict):
        def pop(self, *_):
            raise AssertionError("somebody may ask for it")

    monkeypatch.setattr(explorer.report.blobs, "packed", Kept(explorer.report.blobs.packed))
    for name in ("round", ""):
        assert client.put("/concepts/1", json={"name": name}).status_code == 204
        assert concepts(client)[1] == name


def test_a_model_without_concepts_says_so():
    X = unit_rows()
    settings = {"members": 1, "trainer": Trainer(epochs=1), "contamination": 0, "random_state": 0}
    explorer = Explorer(AnomalyDetector(**settings).fit(X), X)
    with pytest.raises(ValueError, match="AnomalyDetector has no concepts to name"):
        explorer.rename(0, "round")


def test_a_port_that_is_taken(explorer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen at 127.0.0.1:{port} .*choose another --port"):
            serve(explorer, port)
