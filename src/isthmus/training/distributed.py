"""Training on several processes: in a group that is there already, or on workers that a fit starts and watches.

A worker runs :meth:`isthmus.Trainer.fit` as a process alone does; all it asks is whether it belongs to a group. Workers
write checkpoints, so that a group that loses one goes on from there, and the process that started them takes over what
the last one holds.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.records import Rows, Source
from isthmus.training import job
from isthmus.training.callbacks import Callback
from isthmus.training.group import Group, speaking
from isthmus.training.loop import Loop
from isthmus.training.threads import given_threads
from isthmus.training.trainer import Trainer

TIMEOUT = 90.0
# Seconds between two checkpoints of workers where nobody asked for a file.
OFTEN = 1.0
JOB, CALLBACKS = "job", "callbacks"


@dataclass(frozen=True)
class Devices:
    """Workers on this machine, for ``fit(X, devices=...)``; a number stands for ``Devices(number)``.

    Args:
        count: how many there are; on CUDA each one has a device of its own.
        timeout: seconds that a worker waits for an answer of the others before it counts them as lost.
        restarts: how often lost workers are started anew, from the last checkpoint.
        threads: threads of each one; 0 divides those of this process.

    Raises:
        ValueError: a setting out of its range.

    >>> Devices(2, timeout=60.0)
    Devices(count=2, timeout=60.0, restarts=3, threads=0)
    """

    count: int
    timeout: float = TIMEOUT
    restarts: int = 3
    threads: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        for name, least in (("count", 1), ("restarts", 0), ("threads", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise ValueError(
                    f"Devices: {name}={value!r} is no number of these; give a whole number from {least} up"
                )
        if not self.timeout > 0:
            raise ValueError(f"Devices: timeout={self.timeout!r} is no time; give seconds above 0")


def devices_of(asked: int | Devices | None) -> Devices | None:
    """Return the workers that a fit asks for; None where it asks for none."""
    return asked if asked is None or isinstance(asked, Devices) else Devices(asked)


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


def group_for(devices: Devices | None) -> Group:
    """Return the group in which this process fits: with ``devices`` none, as workers are other processes.

    Raises:
        ValueError: workers are asked for in a process that is one of several.
    """
    if devices is None:
        return joined()
    if devices.count > 1 and started():
        raise ValueError(
            f"devices={devices.count} starts workers, and this process is one of several already; leave devices out "
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
    devices: Devices
    threads: int

    def run(self, group: Group, folder: Path) -> None:
        """Take part in the fit; the first worker leaves behind what its callbacks remember."""
        torch.set_num_threads(self.threads)
        self.trainer.fit(self.task, self.rows, self.noise, group=group, **self.settings)
        for i, callback in enumerate(self.settings["callbacks"] if group.first else ()):
            with suppress(ValueError):
                job.write(folder / f"{CALLBACKS}{i}", vars(callback))


def fit(
    devices: Devices,
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
    from isthmus.training.launch import launch

    if trainer.place()[0].type == "cuda" and torch.cuda.device_count() < devices.count:
        raise ValueError(
            f"devices={devices.count} needs as many CUDA devices, and there are {torch.cuda.device_count()}; lower it, "
            "or use device='cpu'"
        )
    with TemporaryDirectory(prefix="isthmus-") as name:
        folder = Path(name)
        if save_to is None:
            save_to, trainer = folder / "checkpoint", replace(trainer, checkpoint_seconds=OFTEN)
        settings = {"held_out": held_out, "callbacks": [*callbacks], "save_to": save_to.absolute()}
        threads = devices.threads or max(1, given_threads() // devices.count)
        job.write(folder / JOB, Work(trainer, task, rows, noise, settings, devices, threads))
        interrupted = launch(devices, folder, threads)
        for i, callback in enumerate(callbacks):
            with suppress(OSError, EOFError):
                vars(callback).update(job.read(folder / f"{CALLBACKS}{i}"))
        over = Group(size=devices.count, live=False)
        loop = trainer.fit(task, rows, noise, held_out=held_out, save_to=save_to, group=over)
    loop.interrupted |= interrupted
    return loop
