"""The kernel's convolutional nets: rows side by side in registers have the gradients of autograd."""

import pytest
import torch
from fitting import WORDS, identical, state
from kernels import built, close, fitted

from isthmus import native
from isthmus.architecture.conv import Conv
from isthmus.bottleneck.activated import Rectified, Sigmoid
from isthmus.bottleneck.plain import Undercomplete
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.records import Rows, Spec
from isthmus.training.optimiser import Adam, AdamW
from isthmus.training.trainer import Trainer

NETS = {
    "vector": Conv((5, 3)),
    "map": Conv((4,), head="map", activation="leaky_relu"),
    "direct": Conv((6, 4, 2), head="direct"),
    "without bias": Conv((3, 8), head="direct", bias=False, activation="sigmoid"),
    "wide kernel": Conv((9,), kernel=5, head="map", activation="tanh"),
    "strides": Conv((5, 3), down="stride"),
    "strides, a map": Conv((4, 6), down="stride", head="map", activation="leaky_relu"),
    "strides, direct": Conv((9, 4), down="stride", head="direct", bias=False),
    "strides, wide kernel": Conv((3, 4), kernel=5, down="stride", head="direct"),
    "kernel of one": Conv((2, 2), kernel=1, activation="identity"),
}
SHAPES = {"pictures": (1, 8, 8), "odd": (2, 7, 5), "signals": (3, 12), "thin": (1, 9, 2)}


def objective(shape, net, code, likelihood):
    return Objective(Autoencoder(Spec(shape, rows=90, provides=WORDS), net, code, 3, shape, Noise(0)), likelihood)


def pictures(n, shape):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1)) ** 2


def moved(engine, task, x):
    """A step of AdamW with eps so large that it is a multiple of the gradient."""
    before = torch.cat([p.detach().flatten() for p in task.trained()])
    optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
    trainer = Trainer(engine=engine, epochs=1, batch_size=len(x), validation=0.0, optimiser=optimiser)
    loop = trainer.fit(task, Rows(x), Noise(0), start=False)
    return before - torch.cat([p.detach().flatten() for p in task.trained()]), loop.history[-1]["train"][
        "reconstruction"
    ]


@built
@pytest.mark.parametrize("likelihood", [Normal(), Bernoulli()], ids=repr)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_gradients_are_those_of_autograd(net, shape, likelihood):
    x = pictures(37, shape)
    tasks = [
        objective(shape, net, Undercomplete() if net.head == "vector" else Rectified(), likelihood) for _ in range(2)
    ]
    if not Trainer().runs(tasks[0]).startswith("native"):
        assert shape == SHAPES["odd"] or shape == SHAPES["signals"] or shape == SHAPES["thin"]  # places are cut off
        return
    (g, value), (expected, other) = (moved(e, task, x) for e, task in zip(("native", "autograd"), tasks, strict=True))
    assert float((g - expected).norm()) <= 3e-6 * float(expected.norm())
    assert value == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("net", ["vector", "direct", "strides"])
def test_registers_of_every_size_hold_the_rows(registers, net):
    test_gradients_are_those_of_autograd(NETS[net], (1, 8, 8), Bernoulli())


@built
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [61, 2])
def test_a_fit_is_that_of_torchs_calls(n, threads, monkeypatch):
    """Batches that no number of rows in a register divides, threads without a row, several epochs."""
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: threads)
    x = Rows(pictures(n, (1, 8, 8)))
    settings = {"epochs": 4, "batch_size": 20, "optimiser": Adam(1e-2)}

    def make():
        return objective((1, 8, 8), NETS["direct"], Sigmoid(), Bernoulli())

    found = [fitted(engine, make, x, **settings) for engine in ("native", "native", "explicit")]
    assert identical(state(found[0][0]), state(found[1][0]))
    close(found[0][0], found[2][0], by=2e-4)
    assert found[0][1].history.curve() == pytest.approx(found[2][1].history.curve(), rel=1e-5)


@built
def test_the_kernel_is_taken_where_it_knows_every_layer(monkeypatch):
    def runs(net, shape=(1, 8, 8)):
        return Trainer().runs(objective(shape, net, Sigmoid(), Bernoulli()))

    assert runs(NETS["direct"]) == runs(NETS["vector"]) == runs(Conv((4, 2)), shape=(2, 16)) == "native"
    for net in (
        Conv((4,), down="stride", tied=True),
        Conv((4,), norm="batch"),
        Conv((4,), dropout=0.1),
        Conv((4,), kernel=2),
    ):
        assert "a layer" in runs(net)
    assert "a layer" in runs(Conv((4,)), shape=(1, 8, 8, 8))  # volumes
    monkeypatch.setattr("isthmus.training.stages.ROOM", 100)
    assert "a layer" in runs(NETS["direct"])  # no row fits a cache
    assert native.library() is not None
