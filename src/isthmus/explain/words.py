"""How values are told to people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np


def brief(value: Any) -> str:
    """Write a cell in few signs: numbers in four digits, times as far as they say something."""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return f"{int(number)}" if number.is_integer() and abs(number) < 1e15 else f"{number:.4g}"
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return str(value.replace(microsecond=0)).removesuffix(" 00:00:00")
    return "missing" if value is None else str(value)
