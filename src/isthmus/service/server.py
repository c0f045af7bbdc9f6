"""The process that serves: a socket, an HTTP server that ends without losing what it accepted, and its log."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from isthmus.service import graphs, logs
from isthmus.service.api import api
from isthmus.service.guard import Guard, Limits
from isthmus.service.registry import Registry
from isthmus.service.worker import Worker

LINGER, BACKLOG = 1.0, 2048


@dataclass
class Settings:
    """How to serve.

    Attributes:
        host, port: where; port 0 is any that is free.
        limits: of a request.
        key: what callers have to show.
        threads: of torch.
        reload: seconds between two looks at the folders; 0 never looks.
        level: the least that is logged.
        graphs: let ONNX graphs answer, where the extra is there.
        alpha: chance that drift is told of where there is none; 0 compares no rows.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    limits: Limits = field(default_factory=Limits)
    key: str | None = None
    threads: int = 1
    reload: float = 1.0
    level: str = "info"
    graphs: bool = True
    alpha: float = 0.01


class Server(uvicorn.Server):
    """uvicorn's server; at its end no connection is closed on which a request may be under way."""

    guard: Guard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, tell callers with each answer that it is the last, and wait for those that are to come."""
        self.guard.draining = True
        await asyncio.sleep(0)  # what the kernel has accepted is ours
        for server in self.servers:
            server.close()
        # A caller that keeps its connection may have sent a request that is not read yet.
        end = asyncio.get_running_loop().time() + LINGER
        while self.server_state.connections and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Count a stop by SIGTERM as a success."""
        with super().capture_signals():
            yield
            self._captured_signals = [one for one in self._captured_signals if one != signal.SIGTERM]


def serve(paths: Mapping[str, Path], settings: Settings) -> None:
    """Serve models until somebody interrupts, and say where.

    Args:
        paths: folders of saved models by name.
        settings: how.

    Raises:
        OSError: another program has the port, or there is no such host.
        ValueError: a folder that holds no model, or a damaged one.
    """
    logs.begin(settings.level)
    metrics = logs.Metrics()
    with bound(settings.host, settings.port) as listening:
        registry = Registry(paths, metrics.reload, settings.alpha)
        listening.listen(BACKLOG)
        worker = Worker(settings.threads)
        guard = api(registry, worker, settings.limits, metrics, settings.key)
        registry.watch(settings.reload, worker if settings.graphs and graphs.available() else None)
        config = uvicorn.Config(
            guard, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False
        )
        server = Server(config)
        server.guard = guard
        host, port = listening.getsockname()[:2]
        print(
            f"http://{f'[{host}]' if ':' in host else host}:{port}/ serves {', '.join(paths)} (Ctrl-C ends it)",
            flush=True,
        )
        try:
            server.run(sockets=[listening])
        finally:
            registry.close()
            worker.close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address.

    Raises:
        OSError: it is taken, or there is none.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        raise OSError(f"cannot listen at {host}:{port} ({error.strerror}); choose another --port") from None
    return made
