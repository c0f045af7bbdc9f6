"""One worker of a fit on several processes: ``python -m isthmus.training.worker FOLDER``, started by the launcher."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from isthmus.training.distributed import take_part
from isthmus.training.group import Broken


def main(folder: Path) -> None:
    """Run the job; what is wrong with it ends the fit, and a lost neighbour starts all workers anew."""
    (folder / f"pid.{os.getpid()}").touch()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    signal.signal(signal.SIGINT, _once)
    rank = int(os.environ["RANK"])
    try:
        take_part(folder, rank)
    except Broken as error:
        # Another attempt may do better; its trace would say where it waited, which nobody asks.
        print(f"worker {rank}: {error}", file=sys.stderr)
        os._exit(1)
    # All is written. What libraries' threads do while the interpreter is taken down may abort the process, which would
    # start all workers anew.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _once(number: int, frame: Any) -> None:
    """Interrupt the fit, which then writes a checkpoint undisturbed."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with(parent: int) -> None:
    """End when the process that started this one is gone, so that no worker outlives its fit."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
