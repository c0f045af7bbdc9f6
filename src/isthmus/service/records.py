"""The own routes, which speak records: plain functions from a body to an answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from isthmus.service.bodies import as_it_is, parsed, refuse_strange, switch, whole
from isthmus.service.refusal import Refused, shown
from isthmus.service.registry import Registry
from isthmus.service.served import Answer, Rows, Served
from isthmus.service.worker import Worker

Read = Callable[[str, Any], Any]
SEED = 2**31 - 1
# What each route takes beside rows and the model's name.
OPTIONS: dict[str, dict[str, Read]] = {
    "score": {"reasons": whole(0, 100)},
    "explain": {"against": as_it_is},
    "reconstruct": {},
    "impute": {},
    "sample": {"n": whole(1, SEED), "seed": whole(0, SEED), "mean": switch},
    "predict": {"reasons": whole(0, 100)},
}


def answer(
    registry: Registry, worker: Worker, route: str, body: bytes, model: str | None, most: int
) -> tuple[Future[Answer], int, str]:
    """Ask a question about rows, and say about how many, and of which model.

    Raises:
        Refused: what is wrong with the question.
    """
    asked = parsed(body)
    named = model if asked.get("model") is None else asked["model"]
    if model is not None and named != model:
        registry.get(model)  # one that is not there is refused as such
        raise Refused(422, f"the body names {shown(named)}, and the address {shown(model)}; name one model")
    served = registry.get(named)
    rows, options = question(served, route, asked, most)
    waiting = worker.submit(served, served.routes[route], rows, **options)
    return waiting, options.get("n", 1) if rows is None else len(rows), named or next(iter(registry.entries))


def question(served: Served, route: str, body: dict[str, Any], most: int) -> tuple[Rows | None, dict[str, Any]]:
    """Read the rows and options of a question.

    Raises:
        Refused: the model does not answer it, or what it is asked of is not like the rows of the fit.
    """
    if route not in served.routes:
        can = ", ".join(f"/v1/{name}" for name in served.routes)
        why = "of complete numbers " if route == "impute" and served.kind != "detector" else ""
        raise Refused(404, f"{article(served.kind)} {why}does not answer /v1/{route}; ask {can}")
    known = OPTIONS[route] if route != "explain" or served.kind == "self-explaining" else {}
    has_rows = route != "sample"
    refuse_strange(body, ["rows", "model", *known] if has_rows else ["model", *known], f"/v1/{route}")
    options = {name: read(name, body[name]) for name, read in known.items() if body.get(name) is not None}
    if not has_rows:
        refuse_many(options.get("n", 1), most)
        return None, options
    if "rows" not in body:
        raise Refused(422, "the body has no 'rows'; give a list of rows, at least one")
    if isinstance(body["rows"], list):
        refuse_many(len(body["rows"]), most)
    return served.rows(body["rows"]), options


def refuse_many(rows: int, most: int) -> None:
    """Refuse more rows than are answered at once.

    Raises:
        Refused: there are more.
    """
    if rows > most:
        raise Refused(413, f"{rows:,} rows are asked for at once, and this server answers {most:,}; send them in parts")


def article(kind: str) -> str:
    """Return what a kind of model is called."""
    return {"autoencoder": "an autoencoder", "detector": "a detector"}.get(kind, "a self-explaining model")


def models(registry: Registry) -> Answer:
    """Return what is served: names, kinds, columns, routes."""
    return {"models": [described(name, entry.served) for name, entry in registry.entries.items()]}


def described(name: str, served: Served) -> Answer:
    """Return what is known of a model."""
    columns = [
        {"name": field.name, "kind": field.told["kind"], "type": field.type, "missing": field.nullable}
        | ({"levels": list(field.told["levels"])} if field.told.get("levels") and "buckets" not in field.told else {})
        for field in served.columns.fields
    ]
    found: Answer = {"name": name, "kind": served.kind, "routes": [f"/v1/{route}" for route in served.routes]}
    return found | {"columns": columns, "shape": list(served.columns.shape), "example": served.columns.example()}
