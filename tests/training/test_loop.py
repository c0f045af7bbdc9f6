"""Epochs, held-out rows, best weights, roll-back, interruption, determinism."""

import logging
import math
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from fitting import Crash, CrashAt, finite, identical, linear, logistic, rows, state

from isthmus.architecture.dense import Dense
from isthmus.corruption.noise import Masking
from isthmus.noise import Noise
from isthmus.objective import Task
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.records import Rows
from isthmus.schedule import Ramp, Steps
from isthmus.training.callbacks import Callback
from isthmus.training.loop import MAX_ROLLBACKS
from isthmus.training.optimiser import LBFGS, SGD, Adam
from isthmus.training.trainer import Trainer

HERE = Path(__file__).parent


def noisy():
    net = Dense((10, 8), activation="sigmoid", dropout=0.2, norm="batch")
    return logistic(net, corruption=Masking(0.25), penalties=(ActivationRate(), L1(Ramp(0, 1e-2, epochs=3)), L2()))


class Do(Callback):
    """Call a function after every epoch."""

    def __init__(self, action):
        self.action = action

    def epoch_end(self, loop, row):
        self.action(loop, row)


# -- terms and history ----------------------------------------------------------------------------------------------


def test_the_loss_is_the_sum_of_the_named_terms():
    history = Trainer(epochs=4, batch_size=32).fit(noisy(), rows(), Noise(0)).history
    assert history.terms == ["reconstruction", "activation_rate", "l1", "l2"]
    for row in history:
        for part in ("train", "held_out"):
            assert list(row[part]) == [*history.terms, "loss"]
            assert row[part]["loss"] == pytest.approx(sum(row[part][name] for name in history.terms), abs=1e-12)


def test_a_row_says_what_an_epoch_was():
    row = Trainer(epochs=2, batch_size=32, optimiser=Adam(2e-3)).fit(logistic(), rows(), Noise(0)).history[1]
    assert (row["phase"], row["epoch"], row["learning_rate"], row["rollbacks"]) == ("fit", 2, 2e-3, 0)
    assert row["seconds"] > 0 and row["rows_per_second"] > 144 / row["seconds"] > 0


def test_held_out_terms_stand_at_the_end_of_schedules():
    task = logistic(penalties=(L1(Ramp(0.0, 1.0, epochs=100)),))
    row = Trainer(epochs=1, optimiser=SGD(0.0)).fit(task, rows(), Noise(0)).history[0]
    assert row["held_out"]["l1"] > 10 * row["train"]["l1"]


def test_held_out_noise_is_the_same_each_time():
    task = logistic(corruption=Masking(0.5))
    history = Trainer(epochs=3, optimiser=SGD(0.0), patience=0).fit(task, rows(), Noise(0)).history
    assert len({loss for loss in history.curve(part="held_out")}) == 1
    assert len({loss for loss in history.curve()}) == 3


def test_evaluation_does_not_depend_on_where_rows_are_cut(monkeypatch):
    task, data = (
        logistic(penalties=(L2(),)),
        rows(50, weight=torch.rand(50, generator=torch.Generator().manual_seed(1))),
    )
    trainer = Trainer(epochs=0, validation=0, precision="float64")
    loop = trainer.fit(task, data, Noise(0))
    whole, _ = loop.evaluate(loop.rows)
    monkeypatch.setattr("isthmus.training.loop.CHUNK", 7)
    assert loop.evaluate(loop.rows)[0] == pytest.approx(whole, rel=1e-12)


# -- rows -----------------------------------------------------------------------------------------------------------


def test_every_row_is_seen_once_in_an_epoch_in_even_batches():
    seen = []

    class Watching(Task):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(()))

        def forward(self, batch, noise, epoch):
            if self.training:
                seen.append(batch.x[:, 0].tolist())
            return {"w": self.w * batch.x[:, 0]}, {}

    data = Rows(torch.arange(100.0).unsqueeze(1))
    Trainer(epochs=2, batch_size=30, validation=0, optimiser=SGD(0.0)).fit(Watching(), data, Noise(0))
    assert [len(batch) for batch in seen] == [25] * 8
    first, second = [*chain(*seen[:4])], [*chain(*seen[4:])]
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second


@pytest.mark.parametrize(("n", "size"), [(1, 1), (10, 10), (100, 16), (1797, 89), (5120, 256), (60_000, 256)])
def test_the_batch_size_follows_the_rows(n, size):
    assert Trainer().rows_per_step(n) == size
    assert Trainer(batch_size=64).rows_per_step(n) == min(64, n)
    assert Trainer(batch_size=64, optimiser=LBFGS()).rows_per_step(n) == n


