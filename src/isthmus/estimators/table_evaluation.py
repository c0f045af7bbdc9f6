"""How good a model is on a table: column by column, in the column's own unit, beside what a constant would do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.data.codec import TableCodec
from isthmus.estimators.inputs import Array
from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

FOLDS = 5
DAY = 86_400.0
LISTED = 6
LEGEND = (
    "Errors are root mean squares in the column's own unit, or shares of wrong levels; the constant is the mean or the",
    "most frequent level of these rows.",
)


@dataclass(frozen=True)
class ColumnEvaluation:
    """How well one column is known.

    Attributes:
        name, kind: the column's.
        unit: what errors are: ``""`` for the column's own unit, ``days`` of dates, ``wrong`` for the share of wrong
            levels.
        cells: how many cells had a value.
        reconstruction: root mean squared error, or the share of wrong levels, of what comes back from the code.
        hidden: the same where the cell was hidden, and expected from the other cells of its row.
        constant: the same of the column's mean, or of its most frequent level, on these rows.
    """

    name: str
    kind: str
    unit: str
    cells: int
    reconstruction: float
    hidden: float
    constant: float

    @property
    def known(self) -> bool:
        """Whether the other cells of a row tell more of this one than a constant does."""
        return not self.hidden >= self.constant * (1 - 1e-9)

    @property
    def kept(self) -> bool:
        """Whether the code keeps more of this column than a constant does."""
        return not self.reconstruction >= self.constant * (1 - 1e-9)

    def told(self) -> tuple[str, ...]:
        """Return name, kind and the three errors as text."""
        errors = (self.reconstruction, self.hidden, self.constant)
        if not self.cells:
            return (self.name, self.kind, "-", "-", "-")
        if self.unit == "wrong":
            return (self.name, self.kind, *(f"{100 * error:.1f} %" for error in errors))
        return (self.name, self.kind, *(_told(error) + " days" * (self.unit == "days") for error in errors))


@dataclass(frozen=True)
class TableEvaluation:
    """What :meth:`isthmus.Autoencoder.evaluate` measured on a table.

    Attributes:
        rows, code: sizes; ``code`` counts the numbers per code.
        variables: numbers per row that the model reads: one per column, and one more for each cycle of a date.
        columns: what was found of every column.
        score: mean of ``score_samples``, nats per row in the table's own units.
        nll: importance-weighted estimate of -log p(x), nats per row, where asked for.
        missing: share of cells without a value.
        bytes_in: bytes per row of the table as given.
        dead: numbers of the code that never move on these rows.
        verdict: sentences.
    """

    rows: int
    variables: int
    code: int
    columns: tuple[ColumnEvaluation, ...]
    score: float
    nll: float | None
    draws: int
    missing: float
    bytes_in: float
    dead: int
    verdict: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; what is undefined is None."""
        plain = asdict(self)
        columns = [{name: _finite(value) for name, value in column.items()} for column in plain["columns"]]
        return {name: _finite(value) for name, value in plain.items()} | {"columns": columns}

    def __str__(self) -> str:
        """Print a row per column, and the verdict."""
        holes = f", {100 * self.missing:.3g} % of the cells missing" if self.missing else ""
        lines = [
            f"rows {self.rows}, columns {len(self.columns)}{holes}, numbers per code {self.code}",
            f"log-likelihood         {self.score:.6g} nats per row given its code, in the table's own units",
        ]
        if self.nll is not None:
            lines.append(f"-log p(x)              {self.nll:.4f} nats per row, {self.draws} importance-weighted draws")
        lines.append(
            f"compression            {self.bytes_in:.4g} bytes per row in, {4 * self.code} as a code of float32"
        )
        lines += ["", *self._columns(), "", *LEGEND]
        return "\n".join([*lines, *self.verdict])

    def _columns(self) -> Iterator[str]:
        heading = ("column", "kind", "reconstructed", "from other cells", "constant")
        rows = [heading, *(column.told() for column in self.columns)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heading))]
        for name, kind, *errors in rows:
            cells = (f"  {error:>{width}}" for error, width in zip(errors, widths[2:], strict=True))
            yield f"{name:{widths[0]}}  {kind:{widths[1]}}{''.join(cells)}"


