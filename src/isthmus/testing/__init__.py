"""Laws that every part keeps, for the authors of new ones: ``check_part(MyPenalty())`` says which law is broken.

The checks build the part into a tiny model, with partners from the catalogue that it fits, and look at what it does.
"""

from __future__ import annotations

import json
import math
import random  # noqa: TID251  (its state is compared, never used)
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.catalogue import from_dict, to_dict
from isthmus.component import Component, Part, Schedule, declaration
from isthmus.corruption import Corruption
from isthmus.likelihood import Likelihood
from isthmus.noise import Noise
from isthmus.parts import KINDS, parts
from isthmus.penalty import Penalty
from isthmus.records import Batch, Pass
from isthmus.testing.small_model import COLUMNS as COLUMNS
from isthmus.testing.small_model import ROWS as ROWS
from isthmus.testing.small_model import UNITS as UNITS
from isthmus.testing.small_model import Setting as Setting
from isthmus.testing.small_model import candidates as candidates
from isthmus.testing.small_model import choices as choices
from isthmus.testing.small_model import samples as samples
from isthmus.testing.small_model import setting as setting
from isthmus.training.optimiser import Optimiser
from isthmus.training.stacked import Noises, pieces


def law(holds: bool, part: Part, text: str) -> None:
    """Raise where a law does not hold.

    Raises:
        AssertionError: always with the part and the law.
    """
    if not holds:
        raise AssertionError(f"{part!r} breaks a law: {text}")


@contextmanager
def global_state_untouched(part: Part) -> Iterator[None]:
    """Check that the global generators of torch, numpy and random are left alone."""
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    yield
    law(torch.equal(before[0], torch.get_rng_state()), part, "torch's global generator is left alone")
    law(before[1] == str(np.random.get_state()), part, "numpy's global generator is left alone")  # noqa: NPY002
    law(before[2] == random.getstate(), part, "the generator of the module random is left alone")


