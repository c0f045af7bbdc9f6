"""The linear autoencoder is PCA (Baldi & Hornik, 1989), and weight decay shrinks it as Kunin et al. (2019) proved."""

import math

import pytest
import torch
from sklearn.datasets import load_digits
from tiny import model_of

from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import L2, LBFGS, Dense, Normal, Trainer, Undercomplete
from isthmus.records import Batch, Rows

X = torch.from_numpy(load_digits().data)
K = 10
CENTRED = X - X.mean(0)
VALUES = torch.linalg.eigvalsh(CENTRED.T @ CENTRED / len(X)).flip(0)
AXES = torch.linalg.eigh(CENTRED.T @ CENTRED).eigenvectors.flip(1)[:, :K]
PCA_ERROR = float((CENTRED - CENTRED @ AXES @ AXES.T).square().sum(1).mean())
TIED = [False, True]


def objective_of(tied, *penalties, seed=0):
    """Return a linear autoencoder of digits."""
    return Objective(model_of(Dense((), tied=tied), Undercomplete(), X, K, seed=seed), Normal(), penalties).double()


def fit(objective, x, epochs, start):
    """Fit with L-BFGS on all rows."""
    trainer = Trainer(epochs=epochs, optimiser=LBFGS(iterations=100, history=50), validation=0.0, precision="float64")
    return trainer.fit(objective, Rows(x), Noise(0), start=start)


def error(objective, x):
    """Return the summed squared error, averaged over rows."""
    with torch.no_grad():
        return float((objective.run(Batch(x), None).output - x).square().sum(1).mean())


def decoder(objective):
    """Return what each unit writes, as columns."""
    return objective.model.architecture.atoms(objective.model.decoder).detach().T


def largest_angle(a, b):
    """Return the largest principal angle between the spans of columns, from its sine: exact for small angles."""
    qa, qb = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    return math.asin(min(1.0, float(torch.linalg.matrix_norm(qb - qa @ (qa.T @ qb), 2))))


@pytest.mark.parametrize("tied", TIED)
def test_the_exact_start_is_pca(tied):
    objective = objective_of(tied)
    objective.start(Batch(X))
    assert math.isclose(error(objective, X), PCA_ERROR, rel_tol=1e-10)
    assert largest_angle(decoder(objective), AXES) < 1e-6
    codes = objective.run(Batch(X), None).code.detach()
    assert torch.allclose(codes.abs(), (CENTRED @ AXES).abs(), atol=1e-8)


@pytest.mark.parametrize("tied", TIED)
def test_training_leaves_the_exact_start_where_it_is(tied):
    objective = objective_of(tied)
    fit(objective, X, 1, start=True)
    assert math.isclose(error(objective, X), PCA_ERROR, rel_tol=1e-9)
    assert largest_angle(decoder(objective), AXES) < 1e-5
    loss = objective(Batch(X), None, 0.0)[0]["reconstruction"].mean()
    gradients = torch.autograd.grad(loss, [p for p in objective.parameters() if p.requires_grad])
    assert max(float(g.abs().max()) for g in gradients) < 1e-6


@pytest.mark.parametrize("tied", TIED)
@pytest.mark.parametrize("seed", range(5))
def test_descent_from_random_weights_finds_pca(tied, seed):
    objective = objective_of(tied, seed=seed)
    before = error(objective, CENTRED)
    fit(objective, CENTRED, 3, start=False)
    assert before > 2 * PCA_ERROR
    assert math.isclose(error(objective, CENTRED), PCA_ERROR, rel_tol=1e-4)
    assert largest_angle(decoder(objective), AXES) < 5e-3


@pytest.mark.parametrize("tied", TIED)
@pytest.mark.parametrize("weight", [5.0, 60.0])
def test_weight_decay_shrinks_singular_values_by_kunins_law(tied, weight):
    objective = objective_of(tied, L2(weight), seed=1)
    fit(objective, CENTRED, 1, start=False)
    # A tied matrix is counted once where an untied pair is counted twice.
    decay = weight / 2 if tied else weight
    expected = (1 - decay / VALUES[:K]).clamp_min(0).sqrt()
    found = torch.linalg.svdvals(decoder(objective))
    assert torch.allclose(found, expected, atol=1e-5)
    assert int((found < 1e-5).sum()) == int((VALUES[:K] < decay).sum()), "directions below the decay are switched off"
    axes = torch.linalg.svd(decoder(objective), full_matrices=False).U[:, :3]
    assert largest_angle(axes, AXES[:, :3]) < 1e-5
    if not tied:
        encoder = objective.model.architecture.filters(objective.model.encoder).detach()
        assert torch.allclose(encoder, decoder(objective).T, atol=1e-5), "W1 is W2 transposed at every critical point"
