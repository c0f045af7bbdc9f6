"""Fitted models as graphs, ONNX or ``.pt2``, from the caller's units to the caller's units, without this library."""

from __future__ import annotations

from isthmus.export.cells import Cells, Columns, Shifted
from isthmus.export.detector import Denoiser, Detector, Filler, Measured
from isthmus.export.graphs import Answers, Decoder, Encoder, Score, used
from isthmus.export.predictions import Classes, FromCode, Prediction, Units
from isthmus.export.tracing import Traced, refuse_without_onnx, traced

__all__ = [
    "Answers",
    "Cells",
    "Classes",
    "Columns",
    "Decoder",
    "Denoiser",
    "Detector",
    "Encoder",
    "Filler",
    "FromCode",
    "Measured",
    "Prediction",
    "Score",
    "Shifted",
    "Traced",
    "Units",
    "refuse_without_onnx",
    "traced",
    "used",
]
