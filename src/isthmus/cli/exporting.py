"""``isthmus export``: a saved model as ONNX graphs."""

from __future__ import annotations

from pathlib import Path

from isthmus.cli import rows
from isthmus.cli.options import Folder, Repeated


def export(model: Path, /, *, out: Folder, graph: Repeated = ()) -> None:
    """Write a model as ONNX graphs, which run without Python: in a browser, a service, another language.

    The folder gets a file for each graph, and columns.json, by which cells of a table become the numbers that graphs
    read. Of an autoencoder there are score, encoder and decoder; of a detector detector; of a model that predicts
    prediction and those of its autoencoder.

    Args:
        model: folder of a saved model.
        out: folder for the graphs; it may be there already.
        graph: write this graph only; may be repeated.
    """
    fitted = rows.fitted_at(model)
    folder = fitted.export(out, *graph)
    for name in graph or fitted.graphs():
        path = folder / f"{name}.onnx"
        print(f"{path}: {path.stat().st_size:,} bytes")
    print(f"{folder / 'columns.json'}: {len(fitted.describe_columns())} columns")
