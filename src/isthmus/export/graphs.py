"""What an autoencoder answers, as modules from tensors to tensors that can be traced into graphs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.export.cells import Cells
from isthmus.objective import Objective
from isthmus.records import Batch, Pass, Spec


def used(task: Any) -> Any:
    """Return a copy of a task as it is used in a graph: on the CPU, in float32, in use, without gradients."""
    return copy.deepcopy(task).cpu().float().eval().requires_grad_(False)


def batch_of(spec: Spec, variables: Tensor) -> Batch:
    """Return variables, (rows, variables) in float64, as a batch; in tables NaN says that a value is missing."""
    x = variables.float().reshape(variables.shape[0], *spec.shape)
    if not spec.table:
        return Batch(x)
    missing = x.isnan()
    return Batch(x.masked_fill(missing, 0.0), (~missing).to(x.dtype))


class Answers(nn.Module):
    """What all graphs of an autoencoder share.

    Args:
        cells: from the caller's cells to the model's variables and back.
        objective: the trained module, as :func:`used` returns it.
    """

    def __init__(self, cells: Cells, objective: Objective) -> None:
        """Hold both."""
        super().__init__()
        self.cells, self.objective = cells, objective

    @property
    def spec(self) -> Spec:
        """The data."""
        return self.objective.model.spec

    def decoded(self, output: Tensor) -> dict[str, Tensor]:
        """Return the expected cells and, in tables, the chance of the level shown."""
        likelihood, memory = self.objective.likelihood, self.objective.memory_of("likelihood")
        mean = likelihood.mean(output, memory).flatten(1)
        found = {"reconstruction": self.cells.cells(mean.double())}
        if self.spec.table:
            found["chance"] = self.cells.first(1 - likelihood.doubt(output, memory).flatten(1))
        return found

    def decode(self, code: Tensor) -> dict[str, Tensor]:
        """Return what is decoded from codes, (rows, numbers)."""
        model = self.objective.model
        return self.decoded(model.decode(code.reshape(code.shape[0], *model.code_shape)))


class Encoder(Answers):
    """Rows to codes."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the mean of each row's posterior, flattened."""
        model = self.objective.model
        inputs = model.stem(batch_of(self.spec, self.cells.variables(rows)))
        return {"code": model.encode(inputs).rsample(None).flatten(1)}


class Decoder(Answers):
    """Codes to expected rows."""

    def forward(self, code: Tensor) -> dict[str, Tensor]:
        """Decode."""
        return self.decode(code)


class Score(Answers):
    """Rows to everything that is known of them: scores, errors of columns, codes, expected rows."""

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return log p(x | code) less the divergence of the code, and -log p(x_j | code), in the caller's units."""
        variables = self.cells.variables(rows)
        p = self.objective.model.forward(batch_of(self.spec, variables))
        nll, slopes = self.objective.nll(p).flatten(1).double(), self.cells.log_slopes(variables)
        score = (slopes - nll).sum(1) - self._divergence(p)
        found = {"score": score, "errors": self.cells.by_column(nll - slopes), "code": p.code.flatten(1)}
        return found | self.decoded(p.output)

    def _divergence(self, p: Pass) -> Tensor:
        if "density" in self.objective.model.bottleneck.provides:
            return p.posterior.kl().double()
        return torch.zeros((), dtype=torch.float64)
