"""What the service says no to: a status and one sentence that names culprit, reason and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from isthmus.atrow import RowError


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP, below 500 where the request is at fault.
        detail: culprit, reason and remedy.

    >>> Refused(422, "rows[0] lacks 'age'; give every column").status
    422
    """

    def __init__(self, status: int, detail: str) -> None:
        """Hold both."""
        super().__init__(detail)
        self.status, self.detail = status, detail


def named(error: ValueError) -> str:
    """Say what a model says no to; a row is called as in the body of the request, where lists count from 0."""
    return str(error.named(f"rows[{error.row}]") if isinstance(error, RowError) else error)


def closest(name: object, known: Collection[str], most: int = 8) -> str:
    """Return a remedy for a name that is not known: the one meant, else what there is.

    >>> closest("agee", ["age", "city"]), closest("x", ["age", "city"])
    ("did you mean 'age'?", "there are 'age', 'city'")
    """
    found = difflib.get_close_matches(brief(str(name)), list(known), n=1)
    if found:
        return f"did you mean {found[0]!r}?"
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return f"there are {', '.join(map(repr, list(known)[:most]))}{more}"


def brief(text: str, most: int = 60) -> str:
    """Return text that a sentence can hold."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def shown(value: object) -> str:
    """Return a value as a sentence shows it.

    >>> shown("x" * 100)[-6:], shown(None)
    ('xxx...', 'null')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    # A whole number of JSON may have thousands of digits.
    return "a number of very many digits" if isinstance(value, int) and abs(value) > 1e300 else brief(repr(value))
