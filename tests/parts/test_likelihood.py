"""Likelihoods are distributions: they score in nats, and their means, samples and starts agree with their scores."""

import math

import pytest
import torch
from tiny import model_of, spec_of
from torch import distributions as known

from isthmus.component import Memory
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import (
    Bernoulli,
    Categorical,
    Conv,
    Dense,
    Given,
    Normal,
    Overcomplete,
    Poisson,
    ScaledNormal,
)
from isthmus.records import Batch, Column, Spec

ROWS = 50


def outputs_and_uniform(*shape):
    """Return decoder outputs and uniform numbers of one shape."""
    like = torch.empty(ROWS, *shape, dtype=torch.float64)
    return Noise(1).normal(like), Noise(2).uniform(like)


def learnt(likelihood, spec, log_scale=None):
    """Return the memory of a likelihood, with a learnt scale."""
    memory = likelihood.memory(spec, (2,)).double()
    if log_scale is not None:
        memory.log_scale.data.copy_(log_scale)
    return memory


def test_normal_scores_as_the_normal_distribution():
    output, u = outputs_and_uniform(7)
    expected = -known.Normal(output, 0.3).log_prob(u)
    assert torch.allclose(Normal(0.3).nll(output, u, Memory()), expected)
    logistic = -known.Normal(torch.sigmoid(output), 1.0).log_prob(u)
    assert torch.allclose(Normal(link="logistic").nll(output, u, Memory()), logistic)


@pytest.mark.parametrize("shared", [False, True])
def test_a_learnt_scale_scores_as_the_normal_distribution(shared):
    output, u = outputs_and_uniform(4)
    likelihood = ScaledNormal(shared=shared, floor=0.25)
    memory = learnt(likelihood, Spec((4,)), torch.tensor([-0.5]) if shared else torch.tensor([-1.0, 0.0, 0.5, -9.0]))
    scale = ((2 * memory.log_scale).exp() + 0.25**2).sqrt()
    assert torch.allclose(likelihood.nll(output, u, memory), -known.Normal(output, scale).log_prob(u))


def test_bernoulli_scores_as_the_bernoulli_distribution():
    output, u = outputs_and_uniform(2, 3, 3)
    ones = (u < 0.4).double()
    assert torch.allclose(Bernoulli().nll(output, ones, Memory()), -known.Bernoulli(logits=output).log_prob(ones))
    grey = Bernoulli().nll(output, u, Memory())
    p = torch.sigmoid(output)
    assert torch.allclose(grey, -(u * p.log() + (1 - u) * (1 - p).log()))


def test_bernoulli_is_finite_at_certain_outputs():
    output = torch.tensor([-1e4, 1e4], dtype=torch.float64)
    assert torch.allclose(
        Bernoulli().nll(output, torch.tensor([0.0, 0.0]).double(), Memory()), torch.tensor([0.0, 1e4]).double()
    )


def test_poisson_scores_as_the_poisson_distribution():
    output, u = outputs_and_uniform(5)
    counts = (6 * u).floor()
    assert torch.allclose(Poisson().nll(output, counts, Memory()), -known.Poisson(output.exp()).log_prob(counts))


@pytest.mark.parametrize("places", [(), (4,), (3, 2)])
def test_categorical_scores_as_the_categorical_distribution(places):
    columns, levels = 3, 4
    output, u = outputs_and_uniform(columns * levels, *places)
    x = (levels * u[:, :columns]).floor()
    blocks = output.reshape(ROWS, columns, levels, *places).movedim(2, -1)
    expected = -known.Categorical(logits=blocks).log_prob(x)
    nll = Categorical(levels).nll(output, x, Memory())
    assert nll.shape == x.shape and torch.allclose(nll, expected)
    assert torch.equal(Categorical(levels).mean(output, Memory()), blocks.argmax(-1).double())


def test_outputs_of_categories_lie_as_the_encoders_indicators_do():
    columns = tuple(Column(name, "category", 3) for name in "ab")
    spec = Spec((2,), columns, provides=frozenset({"levels"}))
    x = torch.tensor([[0.0, 2.0], [1.0, 1.0]], dtype=torch.float64)
    likelihood = Categorical(3)
    model = model_of(Dense(()), Overcomplete(), x, likelihood=likelihood, spec=spec)
    certain = 50 * model.present(x)
    assert torch.equal(likelihood.mean(certain, Memory()), x)
    assert float(likelihood.nll(certain, x, Memory()).max()) < 1e-12


def test_the_number_of_levels_comes_from_the_data_where_it_is_not_given():
    x = torch.tensor([[0.0, 2.0], [1.0, 1.0]])
    assert Categorical().suited(x) == Categorical(3) and Categorical(5).suited(x) == Categorical(5)
    with pytest.raises(
        ValueError, match=r"Categorical\(levels=5\) does not say how many levels the data has; give levels=3"
    ):
        Categorical(5).outputs(Spec((2,), (Column("a", "category", 3),) * 2))
    with pytest.raises(ValueError, match=r"Categorical\(\) does not say how many levels"):
        Categorical().outputs(Spec((2,)))


