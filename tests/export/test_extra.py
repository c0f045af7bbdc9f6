"""Without the extra, exporting says what to install."""

import sys
from pathlib import Path

import pytest
from quick import START, quick, rows


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_what_is_missing_is_named(monkeypatch, missing):
    model = quick(trainer=START).fit(rows(40))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'isthmus\[onnx\]'"):
        model.to_onnx()
    assert len(model.to_pt2("decoder")) > 1000  # which needs neither


def test_files_appear_whole_or_not_at_all_and_what_cells_mean_first(tmp_path, monkeypatch):
    model, own, begun = quick(trainer=START).fit(rows(40)), Path.write_bytes, []
    monkeypatch.setattr(type(model), "_written", lambda *_: b"a graph")
    monkeypatch.setattr(type(model), "_traced", lambda *_: None)
    folder, graph = tmp_path / "new" / "graphs", tmp_path / "beside" / "decoder.pt2"
    assert model.to_pt2("decoder", graph) == graph.read_bytes() == b"a graph"
    model.export(folder, "decoder", format="pt2")

    def full(path, content):
        begun.append(path.name)
        own(path, content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for write in (lambda: model.to_pt2("decoder", graph), lambda: model.export(folder, "decoder", format="pt2")):
        with pytest.raises(ValueError, match="No space left on device; choose another place"):
            write()
    assert graph.read_bytes() == (folder / "decoder.pt2").read_bytes() == b"a graph"
    assert len(list(folder.iterdir())) == 2 and ".columns.json." in begun[1]


def test_a_format_that_is_not_there_is_refused(tmp_path):
    model = quick(trainer=START).fit(rows(40))
    with pytest.raises(ValueError, match=r"format='onx' is unknown; did you mean 'onnx'"):
        model.export(tmp_path / "graphs", format="onx")
    assert not (tmp_path / "graphs").exists()
