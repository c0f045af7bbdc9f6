"""Start workers on this machine, start lost ones anew, and bring back what went wrong in one of them."""

from __future__ import annotations

import builtins
import json
import logging
import os
import random  # noqa: TID251  (nothing is drawn from it here)
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.training.distributed import FAILED

if TYPE_CHECKING:
    from isthmus.training.workers import Devices

# Seconds after which a worker that was stopped (not killed) is taken for lost.
STOPPED = 3.0
LOOKS = 0.5
# Seconds that workers have to write a checkpoint when the user interrupts.
PARTING = 10
LOGS = tuple(f"torch.distributed.elastic.{name}.api" for name in ("agent.server", "multiprocessing"))
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")


def launch(devices: Devices, folder: Path, threads: int) -> bool:
    """Run the job in a folder on workers until it is done; say whether the user interrupted it.

    Raises:
        RuntimeError: a worker failed (the same exception where it is one of Python's own), or was lost too often.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices.count,
        run_id=folder.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=devices.restarts,
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "logs")),
        shutdown_timeout=PARTING,
    )
    interrupted = False
    with environment(threads), own_signals(), watched(folder):
        try:
            elastic_launch(config, sys.executable)("-P", "-m", "isthmus.training.worker", str(folder))
        except ChildFailedError as error:
            if not (folder / FAILED).exists():
                _, first = error.get_first_failure()
                raise RuntimeError(
                    f"workers were lost {devices.restarts + 1} times, the last one with exit code {first.exitcode}; "
                    "look at what it wrote above, or for a lack of memory"
                ) from None
        except SignalException as error:
            if error.sigval != signal.SIGINT:
                raise SystemExit(128 + error.sigval) from None
            interrupted = True
        except KeyboardInterrupt:
            interrupted = True
    raise_told(folder, devices.count)
    return interrupted


def raise_told(folder: Path, count: int) -> None:
    """Raise what went wrong in a worker of a job, where one has written it down."""
    failed = folder / FAILED
    if failed.exists():
        raise told(json.loads(failed.read_text()), count)


def told(found: dict[str, Any], count: int) -> Exception:
    """Return the exception of a worker: one of Python's own as it is, any other as a RuntimeError that names it."""
    kind = getattr(builtins, found["type"], None)
    where = f"worker {found['rank']} of {count}"
    if isinstance(kind, type) and issubclass(kind, Exception):
        with suppress(Exception):
            error: Exception = kind(found["message"])
            error.add_note(f"in {where}:\n{found['traceback']}")
            return error
    error = RuntimeError(f"{where} failed with {found['type']}: {found['message']}")
    error.add_note(found["traceback"])
    return error


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """Let workers find what this process can import, and know their threads before torch is loaded.

    The launcher draws a delay from Python's own generator, which is put back as well, and warns of every signal that it
    passes on.
    """
    before, drawn = dict(os.environ), random.getstate()
    levels = {log: log.level for log in map(logging.getLogger, LOGS)}
    for log in levels:
        log.setLevel(logging.ERROR)
    paths = [path or str(Path.cwd()) for path in sys.path]
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(threads)}
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
        random.setstate(drawn)
        for log, level in levels.items():
            log.setLevel(level)


@contextmanager
def own_signals() -> Iterator[None]:
    """Put back the handlers of signals that the launcher replaces."""
    main = threading.current_thread() is threading.main_thread()
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)] if main else []
    before = {number: signal.getsignal(number) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Kill workers that stay stopped, so that they are started anew; a killed one the launcher notices itself."""
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder, over), name="isthmus-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _watch(folder: Path, over: threading.Event) -> None:
    looks: dict[int, int] = {}
    while not over.wait(LOOKS):
        for path in folder.glob("pid.*"):
            with suppress(OSError, ValueError):
                pid = int(path.name.removeprefix("pid."))
                # Looks are counted, not seconds: this process may have been stopped too.
                looks[pid] = looks.get(pid, 0) + 1 if stopped(pid) else 0
                if looks[pid] >= STOPPED / LOOKS:
                    os.kill(pid, signal.SIGKILL)


def stopped(pid: int) -> bool:
    """Say whether a child of this process is stopped by a signal; where the system cannot tell, it is not.

    Raises:
        ChildProcessError: it is no child of this process.
    """
    if not hasattr(os, "waitid"):
        return False
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED
