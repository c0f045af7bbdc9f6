"""A fitted model as the service asks it: rows that were read once, and answers that hold one item for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from isthmus.data.record import Array
from isthmus.estimators.reference import References
from isthmus.service.columns import Columns
from isthmus.service.fields import listed

if TYPE_CHECKING:
    from isthmus.service.drift import Watched

Answer = dict[str, Any]
Graph = Callable[[Array, Sequence[str]], dict[str, Array]]
PROBES = 64
REASONS = 3


class Rows:
    """Rows of a request: their cells as numbers, what was given for them where that was JSON, and their variables.

    Args:
        columns: of the model.
        cells: (rows, columns), as graphs read them.
        given: the rows as they came; empty where they came as tensors.
    """

    def __init__(self, columns: Columns, cells: Array, given: list[Any]) -> None:
        """Hold them."""
        self.columns, self.cells, self.given = columns, cells, given

    @cached_property
    def x(self) -> Array:
        """The variables, (rows, variables), as the estimator makes them."""
        return self.columns.variables(self.cells)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)


@dataclass(frozen=True)
class Tensor:
    """An input or output of the Open Inference Protocol; -1 in a shape is any number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as metadata has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class Served:
    """What a kind of model answers; every answer is a function of rows and options to lists of one item per row.

    Args:
        model: a fitted estimator.
    """

    kind: ClassVar[str] = "model"
    by_row: ClassVar[bool] = True
    graph: Graph | None = None
    watched: Watched | None = None
    strange: ClassVar[float] = 1.0

    def __init__(self, model: Any) -> None:
        """Read the model's columns."""
        self.model = model
        self.columns = self._columns()
        self.outputs = {tensor.name: tensor for tensor in self._outputs()}

    def _columns(self) -> Columns:
        raise NotImplementedError  # abstract

    def _outputs(self) -> list[Tensor]:
        """Return the tensors that :meth:`tensors` can answer with."""
        raise NotImplementedError  # abstract

    @cached_property
    def routes(self) -> Mapping[str, Callable[..., Answer]]:
        """The questions that this model answers, by the name of their route."""
        return self._routes()

    def _routes(self) -> Mapping[str, Callable[..., Answer]]:
        raise NotImplementedError  # abstract

    def tensors(self, rows: Rows, *, wanted: tuple[str, ...]) -> Answer:
        """Return arrays by output."""
        raise NotImplementedError  # abstract

    def probes(self) -> Array:
        """Return cells of rows such as may come, on which a graph has to agree with the estimator."""
        raise NotImplementedError  # abstract

    def references(self) -> tuple[References, list[dict[str, Any]]]:
        """Return what rows are compared with, and what is known of their columns."""
        return self.model.references, self.model.describe_columns()

    def rows(self, given: Any) -> Rows:
        """Read rows of JSON.

        Raises:
            Refused: they are not like those of the fit.
        """
        return Rows(self.columns, self.columns.of_records(given), given)


def beyond(found: Mapping[str, Array]) -> Array:
    """Say of which rows a graph's answers are no numbers."""
    wrong = [~np.isfinite(array).reshape(len(array), -1).all(1) for array in found.values() if array.dtype.kind == "f"]
    far: Array = np.any(wrong, axis=0)
    return far


def whole(found: Mapping[str, Array], own: Callable[[Array], Mapping[str, Array]]) -> dict[str, Array]:
    """Return a graph's answers, and the estimator's for rows where these are no numbers.

    Graphs compute in float32, whose squares end at values of 1e19; the estimator computes such rows in float64.

    Args:
        found: what the graph answered, an item for each row.
        own: returns what the estimator answers to some of the rows.
    """
    far = beyond(found)
    if not far.any():
        return dict(found)
    wide = {name: np.array(array, np.float64 if array.dtype.kind == "f" else None) for name, array in found.items()}
    for name, array in own(far).items():
        wide[name][far] = array
    return wide


