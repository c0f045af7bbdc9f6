"""The explicit engine takes the steps of autograd, for less."""

import math

import pytest
import torch
from fitting import linear, logistic, rows

from isthmus.architecture.dense import Dense
from isthmus.bottleneck.variational import Variational
from isthmus.corruption.noise import Masking
from isthmus.corruption.wrapped import Emphasised
from isthmus.layers import ACTIVATIONS, Chain, Dropout, Function, LayerNorm, Linear, Reshape, Tied, walked
from isthmus.layers.chain import SLOPES
from isthmus.noise import Noise
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.records import Rows
from isthmus.training.engine import Engine
from isthmus.training.optimiser import LBFGS, SGD, Adam
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

X = Noise(0).normal(torch.empty(9, 5, dtype=torch.float64))


def test_every_activation_declares_its_slope():
    assert ACTIVATIONS.keys() == SLOPES.keys()


def gradients(network, x, run):
    network.zero_grad()
    x = x.clone().requires_grad_()
    run(network, x, Noise(1)).square().sum().backward()
    return [x.grad, *(p.grad for p in network.parameters())]


def drawn(*layers):
    network = Chain(*layers).double()
    for i, p in enumerate(network.parameters()):
        p.data = Noise(2, i).normal(p)
    return network


def tied():
    layer = Linear(5, 6)
    return [layer, Function("tanh"), Tied(layer)], [layer, Tied(layer, units=6)]


CHAINS = {
    **{name: lambda name=name: [Linear(5, 4), Function(name), Linear(4, 3)] for name in ACTIVATIONS},
    "dropout": lambda: [Linear(5, 4), Dropout(0.5), Chain(Linear(4, 3, bias=False))],
    "layer norm and shapes": lambda: [Reshape((5,)), Linear(5, 4), LayerNorm(4), Reshape((2, 2))],
    "tied": lambda: tied()[0],
    "two uses": lambda: tied()[1],
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_goes_back_as_autograd_does(name):
    network = drawn(*CHAINS[name]())
    plain = gradients(network, X, lambda f, x, noise: f(x, noise))
    for a, b in zip(plain, gradients(network, X, walked), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)


def test_frozen_layers_stay_so_and_pass_gradients_on():
    network = drawn(Linear(5, 4), Linear(4, 3))
    network.layers[1].requires_grad_(False)
    walked(network, X, None).sum().backward()
    assert network.layers[1].weight.grad is None and network.layers[0].weight.grad.abs().sum() > 0


def test_inputs_that_need_no_gradient_are_spared_it():
    network, asked = drawn(Linear(5, 4), Linear(4, 3)), []
    for layer in network:
        pull = layer.pullback
        layer.pullback = lambda g, x, y, inputs, pull=pull: (asked.append(inputs), pull(g, x, y, inputs))[1]
    walked(network, X, None).sum().backward()
    assert asked == [True, False]


TASKS = {
    "plain": logistic,
    "penalties and noise": lambda: logistic(
        Dense((10, 8), activation="sigmoid", dropout=0.2, norm="batch"),
        corruption=Emphasised(Masking(0.25), alpha=2.0, beta=0.5),
        penalties=(L1(1e-2), L2(1e-3), ActivationRate()),
    ),
    "variational": lambda: linear(bottleneck=Variational(), penalties=(KL(),)),
    "draws": lambda: linear(bottleneck=Variational(3), penalties=(KL(),)),
    "input gradient": lambda: logistic(penalties=(Contractive(),)),
    "beside a linear path": lambda: linear(Dense((10,), shortcut=True, tied=True)),
    "labels": lambda: FineTuning(logistic(), 3, l2=1e-3),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_steps_and_terms_are_those_of_autograd(name, weighted):
    weights, found = [], []
    for explicit in (False, not TASKS[name]().needs_autograd):
        task, data = TASKS[name]().double(), rows(labels=True).to(torch.device("cpu"), torch.float64)
        data = Rows(data.x, y=data.y, weight=(torch.arange(len(data)) % 3).double() if weighted else None).all()
        task.train()
        task.start(data)
        engine = Engine(task, SGD(0.1), explicit=explicit)
        for step in range(3):
            engine.step(data, Noise(0, step), 0.0)
        weights.append([p.detach().clone() for p in task.trained()])
        found.append(engine.means.read())
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-11, atol=1e-12)
    assert found[1] == pytest.approx(found[0], rel=1e-11)


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

    assert said(engine="explicit") == "explicit"
    assert said() == said(engine="autograd") == "autograd (asked for or by default)"
    assert said(precision="bf16") == "autograd (bf16 products are torch's own)"
    assert said(optimiser=LBFGS()) == "autograd (a line search reads every loss)"
    assert said(TASKS["input gradient"]()) == "autograd (Contractive differentiates the code by the inputs)"
    assert said(TASKS["draws"]()) == "autograd (several draws are weighed by their losses)"
    assert said(TASKS["labels"]()) == "autograd (FineTuning declares no derivatives)"
    with pytest.raises(ValueError, match=r"engine='explicit' cannot run this fit: Contractive .*engine='auto'"):
        Trainer(engine="explicit").bound(TASKS["input gradient"]())
    with pytest.raises(ValueError, match="did you mean 'explicit'"):
        Trainer(engine="explicite")
