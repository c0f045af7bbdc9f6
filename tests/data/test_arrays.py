"""Laws of the codec of plain arrays."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.data import Scaling
from isthmus.data.arrays import MODES


@st.composite
def rows(draw):
    """Rows of any shape in float32 or float64, between denormal and large."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    largest = float(np.float32(1e30)) if dtype == np.float32 else 1e100
    values = st.floats(-largest, largest, width=32 if dtype == np.float32 else 64)
    return draw(arrays(dtype, draw(array_shapes(min_dims=2, max_dims=4, max_side=5)), elements=values))


@given(rows(), st.sampled_from(MODES))
def test_inverse_undoes_forward(X, mode):
    scaling = Scaling.fit(X, mode)
    back = scaling.inverse(scaling.forward(X))
    assert back.dtype == X.dtype
    assert back.shape == X.shape
    # One rounding each of the shift, the division, the product and the shift back.
    slack = 8 * np.finfo(X.dtype).eps * (np.abs(X).max(axis=0) + np.abs(scaling.centre) + scaling.factor)
    slack += 8 * np.finfo(X.dtype).smallest_subnormal
    if mode == "none":
        assert (back == X).all()
    assert (np.abs(back - X) <= slack).all()


@given(rows(), st.sampled_from(MODES))
def test_json_gives_the_same_numbers(X, mode):
    scaling = Scaling.fit(X, mode)
    again = Scaling.from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert (again.forward(X) == scaling.forward(X)).all()
    assert again.log_factor == scaling.log_factor


def test_standard_has_unit_variance_and_common_keeps_proportions():
    X = np.random.default_rng(0).normal(size=(10_000, 3)) * [1.0, 10.0, 0.0] + [0.0, 1e6, 0.1]
    standard = Scaling.fit(X, "standard").forward(X)
    np.testing.assert_allclose(standard.std(axis=0), [1, 1, 0], atol=1e-9)
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-9)
    common = Scaling.fit(X, "common")
    assert len(set(common.factor.tolist())) == 1
    np.testing.assert_allclose(common.factor[0] ** 2, X.var(axis=0).mean(), rtol=1e-12)
    np.testing.assert_allclose(common.forward(X).var(axis=0).mean(), 1, rtol=1e-9)


@pytest.mark.parametrize("value", [0.1, 1e-300, -3e38, 0.0])
@pytest.mark.parametrize("mode", ["common", "standard"])
def test_constant_entries_are_only_centred(mode, value):
    X = np.full((7, 2), value)
    scaling = Scaling.fit(X, mode)
    assert (scaling.factor == 1).all()
    assert (scaling.forward(X) == 0).all()
    assert (scaling.inverse(scaling.forward(X)) == X).all()


def test_log_factor_turns_nats_of_scaled_rows_into_the_callers():
    X = np.random.default_rng(0).normal(2.0, 5.0, size=(1000, 2))
    scaling = Scaling.fit(X, "standard")

    def nats(rows, sd):
        return 0.5 * ((rows / sd) ** 2 + np.log(2 * np.pi * sd**2)).sum(axis=1)

    direct = nats(X - scaling.centre, scaling.factor)
    np.testing.assert_allclose(nats(scaling.forward(X), np.ones(2)) + scaling.log_factor, direct)


def test_whole_numbers_become_float64():
    X = np.arange(6).reshape(3, 2)
    for mode in MODES:
        assert Scaling.fit(X, mode).forward(X).dtype == np.float64


@pytest.mark.parametrize(
    ("X", "mode", "message"),
    [
        (np.ones((2, 2)), "minmax", "scaling 'minmax' is unknown; use one of none, common, standard"),
        (np.ones(3), "common", r"not an array of shape \(3,\)"),
        (np.ones((0, 3)), "common", r"not an array of shape \(0, 3\)"),
        (np.array([[1e200], [-1e200]]), "standard", "too large to be squared; divide the data first"),
    ],
)
def test_refusals(X, mode, message):
    with pytest.raises(ValueError, match=message):
        Scaling.fit(X, mode)


def test_refuses_rows_of_another_shape_and_damaged_values():
    scaling = Scaling.fit(np.ones((2, 2)), "common")
    with pytest.raises(ValueError, match=r"rows of shape \(3,\) do not fit"):
        scaling.forward(np.ones((1, 3)))
    with pytest.raises(ValueError, match="not the values of a scaling"):
        Scaling.from_dict({**scaling.to_dict(), "factor": [0.0, 1.0]})
