"""Nested states in one file: what was written comes back, and damage never goes unnoticed."""

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.training import statefile

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
KEYS = st.integers() | st.text(max_size=8)
TREES = st.recursive(SCALARS, lambda t: st.lists(t, max_size=3) | st.dictionaries(KEYS, t, max_size=3), max_leaves=8)


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_plain_values_come_back_as_they_were(tree):
    with tempfile.TemporaryDirectory() as folder:
        statefile.write(Path(folder) / "c", tree)
        assert statefile.read(Path(folder) / "c") == tree


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3)])
def test_tensors_come_back_as_they_were(dtype, shape, tmp_path):
    tensor = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 9).to(dtype)
    statefile.write(tmp_path / "c", {"a": [tensor, {"b": tensor, 3: tensor.T if tensor.dim() == 2 else tensor}]})
    first, rest = statefile.read(tmp_path / "c")["a"]
    assert first.dtype == dtype and torch.equal(first, tensor) and torch.equal(rest["b"], tensor)
    assert torch.equal(rest[3], tensor.T if tensor.dim() == 2 else tensor)


STATE = {"epoch": 3, "weights": {"w": torch.arange(6.0).reshape(2, 3)}, "moments": [torch.tensor(1.0), 0.5, None]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "c"
    statefile.write(path, STATE)
    return path.read_bytes()


def read(data):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "c").write_bytes(data)
        return statefile.read(Path(folder) / "c")


@given(st.data())
def test_any_changed_byte_is_noticed(whole, data):
    at, by = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(whole)
    changed[at] ^= by
    try:
        found = read(changed)
    except ValueError:
        return
    # Padding and the spelling of a name in the header may change without harm.
    assert found["epoch"] == 3 and torch.equal(found["weights"]["w"], STATE["weights"]["w"])
    assert torch.equal(found["moments"][0], STATE["moments"][0]) and found["moments"][1:] == [0.5, None]


@given(st.data())
def test_any_missing_end_is_noticed(whole, data):
    kept = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="delete it"):
        read(whole[:kept])


@given(st.binary(max_size=200))
def test_any_other_file_is_refused(content):
    with pytest.raises(ValueError, match="checkpoint"):
        read(content)
