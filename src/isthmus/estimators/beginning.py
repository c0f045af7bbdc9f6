"""How an autoencoder's fit begins: rows are looked at, every part is named, and the model is built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.data.arrays import Scaling
from isthmus.estimators import assembly
from isthmus.estimators.forms import form_of
from isthmus.estimators.inference import rows_of
from isthmus.estimators.inputs import Array, gather, row_shape, row_weights, tensor
from isthmus.estimators.parameters import seed_of
from isthmus.estimators.past import TrainingRows
from isthmus.estimators.streaming import Looked, opened
from isthmus.noise import Noise
from isthmus.records import Rows, Source

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

SAMPLE = 6


def begin_fit(
    model: Autoencoder, X: Any, sample_weight: Any, seed: int | None = None
) -> tuple[Source, Array, Array | None]:
    """Build the model and return the rows that it is trained on, also in their own units with their weights."""
    X = opened(X, sample_weight, model.schema)
    x, weight = begin(model, X, sample_weight, seed)
    rows = X.rows(model.scaling_, model.spec_.shape) if isinstance(X, Looked) else rows_of_fit(model, x, weight)
    return rows, x, weight


def begin(model: Autoencoder, X: Any, sample_weight: Any, seed: int | None = None) -> tuple[Array, Array | None]:
    """Look at the data, name every part and build the model; return rows in their own units, and their weights."""
    looked, n = (X, len(X)) if isinstance(X, Looked) else (None, None)
    X = gather(X if looked is None else looked.sample, ordered=sample_weight is not None)
    given = row_shape(X)
    model.form_ = form_of(model, X)
    x = model.form_.begin(model, X)
    weight = row_weights(sample_weight, x)
    if weight is not None and not weight.all():
        x, weight = x[weight > 0], weight[weight > 0]
    assembly.refuse_too_little(x)
    shape = model.form_.shape(model.shape, given, x.shape[1])
    names = getattr(model, "feature_names_in_", None)
    parts = assembly.resolve(model, x, shape)
    assembly.refuse_unsupported(x, parts.likelihood, names)
    mode = model.form_.scaling(model.scaling, parts.likelihood)
    if looked is not None:
        looked.refuse_unsupported(parts.likelihood)
    model.scaling_ = Scaling.fit(x, mode, weight) if looked is None else looked.scaling(mode)
    model.spec_ = model.form_.describe(x, shape, parts, model.scaling_, names, n)
    model._noise = Noise(seed_of(model.random_state) if seed is None else seed)
    build(model, parts)
    model.row_shape_ = given
    return (x, weight) if looked is None else (x[: -looked.extremes], None)


def build(model: Autoencoder, parts: assembly.Parts) -> None:
    """Build the objective of data that are described, and forget what an older fit knew."""
    model.objective_ = parts.build(model.spec_, model._noise)
    model.parts_, model.trainer_ = parts, parts.trainer
    model.n_components_ = parts.units
    model._n_features_out = math.prod(model.objective_.model.code_shape)
    model._seen = TrainingRows(model._n_features_out, model._noise.branch(SAMPLE))
    for name in ("_answers", "_moments", "_density", "_names", "_references"):
        model.__dict__.pop(name, None)


def rows_of_fit(model: Autoencoder, x: Array, weight: Array | None) -> Rows:
    """Return rows in memory, scaled and shaped as the model sees them, in the precision of its trainer."""
    dtype = np.float64 if model.trainer_.place()[1] == torch.float64 else np.float32
    values = tensor(model.scaling_.forward(x, dtype)).reshape(-1, *model.spec_.shape)
    own = not np.may_share_memory(values.numpy(), x)
    return rows_of(model.spec_, values, None if weight is None else torch.from_numpy(weight), own=own)
