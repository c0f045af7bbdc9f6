"""Arrays come out of a page as they went in, as far as their way of packing promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from unpack import read

from isthmus.report.packing import Blobs

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)
NUMBERS = hnp.arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6) | st.just(np.nan))
WHOLE = hnp.arrays(np.float64, SHAPES, elements=st.integers(-300, 300).map(float) | st.just(np.nan))


def packed(how, values):
    """Pack and read again."""
    blobs = Blobs()
    found = getattr(blobs, how)("x", values)
    return read(blobs, found), found.type


@given(NUMBERS | WHOLE)
def test_cells_come_back_as_they_were(values):
    found, _ = packed("cells", values)
    assert np.allclose(found, values, rtol=1e-11, atol=1e-11, equal_nan=True)


@given(WHOLE)
def test_whole_numbers_take_two_bytes_at_most(values):
    assert packed("cells", values)[1] in ("uint8", "uint16")


def test_pictures_of_bytes_take_a_byte():
    values = np.random.default_rng(0).integers(0, 255, (7, 4)) / 255
    found, kind = packed("cells", values)
    assert kind == "uint8"
    assert np.allclose(found, values, atol=1e-12)


@given(NUMBERS)
def test_what_is_looked_at_is_near(values):
    found, kind = packed("pixels", values)
    span = np.nanmax(values) - np.nanmin(values) if np.isfinite(values).any() else 0
    assert kind == "uint8"
    assert np.allclose(found, values, atol=span / 500 + 1e-9, equal_nan=True)


@given(hnp.arrays(np.float64, (9, 3), elements=st.floats(0, 100)))
def test_zeros_of_sparse_codes_stay_zeros(values):
    values[::2] = 0
    found, _ = packed("codes", values - 50 * (values > 90))
    assert (found[::2] == 0).all()


def test_names_are_given_once():
    blobs = Blobs()
    blobs.add("a", b"1")
    with pytest.raises(ValueError, match="a file a already"):
        blobs.add("a", b"2")
