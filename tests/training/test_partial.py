"""One pass over rows at a time, going on from the moments of the last."""

import pickle

import pytest
import torch
from fitting import identical, logistic, rows, state

from isthmus.corruption.noise import Masking
from isthmus.noise import Noise
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.schedule import Steps
from isthmus.training.optimiser import SGD, Adam
from isthmus.training.trainer import Trainer

TRAINER = Trainer(batch_size=32, optimiser=Adam(Steps(1e-2, factor=0.1, milestones=(2,))))


def noisy():
    return logistic(corruption=Masking(0.2), penalties=(ActivationRate(),))


def test_passes_over_the_same_rows_are_a_fit_without_held_out_rows(untouched_generators):
    whole, parts = noisy(), noisy()
    trainer = Trainer(epochs=4, batch_size=32, validation=0, optimiser=TRAINER.optimiser)
    history = trainer.fit(whole, rows(), Noise(3)).history
    progress = None
    for _ in range(4):
        progress = TRAINER.partial(parts, rows(), Noise(3), progress)
    assert identical(state(whole), state(parts))
    assert progress.history.curve() == history.curve()
    assert [row["learning_rate"] for row in progress.history] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3])
    assert not parts.training


def test_other_rows_may_come_each_time():
    task, progress = noisy(), None
    for seed, n in enumerate((160, 40, 5, 1)):
        progress = TRAINER.partial(task, rows(n, seed=seed), Noise(3), progress)
    assert [row["epoch"] for row in progress.history] == [1, 2, 3, 4]
    assert progress.state["step"] == 5 + 2 + 1 + 1


def test_what_comes_back_can_be_carried_to_another_process():
    task, other = noisy(), noisy()
    progress = TRAINER.partial(task, rows(), Noise(3))
    other.load_state_dict(state(task))
    again = TRAINER.partial(other, rows(), Noise(3), pickle.loads(pickle.dumps(progress)))
    TRAINER.partial(task, rows(), Noise(3), progress)
    assert identical(state(task), state(other)) and len(again.history) == 2


def test_a_loss_that_is_not_finite_is_taken_back():
    task = logistic()
    progress = TRAINER.partial(task, rows(), Noise(3))
    before = state(task)
    bad = rows()
    bad.x[3, 2] = float("inf")
    progress = TRAINER.partial(task, bad, Noise(3), progress)
    assert identical(state(task), before) and len(progress.history) == 1 and progress.state["rollbacks"] == 1
    progress = TRAINER.partial(task, rows(), Noise(3), progress)
    assert len(progress.history) == 2 and progress.history[1]["learning_rate"] == pytest.approx(0.5e-2)


def test_weights_are_heeded():
    task = logistic()
    trainer = Trainer(batch_size=1000, optimiser=SGD(0.1))
    weight = torch.zeros(160)
    weight[:40] = 3.0
    other = logistic()
    trainer.partial(task, rows(weight=weight), Noise(0))
    few = rows()
    trainer.partial(other, few.pick(torch.arange(40)), Noise(0))
    for a, b in zip(task.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)
