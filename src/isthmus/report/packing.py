"""Arrays and files beside the page: what their bytes are called, and how small they get."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.report.contract import Packed, Page

Array = NDArray[Any]
LEVELS = {"uint8": 254, "uint16": 65_534}
WHOLE = (1.0, 1 / 255)
TAG = len('<script type="text/plain" data-blob=""></script>\n')


class Blobs:
    """Bytes by name, each compressed on its own so that the page unpacks what it is asked for.

    >>> blobs = Blobs()
    >>> blobs.pixels("cells", np.array([[0.0, 0.5], [1.0, np.nan]])).type
    'uint8'
    """

    def __init__(self) -> None:
        """Start with none."""
        self.packed: dict[str, bytes] = {}

    def add(self, name: str, content: bytes) -> str:
        """Keep a file; return its name."""
        return self.add_packed(name, gzip.compress(content, 9, mtime=0))

    def add_packed(self, name: str, content: bytes) -> str:
        """Keep what gzip has compressed already; return its name."""
        if name in self.packed:
            raise ValueError(f"the page has a file {name} already; give another name")
        self.packed[name] = content
        return name

    def page(self, page: Page) -> None:
        """Keep the tree itself. NaN and infinite numbers, which JSON has not, are null."""
        self.add("page", json.dumps(_finite(asdict(page)), separators=(",", ":"), allow_nan=False).encode())

    @property
    def size(self) -> int:
        """Bytes of all, as they lie in the page."""
        return sum(-(-5 * len(content) // 4) + TAG + len(name) for name, content in self.packed.items())

    def scripts(self) -> Iterator[str]:
        """Give all as elements that no browser runs: base85, with a sign that is nothing to HTML instead of ``<``."""
        for name, content in self.packed.items():
            text = base64.b85encode(content).decode().replace("<", "'")
            yield f'<script type="text/plain" data-blob="{html.escape(name)}">{text}</script>'

    def exact(self, name: str, values: Array) -> Packed:
        """Keep numbers in double precision."""
        return self._plain(name, np.asarray(values, "<f8"), "float64")

    def single(self, name: str, values: Array) -> Packed:
        """Keep numbers in single precision."""
        return self._plain(name, np.asarray(values, "<f4"), "float32")

    def whole(self, name: str, values: Array) -> Packed:
        """Keep whole numbers."""
        return self._plain(name, np.asarray(values, "<i4"), "int32")

    def cells(self, name: str, values: Array) -> Packed:
        """Keep cells exactly, in a byte or two each where they are whole numbers, or pixels that once were bytes."""
        values = np.asarray(values, np.float64)
        low, high = _range(values, each=True)
        for step in WHOLE:
            stored = np.round((values - low) / step)
            if (high - low).max(initial=0.0) <= LEVELS["uint16"] * step and _same(low + step * stored, values):
                kind = "uint8" if stored.max(initial=0.0, where=~np.isnan(stored)) <= LEVELS["uint8"] else "uint16"
                return self._stepped(name, stored, kind, low, np.full_like(low, step))
        return self.single(name, values) if _same(values.astype(np.float32), values) else self.exact(name, values)

    def pixels(self, name: str, values: Array) -> Packed:
        """Keep numbers to 1/254 of their range: for what is only looked at."""
        return self._even(name, values, "uint8")

    def fine(self, name: str, values: Array) -> Packed:
        """Keep numbers to 1/65,534 of the range of each place of the last axis."""
        return self._even(name, values, "uint16", each=True)

    def codes(self, name: str, values: Array) -> Packed:
        """Keep codes; zeros of sparse ones stay zeros."""
        values = np.asarray(values, np.float64)
        sparse = values.size == 0 or bool((values == 0).mean() > 0.01 and (values < 0).any())
        return self.single(name, values) if sparse else self.fine(name, values)

    def looked_at(self, name: str, values: Array, kind: str) -> Packed:
        """Keep rows that are only looked at: pictures and signals in bytes, tables as they are."""
        return self.pixels(name, values) if kind in ("image", "signal") else self.cells(name, values)

    def _even(self, name: str, values: Array, kind: str, *, each: bool = False) -> Packed:
        values = np.asarray(values, np.float64)
        low, high = _range(values, each=each)
        step = np.where(high > low, (high - low) / LEVELS[kind], 1.0)
        return self._stepped(name, np.round((values - low) / step), kind, low, step)

    def _stepped(self, name: str, stored: Array, kind: str, low: Array, step: Array) -> Packed:
        content = np.where(np.isnan(stored), LEVELS[kind] + 1, stored).astype(f"<u{np.dtype(kind).itemsize}")
        self.add(name, np.ascontiguousarray(content).tobytes())
        low, step = np.atleast_1d(low), np.atleast_1d(step)
        alike = len(low) and (low == low[0]).all() and (step == step[0]).all()
        ends = [end[:1].tolist() if alike else end.tolist() for end in (low, step)]
        return Packed(name, kind, list(stored.shape), *ends)

    def _plain(self, name: str, values: Array, kind: str) -> Packed:
        self.add(name, np.ascontiguousarray(values).tobytes())
        return Packed(name, kind, list(values.shape))


def _range(values: Array, *, each: bool) -> tuple[Array, Array]:
    """Return the least and the largest number, of each place of the last axis or of all."""
    flat = values.reshape(-1, values.shape[-1]) if each else values.reshape(-1, 1)
    known = np.isfinite(flat)
    low = np.where(known.any(0), flat.min(0, initial=np.inf, where=known), 0.0)
    high = np.where(known.any(0), flat.max(0, initial=-np.inf, where=known), 0.0)
    return (low, high) if each else (low[0], high[0])


def _same(found: Array, values: Array) -> bool:
    return bool(np.allclose(found, values, rtol=1e-12, atol=1e-12, equal_nan=True))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
