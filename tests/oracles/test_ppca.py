"""A linear variational autoencoder reaches the likelihood of probabilistic PCA (Lucas et al., 2019)."""

import math

import torch
from tiny import model_of

from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import KL, Adam, Cosine, Dense, ScaledNormal, Trainer, Variational
from isthmus.records import Batch, Rows

ROWS, COLUMNS, UNITS = 500, 6, 2


def data():
    """Draw rows near a plane in six dimensions."""
    noise = Noise(0)
    code = noise.normal(torch.empty(ROWS, UNITS, dtype=torch.float64)) * torch.tensor([2.0, 1.0])
    plane = noise.normal(torch.empty(UNITS, COLUMNS, dtype=torch.float64))
    x = code @ plane + 0.5 * noise.normal(torch.empty(ROWS, COLUMNS, dtype=torch.float64))
    return x - x.mean(0)


def exact(x):
    """Return the largest log likelihood per row of probabilistic PCA, and its noise variance."""
    centred = x - x.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(x)).flip(0)
    variance = float(values[UNITS:].mean())
    log_det = float(values[:UNITS].log().sum()) + (COLUMNS - UNITS) * math.log(variance)
    return -(COLUMNS * math.log(2 * math.pi) + log_det + COLUMNS) / 2, variance


def bound(objective, x):
    """Return the evidence lower bound per row, its mean over codes in closed form since the decoder is linear."""
    p = objective.run(Batch(x), None)
    variance = (2 * objective.memories["likelihood"].log_scale).exp() + objective.memories["likelihood"].least
    atoms = objective.model.architecture.atoms(objective.model.decoder)
    extra = p.posterior.log_var.exp() @ atoms.square().sum(1) / (2 * variance)
    return float(-(objective.nll(p).sum(1) + extra + p.posterior.kl()).mean().detach())


def test_the_linear_variational_autoencoder_is_probabilistic_pca():
    x = data()
    likelihood, variance = exact(x)
    model = model_of(Dense(()), Variational(), x, UNITS, ScaledNormal(shared=True), seed=1)
    objective = Objective(model, ScaledNormal(shared=True), (KL(),)).double()
    trainer = Trainer(epochs=200, batch_size=50, optimiser=Adam(Cosine(2e-2)), validation=0.0, precision="float64")
    trainer.fit(objective, Rows(x), Noise(1))
    gap = likelihood - bound(objective, x)
    assert 0 <= gap < 0.005, gap
    memory = objective.memories["likelihood"]
    assert math.isclose(float((2 * memory.log_scale.detach()).exp() + memory.least), variance, rel_tol=0.02)
    axes = torch.linalg.eigh(x.T @ x).eigenvectors[:, -UNITS:]
    span = torch.linalg.qr(model.architecture.atoms(model.decoder).detach().T).Q
    assert torch.linalg.matrix_norm(span - axes @ (axes.T @ span), 2) < 0.02


def test_no_draws_are_needed_where_the_posterior_is_exact():
    """At the exact posterior p(x, h) / q(h | x) is p(x) for every h, so that one draw gives the likelihood."""
    x = data()
    likelihood, variance = exact(x)
    model = model_of(Dense(()), Variational(), x, UNITS, ScaledNormal(shared=True))
    objective = Objective(model, ScaledNormal(shared=True), (KL(),), draws=3).double()
    set_exactly(objective, x, variance)
    terms, _ = objective(Batch(x), Noise(1), math.inf)
    total = torch.stack(list(terms.values())).sum(0).detach()
    assert math.isclose(float(total.mean()), -likelihood, rel_tol=1e-9)
    assert float(terms["tightening"].detach().abs().max()) < 1e-9
    assert math.isclose(bound(objective, x), likelihood, rel_tol=1e-9)


def set_exactly(objective, x, variance):
    """Set weights to the solution: W = U (L - s^2)^1/2, q(h|x) = N(M^-1 W^T x, s^2 M^-1), M = W^T W + s^2."""
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    w = vectors[:, -UNITS:] * (values[-UNITS:] - variance).sqrt()
    m = w.T @ w + variance * torch.eye(UNITS)
    model, memory = objective.model, objective.memories["likelihood"]
    encoder, decoder = (chain.layers[1].layers[0].layers[0] for chain in (model.encoder, model.decoder))
    with torch.no_grad():
        decoder.weight.copy_(w)
        encoder.weight.copy_(torch.cat([torch.linalg.solve(m, w.T), torch.zeros(UNITS, COLUMNS)]))
        encoder.bias.copy_(torch.cat([torch.zeros(UNITS), (variance / m.diagonal()).log()]))
        decoder.bias.zero_()
        memory.log_scale.fill_(math.log(variance - float(memory.least)) / 2)
