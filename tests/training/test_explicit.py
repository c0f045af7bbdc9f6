"""The explicit engine takes the steps of autograd, for less."""

import math

import pytest
import torch
from fitting import linear, logistic, rows

from isthmus.architecture.dense import Dense, Parallel
from isthmus.bottleneck.activated import Tanh, UnitNorm
from isthmus.bottleneck.top_k import TopK
from isthmus.bottleneck.variational import Variational
from isthmus.corruption.noise import Masking
from isthmus.corruption.wrapped import Emphasised
from isthmus.layers import (
    ACTIVATIONS,
    BatchNorm,
    Chain,
    Dropout,
    Function,
    LayerNorm,
    Linear,
    Path,
    Reshape,
    Room,
    Tied,
    bindable,
    slot_of,
)
from isthmus.layers.activation import INTO, SLOPES
from isthmus.likelihood.normal import ScaledNormal
from isthmus.noise import Noise
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.hoyer import Hoyer
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.penalty.orthogonality import Orthogonality
from isthmus.records import Rows
from isthmus.training.engine import Engine
from isthmus.training.flat import Flat
from isthmus.training.optimiser import LBFGS, SGD, Adam, AdamW
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

X = Noise(0).normal(torch.empty(9, 5, dtype=torch.float64))


def test_every_activation_declares_its_slope():
    assert ACTIVATIONS.keys() - {"identity"} == SLOPES.keys() == INTO.keys()


def by_autograd(network, x):
    network.zero_grad()
    x = x.clone().requires_grad_()
    y = network(x, Noise(1))
    y.square().sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in network.parameters())]


def by_declaration(network, *inputs):
    """Return outputs and gradients for each of several inputs: the first is described, the others repeat its calls."""
    room = Room()
    room.noise = Noise(1)
    with torch.no_grad():
        path = Path(bindable(network), inputs[0].clone(), room, inputs=True)
        slope, found = None, []
        for x in inputs:
            network.zero_grad()
            room.noise = Noise(1)
            path.x.copy_(x)
            y = path.ahead()
            slope = 2 * y if slope is None else slope.copy_(2 * y)
            g = path.back(slope)
            left = [slot_of(p) if p in room.written else p.grad for p in network.parameters()]
            found.append([y.clone(), g.clone(), *(None if t is None else t.clone() for t in left)])
    return found


def drawn(*layers):
    network = Chain(*layers).double()
    for i, p in enumerate(network.parameters()):
        p.data = Noise(2, i).normal(p)
    return network


def tied(units=None):
    layer = Linear(5, 6)
    beside = [] if units is None else [Parallel(Chain(Linear(6, units)), Linear(6, units))]
    return [layer, Function("tanh"), *beside, Tied(layer, units=units)]


