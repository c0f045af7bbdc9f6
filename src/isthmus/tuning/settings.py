"""From what a trial drew to an estimator, and what is searched where nobody says."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from isthmus.architecture.dense import Dense
from isthmus.catalogue import from_dict, name_of
from isthmus.component import Part, Schedule, suggest
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.parameters import changed
from isthmus.training.trainer import Trainer
from isthmus.tuning.space import ALIASES, KINDS, SHARES, WHOLE, Parts, Range, Space, named

if TYPE_CHECKING:
    from optuna import Trial

DEPTHS, WIDTHS, RATES = Range(1, 3), Range(32, 512, log=True), Range(1e-4, 1e-2, log=True)
AROUND = {"corruption": 4.0, "penalties": 10.0}


class Settings:
    """An estimator whose settings are searched.

    Args:
        model: an unfitted autoencoder, which stays as it is.
        space: what is searched.
        resolved: the parts that it would have, defaults named.

    Raises:
        ValueError: a name that is no setting, or likelihoods that do not compare.
    """

    def __init__(self, model: Autoencoder, space: Space, resolved: Any) -> None:
        """Look at every name, before any time is spent."""
        trainer = model.trainer if model.trainer is not None else Trainer()
        # What data chose once stays as it is, whatever else is searched.
        chosen = {name: getattr(resolved, name) for name in ("architecture", "corruption", "likelihood")}
        self.model = copied(model).set_params(trainer=trainer, **chosen)
        self.space = dict(space)
        known = self.model.get_params()
        for name, searched in self.space.items():
            if name in ("depth", "width") and not isinstance(resolved.architecture, Dense):
                own = name_of(resolved.architecture)
                raise ValueError(f"{name} is of a dense net, and this is {own}; search architecture={own}:... instead")
            if named(name) not in (*WHOLE, *SHARES, *KINDS) and self.path(name) not in known and not self._later(name):
                refuse_unknown(self.model, name)
            if name in SORTS:
                refuse_unlike(name, searched)

    def _later(self, name: str) -> bool:
        """Say whether a path leads into a part that is searched too."""
        head, path, _ = name.partition("__")
        return bool(path) and head in map(named, self.space)

    def path(self, name: str, model: Autoencoder | None = None) -> str:
        """Return the parameter that a name stands for, in the estimator or in a copy with other parts."""
        if name != "learning_rate":
            return named(name)
        rate = (model or self.model).get_params().get("trainer__optimiser__learning_rate")
        start = "__start" if isinstance(rate, Schedule) and hasattr(rate, "start") else ""
        return f"trainer__optimiser__learning_rate{start}"

    def drawn(self, trial: Trial) -> dict[str, Any]:
        """Let a trial draw a value for every name."""
        known = self.model.get_params()
        found = {}
        for name, searched in self.space.items():
            current = known.get(self.path(name))
            whole = True if named(name) in WHOLE else False if name in SHARES else None
            if whole is None and isinstance(current, (int, float)) and not isinstance(current, bool):
                whole = isinstance(current, int)
            found[name] = searched.drawn(trial, name, whole=whole)
        return found

    def applied(self, values: dict[str, Any]) -> Autoencoder:
        """Return a copy of the estimator with values in place: whole parts first, then what is inside them.

        Raises:
            ValueError: values that a part refuses.
        """
        model, values = copied(self.model), {named(name): value for name, value in values.items()}
        depth, width = values.pop("depth", None), values.pop("width", None)
        if "penalties" in values:
            values["penalties"] = () if values["penalties"] is None else (values["penalties"],)
        for name in sorted(values, key=lambda name: self.path(name).count("__")):
            model.set_params(**{self.path(name, model): values[name]})
        if depth is not None or width is not None:
            net: Any = model.architecture
            if not isinstance(net, Dense):
                raise ValueError(f"depth and width are of dense nets, and this is {name_of(net)}; search them apart")
            depth = len(net.hidden) if depth is None else depth
            first = int((net.hidden[0] if net.hidden else WIDTHS.low) if width is None else width)
            model.set_params(architecture=replace(net, hidden=tuple(max(1, first >> i) for i in range(depth))))
        return model


def copied(model: Autoencoder) -> Autoencoder:
    """Return an unfitted copy; parts are values, and shared."""
    return type(model)(**model.get_params(deep=False))


def refuse_unknown(model: Autoencoder, name: str) -> None:
    """Refuse a name that is no setting, as ``set_params`` would, with a suggestion."""
    known = [*model.get_params(deep=False), *WHOLE, *SHARES, *KINDS, *ALIASES]
    head, _, rest = name.partition("__")
    if rest and head in known:
        changed(model.get_params(deep=False).get(head), rest, None, head)
    raise ValueError(f"{name!r} is no setting of an autoencoder; {suggest(name, list(dict.fromkeys(known)))}")


def refuse_unlike(name: str, searched: Any) -> None:
    """Refuse parts whose nats cannot be compared.

    Raises:
        ValueError: with two of different sorts.
    """
    sort, by_sort = SORTS[name], dict[str, str]()
    for option in searched.options if isinstance(searched, Parts) else searched.values:
        part = from_dict(KINDS[name], option) if isinstance(option, str) else option
        by_sort.setdefault(sort(part), type(part).__name__)
    if len(by_sort) > 1:
        told = " and ".join(f"{owner} {says}" for says, owner in list(by_sort.items())[:2])
        raise ValueError(
            f"{told}, so that their nats do not compare; search {name}s of one sort, and tune others apart"
        )


def of_likelihood(part: Any) -> str:
    """Say what the nats of a likelihood are of, by what it requires of the data."""
    if "kinds" in part.requires:
        return "gives some of each by column"
    return "gives densities" if "numbers" in part.requires else "gives probabilities"


def of_bottleneck(part: Any) -> str:
    """Say whether what a code tells is paid for."""
    return "pays for its code by KL" if "density" in part.provides else "does not pay for its code"


SORTS = {"likelihood": of_likelihood, "bottleneck": of_bottleneck}


def usual(resolved: Any) -> dict[str, Any]:
    """Return what is searched where nobody says: nets, the learning rate, strengths of corruption and of penalties.

    The number of units is not among it: a wider code reconstructs better whatever the data, so that a search would take
    as many as it may.
    """
    space: dict[str, Any] = {"learning_rate": RATES}
    if isinstance(resolved.architecture, Dense) and resolved.architecture.hidden:
        space |= {"depth": DEPTHS, "width": WIDTHS}
    space |= _around("corruption", resolved.corruption)
    for penalty in resolved.penalties:
        space |= _around(f"penalties__{name_of(penalty)}", penalty, only=("weight",))
    return space


def _around(path: str, part: Part, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return ranges around the numbers that a part has, by their ratio."""
    found: dict[str, Any] = {}
    factor = AROUND[path.split("__")[0]]
    for f in fields(part):
        value, rule = getattr(part, f.name), f.metadata
        plain = isinstance(value, float) and value > 0 and "low" in rule and not rule.get("whole")
        if plain and (not only or f.name in only):
            high = min(rule["high"], value * factor)
            found[f"{path}__{f.name}"] = Range(max(rule["low"], value / factor), float(high), log=True)
    return found
