"""Numbers in the caller's units, equal to what numpy and scipy make of them by hand."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from quick import START, convolutional, linear, quick, rows, unit_rows
from scipy.special import entr, rel_entr
from scipy.stats import norm, poisson

from isthmus import Trainer
from isthmus.data.arrays import Scaling
from isthmus.parts import KL, Bernoulli, Categorical, Conv, Normal, Poisson, ScaledNormal, Variational

X = rows()
TRIES = Trainer(epochs=5)


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("scaling", ["auto", "none", "common", "standard"])
def test_squared_error_is_a_density_in_the_callers_units(scaling, scale):
    model = quick(scaling=scaling, likelihood=Normal(scale)).fit(X)
    by_hand = -norm.logpdf(X, model.reconstruct(X), scale * model.scaling_.factor)
    # A plain net answers in float32, whose digits are those of the numbers squared.
    assert_allclose(model.feature_errors(X), by_hand, rtol=1e-6, atol=5e-6)
    assert_allclose(model.score_samples(X), -by_hand.sum(1), rtol=1e-6, atol=5e-6)
    assert model.score(X) == pytest.approx(-by_hand.sum(1).mean())


@pytest.mark.parametrize(("scaling", "factor"), [("common", np.sqrt(X.var(0).mean())), ("standard", X.std(0))])
def test_what_rows_are_divided_by(scaling, factor):
    model = quick(scaling=scaling).fit(X)
    assert_allclose(model.scaling_.factor, np.broadcast_to(factor, 8))
    assert_allclose(model.scaling_.centre, X.mean(0))


def test_a_learnt_scale_is_in_the_callers_units():
    model = quick(likelihood=ScaledNormal(), trainer=Trainer(epochs=0)).fit(X)
    assert_allclose(model.feature_errors(X), -norm.logpdf(X, model.reconstruct(X), X.std(0)), rtol=1e-2)


def test_cross_entropy_is_that_of_the_reconstruction():
    x = unit_rows()
    model = quick(likelihood=Bernoulli()).fit(x)
    p = model.reconstruct(x)
    by_hand = rel_entr(x, p) + rel_entr(1 - x, 1 - p) + entr(x) + entr(1 - x)
    assert_allclose(model.feature_errors(x), by_hand, rtol=1e-6)
    assert ((p > 0) & (p < 1)).all() and (model.scaling_.factor == 1).all()


def test_counts_have_a_probability():
    x = np.random.default_rng(0).poisson(3.0, size=(60, 8)).astype(float)
    model = quick(likelihood=Poisson()).fit(x)
    assert_allclose(model.feature_errors(x), -poisson.logpmf(x, model.reconstruct(x)), rtol=1e-5, atol=1e-6)


def test_levels_have_probabilities_that_sum_to_one():
    x = np.random.default_rng(0).integers(0, 3, size=(60, 4)).astype(float)
    model = quick(2, likelihood=Categorical()).fit(x)
    total = 0.0
    for level in range(3):
        row = x[:1].copy()
        code = model.transform(row)
        objective = model.answers.objective(torch.float64)
        output = objective.model.decode(torch.tensor(code))
        whole = torch.full((1, 4), float(level), dtype=torch.float64)
        total = total + objective.likelihood.nll(output, whole, objective.memories["likelihood"]).neg().exp()
    assert_allclose(total.detach(), 1.0, rtol=1e-6)
    assert (model.feature_errors(x) > 0).all()


# -- units ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", ["common", "standard"])
def test_other_units_add_the_logarithm_of_the_factor(scaling):
    """Powers of two and no shift: the same bits are trained on, so only log |dx'/dx| may differ."""
    model, other = quick(scaling=scaling, trainer=TRIES).fit(X), quick(scaling=scaling, trainer=TRIES).fit(4 * X)
    assert_allclose(other.transform(4 * X), model.transform(X), rtol=1e-10)
    assert_allclose(other.reconstruct(4 * X), 4 * model.reconstruct(X), rtol=1e-10)
    assert_allclose(other.feature_errors(4 * X), model.feature_errors(X) + np.log(4), rtol=1e-10)
    assert other.score(4 * X) == pytest.approx(model.score(X) - 8 * np.log(4))


@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (1e-3, 5.0), (30.0, -1e3)])
def test_any_units_do_to_rounding(factor, shift):
    model, other = quick(trainer=TRIES).fit(X), quick(trainer=TRIES).fit(factor * X + shift)
    assert_allclose(other.transform(factor * X + shift), model.transform(X), atol=1e-3)
    assert other.score(factor * X + shift) == pytest.approx(model.score(X) - 8 * np.log(factor), abs=1e-3)


def test_units_of_columns_vanish_under_standard_scaling():
    factors = 2.0 ** np.arange(-3, 5)
    model, other = quick(scaling="standard").fit(X), quick(scaling="standard").fit(X * factors)
    assert_allclose(other.transform(X * factors), model.transform(X), rtol=1e-10)
    assert_allclose(other.feature_errors(X * factors), model.feature_errors(X) + np.log(factors), rtol=1e-10)


@pytest.mark.parametrize("mode", ["common", "standard"])
def test_scaling_heeds_weights_as_repeated_rows(mode):
    weight = np.arange(60) % 4
    scaling, repeated = Scaling.fit(X, mode, weight), Scaling.fit(np.repeat(X, weight, axis=0), mode)
    assert_allclose(scaling.centre, repeated.centre)
    assert_allclose(scaling.factor, repeated.factor)


# -- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("make", [quick, convolutional, lambda: quick(2, architecture=Conv((2, 2), head="map"))])
def test_decoding_a_code_is_reconstructing(make, precision):
    x = X.astype(precision)
    model = make().fit(x)
    assert_allclose(model.inverse_transform(model.transform(x)), model.reconstruct(x), rtol=1e-6)


def test_a_code_is_the_mean_of_its_posterior_and_is_charged_its_divergence():
    matrix = np.concatenate([np.eye(2, 4), 0.1 * np.eye(2, 4, k=2)])
    settings = {"architecture__trained": False, "bottleneck": Variational(), "penalties": (KL(),)}
    model = linear(matrix, np.eye(4, 2)).set_params(n_components=2, **settings)
    x = np.random.default_rng(0).normal(size=(30, 4))
    model.fit(x)
    mean, log_var = x[:, :2], 0.1 * x[:, 2:]
    assert_allclose(model.transform(x), mean, rtol=1e-6)
    divergence = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(1)
    errors = -norm.logpdf(x, np.pad(mean, ((0, 0), (0, 2)))).sum(1)
    assert_allclose(model.score_samples(x), -errors - divergence, rtol=1e-6)
    assert_allclose(-model.feature_errors(x).sum(1), -errors, rtol=1e-6)


def test_a_linear_model_can_be_followed_by_hand():
    rng = np.random.default_rng(0)
    into, back = rng.normal(size=(3, 8)), rng.normal(size=(8, 3))
    model = linear(into, back, trainer=START).fit(X)
    assert_allclose(model.transform(X), X @ into.T, rtol=1e-5)
    assert_allclose(model.reconstruct(X), X @ into.T @ back.T, rtol=1e-5, atol=1e-5)  # weights of single precision
