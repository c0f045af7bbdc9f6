"""What stands before every route: ids, the key, limits of size and time, one line of log and one count per request."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from isthmus.service.logs import LOG, Metrics, request_id
from isthmus.service.refusal import Refused, brief

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Route = Callable[[HttpRequest], Awaitable[Response]]
OPEN = ("/v2/health/live", "/v2/health/ready")


@dataclass
class Limits:
    """What one request may take.

    Attributes:
        body: bytes of its body.
        rows: rows that it asks about.
        seconds: from its first byte to its answer.
    """

    body: int = 10_000_000
    rows: int = 10_000
    seconds: float = 30.0


@dataclass
class Request:
    """What is known of a request when it is over; its route fills in what it was about."""

    id: str
    route: str = "other"
    model: str = ""
    rows: int = 0
    status: int = 0
    begun: float = field(default_factory=time.perf_counter)


class Guard:
    """An ASGI application around another.

    Args:
        app: what answers.
        limits: of a request.
        metrics: where requests are counted.
        key: what callers have to show; None lets everybody in.
    """

    def __init__(self, app: App, limits: Limits, metrics: Metrics, key: str | None = None) -> None:
        """Keep a digest of the key."""
        self.app, self.limits, self.metrics = app, limits, metrics
        self._key = None if key is None else hashlib.sha256(key.encode()).digest()
        self.draining = False
        self.hot: dict[str, Route] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        request = scope["isthmus"] = Request(request_id(headers.get(b"x-request-id", b"").decode("latin-1")))

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request.id.encode())]
                if self.draining or request.status in (408, 413):  # what is left of a body is not read
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._within_time(scope, headers, receive, answer)
        except Refused as refused:
            await refuse(answer, refused, scope["path"])
        finally:
            self._told(scope, request)

    async def _within_time(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """Let the application answer.

        Raises:
            Refused: no key, too much of a body, a packed one, or too late.
        """
        self._refuse_stranger(scope["path"], headers)
        body: bytes | None = None
        try:
            async with asyncio.timeout(self.limits.seconds):
                body = await self._body(headers, receive)
                refuse_packed(body, headers)
                again, route = replayed(body, receive), self.hot.get(scope["path"])
                if route is None or scope["method"] != "POST":
                    await self.app(scope, again, send)
                else:
                    await (await route(HttpRequest(scope, again)))(scope, again, send)
        except TimeoutError:
            late = f"within {self.limits.seconds:g} seconds"
            if body is None:
                raise Refused(408, f"the body did not arrive {late}; send it faster, or in parts") from None
            raise Refused(503, f"the answer was not ready {late}; ask about fewer rows, or again later") from None

    def _refuse_stranger(self, path: str, headers: dict[bytes, bytes]) -> None:
        if self._key is None or path in OPEN:
            return
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        shown = shown.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        # Digests are of one length, so that the time of the comparison tells nothing.
        if not hmac.compare_digest(hashlib.sha256(shown).digest(), self._key):
            raise Refused(
                401, "the key is missing or another one; send it as Authorization: Bearer KEY, or X-API-Key: KEY"
            )

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read a body, in chunks too, no further than it may go."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self.limits.body:
            self._refuse_large()
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the connection was closed before the body was there")
            part = message.get("body", b"")
            size += len(part)
            if size > self.limits.body:
                self._refuse_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _refuse_large(self) -> None:
        raise Refused(413, f"the body has more than {self.limits.body:,} bytes; send the rows in parts")

    def _told(self, scope: Scope, request: Request) -> None:
        seconds = time.perf_counter() - request.begun
        self.metrics.request(request.route, request.status, seconds, request.rows, request.model)
        LOG.info(
            "request",
            extra={
                "request_id": request.id,
                "method": scope["method"],
                "path": scope["path"],
                "status": request.status,
                "seconds": round(seconds, 6),
                "rows": request.rows,
            },
        )


def refuse_packed(body: bytes, headers: dict[bytes, bytes]) -> None:
    """Refuse a body that has to be unpacked, as nobody knows how large it is then.

    Raises:
        Refused: it is packed.
    """
    coding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if body and coding.lower() not in ("", "identity"):
        raise Refused(415, f"the body is packed ({brief(coding)}); send it as it is, without Content-Encoding")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, and then goes on."""
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return given.pop() if given else await receive()

    return again


async def refuse(send: Send, refused: Refused, path: str) -> None:
    """Send a refusal."""
    body = content(refused.detail, path)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def content(detail: str, path: str) -> bytes:
    """Return the body of a refusal; the protocol's own field is there too where the protocol is spoken."""
    return json.dumps({"detail": detail} | ({"error": detail} if path.startswith("/v2") else {})).encode()
