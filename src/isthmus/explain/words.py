"""How values are told to people."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np


def brief(value: Any, decimals: int = 0) -> str:
    """Write a cell in few signs: numbers in four digits, from 10,000 on whole, times as far as they say something.

    With ``decimals`` numbers have so many of them, and more than four digits where these do not suffice.

    >>> brief(86213.4), brief(2019.0), brief(0.123456), brief(3e12), brief(1011.372, 2), brief(86213.4, 1)
    ('86,213', '2019', '0.1235', '3,000,000,000,000', '1011.37', '86,213.4')
    """
    if is_number(value):
        number = float(value)
        before = math.floor(math.log10(abs(number))) + 1 if number and math.isfinite(number) else 0
        digits = min(15, before + decimals) if decimals else 0
        return plain(number) if digits <= 4 else f"{number:{',' if abs(number) >= 1e4 else ''}.{digits}g}"
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return str(value.replace(microsecond=0)).removesuffix(" 00:00:00")
    return "missing" if value is None else str(value)


def is_number(value: Any) -> bool:
    """Say whether a cell is a number, which truth values are not."""
    return isinstance(value, (float, np.floating, int, np.integer)) and not isinstance(value, bool)


def decimals_of(low: Any, high: Any) -> int:
    """Return with how many decimals numbers tell places within a range apart: those of a tenth of it or finer.

    >>> decimals_of(1009.87, 1010.63), decimals_of(22.0, 60.0), decimals_of(None, None), decimals_of(3, 3)
    (2, 0, 0, 0)
    """
    width = float(high) - float(low) if is_number(low) and is_number(high) else 0.0
    # A model of single precision knows seven digits, and float64 data have no more to say than twelve decimals.
    return min(12, max(0, 1 + math.ceil(-math.log10(width)))) if 0 < width < math.inf else 0


def plain(number: float, digits: int = 4, sign: str = "") -> str:
    """Write a number in so many digits, and one that has more of them before its point whole, with commas.

    >>> plain(1234.4, 3, "+"), plain(0.5, 3, "+"), plain(99999.7), plain(1234.0)
    ('+1,234', '+0.5', '100,000', '1234')
    """
    if 10**digits - 0.5 <= abs(number) < 1e15:
        return f"{number:{sign},.0f}"
    return f"{number:{sign}.{digits}g}"
