"""Imports that nobody notices but the one who asked for them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


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


def first_used(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports a public name from its module when it is first used.

    >>> first_used("isthmus", {"undrawn": "isthmus.importing"})("undrawn") is undrawn
    True
    """
    from importlib import import_module

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with undrawn():
            home = import_module(homes[name])
            return home if home.__name__ == f"{package}.{name}" else getattr(home, name)

    return find
