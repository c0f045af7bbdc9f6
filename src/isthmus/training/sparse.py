"""The sparse engine: where few units of a wide code are active, only the encoder's features are computed for all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from isthmus.layers import only, slot_of, spoken_by, writes
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.posterior import Few
from isthmus.records import Batch, Pass, Terms
from isthmus.selected import LARGE, Selected, share
from isthmus.training.explicit import Bound, Explicit


def unsuited(task: Objective) -> str:
    """Say why the sparse engine cannot walk through a task; empty where it can."""
    model, part = task.model, task.model.bottleneck
    parameters = task.trained()
    dense = [type(penalty).__name__ for penalty in task.penalties.values() if not hasattr(penalty, "apart")]
    reasons = {
        f"{type(part).__name__} does not select units": not hasattr(part, "selected"),
        "units of a code map have places": len(model.code_shape) != 1,
        "several codes are drawn": task.draws > 1,
        "the decoder is not one linear layer": writes(model.decoder) is None,
        "the encoder is not one linear layer": not hasattr(only(model.encoder), "reads"),
        f"every unit is needed by {', '.join(dense)}": bool(dense),
        "some weights are frozen": len(parameters) < len([*model.parameters()]),
        "it runs on a processor": any(p.device.type != "cpu" for p in parameters),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def small(task: Objective, rows: int) -> str:
    """Say why steps of so many rows are too small for the sparse engine to be faster; empty where they are not."""
    part: Any = task.model.bottleneck
    (units,), weight = task.model.code_shape, writes(task.model.decoder).weight
    active, outputs = part.active(units), weight.shape[0]
    if units < share(weight.new_empty(0)) * active:
        return f"{active} of {units} units are not few"
    return "steps are small" if rows * units * outputs < LARGE else ""


class Sparse(Explicit):
    """The explicit engine for a selecting bottleneck between two linear layers, without the silent units of the code.

    The encoder's product stays as it is. The decoder adds up the atoms of the active units; their derivatives need the
    products of error and atom at active places, and both weights' gradients are sums over the rows in which a unit is
    active.
    """

    name = "sparse"

    def _ahead(self, batch: Batch, noise: Noise, epoch: float, bound: Bound) -> Pass:
        model = self.objective.model
        corrupted = self._corrupted(batch, noise, epoch)
        inputs = model.stem(corrupted)
        fixed = batch.fixed and inputs is batch.x
        features = bound.path(0, model.encoder, inputs, inputs=False, fixed=fixed).ahead()
        code: Selected = self._now("bottleneck", epoch).selected(features, model.memory)
        output = spoken_by(writes(model.decoder), code).view(len(inputs), *model.outputs)
        beside = model.reader.beside(corrupted)
        if beside is not None:
            carried, bound.gain = beside
            output = carried + bound.gain * output
        posterior = Few(code.values, pre=features, selected=code)
        return Pass(model, batch, corrupted, inputs, features, posterior, code.values, output, 1, model.memory, noise)

    def _terms(self, p: Pass, penalties: dict[str, Any]) -> Terms:
        terms = {"reconstruction": self.objective.reconstruction(p)}
        for name, penalty in penalties.items():
            terms[name] = penalty.weight * penalty.apart(p.of(self.objective.memory_of(name))).value
        return terms

    def _back(self, p: Pass, penalties: dict[str, Any], bound: Bound) -> None:
        out = self._likelihood(p, bound)
        g = (out if bound.gain is None else out * bound.gain).flatten(1).contiguous()
        code: Selected = p.posterior.selected  # type: ignore[attr-defined]
        asked = self._asked(p, penalties)
        into, from_code = only(p.model.encoder), writes(p.model.decoder)
        by_unit, places = code.turned()
        # The decoder: of the atoms, then of the active numbers.
        rows, scale = from_code.said()
        slope = by_unit.product(g, out=from_code.slope())
        inward = by_unit.dots(rows, g)
        for unit, weight, _, atoms in asked:
            slope.index_add_(0, unit, atoms, alpha=weight)
        from_code.settle(slope)
        if from_code.bias is not None:
            torch.sum(g, 0, out=slot_of(from_code.bias))
        # The encoder reads the same rows; where weights are tied, theirs is the gradient of both.
        units = code.units[places]
        inward = inward if scale is None else inward * scale[units]
        x, slot = into.reads(p.inputs.flatten(1)), slot_of(into.weight)
        by_unit.of(inward).product(x, out=slot, add=slot.data_ptr() == slope.data_ptr())
        bias = x.new_zeros(code.width).index_add_(0, units, inward)
        for unit, weight, pull, _ in asked:
            slot.index_add_(0, unit, pull.T @ x, alpha=weight)
            bias.index_add_(0, unit, pull.sum(0), alpha=weight)
        if into.bias is not None:
            slot_of(into.bias).copy_(bias)
        into.settle_bias(bias)

    def _asked(self, p: Pass, penalties: dict[str, Any]) -> list[tuple[Tensor, float, Tensor, Tensor]]:
        """Return units, weight, and derivatives by their features and atoms, of each penalty that has some."""
        found = []
        for name, penalty in penalties.items():
            a = penalty.apart(p.of(self.objective.memory_of(name)))
            if a.units is not None:
                found.append((a.units, float(penalty.weight), a.features, a.atoms))
        return found
