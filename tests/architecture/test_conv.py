"""Convolutional nets: exact sizes at every shape, the notebook's net layer by layer, tying, stages."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isthmus.architecture import Architecture
from isthmus.architecture.conv import Conv
from isthmus.bottleneck.activated import Rectified
from isthmus.bottleneck.plain import Overcomplete, Undercomplete
from isthmus.bottleneck.variational import Variational
from isthmus.catalogue import from_dict, to_dict
from isthmus.grammar import parse
from isthmus.layers import Convolution, Crop, Enlarge, Linear, Pool
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder, parameter_count
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.orthogonality import Orthogonality
from isthmus.records import Batch, Rows, Spec
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import Adam
from isthmus.training.trainer import Trainer

IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
SIGNALS = st.tuples(st.integers(1, 4), st.integers(1, 50))
PLAIN = st.tuples(st.integers(1, 50))
SHAPES = st.one_of(IMAGES, SIGNALS, PLAIN)
WAYS = st.sampled_from([("pool", False), ("stride", False), ("stride", True)])
CONVS = st.builds(
    lambda channels, kernel, head, way, norm, activation: Conv(
        channels, kernel, head, down=way[0], tied=way[1], norm=norm, activation=activation
    ),
    # Normalised over its units, a place of one unit is a constant.
    st.lists(st.integers(2, 5), min_size=1, max_size=4).map(tuple),
    st.sampled_from([1, 2, 3, 4, 5]),
    st.sampled_from(["vector", "map", "direct"]),
    WAYS,
    st.sampled_from(["none", "layer", "batch"]),
    # Smooth everywhere, so that no gradient is zero because all units rest.
    st.sampled_from(["elu", "tanh"]),
)
BOTTLENECKS = st.sampled_from([Overcomplete(), Variational()])


def build(architecture, shape, units=4, bottleneck=None, outputs=None, seed=0):
    spec = Spec(shape, provides=frozenset({"numbers", "continuous", "unit interval"}))
    return Autoencoder(spec, architecture, bottleneck or Overcomplete(), units, outputs or shape, Noise(seed))


def some(*shape, dtype=torch.float64, seed=1):
    return Noise(seed).normal(torch.empty(shape, dtype=dtype))


def primitives(chain, kinds):
    return [layer for layer in chain.modules() if isinstance(layer, kinds)]


# -- laws over all shapes ---------------------------------------------------------------------------------------------


@given(CONVS, SHAPES, BOTTLENECKS)
def test_every_shape_comes_back_exactly_and_every_parameter_has_a_gradient(architecture, shape, bottleneck):
    model = build(architecture, shape, bottleneck=bottleneck).double()
    x = some(3, *shape)
    result = model(Batch(x), noise=Noise(2))
    assert result.features.shape == (3, *bottleneck.features(model.code_shape))
    assert result.code.shape == (3, *model.code_shape)
    assert result.output.shape == x.shape and result.output.dtype == torch.float64
    result.output.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    weights = [p for p in model.parameters() if p.dim() > 1]
    assert all(p.grad.abs().sum() > 0 for p in weights)


@given(CONVS, SHAPES)
def test_the_code_is_what_the_head_says(architecture, shape):
    places = [math.ceil(n / 2 ** len(architecture.channels)) for n in (shape[1:] or shape)]
    expected = (4,) if architecture.head == "vector" else (4, *places)
    assert architecture.code(shape, 4) == expected


@given(CONVS, IMAGES)
def test_outputs_may_have_other_channels_than_the_inputs(architecture, shape):
    outputs = (5 * shape[0], *shape[1:])
    if architecture.tied:
        return
    model = build(architecture, shape, outputs=outputs)
    assert model.decode(some(2, *model.code_shape, dtype=torch.float32)).shape == (2, *outputs)


@given(CONVS, SHAPES)
def test_a_unit_whose_atom_is_zero_writes_nothing(architecture, shape):
    model = build(architecture, shape, units=7).double()
    first = next(layer for layer in model.decoder.modules() if hasattr(layer, "weight"))
    with torch.no_grad():
        # No other size is seven.
        first.weight.movedim(list(first.weight.shape).index(7), 0)[2] = 0.0
    atoms = architecture.atoms(model.decoder)
    assert atoms.shape == (7, first.weight.numel() // 7)
    assert [bool(atom.any()) for atom in atoms] == [True] * 2 + [False] + [True] * 4
    code = some(2, *model.code_shape)
    other = code.clone()
    other[:, 2] += 1.0
    assert torch.equal(model.decode(code), model.decode(other))


def test_volumes_have_three_axes_of_places_and_more_are_refused():
    assert build(Conv((2,), head="map"), (1, 3, 4, 5)).code_shape == (4, 2, 2, 3)
    with pytest.raises(ValueError, match=r"one to three axes of places, not shape \(1, 2, 2, 2, 2\); merge"):
        build(Conv((2,)), (1, 2, 2, 2, 2))


def test_a_plain_row_is_read_as_a_signal():
    row, signal = (build(Conv((3, 2), bias=False), shape) for shape in ((11,), (1, 11)))
    x = some(2, 11, dtype=torch.float32)
    assert torch.equal(row(Batch(x)).output, signal(Batch(x[:, None])).output[:, 0])


def test_columns_of_a_plain_row_have_a_bias_each_which_starts_at_their_mean():
    x = 10.0 * torch.arange(7.0) + some(20, 7, dtype=torch.float32)
    model = build(Conv((3,), down="stride", tied=True), (7,))
    Objective(model, Normal()).start(Batch(x))
    torch.testing.assert_close(model.output_bias().data, x.mean(0))
    assert [name for name, _ in model.decoder.layers[-1].named_parameters()] == ["layers.2.bias"]


def test_a_net_of_one_place_is_a_dense_net():
    """With a single place, only the middle of every kernel is used."""
    model = build(Conv((3,), head="map", down="stride", activation="identity", bias=False), (2, 1, 1)).double()
    middle = [layer.weight[..., layer.kernel // 2, layer.kernel // 2] for layer in primitives(model, Convolution)]
    x = some(5, 2, 1, 1)
    by_hand = x.flatten(1) @ middle[0].T @ middle[1].T
    torch.testing.assert_close(model(Batch(x)).code.flatten(1), by_hand)


# -- the nets that others published -----------------------------------------------------------------------------------


def counts(model):
    return [parameter_count(layer) for layer in primitives(model, (Convolution, Linear))]


def test_the_notebooks_net_layer_by_layer():
    """Conv 16-8-8, a dense layer of 10 at each of 4x4 places, and back to 28x28 with one convolution unpadded."""
    model = build(Conv((16, 8, 8), head="map"), (1, 28, 28), units=10, bottleneck=Rectified())
    assert model.code_shape == (10, 4, 4)
    by_formula = [(1, 16, 3), (16, 8, 3), (8, 8, 3), (8, 10, 1), (10, 8, 3), (8, 8, 3), (8, 16, 3), (16, 1, 3)]
    assert counts(model) == [a * b * k * k + b for a, b, k in by_formula]
    assert counts(model) == [160, 1160, 584, 90, 728, 584, 1168, 145]
    sizes = []
    for layer in primitives(model, (Convolution, Pool, Enlarge)):
        layer.register_forward_hook(lambda _, __, y: sizes.append(y.shape[-1]))
    model(Batch(some(1, 1, 28, 28, dtype=torch.float32)))
    assert sizes == [28, 14, 14, 7, 7, 4, 4, 4, 8, 8, 16, 14, 28, 28]


def test_the_notebooks_net_written_out_in_torch_gives_the_same_numbers():
    model = build(Conv((16, 8, 8), head="map"), (1, 28, 28), units=10, bottleneck=Rectified()).double()

    def conv(a, b, kernel=3, padding=1):
        return nn.Conv2d(a, b, kernel, padding=padding)

    def down():
        return nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)

    net = nn.Sequential(
        *(conv(1, 16), *down(), conv(16, 8), *down(), conv(8, 8), *down(), conv(8, 10, 1, 0), nn.ReLU()),
        *(conv(10, 8), nn.ReLU(), nn.Upsample(scale_factor=2), conv(8, 8), nn.ReLU(), nn.Upsample(scale_factor=2)),
        *(conv(8, 16, 3, 0), nn.ReLU(), nn.Upsample(scale_factor=2), conv(16, 1)),
    ).double()
    theirs = [layer for layer in net if isinstance(layer, nn.Conv2d)]
    for mine, other in zip(primitives(model, Convolution), theirs, strict=True):
        other.load_state_dict(mine.state_dict())
    x = some(3, 1, 28, 28)
    torch.testing.assert_close(model(Batch(x)).output, net(x), rtol=1e-12, atol=1e-12)


def test_the_net_of_the_keras_blog_has_its_4385_parameters_and_128_numbers_of_code():
    model = build(Conv((16, 8, 8), head="direct"), (1, 28, 28), units=8, bottleneck=Rectified())
    assert math.prod(model.code_shape) == 128
    assert counts(model) == [160, 1160, 584, 584, 584, 1168, 145] and sum(counts(model)) == 4385


@pytest.mark.parametrize(
    ("size", "kernel", "unpadded"),
    [
        (28, 3, [False, False, True, False]),
        (32, 3, [False] * 4),
        (25, 3, [False, False, True, True]),
        (27, 3, [False, False, True, False]),
        (1, 3, [False, False, True, True]),
        (25, 5, [False, False, False, True]),
    ],
)
def test_the_excess_of_an_odd_size_pays_for_convolutions_without_padding(size, kernel, unpadded):
    """25, 13, 7, 4 comes back as 4, 8, 16 -> 14, 28 -> 26, of which 25 are kept."""
    model = build(Conv((4, 4, 4), kernel, head="map"), (1, size))
    assert [not all(layer.padded) for layer in primitives(model.decoder, Convolution)] == unpadded
    assert len(primitives(model.decoder, Crop)) == 1


def test_axes_of_different_size_carry_their_excess_apart():
    model = build(Conv((4, 4, 4), head="map"), (3, 28, 32))
    padded = [layer.padded for layer in primitives(model.decoder, Convolution)]
    assert padded == [(True, True), (True, True), (False, True), (True, True)]


# -- strided nets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["vector", "map", "direct"])
@pytest.mark.parametrize("bottleneck", [Undercomplete(), Variational()])
def test_a_tied_net_without_bias_is_a_gram_matrix(head, bottleneck):
    """Linear and tied, g f = W^T W: <g f x, y> = <x, g f y>; with two numbers per unit, W is the mean's."""
    net = Conv((3, 2), head=head, down="stride", tied=True, bias=False, activation="identity")
    model = build(net, (2, 7, 5), bottleneck=bottleneck).double()
    x, y = some(1, 2, 7, 5), some(1, 2, 7, 5, seed=2)
    there, back = model(Batch(x)).output, model(Batch(y)).output
    torch.testing.assert_close((there * y).sum(), (x * back).sum())
    assert not primitives(model.decoder, (Convolution, Linear)) and not list(model.decoder.parameters())


