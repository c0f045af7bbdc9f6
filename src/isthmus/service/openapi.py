"""The description of the service by OpenAPI, with the columns and examples of the models that are served."""

from __future__ import annotations

import re
from typing import Any

import isthmus
from isthmus.data.columns.facts import GREATEST
from isthmus.service import protocol
from isthmus.service.fields import Field
from isthmus.service.guard import Limits
from isthmus.service.records import OPTIONS
from isthmus.service.registry import Registry
from isthmus.service.served import Served

Schema = dict[str, Any]
JSON_TYPES = {"number": ["number"], "text": ["string"], "date": ["string"], "truth": ["boolean"]}
SUMMARIES = {
    "score": "How likely or strange rows are, and why",
    "explain": "What every column or concept adds",
    "reconstruct": "What comes back of rows from their codes",
    "impute": "Rows with their missing cells filled",
    "sample": "New rows",
    "predict": "Predictions, and the concepts that decide",
}
OPTION_SCHEMAS: Schema = {
    "reasons": {"type": "integer", "minimum": 0, "maximum": 100, "description": "how many per row; 0 is faster"},
    "against": {"description": "the class that each prediction is explained against"},
    "n": {"type": "integer", "minimum": 1, "description": "how many rows"},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "description": "that of the fit if not given"},
    "mean": {"type": "boolean", "description": "expected values, or values drawn"},
}
PARAMETER = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
PLAIN = {
    "/v2/health/live": "Whether the server runs",
    "/v2/health/ready": "Whether it takes requests",
    "/v2": "What server this is",
    "/v2/models/{name}": "Inputs and outputs of a model",
    "/v2/models/{name}/ready": "Whether a model answers",
    "/v1/models": "What is served: kinds, columns, routes",
}


def schema(registry: Registry, limits: Limits, locked: bool) -> Schema:
    """Return the whole description."""
    served = {name: entry.served for name, entry in registry.entries.items()}
    paths = {path: {"get": operation(summary, path)} for path, summary in PLAIN.items()}
    metrics = {
        "200": {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    name = {"name": "model", "in": "query", "schema": {"type": "string", "enum": list(served)}}
    paths["/v1/drift"] = {"get": operation("What has moved since the fit", "/v1/drift") | {"parameters": [name]}}
    paths["/metrics"] = {"get": {"summary": "Metrics", "responses": metrics | refusals()}}
    for route in OPTIONS:
        able = {name: one for name, one in served.items() if route in one.routes}
        if able:
            paths[f"/v1/{route}"] = {"post": asking(route, able, limits, len(served) > 1)}
    paths["/v2/models/{name}/infer"] = {"post": inferring(served)}
    found: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "isthmus serve", "version": isthmus.__version__},
        "paths": paths,
    }
    refused = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
    found["components"] = {"schemas": {"Refusal": refused} | {row_of(name): row(one) for name, one in served.items()}}
    if locked:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
    return found


def row_of(name: str) -> str:
    """Return what a row of a model is called, in the letters that such names may have.

    >>> row_of("two words"), row_of("a-1")
    ('Row_of_two_20_words', 'Row_of_a-1')
    """
    return "Row_of_" + re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}_", name)


def operation(summary: str, path: str) -> Schema:
    """Return a question without a body."""
    found: Schema = {"summary": summary, "responses": answers()}
    return found | ({"parameters": [PARAMETER]} if "{name}" in path else {})


def answers() -> Schema:
    """Return the answer of every route."""
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"200": {"description": "the answer", "content": content}} | refusals()


