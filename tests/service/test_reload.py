"""A folder that changes is loaded beside and swapped; one that is damaged is refused, and the old model answers."""

import json
import shutil

import numpy as np
import pytest
from quick import quick, rows
from serving import as_json, client_of, some

from isthmus.service import graphs
from isthmus.service.registry import loaded

ROW = {"rows": [[5.0] * 8]}


@pytest.fixture
def folder(tmp_path):
    quick().fit(rows()).save(tmp_path / "m")
    return tmp_path


@pytest.fixture
def other():
    return quick(4, random_state=1).fit(rows(seed=1))


def score(client):
    answer = client.post("/v1/score", json=ROW)
    assert answer.status_code == 200
    return answer.json()["scores"][0]


def counted(client, outcome):
    return f'isthmus_reloads_total{{model="m",outcome="{outcome}"}}' in client.get("/metrics").text


def test_a_new_model_takes_the_place_of_the_old(folder, other):
    with client_of(folder, "m") as (client, registry):
        before = score(client)
        registry.reload()
        assert score(client) == before
        other.save(folder / "m")
        assert score(client) == before
        registry.reload()
        np.testing.assert_allclose(score(client), other.score_samples(np.array(ROW["rows"])), rtol=1e-6)
        assert counted(client, "taken")


def truncated(model):
    weights = model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])


def tampered(model):
    file = model / "model.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest | {"seed": manifest["seed"] + 1}))


def mixed(model):
    quick(random_state=2).fit(rows(seed=2)).save(model.parent / "n")
    shutil.copy(model.parent / "n" / "weights.safetensors", model / "weights.safetensors")


@pytest.mark.parametrize("damage", [truncated, tampered, mixed, shutil.rmtree])
def test_what_is_damaged_is_refused(folder, other, damage, caplog):
    with client_of(folder, "m") as (client, registry):
        before = score(client)
        damage(folder / "m")
        registry.reload()
        registry.reload()
        assert score(client) == before
        refused = [record for record in caplog.records if record.message == "model refused"]
        assert [record.model for record in refused] == ["m"]  # once, not with every look
        assert counted(client, "refused")
        other.save(folder / "m")
        registry.reload()
        assert score(client) != before


def test_a_damaged_model_is_not_begun_with(folder):
    truncated(folder / "m")
    with pytest.raises(ValueError, match="damaged"), client_of(folder, "m"):
        pass


LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("people", "classes", "odd", "target")]


@pytest.mark.parametrize("name", ["plain", *LONG])
def test_graphs_answer_where_they_agree(saved, fitted, name):
    pytest.importorskip("onnxruntime")
    served, given = loaded(name, saved / name).served, as_json(some(fitted[name][1]))
    graph = graphs.opened(served.model.to_onnx())
    routes = [route for route in ("score", "predict", "explain") if route in served.routes]
    own = [served.routes[route](served.rows(given)) for route in routes]
    graphs.taken(served, graph)
    assert served.graph is graph
    for before, route in zip(own, routes, strict=True):
        near(served.routes[route](served.rows(given)), before)
    served.graph = None
    with pytest.raises(ValueError, match="is not that of the model"):
        graphs.taken(
            served, lambda cells, wanted: {k: 1.5 * v + v.dtype.type(1) for k, v in graph(cells, wanted).items()}
        )
    assert served.graph is None


def zeros(cells, wanted):
    """Answer as a graph in float32, which has no number for the second row."""
    shapes = {"errors": (8,), "logits": (3,), "code": (3,), "relevances": (3, 4), "reconstruction": (8,)}
    found = {name: np.zeros((len(cells), *shapes.get(name, ())), np.float32) for name in wanted}
    for array in found.values():
        array[1] = np.nan
    return found


@pytest.mark.parametrize("name", ["plain", "three"])
def test_rows_that_a_graph_cannot_hold_are_answered_by_the_model(saved, fitted, name):
    served = loaded(name, saved / name).served
    given = [fitted[name][1][0].tolist(), [1e30, *fitted[name][1][1, 1:].tolist()]]
    routes = [route for route in ("score", "predict", "explain") if route in served.routes]
    own = {route: served.routes[route](served.rows(given)) for route in routes}
    served.graph = zeros
    for route in routes:
        found = served.routes[route](served.rows(given))
        assert {key: items[1] for key, items in found.items()} == {key: items[1] for key, items in own[route].items()}
        assert {key: items[0] for key, items in found.items()} != {key: items[0] for key, items in own[route].items()}
    with pytest.raises(ValueError, match="no numbers"):
        graphs.taken(served, zeros)
    assert served.graph is None


def near(found, wanted):
    """Check that answers agree: numbers to 1e-4 of their size, and texts but for their digits."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted:
            if key in ("p_values", "p_value"):  # of 80 rows that calibrate; those that tie may be counted or not
                assert np.abs(np.subtract(found[key], wanted[key])).max() < 2.5 / 81
            elif key not in ("reasons", "total"):
                near(found[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            near(a, b)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    elif not isinstance(wanted, str) or "-" not in wanted:  # a date may round to the next step
        assert found == wanted
