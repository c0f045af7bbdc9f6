"""What a model tells without rows: its parts, its history, and what its code looks like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isthmus.report.contract import Measure, Summary
from isthmus.report.of_detectors import calibrated, histories
from isthmus.report.of_detectors import parts as parts_of_members
from isthmus.report.of_detectors import title as title_of_detector
from isthmus.report.of_predictors import title as title_of_predictor
from isthmus.report.of_predictors import weights
from isthmus.report.rows import sizes
from isthmus.report.summary import curves, of_code, of_curves, parts, title


def alone(model: Any) -> Summary:
    """Summarise a fitted model without rows to measure it on.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> X = data.read("digits", limit=200).X
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> alone(model).title, [measure.name for measure in alone(model).measures]
    ('An autoencoder: 64 columns through 4 numbers and back', ['held-out loss'])
    """
    if hasattr(model, "members_"):
        return _of_detector(model)
    inner = getattr(model, "autoencoder_", model)
    predicts = inner is not model
    kind = ("classifier" if hasattr(model, "classes_") else "regressor") if predicts else "autoencoder"
    return Summary(
        model=kind,
        title=title_of_predictor(model) if predicts else title(model, model.n_features_in_),
        trained_on=sizes(inner.spec_.rows, inner.n_features_in_),
        parts=[*parts(inner), *(weights(model) if predicts else [])],
        measures=list(_held_out(model)),
        curves=curves(model.history_),
        best_epoch=float(model.best_epoch_),
        verdicts=[*of_code(inner), *of_curves(model.history_)],
    )


def _of_detector(model: Any) -> Summary:
    return Summary(
        model="detector",
        title=title_of_detector(model),
        trained_on=sizes(model.members_.spec.rows, model.n_features_in_),
        parts=parts_of_members(model),
        measures=[],
        curves=histories(model),
        best_epoch=None,
        verdicts=[calibrated(model)],
    )


def _held_out(model: Any) -> Iterator[Measure]:
    """Give the loss of the weights that were kept."""
    phase = model.history_.phases[-1:]
    rows = [row for row in model.history_ if [row.get("phase", "fit")] == phase and row["epoch"] == model.best_epoch_]
    if rows and "loss" in rows[-1]["held_out"]:
        text = "the objective on rows that chose the weights, of the numbers as the model scales them"
        yield Measure("held-out loss", rows[-1]["held_out"]["loss"], "nats per row", [], "low", text)
