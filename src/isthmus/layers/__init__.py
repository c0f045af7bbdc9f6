"""Layers and the chain that hands them noise. A layer draws its weights when told to, never from a global generator."""

from __future__ import annotations

from isthmus.layers.chain import ACTIVATIONS, Chain, Dropout, Function, Layer, Reshape
from isthmus.layers.convolution import Adjoint, Convolution, Crop, Enlarge, Pool, Transposed
from isthmus.layers.linear import INITS, Linear, Shift, Tied, draw, weights
from isthmus.layers.normalisation import NORMS, BatchNorm, LayerNorm, norm
from isthmus.layers.walk import declared, walked

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "NORMS",
    "Adjoint",
    "BatchNorm",
    "Chain",
    "Convolution",
    "Crop",
    "Dropout",
    "Enlarge",
    "Function",
    "Layer",
    "LayerNorm",
    "Linear",
    "Pool",
    "Reshape",
    "Shift",
    "Tied",
    "Transposed",
    "declared",
    "draw",
    "norm",
    "walked",
    "weights",
]
