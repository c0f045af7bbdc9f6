"""The checkpoint of one fit: where it stands, which fit it is, and when it was last written."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from isthmus.catalogue import to_dict
from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Source
from isthmus.training import statefile
from isthmus.training.group import Group

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer

log = logging.getLogger("isthmus")
SAMPLED_ROWS = 4096
# A fit may be prolonged, moved to another device and written more often without being another fit.
FREE = ("epochs", "device", "checkpoint_seconds")


def fingerprint(trainer: Trainer, task: Task, rows: Source, held_out: Source | None, noise: Noise) -> dict[str, Any]:
    """Return what has to agree for a fit to go on from a checkpoint, as plain values."""
    settings = {name: value for name, value in to_dict(trainer).items() if name not in FREE}
    shapes = {name: f"{t.dtype} {tuple(t.shape)}" for name, t in task.state_dict().items()}
    found = {
        "trainer": settings | {"optimiser": to_dict(trainer.optimiser.over(task.epochs))},
        "task": task.describe(),
        "shapes": shapes,
        "seed": noise.seed,
        "rows": described(rows),
        "held_out": described(held_out) if held_out is not None else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def described(rows: Source) -> dict[str, Any]:
    """Return the number of rows, the shape of one and a digest of some thousand of them, spread evenly."""
    index = torch.linspace(0, len(rows) - 1, min(len(rows), SAMPLED_ROWS), dtype=torch.float64).round().long()
    some = rows.pick(index)
    digest = hashlib.blake2b(digest_size=8)
    for tensor in (some.x, some.seen, some.weight, some.y):
        if tensor is not None:
            digest.update(statefile.raw(tensor.cpu().contiguous()))
    return {"number": len(rows), "shape": list(some.x.shape[1:]), "content": digest.hexdigest()}


def difference(there: Any, here: Any, path: str = "") -> str:
    """Say where two plain values first differ, empty where they agree."""
    if isinstance(there, dict) and isinstance(here, dict):
        found = (difference(there.get(k), here.get(k), f"{path}.{k}" if path else k) for k in {**there, **here})
        return next(filter(None, found), "")
    return "" if there == here else f"{path} was {there!r} and is {here!r} here"


def seed_in(path: Path) -> int | None:
    """Return the seed of the fit whose checkpoint lies there, None where there is none."""
    return int(statefile.read(path)["marks"]["seed"]) if path.exists() else None


def refuse_unlike(marks: list[dict[str, Any]]) -> None:
    """Refuse fits of several processes that are not one.

    Raises:
        ValueError: what differs from the first.
    """
    for rank, found in enumerate(marks):
        if change := difference(marks[0], found):
            raise ValueError(
                f"worker {rank} has another fit than worker 0: {change}; give all the same rows and random_state, or "
                "devices=1 where each one fits a model of its own"
            )


class Checkpoint:
    """The file of one fit with all its phases. Without a path it keeps nothing.

    Of several processes the first one reads and writes it, and tells the others what it has read.

    Raises:
        ValueError: the file is unreadable or of another fit, or its folder cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        whole: Task,
        marks: dict[str, Any],
        seconds: float = 0.0,
        group: Group | None = None,
    ) -> None:
        """Read the file where there is one, and put its weights into the ``whole`` task."""
        group = group or Group()
        self.path, self.whole, self.marks, self.seconds = path if group.first else None, whole, marks, seconds
        self.phases: list[str] = []
        self._written = time.monotonic()
        self.saved: dict[str, Any] | None = group.told(self._begun(self.path))
        if self.saved is not None:
            self.phases = self.saved["phases"][:-1]
            if self.saved["whole"] is not None:
                whole.load_state_dict(self.saved["whole"])

    def _begun(self, path: Path | None) -> dict[str, Any] | None:
        if path is not None and path.exists():
            return self._read(path)
        if path is not None:
            self._try(path)
        return None

    def _read(self, path: Path) -> dict[str, Any]:
        saved = statefile.read(path)
        if change := difference(saved["marks"], self.marks):
            raise ValueError(f"{path} is the checkpoint of another fit: {change}; delete it or name another file")
        return saved

    def _try(self, path: Path) -> None:
        """Find out before the work begins whether the file can be written."""
        beside = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.touch()
            beside.unlink()
        except OSError as error:
            raise ValueError(f"{path} cannot be written ({error.strerror}); name a file in another folder") from None

    def finished(self, phase: str) -> bool:
        """Say whether the file was written after this phase."""
        return self.saved is not None and phase in self.saved["phases"][:-1]

    def enter(self, phase: str) -> dict[str, Any] | None:
        """Begin a phase and return its state in the file, if that is where the file was written."""
        self.phases.append(phase)
        if self.saved is None or self.saved["phases"][-1] != phase:
            return None
        state: dict[str, Any] = self.saved["state"]
        return state

    def due(self, *, now: bool) -> bool:
        """Say whether it is time to write the file: ``now``, or long enough after the last time."""
        return self.path is not None and (now or time.monotonic() - self._written >= self.seconds)

    def keep(self, task: Task, state: dict[str, Any]) -> None:
        """Write the state of the current phase."""
        if self.path is None:
            return
        whole = None if task is self.whole else self.whole.state_dict()
        try:
            statefile.write(self.path, {"marks": self.marks, "phases": self.phases, "whole": whole, "state": state})
        except (OSError, SafetensorError) as error:
            log.warning("no checkpoint was written to %s (%s); training goes on", self.path, error)
        self._written = time.monotonic()
