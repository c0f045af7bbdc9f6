"""What single units look for and what they write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from isthmus.displays.look import Array, Look, look_of, panels, plain, shortened
from isthmus.displays.source import code_shape, code_spread, liveliest, place, row_look
from isthmus.explain.writing import middle

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

SHOWN = 32
STEPS = 60


class PatternsDisplay:
    """One pattern per unit: pictures and signals in a grid, tables as a map of units and columns.

    Grey is zero, lighter is more and darker is less; every picture has a scale of its own, a map one for all.

    Args:
        patterns: (units, numbers).
        units: which units these are.
        look: how a pattern is drawn.

    Attributes:
        figure_, axes_: the figure, and its axes (rows, columns), of which the last ones may be empty.
    """

    title: ClassVar[str] = ""
    scale: ClassVar[str] = ""

    def __init__(self, patterns: Array, units: Sequence[int], look: Look) -> None:
        """Keep the patterns."""
        self.patterns, self.units, self.look = patterns, list(units), look

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        return self._map(ax) if len(self.look.shape) == 1 else self._grid(ax)

    def _grid(self, ax: Axes | None) -> Self:
        columns = min(len(self.units), 8)
        rows = -(-len(self.units) // columns)
        wide, high = self.look.panel
        size = (max(3.0, columns * wide), rows * (high + 0.2))
        self.figure_, self.axes_ = panels(ax, rows, columns, size, title=self.title)
        for panel, unit, pattern in zip(self.axes_.flat, self.units, self.patterns, strict=False):
            top = float(np.abs(pattern).max()) or 1.0
            type(self.look)(self.look.shape, -top, top).draw(panel, {"": pattern})
            panel.set_title(f"unit {unit}", fontsize=7, pad=2)
        for panel in self.axes_.flat[len(self.units) :]:
            panel.set_axis_off()
        return self

    def _map(self, ax: Axes | None) -> Self:
        count, width = self.patterns.shape
        size = (min(9.0, 2.5 + 0.2 * width), min(7.0, 1.8 + 0.2 * count))
        self.figure_, self.axes_ = panels(ax, 1, 1, size, title=self.title)
        panel = self.axes_[0, 0]
        top = float(np.abs(self.patterns).max()) or 1.0
        drawn = panel.imshow(self.patterns, cmap="gray", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
        plain(panel)
        panel.set_yticks(range(count), [str(unit) for unit in self.units])
        panel.set_ylabel("unit", fontsize=8)
        names = self.look.names
        if names and width <= 4 * SHOWN:
            panel.set_xticks(range(width), [shortened(name) for name in names], rotation=90)
        panel.set_xlabel("column", fontsize=8)
        bar = self.figure_.colorbar(drawn, ax=panel)
        bar.set_label(self.scale, fontsize=8)
        bar.ax.tick_params(labelsize=6)
        return self


class EncoderFiltersDisplay(PatternsDisplay):
    """The input of norm one that activates each unit most.

    A unit of the first layer has s(<w, x> + b), which is largest on ||x|| = 1 at x = w / ||w|| (so is a code unit of a
    net without hidden layers). For code units of deeper nets the input is climbed to by projected gradient ascent,
    x <- (x + step * g) / ||x + step * g||, which needs no random start and gives the same answer for linear units.
    Inputs are those of the model, after its scaling; of a code map the unit in the middle place is shown.

    >>> from isthmus import Trainer, data, recipes
    >>> X = data.read("digits", limit=100).X
    >>> model = recipes.sparse(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> np.linalg.norm(EncoderFiltersDisplay.from_estimator(model).patterns, axis=1).round(6)
    array([1., 1., 1., 1.])
    """

    title = "Inputs that activate each unit most"
    scale = "input of norm one"

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        *,
        layer: str = "code",
        units: Sequence[int] | None = None,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the filters of the ``code`` or of the ``first`` layer; those of the code that vary most where many.

        Raises:
            ValueError: an unknown layer or unit, or data that are categories.
        """
        if model.spec_.levels:
            raise ValueError(
                "the data are categories, which have no input of norm one; draw DecoderAtomsDisplay instead"
            )
        if layer == "first":
            patterns, look = first_filters(model, shape)
            units = list(range(len(patterns)))[:SHOWN] if units is None else list(units)
            return cls(patterns[units], units, look).plot(ax=ax)
        if layer != "code":
            raise ValueError(f"layer={layer!r} is unknown; give 'first' or 'code'")
        units = liveliest(model, units, SHOWN)
        patterns = strongest_inputs(model, units)
        return cls(patterns, units, row_look(model, patterns, shape)).plot(ax=ax)


def first_filters(model: Autoencoder, shape: tuple[int, ...] | None) -> tuple[Array, Look]:
    """Return w / ||w|| of the encoder's first layer, (units, numbers), and how they are drawn."""
    weight = next((p for p in model.objective_.model.encoder.parameters() if p.dim() > 1), None)
    if weight is None:
        raise ValueError("the encoder has no layer with weights; use layer='code'")
    filters = weight.detach().double().cpu().flatten(1).numpy()
    filters = filters / np.maximum(np.linalg.norm(filters, axis=1, keepdims=True), 1e-300)
    if filters.shape[1] == model.n_features_in_:
        return filters, row_look(model, filters, shape)
    return filters, look_of(tuple(weight.shape[1:]), filters)


def strongest_inputs(model: Autoencoder, units: Sequence[int], steps: int = STEPS) -> Array:
    """Return, for every unit, the input of norm one that activates it most, (units, numbers), by gradient ascent."""
    objective = model.answers.objective(torch.float64)
    net, index = objective.model, torch.as_tensor(list(units))

    def activations(x: Tensor) -> Tensor:
        posterior = net.encode(x.reshape(len(x), *net.inputs))
        # Before selection, where units are selected: a unit that is not has no slope to climb.
        code = (posterior.mean if posterior.pre is None else posterior.pre).reshape(len(x), code_shape(model)[0], -1)
        return code[torch.arange(len(x)), index.to(x.device), middle(code_shape(model))]

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(activations(x).sum(), x)
        return unit_norm(found)

    zero = torch.zeros(len(index), model.n_features_in_, dtype=torch.float64, device=place(objective))
    # A rectified unit may be flat at zero; what it writes is the next best guess at what it reads.
    written = torch.from_numpy(atoms(model, units).astype(np.float64) / model.scaling_.factor.ravel()).to(zero)
    starts = [slope(zero), unit_norm(written)]
    ends = [ascend(start, slope, steps) for start in starts]
    with torch.no_grad():
        better = activations(ends[1]) > activations(ends[0])
    return torch.where(better[:, None], ends[1], ends[0]).cpu().numpy()


def ascend(x: Tensor, slope: Any, steps: int) -> Tensor:
    """Follow normalised slopes on the unit sphere, in steps that shrink from one."""
    for t in range(steps):
        x = unit_norm(x + (1.0 - t / steps) * slope(x))
    return x


def unit_norm(x: Tensor) -> Tensor:
    """Scale every row to norm one; a zero row stays."""
    norm: Tensor = x.norm(dim=1, keepdim=True)
    return x / norm.clamp_min(1e-300)


class DecoderAtomsDisplay(PatternsDisplay):
    """What each unit writes: decode(s e_j) - decode(0), s its standard deviation over training rows.

    For a linear decoder these are its weights. A unit of a code map writes at the middle place.

    >>> from isthmus import Trainer, data, recipes
    >>> X = data.read("digits", limit=100).X
    >>> model = recipes.pca(4, random_state=0).fit(X)
    >>> DecoderAtomsDisplay.from_estimator(model).patterns.shape
    (4, 64)
    """

    title = "What each unit writes"
    scale = "standard deviations"

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        *,
        units: Sequence[int] | None = None,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the atoms of ``units``, or of those that vary most."""
        units = liveliest(model, units, SHOWN)
        patterns = atoms(model, units)
        look = row_look(model, patterns, shape)
        if len(look.shape) == 1:
            spread = spread_of_columns(model)
            patterns = patterns / np.where(spread > 0, spread, 1.0)
        return cls(patterns, units, look).plot(ax=ax)


def atoms(model: Autoencoder, units: Sequence[int]) -> Array:
    """Return decode(s e_j) - decode(0) for every unit j, (units, columns), in the units of the data."""
    shape = code_shape(model)
    codes = np.zeros((len(units) + 1, shape[0], int(np.prod(shape[1:]))))
    spread = code_spread(model)
    for row, unit in enumerate(units):
        codes[row, unit, middle(shape)] = spread[unit] or 1.0
    decoded = model.answers.decode(codes.reshape(len(codes), -1))
    difference: Array = decoded[:-1] - decoded[-1]
    return difference


def spread_of_columns(model: Autoencoder) -> Array:
    """Return the standard deviation of every column, as the model reproduces training rows."""
    spread: Array = model.answers.decode(model.past.codes).std(axis=0)
    return spread
