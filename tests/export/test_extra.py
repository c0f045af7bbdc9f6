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
