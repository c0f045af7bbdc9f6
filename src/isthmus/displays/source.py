"""What figures need to know of a fitted model and of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.displays.look import Array, Look, look_of

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder


def flat_rows(model: Autoencoder, X: Any) -> Array:
    """Return X as finite float rows, (rows, columns).

    Raises:
        ValueError: a model of a table, another number of columns than in the fit, no rows, or a cell that is no finite
            number.
    """
    if model.spec_.table:
        raise ValueError(
            "this figure draws rows of numbers or pictures, and the model's are a table of columns of several kinds; "
            "draw its codes (CodePlaneDisplay) and curves (LossCurvesDisplay), or see model.evaluate(X)"
        )
    width = model.n_features_in_
    x = np.asarray(X)
    x = x.reshape(len(x), -1) if x.size else x.reshape(0, width)
    if len(x) == 0 or x.shape[1] != width:
        raise ValueError(
            f"X has the shape {np.shape(X)}, the figure needs rows of {width} numbers; give rows of the fit's kind"
        )
    x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("X holds NaN or infinite numbers, which cannot be drawn; leave those rows out")
    return x


def picked(n: int, y: Any, count: int) -> Array:
    """Return which rows of ``n`` to show: evenly spaced ones, and with labels one of each in turn."""
    if y is None:
        return np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(int))
    _, labels = np.unique(np.asarray(y), return_inverse=True)
    by_label = np.argsort(labels, kind="stable")
    in_order = labels[by_label]
    turn = np.arange(len(labels)) - np.searchsorted(in_order, in_order)  # how many of its label are before a row
    found: Array = by_label[np.argsort(turn, kind="stable")][:count]
    return found


def row_look(model: Autoencoder, rows: Array, shape: tuple[int, ...] | None) -> Look:
    """Return how rows of a model are drawn; ``shape`` says it where the model knows its rows as flat."""
    shape = tuple(shape) if shape is not None else tuple(model.spec_.shape)
    if np.prod(shape) != model.n_features_in_:
        raise ValueError(f"shape={shape} does not hold the {model.n_features_in_} numbers of a row; correct shape")
    return look_of(shape, rows, tuple(getattr(model, "feature_names_in_", ())))


def standardised(look: Look, rows: Array, *versions: Array) -> tuple[Array, ...]:
    """Return versions in standard deviations of ``rows`` where columns have different units; else as they are."""
    if len(look.shape) > 1:
        return versions
    centre, spread = rows.mean(0), rows.std(0)
    return tuple((version - centre) / np.where(spread > 0, spread, 1.0) for version in versions)


def code_shape(model: Autoencoder) -> tuple[int, ...]:
    """Return the shape of a code, (units, *places)."""
    return tuple(model.objective_.model.code_shape)


def code_spread(model: Autoencoder) -> Array:
    """Return the standard deviation of every unit over training rows (and places), (units,)."""
    codes = model.past.codes.reshape(len(model.past.codes), code_shape(model)[0], -1)
    spread: Array = codes.std(axis=(0, 2), dtype=np.float64)
    return spread


def liveliest(model: Autoencoder, units: Sequence[int] | None, count: int) -> list[int]:
    """Return the units to show: those given, else the ``count`` that vary most over training rows, in order.

    Raises:
        ValueError: a unit that the code does not have.
    """
    total = code_shape(model)[0]
    if units is None:
        return sorted(np.argsort(-code_spread(model), kind="stable")[:count].tolist())
    wrong = [unit for unit in units if not 0 <= unit < total]
    if wrong:
        raise ValueError(f"units={list(units)} names unit {wrong[0]}, the code has 0 to {total - 1}; correct units")
    return list(units)


def place(module: torch.nn.Module) -> torch.device:
    """Return where a module's parameters are."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))
