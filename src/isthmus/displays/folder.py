"""Every figure that makes sense for a model, as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import pyplot as plt

from isthmus.corruption import Clean
from isthmus.data import atomic
from isthmus.displays.comparison import PCAComparisonDisplay
from isthmus.displays.curves import LossCurvesDisplay
from isthmus.displays.generation import SamplesDisplay, TraversalDisplay
from isthmus.displays.look import Array
from isthmus.displays.plane import CodePlaneDisplay
from isthmus.displays.reconstruction import DenoisingDisplay, ReconstructionDisplay
from isthmus.displays.source import code_shape, flat_rows
from isthmus.displays.units import DecoderAtomsDisplay, EncoderFiltersDisplay

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder

DOTS_PER_INCH = 160


def figures(model: Autoencoder, X: Any, folder: str | Path, y: Any = None) -> list[Path]:
    """Draw what makes sense for a fitted model and rows X, and write it to a folder.

    Always: reconstructions and decoder atoms, and samples; curves where epochs were trained; filters and the comparison
    with PCA for numbers; the code's plane for codes of two numbers or more; denoising for models with a corruption;
    traversals where codes have a density. Of a table whose columns are of several kinds: the curves and the plane.

    Raises:
        ValueError: the folder cannot be written.
    """
    drawn = _of_any(model, X, y) if model.spec_.table else _of_numbers(model, flat_rows(model, X), y)
    return [write(draw(), Path(folder) / f"{name}.png") for name, draw in drawn.items()]


def _of_any(model: Autoencoder, X: Any, y: Any) -> dict[str, Callable[[], Any]]:
    """Return the figures that need no row to be drawn."""
    drawn: dict[str, Callable[[], Any]] = {}
    if len(model.history_):
        drawn["curves"] = lambda: LossCurvesDisplay.from_estimator(model)
    if len(code_shape(model)) > 1 or code_shape(model)[0] > 1:
        drawn["plane"] = lambda: CodePlaneDisplay.from_estimator(model, X, y=y)
    return drawn


def _of_numbers(model: Autoencoder, x: Array, y: Any) -> dict[str, Callable[[], Any]]:
    numbers = not model.spec_.levels
    drawn: dict[str, Callable[[], Any]] = {
        "reconstructions": lambda: ReconstructionDisplay.from_estimator(model, x, y=y)
    }
    drawn |= _of_any(model, x, y)
    if numbers:
        drawn["pca"] = lambda: PCAComparisonDisplay.from_estimator(model, x)
        drawn["filters"] = lambda: EncoderFiltersDisplay.from_estimator(model)
    drawn["atoms"] = lambda: DecoderAtomsDisplay.from_estimator(model)
    if model.parts_.corruption != Clean():
        drawn["denoising"] = lambda: DenoisingDisplay.from_estimator(model, x, y=y)
    if "density" in model.parts_.bottleneck.provides:
        drawn["traversals"] = lambda: TraversalDisplay.from_estimator(model)
    drawn["samples"] = lambda: SamplesDisplay.from_estimator(model, x)
    return drawn


def write(display: Any, path: Path) -> Path:
    """Write a display's figure in the format of the path's ending, whole or not at all, and close it.

    Raises:
        ValueError: the place cannot be written; an older figure there stays as it was.
    """
    try:
        with atomic(path) as beside:
            display.figure_.savefig(beside, dpi=DOTS_PER_INCH, format=path.suffix.removeprefix(".") or "png")
    finally:
        plt.close(display.figure_)
    return path
