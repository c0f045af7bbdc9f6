"""Recording what a device is asked for: the calls of torch that CUDA graphs take."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

Work = Callable[[], Any]
# A device records for one thread at a time.
RECORDING = threading.RLock()


def recorded(
    work: Work, generators: Sequence[torch.Generator], stream: torch.cuda.Stream
) -> tuple[Callable[[], None], Any]:
    """Record what work asks of a stream as a CUDA graph, computing nothing; return what does it, and what work did.

    Noise is drawn by these generators alone, from where they stand when the graph is replayed.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(stream.device), uncollected():
        for generator in generators:
            graph.register_generator_state(generator)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                found = work()
            except BaseException:
                abandon(graph, stream.device)
                raise
            try:
                graph.capture_end()
            except RuntimeError:
                renew(stream.device)
                raise
    return graph.replay, found


def abandon(graph: torch.cuda.CUDAGraph, device: torch.device) -> None:
    """End a recording that failed, so that what fails is what is told."""
    try:
        graph.capture_end()
    except RuntimeError:
        renew(device)


def renew(device: torch.device) -> None:
    """Let the device's own generator draw again: a recording that was cut off leaves it waiting for its end."""
    generator = torch.cuda.default_generators[device.index or 0]
    generator.graphsafe_set_state(generator.clone_state())


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


def aside(stream: torch.cuda.Stream | None, work: Work, *, unwaited: bool = False) -> Any:
    """Do work on a stream, between what came before and what comes after; None is where there are no streams.

    Steps that will be recorded are taken on the same stream: nodes of autograd belong to that on which they were made,
    and libraries prepare themselves for each.

    Raises:
        RuntimeError: where it is to be ``unwaited``, the host has to wait for the device.
    """
    if stream is None:
        return work()
    before, debugging = torch.cuda.current_stream(stream.device), torch.cuda.get_sync_debug_mode()
    stream.wait_stream(before)
    try:
        if unwaited:
            torch.cuda.set_sync_debug_mode("error")
        with torch.cuda.stream(stream):
            return work()
    finally:
        torch.cuda.set_sync_debug_mode(debugging)
        before.wait_stream(stream)
