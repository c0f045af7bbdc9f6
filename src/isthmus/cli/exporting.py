"""``isthmus export``: a saved model as ONNX or ``.pt2`` graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from isthmus.cli import rows
from isthmus.cli.options import Folder, Repeated


def export(model: Path, /, *, out: Folder, graph: Repeated = (), format: Literal["onnx", "pt2"] = "onnx") -> None:
    """Write a model as ONNX graphs, which run without Python: in a browser, a service, another language; or as .pt2.

    The folder gets a file for each graph, and columns.json, by which cells of a table become the numbers that graphs
    read. Of an autoencoder there are score, encoder and decoder; of a detector detector; of a model that predicts
    prediction and those of its autoencoder.

    Args:
        model: folder of a saved model.
        out: folder for the graphs; it may be there already.
        graph: write this graph only; may be repeated.
        format: onnx, or pt2 for programs that have PyTorch but not isthmus.
    """
    fitted = rows.fitted_at(model)
    folder = fitted.export(out, *graph, format=format)
    for name in graph or fitted.graphs():
        path = folder / f"{name}.{format}"
        print(f"{path}: {path.stat().st_size:,} bytes")
    print(f"{folder / 'columns.json'}: {len(fitted.describe_columns())} columns")
