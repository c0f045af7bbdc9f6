"""Codes in fewer bits: uniform steps per unit, packed, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from isthmus.measures.checks import Array, numeric

BITS = (32, 16, 8, 4)


@dataclass(frozen=True, eq=False)
class Quantised:
    r"""Codes in ``bits`` bits per entry: :math:`h \approx low_u + step_u \cdot q` for unit u, q a whole number.

    32 bits are plain float32, and 16 bits are float16 where that loses less than steps do; both need no header.

    Attributes:
        data: One row per row, (rows, bytes or entries): uint8 for 8 and 4 bits (two entries per byte, the first one in
            the low half), uint16 or float16 for 16, float32 for 32.
        low: The value of q = 0 for each unit, float64; empty where there are no steps.
        step: The distance of two neighbouring values for each unit, float64; 0 for a constant unit.
        bits: 32, 16, 8 or 4.
        shape: One row's code, (units, *places).
    """

    data: Array
    low: Array
    step: Array
    bits: int
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        kinds = {32: ("float32",), 16: ("uint16", "float16"), 8: ("uint8",), 4: ("uint8",)}
        width = -(-math.prod(self.shape) // 2) if self.bits == 4 else math.prod(self.shape)
        units = self.shape[0] if self.data.dtype.kind == "u" and self.shape else 0
        fits = self.data.dtype.name in kinds.get(self.bits, ()) and self.data.shape[1:] == (width,)
        if not fits or self.low.shape != (units,) or self.step.shape != (units,):
            raise ValueError(
                f"{self.bits}-bit codes of shape {self.shape} do not fit {self.data.dtype} data of shape "
                f"{self.data.shape}; the file is damaged, encode again"
            )

    @property
    def bytes_per_row(self) -> int:
        """What one row's code takes."""
        return int(self.data.dtype.itemsize * self.data.shape[1])

    @property
    def header_bytes(self) -> int:
        """What is stored once for all rows: low and step of every unit."""
        return int(self.low.nbytes + self.step.nbytes)

    def to_arrays(self) -> dict[str, Array]:
        """Return plain arrays by name, for an npz or safetensors file."""
        sizes = {"bits": np.array(self.bits), "shape": np.array(self.shape, dtype=np.int64)}
        return {"data": self.data, "low": self.low, "step": self.step, **sizes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """Rebuild codes from :meth:`to_arrays`'s arrays.

        Raises:
            ValueError: An array is missing, or they do not fit each other.
        """
        missing = [name for name in ("data", "low", "step", "bits", "shape") if name not in arrays]
        if missing:
            raise ValueError(f"these are no quantised codes (no {', '.join(missing)}); give a file of encode --bits")
        shape = tuple(int(n) for n in np.ravel(arrays["shape"]))
        return cls(arrays["data"], arrays["low"], arrays["step"], int(arrays["bits"]), shape)


def quantise(codes: Array, bits: int) -> Quantised:
    """Store codes in 32, 16, 8 or 4 bits per entry.

    Each unit's range is cut into :math:`2^{bits} - 1` equal steps, so the error is at most half a step (and float32's
    rounding); the places of a code map share their unit's steps.

    Args:
        codes: (rows, units) or (rows, units, *places).
        bits: 32, 16, 8 or 4.

    Raises:
        ValueError: The bits are none of these, or the codes are empty, not finite or too large for float32.

    >>> codes = np.array([[0.0, -1.0], [1.0, 1.0], [0.2, 0.0]])
    >>> small = quantise(codes, 8)
    >>> small.bytes_per_row, bool(np.abs(restore(small) - codes).max() <= 0.501 * small.step.max())
    (2, True)
    """
    if bits not in BITS:
        raise ValueError(f"codes cannot be stored in {bits} bits; use one of {', '.join(map(str, BITS))}")
    codes = numeric(codes, "codes")
    if codes.ndim < 2 or codes.size == 0:
        raise ValueError(f"codes of shape {codes.shape} hold nothing to store; give (rows, units)")
    if not np.abs(codes).max() <= np.finfo(np.float32).max:
        raise ValueError("codes hold NaN, infinite or huge values, which no number of bits can store; fit again")
    if bits == 32:
        return _floats(codes, np.dtype(np.float32))
    if bits == 16:
        return min(_steps(codes, 16), _halves(codes), key=lambda kept: _loss(codes, kept))
    return _steps(codes, bits)


def restore(quantised: Quantised) -> Array:
    """Return the codes as float32, (rows, units, *places)."""
    values: Array = quantised.data
    if quantised.bits == 4:
        values = np.stack([values & 15, values >> 4], axis=-1).reshape(len(values), -1)
    values = values[:, : math.prod(quantised.shape)].reshape(-1, *quantised.shape)
    if quantised.data.dtype.kind == "u":
        values = _spread(quantised.low, quantised.shape) + _spread(quantised.step, quantised.shape) * values
    return values.astype(np.float32)


def _floats(codes: Array, dtype: np.dtype[np.float16] | np.dtype[np.float32]) -> Quantised:
    none = np.empty(0)
    return Quantised(codes.reshape(len(codes), -1).astype(dtype), none, none, 8 * dtype.itemsize, codes.shape[1:])


def _halves(codes: Array) -> Quantised:
    with np.errstate(over="ignore"):  # what is too large for float16 loses against steps
        return _floats(codes, np.dtype(np.float16))


def _steps(codes: Array, bits: int) -> Quantised:
    places = (0, *range(2, codes.ndim))
    low = codes.min(axis=places).astype(np.float64)
    step = (codes.max(axis=places) - low) / (2**bits - 1)
    shape = codes.shape[1:]
    levels = (codes - _spread(low, shape)) / _spread(np.where(step > 0, step, 1.0), shape)
    data = np.rint(levels).reshape(len(codes), -1).astype(np.uint16 if bits == 16 else np.uint8)
    if bits == 4:
        data = np.pad(data, ((0, 0), (0, data.shape[1] % 2)))
        data = np.bitwise_or(data[:, ::2], np.left_shift(data[:, 1::2], 4))
    return Quantised(data, low, step, bits, shape)


def _spread(values: Array, shape: tuple[int, ...]) -> Array:
    """Shape one value per unit so that it meets every place."""
    return values.reshape(-1, *(1 for _ in shape[1:]))


def _loss(codes: Array, kept: Quantised) -> float:
    return float(np.square(codes.astype(np.float64) - restore(kept)).sum())
