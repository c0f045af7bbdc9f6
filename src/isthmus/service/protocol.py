"""The Open Inference Protocol, version 2: plain functions from a body of tensors to a body of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

import isthmus
from isthmus.data.record import Array
from isthmus.service.bodies import parsed, refuse_strange
from isthmus.service.columns import flattened
from isthmus.service.fields import Field, listed
from isthmus.service.records import refuse_many
from isthmus.service.refusal import Refused, brief, closest, shown
from isthmus.service.registry import Registry
from isthmus.service.served import Answer, Rows, Served, Tensor
from isthmus.service.worker import Worker

CELLS = "rows"
INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
NUMBERS = INTEGERS | {"FP16", "FP32", "FP64"}
# What a column's tensor may be, the one that metadata name first.
DATATYPES = {
    "number": ("FP64", *sorted(NUMBERS - {"FP64"})),
    "text": ("BYTES",),
    "date": ("BYTES",),
    "truth": ("BOOL",),
    "any": ("BYTES", "BOOL", *sorted(NUMBERS)),
}


def server() -> Answer:
    """Return what this server is."""
    return {"name": "isthmus", "version": isthmus.__version__, "extensions": []}


def metadata(name: str, served: Served) -> Answer:
    """Return a model's inputs and outputs; of a table one tensor per column, which ``rows`` can stand for."""
    return {
        "name": name,
        "versions": ["1"],
        "platform": "isthmus",
        "inputs": [tensor.to_dict() for tensor in inputs(served)],
        "outputs": [tensor.to_dict() for tensor in served.outputs.values()],
    }


def inputs(served: Served) -> list[Tensor]:
    """Return the inputs that metadata name."""
    if not served.columns.named:
        return [Tensor(CELLS, "FP64", (-1, *served.columns.shape))]
    return [Tensor(field.name, DATATYPES[field.type][0], (-1,)) for field in served.columns.fields]


def infer(
    registry: Registry, worker: Worker, name: str, body: bytes, most: int
) -> tuple[Future[Answer], int, Callable[[Answer], Answer]]:
    """Ask a model about tensors; say about how many rows, and how the answer is written.

    Raises:
        Refused: what is wrong with it.
    """
    request, served = parsed(body), registry.get(name)
    refuse_strange(request, ("id", "parameters", "inputs", "outputs"), "an inference request")
    asked, wanted = request.get("id"), outputs(served, request.get("outputs"))
    if asked is not None and not isinstance(asked, str):
        raise Refused(422, f"'id' is {shown(asked)}; give text, or leave it out")
    rows = Rows(served.columns, cells_of(served, request.get("inputs"), most), [])

    def finish(found: Answer) -> Answer:
        told = [written(served.outputs[each], found[each]) for each in wanted]
        return {"model_name": name, "model_version": "1"} | ({} if asked is None else {"id": asked}) | {"outputs": told}

    return worker.submit(served, served.tensors, rows, wanted=wanted), len(rows), finish


def outputs(served: Served, asked: Any) -> tuple[str, ...]:
    """Return the names of the outputs that are asked for: all, where none are named."""
    if asked is None or asked == []:
        return tuple(served.outputs)
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise Refused(422, f"'outputs' is {shown(asked)}; give a list of objects with a name, or leave it out")
    names = [item.get("name") for item in asked]
    for name in names:
        if not isinstance(name, str) or name not in served.outputs:
            raise Refused(422, f"there is no output {shown(name)}; {closest(name, served.outputs)}")
    return tuple(dict.fromkeys(map(str, names)))


def written(tensor: Tensor, values: Any) -> Answer:
    """Return an output; values that are no numbers are null."""
    found = np.asarray(values)
    data = [str(value) for value in found.tolist()] if tensor.datatype == "BYTES" else listed(found.ravel())
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(found.shape), "data": data}


def cells_of(served: Served, given: Any, most: int) -> Array:
    """Return the cells of tensors: one of cells, or one for each column of a table.

    Raises:
        Refused: other tensors than those.
    """
    by_name, columns = tensors(given), served.columns
    if CELLS in by_name and (len(by_name) == 1 and columns.names != [CELLS]):
        found = cells(served, by_name[CELLS], most)
        columns.refuse_cells(found)
        return found
    refuse_other_columns(by_name, columns.names)
    read = {name: column(field, by_name[name], most) for name, field in zip(columns.names, columns.fields, strict=True)}
    sizes = {name: len(values) for name, values in read.items()}
    first = next(iter(sizes))
    other = next((name for name in sizes if sizes[name] != sizes[first]), None)
    if other is not None:
        raise Refused(422, f"{first!r} has {sizes[first]} rows and {other!r} has {sizes[other]}; give the same rows")
    return columns.of_values(list(read.values()))


