"""Linear layers beside codes of which few units are active.

The decoder's layer declares ``said() -> (rows, scale)``: the atoms, one row per unit in one piece, each to be
multiplied by its scale, None for one; ``slope()``, where the gradient of the atoms is wanted, in one piece too; and
``settle(slope)``, which brings it to the weight's slot once it is complete. The encoder's layer declares ``reads(x)``,
what its weight multiplies, and ``settle_bias(g)``, which is told the gradient of its bias and adds what follows.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from isthmus.layers.chain import words
from isthmus.selected import Selected


def only(network: nn.Module) -> Any:
    """Return the one layer of a network that does more than give rows another shape; None where there are others."""
    leaves = [layer for layer in network.modules() if not [*layer.children()] and not isinstance(layer, nn.ModuleList)]
    found = [layer for layer in leaves if any(name != "shape" for name, *_ in words(layer))]
    return found[0] if len(found) == 1 else None


def writes(network: nn.Module) -> Any:
    """Return a decoder's one layer where it adds up atoms; None where it is another."""
    layer = only(network)
    return layer if hasattr(layer, "said") else None


def spoken_by(layer: Any, code: Selected) -> Tensor:
    """Return what the active units say together, and the bias: what ``forward`` returns for the whole code."""
    rows, scale = layer.said()
    y = scaled(code, scale).product(rows)
    return y if layer.bias is None else y.add_(layer.bias)


def scaled(code: Selected, scale: Tensor | None) -> Selected:
    """Return a code whose units are multiplied by a number each."""
    return code if scale is None else code.of(code.values * scale[code.units])
