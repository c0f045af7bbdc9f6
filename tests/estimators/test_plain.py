"""Answers of plain nets by the kernel are those of torch, with the same bits for a row among any others."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from quick import quick, rows, unit_rows

from isthmus import Trainer, native
from isthmus.estimators.plain import plain
from isthmus.parts import (
    KL,
    Bernoulli,
    Conv,
    Dense,
    Normal,
    Rectified,
    ScaledNormal,
    Sigmoid,
    Tanh,
    TopK,
    Undercomplete,
    Variational,
)

pytestmark = pytest.mark.skipif(native.library() is None, reason="the kernel was not built: no C compiler")
NAMES = ("codes", "reconstructions", "errors", "doubts", "scores")
# Widths that are whole vectors of 16, and not; more than 64 vectors; one column.
WIDTHS = (1, 3, 16, 33, 1100)
KNOWN = {
    "linear": {"bottleneck": Undercomplete()},
    "sigmoid code": {"bottleneck": Sigmoid(), "architecture": Dense((20,), activation="tanh")},
    "tanh code": {"bottleneck": Tanh(), "architecture": Dense((17, 5), activation="leaky_relu")},
    "rectified code": {"bottleneck": Rectified(), "architecture": Dense((16,), activation="sigmoid")},
    "no bias": {"bottleneck": Undercomplete(), "architecture": Dense((20,), bias=False)},
    "dropped units": {"bottleneck": Undercomplete(), "architecture": Dense((20,), dropout=0.5)},
    "silu": {"bottleneck": Undercomplete(), "architecture": Dense((20, 9), activation="silu", shortcut=True)},
    "tied": {"bottleneck": Undercomplete(), "architecture": Dense((20, 9), tied=True)},
    "straight": {"bottleneck": Tanh(), "architecture": Dense((20, 8), shortcut=True)},
    "a scale": {"bottleneck": Undercomplete(), "likelihood": Normal(scale=0.3)},
    "logits": {"bottleneck": Undercomplete(), "likelihood": Bernoulli()},
}
CONVOLVED = {
    "pictures": {"architecture": Conv((5, 3)), "bottleneck": Undercomplete(), "shape": (1, 8, 8)},
    "maps": {"architecture": Conv((9, 4), head="map"), "bottleneck": Rectified(), "shape": (3, 4, 8)},
    "logits": {
        "architecture": Conv((4,), head="direct"),
        "bottleneck": Sigmoid(),
        "likelihood": Bernoulli(),
        "shape": (1, 6, 6),
    },
    "strides": {
        "architecture": Conv((4, 3), down="stride", head="direct"),
        "bottleneck": Rectified(),
        "shape": (1, 7, 7),
    },
    "signals": {"architecture": Conv((4, 6), activation="tanh"), "bottleneck": Tanh(), "shape": (2, 16)},
}
UNKNOWN = {
    "a code that selects": {"bottleneck": TopK(2)},
    "a code that is drawn": {"bottleneck": Variational(), "penalties": (KL(),)},
    "a scale that is learnt": {"bottleneck": Undercomplete(), "likelihood": ScaledNormal()},
    "an activation": {"bottleneck": Undercomplete(), "architecture": Dense((8,), activation="gelu")},
    "a norm": {"bottleneck": Undercomplete(), "architecture": Dense((8,), norm="layer")},
    "double precision": {"bottleneck": Undercomplete(), "trainer": Trainer(epochs=1, precision="float64")},
}


def fitted(width=6, n=90, **parts):
    """Return a model and rows that it has not seen."""
    make = unit_rows if isinstance(parts.get("likelihood"), Bernoulli) else rows
    parts = {"architecture": Dense((12,)), **parts}
    return quick(min(3, width), **parts).fit(make(n, width)), make(2000, width, seed=1).astype("float32")


def last_bias(network):
    """Return the bias of the last product."""
    return [layer.bias for layer in network.modules() if hasattr(layer, "bias")][-1]


def by_torch(model, x):
    """Answer without the kernel."""
    answers = model.answers
    answers.__dict__["_plain"] = None
    try:
        return answers.ask(x, *NAMES)
    finally:
        del answers.__dict__["_plain"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("parts", KNOWN.values(), ids=KNOWN)
def test_the_kernel_answers_as_torch_does(parts, width):
    model, x = fitted(width, **parts)
    assert plain(model.objective_) is not None
    for name, found, expected in zip(NAMES, model.answers.ask(x, *NAMES), by_torch(model, x), strict=True):
        close = 1e-5 * max(1.0, np.abs(expected).max())
        assert_allclose(found, expected, rtol=1e-5, atol=close, err_msg=name)


@pytest.mark.parametrize("parts", CONVOLVED.values(), ids=CONVOLVED)
def test_the_kernel_answers_as_torch_does_for_places(parts):
    model, x = fitted(int(np.prod(parts["shape"])), **parts)
    assert plain(model.objective_) is not None and model.engine_ == "native"
    whole = model.answers.ask(x, *NAMES)
    for name, found, expected in zip(NAMES, whole, by_torch(model, x), strict=True):
        close = 1e-5 * max(1.0, np.abs(expected).max())
        assert_allclose(found, expected, rtol=1e-5, atol=close, err_msg=name)
    for some in (slice(0, 1), slice(7, 60), slice(1, 1999), [5, 900, 3]):
        for found, part in zip(whole, model.answers.ask(x[some], *NAMES), strict=True):
            assert_array_equal(part, found[some])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(other.answers.codes(x), whole[0])
    assert model.answers.manner(np.dtype("float64"))[0] == torch.float32
    bias = last_bias(model.objective_.model.encoder)
    bias.data.add_(1.0)
    assert np.abs(model.answers.codes(x) - whole[0]).max() > 0.01


@pytest.mark.parametrize("parts", UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_kernel_does_not_know_is_answered_by_torch(parts):
    model, _ = fitted(**parts)
    assert plain(model.objective_) is None


@pytest.mark.parametrize("parts", KNOWN.values(), ids=KNOWN)
def test_a_row_has_the_same_bits_among_any_others(parts):
    model, x = fitted(13, **parts)
    whole = model.answers.ask(x, *NAMES)
    for some in (slice(0, 1), slice(7, 60), slice(1, 1999), [5, 900, 3]):
        for found, part in zip(whole, model.answers.ask(x[some], *NAMES), strict=True):
            assert_array_equal(part, found[some])
    for name, found in zip(NAMES, whole, strict=True):
        assert_array_equal(model.answers.ask(x, name)[0], found)


def test_float64_rows_are_answered_in_float32():
    model, x = fitted(13)
    assert model.answers.manner(np.dtype("float64"))[0] == torch.float32
    assert_allclose(model.score_samples(x.astype(float)), model.score_samples(x), rtol=1e-6)


@pytest.mark.parametrize("hidden", [False, True])
def test_weights_that_change_are_packed_anew(hidden):
    model, x = fitted()
    before = model.answers.codes(x)
    bias = last_bias(model.objective_.model.encoder)
    # Torch does not count what is changed behind its back.
    (bias.data if hidden else bias.detach()).add_(1.0)
    assert_allclose(model.answers.codes(x), before + 1, rtol=1e-5, atol=1e-5)


def test_models_with_packed_weights_are_copied_and_pickled():
    model, x = fitted()
    before = model.answers.codes(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(other.answers.codes(x), before)


def test_pictures_are_rows():
    x = unit_rows(60, 35).reshape(60, 5, 7)
    model = quick(4, architecture=Dense((9,)), bottleneck=Undercomplete(), likelihood=Bernoulli()).fit(x)
    assert plain(model.objective_) is not None
    flat = by_torch(model, x.reshape(60, 35))
    for found, expected in zip(model.answers.ask(x.reshape(60, 35), *NAMES), flat, strict=True):
        assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(expected).max()))


def test_logits_far_from_zero_have_finite_losses():
    model, x = fitted(likelihood=Bernoulli(), bottleneck=Undercomplete())
    with torch.no_grad():
        last_bias(model.objective_.model.decoder).fill_(300.0)
    found, expected = model.answers.ask(x, "scores")[0], by_torch(model, x)[-1]
    assert np.isfinite(found).all()
    assert_allclose(found, expected, rtol=1e-5)


def test_no_rows():
    model, x = fitted()
    net = plain(model.objective_).net()
    code, out, sums = net.ask(torch.from_numpy(x[:0]), code=True, out=True, loss="squared error")
    assert len(code) == len(out) == len(sums) == 0


def test_layers_that_are_listened_to_are_called():
    model = quick(bottleneck=Undercomplete(), architecture=Dense((20,))).fit(rows())
    known, heard = model.reconstruct(rows()), []
    layer = next(m for m in model.objective_.model.modules() if isinstance(getattr(m, "weight", None), torch.Tensor))
    hook = layer.register_forward_hook(lambda *call: heard.append(call[2].shape))
    assert_allclose(model.reconstruct(rows()), known, rtol=1e-4, atol=1e-5)
    assert heard
    hook.remove()
    count = len(heard)
    assert_array_equal(model.reconstruct(rows()), known)
    assert len(heard) == count


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["none", "common", "standard"])
def test_rows_are_read_wherever_they_lie(scaling, dtype):
    model, x = fitted(13, scaling=scaling)
    rows = x.astype(dtype)
    whole = model.answers.ask(rows, *NAMES)
    wide = np.full((4000, 20), np.nan, dtype)
    wide[::2, 3:16] = rows
    fixed = rows.copy()
    fixed.setflags(write=False)
    for other in (wide[::2, 3:16], np.asfortranarray(rows), fixed):
        for found, same in zip(whole, model.answers.ask(other, *NAMES), strict=True):
            assert_array_equal(found, same)
    assert_array_equal(rows, x.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_wherever_it_stands(value, dtype):
    model, x = fitted(13)
    for row, column in ((0, 0), (1999, 12), (777, 5)):
        rows = x.astype(dtype)
        rows[row, column] = value
        for ask in (model.transform, model.score_samples, model.feature_errors, model.reconstruct):
            with pytest.raises(ValueError, match=rf"row {row}\b"):
                ask(rows)


def test_what_a_likelihood_does_not_admit_is_refused_where_it_is_scored():
    model, x = fitted(13, likelihood=Bernoulli(), bottleneck=Undercomplete())
    for value in (-1e-3, 1.001):
        rows = x.copy()
        rows[1234, 7] = value
        assert np.isfinite(model.transform(rows)).all()
        for ask in (model.score_samples, model.feature_errors):
            with pytest.raises(ValueError, match=r"column 7 holds .* in row 1234"):
                ask(rows)


def test_rows_that_single_precision_cannot_hold_are_answered_in_double():
    model, x = fitted(13, scaling="none", likelihood=Normal())
    rows = x.astype(np.float64)
    rows[3, 2] = 1e200
    codes = model.transform(rows)
    assert np.isfinite(codes).all() and np.abs(codes[3]).max() > 1e150
    assert_allclose(np.delete(codes, 3, 0), np.delete(model.transform(x), 3, 0), rtol=1e-4, atol=1e-4)


def exchanged(model):
    """Exchange parameters for others, as ``load_state_dict(assign=True)`` does."""
    others = {name: weight * 0.5 for name, weight in model.objective_.state_dict().items()}
    model.objective_.load_state_dict(others, assign=True)


CHANGES = {
    "in double precision": lambda model: model.objective_.double(),
    "written to": lambda model: [weight.detach().mul_(0.5) for weight in model.objective_.parameters()],
    "exchanged": exchanged,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_that_a_user_changes_are_those_that_answer(change, dtype):
    model, x = fitted()
    x = x.astype(dtype)
    model.transform(x), model.score_samples(x)  # whatever is kept of the weights is kept now
    change(model)
    assert_allclose(model.transform(x), copy.deepcopy(model).transform(x), rtol=1e-6)
    code = model.objective_.model.encode(
        torch.as_tensor(model.scaling_.forward(x)).to(next(model.objective_.parameters()))
    )
    assert_allclose(model.transform(x), code.mean.detach(), rtol=1e-4, atol=1e-5)