def _told(error: float) -> str:
    """Write an error in four digits, and large ones without powers of ten."""
    return f"{error:,.0f}" if 1e4 <= abs(error) < 1e9 else f"{error:.4g}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate_table(
    model: Autoencoder, codec: TableCodec, x: Array, *, draws: int, noise: Noise, bytes_in: float, dead: int
) -> TableEvaluation:
    """Measure a fitted model on the variables ``x`` of a table."""
    back, scores = model.answers.ask(x, "reconstructions", "scores")
    hidden = _hidden(model, codec, x)
    columns = tuple(
        _column(codec.columns[i], codec.kinds[i], *(values[:, place] for values in (x, back, hidden)))
        for i, place in enumerate(codec.slices)
    )
    bound = model.answers.bound(x, noise, draws) if draws else None
    found = TableEvaluation(
        rows=len(x),
        variables=x.shape[1],
        code=math.prod(model.objective_.model.code_shape),
        columns=columns,
        score=float(model.form_.scores(x, scores).mean()),
        nll=None if bound is None else -float(model.form_.scores(x, -bound).mean()),
        draws=draws,
        missing=float(np.mean([1 - column.cells / len(x) for column in columns])),
        bytes_in=bytes_in,
        dead=dead,
    )
    return replace(found, verdict=tuple(_verdict(found, filling=model.parts_.hides)))


def _hidden(model: Autoencoder, codec: TableCodec, x: Array) -> Array:
    """Return what is expected of every cell while it is hidden, a fifth of each row's cells at a time.

    The noise is always the same, so that two models are asked alike.
    """
    drawn = Noise(0).uniform(torch.empty(len(x), len(codec.columns), dtype=torch.float64)).numpy()
    fold = np.repeat((drawn * FOLDS).astype(int), [len(column.variables) for column in codec.columns], axis=1)
    found = np.empty_like(x)
    for i in range(FOLDS):
        (expected,) = model.answers.ask(np.where(fold == i, np.nan, x), "reconstructions")
        found[fold == i] = expected[fold == i]
    return found


def _column(codec: Any, kind: str, x: Array, back: Array, hidden: Array) -> ColumnEvaluation:
    """Compare variables of one column where it has a value."""
    here = ~np.isnan(x[:, 0])
    if codec.variables[0].kind in ("binary", "category"):
        unit = "wrong"
        levels, counts = np.unique(x[here, 0], return_counts=True)
        rest = levels[counts.argmax()] if len(levels) else np.nan
        errors = [_share(x[here, 0] != guess) for guess in (back[here, 0], hidden[here, 0], rest)]
    else:
        unit = "days" if kind == "date" else ""
        true = _number(codec, kind, x[here])
        mean = true.mean() if len(true) else np.nan
        guesses = (_number(codec, kind, back[here]), _number(codec, kind, hidden[here]), mean)
        errors = [_root(true - guess) for guess in guesses]
    return ColumnEvaluation(codec.name, kind, unit, int(here.sum()), *errors)


def _number(codec: Any, kind: str, U: Array) -> Array:
    """Return a column's values as numbers, not rounded: rounding is no fault of the model's."""
    if kind == "date":
        return (codec.centre + codec.factor * U[:, 0]) / DAY
    if kind == "count":
        return U[:, 0]
    found: Array = (replace(codec, whole=False) if codec.whole else codec).decode(U)
    return found


def _share(wrong: Array) -> float:
    return float(wrong.mean()) if len(wrong) else math.nan


def _root(errors: Array) -> float:
    return float(np.sqrt(np.square(errors).mean())) if len(errors) else math.nan


def _verdict(found: TableEvaluation, *, filling: bool) -> Iterator[str]:
    tellable = [column for column in found.columns if column.cells and column.constant > 0]
    if found.code >= found.variables:
        sizes = f"{found.code} numbers per code, {found.variables} per row"
        yield f"The code is as wide as the table ({sizes}): a perfect reconstruction proves nothing here."
    lost = [column.name for column in tellable if not column.kept]
    if lost and len(lost) == len(tellable):
        yield "The model is no better than the mean or the most frequent level anywhere: it has learnt nothing yet."
        return
    if lost:
        yield f"The code keeps nothing of {_listed(lost)}: a constant comes as close."
    unknown = [column.name for column in tellable if not column.known]
    if unknown and len(unknown) == len(tellable):
        yield "From the other cells of a row the model expects no column better than a constant does."
    elif unknown:
        yield f"From the other cells the model knows {_listed(unknown)} no better than the mean or most frequent level."
    if unknown and not filling:
        yield "It was not trained to fill cells: corruption=Hiding(0.2), or --corruption hiding:rate=0.2, does that."


def _listed(names: Sequence[str]) -> str:
    if len(names) > LISTED + 1:
        return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more columns"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
