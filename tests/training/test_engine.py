"""What one step does: the gradient of the sum of named terms, without a wait for the device."""

import math

import pytest
import torch
from fitting import finite, linear, logistic, rows

from isthmus.architecture.dense import Dense
from isthmus.bottleneck.variational import Variational
from isthmus.corruption.noise import GaussianNoise, Masking
from isthmus.noise import Noise
from isthmus.objective import Task, averaged
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.records import Batch, Rows
from isthmus.schedule import Cosine, Ramp
from isthmus.training.engine import Means
from isthmus.training.optimiser import LBFGS, SGD, Adadelta, Adam, AdamW
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

OPTIMISERS = [Adam(), AdamW(), SGD(nesterov=True), Adadelta(), LBFGS(iterations=2)]
TASKS = {
    "penalties and noise": lambda: logistic(
        Dense((10, 8), activation="sigmoid", dropout=0.2, norm="batch"),
        corruption=Masking(0.25),
        penalties=(L1(Ramp()), L2(1e-3), ActivationRate(), Contractive()),
    ),
    "sparse": lambda: logistic(
        Dense((10, 8), activation="sigmoid", dropout=0.2, norm="batch"),
        corruption=Masking(0.25),
        penalties=(L1(Ramp()),),
    ),
    "draws": lambda: linear(bottleneck=Variational(), penalties=(KL(),), draws=3),
    "labels": lambda: FineTuning(logistic(Dense((10,), norm="batch")), 3, corruption=Masking(0.25), l2=1e-3),
}
WAITS = ("item", "tolist", "numpy", "cpu", "nonzero", "__bool__", "__float__", "__int__", "__index__", "__array__")


@pytest.mark.parametrize("engine", ["autograd", "auto"])
@pytest.mark.parametrize("optimiser", OPTIMISERS[:-1], ids=repr)
@pytest.mark.parametrize("name", TASKS)
def test_the_host_never_waits_within_a_step(name, optimiser, engine, monkeypatch):
    def wait(*_, **__):
        raise AssertionError("the host read a tensor")

    task, data, noise = TASKS[name](), rows(labels=True).all(), Noise(0)
    task.start(data)
    task.train()
    engine = Trainer(optimiser=optimiser, clip=1.0, precision="bf16", engine=engine).bound(task)
    engine.step(data, noise, 0.0)
    with monkeypatch.context() as patched:
        for method in WAITS:
            patched.setattr(torch.Tensor, method, wait)
        engine.step(data, noise.at(1), 0.5)
    assert all(math.isfinite(value) for value in engine.means.read().values())


def bound(task, optimiser, **settings):
    return Trainer(optimiser=optimiser, **settings).bound(task)


@pytest.mark.parametrize("name", TASKS)
def test_a_step_follows_the_gradient_of_the_sum_of_terms(name):
    task, data, noise = TASKS[name]().double(), rows().to(torch.device("cpu"), torch.float64), Noise(0)
    data = Rows(data.x, y=torch.arange(len(data)) % 3).all()
    task.train()
    task.start(data)
    before = [p.detach().clone() for p in task.trained()]
    terms = averaged(task(data, noise, 0.5)[0], None)
    gradient = torch.autograd.grad(torch.stack(list(terms.values())).sum(), task.trained())
    engine = bound(task, SGD(learning_rate=0.1, momentum=0.0))
    engine.step(data, noise, 0.5)
    for p, old, g in zip(task.trained(), before, gradient, strict=True):
        torch.testing.assert_close(p.detach(), old - 0.1 * g, rtol=1e-12, atol=1e-14)
    assert engine.means.read() == pytest.approx({name: value.item() for name, value in terms.items()}, rel=1e-12)


def test_clipping_bounds_the_gradient():
    def moved(clip):
        task, data = logistic(), rows().all()
        task.train()
        before = torch.cat([p.detach().flatten() for p in task.trained()])
        bound(task, SGD(learning_rate=1.0, momentum=0.0), clip=clip).step(data, Noise(0), 0.0)
        return float((torch.cat([p.detach().flatten() for p in task.trained()]) - before).norm())

    assert moved(0.0) > 0.5
    assert moved(0.25) == pytest.approx(0.25, rel=1e-4)
    assert moved(100.0) == moved(0.0)


