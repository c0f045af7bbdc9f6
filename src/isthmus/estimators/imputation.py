"""Filling holes: what the model expects where a table has no value, and how far that may be off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.data.restoring import deviations_like, filled
from isthmus.estimators.inference import Inference
from isthmus.estimators.inputs import Array, gather
from isthmus.noise import Noise
from isthmus.records import Source

if TYPE_CHECKING:
    from isthmus.data.codec import TableCodec
    from isthmus.estimators.autoencoder import Autoencoder

# Rows that errors are measured on, how often a column is hidden at least, and passes over the rows at most.
MOST, OFTEN, PASSES = 4096, 100, 32


def impute(model: Autoencoder, X: Any, *, return_std: bool = False) -> Any:
    """Fill the missing cells of a table; see ``Autoencoder.impute``."""
    codec = model.form_.table
    if codec is None:
        raise ValueError(
            "this model was fitted to complete numbers, and knows no missing cells; fit it to a table with holes, or "
            "with schema='auto' and a corruption that hides some: Autoencoder(schema='auto', corruption=Hiding(0.2))"
        )
    X = gather(X)
    expected, spread = expectations(model, codec, codec.encode(X))
    made = filled(X, codec.decode(expected, X, within=True))
    return (made, deviations_like(X, spread)) if return_std else made


def expectations(model: Autoencoder, codec: TableCodec, x: Array) -> tuple[Array, Array]:
    """Return rows as variables with what is expected in the place of what is missing, and how far that may be off.

    The latter is (rows, columns), 0 where nothing is missing.
    """
    expected, doubts = model.answers.ask(x, "reconstructions", "doubts")
    missing = np.isnan(x)
    level = np.array([column.kind in ("category", "binary") for column in codec.variables])
    scales = np.where(level, 0.0, model.deviations_)
    spread = codec.spreads(expected, scales)
    first = [place.start for place in codec.slices]
    spread = np.where(np.isnan(spread), doubts[:, first], spread)
    return np.where(missing, expected, x), np.where(missing[:, first], spread, 0.0)


def some(rows: Source, noise: Noise) -> Array:
    """Return some rows of a fit as variables, NaN where one is missing."""
    few = rows.pick(noise.permutation(len(rows))[:MOST].sort().values)
    x = few.x.double().cpu().numpy()
    return x if few.seen is None else np.where(few.seen.cpu().numpy() > 0, x, np.nan)


def deviations(answers: Inference, codec: TableCodec, x: Array, noise: Noise) -> Array:
    """Return the root of the mean squared error of each variable where its column was hidden.

    A row hides one column at a time beside those that it lacks, as rows do that are to be filled. Best on rows held out
    of the fit. Levels have none.
    """
    errors, counts, columns = np.zeros(x.shape[1]), np.zeros(x.shape[1]), len(codec.slices)
    column = np.repeat(np.arange(columns), [place.stop - place.start for place in codec.slices])
    first = (noise.uniform(torch.empty(len(x), dtype=torch.float64)).numpy() * columns).astype(int)
    for i in range(min(columns, PASSES, max(3, -(-OFTEN * columns // len(x))))):
        hidden = (column == (first[:, None] + i) % columns) & ~np.isnan(x)
        back = answers.reconstructions(np.where(hidden, np.nan, x))
        errors += np.where(hidden, np.square(x - back), 0.0).sum(0)
        counts += hidden.sum(0)
    return np.sqrt(errors / np.maximum(counts, 1))
