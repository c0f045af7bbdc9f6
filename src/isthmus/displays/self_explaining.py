"""The figures of a self-explaining model, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.atrow import labels_of
from isthmus.displays.anomaly import taken
from isthmus.displays.audit import AuditDisplay
from isthmus.displays.concept_contributions import ConceptContributionsDisplay
from isthmus.displays.curves import LossCurvesDisplay
from isthmus.displays.folder import write
from isthmus.displays.look import Array
from isthmus.displays.source import picked

if TYPE_CHECKING:
    from isthmus.estimators.audit import Audit
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

SHOWN = 6


def self_explaining_figures(
    model: SelfExplainingEstimator,
    X: Any,
    y: Any,
    folder: str | Path,
    *,
    audit: Audit | None = None,
    rows: Sequence[int] | None = None,
) -> list[Path]:
    """Draw the curves of a self-explaining model, its audit, and contributions of some rows of X, to a folder.

    ``audit`` is drawn where it is given. ``rows`` are the numbers of the rows, those from 0 on if None.

    Raises:
        ValueError: the folder cannot be written.
    """
    folder, drawn = Path(folder), []
    if len(model.history_):
        drawn.append(write(LossCurvesDisplay.from_estimator(model), folder / "curves.png"))
    if audit is not None:
        drawn.append(write(AuditDisplay(audit).plot(), folder / "audit.png"))
    labels: Array = np.asarray(y)
    # One of each class in turn; of a regressor rows along X.
    some = picked(len(labels), labels if hasattr(model, "classes_") else None, SHOWN)
    known = labels_of(X) if rows is None else rows
    called = (some if known is None else np.asarray(known)[some]).tolist()
    shown = ConceptContributionsDisplay.from_estimator(model, taken(X, some), y=labels[some], rows=called)
    return [*drawn, write(shown, folder / "contributions.png")]