@pytest.mark.parametrize("head", ["vector", "map", "direct"])
@pytest.mark.parametrize("tied", [False, True])
def test_stages_pair_each_level_with_the_one_that_undoes_it(head, tied):
    net = Conv((4, 3), head=head, down="stride", tied=tied)
    model = build(net, (2, 9, 6)).double()
    stages = net.stages(model.encoder, model.decoder)
    assert len(stages) == (2 if head == "direct" else 3)
    x = some(2, 2, 9, 6)
    for encoder, decoder in stages:
        code = encoder(x)
        assert decoder(code).shape == x.shape
        x = code
    assert torch.equal(x, model.encode(some(2, 2, 9, 6)).mean)


def test_stages_of_a_pooled_net_are_refused():
    net = Conv()
    model = build(net, (1, 9, 9))
    with pytest.raises(ValueError, match=r"no stages: its decoder carries places .* use down='stride'"):
        net.stages(model.encoder, model.decoder)
    assert "stages" not in net.provides and "stages" in Conv(down="stride").provides


# -- the description --------------------------------------------------------------------------------------------------


def test_tied_weights_are_refused_where_there_is_no_adjoint_or_another_shape():
    with pytest.raises(ValueError, match=r"tied=True needs an adjoint, which pooling lacks; use down='stride'"):
        Conv(tied=True)
    assert Conv(tied=True, down="stride").requires == {"outputs shaped as inputs"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": ()}, "no level to convolve"),
        ({"channels": (8, 0)}, r"holds 0; give whole numbers from 1 up"),
        ({"channels": (8.5,)}, "is not a tuple of whole numbers"),
        ({"kernel": 0}, "at least 1"),
        ({"head": "vektor"}, "did you mean 'vector'"),
        ({"down": "max"}, "known: pool, stride"),
        ({"dropout": 1.0}, "between 0 and 0.99"),
    ],
)
def test_fields_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        Conv(**fields)


