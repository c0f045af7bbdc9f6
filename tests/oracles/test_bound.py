"""With k draws the loss is the importance-weighted bound (Burda et al., 2016), still a sum of named terms in nats."""

import itertools
import math

import pytest
import torch
from tiny import model_of
from torch import distributions as known

from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import KL, L1, L2, Bernoulli, Dense, Normal, Variational
from isthmus.records import Batch

X = Noise(0).uniform(torch.empty(30, 6, dtype=torch.float64))


def objective_of(draws, *penalties, likelihood=None):
    """Return a variational autoencoder that is far from its optimum."""
    model = model_of(Dense((5,), activation="tanh"), Variational(), X, 2)
    for p in model.parameters():
        p.data *= 1.5
    return Objective(model, likelihood or Normal(0.5), penalties or (KL(),), draws=draws).double()


def loss(objective, seed=1, step=0):
    """Return the loss of every row."""
    terms, _ = objective(Batch(X), Noise(seed).at(step), math.inf)
    return torch.stack(list(terms.values())).sum(0).detach()


def by_hand(objective, draws, seed=1):
    """Return -log (1/k) sum_s p(x, h_s) / q(h_s | x), written with known distributions."""
    q = objective.run(Batch(X), None).posterior
    normal = known.Normal(q.mean, (q.log_var / 2).exp())
    p = objective.run(Batch(X), Noise(seed).at(0))
    h = p.code.reshape(draws, 30, 2)
    joint = known.Normal(p.output, 0.5).log_prob(X.repeat(draws, 1)).sum(1).reshape(draws, 30)
    joint = joint + known.Normal(0.0, 1.0).log_prob(h).sum(2)
    return -(torch.logsumexp(joint - normal.log_prob(h).sum(2), 0) - math.log(draws)).detach()


@pytest.mark.parametrize("draws", [2, 5, 50])
def test_the_terms_sum_to_the_bound(draws):
    objective = objective_of(draws)
    terms, _ = objective(Batch(X), Noise(1).at(0), math.inf)
    assert list(terms) == ["reconstruction", "kl", "tightening"]
    assert torch.allclose(loss(objective), by_hand(objective, draws))
    assert (terms["tightening"] >= 0).all() and (terms["tightening"] <= math.log(draws)).all()


def test_one_draw_is_the_evidence_lower_bound():
    objective = objective_of(1)
    terms, _ = objective(Batch(X), Noise(1), math.inf)
    assert list(terms) == ["reconstruction", "kl"]
    drawn = torch.stack([loss(objective, step=i) for i in range(4000)])
    two = torch.stack([_ratio(objective, i) for i in range(4000)])
    spread = (drawn.std(0) + two.std(0)) / math.sqrt(4000)
    assert ((drawn.mean(0) - two.mean(0)).abs() < 5 * spread).all(), "the closed form is the mean of the log-ratio"


def _ratio(objective, step):
    p = objective.run(Batch(X), Noise(2).at(step))
    return (objective.nll(p).sum(1) + p.posterior.log_ratio(p.code)).detach()


def test_the_bound_does_not_loosen_with_more_draws():
    means = []
    for draws in (1, 2, 5, 20, 100):
        objective = objective_of(draws)
        means.append(float(torch.stack([loss(objective, step=i) for i in range(200)]).mean()))
    assert all(later < earlier for earlier, later in itertools.pairwise(means)), means


def test_the_gradient_of_the_named_terms_is_the_gradient_of_the_bound():
    objective = objective_of(5)
    weights = list(objective.model.parameters())
    terms, _ = objective(Batch(X), Noise(1).at(0), math.inf)
    named = torch.autograd.grad(torch.stack(list(terms.values())).sum(), weights)
    p = objective.run(Batch(X), Noise(1).at(0))
    per_draw = (objective.nll(p).sum(1) + p.posterior.log_ratio(p.code)).reshape(5, 30)
    direct = torch.autograd.grad(-(torch.logsumexp(-per_draw, 0) - math.log(5)).sum(), weights)
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(named, direct, strict=True))


def test_other_penalties_join_the_sum():
    objective = objective_of(4, KL(), L1(0.1), L2(0.01))
    terms, _ = objective(Batch(X), Noise(1).at(0), math.inf)
    assert list(terms) == ["reconstruction", "kl", "l1", "l2", "tightening"]
    assert terms["l1"].shape == (30,) and terms["l2"].shape == ()


def test_the_bound_is_in_nats_of_the_marginal_likelihood():
    """Two units on a grid: the integral over codes is the likelihood that the bound approaches."""
    objective = objective_of(2000, likelihood=Bernoulli())
    axis = torch.linspace(-7, 7, 281).double()
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        output = objective.model.decode(grid)
        prior = known.Normal(0.0, 1.0).log_prob(grid).sum(1) + 2 * math.log(14 / 280)
        log_p = -torch.nn.functional.binary_cross_entropy_with_logits(
            output.unsqueeze(1).expand(-1, 5, -1), X[:5].expand(len(grid), 5, 6), reduction="none"
        ).sum(2)
        exact = -torch.logsumexp(log_p + prior.unsqueeze(1), 0)
    terms, _ = objective(Batch(X[:5]), Noise(1), math.inf)
    bound = torch.stack(list(terms.values())).sum(0).detach()
    assert torch.allclose(bound, exact, atol=0.05), (bound, exact)
