"""Recording what a device is asked for: the calls of torch that CUDA graphs take."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

Work = Callable[[], Any]


def recorded(work: Work, generators: Sequence[torch.Generator], device: torch.device) -> tuple[Callable[[], None], Any]:
    """Record what work asks of the device as a CUDA graph, computing nothing; return what does it, and what work did.

    Noise is drawn by these generators alone, from where they stand when the graph is replayed.
    """
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    torch.cuda.synchronize(device)
    with torch.cuda.stream(aside(device)), uncollected():
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            found = work()
        finally:
            graph.capture_end()
    return graph.replay, found


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage: what it lets go of may be a thing of the device, which ends a recording."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@cache
def aside(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of a device that is recorded."""
    return torch.cuda.Stream(device)


def warmed(work: Work, device: torch.device) -> Any:
    """Do work on the stream that will be recorded: libraries prepare themselves for each stream anew."""
    if device.type != "cuda":
        return work()
    stream, before = aside(device), torch.cuda.current_stream(device)
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        found = work()
    before.wait_stream(stream)
    return found
