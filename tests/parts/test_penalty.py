"""Penalties are the formulas that they quote, row by row, and running statistics forget where they started."""

import math

import pytest
import torch
from tiny import model_of
from torch import distributions as known

from isthmus.noise import Noise
from isthmus.objective import Objective, averaged
from isthmus.parts import (
    KL,
    L1,
    L2,
    ActivationRate,
    Conv,
    Dense,
    Hoyer,
    Normal,
    Orthogonality,
    Overcomplete,
    Ramp,
    Sigmoid,
    Tanh,
    TopK,
    Variational,
)
from isthmus.records import Batch

X = Noise(0).uniform(torch.empty(60, 8, dtype=torch.float64))
IMAGES = Noise(1).uniform(torch.empty(60, 1, 6, 6, dtype=torch.float64))


def objective_of(penalty, bottleneck=None, x=X, architecture=None, draws=1, units=3):
    """Build an objective with one penalty."""
    model = model_of(architecture or Dense((5,), activation="tanh"), bottleneck or Overcomplete(), x, units)
    return Objective(model, Normal(), (penalty,), draws=draws).double()


def value(objective, batch=None, noise=None):
    """Return the penalty's own term."""
    [name] = objective.penalties
    return objective(batch or Batch(X), noise, math.inf)[0][name]


def divergence(rho, r):
    """Return KL between two coins."""
    return known.kl_divergence(known.Bernoulli(torch.full_like(r, rho)), known.Bernoulli(r)).sum()


def test_l1_and_l2_and_hoyer_and_orthogonality_are_their_formulas():
    code = objective_of(L1(1.0)).run(Batch(X), None).code
    assert torch.allclose(value(objective_of(L1(0.3))), 0.3 * code.abs().sum(1))
    objective = objective_of(L2(0.3))
    weights = [p for p in objective.model.parameters() if p.dim() == 2]
    assert len(weights) == 4
    assert torch.allclose(value(objective), 0.15 * sum((w**2).sum() for w in weights))
    assert torch.allclose(value(objective_of(Hoyer(1.0))), code.abs().sum(1) / code.norm(dim=1) / math.sqrt(3))
    objective = objective_of(Orthogonality(2.0))
    atoms = objective.model.architecture.atoms(objective.model.decoder)
    assert atoms.shape == (3, 5)
    assert torch.allclose(value(objective), 2.0 * (atoms @ atoms.T - torch.eye(3)).square().sum())


def test_a_tied_matrix_counts_once():
    objective = objective_of(L2(1.0), architecture=Dense((5,), tied=True))
    weights = [p for p in objective.model.encoder.parameters() if p.dim() == 2]
    assert torch.allclose(value(objective), sum((w**2).sum() for w in weights) / 2)


def test_hoyer_lies_between_one_unit_and_all_and_forgives_silence():
    objective = objective_of(Hoyer(1.0), TopK(k=1))
    assert torch.allclose(value(objective), torch.full((60,), 1 / math.sqrt(3), dtype=torch.float64))
    silent = objective_of(Hoyer(1.0))
    for p in silent.model.parameters():
        p.data.zero_()
    loss = value(silent).sum()
    loss.backward()
    assert loss == 0 and all(p.grad is None or p.grad.isfinite().all() for p in silent.model.parameters())


def test_orthonormal_atoms_cost_nothing():
    objective = objective_of(Orthogonality(1.0), architecture=Dense(()))
    weight = objective.model.decoder.layers[1].layers[0].layers[0].weight
    weight.data.copy_(torch.linalg.qr(weight.data).Q)
    assert float(value(objective).detach()) < 1e-24


