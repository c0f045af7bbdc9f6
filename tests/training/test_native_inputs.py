"""What the kernel is given beside rows: damaged inputs, holes, weights, and penalties of codes and of weights."""

from dataclasses import dataclass, replace

import pytest
import torch
from fitting import WORDS, linear, logistic, rows
from kernels import built, close, fitted

from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense, Parallel
from isthmus.architecture.given import Given
from isthmus.bottleneck.activated import Rectified, Sigmoid, Tanh
from isthmus.bottleneck.plain import Overcomplete, Undercomplete
from isthmus.bottleneck.variational import Variational
from isthmus.catalogue import catalogue
from isthmus.corruption import Corruption
from isthmus.corruption.noise import GaussianNoise, Hiding, Masking, NoiseLevels, SaltAndPepper, SwapNoise
from isthmus.corruption.wrapped import Clipped, Compose, Emphasised, PerKind
from isthmus.layers import Chain, Function, Linear, Tied
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.records import Rows, Spec
from isthmus.schedule import Ramp
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import Adam, AdamW
from isthmus.training.trainer import Trainer

CORRUPTIONS = {
    "masking": Masking(0.3),
    "a growing rate": Masking(Ramp(0.0, 0.5, epochs=2)),
    "gaussian noise": GaussianNoise(0.3),
    "salt and pepper": SaltAndPepper(0.2),
    "swap noise": SwapNoise(0.2),
    "hiding": Hiding(0.3),
    "emphasised": Emphasised(Masking(0.3), alpha=1.0, beta=0.25),
    "full emphasis, hidden": Emphasised(Hiding(0.3)),
    "composed": Compose((GaussianNoise(0.1), Masking(0.2))),
    "clipped": Clipped(GaussianNoise(0.5)),
    "per kind": PerKind(GaussianNoise(0.2), SwapNoise(0.1)),
}
PENALTIES = [(L1(0.1),), (L2(0.05),), (L1(0.1), L2(0.05)), (L1(Ramp(0.0, 0.2, epochs=2)), L2(Ramp(0.1, 0.0, epochs=2)))]
NETS = {
    "one layer": Dense((7,)),
    "deep": Dense((33, 5)),
    "straight": Dense((17,), shortcut=True),
}
TIED = Dense((19,), tied=True)


def task(net, corruption, likelihood, *, missing=False, level=0.0, shape=(12,), penalties=()):
    spec = Spec(shape, rows=160, provides=WORDS, missing=missing, level=level)
    model = Autoencoder(spec, net, Undercomplete(), 3, shape, Noise(0))
    return Objective(model, likelihood, penalties, corruption)


def step(engine, objective, data):
    """Return the gradient, as a step with eps so large that it is a multiple of it, and the terms."""
    before = torch.cat([p.detach().flatten() for p in objective.trained()])
    optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
    trainer = Trainer(1, batch_size=len(data), validation=0.0, optimiser=optimiser, engine=engine)
    loop = trainer.fit(objective, data, Noise(0), start=False)
    return before - torch.cat([p.detach().flatten() for p in objective.trained()]), loop.history[-1]["train"]


def same_step(make, data, by=2e-6):
    (ours, terms), (theirs, like) = (step(engine, make(), data) for engine in ("native", "autograd"))
    assert float((ours - theirs).norm()) <= by * float(theirs.norm())
    assert terms == pytest.approx(like, rel=by)


def with_holes(x):
    seen = (torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) > 0.3).to(x.dtype)
    return Rows(x * seen, seen)


def test_every_corruption_is_tried():
    inside = {type(part).__name__ for part in CORRUPTIONS.values()}
    assert {kind.__name__ for kind in catalogue(Corruption).values()} - inside == {"Clean", "NoiseLevels"}


@built
@pytest.mark.parametrize("likelihood", [Normal(scale=0.3), Bernoulli()], ids=repr)
@pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=CORRUPTIONS)
@pytest.mark.parametrize("net", [*NETS.values(), Conv((4, 3))], ids=[*NETS, "convolutional"])
def test_gradients_of_damaged_rows_are_those_of_autograd(net, corruption, likelihood):
    x, missing = rows(131).x, "hidden entries" in corruption.provides
    shape = (1, 12) if isinstance(net, Conv) else (12,)
    same_step(lambda: task(net, corruption, likelihood, missing=missing, shape=shape), Rows(x.reshape(-1, *shape)))


