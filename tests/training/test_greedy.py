"""Layer by layer, then the whole: every layer is an autoencoder of what lies below it."""

import pytest
import torch
from fitting import identical, linear, logistic, rows, state

from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Rectified, Sigmoid, Tanh
from isthmus.bottleneck.plain import Overcomplete, Undercomplete
from isthmus.bottleneck.top_k import TopK
from isthmus.bottleneck.variational import Variational
from isthmus.catalogue import from_dict, to_dict
from isthmus.corruption.noise import GaussianNoise, Masking
from isthmus.layers import Dropout, Function
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.categorical import Categorical
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.penalty.orthogonality import Orthogonality
from isthmus.records import Batch, Spec
from isthmus.schedule import Ramp
from isthmus.training import greedy
from isthmus.training.callbacks import Callback
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import SGD, Adam
from isthmus.training.trainer import Trainer

SIZES = (10, 8)


class Watch(Callback):
    """Remember every loop, and the weights of the whole before and after each phase."""

    def __init__(self, whole):
        self.whole, self.loops, self.before, self.after = whole, {}, {}, {}

    def fit_start(self, loop):
        self.loops[loop.phase] = loop
        self.before[loop.phase] = state(self.whole)

    def fit_end(self, loop):
        self.after[loop.phase] = state(self.whole)


def pretrain(task, *, epochs=3, layers=4, data=None, **greedy):
    watch = Watch(task)
    trainer = Trainer(epochs=epochs, batch_size=32, pretraining=Greedy(epochs=layers, **greedy))
    loop = trainer.fit(task, data or rows(), Noise(0), callbacks=[watch])
    return watch, loop


def blocks(task):
    """Return the names of parameters by the layer that they belong to."""
    names = [name for name, _ in task.named_parameters()]
    return [
        {
            name
            for name in names
            if f"encoder.layers.1.layers.{i}." in name or f"decoder.layers.1.layers.{2 - i}." in name
        }
        for i in range(3)
    ]


def test_every_phase_trains_its_own_layer_and_the_last_one_all():
    task = logistic(Dense(SIZES, activation="sigmoid"))
    watch, loop = pretrain(task)
    assert list(watch.loops) == ["layer 1", "layer 2", "layer 3", "fit"] == loop.history.phases
    assert loop is watch.loops["fit"] and loop.phase == "fit"
    for i, block in enumerate(blocks(task)):
        before, after = watch.before[f"layer {i + 1}"], watch.after[f"layer {i + 1}"]
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == block
    # The whole goes on from there: its start must not undo what the layers have learnt.
    assert identical(watch.before["fit"], watch.after["layer 3"])


def test_the_codes_below_are_computed_once_clean_and_with_the_best_weights():
    task = logistic(Dense(SIZES, activation="sigmoid", dropout=0.5))
    watch, loop = pretrain(task, corruption=Masking(0.5))
    first, second = watch.loops["layer 1"], watch.loops["layer 2"]
    model = task.model
    task.load_state_dict(watch.after["layer 1"])
    task.eval()
    with torch.no_grad():
        codes = model.encoder.layers[1].layers[0](model.encoder.layers[0](first.rows.x))
        held = model.encoder.layers[1].layers[0](model.encoder.layers[0](first.held_out.x))
    assert torch.equal(second.rows.x, codes) and torch.equal(second.held_out.x, held)
    assert torch.equal(loop.rows.x, first.rows.x)


def test_a_layer_learns_to_reconstruct_its_inputs():
    _, loop = pretrain(logistic(Dense(SIZES, activation="sigmoid")), epochs=0, layers=20, optimiser=Adam(0.02))
    for phase in loop.history.phases:
        curve = loop.history.curve(phase=phase, part="held_out")
        assert curve[-1] < curve[0] - 0.1


