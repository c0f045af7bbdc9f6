"""Saved models: a folder with ``model.json`` (readable by eye) and ``weights.safetensors``. No code runs on loading.

``model.json`` holds digests of itself and of the weights, so that a flipped bit is found out before it is believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
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
    target, fresh = Path(os.path.realpath(path)), None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        # The same tensor may not appear twice in the file, and views must be whole.
        save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, fresh / WEIGHTS)
        content = {"format": FORMAT, "version": VERSION} | manifest | {"weights": _digest(fresh / WEIGHTS)}
        text = json.dumps(content | {"checksum": checksum(content)}, indent=2)
        (fresh / MANIFEST).write_text(text + "\n", encoding="utf-8")
        _flush(fresh / WEIGHTS, fresh / MANIFEST)
        # Temporary folders and safetensors' files are for their owner alone; a model is a file like any other.
        fresh.chmod(0o777 & ~_umask())
        (fresh / WEIGHTS).chmod(0o666 & ~_umask())
        _swap(fresh, target)
    except (OSError, SafetensorError) as error:
        reason = f"cannot save to {path} ({_reason(error)})"
        raise ValueError(f"{reason}; the old files are untouched, try another folder") from error
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
    return path


def _flush(*files: Path) -> None:
    """Wait until files are on the disk, so that they may replace older ones."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(manifest: dict[str, Any]) -> str:
    """Return a digest of a manifest's values, however they are laid out."""
    plain = json.loads(json.dumps({name: value for name, value in manifest.items() if name != "checksum"}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def refuse_unusable(path: str | Path) -> None:
    """Refuse a path where no model can be written, before any work is done for it.

    Raises:
        ValueError: the path is taken by something else, or its folder cannot be written to.
    """
    try:
        target = Path(os.path.realpath(path))
        taken = target.exists() and not (target / MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir()))
        parent = next(folder for folder in target.parents if folder.exists())
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot save to {str(path)!r} ({_reason(error)}); choose another path") from None
    if taken:
        raise ValueError(f"{path} exists and is not a saved model; choose another path")
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
    kept = path.rename(old / path.name)
    try:
        fresh.rename(path)
    except BaseException:  # an interruption may come here too, and the old model exists only once
        kept.rename(path)
        old.rmdir()
        raise
    # Graphs, a card, a repository: what else lies in the folder is not the model's to throw away.
    for entry in kept.iterdir():
        if entry.name not in (MANIFEST, WEIGHTS):
            entry.rename(path / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model folder.

    Raises:
        ValueError: not a model, damaged, or written by a newer release.
    """
    path = Path(path)
    manifest = _manifest(path)
    try:
        # What is believed is what was looked at; a file that is mapped would change the model when it is written over.
        content = (path / WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.get("weights"):
            raise ValueError(f"{path / WEIGHTS} is damaged: it is not the file that was saved; save the model again")
        return manifest, load_bytes(content)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path / WEIGHTS} is damaged or missing ({error}); save the model again") from None


def _manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a model folder and check its format, version and checksum."""
    file = path / MANIFEST
    if not file.is_file():
        raise ValueError(f"{path} is not a saved model: it has no {MANIFEST}; give the folder that save() wrote")
    try:
        manifest: Any = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error}); save the model again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{file} is not that of a saved model; give the folder that save() wrote")
    version = manifest.get("version")
    if type(version) is int and version > VERSION:
        raise ValueError(f"{path} has format version {version}, this release reads up to {VERSION}; upgrade isthmus")
    if type(version) is not int or version < 1 or manifest.get("checksum") != checksum(manifest):
        raise ValueError(
            f"{file} is damaged or was changed by hand: it does not match its checksum; save the model again, with "
            "set_params() for what should be different"
        )
    return manifest
