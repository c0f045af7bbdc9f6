"""Fitted estimators on top of an autoencoder's code as ONNX graphs, beside those of the autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from isthmus import export
from isthmus.estimators.exporting import ROWS, Exported, Made, Makers, cells_of, rows_like
from isthmus.estimators.inputs import Array


class ExportedOnCode(Exported):
    """The graph ``prediction`` of a classifier on the code, and those of the autoencoder underneath."""

    autoencoder_: Any
    task_: Any

    def cells(self, X: Any) -> Array:
        check_is_fitted(self, "task_")
        found: Array = self.autoencoder_.cells(X)
        return found

    def describe_columns(self) -> list[dict[str, Any]]:
        check_is_fitted(self, "task_")
        found: list[dict[str, Any]] = self.autoencoder_.describe_columns()
        return found

    def _makers(self) -> Makers:
        check_is_fitted(self, "task_")
        return {"prediction": self._prediction, **self.autoencoder_._makers()}

    def _prediction(self) -> Made:
        made = export.Classes(cells_of(self.autoencoder_), export.used(self.task_))
        return made, {"rows": rows_like(self.autoencoder_)}


class ExportedSelfExplaining(ExportedOnCode):
    """Graphs of self-explaining models: ``prediction``, and what it takes to set concepts.

    Relevances that read the inputs stay as they are where a concept is set: logits are then the sum of relevances times
    the concepts set. Those that read the code follow it, for which there is ``prediction_from_code``.
    """

    reads: str

    def _units_of_outputs(self) -> export.Units:
        """Return what outputs are."""
        return export.Units()

    def _makers(self) -> Makers:
        makers = dict(super()._makers())
        first = {"prediction": makers.pop("prediction")}
        if self.reads == "code":
            first["prediction_from_code"] = self._from_code
        return first | makers

    def _prediction(self) -> Made:
        task, units = export.used(self.task_), self._units_of_outputs()
        return export.Prediction(cells_of(self.autoencoder_), task, units), {"rows": rows_like(self.autoencoder_)}

    def _from_code(self) -> Made:
        code = torch.zeros(ROWS, self.autoencoder_._n_features_out)
        return export.FromCode(export.used(self.task_), self._units_of_outputs()), {"code": code}
