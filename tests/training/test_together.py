"""Models that are trained together are the models that each would be alone."""

import random

import numpy as np
import pytest
import torch
from fitting import WIDTH, WORDS, finite, identical, rows, state

from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import (
    KL,
    L1,
    L2,
    LBFGS,
    SGD,
    ActivationRate,
    Adadelta,
    Adam,
    AdamW,
    Bernoulli,
    Clean,
    Clipped,
    Compose,
    Contractive,
    Conv,
    Dense,
    Emphasised,
    GaussianNoise,
    Greedy,
    Hoyer,
    Masking,
    Normal,
    Orthogonality,
    Overcomplete,
    Poisson,
    Ramp,
    Rectified,
    SaltAndPepper,
    ScaledNormal,
    Sigmoid,
    SwapNoise,
    Tanh,
    TopK,
    Undercomplete,
    UnitNorm,
    Variational,
)
from isthmus.records import Rows, Spec
from isthmus.training.callbacks import Callback
from isthmus.training.ensemble import Ensemble
from isthmus.training.explicit import Explicit
from isthmus.training.stacked import Noises
from isthmus.training.structure import groups
from isthmus.training.trainer import Trainer

N = 120
TRAINER = Trainer(epochs=3, batch_size=32, precision="float64", patience=0)


def model(seed=0, architecture=None, bottleneck=None, likelihood=None, units=4, **parts):
    """Return an untrained objective whose weights are drawn by a seed."""
    likelihood = likelihood or Normal()
    spec = Spec((WIDTH,), rows=N, provides=WORDS | {"counts"})
    outputs = likelihood.outputs(spec)
    network = Autoencoder(
        spec, architecture or Dense((7,)), bottleneck or Undercomplete(), units, outputs, Noise(seed).branch(5)
    )
    return Objective(network, likelihood, **parts)


def both(make, trainer=TRAINER, data=None, n=3):
    """Fit alone and together; return both lots of tasks and loops, and how the fits were grouped."""
    data = data or [rows(N)] * n
    alone, many = [make(i) for i in range(n)], [make(i) for i in range(n)]
    noises = [Noise(40 + i) for i in range(n)]
    found = groups([trainer.phase_of(make(i), data[i], noises[i], None) for i in range(n)])
    first = [trainer.fit(task, own, noise) for task, own, noise in zip(alone, data, noises, strict=True)]
    second = trainer.fit_many(many, data, noises)
    return alone, first, many, second, found


def assert_same(alone, first, many, second):
    for a, b in zip(alone, many, strict=True):
        assert not b.training
        for name, t in b.state_dict().items():
            torch.testing.assert_close(t, a.state_dict()[name], rtol=1e-9, atol=1e-11)
    for a, b in zip(first, second, strict=True):
        assert (a.best_epoch, a.epoch, a.step, a.rate) == (b.best_epoch, b.epoch, b.step, b.rate)
        for p, q in zip(a.history, b.history, strict=True):
            assert p.keys() == q.keys() and p["learning_rate"] == q["learning_rate"]
            for part in ("train", "held_out"):
                assert p[part] == pytest.approx(q[part], rel=1e-9)


STACKED = {
    "plain": {},
    "two layers": {"architecture": Dense((9, 6), activation="tanh")},
    "linear": {"architecture": Dense(())},
    "a linear path beside": {"architecture": Dense((7,), shortcut=True)},
    "tied": {"architecture": Dense((7,), tied=True)},
    "tied, and a linear path": {"architecture": Dense((7,), tied=True, shortcut=True)},
    "tied to the means": {"architecture": Dense((), tied=True), "bottleneck": Variational(), "penalties": [KL()]},
    "dropout": {"architecture": Dense((7,), dropout=0.3)},
    "no biases": {"architecture": Dense((7,), bias=False, activation="elu")},
    "overcomplete": {"bottleneck": Overcomplete(), "units": 20, "penalties": [L1(0.1)]},
    "sigmoid": {"bottleneck": Sigmoid()},
    "tanh": {"bottleneck": Tanh(), "penalties": [Hoyer(0.1)]},
    "rectified": {"bottleneck": Rectified(0.1)},
    "top k": {"bottleneck": TopK(2)},
    "by autograd": {"bottleneck": UnitNorm()},
    "variational": {"bottleneck": Variational(), "penalties": [KL(Ramp(0.0, 1.0, epochs=2))]},
    "noise": {"corruption": GaussianNoise(0.2)},
    "masking that grows": {"corruption": Masking(Ramp(0.0, 0.5, epochs=2))},
    "a remembered range": {"corruption": SaltAndPepper(0.2)},
    "other rows": {"corruption": SwapNoise(0.3)},
    "composed": {"corruption": Compose((GaussianNoise(0.1), SwapNoise(0.1)))},
    "clipped": {"corruption": Clipped(GaussianNoise(0.5))},
    "emphasis": {"corruption": Emphasised(Masking(0.3), beta=0.5), "likelihood": Bernoulli()},
    "counts": {"likelihood": Poisson()},
    "a link": {"likelihood": Normal(0.5, link="logistic")},
    "weight decay": {"penalties": [L2(0.1), L1(0.1)]},
    "rates": {"bottleneck": Sigmoid(), "penalties": [ActivationRate(0.5), L2(0.01), Hoyer(0.2)]},
    "undeclared": {"penalties": [Orthogonality(0.1), L1(0.01)]},
    "contractive": {"architecture": Dense(()), "bottleneck": Sigmoid(), "penalties": [Contractive(0.1)]},
}


