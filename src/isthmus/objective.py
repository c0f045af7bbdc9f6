"""The objective: one pass becomes a sum of named terms in nats.

J = E_x E_C [-log p(x | g(h))] + sum_i w_i Omega_i. The trainer sees only a :class:`Task`, of which this is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.catalogue import name_of, to_dict
from isthmus.component import Component, Memory
from isthmus.corruption import Clean, Corruption
from isthmus.layers import Layer
from isthmus.likelihood import Likelihood
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.penalty import Penalty
from isthmus.records import Batch, Pass, Tallies, Terms, mean_over_rows, repeated
from isthmus.vocabulary import check


class Task(nn.Module):
    """The one thing that is trained: batch, noise and epoch in, named terms and tallies out.

    ``epochs`` is the length of the fit, for schedules that span it, ``trim`` the share of rows that a step leaves out;
    the trainer sets both.
    """

    epochs: float = math.inf
    trim: float = 0.0
    draws: int = 1

    def forward(self, batch: Batch, noise: Noise | None, epoch: float) -> tuple[Terms, Tallies]:
        """Return weighted terms, each (rows,) or one number, and sums for :meth:`learn`."""
        raise NotImplementedError  # abstract

    @property
    def needs_autograd(self) -> str:
        """Why the explicit engine cannot walk through this task; empty where it can, which needs an Objective."""
        return f"{type(self).__name__} declares no derivatives"

    def trims(self, epoch: float) -> bool:
        """Say whether a step leaves rows out; the first tenth of a fit learns from all, since losses say little yet.

        A fit without an end, such as a stream of partial ones, learns from all rows in its first pass.
        """
        return bool(self.trim) and epoch >= (0.1 * self.epochs if math.isfinite(self.epochs) else 1.0)

    def learn(self, tallies: Tallies) -> None:
        """Fold tallies into memories, once per optimiser step."""

    def start(self, sample: Batch) -> None:
        """Set initial values from data."""

    def trained(self) -> list[nn.Parameter]:
        """Return the parameters that steps move."""
        return [p for p in self.parameters() if p.requires_grad]

    def measure(self, batch: Batch) -> Terms:
        """Return what held-out rows are looked at for besides the terms, such as errors: (rows,) or one number."""
        return {}

    def verdict(self, found: dict[str, float]) -> list[float]:
        """Return what chooses the best weights, less is better, from the held-out means of terms and measures."""
        return [found["loss"]]

    def told(self, found: dict[str, float]) -> None:
        """Take note of the held-out means of an epoch, once they were judged."""

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain values, which a checkpoint compares."""
        return {"type": type(self).__name__}

    def unsupervised(self) -> Objective:
        """Return the objective of the autoencoder inside, whose layers can be pretrained.

        Raises:
            ValueError: there is none.
        """
        raise ValueError(f"{type(self).__name__} holds no autoencoder to pretrain; use a trainer without pretraining")


