"""Without the extra, exporting says what to install."""

import sys

import pytest
from quick import START, quick, rows


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_what_is_missing_is_named(monkeypatch, missing):
    model = quick(trainer=START).fit(rows(40))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'isthmus\[onnx\]'"):
        model.to_onnx()
    assert len(model.to_pt2("decoder")) > 1000  # which needs neither


def test_a_format_that_is_not_there_is_refused(tmp_path):
    model = quick(trainer=START).fit(rows(40))
    with pytest.raises(ValueError, match=r"format='onx' is unknown; did you mean 'onnx'"):
        model.export(tmp_path / "graphs", format="onx")
    assert not (tmp_path / "graphs").exists()