def test_it_is_a_value_that_prints_hashes_and_turns_into_json_and_back():
    net = Conv((16, 8), 5, "map", dropout=0.1)
    assert repr(net) == "Conv(channels=(16, 8), kernel=5, head='map', dropout=0.1)"
    assert eval(repr(net)) == net and hash(net) == hash(copy.copy(net))
    assert from_dict(Architecture, to_dict(net)) == net
    assert parse(Architecture, "conv:channels=(16,8),kernel=5,head=map,dropout=0.1") == net
    assert Conv(channels=7).channels == (7,)


def test_dropout_draws_from_the_noise_while_fitting_and_rests_in_use(untouched_generators):
    model = build(Conv((4,), dropout=0.5), (1, 8, 8)).double()
    x = some(2, 1, 8, 8)
    model.train()
    drawn = [model(Batch(x), noise=Noise(seed)).output for seed in (3, 3, 4)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    model.eval()
    assert torch.equal(model(Batch(x), noise=Noise(3)).output, model(Batch(x)).output)


def test_one_seed_gives_the_same_weights_and_another_gives_others(untouched_generators):
    first, again, other = (build(Conv(), (1, 12, 12), seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


# -- through the loop -------------------------------------------------------------------------------------------------


def bars(rows, side=10):
    """Images of one bright column and one bright row each."""
    at = (Noise(7).uniform(torch.empty(rows, 2)) * side).long()
    x = torch.zeros(rows, 1, side, side)
    x[torch.arange(rows), 0, at[:, 0], :] = 1.0
    x[torch.arange(rows), 0, :, at[:, 1]] = 1.0
    return x


@pytest.mark.parametrize(
    "net",
    [Conv((8, 8)), Conv((8, 8), head="map"), Conv((8, 8), head="direct", norm="batch"), Conv((8, 8), down="stride")],
    ids=repr,
)
def test_it_learns_pictures(net, untouched_generators):
    x = bars(512)
    model = build(net, (1, 10, 10), units=8)
    objective = Objective(model, Bernoulli())
    Trainer(epochs=10, batch_size=32, validation=0, optimiser=Adam(learning_rate=0.01)).fit(
        objective, Rows(x), Noise(0)
    )
    with torch.no_grad():
        nll = objective.nll(objective.run(Batch(x), None)).mean()
    rate = x.mean()
    assert nll < 0.5 * -(rate * rate.log() + (1 - rate) * (1 - rate).log())


def test_the_output_bias_starts_at_the_mean_of_each_channel():
    x = torch.stack([torch.full((6, 6), 0.25), torch.full((6, 6), 4.0)]).expand(20, 2, 6, 6)
    model = build(Conv((3,)), (2, 6, 6))
    Objective(model, Normal()).start(Batch(x))
    torch.testing.assert_close(model.output_bias().data, torch.tensor([0.25, 4.0]))


def test_strided_levels_are_pretrained_one_by_one():
    model = build(Conv((8, 8), head="map", down="stride"), (1, 10, 10), units=4)
    greedy = Greedy(epochs=2, penalties=(Orthogonality(),))
    loop = Trainer(epochs=1, batch_size=32, pretraining=greedy).fit(
        Objective(model, Bernoulli()), Rows(bars(64)), Noise(0)
    )
    phases = [row["phase"] for row in loop.history.rows]
    assert phases == ["layer 1"] * 2 + ["layer 2"] * 2 + ["layer 3"] * 2 + ["fit"]
    assert all("orthogonality" in row["train"] for row in loop.history.rows[:-1])
