"""Predictions as graphs: what every concept adds, from rows or from concepts that were set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.explain.self_explaining import SelfExplaining
from isthmus.export.cells import Cells
from isthmus.export.graphs import batch_of


@dataclass(frozen=True, eq=False)
class Units:
    """What outputs are: classes, or targets of a mean and a scale, (outputs,) in float64.

    Attributes:
        mean, scale: (outputs,); None of classes.
    """

    mean: Tensor | None = None
    scale: Tensor | None = None

    def relevances(self, relevances: Tensor) -> Tensor:
        """Return relevances, (rows, outputs, concepts + 1), in units of the outputs; the last one has their mean."""
        if self.mean is None or self.scale is None:
            return relevances
        scaled = relevances.double() * self.scale.unsqueeze(1)
        last = scaled[:, :, -1:] + self.mean.unsqueeze(1)
        return torch.cat([scaled[:, :, :-1], last], 2).float()

    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """Return logits with probabilities of classes, or what they say of targets."""
        if self.mean is None or self.scale is None:
            return {"logits": logits, "probabilities": torch.softmax(logits, 1)}
        prediction = logits.double() * self.scale + self.mean
        return {"logits": prediction.float(), "prediction": prediction}


class FromCode(nn.Module):
    """Concepts that were set to predictions, where relevances follow the code.

    Args:
        task: the self-explaining task, as ``used`` returns it.
        units: what outputs are.
    """

    def __init__(self, task: SelfExplaining, units: Units) -> None:
        """Hold both."""
        super().__init__()
        self.task, self.units = task, units

    def forward(self, code: Tensor) -> dict[str, Tensor]:
        """Return relevances, contributions, (rows, outputs, concepts + 1), and what they add up to."""
        return self._taken_apart(with_constant(code), self.task.relevances(code))

    def _taken_apart(self, concepts: Tensor, relevances: Tensor) -> dict[str, Tensor]:
        """Return everything of concepts, (rows, concepts + 1), and relevances, (rows, concepts + 1, outputs)."""
        told = self.units.relevances(relevances.transpose(1, 2))
        logits = (concepts.unsqueeze(2) * relevances).sum(1)
        apart = {"relevances": told, "contributions": told * concepts.unsqueeze(1)}
        return apart | self.units.predicted(logits)


class Prediction(FromCode):
    """Rows to concepts and predictions.

    Args:
        cells: from the caller's cells to variables.
        task: the self-explaining task.
        units: what outputs are.
    """

    def __init__(self, cells: Cells, task: SelfExplaining, units: Units) -> None:
        """Hold all."""
        super().__init__(task, units)
        self.cells = cells

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the code, which is the concepts without the constant one, and all else."""
        concepts, relevances = self.task.parts(batch_of(self.task.model.spec, self.cells.variables(rows)))
        return {"code": concepts[:, :-1]} | self._taken_apart(concepts, relevances)


class Classes(nn.Module):
    """Rows to codes and classes, of a classifier on the code.

    Args:
        cells: from the caller's cells to variables.
        task: what has ``logits`` of a batch.
    """

    def __init__(self, cells: Cells, task: Any) -> None:
        """Hold both."""
        super().__init__()
        self.cells, self.task = cells, task

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return code, logits and probabilities."""
        model = self.task.model
        batch = batch_of(model.spec, self.cells.variables(rows))
        code = model.encode(model.stem(batch)).mean.flatten(1)
        return {"code": code} | Units().predicted(self.task.logits(batch))


def with_constant(code: Tensor) -> Tensor:
    """Return concepts with the last one, which is always 1."""
    return torch.cat([code, torch.ones_like(code[:, :1])], 1)