@built
@pytest.mark.parametrize("likelihood", [Normal(scale=0.3), Bernoulli()], ids=repr)
@pytest.mark.parametrize("net", [*NETS.values(), Conv((4, 3))], ids=[*NETS, "convolutional"])
def test_gradients_of_rows_with_holes_or_weights_are_those_of_autograd(net, likelihood):
    shape = (1, 12) if isinstance(net, Conv) else (12,)
    x = rows(131).x.reshape(-1, *shape)
    weight = torch.rand(131, generator=torch.Generator().manual_seed(4))
    same_step(lambda: task(net, None, likelihood, missing=True, shape=shape), with_holes(x))
    weighed = Rows(x, weight=weight / weight.mean())
    same_step(lambda: task(net, None, likelihood, shape=shape), weighed)
    if not isinstance(net, Conv):  # decay knows no rows
        same_step(lambda: task(net, None, likelihood, penalties=(L2(0.05),)), weighed)


@built
@pytest.mark.parametrize("penalties", PENALTIES, ids=repr)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_gradients_of_penalties_are_those_of_autograd(net, penalties):
    data = Rows(rows(131).x)
    same_step(lambda: linear(net, penalties=penalties), data)
    same_step(lambda: logistic(net, penalties=penalties, corruption=Masking(0.3)), data)
    same_step(lambda: linear(TIED, penalties=penalties, corruption=Masking(0.3)), data)
    decayed = tuple(penalty for penalty in penalties if isinstance(penalty, L2))
    same_step(lambda: linear(net, bottleneck=Variational(), penalties=(KL(0.3), *decayed)), data, by=4e-6)


@built
@pytest.mark.parametrize("code", [Overcomplete(), Sigmoid(), Tanh(), Rectified(), Rectified(0.01)], ids=repr)
@pytest.mark.parametrize("units", [5, 33])
@pytest.mark.parametrize("penalties", [(Contractive(0.3),), (Contractive(Ramp(0.1, 0.2)), L2(0.05))], ids=repr)
def test_gradients_of_contraction_are_those_of_autograd(code, units, penalties):
    """Slopes of units and the weights that they read: alone, damaged and tied, beside decay."""
    data, given = Rows(rows(131).x), {"units": units, "bottleneck": code, "penalties": penalties}
    same_step(lambda: linear(Dense(()), **given), data)
    same_step(lambda: logistic(Dense((), tied=True), corruption=Masking(0.3), **given), data)


@built
@pytest.mark.parametrize("threads", [1, 3])
def test_a_contractive_fit_is_that_of_torchs_calls(monkeypatch, threads):
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: threads)

    def make():
        contractive = (Contractive(Ramp(0.0, 0.3, epochs=2)),)
        return logistic(Dense((), tied=True), units=9, bottleneck=Sigmoid(), penalties=contractive)

    found = [fitted(engine, make, Rows(rows(163).x), batch_size=13, epochs=4) for engine in ("native", "explicit")]
    close(found[0][0], found[1][0], by=2e-4)
    for ours, theirs in zip(found[0][1].history, found[1][1].history, strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=2e-5)


@built
def test_contraction_that_needs_autograd_is_left_to_torchs_calls():
    """Of deep encoders, beside another penalty of codes, and where rows are weighed."""
    one = linear(Dense(()), bottleneck=Sigmoid(), penalties=(Contractive(),))
    assert Trainer().runs(one) == "native"
    assert "by the inputs" in Trainer().runs(linear(Dense((9,)), bottleneck=Sigmoid(), penalties=(Contractive(),)))
    both = linear(Dense(()), bottleneck=Sigmoid(), penalties=(L1(), Contractive()))
    assert "contractive" in Trainer().runs(both)
    weighed = Rows(rows(31).x, weight=torch.ones(31))
    assert "weigh" in Trainer().runs(one, weighed)


