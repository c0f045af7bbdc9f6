"""Which fits can take their steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from torch import nn

from isthmus.component import Part, declaration
from isthmus.layers import stacks
from isthmus.objective import Objective
from isthmus.records import Rows
from isthmus.training.phase import Phase
from isthmus.training.threads import SMALL

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer


def groups(phases: Sequence[Phase]) -> list[list[int]]:
    """Return the numbers of phases that share a structure; the others are in no group."""
    found: list[tuple[tuple[Any, ...], list[int]]] = []
    for i, key in enumerate(map(structure, phases)):
        if key is None:
            continue
        known = next((members for other, members in found if other == key), None)
        if known is None:
            found.append((key, [i]))
        else:
            known.append(i)
    return [members for _, members in found]


def structure(phase: Phase) -> tuple[Any, ...] | None:
    """Return what phases have to share for their steps to be taken at once; None where one goes alone.

    Weights of penalties may differ, and everything of corruptions and penalties that are not called for all rows at
    once; numbers of rows may not.
    """
    trainer, task, rows = phase.trainer, phase.task, phase.rows
    if type(task) is not Objective or not isinstance(rows, Rows) or not stackable(trainer, task):
        return None
    if trainer.rows_per_step(len(rows)) * sum(p.numel() for p in task.trained()) >= SMALL:
        return None  # a step that is worth several threads fills them alone
    model = task.model
    shapes = tuple((name, tuple(p.shape)) for name, p in task.named_parameters())
    corruption = task.corruption if declaration(task.corruption, "by_row") else kinds(task.corruption)
    penalties = tuple((name, unweighted(part)) for name, part in task.penalties.items())
    return (
        model.architecture,
        model.bottleneck,
        task.likelihood,
        corruption,
        penalties,
        shapes,
        replace(model.spec, rows=0),
        shape(rows),
    )


def shape(rows: Rows) -> tuple[Any, ...]:
    """Return what rows have to share to lie in one tensor."""
    lacking = tuple(t is None for t in (rows.seen, rows.weight, rows.y))
    return tuple(rows.x.shape), rows.x.dtype, rows.x.device, lacking


def stackable(trainer: Trainer, task: Objective) -> bool:
    """Say whether an objective can be trained with others: by products and parts that treat rows alike."""
    model, optimiser = task.model, trainer.optimiser
    networks = (model.encoder, model.decoder)
    return (
        trainer.precision != "bf16"
        and trainer.pretraining is None
        and not trainer.micro_batch
        and optimiser.elementwise
        and not optimiser.full_batch
        and trainer.runs(task).startswith("explicit")
        and all(stacks(network) and all(p.requires_grad for p in network.parameters()) for network in networks)
        and all(type(module).train is nn.Module.train for module in task.modules())
        and bool(declaration(model.bottleneck, "by_row"))
        and bool(declaration(task.likelihood, "by_row", "nll"))
        and task.draws == 1
        and not task.measures
    )


def kinds(part: Part) -> tuple[Any, ...]:
    """Return the types of a part and of those inside it."""
    inside = [value for f in fields(part) for value in _tuple(getattr(part, f.name)) if isinstance(value, Part)]
    return (type(part), *map(kinds, inside))


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def unweighted(penalty: Any) -> tuple[Any, ...]:
    """Return what penalties that are called for all rows at once share: everything but the weight."""
    if not declaration(penalty, "by_row"):
        return (type(penalty),)
    return (type(penalty), *(getattr(penalty, f.name) for f in fields(penalty) if f.name != "weight"))
