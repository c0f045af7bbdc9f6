"""The one-line grammar of parts: ``top_k:k=8``, ``emphasised:base=(masking:rate=0.3),alpha=2``.

A part inside a part stands in brackets, and so does each of several: ``greedy:penalties=((l1:weight=0.1),(l2))``.
"""

from __future__ import annotations

import ast
from typing import Any

from isthmus.catalogue import P, from_dict


def parse(kind: type[P], text: str) -> P:
    """Read one part from the command line's grammar.

    >>> from isthmus.bottleneck import Bottleneck
    >>> parse(Bottleneck, "top_k:k=8")
    TopK(k=8)

    Raises:
        ValueError: bad syntax, unknown name or setting.
    """
    return from_dict(kind, _read(text))


def _read(text: str) -> dict[str, Any]:
    name, _, rest = text.strip().partition(":")
    settings: dict[str, Any] = {"type": name.strip().replace("-", "_").lower()}
    for item in split(rest):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} in {text!r} is not NAME=VALUE; write for example top_k:k=8")
        if key.strip() in settings:
            raise ValueError(f"{key.strip()!r} stands twice in {text!r}; give it once")
        settings[key.strip()] = literal(value.strip())
    return settings


def literal(text: str) -> Any:
    """Read one value: a number, a truth value, a tuple or part in brackets, else a word."""
    if text.startswith("(") and text.endswith(")"):
        inner = text[1:-1].strip()
        items = [item.strip() for item in split(inner)]
        values = len(items) > 1 and all("(" not in item and "=" not in item for item in items)
        if values or all(item.startswith("(") for item in items):
            return tuple(literal(item) for item in items)
        if ":" in inner or inner.isidentifier():
            return _read(inner)
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        return text


def split(text: str) -> list[str]:
    """Split at the commas that stand outside every bracket."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part for part in [*parts, text[start:]] if part.strip()]
