"""New rows: codes are drawn, and decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.estimators.inputs import Array
from isthmus.estimators.parameters import seed_of
from isthmus.measures.density import fit_code_density
from isthmus.noise import Noise

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

DRAW = 7


def sample(model: Autoencoder, n: Any, random_state: Any, mean: bool) -> Any:
    """Return new rows in the form of those of the fit; see ``Autoencoder.sample``.

    Raises:
        ValueError: a number of rows that is none.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n_samples={n!r} is not a number of rows; give a whole number from 1 up")
    values = model.form_.drawn(variables(model, int(n), random_state, mean))
    return values.reshape(n, *model.row_shape_) if isinstance(values, np.ndarray) else values


def variables(model: Autoencoder, n: int, random_state: Any, mean: bool) -> Array:
    """Return new rows as variables, (rows, variables)."""
    noise = Noise(model._noise.branch(DRAW).seed if random_state is None else seed_of(random_state))
    codes = new_codes(model, n, noise)
    return model.answers.decode(codes) if mean else model.answers.draw(codes, noise)


def new_codes(model: Autoencoder, n: int, noise: Noise) -> Array:
    """Draw codes from the prior, where codes have one, else from a mixture fitted to those of training rows."""
    if "density" in model.parts_.bottleneck.provides:
        drawn = noise.normal(torch.empty(n, model._n_features_out))
        return np.asarray(drawn.numpy())
    if "_density" not in model.__dict__:
        model._density = fit_code_density(model.past.codes, model._noise.seed % 2**31)
    return np.asarray(model._density.sample(n, noise.seed % 2**31), dtype=np.float32)
