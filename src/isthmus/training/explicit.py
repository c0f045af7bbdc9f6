"""The explicit engine: one pass there and back by the derivatives that parts declare, without autograd."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Component
from isthmus.layers import Back, Products, Room, add, vjp
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged, tightened
from isthmus.posterior import Posterior
from isthmus.records import Batch, Pass, Tallies, Terms
from isthmus.training.engine import Engine
from isthmus.training.optimiser import Optimiser

Gradients = dict[Any, Tensor]


@dataclass(frozen=True)
class Steps:
    """What a pass left behind: itself, and the ways back through its three stages."""

    p: Pass
    encoder: Back
    bottleneck: Any
    decoder: Back


class Explicit(Engine):
    """Gradients by the chain rule over what parts declare; a part that declares nothing is differentiated alone.

    The value of the loss costs about as much as a layer and moves nothing, so only ``valued`` steps look at it, unless
    several draws are weighed by it.
    """

    name = "explicit"

    def __init__(
        self, task: Objective, optimiser: Optimiser, *, clip: float = 0.0, products: Products | None = None
    ) -> None:
        """Bind; ``products`` says how matrices are multiplied."""
        super().__init__(task, optimiser, clip=clip)
        self.objective, self.products = task, products or Products()
        self.rooms: dict[int, Room] = {}
        parts = {name: part.over(task.epochs) for name, part in task.parts().items()}
        # Most parts never change: what does is looked up at every step.
        self.fixed = {name: part for name, part in parts.items() if part.at(0.0) is part}
        self.timed = {name: part for name, part in parts.items() if name not in self.fixed}
        self.tallying = [name for name, part in parts.items() if type(part).tally is not Component.tally]

    def _now(self, name: str, epoch: float) -> Any:
        return self.fixed[name] if name in self.fixed else self.timed[name].at(epoch)

    @torch.no_grad()
    def gradient(self, batch: Batch, noise: Noise, epoch: float, *, valued: bool) -> tuple[Terms, Tallies]:
        """Go through the model, and back from every term."""
        room = self.rooms.get(batch.x.shape[0])
        if room is None:
            room = self.rooms[batch.x.shape[0]] = Room(self.products)
        room.begin()
        try:
            return self._there_and_back(batch, noise, epoch, room, valued)
        finally:
            self.products.end()

    def _there_and_back(
        self, batch: Batch, noise: Noise, epoch: float, room: Room, valued: bool
    ) -> tuple[Terms, Tallies]:
        steps = self._forward(batch, noise, epoch, room)
        penalties = {name: self._now(name, epoch) for name in self.objective.penalties}
        p, means = steps.p, Terms()
        if p.draws > 1:
            terms = self._terms(p, penalties)
            p = replace(p, share=self._shares(terms, p))
            means = averaged(tightened(terms, p.draws, len(batch.x)), batch.weight)
        elif valued:
            means = averaged(self._terms(p, penalties), batch.weight)
        self._backward(replace(steps, p=p), penalties, room)
        return means, self._tallies(p, epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments and what was chosen for products."""
        return super().state_dict() | {"products": self.products.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take both back."""
        super().load_state_dict(state)
        self.products.restore(state["products"])

    # -- there ------------------------------------------------------------------------------------------------------

    def _forward(self, batch: Batch, noise: Noise, epoch: float, room: Room) -> Steps:
        o, model = self.objective, self.objective.model
        corrupted = self._now("corruption", epoch)(batch, noise, o.memories["corruption"])
        inputs = model.stem(corrupted)
        features, encoder = vjp(model.encoder, inputs, noise, room, inputs=False)
        posterior, code, bottleneck = self._narrow(features, noise, epoch)
        output, decoder = vjp(model.decoder, code, noise, room, inputs=True)
        p = Pass(model, batch, corrupted, inputs, features, posterior, code, output, o.draws, model.memory, noise)
        return Steps(p, encoder, bottleneck, decoder)

    def _narrow(self, features: Tensor, noise: Noise, epoch: float) -> tuple[Posterior, Tensor, Any]:
        """Return posterior, code and how their gradients come back to the features."""
        part, draws = self._now("bottleneck", epoch), self.objective.draws
        memory = self.objective.model.memory
        if hasattr(part, "pullback") and not list(memory.parameters()):
            posterior = part(features, memory)
            if hasattr(posterior, "pullback"):
                code = posterior.rsample(noise, draws)
                return posterior, code, lambda g: declared(part, features, posterior, code, g)
        leaf = features.detach().requires_grad_()
        with torch.enable_grad():
            posterior = part(leaf, memory)
            code = posterior.rsample(noise, draws)
        graph = {"code": code, **tensors(posterior)}
        plain: dict[str, Any] = {name: t.detach() for name, t in tensors(posterior).items()}
        return replace(posterior, **plain), code.detach(), lambda g: differentiated(leaf, graph, g)

    def _terms(self, p: Pass, penalties: dict[str, Any]) -> Terms:
        terms = {"reconstruction": self.objective.reconstruction(p)}
        for name, penalty in penalties.items():
            terms[name] = penalty.weight * penalty(p.of(self.objective.memory_of(name)))
        return terms

    @staticmethod
    def _shares(terms: Terms, p: Pass) -> Tensor:
        """Return what each drawn row counts: the draw's share of its row's bound, times the row's of the mean."""
        rows = len(p.batch.x)
        drawn = [t.reshape(p.draws, rows) for t in terms.values() if t.dim() and len(t) == p.draws * rows]
        share = torch.softmax(-torch.stack(drawn).sum(0), dim=0) / rows
        return (share if p.batch.weight is None else share * p.batch.weight).flatten()

    # -- and back ---------------------------------------------------------------------------------------------------

    def _backward(self, steps: Steps, penalties: dict[str, Any], room: Room) -> None:
        p, found = steps.p, Gradients()
        found["output"] = self._likelihood(p, room)
        undeclared = {}
        for name, penalty in penalties.items():
            pullback: Any = getattr(penalty, "pullback", None)
            if pullback is None:
                undeclared[name] = penalty
            else:
                merge(found, pullback(p.of(self.objective.memory_of(name))), p, penalty.weight)
        if undeclared:
            merge(found, self._alone(p, undeclared), p, 1.0)
        g = steps.decoder(found.pop("output"))
        merge(found, {"code": torch.zeros_like(p.code) if g is None else g}, p, 1.0)
        merge(found, {"features": steps.bottleneck(found)}, p, 1.0)
        steps.encoder(found["features"])

    def _likelihood(self, p: Pass, room: Room) -> Tensor:
        """Return the derivative of the averaged reconstruction term by the output."""
        likelihood, memory = self.objective.likelihood, self.objective.memories["likelihood"]
        x = repeated(p.batch.x, p.draws)
        pullback: Any = getattr(likelihood, "pullback", None)
        if pullback is None:
            leaf = p.output.detach().requires_grad_()
            with torch.enable_grad():
                value = self.objective.reconstruction(replace(p, output=leaf))
                torch.autograd.backward(value, p.shared(torch.ones_like(value)))
            found: Tensor = leaf.grad  # type: ignore[assignment]
            return found
        slope = pullback(p.output, x, memory, room.empty(p.output))
        for weight in (p.batch.seen, p.corrupted.emphasis):
            if weight is not None:
                slope = slope.mul_(repeated(weight, p.draws))
        return p.shared(slope, out=slope)

    def _alone(self, p: Pass, penalties: dict[str, Any]) -> Gradients:
        """Return the derivatives of penalties that declare none, by autograd on leaves."""
        leaves: dict[str, Any] = {name: t.detach().requires_grad_() for name, t in tensors(p.posterior).items()}
        own = {name: getattr(p, name).detach().requires_grad_() for name in ("features", "code", "output")}
        apart = replace(p, posterior=replace(p.posterior, **leaves), **own)
        with torch.enable_grad():
            for name, penalty in penalties.items():
                value = penalty(apart.of(self.objective.memory_of(name)))
                if value.requires_grad:
                    share = p.shared(torch.ones_like(value)) if value.dim() else torch.ones_like(value)
                    torch.autograd.backward(value, share * penalty.weight)
        return {name: leaf.grad for name, leaf in {**leaves, **own}.items() if leaf.grad is not None}

    def _tallies(self, p: Pass, epoch: float) -> Tallies:
        o = self.objective
        found = {name: self._now(name, epoch).tally(p.of(o.memory_of(name))) for name in self.tallying}
        found |= {name: layer.tally() for name, layer in o.noting.items()}
        return {name: sums for name, sums in found.items() if sums}


def tensors(posterior: Posterior) -> dict[str, Tensor]:
    """Return the fields of a posterior that are tensors of floating point."""
    found = {f.name: getattr(posterior, f.name) for f in fields(posterior)}
    return {name: t for name, t in found.items() if isinstance(t, Tensor) and t.is_floating_point()}


def repeated(t: Tensor, draws: int) -> Tensor:
    """Return one block of rows per draw."""
    return t if draws == 1 else t.repeat(draws, *[1] * (t.dim() - 1))


def merge(found: Gradients, new: Gradients, p: Pass, weight: float) -> None:
    """Add weighted gradients: of parameters to the parameters, all others by name; draws of a posterior add up."""
    for name, g in new.items():
        if isinstance(name, Tensor):
            add(name, g, weight)
            continue
        if p.draws > 1 and name not in ("code", "output") and len(g) == len(p.code):
            g = g.reshape(p.draws, -1, *g.shape[1:]).sum(0)
        g = g if weight == 1.0 else g * weight
        found[name] = found[name] + g if name in found else g


def declared(part: Any, features: Tensor, posterior: Any, code: Tensor, found: Gradients) -> Tensor:
    """Return the gradient of the features by what the bottleneck and its posterior declare."""
    fields = {name: g for name, g in found.items() if name not in ("code", "features")}
    for name, g in posterior.pullback(found["code"], code).items():
        fields[name] = fields[name] + g if name in fields else g
    return part.pullback(fields, features, posterior)  # type: ignore[no-any-return]


def differentiated(leaf: Tensor, graph: dict[str, Tensor], found: Gradients) -> Tensor:
    """Return the gradient of the features by autograd from the posterior's fields and the code."""
    reached = [(graph[name], g) for name, g in found.items() if name in graph and graph[name].requires_grad]
    torch.autograd.backward([t for t, _ in reached], [g for _, g in reached])
    g: Tensor = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return g
