"""The routes of the service as an application; imported where models are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from isthmus.service import drift, openapi, protocol, records
from isthmus.service.guard import Guard, Limits, content
from isthmus.service.logs import LOG, Metrics
from isthmus.service.refusal import Refused, named
from isthmus.service.registry import Registry
from isthmus.service.served import Answer
from isthmus.service.worker import LARGE, Worker, aside

Route = Callable[[Request], Awaitable[Response]]


def api(registry: Registry, worker: Worker, limits: Limits, metrics: Metrics, key: str | None = None) -> Guard:
    """Return the service as an ASGI application."""
    app = FastAPI(title="isthmus serve", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    guard = Guard(app, limits, metrics, key)
    metrics.registry.register(drift.Gauges(registry))

    def get(path: str, found: Callable[[Request], Answer | Response]) -> None:
        async def route(request: Request) -> Response:
            made = found(request)
            return made if isinstance(made, Response) else reply(made)

        app.add_route(path, told(path, route), ["GET"])

    def ready(request: Request) -> Answer | Response:
        return reply({"ready": False}, 503) if guard.draining else {"ready": True}

    def model_ready(request: Request) -> Answer:
        name = request.path_params["name"]
        registry.get(name)
        return {"name": name, "ready": True}

    def model_metadata(request: Request) -> Answer:
        name = request.path_params["name"]
        return protocol.metadata(name, registry.get(name))

    get("/v2/health/live", lambda request: {"live": True})
    get("/v2/health/ready", ready)
    get("/v2", lambda request: protocol.server())
    get("/v2/models/{name}", model_metadata)
    get("/v2/models/{name}/ready", model_ready)
    get("/v1/drift", lambda request: drift.answer(registry, request.query_params.get("model")))
    get("/v1/models", lambda request: records.models(registry))
    get("/metrics", lambda request: Response(metrics.text(), media_type="text/plain; version=0.0.4"))
    get("/openapi.json", lambda request: openapi.schema(registry, limits, key is not None))
    # What is asked most is found at once; routers of the library try one route after another, in several layers.
    guard.hot |= {f"/v1/{name}": told(f"/v1/{name}", asked(name, registry, worker, limits)) for name in records.OPTIONS}
    app.add_route("/v2/models/{name}/infer", told("/v2/models/{name}/infer", infer(registry, worker, limits)), ["POST"])
    for name in records.OPTIONS:
        app.add_route(f"/v1/{name}", guard.hot[f"/v1/{name}"], ["POST"])
    app.add_exception_handler(HTTPException, no_route)  # type: ignore[arg-type]
    return guard


def asked(name: str, registry: Registry, worker: Worker, limits: Limits) -> Route:
    """Return a route that speaks records."""

    async def route(request: Request) -> Response:
        body, model = await request.body(), request.query_params.get("model")
        waiting, rows, known = await aside(len(body), records.answer, registry, worker, name, body, model, limits.rows)
        found = await asyncio.wrap_future(waiting)
        request.scope["isthmus"].rows, request.scope["isthmus"].model = rows, known
        return await aside(rows * LARGE // 200, reply, found)

    return route


def infer(registry: Registry, worker: Worker, limits: Limits) -> Route:
    """Return the route that speaks tensors."""

    async def route(request: Request) -> Response:
        body, name = await request.body(), request.path_params["name"]
        waiting, rows, finish = await aside(len(body), protocol.infer, registry, worker, name, body, limits.rows)
        found = await asyncio.wrap_future(waiting)
        request.scope["isthmus"].rows, request.scope["isthmus"].model = rows, name
        return await aside(rows * LARGE // 200, lambda: reply(finish(found)))

    return route


def told(path: str, route: Route) -> Route:
    """Return a route whose refusals are JSON, and that tells the log which one it is."""

    async def answered(request: Request) -> Response:
        request.scope["isthmus"].route = path
        try:
            return await route(request)
        except Refused as refused:
            return refusal(refused.status, refused.detail, request)
        except ValueError as error:  # what the estimator itself says no to
            return refusal(422, named(error), request)
        except Exception:
            seen = request.scope["isthmus"]
            LOG.exception("failed", extra={"request_id": seen.id})
            return refusal(500, f"the server failed; its log says how, under the request id {seen.id}", request)

    return answered


def reply(answer: Any, status: int = 200) -> Response:
    """Return an answer as JSON."""
    return Response(json.dumps(answer, allow_nan=False), status, media_type="application/json")


def refusal(status: int, detail: str, request: Request) -> Response:
    """Return a refusal as JSON."""
    return Response(content(detail, request.url.path), status, media_type="application/json")


async def no_route(request: Request, error: HTTPException) -> Response:
    """Say what to do about a path or a method that is none."""
    detail = f"there is no {request.url.path[:60]!r} here; GET /openapi.json lists what there is"
    if error.status_code == 405:
        detail = f"{request.method} is not for {request.url.path[:60]!r}; GET /openapi.json says what is"
    made = refusal(error.status_code, detail, request)
    made.headers.update(error.headers or {})
    return made
