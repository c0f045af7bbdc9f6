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
        flatten: what has places, (rows, tokens, units), or (rows, channels, height, width) of a convolution, becomes
            one row per place, units last; else rows keep their shape.
        limit: stop at so many rows.

    Raises:
        ValueError: no such layer, nothing in the loader, or a layer that does not answer with a tensor.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> activations(net, "1", [torch.ones(5, 4), torch.ones(2, 4)]).shape
    (7, 3)
    """
    layers = dict(module.named_modules())
    if layer not in layers or not layer:
        raise ValueError(
            f"layer={layer!r} is none of the module's; {suggest(layer, [name for name in layers if name])}"
        )
    found: list[Array] = []
    rows = 0
    for answer in _answers(module, layers[layer], layer, loader):
        found.append(_rows(answer, flatten, units=_unit_axis(layers[layer])))
        rows += len(found[-1])
        if limit is not None and rows >= limit:
            break
    if not found:
        raise ValueError("the loader gave no batch; give at least one")
    return np.concatenate(found)[:limit]


def _answers(module: nn.Module, layer: nn.Module, name: str, loader: Iterable[Any]) -> Iterator[Tensor]:
    """Give what the layer answers to each batch."""
    for batch in loader:
        said: list[Any] = []

        def listen(_: nn.Module, __: Any, answer: Any, said: list[Any] = said) -> None:
            said.append(answer[0] if isinstance(answer, (tuple, list)) and answer else answer)
            raise _Reached

        with _evaluated(module), torch.inference_mode():
            handle = layer.register_forward_hook(listen)
            try:
                _ask(module, batch)
            except _Reached:
                pass
            finally:
                handle.remove()
        if not said:
            raise ValueError(f"layer {name!r} was not reached by a batch; name one that the module's forward uses")
        if not isinstance(said[0], Tensor) or not said[0].dim():
            raise ValueError(f"layer {name!r} answers with {type(said[0]).__name__}, not a tensor; name one inside it")
        yield said[0]


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


def _unit_axis(layer: nn.Module) -> int:
    """Return the axis of an answer's units: 1 of convolutions and what treats channels, else the last."""
    channels = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.pooling._MaxPoolNd)
    return 1 if isinstance(layer, (*channels, nn.GroupNorm, nn.AdaptiveAvgPool2d, nn.AvgPool2d)) else -1


def _rows(answer: Tensor, flatten: bool, units: int) -> Array:
    """Return an answer as rows in float32."""
    answer = answer.detach().float().cpu()
    if flatten and answer.dim() != 2:
        # Four axes are those of pictures, whatever the layer.
        units = 1 if answer.dim() == 4 else units
        answer = answer.movedim(units, -1).reshape(-1, answer.shape[units]) if answer.dim() > 1 else answer[:, None]
    found: Array = answer.numpy()
    return found
