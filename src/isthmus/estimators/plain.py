"""Answers of a plain net by the kernel: one walk for code, output and loss, without torch's calls between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from isthmus import native
from isthmus.component import declaration
from isthmus.objective import Objective
from isthmus.training.stages import Stage, coding, gaussian, products, stages

# Weights from which on torch answers: they are packed in every call.
LARGE = 2**20
# What is read off the output.
OUTPUT = ("reconstructions", "errors", "doubts")


class Plain:
    """A net of float32 whose layers, bottleneck and likelihood the kernel knows."""

    def __init__(self, objective: Objective, net: Callable[[], native.Net]) -> None:
        """Keep what the kernel is told; ``net`` reads the weights of the moment."""
        self.objective, self.net = objective, net
        self.loss: native.Loss = objective.likelihood.native  # type: ignore[attr-defined]

    def answering(self, wanted: Sequence[str]) -> Callable[[Tensor], list[Tensor]]:
        """Return what answers questions about rows, (rows, variables), in the model's units, by the weights of now."""
        return partial(self._answer, self.net(), wanted)

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
    if told or native.library() is None or declaration(likelihood, "native", "nll") is None or gaussian(objective):
        return None
    weights = list(objective.parameters())
    if any(p.dtype != torch.float32 or p.device.type != "cpu" or not p.is_contiguous() for p in weights):
        return None
    coded = coding(objective)
    if found := products(objective):
        large = sum(p.numel() for p in weights) > LARGE
        suits = found[0].sizes[0] == found[-1].sizes[1] == spec.size
        return Plain(objective, partial(native.Net.dense, found, coded)) if suits and not large else None
    if convolved := stages(objective):
        return Plain(objective, partial(net_of, convolved, coded))
    return None


def net_of(convolved: Sequence[Stage], coded: int) -> native.Net:
    """Return a convolutional net, read where its weights are; the code is behind the first ``coded`` stages."""
    weights = [t for stage in convolved for t in (stage.weight, stage.bias)]
    base, offset = native.base_of(weights)
    places = native.array([stage.place(offset) for stage in convolved])
    return native.Net(places, coded, math.prod(convolved[coded - 1].outputs), base, weights)