class Objective(Task):
    """Likelihood, penalties and corruption around a model.

    The loss is exactly the sum of the terms that :meth:`forward` names. With ``draws`` > 1 (None: as many as the
    bottleneck asks for) it is the importance-weighted bound (Burda et al., 2016), still a sum of named terms: with r
    the softmax over draws of minus the per-draw loss, it is sum_s r_s (terms of draw s) + [log draws - entropy(r)],
    the last called ``tightening``.

    Raises:
        ValueError: parts that do not fit together, or two penalties of one name.
    """

    def __init__(
        self,
        model: Autoencoder,
        likelihood: Likelihood,
        penalties: Sequence[Penalty] = (),
        corruption: Corruption | None = None,
        draws: int | None = None,
    ) -> None:
        """Check the parts against each other and build their memories."""
        super().__init__()
        self.model, self.likelihood = model, likelihood
        self.draws = model.bottleneck.draws if draws is None else draws
        self.corruption = corruption if corruption is not None else Clean()
        self.penalties = {name_of(penalty): penalty for penalty in penalties}
        if len(self.penalties) < len(penalties):
            names = [type(penalty).__name__ for penalty in penalties]
            raise ValueError(f"penalties {names} hold one kind twice; terms are told apart by name, so merge them")
        self.provides = check(self.parts().values(), given_words(model), facts(model))
        self.memories = nn.ModuleDict(
            {
                name: part.memory(model.spec, model.code_shape)
                for name, part in self.parts().items()
                if name != "bottleneck"
            }
        )
        self.noting = {f"layer.{name}": layer for name, layer in noting(model).items()}
        self._differentiable = any(penalty.differentiates(model) for penalty in self.penalties.values())

    def parts(self) -> dict[str, Component]:
        """Return every part by its name in the objective."""
        named: dict[str, Component] = {
            "architecture": self.model.architecture,
            "bottleneck": self.model.bottleneck,
            "corruption": self.corruption,
            "likelihood": self.likelihood,
        }
        return named | dict(self.penalties)

    def start(self, sample: Batch) -> None:
        """Let every part set its initial values; the architecture sees the others', and the bottleneck its features."""
        late = ("architecture", "bottleneck")
        for _, part in sorted(self.parts().items(), key=lambda item: item[0] in late and 1 + late.index(item[0])):
            part.start(self, sample)

    def describe(self) -> dict[str, Any]:
        """Return every part and the number of draws."""
        parts = {name: to_dict(part.over(self.epochs)) for name, part in self.parts().items()}
        return {"parts": parts, "draws": self.draws}

    def unsupervised(self) -> Objective:
        """Return this objective."""
        return self

    def run(self, batch: Batch, noise: Noise | None, epoch: float = math.inf) -> Pass:
        """Corrupt the batch, where there is noise, and pass it through the model."""
        corrupted = None
        if noise is not None:
            corruption = self.corruption.over(self.epochs).at(epoch)
            corrupted = corruption(batch, noise, self.memory_of("corruption"))
        draws = self.draws if noise is not None else 1
        return self.model.forward(batch, corrupted, noise, draws, differentiable=self._differentiable)

    def nll(self, p: Pass) -> Tensor:
        """Return -log p(x | code) per entry, shaped as the batch (draws folded into rows), against the clean values."""
        x = repeated(p.batch.x, p.draws)
        nll = self.likelihood.nll(p.output, x, self.memory_of("likelihood"))
        return nll if p.batch.seen is None else nll * repeated(p.batch.seen, p.draws)

    def forward(self, batch: Batch, noise: Noise | None, epoch: float) -> tuple[Terms, Tallies]:
        """Return the weighted terms of one batch and the sums that memories learn from."""
        return self.terms(self.run(batch, noise, epoch), epoch)

    def terms(self, p: Pass, epoch: float) -> tuple[Terms, Tallies]:
        """Return the weighted terms of one pass and the sums that memories learn from."""
        terms, tallies = self._terms(p, self.reconstruction(p), epoch)
        kept = self.kept(p, epoch) if self.training and p.noise is not None else None
        if kept is not None:
            terms = {name: t * kept if t.dim() else t for name, t in terms.items()}
        return terms, tallies

    def kept(self, p: Pass, epoch: float) -> Tensor | None:
        """Return what each row counts where the oddest ones are left out, as many of each member; None for all."""
        rows = len(p.batch.x)
        if not self.trims(epoch) or rows < 2 * p.members:
            return None
        with torch.no_grad():
            odd = self.excess(p).view(p.members, -1)
            most = max(1, round(odd.shape[1] * (1 - self.trim)))
            worst = odd.kthvalue(most, dim=1, keepdim=True).values
            kept = (odd <= worst).to(odd.dtype)
            return (kept / kept.mean(1, keepdim=True)).flatten()

    def excess(self, p: Pass) -> Tensor:
        """Return by how much each row's first term is above that of the most probable values, (rows,).

        What a term counts whatever the values are would order rows by the scale, by how many of their entries were
        seen, or by the noise that they happen to be given.
        """
        memory = self.memory_of("likelihood")
        over = self.likelihood.nll(p.output, p.batch.x, memory) - self.likelihood.peak(p.output, memory)
        for weight in (p.batch.seen, p.corrupted.emphasis):
            over = over if weight is None else over * weight
        total = over.flatten(1).sum(1)
        return total if p.batch.seen is None else total / p.batch.seen.flatten(1).sum(1).clamp_min(1.0)

    @property
    def measures(self) -> bool:
        """Whether some part looks at held-out rows for more than terms."""
        return any(type(part).measure is not Component.measure for part in self.parts().values())

    def measure(self, batch: Batch) -> Terms:
        """Return what parts look at held-out rows for."""
        if not self.measures:
            return {}
        p, found = self.run(batch, None), Terms()
        for name, part in self.parts().items():
            found |= part.over(self.epochs).at(math.inf).measure(p.of(self.memory_of(name)))
        return found

    def verdict(self, found: dict[str, float]) -> list[float]:
        """Return by how much targets are missed, and then the loss without the penalties that have one."""
        missed = {name: part.missed(self.memory_of(name), found) for name, part in self.penalties.items()}
        misses = {name: miss for name, miss in missed.items() if miss is not None}
        return [*misses.values(), found["loss"] - sum(found[name] for name in misses)]

    def told(self, found: dict[str, float]) -> None:
        """Tell every part."""
        with torch.no_grad():
            for name, part in self.parts().items():
                part.told(self.memory_of(name), found)

    @property
    def needs_autograd(self) -> str:
        """A penalty by the encoder's inputs needs a second derivative, and embeddings one by the encoder's inputs."""
        if any(True for _ in self.model.reader.parameters()):
            return "the stem learns embeddings of levels"
        if not self._differentiable:
            return ""
        by_inputs = [type(part).__name__ for part in self.penalties.values() if part.differentiates(self.model)]
        return f"{by_inputs[0]} differentiates the code by the inputs"

    def reconstruction(self, p: Pass) -> Tensor:
        """Return the first term per (drawn) row: the nll of what was seen, with the corruption's emphasis."""
        nll = self.nll(p)
        if p.corrupted.emphasis is not None:
            nll = nll * repeated(p.corrupted.emphasis, p.draws)
        return nll.flatten(1).sum(1)

    def _terms(self, p: Pass, reconstruction: Tensor, epoch: float) -> tuple[Terms, Tallies]:
        terms, tallies = {"reconstruction": reconstruction}, Tallies()
        for name, penalty in self.penalties.items():
            now = penalty.over(self.epochs).at(epoch)
            terms[name] = now.weight * now(p.of(self.memory_of(name)))  # type: ignore[attr-defined]
        for name, part in self.parts().items():
            if type(part).tally is not Component.tally:
                tallies[name] = part.over(self.epochs).at(epoch).tally(p.of(self.memory_of(name)))
        for name, layer in self.noting.items():
            tallies[name] = layer.tally()
        tallies = {name: sums for name, sums in tallies.items() if sums}
        return (terms if p.draws == 1 else tightened(terms, p.draws, len(p.batch.x))), tallies

    def memory_of(self, name: str) -> Memory:
        """Return the memory of a part, by its name in the objective."""
        return self.model.memory if name == "bottleneck" else self.memories[name]  # type: ignore[return-value]

    def learn(self, tallies: Tallies) -> None:
        """Fold the sums into memories and layers."""
        parts = self.parts()
        with torch.no_grad():
            for name, sums in tallies.items():
                if name in self.noting:
                    self.noting[name].learn(sums)
                else:
                    parts[name].learn(self.memory_of(name), sums)


