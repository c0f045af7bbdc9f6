"""What a layer of any torch module computes, as rows for a dictionary or anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.component import suggest

Array = np.ndarray[Any, Any]


# Whose units are axis 1, whatever the rows are.
CHANNELS = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,  # of batches and of instances
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.CrossMapLRN2d,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._MaxUnpoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._LPPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.Softmax2d,
)
# Whose units are the last axis.
LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.MultiheadAttention)
NORMS = (nn.LayerNorm, nn.RMSNorm)


class _Reached(Exception):
    """The layer has answered; what comes behind it is not needed."""


def activations(
    module: nn.Module, layer: str, loader: Iterable[Any], *, flatten: bool = True, limit: int | None = None
) -> Array:
    """Return what a layer of a torch module computes for the batches of a loader, in float32 rows.

    The module is evaluated (without dropout, with running statistics), without gradients, on its own device, up to the
    layer and no further; its mode is as before afterwards.

    Args:
        module: any torch module.
        layer: the layer's name as in ``module.named_modules()``, for example ``transformer.h.3.mlp``.
        loader: batches: tensors or arrays; tuples or lists, whose first item is the input; or mappings, which are
            passed by name.
        flatten: what has places, (rows, tokens, units), or (rows, channels, *places) of a convolution and of what
            follows it, becomes one row per place, units last; else rows keep their shape.
        limit: stop at so many rows.

    Raises:
        ValueError: no such layer, nothing in the loader, one array in its place, a limit that counts no row, or a layer
            that does not answer with a tensor.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> activations(net, "1", [torch.ones(5, 4), torch.ones(2, 4)]).shape
    (7, 3)
    """
    layers = dict(module.named_modules())
    if layer not in layers or not layer:
        raise ValueError(
            f"layer={layer!r} is none of the module's; {suggest(layer, [name for name in layers if name])}"
        )
    _refuse(loader, limit)
    found: list[Array] = []
    rows = 0
    for answer, axis in _answers(module, layers[layer], layer, loader):
        found.append(_rows(answer, flatten, axis))
        rows += len(found[-1])
        if limit is not None and rows >= limit:
            break
    if not found:
        raise ValueError("the loader gave no batch; give at least one")
    return np.concatenate(found)[:limit]


def _refuse(loader: Any, limit: Any) -> None:
    """Refuse one array or mapping where batches are meant, and limits that are none."""
    if hasattr(loader, "shape") or isinstance(loader, Mapping):
        what = f"a {type(loader).__name__}"
        raise ValueError(f"loader is {what}, one batch and not a series of them; give it in a list: [batch]")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 1):
        raise ValueError(f"limit={limit!r} is no number of rows; give a whole number from 1 up, or None for all")


def _answers(module: nn.Module, layer: nn.Module, name: str, loader: Iterable[Any]) -> Iterator[tuple[Tensor, int]]:
    """Give what the layer answers to each batch, and the axis of its units."""
    for batch in loader:
        said: list[Any] = []
        units = _Units()

        def listen(part: nn.Module, given: Any, answer: Any, said: list[Any] = said, units: _Units = units) -> None:
            answer = _first(answer)
            said += [answer, units.axis_of(part, given, answer)]
            raise _Reached

        with _evaluated(module), torch.inference_mode():
            watched = [
                part for part in module.modules() if part is not layer and (_axis(part) or isinstance(part, nn.GLU))
            ]
            handles = [part.register_forward_hook(units.heard) for part in watched]
            handles.append(layer.register_forward_hook(listen))
            try:
                _ask(module, batch)
            except _Reached:
                pass
            finally:
                for handle in handles:
                    handle.remove()
        if not said:
            raise ValueError(f"layer {name!r} was not reached by a batch; name one that the module's forward uses")
        if not isinstance(said[0], Tensor) or not said[0].dim():
            raise ValueError(f"layer {name!r} answers with {type(said[0]).__name__}, not a tensor; name one inside it")
        yield said[0], said[1]


def _ask(module: nn.Module, batch: Any) -> None:
    """Pass a batch through a module, on its device and in its precision."""
    reference = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))

    def placed(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        if not isinstance(value, Tensor):
            return value
        return value.to(reference.device, reference.dtype if value.is_floating_point() else None)

    if isinstance(batch, Mapping):
        module(**{name: placed(value) for name, value in batch.items()})
    else:
        module(placed(batch[0] if isinstance(batch, (tuple, list)) else batch))


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    """Put every part of a module into use, and back into the mode that it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


class _Units:
    """Which axis of answers is that of the units, by the layer before that says so."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.axis, self.axes, self.count = -1, 0, 0

    def heard(self, layer: nn.Module, given: Any, answer: Any) -> None:
        """Remember where units are in the answer of a layer that says so, or that follows one."""
        answer = _first(answer)
        if isinstance(answer, Tensor) and answer.dim():
            axis = self.axis_of(layer, given, answer)
            self.axis, self.axes, self.count = axis, answer.dim(), answer.shape[axis] if answer.dim() > axis else 0

    def holds(self, answer: Any) -> bool:
        """Tell whether an answer still has the units of the last layer that says where they are."""
        same = isinstance(answer, Tensor) and 0 < answer.dim() == self.axes
        return same and answer.shape[self.axis] == self.count

    def axis_of(self, layer: nn.Module, given: Any, answer: Any) -> int:
        """Return the axis of a layer's units: 1 of what treats channels, the last of what mixes units.

        What works on each number by itself, or holds other layers, has them where the last layer had them. Where that
        does not show, four axes and more are those of pictures and volumes, and three those of rows of tokens.
        """
        if known := _axis(layer):
            return known
        # A gate has half of the units that it reads.
        same = given[0] if given and isinstance(layer, nn.GLU) else answer
        return self.axis if self.holds(same) else 1 if isinstance(answer, Tensor) and answer.dim() > 3 else -1


def _axis(layer: nn.Module) -> int:
    """Return 1, -1, or 0 where the kind of a layer does not say."""
    if isinstance(layer, CHANNELS):
        return 1
    return -1 if isinstance(layer, LAST) or (isinstance(layer, NORMS) and len(layer.normalized_shape) == 1) else 0


def _first(answer: Any) -> Any:
    """Return the first of several answers, which is what a layer says."""
    return answer[0] if isinstance(answer, (tuple, list)) and answer else answer


def _rows(answer: Tensor, flatten: bool, units: int) -> Array:
    """Return an answer as rows in float32."""
    answer = answer.detach().float().cpu()
    if flatten and answer.dim() != 2:
        answer = answer.movedim(units, -1).reshape(-1, answer.shape[units]) if answer.dim() > 1 else answer[:, None]
    found: Array = answer.numpy()
    return found
