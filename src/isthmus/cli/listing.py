"""``isthmus parts``: what there is to choose from, read from the parts themselves."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.component import Part


def parts(kind: str | None = None, name: str | None = None, /) -> None:
    """List the parts that a model can be made of, of plug-ins too.

    Args:
        kind: architecture, bottleneck, corruption, likelihood, penalty, optimiser, schedule, column (of a table)
            or recipe.
        name: one of them, to read all that it says about itself.
    """
    known = kinds()
    if kind is None:
        for title, found in known.items():
            print(f"{title}\n" + "\n".join(_line(label, item) for label, item in found.items()))
        print("\nisthmus parts KIND shows their settings, isthmus parts KIND NAME all of one")
        return
    kind = next((word for word in known if kind.lower() in (word, f"{word}s", f"{word[:-1]}ies")), kind)
    if kind not in known:
        from isthmus.component import suggest

        raise ValueError(f"unknown kind {kind!r}; {suggest(kind, list(known))}")
    found = known[kind]
    if name is None:
        print("\n".join(f"{label}\n    {_sentence(item)}\n{_settings(item)}" for label, item in found.items()))
        return
    print(_whole(found, kind, name))


def kinds() -> dict[str, dict[str, Any]]:
    """Return every part (a class) and recipe (a function) by kind and name."""
    from isthmus import recipes
    from isthmus.architecture import Architecture
    from isthmus.bottleneck import Bottleneck
    from isthmus.catalogue import catalogue
    from isthmus.component import Schedule
    from isthmus.corruption import Corruption
    from isthmus.data.columns import Kind
    from isthmus.likelihood import Likelihood
    from isthmus.penalty import Penalty
    from isthmus.training.optimiser import Optimiser

    kind: Any = Kind  # abstract
    bases: list[type[Part]] = [Architecture, Bottleneck, Corruption, Likelihood, Penalty, Optimiser, Schedule, kind]
    found: dict[str, dict[str, Any]] = {base.kind: dict(sorted(catalogue(base).items())) for base in bases}
    return found | {"recipe": {name.replace("_", "-"): getattr(recipes, name) for name in recipes.NAMES}}


def _doc(item: type[Part] | Callable[..., Any]) -> str:
    return inspect.getdoc(item) or ""


def _sentence(item: Any) -> str:
    return " ".join(_doc(item).split("\n\n")[0].replace("``", "").split())


def _line(label: str, item: Any) -> str:
    line = f"  {label:30} {_sentence(item)}"
    # Not in a pipe, where one line per part is easier to search.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(line)
    return textwrap.fill(line, max(width, 60), subsequent_indent=" " * 33, break_on_hyphens=False)


def _settings(item: Any) -> str:
    lines = [f"    {label} = {default}" for label, default in _defaults(item).items()]
    return "\n".join([*lines, ""])


def _defaults(item: Any) -> dict[str, str]:
    if is_dataclass(item):
        return {f.name: "(needed)" if f.default is MISSING else repr(f.default) for f in fields(item) if f.init}
    return {
        label: repr(parameter.default)
        for label, parameter in inspect.signature(item).parameters.items()
        if parameter.default is not parameter.empty
    }


def _whole(found: dict[str, Any], kind: str, name: str) -> str:
    key = next((label for label in found if label.replace("-", "_") == name.replace("-", "_").lower()), None)
    if key is None:
        from isthmus.component import suggest

        raise ValueError(f"unknown {kind} {name!r}; {suggest(name, list(found))}")
    item = found[key]
    return f"{key}\n\n{_doc(item).replace('``', '')}\n\nSettings:\n{_settings(item)}"
