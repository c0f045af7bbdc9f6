"""The explicit engine: one pass there and back by the derivatives that parts declare, without autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from isthmus.component import Component, declaration
from isthmus.layers import Path, Products, Room, bindable, declares, slot_of
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged, tightened
from isthmus.posterior import Posterior
from isthmus.records import Batch, Corrupted, Pass, Tallies, Terms, repeated
from isthmus.training.engine import Engine
from isthmus.training.optimiser import Optimiser

# By name, or by parameter.
Gradients = dict[Any, Tensor]
Narrow = Callable[[Gradients], Tensor]


class Bound:
    """Both networks bound to the buffers of one batch size."""

    def __init__(self, room: Room) -> None:
        """Bind nothing yet: shapes are known when the first batch arrives."""
        self.room = room
        self.paths: list[Path] = []
        # What the decoded part of outputs is multiplied by, where some of the inputs are carried past the code.
        self.gain: Tensor | None = None
        # How gradients of this step's code come back to the features; an engine that goes another way sets none.
        self.narrow: Narrow | None = None
        self.slots: list[Tensor] = []

    def path(self, i: int, network: Any, x: Tensor, *, inputs: bool, fixed: bool = False) -> Path:
        """Return the i-th path, with x where it reads: in x itself where that is ``fixed``, else in a copy."""
        if i == len(self.paths):
            self.paths.append(Path(bindable(network), x if fixed else x.clone(), self.room, inputs=inputs))
        path = self.paths[i]
        if path.x is not x:
            path.x.copy_(x)
        return path

    def slot(self, i: int, g: Tensor) -> Tensor:
        """Return a gradient in the i-th buffer for gradients, where a path finds it in every step."""
        if i == len(self.slots):
            self.slots.append(g.contiguous())
        return self.slots[i] if self.slots[i] is g else self.slots[i].copy_(g)


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
        self.bound: dict[int, Bound] = {}
        parts = {name: part.over(task.epochs) for name, part in task.parts().items()}
        # Most parts never change: what does is looked up at every step.
        self.fixed = {name: part for name, part in parts.items() if part.at(0.0) is part}
        self.timed = {name: part for name, part in parts.items() if name not in self.fixed}
        self.tallying = [name for name, part in parts.items() if type(part).tally is not Component.tally]
        remembers = bool(list(task.model.memory.parameters()))
        self.declared = declaration(parts["bottleneck"], "pullback") is not None and not remembers
        # Whether some gradients come from autograd, which leaves them at the parameters.
        pulled = [declaration(parts["likelihood"], "pullback", "nll")]
        pulled += [declaration(parts[name], "pullback") for name in task.penalties]
        networks = declares(task.model.encoder) and declares(task.model.decoder)
        self.mixed = not (self.declared and networks and None not in pulled)

    def room(self) -> Room:
        """Return where the steps of one batch size are computed."""
        return Room(self.products)

    def _now(self, name: str, epoch: float) -> Any:
        return self.fixed[name] if name in self.fixed else self.timed[name].at(epoch)

    @torch.no_grad()
    def gradient(self, batch: Batch, noise: Noise, epoch: float, *, valued: bool) -> tuple[Terms, Tallies]:
        """Go through the model, and back from every term."""
        bound = self.bound.get(batch.x.shape[0])
        if bound is None:
            bound = self.bound[batch.x.shape[0]] = Bound(self.room())
        bound.room.noise = noise
        self.products.begin()
        try:
            p = self._ahead(batch, noise, epoch, bound)
            penalties = self._penalties(epoch)
            p, means = self._valued(self._trimmed(p, epoch), penalties, valued)
            self._back(p, penalties, bound)
        finally:
            self.products.end()
        return means, self._tallies(p, epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the moments and what was chosen for products."""
        return super().state_dict() | {"products": self.products.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take both back."""
        super().load_state_dict(state)
        self.products.restore(state["products"])

    # -- there ------------------------------------------------------------------------------------------------------

    def _ahead(self, batch: Batch, noise: Noise, epoch: float, bound: Bound) -> Pass:
        o, model = self.objective, self.objective.model
        corrupted = self._corrupted(batch, noise, epoch)
        inputs = model.stem(corrupted)
        fixed = batch.fixed and inputs is batch.x
        features = bound.path(0, model.encoder, inputs, inputs=False, fixed=fixed).ahead()
        posterior, code, bound.narrow = self._narrow(features, noise, epoch)
        output = bound.path(1, model.decoder, code, inputs=True, fixed=code is features).ahead()
        beside = model.reader.beside(corrupted)
        if beside is not None:
            carried, bound.gain = (repeated(t, o.draws) for t in beside)
            output = carried + bound.gain * output
        return Pass(model, batch, corrupted, inputs, features, posterior, code, output, o.draws, model.memory, noise)

    def _penalties(self, epoch: float) -> dict[str, Any]:
        return {name: self._now(name, epoch) for name in self.objective.penalties}

    def _corrupted(self, batch: Batch, noise: Noise, epoch: float) -> Corrupted:
        found: Corrupted = self._now("corruption", epoch)(batch, noise, self.objective.memories["corruption"])
        return found

    def _narrow(self, features: Tensor, noise: Noise, epoch: float) -> tuple[Posterior, Tensor, Narrow]:
        """Return posterior, code and how their gradients come back to the features."""
        part, draws = self._now("bottleneck", epoch), self.objective.draws
        memory = self.objective.model.memory
        if self.declared:
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

    def _valued(self, p: Pass, penalties: dict[str, Any], valued: bool) -> tuple[Pass, Terms]:
        """Return averaged terms where they are asked for, and the pass with the shares of its draws."""
        if p.draws > 1:
            terms = self._terms(p, penalties)
            shared = replace(p, share=self._shares(terms, p))
            return shared, averaged(tightened(terms, p.draws, len(p.batch.x)), p.batch.weight)
        return p, averaged(self._terms(p, penalties), p.batch.weight) if valued else {}

    def _trimmed(self, p: Pass, epoch: float) -> Pass:
        """Return the pass with the oddest rows of each member counted out, where the trainer asks for it."""
        kept = self.objective.kept(p, epoch)
        if kept is None:
            return p
        weight = kept if p.batch.weight is None else kept * p.batch.weight
        return replace(p, batch=replace(p.batch, weight=weight))

    @staticmethod
    def _shares(terms: Terms, p: Pass) -> Tensor:
        """Return what each drawn row counts: the draw's share of its row's bound, times the row's of the mean."""
        rows = len(p.batch.x)
        drawn = [t.reshape(p.draws, rows) for t in terms.values() if t.dim() and len(t) == p.draws * rows]
        share = torch.softmax(-torch.stack(drawn).sum(0), dim=0) / rows
        return (share if p.batch.weight is None else share * p.batch.weight).flatten()

    # -- and back ---------------------------------------------------------------------------------------------------

    def _back(self, p: Pass, penalties: dict[str, Any], bound: Bound) -> None:
        found: Gradients = {"output": self._likelihood(p, bound)}
        self._ask(found, p, penalties, self.objective)
        parameters = {name: found.pop(name) for name in list(found) if isinstance(name, Tensor)}
        encoder, decoder = bound.paths
        out = found.pop("output")
        if bound.gain is not None:
            out = out * bound.gain
        g = decoder.back(bound.slot(0, out))
        merge(found, {"code": torch.zeros_like(p.code) if g is None else g}, p, 1.0)
        if bound.narrow is not None:
            merge(found, {"features": bound.narrow(found)}, p, 1.0)
            bound.narrow = None
        encoder.back(bound.slot(1, found["features"]))
        self._add_the_rest(parameters, bound.room)

    def _ask(self, found: Gradients, p: Pass, penalties: dict[str, Any], of: Objective) -> None:
        """Merge in the derivatives of penalties of an objective."""
        undeclared = {}
        for name, penalty in penalties.items():
            pullback = declaration(penalty, "pullback")
            if pullback is None:
                undeclared[name] = penalty
            else:
                merge(found, pullback(p.of(of.memory_of(name))), p, penalty.weight)
        if undeclared:
            merge(found, self._alone(p, undeclared, of), p, 1.0)

    def _add_the_rest(self, found: Gradients, room: Room) -> None:
        """Bring to the slots what penalties and autograd have for parameters, and zeros where nothing came."""
        if len(room.written) < len(self.flat.parameters):
            for parameter in self.flat.parameters:
                if parameter not in room.written:
                    slot_of(parameter).zero_()
        for parameter, g in found.items():
            slot_of(parameter).add_(g)
        if self.mixed:
            self.flat.add_up()

    def _likelihood(self, p: Pass, bound: Bound) -> Tensor:
        """Return the derivative of the averaged reconstruction term by the output."""
        likelihood, memory = self.objective.likelihood, self.objective.memory_of("likelihood")
        x = repeated(p.batch.x, p.draws)
        pullback = declaration(likelihood, "pullback", "nll")
        if pullback is None:
            leaf = p.output.detach().requires_grad_()
            with torch.enable_grad():
                value = self.objective.reconstruction(replace(p, output=leaf))
                torch.autograd.backward(value, p.shared(torch.ones_like(value)))
            found: Tensor = leaf.grad  # type: ignore[assignment]
            return found
        slope = pullback(p.output, x, memory, bound.slots[0] if bound.slots else torch.empty_like(p.output))
        for weight in (p.batch.seen, p.corrupted.emphasis):
            if weight is not None:
                slope = slope.mul_(likelihood.per_output(repeated(weight, p.draws), memory))
        return p.shared(slope, out=slope)

    def _alone(self, p: Pass, penalties: dict[str, Any], of: Objective) -> Gradients:
        """Return the derivatives of penalties that declare none, by autograd on leaves."""
        leaves: dict[str, Any] = {name: t.detach().requires_grad_() for name, t in tensors(p.posterior).items()}
        own = {name: getattr(p, name).detach().requires_grad_() for name in ("features", "code", "output")}
        apart = replace(p, posterior=replace(p.posterior, **leaves), **own)
        with torch.enable_grad():
            for name, penalty in penalties.items():
                value = penalty(apart.of(of.memory_of(name)))
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


def merge(found: Gradients, new: Gradients, p: Pass, weight: float | Tensor) -> None:
    """Add weighted gradients, by the name of what they belong to; draws of a posterior add up.

    A weight may be one per row.
    """
    for name, g in new.items():
        if p.draws > 1 and isinstance(name, str) and name not in ("code", "output") and len(g) == len(p.code):
            g = g.reshape(p.draws, -1, *g.shape[1:]).sum(0)
        if isinstance(weight, Tensor):
            g = g * weight.reshape(-1, *[1] * (g.dim() - 1))
        elif weight != 1.0:
            g = g * weight
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
