"""How values are told to people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np


def brief(value: Any) -> str:
    """Write a cell in few signs: numbers in four digits, from 10,000 on whole, times as far as they say something.

    >>> brief(86213.4), brief(2019.0), brief(0.123456), brief(3e12)
    ('86,213', '2019', '0.1235', '3,000,000,000,000')
    """
    if isinstance(value, (float, np.floating, int, np.integer)) and not isinstance(value, bool):
        return plain(float(value))
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return str(value.replace(microsecond=0)).removesuffix(" 00:00:00")
    return "missing" if value is None else str(value)


def plain(number: float, digits: int = 4, sign: str = "") -> str:
    """Write a number in so many digits, and one that has more of them before its point whole, with commas.

    >>> plain(1234.4, 3, "+"), plain(0.5, 3, "+"), plain(99999.7), plain(1234.0)
    ('+1,234', '+0.5', '100,000', '1234')
    """
    if 10**digits - 0.5 <= abs(number) < 1e15:
        return f"{number:{sign},.0f}"
    return f"{number:{sign}.{digits}g}"
