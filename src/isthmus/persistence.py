"""Saved models: a folder with ``model.json`` (readable by eye) and ``weights.safetensors``. No code runs on loading."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FORMAT = "isthmus model"
VERSION = 1
MANIFEST, WEIGHTS = "model.json", "weights.safetensors"


def write(path: str | Path, manifest: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write a model folder beside the old one and then put it in its place: a failure leaves the old one whole.

    Raises:
        ValueError: the folder exists and is not a model, or cannot be written.
    """
    path = Path(path)
    refuse_unusable(path)
    fresh: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        head = {"format": FORMAT, "version": VERSION}
        (fresh / MANIFEST).write_text(json.dumps(head | manifest, indent=2) + "\n", encoding="utf-8")
        # The same tensor may not appear twice in the file, and views must be whole.
        save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, fresh / WEIGHTS)
        fresh.chmod(0o777 & ~_umask())
        _swap(fresh, path)
    except (OSError, SafetensorError) as error:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        reason = f"cannot save to {path} ({_reason(error)})"
        raise ValueError(f"{reason}; the old files are untouched, try another folder") from error
    return path


def refuse_unusable(path: Path) -> None:
    """Refuse a path where no model can be written, before any work is done for it.

    Raises:
        ValueError: the path is taken by something else, or its folder cannot be written to.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} exists and is not a saved model; choose another path")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise ValueError(f"cannot save to {path}: {parent} is no folder that you may write to; try another folder")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _swap(fresh: Path, path: Path) -> None:
    if not path.exists():
        fresh.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    path.rename(old / path.name)
    try:
        fresh.rename(path)
    except OSError:
        (old / path.name).rename(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model folder.

    Raises:
        ValueError: not a model, damaged, or written by a newer release.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise ValueError(f"{path} is not a saved model: it has no {MANIFEST}; give the folder that save() wrote")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{path / MANIFEST} is damaged ({error}); save the model again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path / MANIFEST} is not that of a saved model; give the folder that save() wrote")
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(f"{path} has format version {version}, this release reads up to {VERSION}; upgrade isthmus")
    try:
        return manifest, load_file(path / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path / WEIGHTS} is damaged or missing ({error}); save the model again") from None