def test_pretraining_helps_a_deep_narrow_net():
    def deep():
        return logistic(Dense((10, 8, 8, 6), activation="sigmoid"), units=4)

    plain, stacked = deep(), deep()
    without = Trainer(epochs=15, batch_size=32, optimiser=Adam(0.01)).fit(plain, rows(), Noise(0))
    trainer = Trainer(epochs=15, batch_size=32, optimiser=Adam(0.01), pretraining=Greedy(epochs=15))
    with_ = trainer.fit(stacked, rows(), Noise(0))
    assert min(with_.history.curve(part="held_out")) < min(without.history.curve(part="held_out")) - 0.3


@pytest.mark.parametrize(
    ("activation", "bottleneck", "likelihood", "stripped"),
    [
        ("sigmoid", Sigmoid(), Bernoulli(), True),
        ("tanh", Tanh(), Normal(), False),
        ("relu", Rectified(), Normal(), False),
        ("leaky_relu", Rectified(slope=0.01), Normal(), False),
        ("elu", Overcomplete(), Normal(), False),
    ],
)
def test_an_activation_that_ends_a_layer_is_its_bottleneck(activation, bottleneck, likelihood, stripped):
    watch, _ = pretrain(linear(Dense(SIZES, activation=activation)))
    first, second, third = (watch.loops[f"layer {i}"].task for i in (1, 2, 3))
    assert first.model.bottleneck == second.model.bottleneck == bottleneck
    assert third.model.bottleneck == Undercomplete()
    assert (first.likelihood, second.likelihood, third.likelihood) == (Normal(), likelihood, likelihood)
    for task in (second, third):
        ends = [layer for layer in task.model.decoder if isinstance(layer, Function)]
        assert bool(ends) != stripped


def test_a_layer_with_dropout_is_the_same_function_of_its_inputs():
    net = Dense(SIZES, activation="sigmoid", dropout=0.4, norm="batch")
    task = logistic(net)
    watch, _ = pretrain(task)
    layer = watch.loops["layer 1"].task.model
    assert isinstance(next(iter(layer.decoder)), Dropout)
    x, noise = rows().x, Noise(3)
    task.train()
    one, other = task.model.encoder.layers, task.model.decoder.layers
    with torch.no_grad():
        coded = one[1].layers[0](one[0](x), noise.at(0))
        whole = other[2](other[1].layers[2](coded, noise))
        stage = layer.decode(layer.encode(layer.stem(Batch(x)), noise.at(0)).mean, noise.at(0))
    torch.testing.assert_close(stage, whole)


PARTS = {
    "denoising": {"corruption": GaussianNoise(0.2)},
    "sparse": {"penalties": (ActivationRate(rho=0.1), L2(1e-3))},
    "contractive": {"penalties": (Contractive(weight=Ramp(0.0, 0.1, epochs=2)),)},
    "short of overlap": {"penalties": (Orthogonality(), L1())},
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("tied", [False, True])
def test_every_layer_has_the_corruption_and_the_penalties(name, tied):
    watch, loop = pretrain(logistic(Dense(SIZES, activation="sigmoid", tied=tied)), **PARTS[name])
    terms = ["reconstruction", *(type(p).__name__.lower() for p in PARTS[name].get("penalties", ()))]
    for row in loop.history.rows[:-3]:
        assert [term.replace("_", "") for term in row["train"]] == [*terms, "loss"]
    assert list(loop.history[-1]["train"]) == ["reconstruction", "loss"]
    for phase in loop.history.phases[:-1]:
        assert watch.loops[phase].task.corruption == PARTS[name].get("corruption", watch.loops["fit"].task.corruption)


def test_the_contraction_of_a_layer_has_its_closed_form():
    watch, _ = pretrain(logistic(Dense(SIZES, activation="sigmoid")), penalties=(Contractive(),))
    task = watch.loops["layer 2"].task
    x = watch.loops["layer 2"].rows.x[:5]
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: task.model.encode(row.unsqueeze(0)).mean[0]))(x)
    value = task.penalties["contractive"](task.run(Batch(x), None).of(task.memories["contractive"]))
    torch.testing.assert_close(value, jacobian.square().sum((1, 2)))
    assert "linear encoder" in task.provides


