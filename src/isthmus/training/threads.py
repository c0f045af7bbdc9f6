"""How many threads a step is worth: small products lose more at the barrier than they gain from a second core."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

# Multiplications of a step (rows times weights) under which one thread is faster; measured on two cores.
SMALL = 50_000_000


class _Caller:
    """The caller's number of threads, which the first of what uses one thread finds, and every other gives back.

    What overlaps in several Python threads would find the 1 of another. OpenMP keeps a number for each of them, so that
    each has to give it back itself, once it is out of all that it entered.
    """

    def __init__(self) -> None:
        """Know no number yet."""
        self.lock, self.inside, self.number = threading.Lock(), 0, 0
        self.own = threading.local()

    def enter(self) -> None:
        """Use one thread in this Python thread."""
        with self.lock:
            self.number = self.number if self.inside else torch.get_num_threads()
            self.inside += 1
        self.join()

    def join(self) -> None:
        """Use one thread in a Python thread that another one has started for its work, until it ends."""
        self.own.depth = getattr(self.own, "depth", 0) + 1
        torch.set_num_threads(1)

    def leave(self) -> None:
        """Give the number back, where this Python thread is out of all that it entered."""
        self.own.depth -= 1
        with self.lock:
            self.inside -= 1
            if not self.own.depth:
                torch.set_num_threads(self.number)


_caller = _Caller()
# What a pool of Python threads begins each of them with, where they work for one that uses one thread.
join = _caller.join


def given_threads() -> int:
    """Return the caller's number of threads, whatever was chosen for the work inside.

    >>> with threads_for(1000):
    ...     torch.get_num_threads() <= given_threads()
    True
    """
    with _caller.lock:
        return _caller.number if _caller.inside else torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, and give the caller's number back after."""
    _caller.enter()
    try:
        yield
    finally:
        _caller.leave()


def threads_for(work: int) -> AbstractContextManager[None]:
    """Use one thread for steps of few multiplications (``work`` of them each); restore the caller's number after.

    >>> before = torch.get_num_threads()
    >>> with threads_for(1000):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    return one_thread() if work < SMALL else nullcontext()
