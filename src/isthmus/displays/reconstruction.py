"""Rows as they go in and come back, with the code between them; and rows that were damaged and repaired."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from matplotlib.axes import Axes

from isthmus.component import Memory
from isthmus.corruption import Clean
from isthmus.displays.look import INKS, Array, Look, panels, plain, widened
from isthmus.displays.source import code_shape, flat_rows, picked, place, row_look, standardised
from isthmus.noise import Noise
from isthmus.records import Batch

if TYPE_CHECKING:
    from isthmus.corruption import Corruption
    from isthmus.estimators import Autoencoder


class ReconstructionDisplay:
    """Inputs, reconstructions and codes side by side, a column per row.

    Pictures stand below each other; signals and rows of tables are drawn over their reconstruction. A code map shows a
    group of bars per unit, one bar per place.

    Args:
        versions: named versions of the same rows, each (rows, columns): input, reconstruction.
        codes: (rows, units, *places), or None for no bars.
        look: how a row is drawn.
        titles: a title per row.

    Attributes:
        figure_, axes_: the figure, and its axes (bands, rows).

    >>> from isthmus import Autoencoder, Trainer, data
    >>> X = data.read("digits", limit=100).X
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> ReconstructionDisplay.from_estimator(model, X, n_rows=3).axes_.shape
    (3, 3)
    """

    def __init__(
        self,
        versions: Mapping[str, Array],
        codes: Array | None,
        look: Look,
        titles: list[str] | None = None,
    ) -> None:
        """Keep what is drawn."""
        self.versions, self.codes, self.look, self.titles = dict(versions), codes, look, titles

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any,
        *,
        y: Any = None,
        n_rows: int | None = None,
        shape: tuple[int, ...] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw ``n_rows`` rows of X (as many as fit, if None); with labels ``y``, one of each in turn.

        ``shape`` draws flat rows as pictures, (channels, height, width). Columns of tables are drawn in standard
        deviations from the mean of X.
        """
        x = flat_rows(model, X)
        look = row_look(model, x, shape)
        index = picked(len(x), y, n_rows if n_rows is not None else look.across)
        rows = x[index]
        inputs, outputs = standardised(look, x, rows, model.answers.reconstructions(rows))
        look = row_look(model, np.concatenate([inputs, outputs]), shape) if len(look.shape) == 1 else look
        codes = model.answers.codes(rows).reshape(len(rows), *code_shape(model))
        titles = [str(label) for label in np.asarray(y)[index]] if y is not None else None
        return cls({"input": inputs, "reconstruction": outputs}, codes, look, titles).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on a new figure, or in the place of ``ax``."""
        bands = self.look.bands(list(self.versions))
        n, height = len(next(iter(self.versions.values()))), len(bands) + (self.codes is not None)
        wide, high = self.look.panel
        size = (max(3.0, 0.4 + n * wide), 0.4 + len(bands) * high + (0.9 if self.codes is not None else 0.0))
        ratios = [high] * len(bands) + ([0.9] if self.codes is not None else [])
        self.figure_, self.axes_ = panels(ax, height, n, size, heights=ratios)
        for i, labels in enumerate(bands):
            for j, panel in enumerate(self.axes_[i]):
                self.look.draw(panel, {label: self.versions[label][j] for label in labels})
            self._caption(self.axes_[i], labels)
        if self.codes is not None:
            self._draw_codes(self.axes_[-1])
        for panel, title in zip(self.axes_[0], self.titles or [], strict=False):
            panel.set_title(title, fontsize=8)
        return self

    def _caption(self, band: Array, labels: list[str]) -> None:
        if len(labels) == 1:
            band[0].set_ylabel(labels[0], fontsize=8)
            return
        band[0].set_ylabel("standard deviations" if len(self.look.shape) == 1 else "value", fontsize=8)
        self.look.caption(band)
        self.figure_.legend(
            *band[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8, frameon=False
        )
        for panel in band[1:]:
            panel.tick_params(labelleft=False)

    def _draw_codes(self, band: Array) -> None:
        codes: Array = self.codes if self.codes is not None else np.empty((0, 0))
        limits = widened(min(0.0, float(codes.min())), max(0.0, float(codes.max())))
        for panel, code in zip(band, codes, strict=True):
            draw_code(panel, code)
            panel.set_ylim(*limits)
            panel.tick_params(labelleft=panel is band[0])
        band[0].set_ylabel("code", fontsize=8)
        band[len(band) // 2].set_xlabel("unit" if codes.ndim == 2 else "unit (a bar per place)", fontsize=8)


def draw_code(ax: Axes, code: Array) -> None:
    """Draw a code as bars; those of a code map in a group per unit."""
    places = code.reshape(len(code), -1)
    n = places.shape[1]
    offsets = (np.arange(n) - (n - 1) / 2) * 0.8 / n
    at = (np.arange(len(code))[:, None] + offsets).ravel()
    inks = [INKS[1 - unit % 2 * (n > 1)] for unit in range(len(code)) for _ in range(n)]
    ax.bar(at, places.ravel(), 0.8 / n, color=inks)
    ax.axhline(0.0, color=INKS[0], linewidth=0.4)
    plain(ax)
    ax.set_xticks([0, len(code) - 1] if len(code) > 1 else [0])


class DenoisingDisplay(ReconstructionDisplay):
    """Damaged rows, what the model makes of them, and the rows before the damage.

    >>> from isthmus import data, recipes, Trainer
    >>> X = data.read("digits", limit=100).X
    >>> model = recipes.denoising(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> list(DenoisingDisplay.from_estimator(model, X, n_rows=3).versions)
    ['corrupted', 'denoised', 'clean']
    """

    @classmethod
    def from_estimator(
        cls,
        model: Autoencoder,
        X: Any,
        *,
        y: Any = None,
        corruption: Corruption | None = None,
        n_rows: int | None = None,
        shape: tuple[int, ...] | None = None,
        random_state: int = 0,
        ax: Axes | None = None,
    ) -> Self:
        """Damage ``n_rows`` rows of X by ``corruption``, or by the model's own, and draw what comes back.

        Raises:
            ValueError: the model was fitted to clean rows and no corruption is given.
        """
        x = flat_rows(model, X)
        look = row_look(model, x, shape)
        rows = x[picked(len(x), y, n_rows if n_rows is not None else look.across)]
        found = corrupted_and_denoised(model, rows, corruption, random_state)
        drawn = standardised(look, x, *found, rows)
        look = row_look(model, np.concatenate(drawn), shape) if len(look.shape) == 1 else look
        return cls(dict(zip(("corrupted", "denoised", "clean"), drawn, strict=True)), None, look).plot(ax=ax)


@torch.no_grad()
def corrupted_and_denoised(
    model: Autoencoder, rows: Array, corruption: Corruption | None, random_state: int
) -> tuple[Array, Array]:
    """Return damaged rows and their reconstructions, both in the units of ``rows``."""
    objective = model.answers.objective(torch.float64)
    own = objective.corruption
    chosen = corruption if corruption is not None else own
    if chosen == Clean():
        raise ValueError("the model was fitted to clean rows; say how to damage them, corruption=Masking(0.3)")
    scaled = torch.from_numpy(model.scaling_.forward(rows.astype(np.float64))).reshape(len(rows), *model.spec_.shape)
    batch = Batch(scaled.to(place(objective)))
    memory, likelihood = (cast(Memory, objective.memories[name]) for name in ("corruption", "likelihood"))
    if corruption is not None:
        memory = corruption.memory(model.spec_, code_shape(model))
        corruption.remember(memory, batch)
    damaged = chosen.at(math.inf)(batch, Noise(random_state), memory)
    output = objective.model(batch, damaged).output
    mean = objective.likelihood.mean(output, likelihood)
    back = [model.scaling_.inverse(t.flatten(1).cpu().numpy()) for t in (damaged.x, mean)]
    return back[0], back[1]