def noting(module: nn.Module) -> dict[str, Layer]:
    """Return the layers that note sums of a batch while fitting, by name."""
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, Layer)}
    return {name: layer for name, layer in layers.items() if type(layer).tally is not Layer.tally}


def given_words(model: Autoencoder) -> frozenset[str]:
    """Return what the data and the sizes provide."""
    words = set(model.spec.provides)
    if math.prod(model.code_shape) <= model.spec.size:
        words.add("narrow code")
    if model.outputs == model.inputs:
        words.add("outputs shaped as inputs")
    if len(model.spec.shape) > 1:
        words.add("places")
    return frozenset(words)


def facts(model: Autoencoder) -> dict[str, str]:
    """Return the sizes, for what they do not provide."""
    units, size = math.prod(model.code_shape), model.spec.size
    return {"narrow code": f"{units:,} numbers per code, {size:,} per row"}


def tightened(terms: Terms, draws: int, rows: int) -> Terms:
    """Combine the terms of several draws into the importance-weighted bound, term by term."""
    drawn = {name: t.reshape(draws, rows) for name, t in terms.items() if t.dim() and len(t) == draws * rows}
    total = torch.stack(list(drawn.values())).sum(0)
    log_r = torch.log_softmax(-total, dim=0)
    r = log_r.exp()
    combined = {name: (r * drawn[name]).sum(0) if name in drawn else t for name, t in terms.items()}
    combined["tightening"] = math.log(draws) + (r * log_r).sum(0)  # r may be 0, its logarithm is finite
    return combined


def averaged(terms: Terms, weight: Tensor | None) -> Terms:
    """Average every term over rows."""
    return {name: mean_over_rows(values, weight) for name, values in terms.items()}
