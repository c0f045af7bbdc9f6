"""Whether the kernel knows every part of a task, and which part it does not."""

from __future__ import annotations

from typing import Any

import torch

from isthmus import native
from isthmus.component import Component, Schedule, declaration
from isthmus.objective import Objective
from isthmus.training.stages import gaussian, products, stages

# Weights from which on the processor's own library multiplies as fast.
LARGE = 2**22


def unsuited(task: Objective, optimiser: Any, precision: str = "float32") -> str:
    """Say why the kernel does not know a task; empty where it does."""
    parameters, halves, dense = task.trained(), precision == "bf16", products(task)
    size, strange = sum(p.numel() for p in parameters), unknown(task, dense=dense is not None)
    networks = (task.model.encoder, task.model.decoder)
    inside = {id(p) for network in networks for p in network.parameters()}
    reasons = {
        "the kernel was not built": native.library() is None,
        "the kernel is for float32 on a processor": precision not in ("float32", "bf16")
        or any(p.dtype != torch.float32 or p.device.type != "cpu" for p in parameters),
        "this processor multiplies no pairs of bfloat16": halves and not native.halves(),
        f"{size:,} weights are left to the processor's own library": size > LARGE,
        "the kernel does not know a layer": dense is None and stages(task) is None,
        f"the kernel does not know {', '.join(strange)}": bool(strange),
        "more is trained than the network": any(id(p) not in inside for p in parameters),
        f"the kernel does not know {type(optimiser).__name__} with these settings": not known(optimiser),
        "the kernel convolves in float32": halves and dense is None,
        "the kernel ties weights in float32": halves and any(product.tied >= 0 for product in dense or []),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def unknown(task: Objective, *, dense: bool) -> list[str]:
    """Name what the kernel does not know: a likelihood, penalties, and parts that take notes of batches."""
    likelihood, counted = task.likelihood, penalties(task, dense=dense)
    strange = [] if declaration(likelihood, "native", "nll") else [type(likelihood).__name__]
    strange += [name for name in task.penalties if name not in counted]
    return strange + [name for name, part in task.parts().items() if name not in strange and noting(part)]


def penalties(task: Objective, *, dense: bool) -> tuple[str, str]:
    """Name the penalty of codes and that of weights that the kernel counts; empty where there is none."""
    kinds = {declaration(penalty, "native"): name for name, penalty in task.penalties.items() if exact(penalty, task)}
    of_codes = ("divergence",) if gaussian(task) else native.OF_CODES if dense else ()
    of_code = next((kinds[kind] for kind in of_codes if kind in kinds), "")
    return of_code, kinds.get("squares", "") if dense else ""


def exact(penalty: Any, task: Objective) -> bool:
    """Say whether a penalty differentiates nothing by the inputs, which is beyond the kernel."""
    return not penalty.differentiates(task.model)


def noting(part: Component) -> bool:
    """Say whether a part, or one inside it, sums up batches."""
    inside = getattr(part, "inside", ())
    return any(noting(one) for one in inside) if inside else type(part).tally is not Component.tally


def known(optimiser: Any) -> bool:
    """Say whether the kernel takes an optimiser's steps: it says so, and only its rate changes."""
    fields = vars(optimiser).items()
    own = [declaration(optimiser, "native", formula) for formula in ("bind", "settings")]
    return all(own) and not any(isinstance(value, Schedule) for name, value in fields if name != "learning_rate")