@pytest.mark.parametrize(
    "likelihood",
    [Normal(0.3), Normal(0.3, link="logistic"), ScaledNormal(), ScaledNormal(shared=True), Bernoulli(), Poisson()],
)
def test_samples_have_the_stated_mean(likelihood):
    output = Noise(3).normal(torch.empty(1, 5, dtype=torch.float64)).expand(20000, 5)
    memory = learnt(likelihood, Spec((5,)))
    drawn = likelihood.sample(output, Noise(4), memory)
    error = (drawn - likelihood.mean(output, memory)).mean(0)
    assert (error.abs() < 5 * drawn.std(0) / math.sqrt(20000)).all()
    assert likelihood.supports(drawn).all()


def test_samples_of_categories_have_the_stated_shares():
    output = Noise(3).normal(torch.empty(1, 6, dtype=torch.float64)).expand(20000, 6)
    drawn = Categorical(3).sample(output, Noise(4), Memory())
    shares = torch.stack([(drawn == level).double().mean(0) for level in range(3)], dim=1)
    expected = torch.softmax(output[0].reshape(2, 3), dim=1)
    assert (shares - expected).abs().max() < 5 * 0.5 / math.sqrt(20000)


REAL = torch.linspace(-12, 12, 24001).double()


@pytest.mark.parametrize(
    ("likelihood", "grid", "width"),
    [
        (Normal(0.7), REAL, 1e-3),
        (ScaledNormal(), REAL, 1e-3),
        (Bernoulli(), torch.arange(2.0).double(), 1.0),
        (Poisson(), torch.arange(40.0).double(), 1.0),
        (Categorical(4), torch.arange(4.0).double(), 1.0),
    ],
    ids=["Normal", "ScaledNormal", "Bernoulli", "Poisson", "Categorical"],
)
def test_probabilities_sum_to_one(likelihood, grid, width):
    spec = Spec((1,))
    output = torch.full((len(grid), *likelihood.outputs(spec)), 0.3, dtype=torch.float64)
    nll = likelihood.nll(output, grid.reshape(-1, 1), learnt(likelihood, spec)).detach()
    assert math.isclose(float((-nll).exp().sum()) * width, 1.0, rel_tol=1e-6)


@pytest.mark.parametrize("likelihood", [Normal(), Normal(link="logistic"), ScaledNormal(), Bernoulli(), Poisson()])
def test_the_resting_output_says_the_mean(likelihood):
    mean = torch.linspace(0.05, 0.95, 9).double()
    assert torch.allclose(likelihood.mean(likelihood.resting(mean), learnt(likelihood, Spec((9,)))), mean)


@pytest.mark.parametrize("architecture", [Dense((5,)), Conv((4,))], ids=["Dense", "Conv"])
@pytest.mark.parametrize(
    "likelihood", [Normal(), ScaledNormal(), Bernoulli(), Poisson()], ids=lambda value: type(value).__name__
)
def test_the_output_bias_starts_at_the_datas_mean(architecture, likelihood):
    x = Noise(5).uniform(torch.empty(40, 2, 4, 4, dtype=torch.float64)) * torch.tensor([0.2, 0.9]).reshape(2, 1, 1)
    model = model_of(architecture, Overcomplete(), x, likelihood=likelihood)
    objective = Objective(model, likelihood).double()
    objective.start(Batch(x))
    bias = model.architecture.output_bias(model.decoder).detach()
    said = likelihood.mean(bias, objective.memories["likelihood"]) if bias.numel() == 2 else bias
    wanted = x.mean((0, 2, 3)) if bias.numel() == 2 else likelihood.resting(x.mean(0)).flatten()
    assert torch.allclose(said, wanted, atol=1e-3)


@pytest.mark.parametrize("likelihood", [Normal(), ScaledNormal(), ScaledNormal(shared=True)], ids=repr)
def test_starts_read_weighted_rows_as_repeated_ones_and_skip_what_was_not_seen(likelihood):
    x, times = Noise(6).normal(torch.empty(6, 3, dtype=torch.float64)), torch.tensor([1, 2, 3, 1, 1, 4])

    def started(batch):
        objective = Objective(model_of(Dense(()), Overcomplete(), x, likelihood=likelihood), likelihood).double()
        likelihood.start(objective, batch)
        return torch.cat(
            [
                objective.model.architecture.output_bias(objective.model.decoder),
                *(b.flatten() for b in objective.memories["likelihood"].state_dict().values()),
            ]
        )

    repeated = started(Batch(x.repeat_interleave(times, 0)))
    assert torch.allclose(started(Batch(x, weight=times / times.double().mean())), repeated)
    spoilt, seen = torch.cat([x, x[:1] + 99]), torch.cat([torch.ones(6, 3), torch.zeros(1, 3)])
    assert torch.allclose(started(Batch(spoilt, seen)), started(Batch(x)))


