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
from isthmus.records import Batch, Corrupted
from isthmus.training.stages import Stage, coding, gaussian, products, stages

# Weights from which on torch answers: they are packed in every call.
LARGE = 2**20
# What gives the outputs of an objective for rows, as they are and as they are damaged.
Outputs = Callable[[Objective, Batch, Corrupted], Tensor]
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
    net = None if told or declaration(likelihood, "native", "nll") is None else net_of(objective)
    return None if net is None else Plain(objective, net)


def outputs_of(objective: Objective) -> Outputs:
    """Return what gives outputs for damaged rows, by the weights of now: the kernel where it knows the network."""
    known = None if heard(objective) else net_of(objective)
    net = None if known is None else known()

    def outputs(own: Objective, batch: Batch, corrupted: Corrupted) -> Tensor:
        """Walk rows through an objective, the one that is known or a copy of it in another precision."""
        model = own.model
        if net is None or batch.x.dtype != torch.float32:
            return model.forward(batch, corrupted).output
        _, found, _ = net.ask(model.stem(corrupted).flatten(1).contiguous(), code=False, out=True)
        return model.past(found.view(-1, *model.outputs), corrupted)  # type: ignore[union-attr]

    return outputs


def heard(module: torch.nn.Module) -> bool:
    """Say whether someone listens to layers by torch's hooks, of which the kernel knows nothing."""
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def net_of(objective: Objective) -> Callable[[], native.Net] | None:
    """Return what reads a network as the kernel walks it; None where it does not know some layer."""
    model = objective.model
    if native.library() is None or gaussian(objective):
        return None
    weights = list(objective.parameters())
    if any(p.dtype != torch.float32 or p.device.type != "cpu" or not p.is_contiguous() for p in weights):
        return None
    coded, inputs = coding(objective), math.prod(model.reader.shape)
    if found := products(objective):
        large = sum(p.numel() for p in weights) > LARGE
        suits = found[0].sizes[0] == inputs and found[-1].sizes[1] == math.prod(model.outputs)
        return partial(native.Net.dense, found, coded) if suits and not large else None
    convolved = stages(objective) if inputs == model.spec.size else None
    return partial(convolutional, convolved, coded) if convolved else None


def convolutional(convolved: Sequence[Stage], coded: int) -> native.Net:
    """Return a convolutional net, read where its weights are; the code is behind the first ``coded`` stages."""
    weights = [t for stage in convolved for t in (stage.weight, stage.bias)]
    base, offset = native.base_of(weights)
    places = native.array([stage.place(offset) for stage in convolved])
    return native.Net(places, coded, math.prod(convolved[coded - 1].outputs), base, weights)