def test_kl_is_the_divergence_between_normals():
    objective = objective_of(KL(weight=2.0), Variational())
    q = objective.run(Batch(X), None).posterior
    normals = known.Normal(q.mean, (q.log_var / 2).exp()), known.Normal(torch.zeros_like(q.mean), 1.0)
    assert torch.allclose(value(objective), 2.0 * known.kl_divergence(*normals).sum(1))
    code = q.rsample(Noise(3), draws=4)
    ratio = (normals[0].log_prob(code.reshape(4, 60, 3)) - normals[1].log_prob(code.reshape(4, 60, 3))).sum(2)
    assert torch.allclose(q.log_ratio(code).reshape(4, 60), ratio)


def test_the_mean_log_ratio_is_the_divergence():
    q = objective_of(KL(), Variational()).run(Batch(X[:4]), None).posterior
    ratios = q.log_ratio(q.rsample(Noise(3), draws=20000)).reshape(20000, 4).detach()
    assert ((ratios.mean(0) - q.kl().detach()).abs() < 5 * ratios.std(0) / math.sqrt(20000)).all()


@pytest.mark.parametrize(
    "penalty", [L1(Ramp(0.0, 2.0, 10)), KL(Ramp(0.0, 2.0, 10)), ActivationRate(Ramp(0.0, 2.0, 10))]
)
def test_a_weight_may_be_a_schedule(penalty):
    bottleneck = Variational() if isinstance(penalty, KL) else Sigmoid()
    objective = objective_of(penalty, bottleneck)
    [name] = objective.penalties
    start, middle, end = (objective(Batch(X), None, epoch)[0][name].sum().detach() for epoch in (0.0, 5.0, math.inf))
    assert start == 0 and torch.allclose(2 * middle, end) and end != 0


# -- activation rates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bottleneck", "low", "width"), [(Sigmoid(), 0.0, 1.0), (Tanh(), -1.0, 2.0)])
@pytest.mark.parametrize(("x", "architecture"), [(X, None), (IMAGES, Conv((2,), head="map"))], ids=["vector", "map"])
def test_activation_rate_of_a_full_batch_is_its_formula(bottleneck, low, width, x, architecture):
    objective = objective_of(ActivationRate(3.0, rho=0.1), bottleneck, x, architecture)
    code = objective.run(Batch(x), None).code
    rates = ((code - low) / width).flatten(2).mean(2).mean(0) if code.dim() > 2 else ((code - low) / width).mean(0)
    assert rates.shape == (3,)
    assert torch.allclose(value(objective, Batch(x)), 3.0 * divergence(0.1, rates))


@pytest.mark.parametrize("bottleneck", [Sigmoid(), Tanh()])
@pytest.mark.parametrize(
    ("x", "architecture"), [(X, None), (IMAGES, Conv((2,), head="map", activation="tanh"))], ids=["vector", "map"]
)
def test_activation_rate_passes_the_gradient_check(bottleneck, x, architecture):
    objective = objective_of(ActivationRate(3.0, rho=0.05), bottleneck, x, architecture)
    for _ in range(3):  # the memory holds rates of other weights by now
        _, tallies = objective(Batch(x), None, 0.0)
        objective.learn(tallies)
    weights = [p for p in objective.model.encoder.parameters() if p.requires_grad]
    for p in weights:
        p.data += 0.1 * Noise(9).normal(p)
    claimed = torch.cat([g.flatten() for g in torch.autograd.grad(value(objective, Batch(x)), weights)])
    numeric = numeric_gradient(lambda: float(value(objective, Batch(x)).detach()), weights)
    error = float((numeric - claimed).norm() / (numeric + claimed).norm())
    assert error < 1e-7, error


def numeric_gradient(function, weights, step=1e-5):
    """Return central differences of a function of weights."""
    found = []
    for entry in (p.data.view(-1)[i : i + 1] for p in weights for i in range(p.numel())):
        entry += step
        above = function()
        entry -= 2 * step
        found.append((above - function()) / (2 * step))
        entry += step
    return torch.tensor(found, dtype=torch.float64)