@pytest.mark.parametrize("level", [0.0, 4.0, 1e4 / 3])
def test_a_constant_column_has_a_finite_density(level):
    x = Noise(7).normal(torch.empty(30, 3, dtype=torch.float64)).float()
    x[:, 1] = level
    likelihood = ScaledNormal()
    objective = Objective(model_of(Dense(()), Overcomplete(), x, likelihood=likelihood), likelihood).float()
    objective.start(Batch(x))
    memory = objective.memories["likelihood"]
    started = likelihood.nll(objective.run(Batch(x), None).output, x, memory)
    assert started.abs().max() < 20
    memory.log_scale.data.fill_(-1e3)
    assert likelihood.nll(x, x, memory).min() > math.log(1e-4)


@pytest.mark.parametrize(
    ("likelihood", "good", "bad"),
    [
        (Normal(), [-1.0, 1e9], [math.nan, math.inf]),
        (Bernoulli(), [0.0, 0.3, 1.0], [-0.1, 1.1, math.nan]),
        (Poisson(), [0.0, 7.0], [-1.0, 0.5, math.inf]),
        (Categorical(3), [0.0, 2.0], [3.0, -1.0, 0.5, math.nan]),
        (Categorical(), [0.0, 200.0], [math.inf, -1.0]),
    ],
    ids=lambda value: repr(value) if not isinstance(value, list) else "",
)
def test_support(likelihood, good, bad):
    assert likelihood.supports(torch.tensor(good)).all() and not likelihood.supports(torch.tensor(bad)).any()


def test_every_term_of_the_reconstruction_is_in_nats():
    x = Noise(8).uniform(torch.empty(20, 4, dtype=torch.float64)).round()
    objective = Objective(model_of(Dense(()), Overcomplete(), x, likelihood=Bernoulli()), Bernoulli())
    p = objective.run(Batch(x), None)
    terms, _ = objective(Batch(x), None, math.inf)
    expected = -known.Independent(known.Bernoulli(logits=p.output), 1).log_prob(x)
    assert torch.allclose(terms["reconstruction"], expected)
    unseen = Batch(x, torch.tensor([[1.0, 1.0, 0.0, 0.0]]).double().expand_as(x))
    part, _ = objective(unseen, None, math.inf)
    q = objective.run(unseen, None)
    assert torch.allclose(part["reconstruction"], -known.Bernoulli(logits=q.output).log_prob(x)[:, :2].sum(1))
    assert spec_of(x).size == 4


STARTS = [
    Dense((32, 16)),
    Dense((16,), shortcut=True),
    Dense((16,), tied=True),
    Dense((), tied=True),
    Conv((4,)),
    Conv((4,), down="stride", tied=True),
]


@pytest.mark.parametrize("architecture", STARTS, ids=repr)
@pytest.mark.parametrize("likelihood", [Poisson(), ScaledNormal()], ids=lambda value: type(value).__name__)
def test_errors_that_grow_steeply_start_at_what_the_mean_alone_would_cost(architecture, likelihood):
    x = (200 * Noise(5).uniform(torch.empty(100, 1, 8, 8, dtype=torch.float64)) ** 3).floor()
    if isinstance(likelihood, ScaledNormal):
        x[:, :, 3] /= 1e4
    model = model_of(architecture, Overcomplete(), x, likelihood=likelihood)
    objective = Objective(model, likelihood).double()
    drawn = float(objective.nll(objective.run(Batch(x), None)).mean().detach())
    objective.start(Batch(x))
    started = float(objective.nll(objective.run(Batch(x), None)).mean().detach())
    memory = objective.memories["likelihood"]
    alone = float(likelihood.nll(likelihood.resting(x.mean(0)).expand_as(x), x, memory).mean().detach())
    coarse = isinstance(architecture, Conv)  # one bias for a whole channel
    assert drawn > 5 * abs(alone) and started < (1.5 if coarse else 1.05) * abs(alone), (drawn, started, alone)


def test_a_users_own_network_is_left_as_it_is():
    x = (9 * Noise(5).uniform(torch.empty(30, 6, dtype=torch.float64))).floor()
    model = model_of(Given(torch.nn.Linear(6, 3), torch.nn.Linear(3, 6)), Overcomplete(), x, likelihood=Poisson())
    before = {name: p.clone() for name, p in model.state_dict().items()}
    Objective(model, Poisson()).double().start(Batch(x))
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())
