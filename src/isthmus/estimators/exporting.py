"""Fitted estimators as ONNX graphs: which there are, what each is made of, and a folder of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isthmus import export
from isthmus.component import suggest

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

Made = tuple[nn.Module, dict[str, Tensor]]
Makers = Mapping[str, Callable[[], Made]]
ROWS = 2


class Exported:
    """What makes ONNX graphs of a fitted estimator.

    Graphs have an open number of rows and hold the whole way from the caller's units to the caller's units. Their input
    ``rows`` is float64, (rows, n_features_in_): pictures flat, and of a table one number per column, as
    :meth:`describe_columns` says. They refuse nothing: what the estimator would refuse gives numbers without a meaning.
    """

    def _makers(self) -> Makers:
        """Return what makes each graph, the one that says most first."""
        raise NotImplementedError  # abstract

    def graphs(self) -> tuple[str, ...]:
        """Return the names of the graphs that :meth:`to_onnx` can write, the one that says most first."""
        return tuple(self._makers())

    def to_onnx(self, graph: str | None = None, path: str | Path | None = None) -> bytes:
        """Return a graph of the fitted model as the bytes of an ONNX file of opset 20, in one piece.

        Args:
            graph: one of :meth:`graphs`; None is the first.
            path: a file to write it to, too.

        Raises:
            ImportError: the extra ``isthmus[onnx]`` is not installed.
            ValueError: there is no such graph, or a part of it cannot be one.
        """
        makers = self._makers()
        name = next(iter(makers)) if graph is None else graph
        if name not in makers:
            raise ValueError(f"graph={graph!r} is none of this model; {suggest(str(graph), list(makers))}")
        module, inputs = makers[name]()
        found = export.traced(name, module, **inputs)
        if path is not None:
            Path(path).write_bytes(found)
        return found


def autoencoder_makers(model: Autoencoder) -> Makers:
    """Return what makes the graphs of a fitted autoencoder."""

    def answers(kind: type[export.Answers]) -> Made:
        made = kind(cells_of(model), export.used(model.objective_))
        return made, {"rows": torch.zeros(ROWS, model.n_features_in_, dtype=torch.float64)}

    def decoder() -> Made:
        made, _ = answers(export.Decoder)
        return made, {"code": torch.zeros(ROWS, model._n_features_out)}

    return {"score": lambda: answers(export.Score), "encoder": lambda: answers(export.Encoder), "decoder": decoder}


def cells_of(model: Autoencoder) -> export.Cells:
    """Return the way from an autoencoder's cells to variables."""
    codec = model.form_.table
    return export.Shifted(model.scaling_) if codec is None else export.Columns(codec)