def test_held_out_rows_are_a_share_that_depends_on_the_seed_alone():
    data, trainer = rows(100, labels=True), Trainer(validation=0.2)
    kept, held = trainer.split(data, Noise(0))
    assert (len(kept), len(held)) == (80, 20)
    both = torch.cat([kept.x, held.x])
    assert torch.equal(both.sort(0).values, data.x.sort(0).values)
    assert torch.equal(trainer.split(data, Noise(0))[1].x, held.x)
    assert not torch.equal(trainer.split(data, Noise(1))[1].x, held.x)
    assert trainer.split(rows(9), Noise(0))[1] is None
    assert Trainer(validation=0).split(data, Noise(0))[1] is None


def test_rows_held_out_by_the_caller_choose_the_weights():
    data, other = rows(100), rows(30, seed=5)
    loop = Trainer(epochs=2).fit(logistic(), data, Noise(0), held_out=other)
    assert len(loop.rows) == 100 and torch.equal(loop.held_out.x, other.x)


def test_weights_of_any_scale_mean_the_same():
    weight = torch.rand(160, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    trainer = Trainer(epochs=2, precision="float64")
    one, other = logistic(), logistic()
    a = trainer.fit(one, rows(weight=weight), Noise(0)).history
    b = trainer.fit(other, rows(weight=100 * weight), Noise(0)).history
    assert a.curve(part="held_out") == pytest.approx(b.curve(part="held_out"), rel=1e-9)
    assert a.curve() == pytest.approx(b.curve(), rel=1e-9)


def test_weights_of_zero_are_refused_in_training_and_ignored_in_held_out_rows():
    with pytest.raises(ValueError, match="no training row has a weight above zero"):
        Trainer(validation=0).fit(logistic(), rows(20, weight=torch.zeros(20)), Noise(0))
    held = rows(10, weight=torch.zeros(10))
    assert Trainer(epochs=1).fit(logistic(), rows(), Noise(0), held_out=held).held_out is None


# -- best weights and patience --------------------------------------------------------------------------------------


def test_the_task_holds_the_best_weights_and_memories_of_the_held_out_rows():
    kept = []
    task = noisy()
    # After a good start the rate grows until every epoch makes things worse.
    trainer = Trainer(epochs=12, batch_size=16, patience=0, optimiser=Adam(Steps(1e-3, factor=1e4, milestones=(5,))))
    loop = trainer.fit(task, rows(), Noise(0), callbacks=[Do(lambda loop, row: kept.append(state(loop.task)))])
    curve = loop.history.curve(part="held_out")
    best = curve.index(min(curve))
    assert 0 < best < 11 and loop.best_epoch == best + 1
    assert identical(state(task), kept[best]) and not identical(state(task), kept[-1])
    assert loop.evaluate(loop.held_out)[0]["loss"] == curve[best]


@pytest.mark.parametrize("make", [lambda: linear(Dense(())), logistic], ids=["at PCA", "logistic"])
@pytest.mark.parametrize("epochs", [0, 3])
def test_a_start_that_nothing_beats_is_made_from_all_rows(make, epochs):
    task, expected = make(), make()
    loop = Trainer(epochs=epochs, optimiser=SGD(50.0)).fit(task, rows(), Noise(0))
    expected.start(rows().all())
    assert loop.best_epoch == 0 and identical(state(task), state(expected))


def test_without_held_out_rows_the_last_weights_are_kept():
    kept = []
    task = logistic()
    trainer = Trainer(epochs=3, validation=0)
    loop = trainer.fit(task, rows(), Noise(0), callbacks=[Do(lambda loop, row: kept.append(state(loop.task)))])
    assert identical(state(task), kept[-1])
    assert loop.best_epoch == 3 and loop.history[0]["held_out"] == {}


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_counts_epochs_without_a_better_loss(patience):
    trainer = Trainer(epochs=50, patience=patience, optimiser=SGD(0.0))
    loop = trainer.fit(logistic(), rows(), Noise(0))
    assert len(loop.history) == patience and loop.best_epoch == 0


def test_a_callback_stops_after_the_epoch():
    loop = Trainer(epochs=9).fit(
        logistic(), rows(), Noise(0), callbacks=[Do(lambda loop, row: setattr(loop, "stop", row["epoch"] == 4))]
    )
    assert loop.epoch == 4 and not loop.interrupted


def test_no_epochs_keep_the_start():
    task = linear(Dense(()))
    loop = Trainer(epochs=0).fit(task, rows(), Noise(0))
    assert len(loop.history) == 0 and repr(loop.history) == "History(no epochs)" and not task.training


# -- determinism ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [noisy, linear])
def test_one_seed_is_one_fit(make, untouched_generators):
    def fit(seed):
        task = make()
        history = Trainer(epochs=3, batch_size=32).fit(task, rows(), Noise(seed)).history
        return state(task), history.curve()

    first, again, other = fit(0), fit(0), fit(1)
    assert identical(first[0], again[0]) and first[1] == again[1]
    assert not identical(first[0], other[0])


def test_global_generators_do_not_change_a_fit():
    def fit():
        task = noisy()
        Trainer(epochs=2).fit(task, rows(), Noise(0))
        return state(task)

    first = fit()
    with torch.random.fork_rng():
        torch.rand(17)
        assert identical(first, fit())


# -- roll-back ------------------------------------------------------------------------------------------------------


class Poison(Task):
    """An objective whose loss is not finite at chosen calls in training."""

    def __init__(self, inner, bad, value=math.nan):
        super().__init__()
        self.inner, self.bad, self.value, self.calls = inner, bad, value, 0

    def forward(self, batch, noise, epoch):
        terms, tallies = self.inner(batch, noise, epoch)
        if self.training:
            self.calls += 1
            if self.calls in self.bad:
                terms["reconstruction"] = terms["reconstruction"] * self.value
        return terms, tallies

    def learn(self, tallies):
        self.inner.learn(tallies)

    def start(self, sample):
        self.inner.start(sample)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("validation", [0, 0.2])
@pytest.mark.parametrize("optimiser", [Adam(1e-2), SGD(1e-2), LBFGS(iterations=2)], ids=repr)
def test_a_non_finite_loss_goes_back_to_the_start_of_its_epoch(value, validation, optimiser, caplog):
    # Steps of the third epoch, with a line search or batches of 32 rows, are among these calls.
    task = Poison(noisy(), bad=range(10, 14), value=value)
    kept = {}

    def remember(loop, row):
        kept[row["epoch"]] = state(loop.task), loop.engine.state_dict(), loop.step

    trainer = Trainer(epochs=6, batch_size=32, validation=validation, optimiser=optimiser)
    loop = trainer.fit(task, rows(), Noise(0), callbacks=[Do(remember)])
    assert finite(task)
    assert len(loop.history) == 6 and loop.rollbacks >= 1
    told = [row["rollbacks"] for row in loop.history]
    assert told == sorted(told) and told[0] == 0 and told[-1] == loop.rollbacks
    assert loop.history[-1]["learning_rate"] == pytest.approx(optimiser.learning_rate * 0.5**loop.rollbacks)
    assert "the loss became non-finite in epoch" in caplog.text and "learning rate halved" in caplog.text
    assert all(math.isfinite(row["train"]["loss"]) for row in loop.history)


def test_a_roll_back_restores_weights_memories_and_moments():
    task = Poison(noisy(), bad=())
    loop = Trainer(epochs=2, batch_size=32, validation=0).fit(task, rows(), Noise(0))
    weights, moments, step = state(task), loop.engine.state_dict()["optimiser"], loop.step
    # Twice, since moments that are handed back by reference would be spoilt by the first time.
    for times in (1, 2):
        task.bad = (task.calls + 3,)
        loop.one_epoch()
        assert (loop.rollbacks, loop.rate, loop.epoch, loop.step) == (times, 0.5**times, 2, step)
        assert identical(state(task), weights)
        after = loop.engine.state_dict()["optimiser"]
        assert all(torch.equal(a, b) for key in moments for a, b in zip(moments[key], after[key], strict=True))
    loop.one_epoch()
    assert loop.epoch == 3 and loop.history[2]["rollbacks"] == 2 and not identical(state(task), weights)


def test_a_loss_that_is_never_finite_ends_the_fit_with_the_weights_it_began_with(caplog):
    task = Poison(logistic(), bad=range(10_000))
    task.start(rows().all())
    before = state(task)
    loop = Trainer(epochs=5).fit(task, rows(), Noise(0), start=False)
    assert loop.rollbacks == MAX_ROLLBACKS and len(loop.history) == 0
    assert identical(state(task), before)
    assert "training ends with the last good weights" in caplog.text


def test_a_rate_that_explodes_recovers(caplog):
    leap = SGD(Steps(0.1, factor=20.0, milestones=(2,)), momentum=0.0)
    task = linear(Dense((10,), activation="identity"))
    history = Trainer(epochs=6, batch_size=8, optimiser=leap).fit(task, rows(), Noise(7)).history
    assert [row["rollbacks"] for row in history] == [1, 1, 4, 4, 4, 4]
    assert finite(task) and history.curve()[-1] < history.curve()[0]


# -- interruption ---------------------------------------------------------------------------------------------------


def interrupt(loop, row):
    if row["epoch"] == 3:
        raise KeyboardInterrupt


STEADY = Adam(1e-3)


@pytest.mark.parametrize("validation", [0, 0.2])
def test_an_interruption_leaves_the_best_weights(validation, caplog):
    task, shorter = noisy(), noisy()
    trainer = Trainer(epochs=9, batch_size=32, validation=validation, optimiser=STEADY)
    loop = trainer.fit(task, rows(), Noise(0), callbacks=[Do(interrupt)])
    Trainer(epochs=3, batch_size=32, validation=validation, optimiser=STEADY).fit(shorter, rows(), Noise(0))
    assert loop.interrupted and loop.epoch == 3 and len(loop.history) == 3
    assert identical(state(task), state(shorter)) and not task.training
    assert "interrupted after 3 epochs of fit" in caplog.text


class InterruptedAt(Poison):
    """Interrupt at a step in the middle of an epoch."""

    def forward(self, batch, noise, epoch):
        if self.training:
            self.calls += 1
            if self.calls == self.bad:
                raise KeyboardInterrupt
        return self.inner(batch, noise, epoch)


def test_an_interruption_within_an_epoch_keeps_a_whole_checkpoint(tmp_path):
    whole = InterruptedAt(noisy(), bad=None)
    trainer = Trainer(epochs=6, batch_size=32, checkpoint_seconds=1e9)
    history = trainer.fit(whole, rows(), Noise(0)).history
    cut = InterruptedAt(noisy(), bad=18)
    loop = trainer.fit(cut, rows(), Noise(0), save_to=tmp_path / "c")
    assert loop.interrupted and loop.epoch == 3 and len(loop.history) == 3
    resumed = InterruptedAt(noisy(), bad=None)
    again = trainer.fit(resumed, rows(), Noise(0), save_to=tmp_path / "c").history
    assert again.curve() == history.curve()
    assert identical(state(resumed), state(whole))


def test_an_interruption_within_the_first_epoch_keeps_its_steps_where_nothing_judges_them():
    task = InterruptedAt(logistic(), bad=4)
    task.start(rows().all())
    before = state(task)
    loop = Trainer(epochs=6, batch_size=32, validation=0).fit(task, rows(), Noise(0), start=False)
    assert loop.interrupted and len(loop.history) == 0
    assert finite(task) and not identical(state(task), before)


def test_an_interruption_before_the_first_epoch_leaves_the_start():
    class AtOnce(Callback):
        def fit_start(self, loop):
            raise KeyboardInterrupt

    task = logistic()
    loop = Trainer(epochs=6).fit(task, rows(), Noise(0), callbacks=[AtOnce()])
    fresh = logistic()
    fresh.start(rows().all())
    assert loop.interrupted and len(loop.history) == 0 and not task.training
    assert identical(state(task), state(fresh))


def test_an_error_in_a_callback_is_passed_on_with_the_best_weights_in_place():
    task, shorter = noisy(), noisy()
    with pytest.raises(Crash):
        Trainer(6, batch_size=32, optimiser=STEADY).fit(task, rows(), Noise(0), callbacks=[CrashAt("fit", 2)])
    Trainer(2, batch_size=32, optimiser=STEADY).fit(shorter, rows(), Noise(0))
    assert identical(state(task), state(shorter)) and not task.training


PROGRAM = f"""
import logging, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from fitting import finite, rows
from test_loop import Do, noisy
from isthmus.noise import Noise
from isthmus.training.trainer import Trainer
logging.basicConfig(format="%(message)s")
task = noisy()
print("begin", flush=True)
tell = Do(lambda loop, row: print("epoch", flush=True))
loop = Trainer(epochs=1_000_000, patience=0).fit(task, rows(), Noise(0), callbacks=[tell])
print("usable", loop.interrupted, finite(task), loop.best_epoch <= loop.epoch == len(loop.history), task.training)
"""


@pytest.mark.slow
def test_control_c_leaves_a_usable_model():
    fitting = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with fitting.stdout as lines:
        for _ in range(20):
            next(lines)
        fitting.send_signal(signal.SIGINT)
        rest = lines.read()
    with fitting.stderr as errors:
        told = errors.read()
    assert fitting.wait() == 0
    assert rest.splitlines()[-1] == "usable True True True False"
    assert "interrupted after" in told and "Traceback" not in told


# -- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "reason"), [("no such", "Invalid device string"), ("cuda:99", "."), ("meta2", "."), ("vulkan", ".")]
)
def test_a_device_that_is_not_here_is_refused(device, reason):
    with pytest.raises(ValueError, match=rf"device='{device}' cannot be used \(.*{reason}.*\); use device='auto'"):
        Trainer(device=device).place()


def test_auto_takes_what_is_here():
    device, dtype = Trainer().place()
    assert device.type == (
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )
    assert dtype == torch.float32 and Trainer(precision="float64", device="cpu").place() == (
        torch.device("cpu"),
        torch.float64,
    )


def test_the_library_configures_no_logging():
    assert not logging.getLogger("isthmus").handlers