class Bowl(Task):
    """1/2 (w - c)^T A (w - c), with axes of very different steepness."""

    def __init__(self, steepness=1e4):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        axes = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64)).Q
        self.register_buffer("a", axes * torch.logspace(0, math.log10(steepness), 8, dtype=torch.float64) @ axes.T)
        self.register_buffer("c", torch.randn(8, generator=generator, dtype=torch.float64))
        self.w = torch.nn.Parameter(torch.zeros(8, dtype=torch.float64))

    def forward(self, batch, noise, epoch):
        d = self.w - self.c
        return {"height": d @ self.a @ d / 2}, {}


def test_lbfgs_reaches_the_optimum_of_a_quadratic():
    bowl = Bowl()
    trainer = Trainer(epochs=10, optimiser=LBFGS(), precision="float64", validation=0)
    history = trainer.fit(bowl, Rows(torch.zeros(3, 1)), Noise(0)).history
    torch.testing.assert_close(bowl.w.detach(), bowl.c, rtol=0, atol=1e-6)
    assert history.curve()[-1] < 1e-10


def test_the_terms_of_a_line_search_are_those_of_the_point_it_took():
    bowl = Bowl()
    engine = bound(bowl, LBFGS(iterations=1))
    for _ in range(5):
        engine.step(Batch(torch.zeros(1, 1)), Noise(0), 0.0)
        assert engine.means.read()["height"] == pytest.approx(bowl(None, None, 0.0)[0]["height"].item(), rel=1e-12)


@pytest.mark.parametrize("optimiser", [Adam(0.05), AdamW(0.05, weight_decay=0.0), SGD(0.01), Adadelta(10.0)], ids=repr)
def test_every_optimiser_goes_downhill(optimiser):
    bowl = Bowl(steepness=10.0)
    trainer = Trainer(epochs=300, optimiser=optimiser, precision="float64", validation=0)
    curve = trainer.fit(bowl, Rows(torch.zeros(3, 1)), Noise(0)).history.curve()
    assert curve[-1] < 0.02 * curve[0]


def test_weight_decay_is_decoupled():
    task, data = logistic(), rows().all()
    task.train()
    before = [p.detach().clone() for p in task.trained()]
    other = logistic()
    other.train()
    bound(task, AdamW(0.1, weight_decay=0.5)).step(data, Noise(0), 0.0)
    bound(other, Adam(0.1)).step(data, Noise(0), 0.0)
    for p, q, old in zip(task.trained(), other.trained(), before, strict=True):
        torch.testing.assert_close(p, q - 0.1 * 0.5 * old)


def test_every_number_of_a_step_may_be_a_schedule():
    engine = bound(logistic(), SGD(Cosine(0.5, epochs=4), momentum=Ramp(0.5, 0.9, epochs=4)))
    seen = []
    for epoch in (0.0, 2.0, 4.0):
        engine.step(rows().all(), Noise(0), epoch, rate=0.5)
        seen.append((engine.learning_rate, engine.optimiser.param_groups[0]["momentum"]))
    assert seen == [pytest.approx(pair) for pair in [(0.25, 0.5), (0.125, 0.7), (0.0, 0.9)]]


def test_a_cosine_spans_the_fit():
    trainer = Trainer(epochs=5, batch_size=16, optimiser=Adam(Cosine(1e-2)))
    rates = [row["learning_rate"] for row in trainer.fit(logistic(), rows(), Noise(0)).history]
    # Nine steps an epoch, and the row has the rate of the last one.
    expected = [0.01 * (1 + math.cos(math.pi * (epoch + 8 / 9) / 5)) / 2 for epoch in range(5)]
    assert rates == pytest.approx(expected, rel=1e-9)


def test_a_cosine_spans_the_fit_in_every_part():
    def l1(weight):
        task = logistic(corruption=GaussianNoise(Cosine(0.2)), penalties=(L1(weight),))
        return Trainer(epochs=4, optimiser=SGD(0.0)).fit(task, rows(), Noise(0)).history

    falling, known = l1(Cosine(1.0)), l1(Cosine(1.0, epochs=4))
    assert falling.curve("l1") == known.curve("l1")
    assert falling.curve("l1")[3] < 0.1 * falling.curve("l1")[0]
    assert falling.curve("l1", part="held_out") == [0.0] * 4


def test_a_cosine_of_a_stream_stays_at_its_start():
    assert [Cosine(2.0).value(epoch) for epoch in (0, 10, 1e9)] == [2.0] * 3
    assert Cosine(2.0).value(math.inf) == 0.0


