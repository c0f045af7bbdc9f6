"""What answers requests, put together: models, the thread that asks them, and the application in front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isthmus.service import graphs, logs
from isthmus.service.api import api
from isthmus.service.guard import Guard
from isthmus.service.options import Options
from isthmus.service.registry import Registry
from isthmus.service.worker import Worker


@dataclass(frozen=True)
class Running:
    """A service that answers, whatever brings it requests.

    Attributes:
        guard: the ASGI application.
        registry: the models.
        worker: the thread that asks them.
    """

    guard: Guard
    registry: Registry
    worker: Worker

    @classmethod
    def of(cls, paths: Mapping[str, Path], options: Options, key: str | None) -> Running:
        """Load models, and look at their folders from now on; ``key`` is what callers have to show.

        Raises:
            ValueError: a folder that holds no model, or a damaged one.
        """
        logs.begin(options.log_level)
        metrics = logs.Metrics()
        registry = Registry(paths, metrics.reload, options.drift)
        worker = Worker(options.threads)
        registry.watch(options.reload, worker if options.graphs and graphs.available() else None)
        return cls(api(registry, worker, options.limits, metrics, key), registry, worker)

    def close(self) -> None:
        """End the threads."""
        self.registry.close()
        self.worker.close()