@built
@pytest.mark.parametrize("corruption", CORRUPTIONS.values(), ids=CORRUPTIONS)
@pytest.mark.parametrize("threads", [1, 3])
def test_fits_of_many_calls_are_those_of_torchs_calls(monkeypatch, corruption, threads):
    """Every engine draws the same damage, whether a call is of one batch or of several."""
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.NUMBERS", 5 * 13 * 2 * 12)
    monkeypatch.setattr("isthmus.training.inputs.AT_ONCE", 2 * 13 * 12)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: threads)
    missing = "hidden entries" in corruption.provides

    def make():
        return task(Dense((9,)), corruption, Bernoulli(), missing=missing, penalties=(L1(Ramp(0.0, 0.1, epochs=2)),))

    found = [fitted(engine, make, Rows(rows(163).x), batch_size=13, epochs=4) for engine in ("native", "explicit")]
    close(found[0][0], found[1][0], by=2e-4)
    for ours, theirs in zip(found[0][1].history, found[1][1].history, strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=2e-5)


@built
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "with holes"])
@pytest.mark.parametrize("net", [*NETS.values(), Conv((4, 3))], ids=[*NETS, "convolutional"])
def test_gradients_of_noise_levels_are_those_of_autograd(net, missing):
    """What is carried past the code, and the gain of what is decoded, become targets of another scale."""
    shape = (1, 12) if isinstance(net, Conv) else (12,)
    x = 3 * rows(131).x.reshape(-1, *shape)

    def make():
        return task(net, NoiseLevels(0.1, 2.0), Normal(scale=0.7), missing=missing, level=0.1, shape=shape)

    same_step(make, with_holes(x) if missing else Rows(x), by=4e-6)


@built
def test_what_the_kernel_cannot_count_is_left_to_torch():
    weighted, damaged = rows(weight=torch.ones(160)), Trainer()
    assert damaged.runs(logistic(corruption=Masking(0.1)), weighted) == "native"
    assert "weigh penalties" in damaged.runs(logistic(penalties=(L1(),)), weighted)


@built
def test_a_formula_of_ones_own_is_not_taken_for_the_one_it_comes_from():
    """Neither by the kernel nor by the derivative of the class above."""

    @dataclass(frozen=True, repr=False)
    class Larger(L1):
        def __call__(self, p):
            return 2 * super().__call__(p)

    @dataclass(frozen=True, repr=False)
    class Wider(Bernoulli):
        def nll(self, output, x, memory):
            return 3 * super().nll(output, x, memory)

    @dataclass(frozen=True, repr=False)
    class Counting(L1):
        def tally(self, p):
            return {"rows": p.code.new_tensor(len(p.code))}

    parts = {"likelihood": Wider(), "penalties": (Larger(0.1),)}
    runs = Trainer().runs(linear(Dense((7,)), **parts))
    assert "Wider" in runs and "larger" in runs
    assert "counting" in Trainer().runs(linear(penalties=(Counting(),)))
    data = Rows(rows(40).x)
    (ours, _), (theirs, _) = (step(engine, linear(Dense((7,)), **parts), data) for engine in ("explicit", "autograd"))
    torch.testing.assert_close(ours, theirs)


@built
def test_damage_and_codes_are_drawn_one_after_the_other():
    def make():
        return linear(Dense((9,)), bottleneck=Variational(), penalties=(KL(),), corruption=Masking(0.3))

    found = [fitted(engine, make, Rows(rows(163).x), batch_size=13, epochs=3) for engine in ("native", "explicit")]
    close(found[0][0], found[1][0], by=2e-4)
    assert found[0][1].history.curve() == pytest.approx(found[1][1].history.curve(), rel=1e-5)


@built
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh", "identity"])
@pytest.mark.parametrize("hidden", [(9,), (33, 7)], ids=str)
def test_units_that_are_dropped_are_those_of_other_engines(activation, hidden):
    net = Dense(hidden, activation=activation, dropout=0.4)
    same_step(lambda: logistic(net, corruption=Masking(0.2), penalties=(L1(0.1),)), Rows(rows(131).x), by=4e-6)
    straight = Dense(hidden, activation=activation, dropout=0.4, shortcut=True)
    same_step(lambda: linear(straight, bottleneck=Variational(), penalties=(KL(),)), Rows(rows(131).x), by=4e-6)


@built
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("hidden", [(40,), (33, 17)], ids=str)
@pytest.mark.parametrize("size", [13, 2])
def test_tied_fits_are_those_of_torchs_calls(monkeypatch, size, hidden, threads):
    """Threads share panels of the weights that both ways read, the last one not whole, where they share no rows too."""
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: threads)

    def make():
        net = Dense(hidden, activation="sigmoid", tied=True)
        return logistic(net, units=21, corruption=Masking(0.2), penalties=(L2(0.01),))

    data, settings = Rows(rows(12 * size + 7).x), {"batch_size": size, "epochs": 4}
    found = [fitted(engine, make, data, **settings) for engine in ("native", "explicit")]
    close(found[0][0], found[1][0], by=2e-4)
    for ours, theirs in zip(found[0][1].history, found[1][1].history, strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=2e-5)


