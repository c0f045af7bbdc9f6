"""Bottlenecks keep what they promise about codes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import model_of

from isthmus.component import Memory
from isthmus.noise import Noise
from isthmus.parts import Dense, Rectified, Sigmoid, Tanh, TopK, Undercomplete, UnitNorm, Variational
from isthmus.records import Batch, Spec

places = st.sampled_from([(), (3,), (2, 3)])


def features(units, shape, seed, rows=4):
    """Return random features."""
    return Noise(seed).normal(torch.empty(rows, units, *shape, dtype=torch.float64))


@given(data=st.data(), units=st.integers(1, 9), shape=places, seed=st.integers(0, 999))
def test_top_k_has_exactly_k_units_at_each_place_and_they_are_the_largest(data, units, shape, seed):
    k = data.draw(st.integers(1, units))
    f = features(units, shape, seed)
    posterior = TopK(k)(f, Memory())
    code = posterior.mean
    assert ((code != 0).sum(1) == k).all()
    assert torch.equal(code[posterior.active.bool()], f[posterior.active.bool()])
    left_out = f.masked_fill(posterior.active.bool(), -torch.inf).amax(1)
    assert (f.masked_fill(~posterior.active.bool(), torch.inf).amin(1) >= left_out).all()


@given(seed=st.integers(0, 99), tied=st.sampled_from([0.0, 1.0]))
def test_top_k_counts_exactly_where_features_are_equal(seed, tied):
    f = features(6, (), seed).round() * 0 + tied
    assert (TopK(2)(f, Memory()).active.sum(1) == 2).all()


def test_top_k_uses_more_units_than_it_was_fitted_with():
    f, memory = features(8, (), 0), Memory()
    part = TopK(k=2, k_use=5)
    assert ((part(f, memory).mean != 0).sum(1) == 2).all()
    memory.eval()
    assert ((part(f, memory).mean != 0).sum(1) == 5).all()
    assert ((TopK(k=2)(f, memory).mean != 0).sum(1) == 2).all()


def test_top_k_gives_no_gradient_to_units_left_out():
    f = features(6, (), 1).requires_grad_()
    posterior = TopK(2)(f, Memory())
    posterior.mean.sum().backward()
    assert torch.equal(f.grad, posterior.active)


@pytest.mark.parametrize("part", [TopK(k=4), TopK(k=1, k_use=4)])
def test_top_k_refuses_more_units_than_there_are(part):
    with pytest.raises(ValueError, match=r"selects more units than the 3 of the code; lower k or raise n_components"):
        part.memory(Spec((9,)), (3,))


@given(units=st.integers(1, 9), shape=places, seed=st.integers(0, 999), size=st.sampled_from([1e-6, 1.0, 1e6]))
def test_unit_norm_keeps_the_direction_and_nothing_else(units, shape, seed, size):
    f = features(units, shape, seed)
    code = UnitNorm()(f * size, Memory()).mean
    assert torch.allclose(code.square().sum(1), torch.ones(4, *shape, dtype=torch.float64))
    assert torch.allclose(code, UnitNorm()(f, Memory()).mean)
    assert torch.allclose(code * f.norm(dim=1, keepdim=True), f)


def test_unit_norm_of_nothing_is_nothing_with_a_finite_gradient():
    f = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    code = UnitNorm()(f, Memory()).mean
    code.sum().backward()
    assert (code == 0).all() and f.grad.isfinite().all()


@given(seed=st.integers(0, 999), size=st.sampled_from([1.0, 100.0]))
def test_bounded_codes_stay_in_their_bounds(seed, size):
    for part in (Sigmoid(), Tanh()):
        posterior = part(features(5, (2,), seed) * size, Memory())
        low, high = posterior.bounds
        assert ((posterior.mean >= low) & (posterior.mean <= high)).all()


def test_a_rectified_code_has_one_slope_on_each_side():
    f = torch.tensor([[-2.0, 0.0, 3.0]], requires_grad=True)
    assert torch.equal(Rectified(slope=0.1)(f, Memory()).mean.detach(), torch.tensor([[-0.2, 0.0, 3.0]]))
    assert torch.equal(Rectified(slope=1.0)(f, Memory()).mean.detach(), f.detach())


def test_a_gaussian_posterior_has_its_mean_and_variance():
    mean, log_var = features(3, (), 1, rows=2), features(3, (), 2, rows=2)
    posterior = Variational()(torch.cat([mean, log_var], dim=1), Memory())
    assert torch.equal(posterior.rsample(None), mean)
    drawn = posterior.rsample(Noise(4), draws=20000).reshape(20000, 2, 3)
    sd = (log_var / 2).exp()
    assert ((drawn.mean(0) - mean).abs() < 5 * sd / 20000**0.5).all()
    assert ((drawn.std(0) / sd - 1).abs() < 5 / 40000**0.5).all()


def test_means_come_before_log_variances_at_every_place():
    f = features(6, (2, 2), 3)
    posterior = Variational()(f, Memory())
    assert torch.equal(posterior.mean, f[:, :3]) and torch.equal(posterior.log_var, f[:, 3:])
    assert Variational().features((3, 2, 2)) == (6, 2, 2)


def test_a_point_mass_has_no_divergence():
    posterior = Undercomplete()(features(3, (), 1), Memory())
    with pytest.raises(
        ValueError, match=r"a deterministic code has no density, so it has no KL divergence; use Variational\(\)"
    ):
        posterior.kl()
    code = posterior.rsample(Noise(0), draws=2)
    assert torch.equal(code, torch.cat([posterior.mean] * 2)) and (posterior.log_ratio(code) == 0).all()


@pytest.mark.parametrize("bottleneck", [Undercomplete(), Variational()], ids=repr)
def test_tied_weights_are_one_tensor_with_gradients_from_both_uses(bottleneck):
    x = Noise(1).normal(torch.empty(5, 6, dtype=torch.float64))
    model = model_of(Dense((4,), tied=True, activation="tanh"), bottleneck, x)
    first = next(iter(model.encoder.parameters()))
    assert first.shape == (4, 6)
    assert sum(p.dim() > 1 for p in model.parameters()) == 2, "the decoder has no matrices of its own"
    code = model(Batch(x)).code
    by_decoder = torch.autograd.grad(model.decode(code.detach()).sum(), first)[0]
    by_encoder = torch.autograd.grad(model.encode(x).mean.sum(), first)[0]
    assert by_decoder.abs().sum() > 0 and by_encoder.abs().sum() > 0
    output = model(Batch(x)).output
    first.data[0] += 1.0
    assert not torch.allclose(model.decode(code), output)
