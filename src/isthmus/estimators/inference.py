"""Using a fitted objective: deterministic, in chunks, in the precision of the input."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from isthmus.data.arrays import Scaling
from isthmus.estimators.inputs import Array, tensor
from isthmus.noise import Noise
from isthmus.objective import Objective, tightened
from isthmus.records import Batch, Pass

CHUNK = 1024
ROWS_OF_DRAWS = 8192


class Inference:
    """Answers of a fitted objective to arrays in the caller's units, shaped (rows, variables).

    float64 rows are answered by a float64 copy of the model, because float32 products round differently in batches of
    different sizes: so a row's score does not depend on the rows beside it, to 1e-7.
    """

    def __init__(self, objective: Objective, scaling: Scaling) -> None:
        """Hold the objective in its own precision; the copy is made when first asked for."""
        self.scaling = scaling
        self._by_dtype: dict[torch.dtype, Objective] = {}
        self._objective = objective

    def objective(self, dtype: torch.dtype) -> Objective:
        """Return the objective in a precision, in eval mode."""
        if dtype not in self._by_dtype:
            own = next((p.dtype for p in self._objective.parameters()), dtype)
            made = self._objective if own == dtype else copy.deepcopy(self._objective).to(dtype)
            self._by_dtype[dtype] = made.eval()
        return self._by_dtype[dtype]

    def _chunks(self, x: Array) -> Iterator[tuple[Objective, Tensor]]:
        dtype = torch.float64 if x.dtype == np.float64 else torch.float32
        objective = self.objective(dtype)
        device = device_of(objective)
        for start in range(0, len(x), CHUNK):
            yield objective, tensor(x[start : start + CHUNK]).to(device)

    @torch.no_grad()
    def passes(self, X: Array, answer: Callable[[Objective, Pass], Tensor]) -> Array:
        """Run every chunk through the model without noise and collect an answer per row."""
        shape = self._objective.model.spec.shape
        found = []
        for objective, x in self._chunks(self.scaling.forward(X)):
            p = objective.run(Batch(x.reshape(len(x), *shape)), None)
            found.append(answer(objective, p).flatten(1).cpu().numpy())
        return np.concatenate(found)

    def codes(self, X: Array) -> Array:
        """Return the code of each row: the mean of its posterior, flattened."""
        return self.passes(X, lambda _, p: p.code)

    def reconstructions(self, X: Array) -> Array:
        """Return the expected value of each entry given the row's code."""
        return self.scaling.inverse(self.passes(X, lambda o, p: mean(o, p.output)))

    def errors(self, X: Array) -> Array:
        """Return -log p(x_j | code(x)) per entry, in nats of the caller's units."""
        nats = self.passes(X, lambda o, p: o.nll(p))
        return nats + np.log(self.scaling.factor).astype(nats.dtype)

    def divergences(self, X: Array) -> Array:
        """Return KL(q(h|x) || prior) per row, in nats, where codes have a density."""
        return self.passes(X, lambda _, p: p.posterior.kl()[:, None])[:, 0]

    @torch.no_grad()
    def decode(self, codes: Array) -> Array:
        """Return the expected data of codes."""
        found = []
        for objective, code in self._chunks(codes):
            output = objective.model.decode(code.reshape(len(code), *objective.model.code_shape))
            found.append(mean(objective, output).flatten(1).cpu().numpy())
        return self.scaling.inverse(np.concatenate(found))

    @torch.no_grad()
    def draw(self, codes: Array, noise: Noise) -> Array:
        """Draw data from the likelihood given codes."""
        found = []
        for objective, code in self._chunks(codes):
            output = objective.model.decode(code.reshape(len(code), *objective.model.code_shape))
            drawn = objective.likelihood.sample(output, noise, objective.memories["likelihood"])  # type: ignore[arg-type]
            found.append(drawn.flatten(1).cpu().numpy())
        return self.scaling.inverse(np.concatenate(found))

    @torch.no_grad()
    def bound(self, X: Array, noise: Noise, draws: int) -> Array:
        """Return the importance-weighted estimate of -log p(x) per row with ``draws`` codes each (Burda, 2016)."""
        objective = self.objective(torch.float64 if X.dtype == np.float64 else torch.float32)
        x = tensor(self.scaling.forward(X)).reshape(-1, *objective.model.spec.shape).to(device_of(objective))
        found = []
        for step, part in enumerate(x.split(max(1, ROWS_OF_DRAWS // draws))):
            p = objective.model.forward(Batch(part), None, noise.at(step), draws)
            terms = {"reconstruction": objective.nll(p).flatten(1).sum(1), "kl": p.posterior.log_ratio(p.code)}
            found.append(torch.stack(list(tightened(terms, draws, len(part)).values())).sum(0).cpu().numpy())
        return np.concatenate(found) + self.scaling.log_factor


def device_of(module: torch.nn.Module) -> torch.device:
    """Return where a module's parameters are."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def mean(objective: Objective, output: Tensor) -> Tensor:
    """Return the expected value of each entry."""
    return objective.likelihood.mean(output, objective.memories["likelihood"])  # type: ignore[arg-type]
