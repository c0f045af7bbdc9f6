"""Local time: when a time zone changes its distance from UTC, and to what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any

# Of which years changes are looked for, and how far apart these are at least.
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
STEP = timedelta(days=7)

_FIXED = re.compile(r"([+-])(\d{2}):?(\d{2})")


def zone_of(kind: Any) -> str:
    """Return the time zone of an Arrow type, as Arrow names it; empty where it has none."""
    return getattr(kind, "tz", None) or ""


@cache
def shifts(zone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return when local time changes, in seconds since 1970, and what it is ahead of UTC: at first, and from each on.

    Raises:
        ValueError: a zone that is unknown here.

    >>> shifts("+02:00"), shifts("Asia/Tokyo")[1][-1] / 3600
    (((), (7200.0,)), 9.0)
    """
    fixed = _FIXED.fullmatch(zone)
    if fixed is not None:
        return (), ((-1.0 if fixed[1] == "-" else 1.0) * (3600 * int(fixed[2]) + 60 * int(fixed[3])),)
    local, at = _named(zone), FIRST
    here = _ahead(at, local)
    turns, offsets = [], [here]
    while at < LAST:
        after = at + STEP
        if (there := _ahead(after, local)) != here:
            turns.append(_turn(at, after, local).timestamp())
            offsets.append(there)
        at, here = after, there
    return tuple(turns), tuple(offsets)


def _named(zone: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        remedy = "name it as Europe/Berlin, install tzdata, or give times in UTC"
        raise ValueError(f"the time zone {zone!r} is unknown here; {remedy}") from None


def _ahead(at: datetime, local: tzinfo) -> float:
    """Return the seconds that local time is ahead of UTC."""
    shift = at.astimezone(local).utcoffset()
    return 0.0 if shift is None else shift.total_seconds()


def _turn(low: datetime, high: datetime, local: tzinfo) -> datetime:
    """Return the second from which local time is what it is at ``high``."""
    wanted = _ahead(high, local)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _ahead(middle, local) == wanted else (middle, high)
    return high
