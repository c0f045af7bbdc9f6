"""How many threads a step is worth: small products lose more at the barrier than they gain from a second core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiplications of a step (rows times weights) under which one thread is faster; measured on two cores.
SMALL = 50_000_000


_given: list[int] = []


def given_threads() -> int:
    """Return the caller's number of threads, whatever was chosen for the work inside.

    >>> with threads_for(1000):
    ...     torch.get_num_threads() <= given_threads()
    True
    """
    return _given[0] if _given else torch.get_num_threads()


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """Use one thread for steps of few multiplications (``work`` of them each); restore the caller's number after.

    >>> before = torch.get_num_threads()
    >>> with threads_for(1000):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    _given.append(before)
    if work < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        _given.pop()
        torch.set_num_threads(before)