def tensors(given: Any) -> dict[str, dict[str, Any]]:
    """Return the tensors of a request by name.

    Raises:
        Refused: something else, or two of one name.
    """
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise Refused(422, f"'inputs' is {shown(given)}; give a list of tensors, at least one")
    by_name: dict[str, dict[str, Any]] = {}
    for item in given:
        name = item.get("name")
        refuse_strange(item, ("name", "shape", "datatype", "data", "parameters"), "a tensor")
        if not isinstance(name, str) or name in by_name:
            raise Refused(422, f"the name of a tensor is {shown(name)}; give each one a name of its own")
        by_name[name] = item
    return by_name


def refuse_other_columns(given: Collection[str], names: Sequence[str]) -> None:
    """Refuse tensors that are not one for each column.

    Raises:
        Refused: with the first name that is not there, or is missing.
    """
    strange = next((name for name in given if name not in names), None)
    if strange is not None:
        raise Refused(422, f"there is no input {brief(strange)!r}; {closest(strange, [*names, CELLS])}")
    lacks = next((name for name in names if name not in given), None)
    if lacks is not None:
        raise Refused(422, f"the input {lacks!r} is missing; give a tensor for every column, or {CELLS!r} alone")


def cells(served: Served, tensor: dict[str, Any], most: int) -> Array:
    """Return a tensor of cells, (rows, columns), NaN where one is null."""
    shape, width = shape_of(tensor), len(served.columns.fields)
    if shape[1:] not in ((width,), served.columns.shape):
        wanted = [-1, *served.columns.shape]
        raise Refused(
            422, f"{CELLS!r} has the shape {list(shape)}, the model takes {wanted}; give rows of {width} cells"
        )
    refuse_many(shape[0], most)
    refuse_datatype(tensor, tuple(sorted(NUMBERS)))
    data = data_of(tensor, math.prod(shape))
    if not set(map(type, data)) <= {int, float, type(None)}:
        place = next(i for i, value in enumerate(data) if type(value) not in (int, float, type(None)))
        remedy = "give a number, or null where one is missing"
        raise Refused(422, f"item {place} of {CELLS!r} is {shown(data[place])}; {remedy}")
    try:
        return np.array(data, dtype=np.float64).reshape(shape[0], width)
    except OverflowError:
        raise Refused(422, f"{CELLS!r} holds a number of very many digits; give numbers less than 1e150") from None


def column(field: Field, tensor: dict[str, Any], most: int) -> list[Any]:
    """Return the cells of a column's tensor."""
    shape = shape_of(tensor)
    if shape[1:] not in ((), (1,)):
        raise Refused(422, f"{field.name!r} has the shape {list(shape)}, the model takes [-1]; give one cell per row")
    refuse_many(shape[0], most)
    refuse_datatype(tensor, DATATYPES[field.type])
    return data_of(tensor, shape[0])


def shape_of(tensor: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape that a tensor says it has."""
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
        raise Refused(
            422, f"the shape of {tensor['name'][:60]!r} is {shape_shown(shape)}; give a list of whole numbers from 1 up"
        )
    return tuple(shape)


def shape_shown(shape: Any) -> str:
    """Return what was given for a shape, briefly."""
    return brief(str(shape)) if isinstance(shape, list) and len(shape) < 9 else shown(shape)


def refuse_datatype(tensor: dict[str, Any], known: tuple[str, ...]) -> None:
    """Refuse a datatype that a tensor cannot have."""
    datatype = tensor.get("datatype")
    if datatype not in known:
        raise Refused(422, f"the datatype of {tensor['name'][:60]!r} is {shown(datatype)}; give {known[0]}")


def data_of(tensor: dict[str, Any], size: int) -> list[Any]:
    """Return the items of a tensor, nested or flat, of which there are as many as its shape says."""
    data = tensor.get("data")
    if not isinstance(data, list):
        raise Refused(422, f"the data of {tensor['name'][:60]!r} is {shown(data)}; give a list")
    found = flattened(data)
    if len(found) != size:
        raise Refused(
            422, f"the data of {tensor['name'][:60]!r} has {len(found)} items, its shape {size}; make them agree"
        )
    return found
