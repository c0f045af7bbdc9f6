"""What ``fit(X, devices=...)`` may be given: how many workers train together, and where they are started."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import torch

from isthmus.training.threads import given_threads

TIMEOUT = 90.0


class Workers(ABC):
    """Processes that train together: a kind says how they are started, and what all of them run is the same.

    ``signalled`` says that a signal of the user reaches them.
    """

    signalled: ClassVar[bool] = True
    count: int
    timeout: float
    restarts: int
    threads: int

    def __post_init__(self) -> None:
        """Check the settings."""
        kind = type(self).__name__
        for name, least in (("count", 1), ("restarts", 0), ("threads", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise ValueError(f"{kind}: {name}={value!r} is no number of these; give a whole number from {least} up")
        if not self.timeout > 0:
            raise ValueError(f"{kind}: timeout={self.timeout!r} is no time; give seconds above 0")

    @property
    @abstractmethod
    def elsewhere(self) -> bool:
        """Whether other processes than this one train."""

    @abstractmethod
    def share(self) -> int:
        """Return the threads of each worker."""

    @abstractmethod
    def refuse_lack(self, device: torch.device) -> None:
        """Refuse a fit for which there are too few devices, before any work is done.

        Raises:
            ValueError: there are.
        """

    @abstractmethod
    def folder(self) -> AbstractContextManager[Path]:
        """Give a folder for the job that all workers see, and take it away at the end."""

    @abstractmethod
    def launch(self, folder: Path, threads: int) -> bool:
        """Run the job in a folder on workers until it is done; say whether the user interrupted it.

        Raises:
            RuntimeError: a worker failed (the same exception where it is one of Python's own), or was lost too often.
        """


@dataclass(frozen=True)
class Devices(Workers):
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

    @property
    def elsewhere(self) -> bool:
        return self.count > 1

    def share(self) -> int:
        return self.threads or max(1, given_threads() // self.count)

    def refuse_lack(self, device: torch.device) -> None:
        if device.type == "cuda" and torch.cuda.device_count() < self.count:
            raise ValueError(
                f"devices={self.count} needs as many CUDA devices, and there are {torch.cuda.device_count()}; lower "
                "it, or use device='cpu'"
            )

    def folder(self) -> AbstractContextManager[Path]:
        return temporary()

    def launch(self, folder: Path, threads: int) -> bool:
        from isthmus.training.launch import launch

        return launch(self, folder, threads)


@contextmanager
def temporary(within: Path | None = None) -> Iterator[Path]:
    """Give a new folder, in that of the system or ``within`` another one, and take it away at the end."""
    with TemporaryDirectory(prefix="isthmus-", dir=within, ignore_cleanup_errors=True) as name:
        yield Path(name)
