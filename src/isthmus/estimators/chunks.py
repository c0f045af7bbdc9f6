"""Rows in chunks of a few fixed sizes that fit the cache, several at a time on several cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from isthmus.training import backend
from isthmus.training.threads import join, one_thread

# Numbers of a model's widest layer per chunk, 4 MiB in float32: an L2 cache and some of the L3.
NUMBERS = 2**20
MOST, LEAST = 16_384, 16
# The same on a GPU, which has more to do at once.
NUMBERS_THERE, MOST_THERE = 2**24, 65536
# A number of rows that no kernel's block size divides, so that each row meets every place in a block.
PROBED = 13
# Rows by which libraries are compared that multiply columns with each other.
SQUARED = 2048


def ladder(widest: int, device: str = "cpu") -> tuple[int, ...]:
    """Return the numbers of rows that a chunk may have, for a model whose widest layer has so many numbers per row.

    The largest is a full chunk; what is left is padded to the next, a quarter of it and so on.

    >>> ladder(32), ladder(784), ladder(50_000)
    ((16, 64, 256, 1024, 4096, 16384), (16, 64, 256, 1024), (16,))
    """
    numbers, most = (NUMBERS, MOST) if device == "cpu" else (NUMBERS_THERE, MOST_THERE)
    sizes = [LEAST]
    while 4 * sizes[-1] <= min(most, numbers // widest):
        sizes.append(4 * sizes[-1])
    return tuple(sizes)


def spans(rows: int, full: int) -> list[slice]:
    """Return the rows of each chunk."""
    return [slice(start, min(rows, start + full)) for start in range(0, rows, full)]


def padded(rows: int, sizes: tuple[int, ...]) -> int:
    """Return the size of the chunk that holds so many rows."""
    return next(size for size in sizes if size >= rows)


def widest(model: nn.Module, run: Callable[[], object]) -> int:
    """Return how many numbers the widest layer of a model makes while ``run`` passes one row through it."""
    found = [1]

    def note(layer: nn.Module, given: tuple[Tensor, ...], made: object) -> None:
        found.extend(t.numel() for t in (*given, made) if isinstance(t, Tensor))

    hooks = [layer.register_forward_hook(note) for layer in model.modules() if not list(layer.children())]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return max(found)


def agreeing(ask: Callable[[Tensor], list[Tensor]], probes: Tensor, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes, from the largest down, in whose chunks answers have the same bits wherever a row stands.

    Products of float32 keep the bits of a row for nearly every layer, but kernels for what is left over beside whole
    blocks may add in another order. ``probes`` are repeated over a chunk, so that each meets every place in a block;
    small chunks hold too few of them and are turned.
    """
    known: list[Tensor] = []
    agreed: list[int] = []
    for size in reversed(sizes):
        for turn in (0,) if size >= 64 * len(probes) else (0, 4, 9):
            place = (torch.arange(size, device=probes.device) + turn) % len(probes)
            found = ask(probes[place])
            known = known or [answer[: len(probes)].clone() for answer in found]
            if not all(torch.equal(answer, first[place]) for answer, first in zip(found, known, strict=True)):
                return tuple(reversed(agreed))
        agreed.append(size)
    return tuple(reversed(agreed))


def each(work: Callable[[Iterator[slice]], None], chunks: list[slice]) -> None:
    """Let ``work`` walk through chunks, on as many cores as torch may use, each with a share of the chunks.

    A core per chunk has no barrier after every product, at which cores that others use too would wait for each other.
    """
    workers = min(torch.get_num_threads(), len(chunks))
    with one_thread():
        if workers < 2:
            work(iter(chunks))
            return
        left = iter(chunks)  # shared: whoever is free takes the next
        with ThreadPoolExecutor(workers, initializer=join) as pool:
            for done in [pool.submit(work, left) for _ in range(workers)]:
                done.result()


def suits_onednn(model: nn.Module, rows: int) -> bool:
    """Say whether the largest product of a model is oneDNN's, for chunks of so many rows on one thread."""
    weights = [p.detach() for p in model.parameters() if p.dim() == 2]
    largest = max(weights, key=Tensor.numel, default=None)
    if largest is None or not backend.probes(largest) or rows * largest.numel() < backend.SMALL:
        return False
    name = f"{rows}x{largest.shape[1]}x{largest.shape[0]}"
    return backend.remembered(name, largest.new_ones(rows, largest.shape[1]), largest.t())


def squares_by_onednn(columns: int) -> bool:
    """Say whether oneDNN multiplies so many columns of many rows with each other."""
    rows = torch.empty(SQUARED, columns, dtype=torch.float32, device="cpu")
    if not backend.probes(rows) or columns * rows.numel() < backend.SMALL:
        return False
    rows.uniform_(generator=torch.Generator().manual_seed(0))  # numbers that bfloat16 would round
    return backend.remembered(f"{columns}x{SQUARED}x{columns}", rows.t(), rows)


@contextmanager
def onednn(wanted: bool = True) -> Iterator[None]:
    """Take matrix products by oneDNN where that is wanted, and restore the caller's setting after."""
    if not wanted:
        yield
        return
    before = backend.precision()
    backend.allow("bf16")
    try:
        yield
    finally:
        backend.allow(before)
