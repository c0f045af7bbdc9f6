"""A user's own modules: weights and generators left alone, buffers moved once per step, shapes checked."""

import copy
import json

import pytest
import torch
from torch import nn

from isthmus.architecture import Architecture
from isthmus.architecture.conv import Conv
from isthmus.architecture.given import Given
from isthmus.bottleneck.plain import Overcomplete
from isthmus.bottleneck.variational import Variational
from isthmus.catalogue import from_dict, to_dict
from isthmus.layers import Chain, Dropout
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.l2 import L2
from isthmus.records import Batch, Rows, Spec
from isthmus.training.trainer import Trainer


@pytest.fixture(autouse=True)
def settled_generator():
    """Modules are made with torch's generator; give it back as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def nets(*, dropout=0.0, norm=False, features=3):
    middle = [nn.Dropout(dropout)] if dropout else []
    encoder = nn.Sequential(nn.Linear(6, 5), *([nn.BatchNorm1d(5)] if norm else []), nn.ReLU(), *middle)
    return nn.Sequential(*encoder, nn.Linear(5, features)), nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 6))


def build(architecture, shape=(6,), units=3, bottleneck=None, outputs=None):
    spec = Spec(shape, provides=frozenset({"numbers", "continuous"}))
    return Autoencoder(spec, architecture, bottleneck or Overcomplete(), units, outputs or shape, Noise(0))


def rows(n=40, *shape, seed=1):
    return Noise(seed).normal(torch.empty(n, *(shape or (6,))))


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- weights ----------------------------------------------------------------------------------------------------------


def test_the_model_starts_from_the_users_weights_and_starting_values_leave_them():
    encoder, decoder = nets(norm=True)
    model = build(Given(encoder, decoder))
    Objective(model, Normal()).start(Batch(rows() + 5.0))
    x = rows()
    assert torch.equal(model.eval()(Batch(x)).output, decoder.eval()(encoder.eval()(x)))


def test_a_fit_changes_the_copy_and_never_the_users_modules():
    encoder, decoder = nets(norm=True, dropout=0.2)
    before = state(encoder), state(decoder)
    model = build(Given(encoder, decoder))
    objective = Objective(model, Normal())
    start = state(model)
    Trainer(epochs=2, validation=0).fit(objective, Rows(rows()), Noise(0))
    assert same(before[0], state(encoder)) and same(before[1], state(decoder))
    assert encoder.training and decoder.training
    assert not any(torch.equal(start[name], tensor) for name, tensor in state(model).items() if "weight" in name)


def test_frozen_modules_keep_weights_and_moments_while_other_parts_learn():
    encoder, decoder = nets(norm=True, dropout=0.5)
    model = build(Given(encoder, decoder, trained=False))
    before = state(model)
    assert not [name for name, p in model.named_parameters() if p.requires_grad]
    model.train()
    x = rows()
    outputs = [model(Batch(x), noise=Noise(seed)).output for seed in (1, 2)]
    assert torch.equal(*outputs) and torch.equal(outputs[0], decoder.eval()(encoder.eval()(x)))
    assert same(before, state(model))


def test_frozen_modules_alone_leave_nothing_to_train():
    objective = Objective(build(Given(*nets(), trained=False)), Normal())
    with pytest.raises(
        ValueError, match=r"nothing to train: every parameter is frozen; use Given\(..., trained=True\)"
    ):
        Trainer(epochs=1).fit(objective, Rows(rows()), Noise(0))


def test_parameters_that_the_user_froze_stay_frozen():
    encoder, decoder = nets()
    encoder.requires_grad_(False)
    model = build(Given(encoder, decoder))
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"decoder"}
    assert "trainable weights" in Given(encoder, decoder).provides
    assert "trainable weights" not in Given(encoder, decoder.requires_grad_(False)).provides


def test_weights_that_encoder_and_decoder_share_stay_shared():
    encoder, decoder = nn.Linear(6, 3), nn.Linear(3, 6)
    decoder.weight = nn.Parameter(torch.zeros(6, 3))

    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.mirror = encoder

        def forward(self, code):
            return code @ self.mirror.weight

    model = build(Given(encoder, Turned()))
    assert model.encoder.layers[0].module.weight is model.decoder.layers[0].module.mirror.weight
    assert model.encoder.layers[0].module.weight is not encoder.weight


def test_weight_decay_is_refused_where_all_is_frozen():
    with pytest.raises(ValueError, match="L2 needs an architecture with weights to train, which Given lacks"):
        Objective(build(Given(*nets(), trained=False)), Normal(), [L2()])


# -- noise and buffers ------------------------------------------------------------------------------------------------


def test_dropout_draws_from_the_noise_and_leaves_the_global_generator(untouched_generators):
    with torch.random.fork_rng(devices=[]):
        model = build(Given(*nets(dropout=0.5)))
    x = rows()
    drawn = [model.train()(Batch(x), noise=Noise(seed)).output for seed in (3, 3, 4)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(model(Batch(x)).output, model.eval()(Batch(x)).output)


def test_a_module_that_draws_in_use_too_gives_the_same_answer_twice(untouched_generators):
    class Restless(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    model = build(Given(Restless(), nn.Identity()), units=6).eval()
    x = rows()
    assert torch.equal(model(Batch(x)).output, model(Batch(x)).output)


def test_running_moments_move_once_per_step_however_often_a_penalty_encodes():
    encoder, decoder = nets(norm=True)
    model = build(Given(encoder, decoder)).train()
    objective = Objective(model, Normal())
    x, before = rows(), state(model)
    _, tallies = objective(Batch(x), Noise(1), 0.0)
    model.encode(x, Noise(2))
    assert same(before, state(model))
    objective.learn(tallies)
    encoder.train()(x)
    mine, theirs = model.encoder.layers[0].module[1], encoder[1]
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(getattr(mine, name), getattr(theirs, name)), name


def test_moments_of_several_processes_are_averaged():
    encoder, decoder = nets(norm=True)
    model = build(Given(encoder, decoder)).train()
    layer = model.encoder.layers[0]
    tallies = []
    for seed in (1, 2):
        layer(rows(seed=seed), Noise(0))
        tallies.append(layer.tally())
    with torch.no_grad():
        layer.learn({name: tallies[0][name] + tallies[1][name] for name in tallies[0]})
    mean = (rows(seed=1) @ encoder[0].weight.T + rows(seed=2) @ encoder[0].weight.T).mean(0) / 2 + encoder[0].bias
    torch.testing.assert_close(layer.module[1].running_mean, 0.1 * mean)
    assert layer.module[1].num_batches_tracked == 1


def test_a_buffer_that_is_replaced_is_noted_as_one_that_is_filled():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            if self.training:
                self.calls = self.calls + 1
            return x

    layer = build(Given(Counting(), nn.Identity()), units=6).encoder.layers[0].train()
    layer(rows(), Noise(0))
    layer(rows(), Noise(0))
    assert layer.module.calls == 0
    layer.learn(layer.tally())
    assert layer.module.calls == 1


def test_encoder_and_decoder_of_another_model_keep_their_weights_and_hear_the_noise(untouched_generators):
    first = build(Conv((4,), dropout=0.5), (1, 6, 6))
    model = build(Given(first.encoder, first.decoder), (1, 6, 6))
    x = rows(4, 1, 6, 6)
    assert torch.equal(model.eval()(Batch(x)).output, first.eval()(Batch(x)).output)
    drawn = [model.train()(Batch(x), noise=Noise(seed)).output for seed in (3, 4)]
    assert not torch.equal(*drawn)


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_maps_have_the_places_that_the_encoder_returns():
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 2 * 2, 1))
    decoder = nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1)
    model = build(Given(encoder, decoder), (1, 8, 6), units=2, bottleneck=Variational())
    assert model.code_shape == (2, 4, 3)
    assert model(Batch(rows(3, 1, 8, 6)), noise=Noise(0)).output.shape == (3, 1, 8, 6)


def test_modules_of_double_precision_are_tried_in_it():
    encoder, decoder = nets()
    assert build(Given(encoder.double(), decoder.double())).code_shape == (3,)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (lambda: Given(*nets(features=4)), r"encoder returns \(4,\) for rows of shape \(6,\), but .* needs \(3,\)"),
        (lambda: Given(nets()[0], nn.Linear(3, 7)), r"decoder returns \(7,\) for .* \(3,\), but .* needs \(6,\)"),
        (lambda: Given(nn.Linear(9, 3), nets()[1]), r"encoder cannot read rows of shape \(6,\) \(.*\); change its"),
        (lambda: Given(nets()[0], nn.Linear(2, 6)), r"decoder cannot read rows of shape \(3,\)"),
        (lambda: Given(Pair(), nets()[1]), "encoder returns a tuple; it must return one tensor"),
        (lambda: Given(nn.Flatten(0), nets()[1]), r"returns shape \(12,\) for 2 rows .* it must return \(rows, "),
        (lambda: Given(), r"no modules; use Given\(encoder, decoder\), and to read a saved model load\(path, "),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_what_was_found_and_what_is_needed(architecture, message):
    with pytest.raises(ValueError, match=message):
        build(architecture())


def test_two_numbers_per_unit_are_asked_for_by_a_variational_bottleneck():
    with pytest.raises(ValueError, match=r"returns \(3,\) .* the bottleneck needs \(6,\) for a code of shape \(3,\)"):
        build(Given(*nets()), bottleneck=Variational())
    assert build(Given(*nets(features=6)), bottleneck=Variational()).code_shape == (3,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"encoder": "resnet"}, r"encoder='resnet' is not a torch module; give an instance of torch.nn.Module"),
        ({"decoder": nn.Linear}, "is not a torch module; give an instance"),
        ({"encoder": nn.LazyLinear(3)}, "the encoder has lazy layers of unknown shape; call it once"),
    ],
)
def test_what_is_no_module_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Given(**fields)


# -- the description --------------------------------------------------------------------------------------------------


def test_it_is_equal_by_identity_of_its_modules_and_shared_by_copies():
    encoder, decoder = nets()
    part = Given(encoder, decoder)
    assert part == Given(encoder, decoder) and hash(part) == hash(Given(encoder, decoder))
    assert part != Given(copy.deepcopy(encoder), decoder) and part != Given(encoder, decoder, trained=False)
    assert copy.deepcopy(part) == part and part.at(3.0) is part
    assert repr(part) == "Given(Sequential(...), Sequential(...))"
    assert repr(Given()) == "Given()"


def test_json_holds_the_name_and_not_the_modules():
    text = json.dumps(to_dict(Given(*nets(), trained=False)))
    assert text == '{"type": "given", "trained": false}'
    assert from_dict(Architecture, json.loads(text)) == Given(trained=False)


def test_deeper_chains_of_ours_inside_a_torch_module_rest_without_noise():
    encoder = nn.Sequential(Chain(Dropout(0.5)), nn.Linear(6, 3))
    model = build(Given(encoder, nets()[1])).train()
    x = rows()
    torch.testing.assert_close(model.encode(x, Noise(1)).mean, encoder[1](x))