@pytest.mark.parametrize("bottleneck", [Variational(), TopK(k=2), Sigmoid()], ids=repr)
def test_the_top_layer_has_the_models_own_bottleneck(bottleneck):
    task = linear(Dense(SIZES, activation="tanh"), bottleneck=bottleneck)
    watch, _ = pretrain(task)
    top = watch.loops["layer 3"].task.model
    assert top.bottleneck == bottleneck and top.memory is task.model.memory
    assert top.code_shape == task.model.code_shape == (5,)


def test_a_code_wider_than_the_layer_below_is_judged_by_the_whole():
    watch, _ = pretrain(linear(Dense((3,), activation="tanh"), units=6))
    assert watch.loops["layer 2"].task.model.code_shape == (6,)


def test_strided_convolutions_stack():
    spec = Spec((1, 9, 7), rows=60, provides=frozenset({"numbers", "continuous", "unit interval"}))
    net = Conv((4, 3), down="stride", activation="sigmoid")
    task = Objective(Autoencoder(spec, net, Tanh(), 5, (1, 9, 7), Noise(0)), Bernoulli())
    data = type(rows())(torch.rand(60, 1, 9, 7, generator=torch.Generator().manual_seed(0)))
    watch, loop = pretrain(task, data=data, corruption=Masking(0.2), penalties=(ActivationRate(),))
    assert loop.history.phases == ["layer 1", "layer 2", "layer 3", "fit"]
    assert watch.loops["layer 2"].rows.x.shape[1:] == (4, 5, 4)
    for phase in loop.history.phases:
        curve = loop.history.curve("reconstruction", phase=phase)
        assert curve[-1] < curve[0]


def test_levels_of_categories_stack():
    likelihood = Categorical(levels=3)
    columns = tuple(likelihood.column(f"x{i}") for i in range(6))
    spec = Spec((6,), columns, rows=80, provides=frozenset({"levels"}))
    model = Autoencoder(spec, Dense((5,), activation="tanh"), Undercomplete(), 3, likelihood.outputs(spec), Noise(0))
    task = Objective(model, likelihood)
    x = torch.randint(3, (80, 6), generator=torch.Generator().manual_seed(0)).float()
    watch, _ = pretrain(task, data=type(rows())(x))
    assert watch.loops["layer 1"].task.likelihood == likelihood
    assert watch.loops["layer 2"].rows.x.shape == (72, 5)


def test_the_held_out_rows_of_the_trainer_choose_the_weights_of_every_layer():
    task = logistic(Dense(SIZES, activation="sigmoid"))
    watch, _ = pretrain(task)
    for loop in watch.loops.values():
        assert len(loop.held_out) == 16 and len(loop.rows) == 144
    # Without held-out rows a layer keeps its last weights.
    trainer = Trainer(epochs=2, validation=0, pretraining=Greedy(epochs=2))
    history = trainer.fit(logistic(Dense(SIZES)), rows(), Noise(0)).history
    assert all(row["held_out"] == {} for row in history) and len(history) == 8


def test_weights_and_labels_travel_with_the_codes():
    watch, _ = pretrain(logistic(), data=rows(labels=True, weight=torch.linspace(0.5, 1.5, 160)))
    first, second = watch.loops["layer 1"].rows, watch.loops["layer 2"].rows
    assert torch.equal(first.weight, second.weight) and torch.equal(first.y, second.y)


def test_pretraining_alone_is_a_fit_of_no_epochs():
    task = logistic()
    _, loop = pretrain(task, epochs=0)
    assert loop.history.phases == ["layer 1", "layer 2", "layer 3"] and loop.phase == "fit" and not task.training


