"""A dictionary between libraries: what its tensors mean, whoever wrote them, and the estimator of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.architecture.dictionary import Dictionary
from isthmus.bottleneck import Bottleneck
from isthmus.bottleneck.activated import Rectified
from isthmus.bottleneck.batch_top_k import BatchTopK
from isthmus.bottleneck.gated import Gated
from isthmus.bottleneck.jump_relu import JumpReLU
from isthmus.bottleneck.top_k import TopK
from isthmus.corruption import Clean
from isthmus.data.arrays import Scaling
from isthmus.estimators.assembly import Parts
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.beginning import build
from isthmus.estimators.forms import Plain
from isthmus.estimators.past import Past
from isthmus.likelihood.normal import Normal
from isthmus.measures.baseline import Baseline
from isthmus.noise import Noise
from isthmus.records import Spec
from isthmus.training.history import History
from isthmus.training.trainer import Trainer

ALIKE = 1e-3


@dataclass(frozen=True)
class Weights:
    """h = s(W (x - c) + b) and x_hat = c + sum_j h_j d_j, in the units of the rows.

    ``kind`` says what s is: ``relu``; ``topk`` with ``k``; ``jumprelu`` with a ``threshold`` per unit; ``gated`` with
    ``scale`` and ``shift``, for h = [a > 0] max(exp(scale) a + shift, 0).
    """

    kind: str
    encoder: Tensor
    bias: Tensor
    atoms: Tensor
    centre: Tensor
    k: int = 0
    threshold: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse tensors that do not fit each other, or hold what is no number.

        Raises:
            ValueError: with the name and both shapes, or the number of values that are not finite.
        """
        units, width = self.encoder.shape if self.encoder.dim() == 2 else (0, 0)
        wanted = {"encoder": (units, width), "bias": (units,), "atoms": (units, width), "centre": (width,)}
        wanted |= dict.fromkeys(("threshold", "scale", "shift"), (units,))
        for name, shape in wanted.items():
            found = getattr(self, name)
            if found is not None and (tuple(found.shape) != shape or not units):
                raise ValueError(
                    f"{name} has the shape {tuple(found.shape)}, which does not fit {shape} of the encoder"
                )

            if found is not None and (bad := int((~found.isfinite()).sum())):
                raise ValueError(
                    f"{name} has {bad:,} values of {found.numel():,} that are NaN or infinite, so that rows could not "
                    "come back; write the file again from weights that are finite"
                )
        if self.kind == "topk" and not 1 <= self.k <= units:
            raise ValueError(f"k={self.k} of {units} units cannot be active; write a whole number from 1 to {units}")

    def read_without_centre(self) -> Weights:
        """Return the same where the encoder reads x itself: W x + b is W (x - c) + (b + W c)."""
        return replace(self, bias=self.bias + self.encoder @ self.centre)

    def folded(self) -> Weights:
        """Return the same with atoms of length one, and codes as much larger as atoms were longer.

        Raises:
            ValueError: the largest few units would be others, since atoms differ in length.
        """
        length = self.atoms.norm(dim=1).clamp_min(1e-12)
        if self.kind == "topk" and (length / length.mean() - 1).abs().max() > ALIKE:
            raise ValueError(
                "the largest units are chosen without a look at their atoms, which differ in length; a Dictionary has "
                "atoms of length one and would choose others: bring atoms to one length in the other library first"
            )
        rows = length.unsqueeze(1)
        found = replace(self, encoder=self.encoder * rows, bias=self.bias * length, atoms=self.atoms / rows)
        if self.threshold is not None:
            found = replace(found, threshold=self.threshold * length)
        return found if self.shift is None else replace(found, shift=self.shift * length)


def weights_of(model: Autoencoder) -> Weights:
    """Return the weights of a fitted dictionary in the units of its rows.

    Raises:
        ValueError: it is no dictionary, or one that other libraries do not know.
    """
    net: Any = model.objective_.model
    if not isinstance(net.architecture, Dictionary):
        raise ValueError(f"{net.architecture!r} is not a dictionary; fit recipes.dictionary() or give Dictionary()")
    into = net.encoder.layers[1]
    factor = torch.from_numpy(model.scaling_.factor).reshape(-1)
    mean = torch.from_numpy(model.scaling_.centre).reshape(-1)
    encoder, bias, centre, atoms = (
        t.detach().cpu().double() for t in (into.weight, into.bias, into.centre, net.architecture.atoms(net.decoder))
    )
    found = Weights("relu", encoder / factor, bias, atoms * factor, mean + factor * centre)
    return replace(found, **_selection(net.bottleneck, net.memory, len(bias))).folded()


def _selection(part: Bottleneck, memory: Any, units: int) -> dict[str, Any]:
    """Return what a bottleneck does to features, in the words of :class:`Weights`."""
    with torch.no_grad():
        match part:
            case Rectified(slope=0.0):
                return {"kind": "relu"}
            case TopK(rectified=True):
                return {"kind": "topk", "k": part.k_use or part.k or max(1, units // 8)}
            case BatchTopK():
                return {"kind": "jumprelu", "threshold": part.threshold(memory).double().cpu().expand(units).clone()}
            case JumpReLU():
                return {"kind": "jumprelu", "threshold": part.thresholds(memory).double().cpu()}
            case Gated():
                return {"kind": "gated", "scale": memory.scale.double().cpu(), "shift": memory.shift.double().cpu()}
    raise ValueError(
        f"other libraries have no {part!r}; they know Rectified(), TopK(rectified=True), BatchTopK, JumpReLU and Gated"
    )


def estimator_of(weights: Weights) -> Autoencoder:
    """Return an estimator that encodes and decodes by these weights, as if it had been fitted to them."""
    weights = weights.folded()
    units, columns = weights.encoder.shape
    bottleneck: Bottleneck = {
        "relu": Rectified(),
        "topk": TopK(max(1, weights.k), rectified=True),
        "jumprelu": JumpReLU(),
        "gated": Gated(),
    }[weights.kind]
    model = Autoencoder(
        units, architecture=Dictionary(), bottleneck=bottleneck, likelihood=Normal(), scaling="none", random_state=0
    )
    model.form_, model.n_features_in_, model.row_shape_ = Plain(), columns, (columns,)
    model.spec_ = Spec((columns,), provides=frozenset({"numbers", "continuous"}))
    model.scaling_, model._noise = Scaling("none", np.zeros(columns), np.ones(columns)), Noise(0)
    build(model, Parts(Dictionary(), bottleneck, Clean(), Normal(), (), Trainer(), units))
    _put(weights, model.objective_.model)
    model.objective_.eval()
    model.history_, model.n_iter_, model.best_epoch_ = History([]), 0, 0
    known = Baseline(weights.centre.float().numpy(), np.zeros((0, columns), np.float32), np.array([0]))
    model._seen.known = Past(known, np.zeros((0, units), np.float32))
    return model


@torch.no_grad()
def _put(weights: Weights, net: Any) -> None:
    into, out = net.encoder.layers[1], net.decoder.layers[1]
    into.weight.copy_(weights.encoder)
    into.bias.copy_(weights.bias)
    into.centre.copy_(weights.centre)
    out.weight.copy_(weights.atoms.T)
    if weights.threshold is not None:
        net.memory.tenth.copy_(weights.threshold / 10)
    if weights.scale is not None and weights.shift is not None:
        net.memory.scale.copy_(weights.scale)
        net.memory.shift.copy_(weights.shift)