def check_description(part: Part) -> None:
    """Check that a part prints, compares, hashes and travels through JSON."""
    law(part == replace(part) and hash(part) == hash(replace(part)), part, "equal parts are equal, with equal hashes")
    for f in fields(part):
        value = getattr(part, f.name)
        law(not isinstance(value, (Tensor, np.ndarray)), part, f"a description holds no arrays, but {f.name} is one")
        law(not isinstance(getattr(part.at(0.0), f.name), Schedule), part, "at(epoch) leaves no schedule")
    law(part.at(3.0) == part.at(3.0).at(5.0), part, "at(epoch) gives plain numbers, which do not change again")
    if not all(f.metadata.get("saved", True) for f in fields(part)):
        return
    names: dict[str, Any] = {cls.__name__: cls for cls in [*parts(), type(part)]}
    law(eval(repr(part), names) == part, part, "its repr, evaluated, is the part again")
    kind = next((kind for kind in KINDS if isinstance(part, kind)), type(part))
    if kind is not type(part):
        law(from_dict(kind, json.loads(json.dumps(to_dict(part)))) == part, part, "it comes back from JSON unchanged")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Compare two dictionaries of tensors, nested ones too, bit by bit."""
    if a.keys() != b.keys():
        return False
    pairs = [(a[name], b[name]) for name in a]
    return all(same(x, y) if isinstance(x, dict) else torch.equal(x, y) for x, y in pairs)


def check_work(part: Component, *partners: Component) -> None:
    """Check a part at work: pure, finite, in double precision, learning only in ``learn``."""
    it = setting(part, *partners)
    before, x = {k: v.clone() for k, v in it.objective.state_dict().items()}, it.batch.x.clone()
    terms, tallies = it.terms()
    again, tallies_again = it.terms()
    law(same(terms, again) and same(tallies, tallies_again), part, "the same call gives the same result")
    law(torch.equal(x, it.batch.x), part, "the batch is left unchanged")
    law(same(before, dict(it.objective.state_dict())), part, "a forward pass changes no weight and no memory")
    for name, value in terms.items():
        law(value.dtype == torch.float64, part, f"double precision stays double precision, but {name} is {value.dtype}")
        law(bool(value.isfinite().all()), part, f"every term is finite, but {name} is {value.detach()}")
        law(value.shape in ((), (ROWS,)), part, f"a term is one number or one per row, but {name} is {value.shape}")
    it.loss().backward()
    gradients = [p.grad for p in it.objective.parameters() if p.grad is not None]
    law(all(bool(g.isfinite().all()) for g in gradients), part, "every gradient is finite")
    it.objective.learn(tallies)
    it.objective.eval()
    with torch.no_grad():
        law(same(it.terms()[0], it.terms()[0]), part, "in use, the same call gives the same result")
        law(bool(it.loss().isfinite()), part, "in use, every term is finite")


def check_gradient(part: Component, *partners: Component) -> None:
    """Check that the gradient is the derivative of the value, along a random direction, to 1e-6 of it.

    Give smooth partners, such as ``Dense(activation="tanh")``: a rectifier has no derivative at zero.
    """
    it = setting(part, *partners)
    weights = [p for p in it.objective.parameters() if p.requires_grad]
    ways = [Noise(3).normal(p) for p in weights]
    slopes = torch.autograd.grad(it.loss(), weights, allow_unused=True)
    claimed = sum(float((way * g).sum()) for way, g in zip(ways, slopes, strict=True) if g is not None)
    step = 1e-6

    def moved(by: float) -> float:
        with torch.no_grad():
            for weight, way in zip(weights, ways, strict=True):
                weight.add_(way, alpha=by)
        return float(it.loss().detach())

    found = (moved(step) - moved(-2 * step)) / (2 * step)
    law(abs(found - claimed) <= 1e-6 * max(1.0, abs(found)), part, f"the gradient {claimed} is the derivative {found}")


def check_penalty(part: Penalty, *partners: Component) -> None:
    """Check that a penalty is unweighted, and that its numbers enter arithmetic only, so that members stack."""
    it = setting(part, *partners)
    p = it.objective.run(it.batch, it.noise.at(0))
    [(name, _)] = [item for item in it.objective.penalties.items() if item[1] is part]

    def value(penalty: Penalty) -> Tensor:
        seen: Pass = replace(p.of(it.objective.memories[name]), noise=it.noise.at(1))  # type: ignore[arg-type]
        return penalty(seen)

    now = part.at(math.inf)
    heavier = replace(now, weight=2.0 * now.weight + 1.0)  # type: ignore[attr-defined,call-arg]
    law(torch.equal(value(now), value(heavier)), part, "a penalty is unweighted; the objective multiplies")
    for f in fields(now):
        number = getattr(now, f.name)
        if f.name != "weight" and isinstance(number, float):
            members = torch.tensor([number, 0.9 * number], dtype=torch.float64)
            each = torch.stack([value(replace(now, **{f.name: float(m)})) for m in members])
            stacked = torch.vmap(lambda m, name=f.name: value(replace(now, **{name: m})))(members)
            law(torch.allclose(each, stacked), part, f"{f.name} may differ between stacked members")


def check_corruption(part: Corruption, *partners: Component) -> None:
    """Check that a corruption keeps shape and dtype, says what it touched, leaves the unseen alone, takes one row."""
    it = setting(part, *partners)
    memory, x = it.objective.memories["corruption"], it.batch.x
    now, seen = part.at(math.inf), Noise(4).uniform(x) < 0.7
    for batch in (it.batch, replace(it.batch, seen=seen), Batch(x[:1])):
        new = now(batch, it.noise.at(0), memory)  # type: ignore[arg-type]
        law(new.x.shape == batch.x.shape and new.x.dtype == x.dtype, part, "values keep their shape and dtype")
        changed = new.x != batch.x
        law(
            bool((changed & ~_mask(new.touched, x[: len(batch.x)])).sum() == 0), part, "touched covers what has changed"
        )
        law(batch.seen is None or not bool((changed & ~seen).any()), part, "entries that were not seen are left alone")


def _mask(mask: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like, dtype=torch.bool) if mask is None else mask


def check_likelihood(part: Likelihood, *partners: Component) -> None:
    """Check that a likelihood scores each entry, and that means and samples look like data."""
    it = setting(part, *partners)
    likelihood, memory, x = it.objective.likelihood, it.objective.memories["likelihood"], it.batch.x
    output = it.objective.run(it.batch, None).output
    found: dict[str, Tensor] = {
        "nll": likelihood.nll(output, x, memory),  # type: ignore[arg-type]
        "mean": likelihood.mean(output, memory),  # type: ignore[arg-type]
        "sample": likelihood.sample(output, it.noise.at(0), memory),  # type: ignore[arg-type]
    }
    for name, value in found.items():
        law(value.shape == x.shape, part, f"{name} is shaped as the data {tuple(x.shape)}, not {tuple(value.shape)}")
        law(value.dtype == x.dtype, part, f"{name} keeps the dtype")
    law(bool(likelihood.supports(x).all()), part, "it supports data of the kind that it requires")
    pullback = declaration(likelihood, "pullback", "nll")
    if pullback is not None:
        leaf = output.detach().requires_grad_()
        (expected,) = torch.autograd.grad(likelihood.nll(leaf, x, memory).sum(), leaf)  # type: ignore[arg-type]
        claimed = pullback(output.detach(), x, memory)
        law(torch.allclose(claimed, expected, rtol=1e-12), part, "its pullback is the derivative of its nll")
    law(bool(likelihood.supports(found["sample"]).all()), part, "it supports its own samples")


def check_rows(part: Component, *partners: Component) -> None:
    """Check shapes, and that in use no row depends on another."""
    it = setting(part, *partners)
    model = it.objective.eval().model
    with torch.no_grad():
        whole, half = model(it.batch), model(Batch(it.batch.x[::2]))
    law(tuple(whole.code.shape[1:]) == model.code_shape, part, f"codes have the shape {model.code_shape}")
    law(tuple(whole.output.shape[1:]) == model.outputs, part, f"outputs have the shape {model.outputs}")
    law(torch.allclose(whole.code[::2], half.code, atol=1e-12), part, "in use, no row depends on another")


def check_by_row(part: Component, *partners: Component) -> None:
    """Check that a part which says so treats every row by itself, so that rows of several models may share a call."""
    it = setting(part, *partners)
    noise = Noises([it.noise, Noise(5)])
    whole, _ = it.objective(it.batch, noise.at(0), math.inf)
    halves = zip(pieces(it.batch, 2), Noises.of(noise.at(0)), strict=True)
    each = [it.objective(batch, own, math.inf)[0] for batch, own in halves]
    for name, value in whole.items():
        apart = [terms[name] for terms in each]
        alike = value.dim() > 0 and torch.allclose(torch.cat(apart), value)
        law(alike, part, f"it says that it treats every row by itself, but {name} depends on other rows")


def check_schedule(part: Schedule) -> None:
    """Check that a schedule has a finite number at every epoch."""
    numbers = [part.value(epoch) for epoch in (0.0, 0.5, 1.0, 10.0, 1e6, math.inf)]
    law(all(map(math.isfinite, numbers)), part, f"a schedule is finite at every epoch, to the end: {numbers}")


def check_optimiser(part: Optimiser) -> None:
    """Check that an optimiser goes downhill."""
    w = torch.nn.Parameter(torch.zeros(3))
    optimiser = part.bind([w])

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = (w - 1.0).square().sum()
        loss.backward()
        return loss

    for _ in range(50):
        optimiser.step(closure)
    law(float(closure().detach()) < 2.999, part, "fifty steps lower a quadratic")


CHECKS: dict[str, Callable[..., None]] = {
    "architecture": check_rows,
    "bottleneck": check_rows,
    "corruption": check_corruption,
    "likelihood": check_likelihood,
    "penalty": check_penalty,
}
ALONE: dict[str, Callable[..., None]] = {"schedule": check_schedule, "optimiser": check_optimiser}


def check_part(part: Part, *partners: Component) -> None:
    """Check every law of a part's kind; ``partners`` are parts to build it with, where it fits only those.

    >>> from isthmus.parts import L1
    >>> check_part(L1(weight=0.1))

    Raises:
        AssertionError: the part and the law that it breaks.
    """
    with global_state_untouched(part):
        check_description(part)
        if part.kind in ALONE:
            ALONE[part.kind](part)
        elif isinstance(part, Component) and part.kind in CHECKS:
            check_work(part, *partners)
            CHECKS[part.kind](part, *partners)
            if part.by_row:
                check_by_row(part, *partners)
