"""Imports that nobody notices but the one who asked for them."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def unnoticed() -> Iterator[None]:
    """Leave the standard library's generator as it was, and collect no garbage meanwhile.

    rich, and scikit-learn's mixtures through it, draws a number when it is imported. Modules make many objects that all
    stay, among which a collector looks for garbage again and again: a fifth of the time of an import.

    >>> with unnoticed():
    ...     import rich.style
    """
    import random  # noqa: TID251  (to leave it as it was)

    state, collecting = random.getstate(), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        random.setstate(state)
        if collecting and not gc.get_freeze_count():
            # Into the oldest generation, where the next look at the youngest does not walk through all of them.
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()


def first_used(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports a public name from its module when it is first used.

    >>> first_used("isthmus", {"unnoticed": "isthmus.importing"})("unnoticed") is unnoticed
    True
    """
    from importlib import import_module

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with unnoticed():
            home = import_module(homes[name])
            return home if home.__name__ == f"{package}.{name}" else getattr(home, name)

    return find
