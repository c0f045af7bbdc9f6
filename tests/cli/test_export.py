"""A saved model as ONNX graphs."""

import json

import numpy as np
from answering import agree, opened, opened_pt2

from isthmus import data, load


def test_all_graphs_of_a_model_are_written(shell, model, tmp_path):
    done = shell("export", model, "-o", tmp_path / "graphs")
    assert done.code == 0 and done.err == ""
    assert {path.name for path in (tmp_path / "graphs").iterdir()} == {
        "score.onnx",
        "encoder.onnx",
        "decoder.onnx",
        "columns.json",
    }
    fitted, X = load(model), data.read("digits", limit=5).X
    found = opened((tmp_path / "graphs" / "encoder.onnx").read_bytes())(rows=X.reshape(5, -1).astype(np.float64))
    agree(found, {"code": fitted.transform(X)})
    assert len(json.loads((tmp_path / "graphs" / "columns.json").read_text())) == 64
    assert "score.onnx" in done.out and "64 columns" in done.out


def test_a_graph_for_pytorch(shell, model, tmp_path):
    done = shell("export", model, "-o", tmp_path, "--graph", "encoder", "--format", "pt2")
    assert done.code == 0 and "encoder.pt2" in done.out
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.pt2", "columns.json"}
    fitted, X = load(model), data.read("digits", limit=5).X
    found = opened_pt2((tmp_path / "encoder.pt2").read_bytes())(rows=X.reshape(5, -1).astype(np.float64))
    agree(found, {"code": fitted.transform(X)})
    done = shell("export", model, "-o", tmp_path, "--format", "pt3")
    assert done.code == 2 and "pt2" in done.err and done.err.count("\n") == 1


def test_one_graph_of_a_table(shell, table_model, tmp_path):
    done = shell("export", table_model, "-o", tmp_path, "--graph", "decoder")
    assert done.code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"decoder.onnx", "columns.json"}
    assert json.loads((tmp_path / "columns.json").read_text())[0]["name"] == "alcohol"


def test_mistakes_are_told_in_one_line(shell, table_model, tmp_path):
    done = shell("export", table_model, "-o", tmp_path, "--graph", "detector")
    assert done.code == 2 and "decoder" in done.err and done.err.count("\n") == 1
    (tmp_path / "file").write_text("")
    done = shell("export", table_model, "-o", tmp_path / "file", "--graph", "decoder")
    assert done.code == 2 and "choose another place" in done.err
