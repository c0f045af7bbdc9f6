"""Imports that nobody notices but the one who asked for them."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undrawn() -> Iterator[None]:
    """Leave the standard library's generator as it was.

    rich, and scikit-learn's mixtures through it, draws a number when it is imported.

    >>> with undrawn():
    ...     import rich.style
    """
    import random  # noqa: TID251  (to leave it as it was)

    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