CHAINS = {
    **{name: lambda name=name: [Linear(5, 4), Function(name), Linear(4, 3)] for name in ACTIVATIONS},
    "dropout": lambda: [Linear(5, 4), Dropout(0.5), Chain(Linear(4, 3, bias=False))],
    "layer norm and shapes": lambda: [Reshape((5,)), Linear(5, 4), LayerNorm(4), Reshape((2, 2))],
    "batch norm": lambda: [Linear(5, 4), BatchNorm(4), Function("relu")],
    "tied": tied,
    "some units of a tied layer": lambda: tied(4),
    "activations first and in a row": lambda: [Function("tanh"), Function("sigmoid"), Linear(5, 2), Function("relu")],
    "beside a linear path": lambda: [Parallel(Chain(Linear(5, 4), Function("silu"), Linear(4, 3)), Linear(5, 3))],
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_goes_back_as_autograd_does_in_every_step(name):
    network, inputs = drawn(*CHAINS[name]()), (X, 2 * X, -X)
    for x, found in zip(inputs, by_declaration(network, *inputs), strict=True):
        for a, b in zip(by_autograd(network, x), found, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)


def test_parameters_lie_side_by_side_until_they_are_released():
    network = drawn(*CHAINS["tied"]())
    expected = torch.cat([g.flatten() for g in by_autograd(network, X)[2:]])
    network.zero_grad()
    flat = Flat(list(network.parameters()))
    by_declaration(network, X)
    torch.testing.assert_close(flat.gradient, expected)
    values = flat.whole.detach().clone()
    flat.whole.data += 1.0
    assert torch.equal(torch.cat([p.detach().flatten() for p in network.parameters()]), values + 1.0)
    flat.release()
    flat.whole.data += 1.0
    assert torch.equal(torch.cat([p.detach().flatten() for p in network.parameters()]), values + 1.0)
    assert len({p.untyped_storage().data_ptr() for p in network.parameters()}) == len(flat.parameters)


def test_weights_of_convolutions_keep_their_shape_in_the_flat_tensor():
    weight = torch.nn.Parameter(Noise(0).normal(torch.empty(3, 2, 5, 4)))
    before = weight.detach().clone()
    flat = Flat([weight])
    assert torch.equal(weight, before) and weight.is_contiguous(memory_format=torch.channels_last)
    weight.square().sum().backward()
    flat.collect()
    assert torch.equal(flat.slots[0], 2 * before)
    flat.release()
    assert torch.equal(weight, before) and weight.is_contiguous()


def test_frozen_layers_stay_so_and_pass_gradients_on():
    network = drawn(Linear(5, 4), Linear(4, 3))
    network.layers[1].requires_grad_(False)
    expected = by_autograd(network, X)
    [found] = by_declaration(network, X)
    assert found[4] is None and found[5] is None
    torch.testing.assert_close(found[2], expected[2])


def test_inputs_that_need_no_gradient_are_spared_it(monkeypatch):
    network, asked = drawn(Linear(5, 4), Linear(4, 3)), []
    monkeypatch.setattr(Room, "back", lambda *given, back=Room.back: (asked.append(given[2]), back(*given))[1])
    with torch.no_grad():
        path = Path(network, X, Room(), inputs=False)
        assert path.back(path.ahead()) is None
    assert [weight is network.layers[1].weight for weight in asked] == [True]


TASKS = {
    "plain": logistic,
    "penalties and noise": lambda: logistic(
        Dense((10, 8), activation="sigmoid", dropout=0.2, norm="batch"),
        corruption=Emphasised(Masking(0.25), alpha=2.0, beta=0.5),
        penalties=(L1(1e-2), L2(1e-3), ActivationRate()),
    ),
    "a sphere": lambda: linear(bottleneck=UnitNorm(), penalties=(Hoyer(), Orthogonality())),
    "closed form": lambda: linear(Dense(()), bottleneck=Tanh(), penalties=(Contractive(),)),
    "selection": lambda: logistic(bottleneck=TopK(2), penalties=(L1(1e-2),)),
    "learnt scale": lambda: linear(likelihood=ScaledNormal()),
    "variational": lambda: linear(bottleneck=Variational(), penalties=(KL(),)),
    "draws": lambda: linear(bottleneck=Variational(3), penalties=(KL(),)),
    "input gradient": lambda: logistic(penalties=(Contractive(),)),
    "beside a linear path": lambda: linear(Dense((10,), shortcut=True, tied=True)),
    "labels": lambda: FineTuning(logistic(), 3, l2=1e-3),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimiser", [SGD(0.1), AdamW(0.01), LBFGS(iterations=2)], ids=repr)
@pytest.mark.parametrize("name", TASKS)
def test_steps_and_terms_are_those_of_autograd(name, optimiser, weighted):
    weights, found = [], []
    for engine in ("autograd", "auto"):
        task, data = TASKS[name]().double(), rows(labels=True).to(torch.device("cpu"), torch.float64)
        data = Rows(data.x, y=data.y, weight=(torch.arange(len(data)) % 3).double() if weighted else None).all()
        task.train()
        task.start(data)
        engine = Trainer(engine=engine, optimiser=optimiser, clip=0.5).bound(task)
        for step in range(3):
            engine.step(data, Noise(0, step), 0.0)
        weights.append([p.detach().clone() for p in task.trained()])
        found.append(engine.means.read())
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-11)
    assert found[1] == pytest.approx(found[0], rel=1e-10)


def test_a_fit_is_that_of_autograd_within_rounding():
    curves = [
        Trainer(epochs=5, engine=engine, optimiser=Adam(1e-2)).fit(logistic(), rows(300), Noise(0)).history
        for engine in ("explicit", "autograd")
    ]
    assert curves[0].curve(part="held_out") == pytest.approx(curves[1].curve(part="held_out"), rel=1e-5)


def test_the_loss_is_looked_at_in_some_steps_of_every_epoch(monkeypatch):
    """Values cost as much as a layer; at least eight steps of an epoch, or all, say where it stands."""
    seen, step = [], Engine.step
    monkeypatch.setattr(Engine, "step", lambda *given, valued: (seen.append(valued), step(*given, valued=valued))[1])
    for n, size in ((96, 32), (1280, 2)):
        seen.clear()
        history = Trainer(epochs=1, batch_size=size, validation=0.0).fit(logistic(), rows(n), Noise(0)).history
        assert math.isfinite(history[-1]["train"]["loss"])
        assert sum(seen) >= min(len(seen), 8)
    assert sum(seen) == len(seen) / 16


def test_the_engine_says_what_it_is():
    def said(task=None, **settings):
        trainer, task = Trainer(**settings), task or logistic()
        assert trainer.bound(task).name == trainer.runs(task).split()[0]
        return trainer.runs(task)

    assert said(engine="explicit") == "explicit (asked for)"
    for task, settings in ((TASKS["draws"](), {}), (logistic(), {"optimiser": LBFGS()}), (logistic(), {"clip": 1.0})):
        assert said(task, **settings).startswith("explicit (the kernel ")
    assert said(engine="autograd") == "autograd (asked for)"
    assert said(TASKS["input gradient"]()) == "autograd (Contractive differentiates the code by the inputs)"
    assert said(TASKS["labels"]()) == "autograd (FineTuning declares no derivatives)"
    with pytest.raises(ValueError, match=r"engine='explicit' cannot run this fit: Contractive .*engine='auto'"):
        Trainer(engine="explicit").bound(TASKS["input gradient"]())
    with pytest.raises(ValueError, match="did you mean 'explicit'"):
        Trainer(engine="explicite")


def test_running_moments_of_numbers_far_from_zero_keep_their_digits():
    norm, x = BatchNorm(3), 5000.0 + Noise(2).normal(torch.empty(400, 3))
    norm.train()
    for _ in range(200):
        norm(x)
        norm.learn(norm.tally())
    torch.testing.assert_close(norm.mean, x.double().mean(0).float(), rtol=1e-6, atol=1e-2)
    torch.testing.assert_close(norm.var, x.double().var(0).float(), rtol=1e-3, atol=1e-3)
