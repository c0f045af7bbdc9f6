"""Answers come in one walk over chunks: the same numbers as by hand, the same bits in every batch, in little memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from quick import START, quick, rows, unit_rows

from isthmus import Trainer
from isthmus.estimators import chunks
from isthmus.parts import KL, Bernoulli, Dense, Variational
from isthmus.records import Batch

NAMES = ("codes", "reconstructions", "errors", "scores")
WIDE = Dense((64,))


@pytest.fixture(scope="module")
def regular():
    """A model whose layers are whole blocks of any kernel."""
    return quick(16, architecture=WIDE).fit(rows(200, 32))


def by_hand(model, x, dtype):
    """Answer all rows as one batch."""
    objective, scaling = model.answers.objective(dtype), model.scaling_
    with torch.no_grad():
        p = objective.run(Batch(torch.from_numpy((x - scaling.centre) / scaling.factor).to(dtype)), None)
        errors = objective.nll(p).double().numpy() + np.log(scaling.factor)
        mean = objective.likelihood.mean(p.output, objective.memories["likelihood"]).double().numpy()
        divergence = p.posterior.kl().double().numpy() if "density" in model.parts_.bottleneck.provides else 0.0
    return p.code.numpy(), mean * scaling.factor + scaling.centre, errors, -errors.sum(1) - divergence


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["none", "common", "standard"])
def test_one_walk_answers_as_one_batch_does(scaling, precision):
    x = rows(5000, seed=3)
    parts = {"bottleneck": Variational(), "penalties": (KL(),)}
    model = quick(scaling=scaling, trainer=Trainer(epochs=1, precision=precision), **parts).fit(x[:100])
    found = model.answers.ask(x, *NAMES)
    tolerance = 1e-9 if precision == "float64" else 2e-5
    for answer, expected in zip(found, by_hand(model, x, torch.float64), strict=True):
        assert_allclose(answer, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    for name, answer in zip(NAMES, found, strict=True):
        assert_array_equal(model.answers.ask(x, name)[0], answer)


def test_a_model_of_whole_blocks_answers_float64_in_float32(regular):
    dtype, sizes = regular.answers.manner(np.dtype("float64"))
    if not sizes or dtype == torch.float64:
        pytest.skip("products of this machine round by place")
    x = rows(300, 32, seed=1)
    assert_array_equal(regular.transform(x), regular.transform(x).astype("float32"))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 699), min_size=1, max_size=400))
def test_a_row_has_the_same_bits_in_every_batch(regular, picked):
    if regular.answers.manner(np.dtype("float64"))[0] == torch.float64:
        pytest.skip("products of this machine round by place")
    x = rows(700, 32, seed=2)
    for whole, part in zip(regular.answers.ask(x, *NAMES), regular.answers.ask(x[picked], *NAMES), strict=True):
        assert_array_equal(part, whole[picked])


def test_threads_change_no_bit(regular):
    x, before = rows(9000, 32, seed=4), torch.get_num_threads()
    alone = regular.score_samples(x)
    try:
        torch.set_num_threads(3)
        assert_array_equal(regular.score_samples(x), alone)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_sizes_whose_rows_depend_on_their_place_are_left_out():
    probes = torch.linspace(1, 2, 13)[:, None]

    def ask(x):
        return [x + (torch.arange(len(x))[:, None] >= 64) * (len(x) == 256)]

    assert chunks.agreeing(ask, probes, (16, 64)) == (16, 64)
    assert chunks.agreeing(ask, probes, (16, 64, 256)) == ()
    assert chunks.agreeing(lambda x: [x + (len(x) == 16)], probes, (16, 64, 256)) == (64, 256)


def test_a_model_of_float64_is_never_answered_in_less():
    model = quick(16, architecture=WIDE, trainer=Trainer(epochs=1, precision="float64")).fit(rows(200, 32))
    assert model.answers.manner(np.dtype("float64"))[0] == torch.float64


def test_rows_too_large_for_float32_are_answered_in_float64(regular):
    x = rows(20, 32)
    x[7] *= 1e60
    codes = regular.transform(x)
    assert np.isfinite(codes).all() and np.abs(codes[7]).max() > 1e50
    assert_allclose(np.delete(codes, 7, 0), regular.transform(np.delete(x, 7, 0)), rtol=1e-4, atol=1e-4)


def test_a_large_offset_costs_no_digits():
    x = rows(100, 32)
    model = quick(16, architecture=WIDE).fit(x + 1e9)
    moved = (model.scaling_.centre - 1e9)[None]
    near = ((x - moved) / model.scaling_.factor).astype("float32")
    back = (model.reconstruct(x + 1e9) - model.scaling_.centre) / model.scaling_.factor
    with torch.no_grad():
        output = model.answers.objective(torch.float32).run(Batch(torch.from_numpy(near)), None).output
    assert_allclose(back, output, atol=1e-5)


@pytest.mark.parametrize("method", ["transform", "score_samples"])
def test_strange_cells_are_found_in_late_chunks(method):
    x = unit_rows(6000)
    model = quick(likelihood=Bernoulli(), trainer=START).fit(x[:50])
    for value, said in (
        (np.nan, "contains NaN: column 3 has 1 such cell, first in row 5500 "),
        (-np.inf, "contains infinity: column 3"),
    ):
        strange = x.copy()
        strange[5500, 3] = value
        with pytest.raises(ValueError, match=said):
            getattr(model, method)(strange)
    x[5999, 2] = 1.5
    if method == "transform":
        assert np.isfinite(model.transform(x)).all()
    else:
        with pytest.raises(ValueError, match=r"column 2 holds 1\.5 in row 5999 \(from 0\)"):
            model.score_samples(x)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_memory_beside_the_answer_does_not_grow_with_the_rows(precision):
    """Arrays of numpy are counted; what torch holds are a few chunks of one size."""
    x = np.tile(unit_rows(500, 100), (40, 1)).astype(precision)
    model = quick(likelihood=Bernoulli(), trainer=START).fit(x[:500])
    model.score_samples(x[:10])
    tracemalloc.start()
    try:
        answer = model.score_samples(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - answer.nbytes < x.nbytes / 8
