"""Answers of a plain dense net by the kernel: one walk for code, output and loss, without torch's calls between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from isthmus import native
from isthmus.layers import words
from isthmus.objective import Objective
from isthmus.training.native import gaussian, products

# Weights from which on torch answers: they are packed in every call.
LARGE = 2**20
# What is read off the output.
OUTPUT = ("reconstructions", "errors", "doubts")


class Plain:
    """A dense net of float32 whose layers, bottleneck and likelihood the kernel knows."""

    def __init__(self, objective: Objective, found: Sequence[Any], coded: int) -> None:
        """Keep what the kernel is told."""
        self.objective, self.products, self.coded = objective, found, coded
        self.loss: native.Loss = objective.likelihood.native  # type: ignore[attr-defined]

    def answering(self, wanted: Sequence[str]) -> Callable[[Tensor], list[Tensor]]:
        """Return what answers questions about rows, (rows, variables), in the model's units, by the weights of now."""
        return partial(self._answer, native.Net.of(self.products, self.coded), wanted)

    def _answer(self, net: native.Net, wanted: Sequence[str], x: Tensor) -> list[Tensor]:
        likelihood, memory = self.objective.likelihood, self.objective.memory_of("likelihood")
        code, out, sums = net.ask(
            x.contiguous(),
            code="codes" in wanted,
            out=any(name in wanted for name in OUTPUT),
            loss=self.loss.name if "scores" in wanted else None,
        )
        found: dict[str, Tensor] = {} if code is None else {"codes": code}
        if sums is not None:
            found["scores"] = -(self.loss.factor * sums + self.loss.constant * x.shape[1])[:, None]
        if out is not None:
            read = {
                "reconstructions": lambda: likelihood.mean(out, memory),
                "errors": lambda: likelihood.nll(out, x, memory),
                "doubts": lambda: likelihood.doubt(out, memory),
            }
            found |= {name: read[name]() for name in OUTPUT if name in wanted}
        return [found[name] for name in wanted]


def plain(objective: Objective) -> Plain | None:
    """Return an objective as the kernel answers for it; None where it does not know some part."""
    spec, likelihood = objective.model.spec, objective.likelihood
    told = spec.table or spec.missing or spec.level
    if told or native.library() is None or getattr(likelihood, "native", None) is None:
        return None
    weights = list(objective.parameters())
    if any(p.dtype != torch.float32 or p.device.type != "cpu" or not p.is_contiguous() for p in weights):
        return None
    if sum(p.numel() for p in weights) > LARGE:
        return None
    found = None if gaussian(objective) else products(objective)
    if found is None or not found[0][0].shape[1] == found[-1][0].shape[0] == spec.size:
        return None
    return Plain(objective, found, sum(name == "product" for name, *_ in words(objective.model.encoder)))
