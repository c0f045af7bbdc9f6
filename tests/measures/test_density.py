"""Samples of a mixture follow the codes it was fitted to."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.measures import CodeDensity, fit_code_density


def test_clusters_are_found_and_sampled():
    rng = np.random.default_rng(0)
    centres = np.array([[-50.0, 0.0], [50.0, 0.0], [0.0, 4.0], [0.0, -4.0]])
    codes = centres[rng.integers(4, size=2000)] + rng.normal(size=(2000, 2)) * [5.0, 0.5]
    density = fit_code_density(codes, random_state=0)
    assert len(density.weights) == 4
    drawn = density.sample(4000, random_state=1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.1, atol=3)
    nearest = np.argmin(np.square((drawn[:, None] - centres) / [5.0, 0.5]).sum(axis=2), axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / 4000, 0.25, atol=0.03)


def test_one_gaussian_with_correlation_needs_one_component():
    covariance = np.array([[2.0, 1.5], [1.5, 2.0]])
    codes = np.random.default_rng(0).multivariate_normal([1.0, -1.0], covariance, size=3000)
    density = fit_code_density(codes, random_state=0)
    assert len(density.weights) == 1
    np.testing.assert_allclose(density.factors[0] @ density.factors[0].T, np.cov(codes.T), rtol=0.01, atol=1e-5)
    drawn = density.sample(20_000, random_state=0)
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.1)


@settings(max_examples=15)
@given(
    arrays(
        st.sampled_from([np.float32, np.float64]),
        array_shapes(min_dims=2, max_dims=4, max_side=6),
        elements=st.one_of(st.just(0.0), st.floats(-1e6, 1e6, width=32)),
    )
)
def test_any_codes_can_be_sampled(codes):
    density = fit_code_density(codes, random_state=0)
    drawn = density.sample(5, random_state=0)
    assert drawn.shape == (5, *codes.shape[1:])
    assert np.isfinite(drawn).all()
    constant = (codes == codes[0]).all(axis=0)
    assert (drawn[:, constant] == codes[0][constant]).all()
    assert density.sample(0, random_state=0).shape == (0, *codes.shape[1:])


def test_many_units_and_few_rows_take_diagonal_covariances():
    codes = np.random.default_rng(0).normal(size=(400, 8, 5, 5)) * np.linspace(0, 3, 8)[:, None, None]
    density = fit_code_density(codes, random_state=0)
    assert density.factors.shape == (len(density.weights), 200)
    drawn = density.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.std(axis=(0, 2, 3)), np.linspace(0, 3, 8), rtol=0.03)


def test_one_row_is_drawn_again_and_again():
    code = np.array([[1.5, -2.0]])
    assert (fit_code_density(code, random_state=0).sample(3, random_state=0) == code).all()


def test_seeds_decide_and_global_generators_stay(untouched_generators):
    codes = np.random.default_rng(0).normal(size=(300, 3))
    first, second = (fit_code_density(codes, random_state=7) for _ in range(2))
    assert (first.sample(9, random_state=1) == second.sample(9, random_state=1)).all()
    assert (first.sample(9, random_state=1) != first.sample(9, random_state=2)).any()


def test_arrays_and_json_bring_it_back():
    density = fit_code_density(np.random.default_rng(0).normal(size=(100, 2, 1, 1)), random_state=0)
    text = json.dumps({name: array.tolist() for name, array in density.to_arrays().items()})
    for arrays_ in (density.to_arrays(), json.loads(text)):
        again = CodeDensity.from_arrays(arrays_)
        assert (again.sample(5, random_state=0) == density.sample(5, random_state=0)).all()


def test_refusals():
    with pytest.raises(ValueError, match=r"codes of shape \(0, 2\) must be at least one row of finite numbers"):
        fit_code_density(np.ones((0, 2)), random_state=0)
    with pytest.raises(ValueError, match="finite numbers"):
        fit_code_density(np.array([[np.nan]]), random_state=0)
    density = fit_code_density(np.eye(3), random_state=0)
    with pytest.raises(ValueError, match="cannot draw -1 codes"):
        density.sample(-1, random_state=0)
    with pytest.raises(ValueError, match=r"no density of codes \(no factors\)"):
        CodeDensity.from_arrays({"weights": np.ones(1), "means": np.ones((1, 2))})
    with pytest.raises(ValueError, match="do not fit 2 weights"):
        CodeDensity.from_arrays({**density.to_arrays(), "weights": np.array([0.5, 0.5])})