def steps(objective, batch_size, epochs, x=X):
    """Show the rows in batches, as a fit with frozen weights would, and return the value at every step."""
    seen = []
    for epoch in range(epochs):
        for index in Noise(5).at(epoch).permutation(len(x)).split(batch_size):
            terms, tallies = objective(Batch(x[index]), None, 0.0)
            objective.learn(tallies)
            seen.append(float(terms["activation_rate"].detach()))
    return seen


def frozen(penalty, x=X):
    """Return an objective whose units answer strongly to rows, so that batches differ."""
    objective = objective_of(penalty, Sigmoid(), x, Dense(()))
    for p in objective.model.encoder.parameters():
        p.data.mul_(20.0)
    return objective


def test_the_first_batch_is_not_biased_by_an_initial_rate():
    objective = frozen(ActivationRate(rho=0.1, window=1000))
    batch = Batch(X[:7])
    rates = objective.run(batch, None).code.mean(0)
    assert torch.allclose(value(objective, batch), divergence(0.1, rates))
    assert objective.memories["activation_rate"].weight == 0
    _, tallies = objective(batch, None, 0.0)
    objective.learn(tallies)
    memory = objective.memories["activation_rate"]
    assert torch.allclose(memory.rates / memory.weight, rates.detach())


def test_the_value_does_not_depend_on_the_batch_size():
    x = Noise(2).uniform(torch.empty(4000, 8, dtype=torch.float64))
    full = value(frozen(ActivationRate(rho=0.1), x), Batch(x)).detach()
    running, alone = {}, {}
    for size in (10, 50, 400):
        settled = steps(frozen(ActivationRate(rho=0.1), x), size, 4, x)[-len(x) // size :]
        running[size] = sum(settled) / len(settled)
        batches = [value(frozen(ActivationRate(rho=0.1), x), Batch(rows)).detach() for rows in x.split(size)]
        alone[size] = float(torch.stack(batches).mean())
    assert all(math.isclose(found, full, rel_tol=0.01) for found in running.values()), (full, running)
    assert alone[10] > 1.05 * full, "batches that small are biased, or this test shows nothing"


def test_in_use_the_rate_is_the_running_one_whatever_the_rows():
    objective = frozen(ActivationRate(rho=0.1))
    steps(objective, 10, 5)
    objective.eval()
    found = [value(objective, Batch(rows)).detach() for rows in (X, X[:1], X[5:9])]
    assert found[0] == found[1] == found[2] > 0
    untrained = frozen(ActivationRate(rho=0.1)).eval()
    assert value(untrained, Batch(X)).isfinite()


def test_a_full_batch_forgets_all_older_rates():
    objective = frozen(ActivationRate(rho=0.1))
    steps(objective, 10, 3)
    rates = objective.run(Batch(X), None).code.mean(0)
    assert torch.allclose(value(objective), divergence(0.1, rates))


def test_rates_of_the_training_rows_are_counted_when_training_starts():
    objective = frozen(ActivationRate())
    objective.start(Batch(X[:45]))
    assert float(objective.memories["activation_rate"].rows) == 45


def test_tallies_add_over_parts_of_a_batch():
    objective = frozen(ActivationRate())
    whole, first, second = (objective(Batch(rows), None, 0.0)[1]["activation_rate"] for rows in (X, X[:20], X[20:]))
    assert all(torch.allclose(whole[name], first[name] + second[name]) for name in whole)


def test_weighted_rows_are_repeated_rows():
    times = torch.arange(1, 61) % 3 + 1
    weight = times / times.double().mean()
    weighted = value(frozen(ActivationRate()), Batch(X, weight=weight))
    assert torch.allclose(weighted, value(frozen(ActivationRate()), Batch(X.repeat_interleave(times, 0))))


def test_saturated_units_stay_finite():
    objective = frozen(ActivationRate())
    for p in objective.model.encoder.parameters():
        p.data.mul_(1e6)
    loss = averaged(objective(Batch(X), None, 0.0)[0], None)["activation_rate"]
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in objective.model.encoder.parameters())
