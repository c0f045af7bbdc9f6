"""The process that serves: a socket, an HTTP server that ends without losing what it accepted, and its log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvicorn

from isthmus.service.guard import Guard
from isthmus.service.options import Options
from isthmus.service.running import Running

LINGER, BACKLOG = 1.0, 2048


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


def serve(paths: Mapping[str, Path], options: Options, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve models until somebody interrupts, and say where.

    Args:
        paths: folders of saved models by name.
        options: how they answer.
        host: address to listen at.
        port: of the address; 0 is any that is free.

    Raises:
        OSError: another program has the port, or there is no such host.
        ValueError: a folder that holds no model, or a damaged one, or an empty key.
    """
    key = options.key()
    with bound(host, port) as listening:
        running = Running.of(paths, options, key)
        listening.listen(BACKLOG)
        # No request takes longer than its limit, but a caller that stops reading would be waited for.
        config = uvicorn.Config(
            running.guard,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=math.ceil(options.timeout) + 1,
        )
        server = Server(config)
        server.guard = running.guard
        host, port = listening.getsockname()[:2]
        print(
            f"http://{f'[{host}]' if ':' in host else host}:{port}/ serves {', '.join(paths)} (Ctrl-C ends it)",
            flush=True,
        )
        try:
            server.run(sockets=[listening])
        finally:
            running.close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address.

    Raises:
        OSError: it is taken, or there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name"
        raise OSError(f"there is no host {host!r} ({why}); choose another --host") from None
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        option = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
        raise OSError(f"cannot listen at {host}:{port} ({error.strerror}); choose another {option}") from None
    return made
