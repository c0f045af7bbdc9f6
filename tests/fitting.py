"""Small fits that the tests of training share."""

import torch

from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Sigmoid
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.records import Rows, Spec
from isthmus.training.callbacks import Callback

WIDTH, CLASSES = 12, 3
WORDS = frozenset({"numbers", "continuous", "unit interval"})


def rows(n=160, *, seed=0, labels=False, weight=None):
    """Return noisy mixtures of three patterns, between 0 and 1, with the pattern as the label."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(CLASSES, WIDTH, generator=torch.Generator().manual_seed(99)).round()
    y = torch.randint(CLASSES, (n,), generator=generator)
    x = (0.8 * patterns[y] + 0.2 * torch.rand(n, WIDTH, generator=generator)).clamp(0, 1)
    return Rows(x, weight=weight, y=y if labels else None)


def logistic(architecture=None, *, seed=0, units=5, bottleneck=None, **parts):
    """Return a net of logistic units with cross-entropy; ``parts`` go to the objective."""
    architecture = architecture or Dense((10, 8), activation="sigmoid")
    spec = Spec((WIDTH,), rows=160, provides=WORDS)
    model = Autoencoder(spec, architecture, bottleneck or Sigmoid(), units, (WIDTH,), Noise(seed))
    return Objective(model, Bernoulli(), **parts)


def linear(architecture=None, *, seed=0, units=5, bottleneck=None, likelihood=None, **parts):
    """Return a net with linear codes and squared error."""
    from isthmus.bottleneck.plain import Undercomplete

    bottleneck = bottleneck or Undercomplete()
    architecture = architecture or Dense((10,), activation="tanh")
    spec = Spec((WIDTH,), rows=160, provides=WORDS)
    model = Autoencoder(spec, architecture, bottleneck, units, (WIDTH,), Noise(seed))
    return Objective(model, likelihood or Normal(), **parts)


def state(task):
    """Return a copy of every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in task.state_dict().items()}


def identical(a, b):
    """Say whether two states agree in every bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def finite(task):
    """Say whether a task holds no NaN and no infinity."""
    return all(bool(t.isfinite().all()) for t in task.state_dict().values())


class Crash(RuntimeError):
    """What a crashing fit raises."""


class CrashAt(Callback):
    """Crash in the middle of an epoch of a phase, at the first step after it began."""

    def __init__(self, phase, epoch):
        self.phase, self.epoch = phase, epoch

    def epoch_end(self, loop, row):
        if (row["phase"], row["epoch"]) == (self.phase, self.epoch):
            raise Crash
