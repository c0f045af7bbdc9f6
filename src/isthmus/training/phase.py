"""What one loop trains. A fit is one phase, or several where layers are pretrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows, Source

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer


@dataclass(frozen=True)
class Phase:
    """A task, its rows and how it is trained; ``name`` tells its epochs apart in the history.

    ``held_out`` are the rows that choose the weights, None where the last weights are kept; ``start`` lets the task set
    its initial values from the rows before its first epoch.
    """

    name: str
    trainer: Trainer
    task: Task
    rows: Source
    held_out: Rows | None
    noise: Noise
    start: bool = True