def runs_alike(make, data, by=2e-4, **settings):
    """Fit by the engine that is chosen and by autograd, and compare; return the engine."""
    settings = {"batch_size": 13, "epochs": 3} | settings
    (ours, a), (theirs, b) = (fitted(engine, make, data, **settings) for engine in ("auto", "autograd"))
    close(ours, theirs, by=by)
    assert a.history.curve() == pytest.approx(b.history.curve(), rel=2e-5)
    return Trainer().runs(make(), data)


@built
def test_pretraining_counts_codes_as_they_are():
    """Greedy pretraining drops a layer's code behind it, in the decoder: L1 counts it before."""

    def make():
        return logistic(Dense((10, 8), activation="relu", dropout=0.4))

    found = []
    for engine in ("auto", "autograd"):
        task = make()
        layers = Greedy(2, penalties=(L1(0.1),))
        trainer = Trainer(1, engine=engine, batch_size=40, validation=0.0, pretraining=layers)
        found.append((trainer.fit(task, Rows(rows(160).x), Noise(0)), task))
    close(found[0][1], found[1][1], by=2e-4)


@built
def test_a_net_that_is_told_of_levels_reads_them_where_nothing_is_damaged():
    x = Rows(3 * rows(131).x)
    same_step(lambda: task(Dense((9,)), None, Normal(), level=0.3), x, by=4e-6)


@built
def test_noise_is_of_single_precision_whatever_torchs_default_is():
    torch.set_default_dtype(torch.float64)
    try:
        data = Rows(rows(60).x.float())
        for make in (
            lambda: logistic(Dense((9,), dropout=0.4)).float(),
            lambda: linear(Dense((9,)), bottleneck=Variational(), penalties=(KL(),)).float(),
        ):
            assert runs_alike(make, data) == "native"
    finally:
        torch.set_default_dtype(torch.float32)


@built
def test_a_corruption_of_ones_own_sees_one_batch_at_a_time():
    @dataclass(frozen=True, repr=False)
    class Filling(Masking):
        def __call__(self, batch, noise, memory):
            new = super().__call__(batch, noise, memory)
            return replace(new, x=torch.where(new.touched, batch.x.mean(), batch.x))

    assert runs_alike(lambda: logistic(Dense((9,)), corruption=Filling(0.4)), Rows(rows(160).x)) == "native"


@built
def test_steps_without_eps_leave_squares_finite():
    def make():
        return linear(Dense((9,), activation="tanh"), penalties=(L2(0.01),))

    _, loop = fitted("native", make, rows(100), epochs=2, optimiser=Adam(1e-3, eps=0.0))
    assert not loop.rollbacks and all(row["train"]["l2"] > 0 for row in loop.history)


@built
def test_pieces_of_a_users_own_are_left_to_torch():
    class Doubled(Linear):
        def forward(self, x, noise=None):
            return 2 * super().forward(x, noise)

    def given(encoder, decoder):
        spec = Spec((12,), rows=160, provides=WORDS)
        return Objective(
            Autoencoder(spec, Given(encoder, decoder, trained=True), Undercomplete(), 4, (12,), Noise(0)), Normal()
        )

    def line(a, b, kind=Linear):
        return kind(a, b, bias=True, init="torch", follow="identity")

    first = line(12, 4)
    nets = {
        "a layer that replaces forward": (Chain(line(12, 4, Doubled)), Chain(line(4, 12))),
        "paths within paths": (
            Chain(Parallel(Chain(line(12, 6), Parallel(Chain(line(6, 5), line(5, 4)), line(6, 4))), line(12, 4))),
            Chain(line(4, 12)),
        ),
        "a decoder that starts with an activation": (Chain(line(12, 4)), Chain(Function("tanh"), line(4, 12))),
        "two ways back of one weight": (Chain(first), Chain(Tied(first), line(12, 4), Tied(first))),
    }
    for name, (encoder, decoder) in nets.items():
        assert Trainer().runs(given(encoder, decoder)) != "native", name
