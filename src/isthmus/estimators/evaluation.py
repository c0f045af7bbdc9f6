"""How good a model is on given rows: numbers beside their baselines, and what they mean in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.estimators.inputs import Array
from isthmus.measures.compression import quantise, restore
from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

BITS = (32, 16, 8, 4)


@dataclass(frozen=True)
class Evaluation:
    """What :meth:`isthmus.Autoencoder.evaluate` measured; errors are in the caller's units, squared.

    Attributes:
        rows, variables, code: sizes; ``code`` counts the numbers per code.
        squared_error, pca, mean: summed over variables, averaged over rows: the model's, PCA's at equal code size
            (fitted on training rows), and that of the training mean.
        explained: 1 - SS_res / SS_tot over all rows and variables.
        score: mean of ``score_samples``, nats per row.
        nll: importance-weighted estimate of -log p(x), nats per row, where asked for.
        bytes_in, bits: bytes per row of the input as given; (bits, bytes per row, squared error) per code precision.
        dead: units that never move on these rows.
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
    verdict: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Print a small table."""
        gain = f"{100 * (1 - self.squared_error / self.pca):+.1f} % better than PCA" if self.pca > 0 else "PCA is exact"
        lines = [
            f"rows {self.rows}, variables {self.variables}, numbers per code {self.code}",
            f"squared error per row  {self.squared_error:.6g}   (PCA at equal size {self.pca:.6g}, mean {self.mean:.6g}; {gain})",
            f"variance explained     {100 * self.explained:.2f} %",
            f"log-likelihood         {self.score:.6g} nats per row given its code",
        ]
        if self.nll is not None:
            lines.append(f"-log p(x)              {self.nll:.4f} nats per row, {self.draws} importance-weighted draws")
        lines.append(f"compression            {self.bytes_in:g} bytes per row in")
        lines += [
            f"  code in {bits:2d} bits      {size:g} bytes per row ({self.bytes_in / size:.1f}x smaller), squared error {error:.6g}"
            for bits, size, error in self.bits
        ]
        return "\n".join([*lines, *self.verdict])


def evaluate(model: Autoencoder, X: Any, x: Array, *, draws: int, random_state: int) -> Evaluation:
    """Measure a fitted model on checked rows ``x``."""
    answers, baseline = model.answers, model.baseline_
    codes = answers.codes(x)
    error = _squared(x, answers.reconstructions(x))
    pca, mean = float(baseline.errors(x).mean()), baseline.errors_of_mean(x)
    spread = np.square(x.astype(np.float64) - x.mean(0, dtype=np.float64)).sum()
    has_density = "density" in model.parts_.bottleneck.provides
    nll = float(answers.bound(x, Noise(random_state), draws).mean()) if draws and has_density else None
    found = {
        "rows": len(x),
        "variables": x.shape[1],
        "code": codes.shape[1],
        "squared_error": error,
        "pca": pca,
        "mean": float(mean.mean()),
        "explained": 1 - error * len(x) / spread if spread > 0 else 1.0,
        "score": model.score(x) if not hasattr(model, "feature_names_in_") else model.score(X),
        "nll": nll,
        "draws": draws,
        "bytes_in": _bytes_per_row(X, x),
        "bits": tuple(_stored(model, x, codes, bits) for bits in BITS),
        "dead": int((np.ptp(codes, axis=0) <= 1e-8 * max(1.0, float(np.abs(codes).max(initial=0.0)))).sum())
        if len(x) > 1
        else 0,
    }
    return Evaluation(**found, verdict=tuple(_verdict(model, found)))


def _squared(x: Array, reconstruction: Array) -> float:
    return float(np.square(x.astype(np.float64) - reconstruction).sum(1).mean())


def _bytes_per_row(X: Any, x: Array) -> float:
    dtype = getattr(X, "dtype", x.dtype)
    return float(x.shape[1] * getattr(dtype, "itemsize", x.itemsize))


def _stored(model: Autoencoder, x: Array, codes: Array, bits: int) -> tuple[int, float, float]:
    stored = quantise(codes, bits)
    return bits, float(stored.bytes_per_row), _squared(x, model.answers.decode(restore(stored).astype(codes.dtype)))


def _verdict(model: Autoencoder, found: dict[str, Any]) -> list[str]:
    said = []
    wide = found["code"] >= found["variables"]
    if wide:
        said.append("The code is as wide as the data: a perfect reconstruction proves nothing here.")
    elif found["squared_error"] > found["pca"]:
        share = 100 * (found["squared_error"] / max(found["pca"], 1e-300) - 1)
        said.append(
            f"PCA wins: its error is lower at the same code size (ours is {share:.1f} % above it). Train longer or use it."
        )
    if found["squared_error"] >= found["mean"]:
        said.append("The model is no better than the mean of the training rows: it has learnt nothing yet.")
    if found["dead"]:
        said.append(f"{found['dead']} of {found['code']} numbers of the code never change on these rows.")
    last = model.history_[-1] if len(model.history_) else None
    if last is not None and last["held_out"] and model.best_epoch_ == len(model.history_):
        said.append("The held-out loss was still falling in the last epoch: more epochs would help.")
    return said
