"""Steps that leave out the rows of largest loss: gradients of those that are kept, in every engine."""

import pytest
import torch
from numpy.testing import assert_allclose

from isthmus import Trainer
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import L1, SGD, Clean, Dense, Normal, Overcomplete
from isthmus.records import Batch, Rows, Spec
from isthmus.training.engine import Autograd
from isthmus.training.ensemble import Ensemble
from isthmus.training.explicit import Explicit
from isthmus.training.stacked import Noises

SPEC = Spec((5,), rows=20, provides=frozenset({"numbers", "continuous"}))
X = Noise(1).normal(torch.empty(20, 5, dtype=torch.float64))


def objective(seed=1, trim=0.0, penalties=()):
    model = Autoencoder(SPEC, Dense((4,), activation="tanh"), Overcomplete(), 3, (5,), Noise(seed))
    made = Objective(model, Normal(), penalties, Clean()).double().train()
    made.epochs, made.trim = 10, trim
    return made


def gradient(engine, task, x, epoch):
    made = engine(task, SGD(1.0))
    made.gradient(Batch(x), Noise(5), epoch, valued=True)
    return made.flat.gradient.clone()


def best(task, share):
    p = task.run(Batch(X), None)
    return X[task.reconstruction(p).argsort()[: round(share * len(X))]]


@pytest.mark.parametrize("engine", [Autograd, Explicit])
def test_a_step_learns_from_the_rows_of_least_loss(engine):
    wanted = gradient(engine, objective(), best(objective(), 0.6), 2.0)
    assert_allclose(gradient(engine, objective(trim=0.4), X, 2.0), wanted, rtol=1e-10, atol=1e-12)
    # The first tenth of the fit learns from all rows.
    assert_allclose(gradient(engine, objective(trim=0.4), X, 0.5), gradient(engine, objective(), X, 0.5))


def test_members_that_are_trained_together_leave_out_rows_of_their_own():
    members = [objective(seed, trim=0.5) for seed in (1, 2)]
    engine = Ensemble(members, SGD(1.0))
    engine.gradient(Batch(X.repeat(2, 1)), Noises([Noise(5), Noise(6)]), 3.0, valued=False)
    alone = [gradient(Explicit, objective(seed, trim=0.5), X, 3.0) for seed in (1, 2)]
    shapes = [p.numel() for p in engine.flat.parameters]
    parts = engine.flat.gradient.split(shapes)
    for m, wanted in enumerate(alone):
        assert_allclose(torch.cat(parts[m::2]), wanted, rtol=1e-10, atol=1e-12)


def test_penalties_of_rows_are_trimmed_with_them():
    plain = objective(penalties=(L1(0.3),))
    rows = best(plain, 0.6)
    task = objective(trim=0.4, penalties=(L1(0.3),))
    wanted = gradient(Explicit, plain, rows, 2.0)
    assert_allclose(gradient(Explicit, task, X, 2.0), wanted, rtol=1e-9, atol=1e-11)


def test_held_out_rows_are_never_trimmed():
    task = objective(trim=0.5).eval()
    terms, _ = task(Batch(X), Noise(1), 5.0)
    assert bool((terms["reconstruction"] > 0).all())


def test_the_kernel_leaves_trimming_to_others():
    task = objective().float()
    rows = Rows(X.float())
    assert "does not trim" in Trainer(trim=0.2).runs(task, rows)
