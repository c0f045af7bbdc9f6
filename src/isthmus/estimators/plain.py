"""Answers of a plain net by the kernel: one walk for code, output and loss, without torch's calls between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from isthmus import native
from isthmus.component import declaration
from isthmus.data.arrays import Scaling
from isthmus.estimators.inputs import tensor
from isthmus.objective import Objective
from isthmus.records import Batch, Corrupted
from isthmus.training.stages import Stage, coding, gaussian, products, stages

Array = np.ndarray[Any, Any]
# Rows of which any number of columns are whole vectors.
WHOLE = 16
# Weights from which on torch answers: they are packed in every call.
LARGE = 2**20
# What gives the outputs of an objective for rows, as they are and as they are damaged.
Outputs = Callable[[Objective, Batch, Corrupted], Tensor]
# What answers about rows, and says whether all are finite, and admitted by the likelihood.
Reading = Callable[[Array], tuple[list[Tensor], bool, bool]]
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

    def reading(self, wanted: Sequence[str], scaling: Scaling) -> Reading:
        """Return what answers about rows as a user has them, and says whether they are finite and likely at all."""
        units = None if scaling.mode == "none" else native.units(scaling.centre, scaling.factor)
        net, asked = self.net(), self._asked(wanted)

        def read(X: Array) -> tuple[list[Tensor], bool, bool]:
            rows = np.ascontiguousarray(X)
            code, out, sums, seen = net.read(rows, units, **asked)
            low, high, strange = seen.tolist()
            likely = self.loss.name != "cross-entropy" or (low >= 0 and high <= 1)
            x = tensor(scaling.forward(rows, np.float32)) if "errors" in wanted else None
            # Of what is no whole number of vectors torch takes the end in another way, with other bits.
            lacks = -len(rows) % WHOLE
            out, x = (t if t is None or not lacks else pad(t, (0, 0, 0, lacks)) for t in (out, x))
            answers = self._found(wanted, code, out, sums, x)
            return [found[: len(rows)] for found in answers], not strange, likely

        return read

    @cached_property
    def reads(self) -> bool:
        """Whether the kernel reads rows as a user has them: those of dense nets."""
        return products(self.objective) is not None

    def _asked(self, wanted: Sequence[str]) -> dict[str, Any]:
        loss = self.loss.name if not {"scores", "errors"}.isdisjoint(wanted) else None
        return {"code": "codes" in wanted, "out": any(name in wanted for name in OUTPUT), "loss": loss}

    def _answer(self, net: native.Net, wanted: Sequence[str], x: Tensor) -> list[Tensor]:
        return self._found(wanted, *net.ask(x.contiguous(), **self._asked(wanted)), x)

    def _found(
        self, wanted: Sequence[str], code: Tensor | None, out: Tensor | None, sums: Tensor | None, x: Any
    ) -> list[Tensor]:
        likelihood, memory = self.objective.likelihood, self.objective.memory_of("likelihood")
        found: dict[str, Tensor] = {} if code is None else {"codes": code}
        if sums is not None:
            whole = self.loss.constant * self.objective.model.spec.size
            found["scores"] = -(self.loss.factor * sums + whole)[:, None]
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
    own = [declaration(likelihood, "native", formula) for formula in ("nll", "supports", "admits")]
    net = None if told or None in own else net_of(objective)
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
