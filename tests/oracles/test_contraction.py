"""The contractive penalty is the squared Frobenius norm of the Jacobian (Rifai et al., 2011)."""

import math

import pytest
import torch
from tiny import model_of

from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import (
    Contractive,
    Conv,
    Dense,
    Masking,
    Normal,
    Overcomplete,
    Rectified,
    Sigmoid,
    Tanh,
    TopK,
    Undercomplete,
    UnitNorm,
    Variational,
)
from isthmus.records import Batch

X = Noise(0).normal(torch.empty(12, 7, dtype=torch.float64))
IMAGES = Noise(0).normal(torch.empty(5, 1, 6, 5, dtype=torch.float64))
ELEMENTWISE = [Overcomplete(), Sigmoid(), Tanh(), Rectified(0.1), TopK(2), Variational()]


def objective_of(architecture, bottleneck, x=X, probes=1, corruption=None):
    """Return an objective whose only penalty is the contraction."""
    model = model_of(architecture, bottleneck, x, units=4)
    for p in model.encoder.parameters():
        p.data += 0.1
    return Objective(model, Normal(), (Contractive(1.0, probes),), corruption).double()


def norm_by_autograd(objective, x):
    """Return the squared norm of each row's Jacobian, one row at a time."""
    found = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda r: objective.model.encode(r.unsqueeze(0)).mean[0], row)
        found.append(jacobian.square().sum())
    return torch.stack(found)


def value(objective, x=X, noise=None):
    """Return the penalty's term."""
    return objective(Batch(x), noise, math.inf)[0]["contractive"]


@pytest.mark.parametrize("bottleneck", ELEMENTWISE, ids=repr)
def test_one_layer_in_closed_form(bottleneck):
    objective = objective_of(Dense(()), bottleneck)
    assert torch.allclose(value(objective), norm_by_autograd(objective, X), rtol=1e-12)


def test_logistic_units_have_the_published_form():
    objective = objective_of(Dense(()), Sigmoid())
    h = objective.run(Batch(X), None).code
    weight = objective.model.architecture.filters(objective.model.encoder)
    assert torch.allclose(value(objective), ((h * (1 - h)) ** 2 * weight.square().sum(1)).sum(1))


def test_a_linear_code_is_weight_decay():
    objective = objective_of(Dense(()), Undercomplete())
    weight = objective.model.architecture.filters(objective.model.encoder)
    assert torch.allclose(value(objective), weight.square().sum().expand(12))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus"])
@pytest.mark.parametrize("bottleneck", [Sigmoid(), Undercomplete(), UnitNorm(), Variational()], ids=repr)
def test_deep_encoders_are_exact_without_noise(activation, bottleneck):
    objective = objective_of(Dense((6, 5), activation=activation), bottleneck)
    assert torch.allclose(value(objective), norm_by_autograd(objective, X), rtol=1e-10)


@pytest.mark.parametrize(
    "architecture", [Conv((3,), head="map", activation="tanh"), Conv((3,), activation="silu", down="stride")]
)
def test_convolutional_encoders_are_exact_without_noise(architecture):
    objective = objective_of(architecture, Tanh(), IMAGES)
    assert torch.allclose(value(objective, IMAGES), norm_by_autograd(objective, IMAGES), rtol=1e-10)


@pytest.mark.parametrize("probes", [1, 4])
def test_probes_are_unbiased(probes):
    objective = objective_of(Dense((6,), activation="tanh"), Sigmoid(), probes=probes)
    exact = value(objective).detach()
    drawn = torch.stack([value(objective, noise=Noise(1).at(i)).detach() for i in range(1500)])
    assert ((drawn.mean(0) - exact).abs() < 5 * drawn.std(0) / math.sqrt(1500)).all()
    assert (drawn.std(0) > 0).any()


def test_more_probes_spread_less():
    spreads = []
    for probes in (1, 16):
        objective = objective_of(Dense((6,), activation="tanh"), Sigmoid(), probes=probes)
        spreads.append(torch.stack([value(objective, noise=Noise(1).at(i)).detach() for i in range(300)]).std(0).mean())
    assert 3 < spreads[0] / spreads[1] < 5, spreads


@pytest.mark.parametrize("architecture", [Dense(()), Dense((6,), activation="tanh")], ids=["one layer", "deep"])
def test_the_gradient_is_that_of_the_norm(architecture):
    objective = objective_of(architecture, Sigmoid())
    weights = list(objective.model.encoder.parameters())
    claimed = torch.autograd.grad(value(objective).sum(), weights)

    def norm(*values):
        named = dict(zip((name for name, _ in objective.model.encoder.named_parameters()), values, strict=True))

        def code(row):
            features = torch.func.functional_call(objective.model.encoder, named, (row.unsqueeze(0),))
            return objective.model.bottleneck(features, objective.model.memory).mean[0]

        return torch.vmap(torch.func.jacrev(code))(X).square().sum()

    expected = torch.func.grad(norm, argnums=tuple(range(len(weights))))(*(w.detach() for w in weights))
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-12) for a, b in zip(claimed, expected, strict=True))


@pytest.mark.parametrize("architecture", [Dense(()), Dense((6,), activation="tanh")], ids=["one layer", "deep"])
def test_evaluation_needs_no_gradient_mode_and_leaves_none_behind(architecture):
    objective = objective_of(architecture, Sigmoid()).eval()
    with torch.no_grad():
        quiet = value(objective)
    assert not quiet.requires_grad and torch.allclose(quiet, value(objective))


def test_the_jacobian_is_taken_at_what_the_encoder_saw():
    objective = objective_of(Dense((6,), activation="tanh"), Sigmoid(), probes=2000, corruption=Masking(1.0))
    assert torch.allclose(value(objective, noise=Noise(3)), norm_by_autograd(objective, torch.zeros_like(X)), rtol=0.1)


def test_an_encoder_with_dropout_or_batch_norm_has_a_finite_penalty_and_gradient():
    for architecture in (Dense((6,), dropout=0.5), Dense((6,), norm="batch"), Dense((6,), norm="layer")):
        objective = objective_of(architecture, Sigmoid())
        loss = value(objective, noise=Noise(1)).sum()
        loss.backward()
        assert loss.isfinite() and all(p.grad.isfinite().all() for p in objective.model.encoder.parameters())