def test_its_optimiser_is_its_own_and_all_else_the_trainers():
    trainer = Trainer(
        epochs=2,
        batch_size=16,
        patience=3,
        clip=0.5,
        precision="float64",
        pretraining=Greedy(epochs=5, optimiser=SGD(0.2)),
    )
    watch = Watch(task := logistic())
    trainer.fit(task, rows(), Noise(0), callbacks=[watch])
    first = watch.loops["layer 1"].trainer
    assert first == Trainer(epochs=5, batch_size=16, patience=3, clip=0.5, precision="float64", optimiser=SGD(0.2))
    assert watch.loops["fit"].trainer is trainer
    assert {p.dtype for p in task.parameters()} == {torch.float64}


def test_layers_are_trained_with_noise_of_their_own():
    watch, _ = pretrain(logistic())
    seeds = [loop.noise.seed for loop in watch.loops.values()]
    assert len(set(seeds)) == 4 and watch.loops["fit"].noise.seed == 0


def test_an_interrupted_layer_ends_the_fit(caplog):
    class Interrupt(Callback):
        def epoch_end(self, loop, row):
            if loop.phase == "layer 2":
                raise KeyboardInterrupt

    task = logistic()
    trainer = Trainer(epochs=3, pretraining=Greedy(epochs=3))
    loop = trainer.fit(task, rows(), Noise(0), callbacks=[Interrupt()])
    assert loop.interrupted and loop.phase == "layer 2" and loop.history.phases == ["layer 1", "layer 2"]
    assert not task.training


def test_an_interruption_between_two_layers_ends_the_fit_too(monkeypatch):
    def slow(model, rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(greedy, "codes", slow)
    task = logistic()
    loop = Trainer(epochs=3, pretraining=Greedy(epochs=3)).fit(task, rows(), Noise(0))
    assert loop.interrupted and loop.phase == "layer 1" and len(loop.history) == 3 and not task.training


def test_a_stop_ends_its_phase_only():
    class Stop(Callback):
        def epoch_end(self, loop, row):
            loop.stop = True

    loop = Trainer(epochs=3, pretraining=Greedy(epochs=3)).fit(logistic(), rows(), Noise(0), callbacks=[Stop()])
    assert [row["phase"] for row in loop.history] == ["layer 1", "layer 2", "layer 3", "fit"]


@pytest.mark.parametrize(
    ("task", "greedy", "reason"),
    [
        (lambda: linear(Dense((8,), shortcut=True)), {}, "has no stages: the straight path skips them"),
        (lambda: linear(Conv((4,))), {}, "has no stages: its decoder carries places"),
        (lambda: linear(), {"penalties": (KL(),)}, "KL needs a bottleneck with a density, which Tanh lacks"),
        (
            lambda: linear(Dense((8,), activation="elu")),
            {"penalties": (ActivationRate(),)},
            "needs a bottleneck whose units have a lowest and a highest value, which Overcomplete lacks",
        ),
    ],
)
def test_what_cannot_be_stacked_is_refused(task, greedy, reason):
    with pytest.raises(ValueError, match=reason):
        pretrain(task(), **greedy)


def test_a_layer_that_cannot_be_is_refused_before_any_is_trained():
    task = linear(Dense(SIZES, activation="tanh"))
    with pytest.raises(ValueError, match=r"which Undercomplete lacks; use Sigmoid\(\) or Tanh\(\)"):
        pretrain(task, penalties=(ActivationRate(),))
    fresh = linear(Dense(SIZES, activation="tanh"))
    fresh.start(rows().all())
    assert (
        task.model.encoder.layers[1]
        .layers[0]
        .layers[0]
        .weight.equal(fresh.model.encoder.layers[1].layers[0].layers[0].weight)
    )


def test_it_is_a_part():
    trainer = Trainer(epochs=3, pretraining=Greedy(corruption=Masking(0.1), penalties=(L1(Ramp(0.0, 0.5)), L2(0.1))))
    assert from_dict(Trainer, to_dict(trainer)) == trainer
    assert hash(trainer) == hash(from_dict(Trainer, to_dict(trainer)))
    assert to_dict(trainer)["pretraining"]["type"] == "greedy"
    assert eval(repr(trainer)) == trainer
    assert from_dict(Trainer, {"type": "trainer", "pretraining": "greedy"}).pretraining == Greedy()
