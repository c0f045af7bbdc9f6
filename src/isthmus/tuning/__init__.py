"""A search for the settings of an autoencoder by what it says of rows held out, with Optuna."""

from isthmus.tuning.search import Tuned, tune
from isthmus.tuning.space import Choice, Parts, Range

__all__ = ["Choice", "Parts", "Range", "Tuned", "tune"]
