"""Parts by name: the kind's folder, then installed plug-ins, then classes defined in this process.

A name is looked up when it is read. Nothing that a file names is imported, so loading a model executes no code from it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import types
from dataclasses import MISSING, fields
from importlib.metadata import entry_points
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from isthmus.component import Part, suggest

P = TypeVar("P", bound=Part)


def name_of(part: Part | type[Part]) -> str:
    """Return the name of a part in files and on the command line: ``TopK`` is ``top_k``.

    >>> from isthmus.bottleneck.top_k import TopK
    >>> name_of(TopK)
    'top_k'
    """
    cls = part if isinstance(part, type) else type(part)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__.replace("ReLU", "Relu"))
    return words.lower()


def catalogue(kind: type[P]) -> dict[str, type[P]]:
    """Return every part of a kind by name.

    Raises:
        ValueError: two different classes answer to one name.
    """
    _import_folder(kind.__module__)
    _import_plugins()
    found: dict[str, type[P]] = {}
    for cls in _finals(kind) or [kind]:
        name = name_of(cls)
        other = found.get(name)
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            places = f"{_where(other)} and {_where(cls)}"
            raise ValueError(f"two {kind.kind} parts are called {name!r}: {places}; rename one")
        found[name] = cls
    return found


@functools.cache
def _import_folder(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
        importlib.import_module(f"{name}.{module.name}")
    if name == Part.__module__:
        importlib.import_module("isthmus.schedule")


@functools.cache
def _import_plugins() -> None:
    for entry in entry_points(group="isthmus.parts"):
        entry.load()


def _finals(kind: type[P]) -> list[type[P]]:
    found: list[type[P]] = []
    for cls in kind.__subclasses__():
        found += _finals(cls)
        # A class that was derived from is still a part; those that are only derived from have an underscore.
        if not inspect.isabstract(cls) and not cls.__name__.startswith("_"):
            found.append(cls)
    return found


def _where(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def to_dict(part: Part) -> dict[str, Any]:
    """Turn a part, nested parts too, into plain JSON values.

    >>> from isthmus.bottleneck.top_k import TopK
    >>> to_dict(TopK(k=8))
    {'type': 'top_k', 'k': 8, 'k_use': 0, 'rectified': False}
    """
    saved = [f.name for f in fields(part) if f.init and f.metadata.get("saved", True)]
    return {"type": name_of(part)} | {name: _plain(getattr(part, name)) for name in saved}


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return to_dict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


class UnknownPart(ValueError):
    """No part answers to a name."""


def from_dict(kind: type[P], data: dict[str, Any] | str) -> P:
    """Build a part of ``kind`` from plain values, as :func:`to_dict` wrote them; a bare string is a name.

    Raises:
        UnknownPart: unknown name, with a suggestion.
        ValueError: unknown field, with a suggestion.
    """
    data = {"type": data} if isinstance(data, str) else dict(data)
    known = catalogue(kind)
    if "type" not in data:
        raise UnknownPart(f"{kind.kind} {data!r} lacks type, the name of a part; {suggest('', list(known))}")
    name = data.pop("type")
    if name not in known:
        raise UnknownPart(f"unknown {kind.kind} {name!r}; {suggest(str(name), list(known))}")
    cls = known[name]
    hints = get_type_hints(cls)
    allowed = [f.name for f in fields(cls) if f.init]
    for field in data:
        if field not in allowed:
            raise ValueError(f"{kind.kind} {name!r} has no setting {field!r}; {suggest(field, allowed)}")
    missing = [f.name for f in fields(cls) if f.init and f.default is MISSING and f.name not in data]
    if missing:
        raise ValueError(f"{kind.kind} {name!r} needs {missing[0]!r}; write it as {name}:{missing[0]}=VALUE")
    return cls(**{field: _value(hints[field], value) for field, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if isinstance(value, dict):
        kinds = _kinds(hint)
        if not kinds:
            raise ValueError(f"{value!r} is not expected here")
        return from_dict(kinds[0], value)
    if isinstance(value, (list, tuple)):
        return tuple(_value(hint, item) for item in value)
    if isinstance(value, str) and _kinds(hint) and str not in _flat(hint):
        return from_dict(_kinds(hint)[0], value)
    return value


def _flat(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType, tuple):
        return [inner for arg in get_args(hint) for inner in _flat(arg)]
    return [hint]


def _kinds(hint: Any) -> list[type[Part]]:
    return [inner for inner in _flat(hint) if isinstance(inner, type) and issubclass(inner, Part)]
