"""Which engine takes the steps of a task, and why it is not a faster one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.layers import HalfProducts
from isthmus.objective import Task
from isthmus.records import Rows, Source
from isthmus.training import native, sparse
from isthmus.training.backend import Probed
from isthmus.training.engine import Autograd, Compiled, Engine
from isthmus.training.explicit import Explicit
from isthmus.training.graphs import graphs_of
from isthmus.training.sharded import Sharded, undivided
from isthmus.training.suited import penalties, unsuited

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer


def bound(trainer: Trainer, task: Task, rows: Source | None, *, shared: bool) -> Engine:
    """Return the engine that executes a trainer's steps on a task."""
    engine = _built(trainer, chosen(trainer, task, rows, shared=shared).split()[0], task)
    engine.micro_batch = trainer.micro_batch
    if trainer.replays(task, shared=shared):
        engine.graphs = graphs_of(engine)
    return engine


def _built(trainer: Trainer, name: str, task: Task) -> Engine:
    optimiser = trainer.optimiser.over(task.epochs)
    products = HalfProducts() if trainer.precision == "bf16" else Probed()
    if name == "native":
        return native.Native(task.unsupervised(), optimiser, products=products)
    if name in ("explicit", "sparse"):
        declared = sparse.Sparse if name == "sparse" else Explicit
        return declared(task.unsupervised(), optimiser, clip=trainer.clip, products=products)  # the task itself
    torchs = {"compiled": Compiled, "sharded": Sharded}.get(name, Autograd)
    return torchs(task, optimiser, clip=trainer.clip, precision=trainer.precision)


def chosen(trainer: Trainer, task: Task, rows: Source | None, *, shared: bool) -> str:
    """Name the engine, and in brackets that it was asked for or why none that is faster can be.

    Raises:
        ValueError: an engine was asked for that cannot run the fit.
    """
    asked, why = trainer.engine, task.needs_autograd
    if asked == "compiled":
        return "compiled (asked for)"
    if asked == "sharded":
        return _able(asked, undivided(task, trainer.optimiser, shared=shared), "engine='auto', or devices=2 or more")
    if asked in ("autograd", "auto") and (why or asked == "autograd"):
        return f"autograd ({why or 'asked for'})"
    if asked == "explicit" or why:
        return _able(asked, why)
    objective = task.unsupervised()
    if asked == "sparse":
        return _able(asked, sparse.unsuited(objective))
    if asked == "native":
        _able(asked, _no_kernel(trainer, task, rows, shared=shared))
        return asked
    if not (why := _not_few(trainer, task, rows)):
        return "sparse"
    if hasattr(objective.model.bottleneck, "selected"):
        return f"explicit (not sparse: {why})"
    why = _no_kernel(trainer, task, rows, shared=shared)
    return f"explicit ({why})" if why else "native"


def _able(asked: str, why: str, remedy: str = "engine='auto'") -> str:
    """Say that an engine was asked for; refuse it where there is a reason."""
    if why:
        raise ValueError(f"engine={asked!r} cannot run this fit: {why}; use {remedy}")
    return f"{asked} (asked for)"


def _not_few(trainer: Trainer, task: Task, rows: Source | None) -> str:
    """Say why the sparse engine is not taken: it cannot, or it would not be faster."""
    objective = task.unsupervised()
    at_once = trainer.rows_per_step(objective.model.spec.rows if rows is None else len(rows))
    return sparse.unsuited(objective) or sparse.small(objective, min(at_once, trainer.micro_batch or at_once))


def _no_kernel(trainer: Trainer, task: Task, rows: Source | None, *, shared: bool) -> str:
    """Say why the kernel does not take the steps."""
    if shared:
        return "the kernel is for one process"
    if rows is not None and not (isinstance(rows, Rows) and rows.plain):
        return "the kernel reads rows in memory without labels"
    if isinstance(rows, Rows) and rows.weight is not None and penalties(task.unsupervised(), dense=True)[0]:
        return "the kernel does not weigh penalties by rows"
    if trainer.clip or trainer.trim:
        return f"the kernel does not {'clip gradients' if trainer.clip else 'trim batches'}"
    if trainer.micro_batch:
        return "the kernel passes all rows of a step at once, and holds few of them"
    return unsuited(task.unsupervised(), trainer.optimiser, trainer.precision)
