"""A fitted anomaly detector as an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from isthmus import export
from isthmus.estimators.explanation import CENTRAL
from isthmus.estimators.exporting import Exported, Made, Makers, rows_like
from isthmus.estimators.inputs import Array, gather

if TYPE_CHECKING:
    from isthmus.estimators.anomaly import AnomalyDetector


class ExportedDetector(Exported):
    """The graph of an anomaly detector, ``detector``: scores, their parts by column, p-values, what was expected."""

    def cells(self, X: Any) -> Array:
        return self._fitted.reading_.cells(self, gather(X))

    def describe_columns(self) -> list[dict[str, Any]]:
        return self._fitted.reading_.described()

    @property
    def _fitted(self) -> AnomalyDetector:
        check_is_fitted(self, "members_")
        if not self.reading_.by_row:  # type: ignore[attr-defined]
            raise ValueError(
                "a detector of series answers by windows that overlap, and a graph row by row; fit one without window, "
                "to windows as rows: AnomalyDetector(shape=(channels, points))"
            )
        return self  # type: ignore[return-value]

    def _makers(self) -> Makers:
        detector = self._fitted

        def made() -> Made:
            return graph_of(detector), {"rows": rows_like(self)}

        return {"detector": made}


def graph_of(detector: AnomalyDetector) -> export.Detector:
    """Return the module that answers as a detector of rows does."""
    members, levels = detector.members_, detector.members_.recipe.levels
    ends = torch.from_numpy(members.ends[:, members.places])
    denoisers = [
        export.Denoiser(export.used(objective), levels, members._probes(m), ends)
        for m, objective in enumerate(members.denoisers)
    ]
    fillers = [
        export.Filler(export.used(objective), torch.from_numpy(met))
        for objective, met in zip(members.fillers, members.met, strict=False)
    ]
    return export.Detector(detector.reading_.in_graphs(), denoisers, fillers, measured(detector))


def measured(detector: AnomalyDetector) -> export.Measured:
    """Return what a detector knows by numbers alone."""
    members, reading = detector.members_, detector.reading_
    kinds = np.array([column.kind for column in members.spec.columns])
    return export.Measured(
        scales=torch.from_numpy(members.scales),
        levels=len(members.recipe.levels),
        floor=members.recipe.floor,
        ends=torch.from_numpy(members.ends),
        free=torch.from_numpy(~np.isin(kinds, ("number", "count"))),
        spread=torch.from_numpy(CENTRAL * members.deviations),
        numbers=torch.from_numpy(members.numbers),
        discrete=torch.from_numpy(members.discrete),
        groups=marked(members.hidden, members.spec.size),
        columns=marked(reading.hidden, members.spec.size),
        ordered=torch.tensor(reading.ordered),
        calibration=tuple(torch.from_numpy(np.sort(scores)) for scores in detector.calibration_),
    )


def marked(groups: Any, size: int) -> Tensor:
    """Return which of so many variables each group has, (groups, variables)."""
    found = np.zeros((len(groups), size), dtype=bool)
    for row, places in zip(found, groups, strict=True):
        row[places] = True
    return torch.from_numpy(found)
