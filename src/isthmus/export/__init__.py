"""Fitted models as ONNX graphs, from the caller's units to the caller's units; whoever runs one needs no Python."""

from __future__ import annotations

from isthmus.export.cells import Cells, Columns, Shifted
from isthmus.export.graphs import Answers, Decoder, Encoder, Score, used
from isthmus.export.tracing import traced

__all__ = ["Answers", "Cells", "Columns", "Decoder", "Encoder", "Score", "Shifted", "traced", "used"]
