"""From the text of options to an estimator: a recipe's parts, replaced where an option names another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from isthmus.cli import rows
from isthmus.cli.options import Parts, Training

if TYPE_CHECKING:
    from isthmus.catalogue import P
    from isthmus.component import Part
    from isthmus.estimators import Autoencoder
    from isthmus.penalty import Penalty


@dataclass(frozen=True)
class Made:
    """What the options say of an autoencoder, and how everything is trained."""

    recipe: str
    parts: Parts
    training: Training
    units: str | None
    seed: int
    shape: str | None
    scaling: str | None
    schema: tuple[str, ...]

    @property
    def kinds(self) -> dict[Any, Any] | None:
        """Kinds by column; None where nothing was said."""
        return schema(self.schema)


def part(kind: type[P], text: str) -> P:
    """Read a part from the one-line grammar, or from the JSON that a saved model or a table of TOML holds.

    Raises:
        ValueError: unknown name or field, or bad syntax.
    """
    from isthmus.catalogue import from_dict
    from isthmus.grammar import parse

    if not text.lstrip().startswith("{"):
        return parse(kind, text)
    return from_dict(kind, _json(text, f"{kind.kind} NAME:FIELD=VALUE"))


def _json(text: str, instead: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{text!r} is not JSON ({error}); write for example {instead}") from None
    return found


def recipe_names() -> list[str]:
    """Return the recipes as the command line writes them."""
    from isthmus import recipes

    return [name.replace("_", "-") for name in recipes.NAMES]


def start_from(recipe: str, units: str | None, seed: int) -> Autoencoder:
    """Return a recipe's estimator.

    Raises:
        ValueError: no such recipe, with a suggestion, or no such size.
    """
    from isthmus import recipes
    from isthmus.component import suggest

    name = recipe.replace("-", "_").lower()
    if name not in recipes.NAMES:
        raise ValueError(f"unknown recipe {recipe!r}; {suggest(recipe, recipe_names())}")
    model: Autoencoder = getattr(recipes, name)(random_state=seed)
    if units is None:
        return model
    if units != "auto" and not units.isdigit():
        raise ValueError(f"--units {units!r} is not a size; give a whole number from 1 up, or auto")
    return model.set_params(n_components=int(units) if units.isdigit() else units)


def compose(made: Made) -> Autoencoder:
    """Return the estimator that the options describe.

    Raises:
        ValueError: a part that does not exist, or a setting out of its range.
    """
    said = {"schema": made.kinds, "shape": rows.sizes(made.shape, "shape"), "scaling": made.scaling}
    model = start_from(made.recipe, made.units, made.seed)
    changes: dict[str, Any] = named_parts(made.parts)
    if made.parts.penalty:
        changes["penalties"] = penalties(model.penalties, made.parts.penalty)
    changes |= {name: value for name, value in said.items() if value is not None}
    return model.set_params(trainer=trainer(model.trainer, made.training), **changes)


def named_parts(parts: Parts) -> dict[str, Any]:
    """Return the parts that options name, by the estimator's parameter."""
    from isthmus.architecture import Architecture
    from isthmus.bottleneck import Bottleneck
    from isthmus.corruption import Corruption
    from isthmus.corruption.wrapped import Compose
    from isthmus.likelihood import Likelihood

    named: dict[str, Any] = {}
    for kind in (Architecture, Bottleneck, Likelihood):
        text = getattr(parts, kind.kind)
        if text is not None:
            named[kind.kind] = part(kind, text)
    damages = [part(Corruption, text) for text in parts.corruption]
    if damages:
        named["corruption"] = damages[0] if len(damages) == 1 else Compose(tuple(damages))
    return named


def schema(texts: Sequence[str]) -> dict[Any, Any] | None:
    """Return kinds by column from NAME=KIND, or from the JSON of a table of TOML; None where nothing was said.

    ``auto`` says that DATA is a table, and leaves all kinds to its rows. The codec reads the kinds, as it does for
    Python.

    Raises:
        ValueError: something else.
    """
    found: dict[Any, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            found |= _json(text, "--schema age=number:scale=log")
        elif text != "auto":
            name, equals, kind = text.partition("=")
            if not equals:
                raise ValueError(f"--schema {text!r} is not NAME=KIND; write for example age=number:scale=log, or auto")
            found[name.strip()] = kind.strip()
    return {int(name) if name.isdigit() else name: kind for name, kind in found.items()} if texts else None


def text_columns(kinds: dict[Any, Any] | None) -> dict[str, Any] | None:
    """Return as text the columns whose kinds read what is written: names that look like numbers, dates by a format.

    None where nothing was said of kinds.
    """
    if kinds is None:
        return None
    import pyarrow as pa

    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        told = ":".join(map(str, (kind.get("type"), *kind))) if isinstance(kind, dict) else str(kind)
        kind_name, _, settings = told.partition(":")
        if kind_name.strip() in ("category", "hashed") or (kind_name.strip() == "date" and "format" in settings):
            found |= {str(name): pa.string(), f"x{name}": pa.string()}
    return found


def penalties(given: Sequence[Penalty], texts: Sequence[str]) -> tuple[Penalty, ...]:
    """Return the penalties of a recipe, with those that options name in place of their namesakes or behind them."""
    from isthmus.catalogue import name_of
    from isthmus.penalty import Penalty

    kept = {} if "none" in texts else {name_of(penalty): penalty for penalty in given}
    for text in texts:
        if text != "none":
            penalty = part(Penalty, text)
            kept[name_of(penalty)] = penalty
    return tuple(kept.values())


def trainer(given: Any, training: Training) -> Any:
    """Return a recipe's trainer with the settings that options give."""
    from isthmus.training.trainer import Trainer

    return replace(given if given is not None else Trainer(), **overrides(training))


def overrides(training: Training) -> dict[str, Any]:
    """Return the settings of a trainer that options give."""
    from isthmus.training.greedy import Greedy
    from isthmus.training.optimiser import Optimiser

    kinds: dict[str, type[Part]] = {"optimiser": Optimiser, "pretraining": Greedy}
    given = {f.name: value for f in fields(training) if (value := getattr(training, f.name)) is not None}
    return given | {name: part(kind, given[name]) for name, kind in kinds.items() if name in given}
