"""Checkpoints: one safetensors file, replaced atomically, from which a fit goes on to the same weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

VERSION = 1


def flatten(tree: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Replace every tensor in nested dictionaries and lists by a reference and collect it in ``tensors``."""
    if isinstance(tree, Tensor):
        tensors[path] = tree.detach().cpu().contiguous().clone()
        return {"$tensor": path}
    if isinstance(tree, dict):
        items = [[key, flatten(value, tensors, f"{path}/{key}")] for key, value in tree.items()]
        return {"$items": items}
    if isinstance(tree, (list, tuple)):
        return [flatten(value, tensors, f"{path}/{i}") for i, value in enumerate(tree)]
    return tree


def unflatten(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo :func:`flatten`."""
    if isinstance(tree, dict) and "$tensor" in tree:
        return tensors[tree["$tensor"]]
    if isinstance(tree, dict):
        return {key: unflatten(value, tensors) for key, value in tree["$items"]}
    return [unflatten(value, tensors) for value in tree] if isinstance(tree, list) else tree


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint beside the old one, then replace it: a crash leaves one of them whole."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(flatten(state, tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, temporary, metadata={"version": str(VERSION), "state": tree})
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: not a checkpoint, or one of a newer version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}); delete it to start anew") from None
    if int(metadata.get("version", "0")) != VERSION:
        raise ValueError(f"{path} has checkpoint version {metadata.get('version')}, this release reads {VERSION}")
    state: dict[str, Any] = unflatten(json.loads(metadata["state"]), tensors)
    return state


def device_of(module: torch.nn.Module) -> torch.device:
    """Return where a module's parameters are."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))
