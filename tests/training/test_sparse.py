"""The sparse engine takes the steps of the explicit one and of autograd, without the silent units."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus import native
from isthmus.corruption.noise import GaussianNoise
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import L1, Auxiliary, BatchTopK, Dense, Dictionary, Nested, Normal, Overcomplete, TopK, Variational
from isthmus.records import Batch, Rows, Spec
from isthmus.selected import above, largest, largest_of_all, projected
from isthmus.training.optimiser import SGD, Adam
from isthmus.training.sparse import small
from isthmus.training.trainer import Trainer

ROWS, WIDTH, UNITS = 50, 21, 160
CASES = {
    "top k": (Dictionary(), TopK(3)),
    "rectified": (Dictionary(), TopK(3, rectified=True)),
    "batch top k": (Dictionary(), BatchTopK(4)),
    "linear layers": (Dense(hidden=()), TopK(3)),
    "tied": (Dense(hidden=(), tied=True), BatchTopK(2)),
}


def data_of(seed=0):
    return Noise(seed).normal(torch.empty(ROWS, WIDTH, dtype=torch.float64))


def objective_of(name, dtype, dead=0, *, missing=False, corruption=None):
    """Return an objective of a case, with so many dead units, in the state in which a fit has it."""
    architecture, bottleneck = CASES[name]
    spec = Spec((WIDTH,), rows=ROWS, missing=missing, provides=frozenset({"continuous", "numbers"}))
    model = Autoencoder(spec, architecture, bottleneck, UNITS, (WIDTH,), Noise(0))
    task = Objective(model, Normal(), (Auxiliary(weight=0.5, k=12),), corruption).to(torch.float64)
    task.train()
    task.start(Batch(data_of()))
    # As the autograd of the encoder's centre is only told apart where biases are not zero.
    for i, p in enumerate(task.trained()):
        p.data += 0.1 * Noise(1, i).normal(p)
    task.memories["auxiliary"].idle[1 : 2 * dead : 2] = 1e9
    return task.to(dtype)


def steps(engine, task, batch, optimiser=None):
    """Return weights, memories and terms after three steps, and the first gradient."""
    bound = Trainer(engine=engine, optimiser=optimiser or SGD(0.05)).bound(task)
    assert bound.name == engine
    gradients = []
    for step in range(3):
        bound.step(batch, Noise(0, step), 0.0)
        gradients.append([slot.clone() for slot in bound.flat.slots])
    bound.release()
    state = {name: t.clone() for name, t in task.state_dict().items()}
    return gradients, state, bound.means.read()


def assert_same(found, expected, dtype):
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for now, then in zip(found[0], expected[0], strict=True):
        for a, b in zip(now, then, strict=True):
            assert (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, rtol=10 * tolerance, atol=10 * tolerance)
    assert found[2] == pytest.approx(expected[2], rel=10 * tolerance)


@pytest.fixture(params=["kernel", "torch"])
def way(request, monkeypatch):
    """With the kernel where it was built, and without."""
    if request.param == "torch":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip("the kernel was not built")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dead", [0, 5, 40])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_explicit_engine(name, dead, dtype, way):
    batch = Batch(data_of().to(dtype), weight=(0.5 + torch.arange(ROWS) % 3).to(dtype))
    found, expected = (steps(engine, objective_of(name, dtype, dead), batch) for engine in ("sparse", "explicit"))
    assert_same(found, expected, dtype)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_autograd(name):
    batch = Batch(data_of())
    found, expected = (
        steps(engine, objective_of(name, torch.float64, 5), batch) for engine in ("sparse", "autograd")
    )
    assert_same(found, expected, torch.float64)


def test_missing_entries_and_noise_are_those_of_the_explicit_engine():
    seen = (Noise(5).uniform(data_of()) > 0.3).double()
    batch = Batch(data_of() * seen, seen, (1.0 + torch.arange(ROWS) % 2).double())
    found, expected = (
        steps(engine, objective_of("tied" if False else "linear layers", torch.float64, 5, missing=True,
                                   corruption=GaussianNoise(0.3)), batch)
        for engine in ("sparse", "explicit")
    )
    assert_same(found, expected, torch.float64)
