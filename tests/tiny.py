"""Small models in double precision, for tests."""

from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.parts import Normal
from isthmus.records import Spec

WORDS = frozenset({"numbers", "continuous", "unit interval", "counts"})


def spec_of(x, **changes):
    """Describe rows of numbers."""
    return Spec(tuple(x.shape[1:]), rows=len(x), **{"provides": WORDS, **changes})


def model_of(architecture, bottleneck, x, units=3, likelihood=None, seed=0, spec=None):
    """Build a model for rows ``x``."""
    spec = spec or spec_of(x)
    outputs = (likelihood or Normal()).outputs(spec)
    return Autoencoder(spec, architecture, bottleneck, units, outputs, Noise(seed)).double()
