"""A fit on workers of a Ray cluster: Ray Train starts them, lost ones anew, and they run what all workers run.

The job, the checkpoint and what the first worker says lie in a folder that all of them see.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from isthmus.cluster.connection import AUTO, connected, environment, library
from isthmus.training.distributed import STOP, leave, take_part
from isthmus.training.launch import raise_told
from isthmus.training.workers import TIMEOUT, Workers, temporary

SAID, LOOKS = "said", 0.25
log = logging.getLogger("isthmus")
# How Ray Train watches its workers (it would look every two seconds), and that it leaves print and their folder alone.
WATCHING = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


@dataclass(frozen=True)
class Ray(Workers):
    """Workers on a Ray cluster, for ``fit(X, devices=Ray(...))``; needs ``isthmus[ray]``, there and here.

    Args:
        address: ``auto`` for the cluster that this machine belongs to, ``local`` for one on this machine that is
            started for the fit, or HOST:PORT.
        count: how many there are.
        timeout: seconds that a worker waits for an answer of the others before it counts them as lost.
        restarts: how often lost workers are started anew, from the last checkpoint.
        threads: threads of each one, and the processors that are reserved for it.
        storage: a folder that all machines see, where the job and its checkpoint lie; needed where there are several.
        gpu: give each worker a GPU.

    Raises:
        ValueError: a setting out of its range.

    >>> Ray("10.0.0.1:6379", 4, storage="/shared")
    Ray(address='10.0.0.1:6379', count=4, timeout=90.0, restarts=3, threads=1, storage='/shared', gpu=False)
    """

    signalled: ClassVar[bool] = False
    address: str = AUTO
    count: int = 2
    timeout: float = TIMEOUT
    restarts: int = 3
    threads: int = 1
    storage: str | Path | None = None
    gpu: bool = False

    @property
    def elsewhere(self) -> bool:
        return True

    def share(self) -> int:
        return max(1, self.threads)

    def refuse_lack(self, device: torch.device) -> None:
        library("ray.train")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        within = None if self.storage is None else Path(self.storage).expanduser().absolute()
        if within is not None:
            try:
                within.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ValueError(f"storage={str(within)!r} cannot be used ({error.strerror}); name another") from None
        with temporary(within) as folder:
            yield folder

    def launch(self, folder: Path, threads: int) -> bool:
        with connected(self.address, self.count * threads) as ray:
            self._refuse_scattered(ray)
            self._tell_lack(ray, threads)
            with hearing(folder / SAID), environment(WATCHING):
                interrupted = self._run(folder, threads)
        raise_told(folder, self.count)
        return interrupted

    def _refuse_scattered(self, ray: Any) -> None:
        machines = sum(node["Alive"] for node in ray.nodes())
        if machines > 1 and self.storage is None:
            raise ValueError(
                f"the cluster at {self.address!r} has {machines} machines, which need a folder that all of them see; "
                "name one: storage= (--storage)"
            )

    def _tell_lack(self, ray: Any, threads: int) -> None:
        """Say that the fit waits for processors, which a cluster that grows will have."""
        for kind, needed in (("CPU", self.count * threads), ("GPU", self.count * self.gpu)):
            there = ray.cluster_resources().get(kind, 0)
            if there < needed:
                log.warning("the cluster has %d %ss and the fit waits for %d", there, kind, needed)

    def _run(self, folder: Path, threads: int) -> bool:
        """Run Ray Train, in a thread: it would take Ctrl-C for itself; say whether the user interrupted it."""
        failed: list[BaseException] = []

        def train() -> None:
            try:
                self._trainer(folder, threads).fit()
            except BaseException as error:
                failed.append(error)

        thread, interrupted = threading.Thread(target=train, name="isthmus-ray", daemon=True), False
        thread.start()
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                log.warning("interrupted; the epoch is ended first, Ctrl-C again ends it at once")
                (folder / STOP).touch()
        if failed and not isinstance(failed[0], library("ray.train").TrainingFailedError):
            raise failed[0]
        if failed and not interrupted:
            raise RuntimeError(
                f"workers on the cluster were lost {self.restarts + 1} times ({_last_line(failed[0])}); look for a "
                "lack of memory, and at Ray's own logs on their machines"
            )
        return interrupted

    def _trainer(self, folder: Path, threads: int) -> Any:
        train = library("ray.train")
        torchs = library("ray.train.torch")
        scaling = train.ScalingConfig(
            num_workers=self.count, use_gpu=self.gpu, resources_per_worker={"CPU": threads, "GPU": int(self.gpu)}
        )
        running = train.RunConfig(
            name="ray", storage_path=str(folder), failure_config=train.FailureConfig(max_failures=self.restarts)
        )
        group = torchs.TorchConfig("cpu:gloo,cuda:nccl" if self.gpu else "gloo", timeout_s=self.timeout)
        config = {"folder": str(folder), "here": str(Path.cwd())}
        return torchs.TorchTrainer(
            work, train_loop_config=config, torch_config=group, scaling_config=scaling, run_config=running
        )


def work(config: dict[str, str]) -> None:
    """Take part in a fit, as a worker that Ray Train has started and put into a group."""
    folder, rank = Path(config["folder"]), int(os.environ["RANK"])
    with suppress(OSError):  # paths of rows may be those of the process that fits
        os.chdir(config["here"])
    with open_said(folder, rank) as said, redirect_stderr(said):
        try:
            take_part(folder, rank)
        finally:
            # Whoever waits for this one is told at once that it is gone.
            leave()


def open_said(folder: Path, rank: int) -> io.TextIOBase:
    """Open what the first worker writes its words to; the others' go to Ray's own logs."""
    if rank == 0:
        return (folder / SAID).open("a", buffering=1, encoding="utf-8")
    return io.StringIO()


@contextmanager
def hearing(path: Path) -> Iterator[None]:
    """Repeat on stderr what is written to a file, while it is written."""
    over = threading.Event()

    def hear() -> None:
        place, last = 0, False
        while not last:
            last = over.wait(LOOKS)
            with suppress(OSError), path.open("rb") as file:
                file.seek(place)
                found = file.read()
                place += len(found)
                sys.stderr.write(found.decode(errors="replace"))
                sys.stderr.flush()

    thread = threading.Thread(target=hear, name="isthmus-hear", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
