"""The kernel's products of numbers rounded to bfloat16, where the processor has them: of the right ones, no others."""

import pytest
import torch
from fitting import WORDS, identical, linear, logistic, rows, state
from kernels import fitted

from isthmus import native
from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Sigmoid
from isthmus.bottleneck.plain import Undercomplete
from isthmus.bottleneck.variational import Variational
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.kl import KL
from isthmus.records import Rows, Spec
from isthmus.training.optimiser import Adam, AdamW
from isthmus.training.trainer import Trainer

halves = pytest.mark.skipif(not native.halves(), reason="this processor multiplies no pairs of bfloat16")


def rounded(t):
    return t.to(torch.bfloat16).to(t.dtype)


class Rounded(torch.autograd.Function):
    """A product whose factors are rounded, there and back."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return rounded(x) @ rounded(weight).T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return rounded(gradient) @ rounded(weight), rounded(gradient).T @ rounded(x)


def by_rounding(x, weight, bias=None):
    found = Rounded.apply(x, weight)
    return found if bias is None else found + bias


def step(task, data, engine, precision="float32"):
    """Return the gradient, as a step with eps so large that it is a multiple of it, and the loss."""
    before = torch.cat([p.detach().flatten() for p in task.trained()])
    optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
    trainer = Trainer(1, batch_size=len(data), validation=0.0, optimiser=optimiser, engine=engine, precision=precision)
    loop = trainer.fit(task, data, Noise(0), start=False)
    return before - torch.cat([p.detach().flatten() for p in task.trained()]), loop.history[-1]["train"]


@halves
@pytest.mark.parametrize("share", [1.0, 0.1], ids="{} of all are not zero".format)
@pytest.mark.parametrize(("n", "width"), [(131, 83), (64, 64), (7, 300), (1, 5)])
@pytest.mark.parametrize("net", [Dense(()), Dense((17,)), Dense((40, 33)), Dense((19,), shortcut=True)], ids=repr)
def test_gradients_are_those_of_rounded_factors(monkeypatch, n, width, net, share):
    """Odd and even numbers of rows, inputs and units, with and without columns that are left out."""
    x = torch.rand(n, width, generator=torch.Generator().manual_seed(0))
    x *= torch.rand(n, width, generator=torch.Generator().manual_seed(1)) < share
    spec = Spec((width,), rows=n, provides=WORDS)

    def make():
        return Objective(Autoencoder(spec, net, Sigmoid(), 5, (width,), Noise(0)), Bernoulli())

    exact, _ = step(make(), Rows(x), "autograd")
    ours, loss = step(make(), Rows(x), "native", "bf16")
    monkeypatch.setattr(torch.nn.functional, "linear", by_rounding)
    theirs, like = step(make(), Rows(x), "autograd")
    # A factor beside the middle of two roundings may go either way.
    assert float((ours - theirs).norm()) <= 0.1 * float((exact - theirs).norm())
    assert loss == pytest.approx(like, rel=1e-5)


@halves
def test_codes_that_are_drawn_have_the_gradients_of_rounded_factors(monkeypatch):
    def make():
        return linear(Dense((31,)), units=3, bottleneck=Variational(), penalties=(KL(),))

    exact, _ = step(make(), rows(131), "autograd")
    ours, terms = step(make(), rows(131), "native", "bf16")
    monkeypatch.setattr(torch.nn.functional, "linear", by_rounding)
    theirs, like = step(make(), rows(131), "autograd")
    assert float((ours - theirs).norm()) <= 0.1 * float((exact - theirs).norm())
    assert terms == pytest.approx(like, rel=1e-5)


@halves
def test_a_fit_is_nearly_that_of_torchs_rounded_calls_and_the_same_each_time():
    settings = {"epochs": 5, "batch_size": 13, "precision": "bf16", "optimiser": Adam(1e-2)}
    (one, a), (again, _), (_, b) = (
        fitted(engine, lambda: logistic(Dense((9,))), rows(163), **settings)
        for engine in ("native", "native", "explicit")
    )
    assert identical(state(one), state(again)) and {p.dtype for p in one.trained()} == {torch.float32}
    assert a.history.curve() == pytest.approx(b.history.curve(), rel=1e-2)


@halves
def test_threads_share_rounded_steps(monkeypatch):
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    curves = []
    for threads in (1, 3):
        monkeypatch.setattr("isthmus.training.native.given_threads", lambda threads=threads: threads)
        _, loop = fitted("native", lambda: logistic(Dense((9,))), rows(200), epochs=3, precision="bf16")
        curves.append(loop.history.curve())
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_the_kernel_rounds_only_where_the_processor_does_and_no_convolutions(monkeypatch):
    trainer = Trainer(precision="bf16")
    monkeypatch.setattr(native, "halves", lambda: False)
    assert "this processor multiplies no pairs of bfloat16" in trainer.runs(logistic()) or native.library() is None
    if native.library() is None:
        return
    monkeypatch.setattr(native, "halves", lambda: True)
    assert trainer.runs(logistic()) == "native"
    spec = Spec((1, 8, 8), rows=160, provides=WORDS)
    net = Autoencoder(spec, Conv((4,)), Undercomplete(), 5, (1, 8, 8), Noise(0))
    assert Trainer().runs(Objective(net, Bernoulli())) == "native"
    assert "the kernel convolves in float32" in trainer.runs(Objective(net, Bernoulli()))
