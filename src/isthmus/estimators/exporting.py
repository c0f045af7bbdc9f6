"""Fitted estimators as graphs: which there are, what each is made of, and a folder of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from isthmus import export
from isthmus.component import suggest
from isthmus.data.writing import atomic
from isthmus.estimators.inputs import Array, gather
from isthmus.export import Traced

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

COLUMNS = "columns.json"
FORMATS = ("onnx", "pt2")
Made = tuple[nn.Module, dict[str, Tensor]]
Makers = Mapping[str, Callable[[], Made]]
ROWS = 2


class Exported:
    """What makes graphs of a fitted estimator.

    Graphs have an open number of rows and hold the whole way from the caller's units to the caller's units. Their input
    ``rows`` is float64, (rows, n_features_in_), as :meth:`cells` returns it: pictures flat, and of a table one number
    per column. They refuse nothing: what the estimator would refuse gives numbers without a meaning.

    >>> from isthmus import Autoencoder, Trainer
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> model = Autoencoder(2, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> model.graphs()
    ('score', 'encoder', 'decoder')
    >>> len(model.to_onnx("decoder")) > 1000
    True
    """

    n_features_in_: int

    def _makers(self) -> Makers:
        """Return what makes each graph, the one that says most first."""
        raise NotImplementedError  # abstract

    def cells(self, X: Any) -> Array:
        """Return rows as graphs read them, (rows, n_features_in_), float64.

        Numbers are as they are, levels their places among those of :meth:`describe_columns`, dates seconds since 1970,
        missing cells NaN.

        Raises:
            ValueError: rows unlike those of the fit.
        """
        raise NotImplementedError  # abstract

    def describe_columns(self) -> list[dict[str, Any]]:
        """Return, for JSON, what it takes to make :meth:`cells` of what a person writes, and back, by column.

        ``name`` and ``kind`` always; of levels ``levels``, whose places are the cells, and ``unseen``, the place of all
        others; of hashed text ``hash`` and ``buckets``: the cell is the crc32 of its UTF-8 bytes modulo the number of
        buckets; of dates the ``format`` and ``step`` of what is decoded, in seconds; of numbers whether they are
        ``whole``; of numbers and dates a low, a middle and a high cell, ``typical``.
        """
        raise NotImplementedError  # abstract

    def graphs(self) -> tuple[str, ...]:
        """Return the names of the graphs that can be written, the one that says most first."""
        return tuple(self._makers())

    def to_onnx(self, graph: str | None = None, path: str | Path | None = None) -> bytes:
        """Return a graph of the fitted model as the bytes of an ONNX file of opset 20, in one piece.

        Its metadata holds what :meth:`describe_columns` returns, as JSON under ``columns.json``.

        Args:
            graph: one of :meth:`graphs`; None is the first.
            path: a file to write it to, too.

        Raises:
            ImportError: the extra ``isthmus[onnx]`` is not installed.
            ValueError: there is no such graph, a part of it cannot be one, or the file cannot be written.
        """
        return self._kept("onnx", graph, path)

    def to_pt2(self, graph: str | None = None, path: str | Path | None = None) -> bytes:
        """Return a graph of the fitted model as the bytes of a ``.pt2`` file, which ``torch.export.load`` reads.

        It is the graph that :meth:`to_onnx` writes, for PyTorch without this library; :meth:`describe_columns` is in
        its extra file ``columns.json``.

        Args:
            graph: one of :meth:`graphs`; None is the first.
            path: a file to write it to, too.

        Raises:
            ValueError: there is no such graph, a part of it cannot be one, or the file cannot be written.
        """
        return self._kept("pt2", graph, path)

    def export(self, folder: str | Path, *graphs: str, format: str = "onnx") -> Path:
        """Write graphs to a folder, ``score.onnx`` and so on, and what :meth:`describe_columns` returns beside them.

        Args:
            folder: made where it is not there.
            graphs: some of :meth:`graphs`; none are all.
            format: ``onnx``, or ``pt2`` for PyTorch.

        Raises:
            ImportError: the extra ``isthmus[onnx]`` is not installed.
            ValueError: there is no such graph or format, a part of it cannot be one, or the folder cannot be written.
        """
        if format not in FORMATS:
            raise ValueError(f"format={format!r} is unknown; {suggest(str(format), FORMATS)}")
        made = {name: self._kept(format, name, None) for name in graphs or self.graphs()}
        folder, text = Path(folder), json.dumps(self.describe_columns(), indent=1, ensure_ascii=False)
        # First what cells mean: whoever waits for a graph finds it there.
        files = {COLUMNS: f"{text}\n".encode()} | {f"{name}.{format}": graph for name, graph in made.items()}
        for name, content in files.items():
            with atomic(folder / name) as fresh:
                fresh.write_bytes(content)
        return folder

    def _kept(self, format: str, graph: str | None, path: str | Path | None) -> bytes:
        """Return a graph in a format, which is also written where there is a path."""
        if format == "onnx":
            export.refuse_without_onnx()
        found = self._written(format, self._traced(graph))
        if path is not None:
            with atomic(path) as fresh:
                fresh.write_bytes(found)
        return found

    def _traced(self, graph: str | None = None) -> Traced:
        """Return a graph that can be written in any format."""
        makers = self._makers()
        name = next(iter(makers)) if graph is None else graph
        if name not in makers:
            raise ValueError(f"graph={graph!r} is none of this model; {suggest(str(graph), list(makers))}")
        module, inputs = makers[name]()
        return export.traced(name, module, **inputs)

    def _written(self, format: str, traced: Traced) -> bytes:
        """Return what was traced in a format, with what the cells of columns mean."""
        told = {COLUMNS: json.dumps(self.describe_columns(), ensure_ascii=False)}
        return traced.onnx(told) if format == "onnx" else traced.pt2(told)


class ExportedAutoencoder(Exported):
    """The graphs of an autoencoder: ``score``, which answers everything of rows, ``encoder`` and ``decoder``."""

    def cells(self, X: Any) -> Array:
        rows, codec = gather(X), self._fitted.form_.table
        x = self._fitted._admitted(rows)
        return x.astype(np.float64) if codec is None else codec.cells(rows)

    def describe_columns(self) -> list[dict[str, Any]]:
        codec = self._fitted.form_.table
        return plain_columns(self, self._fitted.row_shape_) if codec is None else codec.described()

    @property
    def _fitted(self) -> Autoencoder:
        check_is_fitted(self, "objective_")
        return self  # type: ignore[return-value]

    def _makers(self) -> Makers:
        model = self._fitted

        def answers(kind: type[export.Answers]) -> Made:
            made = kind(cells_of(model), export.used(model.objective_))
            return made, {"rows": rows_like(self)}

        def decoder() -> Made:
            return answers(export.Decoder)[0], {"code": torch.zeros(ROWS, model._n_features_out)}

        return {"score": lambda: answers(export.Score), "encoder": lambda: answers(export.Encoder), "decoder": decoder}


def rows_like(model: Exported) -> Tensor:
    """Return rows as an example for tracing."""
    return torch.zeros(ROWS, model.n_features_in_, dtype=torch.float64)


def plain_columns(model: Any, shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return the names of numbers: those of the fit, or their places in a row of a shape."""
    places = [list(place) if len(shape) > 1 else place[0] for place in np.ndindex(*shape)]
    names = getattr(model, "feature_names_in_", [f"x{place}" for place in places])
    return [{"name": str(name), "kind": "number"} for name in names]


def cells_of(model: Autoencoder) -> export.Cells:
    """Return the way from an autoencoder's cells to variables."""
    codec = model.form_.table
    return export.Shifted(model.scaling_) if codec is None else export.Columns(codec)
