"""The explorer as an application; the one module that needs FastAPI, imported where it is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from isthmus.service.explorer import Explorer

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Name(BaseModel):
    """What a concept is to be called; nothing takes its name away."""

    name: str


def app(explorer: Explorer) -> FastAPI:
    """Return the explorer as an application, which answers only to names of this machine."""
    made = FastAPI(title="isthmus explore", docs_url=None, redoc_url=None, openapi_url=None)

    @made.middleware("http")
    async def only_here(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        # A page elsewhere can point a name of its own at this machine, but not change what the browser then asks for.
        origin = request.headers.get("origin", "")
        if not _here(request.headers.get("host", "")) or (origin and not _here(origin.split("://")[-1])):
            return Response("this server answers to this machine only", status_code=403)
        return await answer(request)

    @made.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(explorer.html())

    @made.get("/blobs/{name:path}")
    def blob(name: str) -> Response:
        try:
            content = explorer.blob(name)
        except KeyError:
            raise HTTPException(404, f"the page holds no {name}") from None
        # The browser unpacks it on the way.
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @made.put("/concepts/{unit}", status_code=204)
    def rename(unit: int, body: Name) -> None:
        try:
            explorer.rename(unit, body.name)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    return made


def _here(host: str) -> bool:
    """Say whether a host, with a port or without, is this machine."""
    return host in LOOPBACK or host.rsplit(":", 1)[0] in LOOPBACK
