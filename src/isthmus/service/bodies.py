"""Bodies of requests: JSON without what JSON lacks, and fields that are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from isthmus.service.refusal import Refused, closest, shown


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raises:
        Refused: it holds none.

    >>> parsed(b'{"rows": []}')
    {'rows': []}
    """
    try:
        found = json.loads(body, parse_constant=refuse_constant)
    except RecursionError:
        raise Refused(400, "the body is nested too deeply; give rows as objects of plain values") from None
    except ValueError as error:  # of Unicode too
        if str(error).startswith("Exceeds the limit"):  # of Python's own, for the digits of a whole number
            raise Refused(422, "the body holds a number of very many digits; give numbers less than 1e150") from None
        raise Refused(400, f"the body is no JSON: {error}; send an object") from None
    if not isinstance(found, dict):
        raise Refused(400, f"the body is {shown(found)}; send an object")
    return found


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's reader takes."""
    remedy = "write null where a value is missing" if name == "NaN" else "give a number less than 1e150"
    raise ValueError(f"{name} is not of JSON; {remedy}")


def refuse_strange(body: dict[str, Any], known: Collection[str], place: str) -> None:
    """Refuse a field that means nothing, as it may be a known one with a slip in it."""
    for name in body:
        if name not in known:
            raise Refused(422, f"{shown(name)} means nothing to {place}; {closest(name, known)}")


def whole(least: int, most: int) -> Callable[[str, Any], int]:
    """Return what reads a whole number within bounds."""

    def read(name: str, value: Any) -> int:
        if type(value) is float and value.is_integer():  # 2.0 is a whole number of JSON
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise Refused(422, f"{name!r} is {shown(value)}; give a whole number from {least} to {most}")
        return value

    return read


def switch(name: str, value: Any) -> bool:
    """Read true or false."""
    if type(value) is not bool:
        raise Refused(422, f"{name!r} is {shown(value)}; give true or false")
    return value


def as_it_is(name: str, value: Any) -> Any:
    """Take a label."""
    if isinstance(value, (list, dict)):
        raise Refused(422, f"{name!r} is {shown(value)}; give one label")
    return value
