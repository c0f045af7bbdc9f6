"""Quantised codes: the error is bounded, the size is as told, and files bring them back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.data import read_arrays, write_arrays
from isthmus.measures import Quantised, quantise, restore

CODES = arrays(
    st.sampled_from([np.float32, np.float64]),
    array_shapes(min_dims=2, max_dims=4, max_side=6),
    elements=st.floats(-float(np.float32(1e37)), float(np.float32(1e37)), width=32),
)
# One rounding to float32, and of numbers that are too small for its full precision.
EPS, TINY = np.finfo(np.float32).eps, np.finfo(np.float32).tiny


def per_unit(values, codes):
    return values.reshape(-1, *(1,) * (codes.ndim - 2))


@given(CODES, st.sampled_from([8, 4]))
def test_error_is_at_most_half_a_step(codes, bits):
    small = quantise(codes, bits)
    back = restore(small)
    assert back.shape == codes.shape
    assert back.dtype == np.float32
    allowed = per_unit(small.step, codes) / 2 * (1 + 1e-9) + EPS * np.abs(codes).max() + TINY
    assert (np.abs(back - codes.astype(float)) <= allowed).all()
    assert small.data.size * small.data.itemsize == len(codes) * small.bytes_per_row
    entries = codes[0].size
    assert small.bytes_per_row == (entries if bits == 8 else (entries + 1) // 2)
    assert small.header_bytes == 16 * codes.shape[1]


@given(CODES)
def test_sixteen_bits_lose_no_more_than_steps_would(codes):
    small = quantise(codes, 16)
    assert small.bytes_per_row == 2 * codes[0].size
    span = codes.max(axis=(0, *range(2, codes.ndim))).astype(float) - codes.min(axis=(0, *range(2, codes.ndim)))
    allowed = (per_unit(span, codes) / (2**16 - 1) / 2 * (1 + 1e-9) + EPS * np.abs(codes).max() + TINY) ** 2
    loss = np.square(restore(small) - codes.astype(float)).sum()
    assert loss <= np.broadcast_to(allowed, codes.shape).sum()


@given(CODES)
def test_32_bits_are_float32(codes):
    small = quantise(codes, 32)
    assert (restore(small) == codes.astype(np.float32)).all()
    assert (small.bytes_per_row, small.header_bytes) == (4 * codes[0].size, 0)


@given(CODES, st.sampled_from([16, 8, 4]))
def test_the_ends_and_constant_units_survive(codes, bits):
    small = quantise(codes, bits)
    back = restore(small).astype(float)
    places = (0, *range(2, codes.ndim))
    slack = 2e-3 * np.abs(codes).max() if small.data.dtype == np.float16 else 4 * EPS * np.abs(codes).max()
    slack += 1e-7  # float16 rounds what is nearly nothing to nothing
    np.testing.assert_allclose(back.min(axis=places), codes.min(axis=places), atol=slack)
    np.testing.assert_allclose(back.max(axis=places), codes.max(axis=places), atol=slack)


def test_sixteen_bits_choose_floats_for_a_few_huge_values_and_steps_otherwise():
    rng = np.random.default_rng(0)
    even = rng.normal(size=(1000, 4))
    assert quantise(even, 16).data.dtype == np.uint16
    long_tailed = even * 1e-3
    long_tailed[0] = 6e4
    assert quantise(long_tailed, 16).data.dtype == np.float16
    assert quantise(long_tailed * 100, 16).data.dtype == np.uint16  # beyond float16's range


def test_four_bits_pack_two_entries_per_byte_row_by_row():
    codes = np.array([[0.0, 15.0, 7.0], [15.0, 0.0, 8.0], [1.0, 2.0, 0.0], [0.0, 0.0, 15.0]])
    small = quantise(codes, 4)
    assert small.data.tolist() == [[0xF0, 7], [0x0F, 8], [0x21, 0], [0x00, 15]]
    assert (restore(small) == codes).all()


def test_fewer_bits_lose_more():
    codes = np.random.default_rng(0).normal(size=(500, 10))
    loss = [np.square(restore(quantise(codes, bits)) - codes).sum() for bits in (32, 16, 8, 4)]
    assert loss == sorted(loss)
    # A uniform rounding error has a variance of a twelfth of the squared step.
    step = quantise(codes, 4).step
    assert loss[3] == pytest.approx(500 * (step**2).sum() / 12, rel=0.05)


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
def test_a_file_brings_codes_back(tmp_path, bits):
    codes = np.random.default_rng(0).normal(size=(9, 3, 2, 2)).astype(np.float32)
    write_arrays(tmp_path / "codes.npz", quantise(codes, bits).to_arrays())
    again = Quantised.from_arrays(read_arrays(tmp_path / "codes.npz"))
    assert again.bits == bits
    assert (restore(again) == restore(quantise(codes, bits))).all()


@pytest.mark.parametrize(
    ("codes", "bits", "message"),
    [
        (np.ones((2, 2)), 5, "cannot be stored in 5 bits; use one of 32, 16, 8, 4"),
        (np.ones(2), 8, r"codes of shape \(2,\) hold nothing to store"),
        (np.ones((0, 2)), 8, r"codes of shape \(0, 2\) hold nothing"),
        (np.array([[np.nan]]), 8, "codes hold NaN, infinite or huge values"),
        (np.array([[np.inf]]), 32, "codes hold NaN, infinite or huge values"),
        (np.array([[1e300]]), 16, "codes hold NaN, infinite or huge values"),
    ],
)
def test_refusals(codes, bits, message):
    with pytest.raises(ValueError, match=message):
        quantise(codes, bits)


@pytest.mark.parametrize(
    "change",
    [
        {"bits": np.array(4)},
        {"bits": np.array(7)},
        {"shape": np.array([5])},
        {"low": np.ones(2)},
        {"step": np.ones(0)},
        {"data": np.ones((3, 4))},
        {"data": np.ones(4, np.uint8)},
    ],
)
def test_damaged_codes(change):
    arrays = quantise(np.eye(4), 8).to_arrays()
    with pytest.raises(ValueError, match="the file is damaged, encode again"):
        Quantised.from_arrays({**arrays, **change})


def test_other_arrays_are_no_codes():
    with pytest.raises(ValueError, match=r"no quantised codes \(no data, low, step, bits, shape\)"):
        Quantised.from_arrays({"X": np.ones(1)})