class ServedAutoencoder(Served):
    """An autoencoder: scores, reasons by column, reconstructions, samples; of tables filled cells."""

    strange = -1.0

    kind = "autoencoder"

    def _columns(self) -> Columns:
        return columns_of(self.model)

    def _outputs(self) -> list[Tensor]:
        names = self.columns.names
        return [
            Tensor("score", "FP64", (-1,)),
            Tensor("errors", "FP64", (-1, len(names))),
            Tensor("code", "FP64", (-1, self.model._n_features_out)),
            Tensor("reconstruction", "FP64", (-1, len(names))),
        ]

    def _routes(self) -> Mapping[str, Callable[..., Answer]]:
        asked: dict[str, Callable[..., Answer]] = {"score": self.score, "explain": self.explain}
        return asked | reading_routes(self.model, self.columns)

    def score(self, rows: Rows, *, reasons: int = REASONS) -> Answer:
        """Return log-likelihoods, as ``score_samples``, and the columns that cost most."""
        found = self.tensors(rows, wanted=("score", "errors") if reasons else ("score",))
        scores: Answer = {"scores": listed(found["score"])}
        return scores | ({"reasons": self._reasons(found["errors"], reasons)} if reasons else {})

    def _reasons(self, errors: Array, most: int) -> list[list[str]]:
        order, names = np.argsort(-errors, axis=1, kind="stable")[:, :most], self.columns.names
        return [[f"{names[j]} costs {row[j]:.3g} nats" for j in own] for row, own in zip(errors, order, strict=True)]

    def explain(self, rows: Rows) -> Answer:
        """Return what every column costs, as ``feature_errors``, and what comes back."""
        found = self.tensors(rows, wanted=("score", "errors", "reconstruction"))
        records, names = self.columns.to_records(found["reconstruction"]), self.columns.names
        answers = zip(listed(found["score"]), listed(found["errors"]), records, strict=True)
        return {
            "explanations": [
                {"score": score, "columns": [told(name, costs, row) for name, costs in zip(names, own, strict=True)]}
                for score, own, row in answers
            ]
        }

    def tensors(self, rows: Rows, *, wanted: tuple[str, ...]) -> Answer:
        if self.graph is None or not possible(self.model, rows.cells):
            return self._asked(rows.x, wanted)
        return whole(self.graph(rows.cells, wanted), lambda far: self._asked(rows.x[far], wanted))

    def _asked(self, x: Array, wanted: tuple[str, ...]) -> Answer:
        """Return what the estimator itself says of variables."""
        form, model = self.model.form_, self.model
        asked = {"score": "scores", "errors": "errors", "code": "codes", "reconstruction": "reconstructions"}
        found = dict(zip(wanted, model.answers.ask(x, *(asked[name] for name in wanted)), strict=True))
        finish: dict[str, Callable[[Array], Array]] = {
            "score": lambda a: form.scores(x, a),
            "errors": lambda a: form.errors(x, a),
            "code": lambda a: a,
            "reconstruction": self.columns.to_cells,
        }
        return {name: finish[name](array) for name, array in found.items()}

    def probes(self) -> Array:
        return sampled(self.model, self.columns)


def possible(model: Any, cells: Array) -> bool:
    """Say whether values can occur under the likelihood of plain numbers; a graph would answer in spite of it."""
    if model.form_.table is not None:
        return True
    return bool(model.parts_.likelihood.admits(torch.from_numpy(model.scaling_.forward(cells))))


def sampled(model: Any, columns: Columns) -> Array:
    """Return cells of new rows, some of them drawn, some expected."""
    from isthmus.estimators.generation import variables

    drawn = [columns.to_cells(variables(model, PROBES, 0, mean)).astype(np.float64) for mean in (False, True)]
    # An expected count is seldom a count.
    return np.concatenate([cells for cells in drawn if possible(model, cells)] or drawn[:1])


def told(name: str, costs: float, back: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a column."""
    return {"column": name, "adds": costs, "expected": back[name]}


def columns_of(autoencoder: Any) -> Columns:
    """Return the columns of an autoencoder."""
    codec, named = autoencoder.form_.table, hasattr(autoencoder, "feature_names_in_")
    shape = (len(codec.columns),) if codec is not None else autoencoder.row_shape_
    told = autoencoder.describe_columns()
    if codec is None:
        told = placed(told, autoencoder.scaling_.centre)
    return Columns(told, codec, shape, named=named, nullable=codec is not None)


def placed(told: list[dict[str, Any]], centre: Array) -> list[dict[str, Any]]:
    """Return what is said of columns of plain numbers, with a number of each as an example."""
    middle = np.broadcast_to(np.ravel(centre), (len(told),))
    return [one | {"typical": [float(at)] * 3} for one, at in zip(told, middle, strict=True)]


def reading_routes(autoencoder: Any, columns: Columns) -> dict[str, Callable[..., Answer]]:
    """Return the questions that an autoencoder answers, also one inside another model: what comes back of rows."""

    def reconstruct(rows: Rows) -> Answer:
        return {"rows": columns.to_rows(columns.to_cells(autoencoder.answers.reconstructions(rows.x)))}

    def impute(rows: Rows) -> Answer:
        from isthmus.estimators.imputation import expectations

        filled, spread = expectations(autoencoder, autoencoder.form_.table, rows.x)
        missing, made, doubts = np.isnan(rows.cells), [], []
        expected = columns.to_records(columns.to_cells(filled, within=True))
        cells = zip(expected, rows.given, missing, listed(spread), strict=True)
        for new, old, holes, far in cells:
            filled_in = [name for name, hole in zip(columns.names, holes, strict=True) if hole]
            # Cells that were there keep every digit.
            made.append(columns.record(old) | {name: new[name] for name in filled_in})
            doubts.append({name: off for name, off, hole in zip(columns.names, far, holes, strict=True) if hole})
        return {"rows": made, "uncertainty": doubts}

    def sample(n: int = 1, *, seed: int | None = None, mean: bool = True) -> Answer:
        from isthmus.estimators.generation import variables

        return {"rows": columns.to_rows(columns.to_cells(variables(autoencoder, n, seed, mean), within=True))}

    found: dict[str, Callable[..., Answer]] = {"reconstruct": reconstruct, "sample": sample}
    return found if autoencoder.form_.table is None else found | {"impute": impute}