@pytest.mark.parametrize("name", STACKED)
def test_every_choice_of_parts_is_trained_as_alone(name):
    *fits, found = both(lambda i: model(i, **STACKED[name]))
    assert found == [[0, 1, 2]]
    assert_same(*fits)


ALONE = {
    "normalised": {"architecture": Dense((7,), norm="batch")},
    "several draws": {"bottleneck": Variational(draws=2), "penalties": [KL()]},
    "a learnt scale": {"likelihood": ScaledNormal()},
    "a second derivative": {"penalties": [Contractive(0.1)]},
}


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_be_joined_is_trained_one_by_one(name):
    *fits, found = both(lambda i: model(i, **ALONE[name]), n=2)
    assert found == []
    assert_same(*fits)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": AdamW(weight_decay=0.1)},
        {"optimiser": SGD(1e-2)},
        {"optimiser": Adadelta()},
        {"clip": 0.5},
        {"batch_size": N},
        {"validation": 0.0},
        {"engine": "explicit"},
    ],
    ids=str,
)
def test_every_trainer_that_moves_each_number_by_itself(changes):
    *fits, found = both(model, replaced(**changes))
    assert found == [[0, 1, 2]]
    assert_same(*fits)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": LBFGS(iterations=2)},
        {"engine": "autograd"},
        {"pretraining": Greedy(epochs=1)},
        {"precision": "bf16"},
        {"epochs": 0},
    ],
    ids=str,
)
def test_every_other_trainer(changes):
    *fits, found = both(model, replaced(**changes), n=2)
    assert found == ([[0, 1]] if changes == {"epochs": 0} else [])
    assert_same(*fits)


def replaced(**changes):
    return Trainer(**{f: getattr(TRAINER, f) for f in ("epochs", "batch_size", "precision", "patience")} | changes)


def test_penalties_and_corruptions_may_differ():
    def make(i):
        corruption = SaltAndPepper(0.1 * (i + 1))
        penalties = [L1(0.1 * i), L2(Ramp(0.0, 0.1 * i + 0.1, epochs=2)), Hoyer(Ramp(0.0, 0.2 * i + 0.1, epochs=2))]
        return model(i, penalties=penalties, corruption=corruption)

    *fits, found = both(make)
    assert found == [[0, 1, 2]]
    assert_same(*fits)


def test_widths_go_apart_and_numbers_of_rows_too():
    sizes = [(7, N), (5, N), (7, N), (7, N - 1), (5, N)]
    *fits, found = both(lambda i: model(i, Dense((sizes[i][0],))), data=[rows(n) for _, n in sizes], n=5)
    assert found == [[0, 2], [1, 4], [3]]
    assert_same(*fits)


@pytest.mark.parametrize("lacking", ["weight", "seen"])
def test_every_member_has_rows_of_its_own(lacking):
    def own(i):
        noise = Noise(i)
        x = noise.uniform(torch.empty(N, WIDTH))
        weight, seen = noise.uniform(torch.empty(N)), noise.uniform(x) > 0.2
        return Rows(x, **({"weight": weight} if lacking == "weight" else {"seen": seen}))

    *fits, found = both(
        lambda i: model(i, corruption=SwapNoise(0.2), penalties=[L1(0.1)]), data=[own(i) for i in range(3)]
    )
    assert found == [[0, 1, 2]]
    assert_same(*fits)


@pytest.mark.parametrize("sizes", [(20, 20), (20, 30), (20, None)], ids=str)
def test_rows_that_choose_the_weights_may_be_given(sizes):
    given = [None if n is None else rows(n, seed=5 + n) for n in sizes]
    alone, many = [model(i) for i in range(2)], [model(i) for i in range(2)]
    noises = [Noise(i) for i in range(2)]
    trainer = replaced(validation=0.0)
    first = [trainer.fit(alone[i], rows(N), noises[i], held_out=given[i]) for i in range(2)]
    assert_same(alone, first, many, trainer.fit_many(many, [rows(N)] * 2, noises, held_out=given))
    assert [bool(loop.history[-1]["held_out"]) for loop in first] == [n is not None for n in sizes]


