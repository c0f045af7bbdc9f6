"""What workers are given: pickled, with arrays and tensors in files beside it that all of them map."""

from __future__ import annotations

import pickle  # noqa: TID251  (from a folder that only this user can write to, into processes that this one starts)
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Bytes from which on an array is a file of its own.
LARGE = 1 << 16


class _Writer(pickle.Pickler):
    """Put arrays into files; those that are mapped from a file already stay where they are."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.path = path
        self.done: dict[int, tuple[Any, tuple[Any, ...]]] = {}

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, type) and thing.__module__ == "__main__":
            raise ValueError(
                f"{thing.__name__} is defined in the script that runs, where workers cannot import it; move it to a "
                "module, or start the script on all processes yourself (torchrun)"
            )
        if id(thing) not in self.done:
            found = self._filed(thing)
            if found is None:
                return None
            self.done[id(thing)] = thing, found
        return self.done[id(thing)][1]

    def _filed(self, thing: Any) -> tuple[Any, ...] | None:
        if type(thing) is Tensor and thing.device.type == "cpu" and thing.numel() * thing.itemsize >= LARGE:
            kept = thing.detach()
            if kept.dtype == torch.bfloat16 or kept.layout != torch.strided or thing.requires_grad:
                return None
            return "tensor", self._saved(kept.numpy())
        if isinstance(thing, np.memmap) and (place := mapped(thing)) is not None:
            return "map", *place
        if isinstance(thing, np.ndarray) and thing.nbytes >= LARGE and thing.dtype.kind in "biufc":
            return "array", self._saved(thing)
        return None

    def _saved(self, array: np.ndarray[Any, Any]) -> str:
        path = self.path.with_name(f"{self.path.name}.{len(self.done)}.npy")
        np.save(path, array, allow_pickle=False)
        return str(path)


class _Reader(pickle.Unpickler):
    """Map the files again; what is written to them stays in the process."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.known: dict[Any, Any] = {}

    def persistent_load(self, pid: Any) -> Any:
        if pid not in self.known:
            kind, path, *rest = pid
            if kind == "map":
                dtype, offset, shape, order = rest
                self.known[pid] = np.memmap(path, np.dtype(dtype), "r", offset, shape, order)
            else:
                found = np.load(path, mmap_mode="c", allow_pickle=False)
                self.known[pid] = torch.from_numpy(found) if kind == "tensor" else found
        return self.known[pid]


def mapped(array: np.memmap[Any, Any]) -> tuple[str, str, int, tuple[int, ...], str] | None:
    """Return file, type, offset, shape and order of an array that lies in a file as it is; None for other views."""
    owner: Any = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    order = "C" if array.flags.c_contiguous else "F"
    lies = array.flags.c_contiguous or array.flags.f_contiguous
    if not isinstance(owner, np.memmap) or owner.filename is None or owner.mode == "c" or not lies:
        return None
    offset = owner.offset + array.ctypes.data - owner.ctypes.data
    return str(owner.filename), array.dtype.str, offset, array.shape, order


def write(path: Path, job: Any) -> None:
    """Write a job to a file, with others beside it.

    Raises:
        ValueError: something that other processes cannot be given.
    """
    try:
        with path.open("wb") as file:
            _Writer(file, path).dump(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        path.unlink()
        raise ValueError(
            f"workers cannot be given every part of this fit ({error}); use parts and callbacks that can be pickled, "
            "or start the script on all processes yourself (torchrun)"
        ) from None


def read(path: Path) -> Any:
    """Read a job that this user's own process has written."""
    with path.open("rb") as file:
        return _Reader(file).load()
