"""Layers over places: sizes, adjoints and initial weights, for every size, kernel and number of axes."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.layers import Adjoint, Convolution, Crop, Enlarge, Pool, Transposed
from isthmus.noise import Noise

PLACES = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
STRIDES = st.integers(1, 2)
KERNELS = st.integers(1, 5)


def drawn(layer):
    layer.reset(Noise(0))
    return layer.double()


def some(*shape):
    return Noise(1).normal(torch.empty(shape, dtype=torch.float64))


@given(PLACES, KERNELS, STRIDES)
def test_a_convolution_gives_the_places_divided_by_the_stride_rounded_up(places, kernel, stride):
    layer = drawn(Convolution(2, 3, kernel, (True,) * len(places), stride=stride))
    assert layer(some(4, 2, *places)).shape == (4, 3, *[math.ceil(n / stride) for n in places])


@given(PLACES, KERNELS)
def test_an_axis_without_padding_loses_what_the_kernel_covers(places, kernel):
    layer = drawn(Convolution(2, 3, kernel, (False,) * len(places)))
    grown = [n + kernel - 1 for n in places]
    assert layer(some(4, 2, *grown)).shape == (4, 3, *places)


def test_a_convolution_is_the_sum_over_the_kernel():
    """Oracle: the sum written out, for an even kernel, where the odd zero stands behind."""
    layer = drawn(Convolution(1, 1, 4, (True,)))
    x, w = some(1, 1, 6), layer.weight[0, 0]
    padded = torch.cat([torch.zeros(1).double(), x[0, 0], torch.zeros(2).double()])
    by_hand = torch.stack([(padded[i : i + 4] * w).sum() for i in range(6)])
    torch.testing.assert_close(layer(x)[0, 0], by_hand)


@given(PLACES, KERNELS, STRIDES)
def test_the_tied_layer_is_the_exact_adjoint(places, kernel, stride):
    """<W * x, y> = <x, W^T * y> for every x and y."""
    layer = drawn(Convolution(2, 3, kernel, (True,) * len(places), stride=stride, bias=False))
    back = Adjoint(layer, places, bias=False)
    x = some(1, 2, *places)
    y = Noise(2).normal(layer(x))
    torch.testing.assert_close((layer(x) * y).sum(), (x * back(y)).sum(), rtol=1e-10, atol=1e-10)


@given(PLACES, KERNELS, STRIDES)
def test_a_transposed_layer_leads_to_exactly_the_places_it_is_told(places, kernel, stride):
    below = [math.ceil(n / stride) for n in places]
    layer = drawn(Transposed(3, 2, kernel, places, stride=stride))
    assert layer(some(4, 3, *below)).shape == (4, 2, *places)


def test_a_transposed_layer_with_the_weights_of_a_convolution_is_its_tied_layer():
    layer = drawn(Convolution(2, 3, 3, (True, True), stride=2, bias=False))
    free, tied = Transposed(3, 2, 3, (5, 8), stride=2, bias=False).double(), Adjoint(layer, (5, 8), bias=False)
    with torch.no_grad():
        free.weight.copy_(layer.weight)
    y = some(1, 3, 3, 4)
    torch.testing.assert_close(free(y), tied(y))


def test_the_tied_layer_owns_no_weight_and_sends_its_gradient_to_the_owner():
    layer = drawn(Convolution(2, 3, 3, (True,)))
    back = Adjoint(layer, (4,)).double()
    assert [name for name, _ in back.named_parameters()] == ["bias"]
    back(some(1, 3, 4)).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_a_copy_of_both_ties_the_copies():
    layer = drawn(Convolution(2, 3, 3, (True,)))
    pair = torch.nn.ModuleList([layer, Adjoint(layer, (4,)).double()])
    twin = copy.deepcopy(pair)
    with torch.no_grad():
        twin[0].weight.zero_()
    assert not twin[1].weight.any() and pair[1].weight.any()


@given(PLACES)
def test_pooling_takes_the_largest_of_every_two_neighbours(places):
    x = some(2, 3, *places)
    pooled = Pool()(x)
    assert pooled.shape == (2, 3, *[math.ceil(n / 2) for n in places])
    corner = x[(slice(None), slice(None), *[slice(0, 2)] * len(places))]
    torch.testing.assert_close(pooled.flatten(2)[..., 0], corner.flatten(2).amax(2))


@given(PLACES)
def test_pooling_undoes_enlarging(places):
    x = some(2, 3, *places)
    large = Enlarge()(x)
    assert large.shape == (2, 3, *[2 * n for n in places])
    assert torch.equal(Pool()(large), x)


def test_cropping_keeps_the_first_places_and_drops_numbers_that_are_too_many():
    x = torch.arange(12.0).reshape(1, 2, 6)
    assert torch.equal(Crop((3,), (2, 3))(x), x[..., :3])
    assert torch.equal(Crop((3,), (5,))(x), torch.tensor([[0.0, 1.0, 2.0, 6.0, 7.0]]))


@pytest.mark.parametrize("init", ["he", "lecun", "torch", "glorot", "orthogonal", "zeros"])
def test_initial_weights_count_the_kernel_in_their_fan_in(init):
    spread = {"he": 2 / 72, "lecun": 1 / 72, "torch": 1 / 72 / 3, "glorot": 2 / (72 + 576)}
    for layer in (Convolution(8, 64, 3, (True, True), init=init), Transposed(8, 64, 3, (6, 6), init=init)):
        layer.reset(Noise(3))
        weight = layer.weight if isinstance(layer, Convolution) else layer.weight.transpose(0, 1)
        if init == "orthogonal":
            flat = weight.flatten(1)
            torch.testing.assert_close(flat @ flat.T, torch.eye(64), atol=1e-5, rtol=0)
        elif init == "zeros":
            assert not weight.any()
        else:
            assert weight.var().item() == pytest.approx(spread[init], rel=0.1)
        assert bool(layer.bias.any()) == (init == "torch")