def test_each_stops_when_its_own_patience_ends():
    trainer = replaced(epochs=60, patience=2, optimiser=Adam(0.05))
    alone, first, many, second, found = both(model, trainer, n=6)
    assert found == [list(range(6))]
    assert len({loop.epoch for loop in second}) > 2  # so that the stack was made smaller on the way
    assert_same(alone, first, many, second)


def test_a_fit_that_overflows_is_done_alone(caplog):
    steep = replaced(optimiser=SGD(1e-2), validation=0.0)
    data = [rows(N), Rows(rows(N).x * 30), rows(N)]
    alone, first, many, second, found = both(model, steep, data)
    assert found == [[0, 1, 2]] and "non-finite" in caplog.text
    assert [loop.rollbacks > 0 for loop in second] == [False, True, False] and all(map(finite, many))
    assert_same(alone, first, many, second)


def test_twice_is_the_same_bits_and_global_generators_are_left_alone():
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()
    lots = []
    for _ in range(2):
        tasks = [model(i, Dense((7,), dropout=0.2), corruption=SwapNoise(0.2)) for i in range(3)]
        Trainer(epochs=2).fit_many(tasks, [rows(N)] * 3, [Noise(i) for i in range(3)])
        lots.append([state(task) for task in tasks])
    assert all(identical(a, b) for a, b in zip(*lots, strict=True))
    assert torch.equal(before[0], torch.get_rng_state()) and before[2] == random.getstate()
    assert before[1] == str(np.random.get_state())


def test_parameters_are_their_own_again():
    tasks = [model(i) for i in range(2)]
    TRAINER.fit_many(tasks, [rows(N)] * 2, [Noise(0), Noise(1)])
    kept = [p for task in tasks for p in task.parameters()]
    assert len({p.data.untyped_storage().data_ptr() for p in kept}) == len(kept)
    assert not any(hasattr(p, "slot") for p in kept)


class Recorder(Callback):
    """Write down what is told."""

    def __init__(self):
        self.events = []

    def fit_start(self, loop):
        self.events.append("start")

    def epoch_end(self, loop, row):
        self.events.append(row["epoch"])

    def fit_end(self, loop):
        self.events.append("end")


class Stop(Recorder):
    """Interrupt at the end of the first epoch."""

    def epoch_end(self, loop, row):
        super().epoch_end(loop, row)
        raise KeyboardInterrupt


def test_an_interruption_keeps_what_is_there_and_begins_nothing(caplog):
    tasks = [model(0), model(1), model(2, Dense((5,)))]
    loops = replaced(epochs=9).fit_many(tasks, [rows(N)] * 3, [Noise(i) for i in range(3)], callback=Stop())
    assert [loop.epoch for loop in loops] == [1, 1, 0] and [loop.interrupted for loop in loops] == [True, True, False]
    assert all(map(finite, tasks)) and "interrupted" in caplog.text


def test_one_callback_sees_the_group():
    seen = Recorder()
    TRAINER.fit_many([model(i) for i in range(3)], [rows(N)] * 3, [Noise(i) for i in range(3)], callback=seen)
    assert seen.events == ["start", 1, 2, 3, "end"]


def test_the_engine_has_the_gradients_of_each_member():
    tasks = [model(i, penalties=[L1(0.1), L2(0.1)]).double() for i in range(3)]
    data = [Rows(Noise(i).uniform(torch.empty(8, WIDTH, dtype=torch.float64))).all() for i in range(3)]
    expected = []
    for task, batch in zip(tasks, data, strict=True):
        engine = Explicit(task, Adam())
        engine.gradient(batch, Noise(0), 0.0, valued=False)
        expected.append([p.slot.clone() for p in task.trained()])
        engine.release()
    together = Ensemble(tasks, Adam())
    whole = Rows(torch.cat([batch.x for batch in data])).all()
    for _ in range(2):  # described, then repeated
        together.gradient(whole, Noises([Noise(0)] * 3), 0.0, valued=False)
        for task, gradients in zip(tasks, expected, strict=True):
            for p, g in zip(task.trained(), gradients, strict=True):
                torch.testing.assert_close(p.slot, g, rtol=1e-12, atol=1e-14)
    together.release()


def test_noises_need_members():
    with pytest.raises(TypeError, match="give Noises"):
        Noises.of(Noise(0))


def test_steps_that_are_worth_several_threads_go_alone(monkeypatch):
    monkeypatch.setattr("isthmus.training.structure.SMALL", 1000)
    *fits, found = both(model, n=2)
    assert found == []
    assert_same(*fits)


def test_convolutions_go_alone():
    spec = Spec((1, 4, 4), rows=N, provides=WORDS)

    def make(seed):
        network = Autoencoder(spec, Conv((2, 2)), Undercomplete(), 3, (1, 4, 4), Noise(seed))
        return Objective(network, Normal(), corruption=Clean())

    data = [Rows(Noise(0).uniform(torch.empty(N, 1, 4, 4)))] * 2
    *fits, found = both(make, data=data, n=2)
    assert found == []
    assert_same(*fits)
