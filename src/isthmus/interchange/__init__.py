"""Sparse dictionaries in the files of other libraries: SAELens, sparsify and dictionary_learning; never a pickle."""

from __future__ import annotations

from isthmus.interchange.files import load_dictionary, save_dictionary

__all__ = ["load_dictionary", "save_dictionary"]