def refusals() -> Schema:
    """Return what requests at fault are told."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    late = {"description": "not ready, too late, or a failure that is no fault of the request", "content": content}
    return {"4XX": {"description": "culprit, reason and remedy", "content": content}, "5XX": late}


def asking(route: str, able: dict[str, Served], limits: Limits, several: bool) -> Schema:
    """Return a question that speaks records, with an example for each model."""
    bodies = [questioned(route, name, one, limits, several) for name, one in able.items()]
    body = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
    examples = {name: {"value": example(route, name, one, several)} for name, one in able.items()}
    told = f"one of {', '.join(able)}, where the body names none"
    model = {"name": "model", "in": "query", "schema": {"type": "string"}, "description": told}
    content = {"application/json": {"schema": body, "examples": examples}}
    return {
        "summary": SUMMARIES[route],
        "parameters": [model],
        "requestBody": {"required": True, "content": content},
        "responses": answers(),
    }


def questioned(route: str, name: str, served: Served, limits: Limits, several: bool) -> Schema:
    """Return the body of a question to a model."""
    known = OPTIONS[route] if route != "explain" or served.kind == "self-explaining" else {}
    properties: Schema = {"model": {"type": "string", "const": name}}
    properties |= {option: OPTION_SCHEMAS[option] for option in known}
    if getattr(served, "classes", None) is not None and "against" in properties:
        labels = [str(label) if isinstance(label, str) else label for label in served.classes]  # type: ignore[attr-defined]
        properties["against"] = OPTION_SCHEMAS["against"] | {"enum": labels}
    if "n" in properties:
        properties["n"] = OPTION_SCHEMAS["n"] | {"maximum": limits.rows}
    required = ["model"] if several else []
    if route != "sample":
        one = {"$ref": f"#/components/schemas/{row_of(name)}"}
        properties["rows"] = {"type": "array", "minItems": 1, "maxItems": limits.rows, "items": one}
        required.append("rows")
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def example(route: str, name: str, served: Served, several: bool) -> Schema:
    """Return the body of a request to a model."""
    body: Schema = {"n": 2} if route == "sample" else {"rows": [served.columns.example()]}
    return ({"model": name} if several else {}) | body


def row(served: Served) -> Schema:
    """Return what a row of a model is."""
    columns = served.columns
    if not columns.named and columns.codec is None:
        found: Schema = cell(columns.fields[0])
        found.pop("examples")
        for size in reversed(columns.shape):
            found = {"type": "array", "minItems": size, "maxItems": size, "items": found}
        return found
    return {
        "type": "object",
        "properties": {field.name: cell(field) for field in columns.fields},
        "required": columns.names,
        "additionalProperties": False,
        "examples": [columns.example()],
    }


def cell(field: Field) -> Schema:
    """Return what a cell of a column is."""
    kinds = JSON_TYPES.get(field.type, ["number", "string", "boolean"]) + (["null"] if field.nullable else [])
    found: Schema = {"type": kinds, "examples": [field.example]}
    if "number" in kinds:
        found |= {"minimum": -GREATEST, "maximum": GREATEST}
    if field.told["kind"] == "count":
        found |= {"type": ["integer", *kinds[1:]], "minimum": 0}
    if field.type == "date":
        found["description"] = f"a date as {field.told['format']}"
        found |= (
            {"format": "date"} if field.told["format"] == "%Y-%m-%d" else {"pattern": pattern(field.told["format"])}
        )
    levels = field.told.get("levels")
    if levels and "buckets" not in field.told:
        found["description"] = f"one of {', '.join(map(str, levels[:8]))}{', ...' if len(levels) > 8 else ''}"
    return found


def pattern(form: str) -> str:
    """Return a regular expression of the dates of a format, of days that every month has."""
    two = {"%m": "(0[1-9]|1[0-2])", "%d": "(0[1-9]|1[0-9]|2[0-8])", "%H": "([01][0-9]|2[0-3])"}
    found = re.escape(form.replace("%", "\0")).replace("\0", "%").replace("\\%", "%")
    for code, digits in {"%Y": "[12][0-9]{3}", **two, "%M": "[0-5][0-9]", "%S": "[0-5][0-9]", "%f": "[0-9]{6}"}.items():
        found = found.replace(code, digits)
    return f"^{found}$"


def inferring(served: dict[str, Served]) -> Schema:
    """Return a question that speaks tensors, with an example for each model."""
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "data": {"type": "array"},
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    named = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    properties = {"id": {"type": "string"}, "inputs": {"type": "array", "items": tensor, "minItems": 1}}
    body = {
        "type": "object",
        "properties": properties | {"outputs": {"type": "array", "items": named}},
        "required": ["inputs"],
    }
    examples = {name: {"value": {"inputs": tensors(one)}} for name, one in served.items()}
    return {
        "summary": "Answers of a model as tensors",
        "parameters": [PARAMETER],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "examples": examples}}},
        "responses": answers(),
    }


def tensors(served: Served) -> list[Schema]:
    """Return the inputs of an example, of one row."""
    found, columns = [], served.columns
    for tensor in protocol.inputs(served):
        cells = [field.example for field in columns.fields if field.name == tensor.name]
        data = cells if tensor.name != protocol.CELLS or cells else [field.example for field in columns.fields]
        found.append(tensor.to_dict() | {"shape": [1, *tensor.shape[1:]], "data": data})
    return found
