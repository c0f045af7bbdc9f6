"""Nested dictionaries of numbers and tensors in one safetensors file, replaced atomically and read without a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

VERSION = 2


def flatten(tree: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Replace every tensor in nested dictionaries and lists by a reference and collect it in ``tensors``."""
    if isinstance(tree, Tensor):
        tensors[path] = alone(tree.detach().cpu().contiguous(), tensors)
        return {"$tensor": path}
    if isinstance(tree, dict):
        items = [[key, flatten(value, tensors, f"{path}/{key}")] for key, value in tree.items()]
        return {"$items": items}
    if isinstance(tree, (list, tuple)):
        return [flatten(value, tensors, f"{path}/{i}") for i, value in enumerate(tree)]
    return tree


def alone(tensor: Tensor, others: dict[str, Tensor]) -> Tensor:
    """Return a tensor that shares its memory with no other and is the whole of it, as the file wants it."""
    memory = tensor.untyped_storage()
    whole = 0 < memory.nbytes() == tensor.nbytes
    if whole and all(memory.data_ptr() != other.untyped_storage().data_ptr() for other in others.values()):
        return tensor
    return tensor.clone()


def unflatten(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo :func:`flatten`; tuples come back as lists."""
    if isinstance(tree, dict) and "$tensor" in tree:
        return tensors[tree["$tensor"]]
    if isinstance(tree, dict):
        return {key: unflatten(value, tensors) for key, value in tree["$items"]}
    return [unflatten(value, tensors) for value in tree] if isinstance(tree, list) else tree


def raw(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor in the computer's memory, without a copy."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def checksum(text: str, tensors: dict[str, Tensor]) -> str:
    """Return a digest of a text and of every tensor's name and bytes."""
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(raw(tensors[name]))
    return digest.hexdigest()


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a state beside the old file, then replace it: a crash leaves one of them whole.

    Raises:
        OSError, SafetensorError: the folder cannot be written, or the disk is full; the old file is untouched.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(flatten(state, tensors))
    beside = path.with_name(f"{path.name}.part")
    metadata = {"version": str(VERSION), "state": tree, "checksum": checksum(tree, tensors)}
    try:
        save_file(tensors, beside, metadata=metadata)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """Read what :func:`write` wrote.

    Raises:
        ValueError: not such a file, damaged, or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable checkpoint ({error}); name another file, or delete it if it was a checkpoint"
        ) from None
    if "state" not in metadata:
        raise ValueError(f"{path} is a safetensors file but not a checkpoint; name another file")
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"{path} has checkpoint version {metadata.get('version')}, this release reads {VERSION}; finish the fit "
            "with the release that began it, or delete the file to start anew"
        )
    if metadata.get("checksum") != checksum(metadata["state"], tensors):
        raise ValueError(f"{path} is damaged: its content does not match its checksum; delete it to start anew")
    state: dict[str, Any] = unflatten(json.loads(metadata["state"]), tensors)
    return state