def test_bfloat16_is_close_to_float32_and_keeps_its_weights():
    losses = {}
    for precision in ("float32", "bf16"):
        task = logistic(penalties=(L1(1e-3),))
        history = (
            Trainer(15, batch_size=16, optimiser=Adam(1e-2), precision=precision).fit(task, rows(), Noise(0)).history
        )
        assert {p.dtype for p in task.parameters()} == {torch.float32}
        losses[precision] = history.curve()
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"][-1] < losses["bf16"][0] - 1.0
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.01)


def test_float64_is_float64_throughout():
    task = logistic(penalties=(ActivationRate(),))
    loop = Trainer(epochs=2, precision="float64").fit(task, rows(), Noise(0))
    assert {t.dtype for t in task.state_dict().values()} == {torch.float64}
    assert {t.dtype for t in loop.best.values()} == {torch.float64}


FULL = [
    Trainer(epochs=5, validation=0, precision="float64", optimiser=LBFGS(iterations=5)),
    Trainer(epochs=20, batch_size=10_000, validation=0, precision="float64", optimiser=Adam(0.01)),
]


@pytest.mark.parametrize("trainer", FULL, ids=["line search", "adam"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: logistic(penalties=(L1(1e-2), L2(1e-3), ActivationRate(window=1))),
        lambda: logistic(Dense(()), penalties=(Contractive(),)),
        lambda: linear(Dense((10,), shortcut=True, activation="tanh")),
        lambda: FineTuning(logistic(), 3, l2=1e-3),
    ],
    ids=["sparse", "contractive", "shortcut", "labels"],
)
def test_whole_weights_are_repeated_rows(make, trainer):
    data = rows(60, labels=True)
    times = torch.arange(60) % 4
    again = torch.repeat_interleave(torch.arange(60), times)
    repeated, weighted = make(), make()
    # From random weights: at the principal components the gradient is rounding alone, which Adam would follow.
    trainer.fit(repeated, data.pick(again), Noise(0), start=False)
    trainer.fit(weighted, Rows(data.x, weight=times.float(), y=data.y), Noise(0), start=False)
    assert_equal_weights(repeated, weighted)


def assert_equal_weights(one, other):
    a, b = dict(one.named_parameters()), dict(other.named_parameters())
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("make", [lambda: linear(Dense(())), lambda: linear(Dense((8,), shortcut=True)), logistic])
def test_whole_weights_are_repeated_rows_at_the_start(make):
    data, times = rows(60), torch.arange(60) % 4
    repeated, weighted = make(), make()
    trainer = Trainer(epochs=0, validation=0, precision="float64")
    trainer.fit(repeated, data.pick(torch.repeat_interleave(torch.arange(60), times)), Noise(0))
    trainer.fit(weighted, Rows(data.x, weight=times.float()), Noise(0))
    assert_equal_weights(repeated, weighted)


def test_nothing_to_train_is_said():
    task = linear()
    task.requires_grad_(False)
    with pytest.raises(
        ValueError, match=r"nothing to train: every parameter is frozen; use Given\(\.\.\., trained=True"
    ):
        Trainer(epochs=1).fit(task, rows(), Noise(0))
    assert len(Trainer(epochs=0).fit(task, rows(), Noise(0)).history) == 0


def test_means_weigh_batches_by_their_rows():
    means = Means()
    values = torch.arange(10.0)
    for part in values.split([3, 3, 4]):
        means.add({"a": part.mean(), "b": part.square().mean().bfloat16()}, len(part))
    assert means.read() == pytest.approx({"a": 4.5, "b": 28.5}, rel=1e-2)
    assert means.read() == {}


def test_moments_are_copies():
    engine = bound(logistic(), Adam())
    engine.step(rows().all(), Noise(0), 0.0)
    kept = engine.state_dict()
    for _ in range(2):
        engine.load_state_dict(kept)
        engine.step(rows().all(), Noise(0), 0.0)
        assert float(kept["optimiser"]["step"][0]) == 1.0


def test_a_memory_of_nan_is_not_finite():
    task = logistic(penalties=(ActivationRate(),))
    engine = bound(task, Adam())
    assert engine.finite() and finite(task)
    task.memories["activation_rate"].rates.fill_(math.nan)
    assert not engine.finite()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: SGD(momentum=0.0, nesterov=True), "nesterov=True looks ahead along the momentum, which is 0"),
        (lambda: Adam(learning_rate=-1), "learning_rate=-1 is out of range"),
        (lambda: LBFGS(iterations=0), "iterations=0 is out of range"),
    ],
)
def test_settings_without_meaning_are_refused(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()
