"""Training on several processes: in a group that is there already, or on workers that a fit starts and watches.

A worker runs :meth:`isthmus.Trainer.fit` as a process alone does; all it asks is whether it belongs to a group. Workers
write checkpoints, so that a group that loses one goes on from there, and the process that started them takes over what
the last one holds.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows, Source
from isthmus.training import job
from isthmus.training.callbacks import Callback
from isthmus.training.group import Broken, Group, speaking
from isthmus.training.loop import Loop
from isthmus.training.trainer import Trainer
from isthmus.training.workers import TIMEOUT, Workers
from isthmus.training.workers import Devices as Devices

if TYPE_CHECKING:
    from isthmus.training.history import Row

# Seconds between two checkpoints of workers where nobody asked for a file.
OFTEN = 1.0
JOB, CALLBACKS, FAILED, STOP = "job", "callbacks", "error.json", "stop"


def workers_of(asked: int | Workers | None) -> Workers | None:
    """Return the workers that a fit asks for; None where it asks for none."""
    return asked if asked is None or isinstance(asked, Workers) else Devices(asked)


def started() -> bool:
    """Say whether this process was started as one of several (torchrun, or RANK and WORLD_SIZE set by hand)."""
    here = distributed.is_available() and distributed.is_initialized()
    return here or (distributed.is_available() and int(os.environ.get("WORLD_SIZE", "1")) > 1)


def joined(timeout: float = TIMEOUT) -> Group:
    """Return the group that this process belongs to, which it enters where it has not yet; by itself a group of one."""
    if not started():
        return Group()
    if not distributed.is_initialized():
        _enter(timedelta(seconds=timeout))
    return Group(distributed.get_rank(), distributed.get_world_size())


def _enter(timeout: timedelta) -> None:
    """Enter the group that the environment names.

    Raises:
        Broken: the others cannot be reached.
    """
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    with speaking():
        store, rank, size = next(rendezvous("env://", timeout=timeout))
        if os.environ.get("LOCAL_WORLD_SIZE") == str(size):
            # torch leaves the addresses of lost workers in the store, and those started anew would call them.
            store = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=timeout)
    # A group that is not left may abort the process when it ends.
    atexit.register(leave)


def leave() -> None:
    """Leave the group, where this process is in one."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def group_for(workers: Workers | None) -> Group:
    """Return the group in which this process fits: with ``workers`` none, as they are other processes.

    Raises:
        ValueError: workers are asked for in a process that is one of several.
    """
    if workers is None:
        return joined()
    if workers.elsewhere and started():
        raise ValueError(
            f"devices={workers.count} starts workers, and this process is one of several already; leave devices out "
            "and the fit joins them, or give devices=1 and it runs alone"
        )
    return Group()


@dataclass(frozen=True)
class Work:
    """What every worker runs."""

    trainer: Trainer
    task: Task
    rows: Source
    noise: Noise
    settings: dict[str, Any]
    timeout: float
    threads: int

    def run(self, group: Group, folder: Path) -> None:
        """Take part in the fit; the first worker leaves behind what its callbacks remember."""
        torch.set_num_threads(self.threads)
        self.trainer.fit(self.task, self.rows, self.noise, group=group, **self.settings)
        for i, callback in enumerate(self.settings["callbacks"] if group.first else ()):
            with suppress(ValueError):
                job.write(folder / f"{CALLBACKS}{i}", vars(callback))


class Until(Callback):
    """Interrupt the fit of all behind an epoch once somebody has put a file there: no signal reaches other machines."""

    everywhere = True

    def __init__(self, path: Path) -> None:
        """Remember where."""
        self.path = path

    def epoch_end(self, loop: Loop, row: Row) -> None:
        """Look whether it is there; the first one looks for all."""
        if loop.group.told(loop.group.first and self.path.exists()):
            loop.stop = loop.interrupted = True


def take_part(folder: Path, rank: int) -> None:
    """Run the job in a folder as one of its workers; what is wrong with it is written down, and ends the fit of all.

    Raises:
        Broken: another worker is gone; another attempt may do better.
    """
    logging.getLogger("isthmus").setLevel(logging.WARNING if rank == 0 else logging.ERROR)
    failed = folder / FAILED
    if failed.exists():
        return
    try:
        work: Work = job.read(folder / JOB)
        work.run(joined(work.timeout), folder)
    except Exception as error:
        if failed.exists():
            return
        if isinstance(error, Broken):
            raise
        _tell(failed, rank, error)


def _tell(path: Path, rank: int, error: Exception) -> None:
    found = {"rank": rank, "type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
    beside = path.with_name(f"{path.name}.{rank}")
    beside.write_text(json.dumps(found))
    beside.replace(path)


def fit(
    workers: Workers,
    trainer: Trainer,
    task: Task,
    rows: Source,
    noise: Noise,
    *,
    held_out: Rows | None = None,
    callbacks: Sequence[Callback] = (),
    save_to: Path | None = None,
) -> Loop:
    """Train a task on workers and return the finished loop, as :meth:`Trainer.fit` does.

    Copies of the callbacks are called in the first worker, and what they remember at the end comes back, unless it is
    something like an open file or a bar on the screen.

    Raises:
        ValueError: what a fit raises, parts that cannot be given to workers, or fewer CUDA devices than workers.
        RuntimeError: a worker failed, or was lost more often than it is started anew.
    """
    workers.refuse_lack(trainer.place()[0])
    with workers.folder() as folder:
        if save_to is None:
            save_to, trainer = folder / "checkpoint", replace(trainer, checkpoint_seconds=OFTEN)
        called = [*callbacks] if workers.signalled else [*callbacks, Until(folder / STOP)]
        settings = {"held_out": held_out, "callbacks": called, "save_to": save_to.absolute()}
        threads = workers.share()
        job.write(folder / JOB, Work(trainer, task, rows, noise, settings, workers.timeout, threads))
        interrupted = workers.launch(folder, threads)
        for i, callback in enumerate(callbacks):
            with suppress(OSError, EOFError):
                vars(callback).update(job.read(folder / f"{CALLBACKS}{i}"))
        over = Group(size=workers.count, live=False)
        loop = trainer.fit(task, rows, noise, held_out=held_out, save_to=save_to, group=over)
    loop.interrupted |= interrupted
    return loop
