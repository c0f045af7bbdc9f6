"""Layers and the chain that hands them noise. A layer draws its weights when told to, never from a global generator."""

from __future__ import annotations

from isthmus.layers.activation import ACTIVATIONS, Function
from isthmus.layers.chain import Chain, Dropout, Layer, Reshape, words
from isthmus.layers.convolution import Adjoint, Convolution, Crop, Enlarge, Pool, Transposed
from isthmus.layers.dictionary import Atoms, Centred
from isthmus.layers.few import only, scaled, spoken_by, writes
from isthmus.layers.linear import INITS, Linear, Shift, Tied, draw, weights
from isthmus.layers.normalisation import NORMS, BatchNorm, LayerNorm, norm
from isthmus.layers.products import HalfProducts, Products
from isthmus.layers.room import Path, Room, slot_of
from isthmus.layers.walk import Back, bindable, declares, stacks

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "NORMS",
    "Adjoint",
    "Atoms",
    "Back",
    "BatchNorm",
    "Centred",
    "Chain",
    "Convolution",
    "Crop",
    "Dropout",
    "Enlarge",
    "Function",
    "HalfProducts",
    "Layer",
    "LayerNorm",
    "Linear",
    "Path",
    "Pool",
    "Products",
    "Reshape",
    "Room",
    "Shift",
    "Tied",
    "Transposed",
    "bindable",
    "declares",
    "draw",
    "norm",
    "only",
    "scaled",
    "slot_of",
    "spoken_by",
    "stacks",
    "weights",
    "words",
    "writes",
]
