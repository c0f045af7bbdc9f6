"""How good a model is on given rows: numbers beside their baselines, and what they mean in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.estimators.table_evaluation import TableEvaluation, evaluate_table
from isthmus.measures.compression import quantise, restore
from isthmus.measures.reconstruction import explained_variance, squared_error
from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

BITS = (32, 16, 8, 4)


@dataclass(frozen=True)
class Evaluation:
    """What :meth:`isthmus.Autoencoder.evaluate` measured; errors are in the caller's units, squared.

    Where the model scales every column by its own deviation, errors are in standard deviations, as no other sum over
    columns would mean anything.

    Attributes:
        rows, variables, code: sizes; ``code`` counts the numbers per code.
        squared_error, pca, mean: summed over variables, averaged over rows: the model's, PCA's at equal code size
            (fitted on training rows), and that of the training mean; NaN where training rows are unknown.
        explained: 1 - SS_res / SS_tot over all rows and variables.
        score: mean of ``score_samples``, nats per row.
        nll: importance-weighted estimate of -log p(x), nats per row, where asked for.
        bytes_in, bits: bytes per row of the input as given; (bits, bytes per row, squared error) per code precision.
        dead: units that never move on these rows.
        standardised: whether errors are in standard deviations of the columns.
        levels: whether columns are categories: then ``squared_error`` counts wrong levels per row, and there is nothing
            to compare it with but the score.
        verdict: sentences.
    """

    rows: int
    variables: int
    code: int
    squared_error: float
    pca: float
    mean: float
    explained: float
    score: float
    nll: float | None
    draws: int
    bytes_in: float
    bits: tuple[tuple[int, float, float], ...]
    dead: int
    standardised: bool = False
    levels: bool = False
    verdict: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; what is undefined is None."""
        plain = asdict(self)
        return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in plain.items()}

    def __str__(self) -> str:
        """Print a small table and the verdict."""
        lines = [
            f"rows {self.rows}, variables {self.variables}, numbers per code {self.code}",
            *(self._wrong_levels() if self.levels else self._errors()),
            f"log-likelihood         {self.score:.6g} nats per row given its code",
        ]
        if self.nll is not None:
            lines.append(f"-log p(x)              {self.nll:.4f} nats per row, {self.draws} importance-weighted draws")
        lines.append(f"compression            {self.bytes_in:g} bytes per row in")
        for bits, size, error in self.bits:
            smaller = f"{size:g} bytes per row, {self.bytes_in / size:.1f}x smaller"
            lines.append(f"  code in {bits:2d} bits      {smaller}, squared error {error:.6g}")
        return "\n".join([*lines, *self.verdict])

    def _errors(self) -> list[str]:
        unit = ", in standard deviations of the columns" if self.standardised else ""
        known = not math.isnan(self.pca)
        beside = f"   ({self._beside_pca()}; the mean alone {self.mean:.6g})" if known else ""
        return [
            f"squared error per row  {self.squared_error:.6g}{beside}{unit}",
            f"variance explained     {self._share()}",
        ]

    def _wrong_levels(self) -> list[str]:
        share = 100 * self.squared_error / self.variables
        return [f"wrong levels per row   {self.squared_error:.4g} of {self.variables}, {share:.1f} %"]

    def _share(self) -> str:
        return "undefined, as these rows do not vary" if math.isnan(self.explained) else f"{100 * self.explained:.2f} %"

    def _beside_pca(self) -> str:
        if self.pca <= 1e-12 * self.mean:
            return "PCA at equal size is exact"
        ratio = self.squared_error / self.pca
        if ratio >= 10:
            return f"PCA at equal size {self.pca:.6g}, so {_times(ratio)} worse"
        gain = 100 * (1 - ratio)
        if abs(gain) < 0.05:  # what would be 0.0 %
            return f"PCA at equal size {self.pca:.6g}, so as good as that"
        return f"PCA at equal size {self.pca:.6g}, so {abs(gain):.1f} % {'better' if gain >= 0 else 'worse'}"


def _times(ratio: float) -> str:
    """Write a large factor in words.

    >>> _times(28821.3), _times(3.21e9), _times(12.34)
    ('29 thousand times', '3,210 million times', '12.3 times')
    """
    if ratio < 1e3:
        return f"{ratio:.3g} times"
    value, word = (ratio / 1e6, "million") if ratio >= 1e6 else (ratio / 1e3, "thousand")
    return f"{value:.2g} {word} times" if value < 10 else f"{value:,.0f} {word} times"


