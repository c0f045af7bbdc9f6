"""Tables inside the model: the stem, noise levels, hidden entries, and one likelihood per kind of column."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from numpy.testing import assert_allclose
from torch import distributions as known

from isthmus.component import Memory
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import (
    L1,
    SGD,
    Dense,
    Hiding,
    Mixed,
    NoiseLevels,
    Normal,
    Overcomplete,
    PerKind,
    ScaledNormal,
    SwapNoise,
    Undercomplete,
    VonMises,
)
from isthmus.records import Batch, Column, Spec
from isthmus.testing import samples
from isthmus.training.engine import Autograd
from isthmus.training.explicit import Explicit

[(TABLE, X)] = [(spec, x) for spec, x in samples() if spec.table]
SEEN = (Noise(3).uniform(X) < 0.8).double()
NUMBERS = frozenset({"numbers", "continuous"})


def objective(spec, corruption, likelihood=None, **parts):
    likelihood = likelihood or Mixed()
    net = Dense((7,), activation="tanh")
    model = Autoencoder(spec, net, Overcomplete(), 5, likelihood.outputs(spec), Noise(1))
    return Objective(model, likelihood, corruption=corruption, **parts).double()


def gradients(engine, task, batch):
    made = engine(task, SGD(1.0))
    made.gradient(batch, Noise(5), 0.0, valued=True)
    return made.flat.gradient.clone()


def levels(spec, **changes):
    return replace(spec, **changes)


@pytest.mark.parametrize("seen", [None, SEEN], ids=["complete", "with holes"])
@pytest.mark.parametrize("missing", [False, True], ids=["no flags", "flags"])
@pytest.mark.parametrize(
    "corruption",
    [
        SwapNoise(0.2),
        Hiding(0.3),
        PerKind(NoiseLevels(0.3, 1.0), SwapNoise(0.1)),
        PerKind(NoiseLevels(0.3, 1.0), Hiding(0.3)),
    ],
    ids=["swap", "hiding", "levels", "levels and hiding"],
)
def test_the_explicit_engine_has_autograds_gradients_of_tables(corruption, missing, seen):
    task = objective(levels(TABLE, missing=missing, level=corruption.level), corruption, penalties=(L1(0.1),))
    task.start(Batch(X, seen))
    batch = Batch(X, seen)
    found = [gradients(engine, task.train(), batch) for engine in (Autograd, Explicit)]
    assert found[0].abs().max() > 1e-3
    assert_allclose(found[1], found[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("likelihood", [Normal(), ScaledNormal()])
def test_noise_levels_of_plain_numbers_have_autograds_gradients(likelihood):
    x = 4 * Noise(3).uniform(torch.empty(20, 6, dtype=torch.float64)) - 2
    spec = Spec((6,), rows=20, provides=NUMBERS, level=0.2)
    task = objective(spec, NoiseLevels(0.2, 2.0), likelihood)
    found = [gradients(engine, task.train(), Batch(x)) for engine in (Autograd, Explicit)]
    assert_allclose(found[1], found[0], rtol=1e-10, atol=1e-12)


def test_a_clean_row_is_carried_past_the_code_at_the_least_level():
    spec = Spec((6,), rows=20, provides=NUMBERS, level=0.1)
    task = objective(spec, NoiseLevels(0.1, 1.0), Normal()).eval()
    x = Noise(3).normal(torch.empty(20, 6, dtype=torch.float64))
    p = task.run(Batch(x), None)
    decoded = task.model.decode(p.code)
    assert_allclose(p.output.detach(), (x / 1.01 + 0.1 / math.sqrt(1.01) * decoded).detach())
    assert_allclose(p.inputs, torch.cat([x / math.sqrt(1.01), torch.full((20, 1), math.log(0.1) / 4)], 1))


def test_what_was_not_seen_moves_nothing():
    spec = levels(TABLE, missing=True, level=0.2)
    task = objective(spec, PerKind(NoiseLevels(0.2, 2.0), Hiding(0.2))).eval()
    other = torch.where(SEEN > 0, X, 1 - X.clamp(0, 1).round())
    a, b = (task.run(Batch(x, SEEN), None).output for x in (X, other))
    assert torch.equal(a, b)
    (nll,) = [task.nll(task.run(Batch(X, SEEN), None))]
    assert bool((nll[SEEN == 0] == 0).all()) and bool((nll[SEEN > 0] != 0).all())


def test_every_column_has_the_likelihood_of_its_kind():
    task = objective(TABLE, SwapNoise(0.1)).eval()
    output = 2 * Noise(4).normal(torch.empty(len(X), *task.model.outputs, dtype=torch.float64))
    nll = task.likelihood.nll(output, X, task.memories["likelihood"])
    kinds = [column.kind for column in TABLE.columns]
    places = dict(zip(TABLE.groups, task.likelihood.groups(TABLE), strict=True))
    for (kind, *_), group in places.items():
        out, x = output[:, group.outputs], X[:, list(group.columns)]
        n = len(group.columns)
        if kind == "number":
            wanted = -known.Normal(out, 1.0).log_prob(x)
        elif kind == "count":
            wanted = -known.Poisson(out.exp()).log_prob(x)
        elif kind == "binary":
            wanted = -known.Bernoulli(logits=out).log_prob(x) - math.log(0.9)
        elif kind == "category":
            wanted = -known.Categorical(logits=out.reshape(-1, n, 3)).log_prob(x) - math.log(0.9)
        else:
            a, b = out[:, ::2], out[:, 1::2]
            wanted = -known.VonMises(torch.atan2(b, a), (a.square() + b.square()).sqrt()).log_prob(x)
        assert_allclose(nll[:, list(group.columns)], wanted, rtol=1e-6, atol=1e-8, err_msg=kind)
    assert set(kinds) == {kind for kind, *_ in places}


def test_chances_of_known_and_new_levels_add_up_to_one():
    columns = (Column("city", "category", 3, 0.2), Column("sex", "binary", 2, 0.05))
    spec = Spec((2,), columns, rows=9, provides=frozenset({"kinds"}), table=True)
    task = objective(spec, SwapNoise(0.1), Mixed())
    output = Noise(4).normal(torch.empty(1, *task.model.outputs, dtype=torch.float64))
    total = torch.zeros(2, dtype=torch.float64)
    for level in range(4):
        x = torch.tensor([[level, min(level, 2)]], dtype=torch.float64)
        density = torch.exp(-task.likelihood.nll(output, x, task.memories["likelihood"]))[0]
        total += density * torch.tensor([1, level < 3])
    assert_allclose(total, [1.0, 1.0])


def test_a_new_level_is_read_as_none_and_half_way_between_two():
    columns = (Column("city", "category", 3, 0.2), Column("sex", "binary", 2, 0.05))
    spec = Spec((2,), columns, rows=9, provides=frozenset({"kinds"}), table=True)
    shown = objective(spec, SwapNoise(0.1)).model.stem(Batch(torch.tensor([[3.0, 2.0], [1.0, 1.0]])))
    assert shown.tolist() == [[0.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 1.0]]


def test_embeddings_are_learnt_and_leave_the_explicit_engine():
    columns = tuple(Column(f"x{i}", "category", 5, 0.1, width=2) for i in range(3))
    spec = Spec((3,), columns, rows=30, provides=frozenset({"kinds"}), table=True)
    task = objective(spec, SwapNoise(0.1))
    assert "embeddings" in task.needs_autograd
    x = (5 * Noise(2).uniform(torch.empty(30, 3, dtype=torch.float64))).floor()
    assert task.model.stem(Batch(x)).shape == (30, 6)
    table = task.model.reader.embeddings["0"]
    [g] = torch.autograd.grad(task(Batch(x), Noise(0), 0.0)[0]["reconstruction"].mean(), [table])
    assert bool((g[:, :-1].abs().sum(2) > 0).all()) and not bool(g[:, -1].any())


def test_angles_are_scored_on_the_circle():
    grid = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64).unsqueeze(1)
    for a, b in itertools.product((0.0, -3.0, 40.0), (0.0, 1.0)):
        output = torch.tensor([[a, b]], dtype=torch.float64).expand(len(grid), 2)
        density = torch.exp(-VonMises().nll(output, grid, Memory()))[:, 0]
        assert_allclose(torch.trapezoid(density, grid[:, 0]), 1.0, rtol=1e-6)
    drawn = VonMises().sample(torch.tensor([[0.0, 5.0]]).expand(20000, 2), Noise(1), Memory())
    assert_allclose(drawn.mean(), math.pi / 2, atol=0.02)
    wanted = known.VonMises(torch.tensor(math.pi / 2), torch.tensor(5.0)).variance
    assert_allclose(1 - torch.cos(drawn - math.pi / 2).mean(), wanted, rtol=0.05)


def test_what_starts_says_what_is_seen_on_average():
    task = objective(TABLE, SwapNoise(0.1))
    with torch.no_grad():
        for p in task.model.parameters():
            p.zero_()
    task.start(Batch(X))
    output = task.run(Batch(X), None).output[:1]
    for (kind, *_), group in zip(TABLE.groups, task.likelihood.groups(TABLE), strict=True):
        found, x = output[:, group.outputs], X[:, list(group.columns)]
        if kind == "number":
            assert_allclose(found[0].detach(), x.mean(0), rtol=1e-6)
        if kind == "binary":
            assert_allclose(torch.sigmoid(found[0]).detach(), x.mean(0), rtol=1e-6)
        if kind == "count":
            assert_allclose(found[0].exp().detach(), x.mean(0), rtol=1e-6)


def test_hidden_entries_are_asked_for_and_not_shown():
    task = objective(levels(TABLE, missing=True), Hiding(0.5))
    corrupted = Hiding(0.5)(Batch(X, SEEN), Noise(1), Memory())
    hidden = corrupted.touched
    assert 0.3 < hidden.double().mean() < 0.5 and not bool((hidden & (SEEN == 0)).any())
    assert bool((corrupted.seen == SEEN * ~hidden).all())
    p = task.model.forward(Batch(X, SEEN), corrupted)
    assert bool((task.nll(p)[hidden] != 0).all())


def test_a_narrow_code_of_a_table_counts_its_columns():
    model = Autoencoder(TABLE, Dense(()), Undercomplete(), len(TABLE.columns), Mixed().outputs(TABLE), Noise(1))
    Objective(model, Mixed())