def evaluate(
    model: Autoencoder, X: Any, x: Array, *, draws: int, seed: int, bytes_per_row: float | None
) -> Evaluation | TableEvaluation:
    """Measure a fitted model on checked rows ``x``; ``X`` is what the caller gave.

    Raises:
        ValueError: draws that are none, or that a code without a density cannot give.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 0:
        raise ValueError(f"draws={draws!r} is not a number of draws; give a whole number from 0 up")
    if draws and "density" not in model.parts_.bottleneck.provides:
        name = type(model.parts_.bottleneck).__name__
        raise ValueError(f"draws={draws} need a code with a density, which {name} lacks; leave draws out")
    bytes_in = bytes_per_row if bytes_per_row is not None else _bytes_per_row(X, x)
    codec = model.form_.table
    if codec is not None:
        dead = _unmoved(model.answers.codes(x))
        found = evaluate_table(model, codec, x, draws=draws, noise=Noise(seed), bytes_in=bytes_in, dead=dead)
        return replace(found, verdict=(*found.verdict, *_of_training(model, found)))
    return _evaluate_numbers(model, x, draws=draws, noise=Noise(seed), bytes_in=bytes_in)


def _evaluate_numbers(model: Autoencoder, x: Array, *, draws: int, noise: Noise, bytes_in: float) -> Evaluation:
    answers, baseline, comparable = model.answers, model.past.baseline, model.scaling_.comparable
    codes, back, scores = answers.ask(x, "codes", "reconstructions", "scores")
    seen, back = comparable(x), comparable(back)
    levels = bool(model.spec_.levels)
    if levels:
        # The distance of two levels is whether they differ: as squares of zeros and ones.
        seen, back = np.zeros_like(seen), (seen != back).astype(seen.dtype)
    nll = float(answers.bound(x, noise, draws).mean()) if draws else None
    found = Evaluation(
        rows=len(x),
        variables=x.shape[1],
        code=codes.shape[1],
        squared_error=float(squared_error(seen, back).mean()),
        pca=math.nan if levels else float(baseline.errors(seen).mean()),
        mean=math.nan if levels else float(baseline.errors_of_mean(seen).mean()),
        explained=math.nan if levels else explained_variance(seen, back),
        score=float(scores.mean()),
        nll=nll,
        draws=draws,
        bytes_in=bytes_in,
        bits=() if levels else tuple(_stored(model, seen, codes, bits) for bits in BITS),
        dead=_unmoved(codes),
        standardised=model.scaling_.mode == "standard",
        levels=levels,
    )
    return replace(found, verdict=tuple(_verdict(model, found)))


def _unmoved(codes: Array) -> int:
    """Count numbers of the code that are the same on every row."""
    if len(codes) < 2:
        return 0
    return int((np.ptp(codes, axis=0) <= 1e-8 * max(1.0, float(np.abs(codes).max()))).sum())


def _bytes_per_row(X: Any, x: Array) -> float:
    if hasattr(X, "nbytes") and hasattr(X, "column_names"):  # an Arrow table, text by its letters
        return float(X.nbytes) / len(x)
    if hasattr(X, "dtypes"):  # a frame: a width per column; text and categories count as what they became
        return float(sum(getattr(dtype, "itemsize", x.itemsize) for dtype in X.dtypes))
    return float(x.shape[1] * getattr(getattr(X, "dtype", x.dtype), "itemsize", x.itemsize))


def _stored(model: Autoencoder, seen: Array, codes: Array, bits: int) -> tuple[int, float, float]:
    # The places of a code map share their unit's steps, as in a file of codes.
    stored = quantise(codes.reshape(len(codes), *model.objective_.model.code_shape), bits)
    back = restore(stored).reshape(codes.shape).astype(codes.dtype)
    decoded = model.scaling_.comparable(model.answers.decode(back))
    return bits, float(stored.bytes_per_row), float(squared_error(seen, decoded).mean())


def _verdict(model: Autoencoder, found: Evaluation) -> list[str]:
    said = []
    if found.code >= found.variables:
        sizes = f"{found.code} numbers per code, {found.variables} per row"
        said.append(f"The code is as wide as the data ({sizes}): a perfect reconstruction proves nothing here.")
    elif found.squared_error > found.pca * (1 + 1e-6):
        said.append(
            "PCA wins: its error is lower at the same code size. Use it, or give the model more epochs or rows."
        )
    if found.squared_error >= found.mean > 0:
        said.append("The model is no better than the mean of the training rows: it has learnt nothing yet.")
    return said + _of_training(model, found)


def _of_training(model: Autoencoder, found: Evaluation | TableEvaluation) -> list[str]:
    """Say what codes and history tell."""
    said = []
    if found.dead:
        said.append(f"{found.dead} of {found.code} numbers of the code never change on these rows.")
    last = model.history_[-1] if len(model.history_) else None
    if last is not None and last["held_out"] and model.best_epoch_ == model.n_iter_:
        said.append("The held-out loss was still falling in the last epoch: more epochs would help.")
    return said
