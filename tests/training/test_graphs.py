"""Steps that are recorded and replayed are the steps that each would be by itself.

Where there is no CUDA device, what is recorded is the call: a stand-in that shows whether all that differs between two
steps stands where a replay reads it.
"""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from fitting import WIDTH, identical, linear, logistic, rows, state

from isthmus import recipes
from isthmus.noise import Noise, Unrecordable
from isthmus.parts import (
    KL,
    L1,
    L2,
    ActivationRate,
    Adam,
    AdamW,
    Cosine,
    Dense,
    GaussianNoise,
    Given,
    Masking,
    Ramp,
    Rectified,
    Steps,
    SwapNoise,
    Tanh,
    TargetL0,
    TopK,
    Variational,
)
from isthmus.records import Rows
from isthmus.training import engines, graphs, together
from isthmus.training.cuda import recorded
from isthmus.training.graphs import Graphs, Now, Places
from isthmus.training.trainer import Trainer

CUDA = torch.cuda.is_available()


def again(work, generators, stream):
    """Record a call by keeping it."""
    if CUDA:
        return recorded(work, generators, stream)
    found = []

    def replay():
        found[:] = work()

    return replay, found


@pytest.fixture
def made(monkeypatch):
    """Let every engine record its steps; return what it recorded."""
    found = []

    def graphs_of(engine):
        found.append(Graphs(engine, again))
        return found[-1]

    monkeypatch.setattr(engines, "graphs_of", graphs_of)
    monkeypatch.setattr(together, "graphs_of", graphs_of)
    monkeypatch.setattr(Trainer, "replays", lambda self, task, **_: self.optimiser.native)
    monkeypatch.setattr(engines, "unsuited", lambda *_: "there is no kernel on a GPU")
    return found


def fitted(build, data, settings, seed=0):
    """Train a task and return its weights and history."""
    task = build()
    loop = Trainer(**settings).fit(task, data, Noise(seed))
    return task, state(task), [row["train"] for row in loop.history.rows]


TASKS = {
    "plain": logistic,
    "linear": linear,
    "a corruption that grows": lambda: linear(corruption=GaussianNoise(Ramp(0.0, 0.5, epochs=3))),
    "masking": lambda: logistic(corruption=Masking(0.3)),
    "swap noise": lambda: linear(corruption=SwapNoise(0.2)),
    "dropout": lambda: linear(Dense((10,), dropout=0.2)),
    "batch norm": lambda: linear(Dense((10,), norm="batch")),
    "two penalties": lambda: linear(bottleneck=Tanh(), penalties=(L1(Ramp(0.0, 0.1, epochs=2)), L2(1e-3))),
    "top-k": lambda: linear(bottleneck=TopK(2)),
    "a controller": lambda: linear(bottleneck=Rectified(), penalties=(TargetL0(L1(0.1), l0=2),)),
    "variational": lambda: logistic(bottleneck=Variational(), penalties=(KL(Ramp(0.0, 1.0, epochs=3)),)),
    "rates of units": lambda: logistic(penalties=(ActivationRate(weight=0.1),)),
    "three draws": lambda: logistic(bottleneck=Variational(), penalties=(KL(),), draws=3),
}
SETTINGS = {
    "default": {},
    "by autograd": {"engine": "autograd"},
    "clipped": {"clip": 0.1},
    "trimmed": {"trim": 0.1},
    "decayed": {"optimiser": AdamW(Steps(1e-2, milestones=(1.0,)))},
}
PLAIN = {"epochs": 4, "batch_size": 32, "optimiser": Adam(Cosine(1e-2)), "patience": 0}
# A recorded product may have another workspace.
CLOSE = 1e-5 if CUDA else 0.0


@contextmanager
def unrecorded():
    """Let no step be recorded: each reads the same places, and is taken."""
    most, graphs.MOST = graphs.MOST, 0
    yield
    graphs.MOST = most


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("build", TASKS.values(), ids=TASKS)
def test_replayed_steps_are_the_steps(made, build, settings):
    if "trim" in settings and build is TASKS["three draws"]:
        pytest.skip("several draws are not trimmed")
    settings = PLAIN | settings
    with unrecorded():
        *_, plain, history = fitted(build, rows(), settings)
    *_, replayed, again = fitted(build, rows(), settings)
    taken, found = made
    assert not taken.known
    assert any(found.known.values()), found.refused
    assert not found.refused
    for name, value in plain.items():
        torch.testing.assert_close(replayed[name], value, rtol=CLOSE, atol=CLOSE)
    for a, b in zip(history, again, strict=True):
        assert b == pytest.approx(a, rel=CLOSE)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("holed", [False, True])
def test_rows_with_weights_and_holes_are_brought_to_where_a_replay_reads_them(made, weighed, holed):
    data = rows()
    weight = torch.rand(len(data), generator=torch.Generator().manual_seed(3)) if weighed else None
    seen = (torch.rand(data.x.shape, generator=torch.Generator().manual_seed(4)) > 0.2).float() if holed else None
    some = Rows(data.x, seen, weight)
    with unrecorded():
        *_, plain, _ = fitted(linear, some, PLAIN)
    *_, replayed, _ = fitted(linear, some, PLAIN)
    assert made[1].known
    assert all(made[1].known.values())
    for name, value in plain.items():
        torch.testing.assert_close(replayed[name], value, rtol=CLOSE, atol=CLOSE)


def test_each_kind_of_step_is_recorded_once(made):
    fitted(linear, rows(320), PLAIN | {"validation": 0.0, "trim": 0.1, "epochs": 20})
    (found,) = made
    # Ten steps are a run: before and after rows are left out.
    assert len(found.known) == 2


def test_members_that_share_steps_replay_them_together(made):
    def members():
        return [linear(seed=seed, corruption=Masking(0.2), penalties=(L2(10.0**-seed),)) for seed in (1, 2, 3)]

    def fit():
        tasks, noises = members(), [Noise(seed) for seed in (1, 2, 3)]
        Trainer(**PLAIN).fit_many(tasks, [rows()] * 3, noises)
        return [state(task) for task in tasks]

    with unrecorded():
        plain = fit()
    replayed = fit()
    assert any(any(found.known.values()) for found in made)
    for a, b in zip(plain, replayed, strict=True):
        for name, value in a.items():
            torch.testing.assert_close(b[name], value, rtol=CLOSE, atol=CLOSE)


class Odd(torch.nn.Module):
    """Draw something for every row by the global generator, which no replay could repeat."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(WIDTH, 5)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.inner(x))


def odd():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return linear(Given(Odd(), torch.nn.Linear(5, WIDTH), trained=True))


def test_a_step_that_cannot_be_recorded_is_taken_as_it_is(made):
    with unrecorded():
        *_, plain, _ = fitted(odd, rows(), PLAIN)
    *_, taken, _ = fitted(odd, rows(), PLAIN)
    if CUDA:
        assert "cannot be recorded" in made[1].refused
        assert not any(made[1].known.values())
    for name, value in plain.items():
        torch.testing.assert_close(taken[name], value, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("lie", ["nothing", "the same rows again"])
def test_a_recording_that_does_something_else_is_not_believed(monkeypatch, lie):
    def lying(work, generators, stream):
        if lie == "nothing":
            return lambda: None, []
        return lambda: (work(), work()), []

    def graphs_of(engine):
        found.append(Graphs(engine, lying))
        return found[-1]

    found = []
    monkeypatch.setattr(engines, "graphs_of", graphs_of)
    monkeypatch.setattr(Trainer, "replays", lambda self, task, **_: True)
    monkeypatch.setattr(engines, "unsuited", lambda *_: "there is no kernel on a GPU")
    with unrecorded():
        *_, plain, _ = fitted(logistic, rows(), PLAIN)
    *_, taken, _ = fitted(logistic, rows(), PLAIN)
    assert "does not come to the numbers" in found[1].refused
    assert not any(found[1].known.values())
    for name, value in plain.items():
        torch.testing.assert_close(taken[name], value, rtol=CLOSE, atol=CLOSE)


def test_a_noise_of_another_step_or_device_is_refused():
    _, (standing,) = Noise(0).at(3).standing(torch.device("cpu"))
    assert standing.at(3) is standing
    elsewhere = torch.empty(2, device="meta")
    for ask in (lambda: standing.at(4), lambda: standing.branch(1), lambda: standing.normal(elsewhere)):
        with pytest.raises(Unrecordable, match="cannot be recorded"):
            ask()


def test_a_moment_keeps_its_tensors_when_it_moves():
    ramp, places = Ramp(0.0, 1.0, epochs=4), Places(torch.zeros(2))
    places.move([1.0, 2.0], [0.1, 0.2])
    values = [L1(ramp).at(Now(epoch, places, i)).weight for i, epoch in enumerate((1.0, 2.0))]
    assert [float(value) for value in values] == [0.25, 0.5]
    places.move([3.0, 4.0], [0.3, 0.4])
    assert [float(value) for value in values] == [0.75, 1.0]
    torch.testing.assert_close(places.rates[:2], torch.tensor([0.3, 0.4]))


@pytest.mark.skipif(not CUDA, reason="no CUDA device")
@pytest.mark.parametrize("name", ["plain", "denoising", "sparse", "k_sparse", "l1_sparse", "tied", "variational"])
def test_recipes_replay_on_the_device(name):
    x = rows(600).x.numpy()
    model = getattr(recipes, name)(4, trainer=Trainer(epochs=8, patience=0), random_state=0).fit(x)
    assert model.engine_.endswith("as CUDA graphs")
    here = model.set_params(trainer=Trainer(epochs=8, patience=0, device="cpu")).fit(x)
    assert np.isfinite(here.reconstruct(x)).all()


@pytest.mark.skipif(not CUDA, reason="no CUDA device")
def test_the_global_generators_of_the_device_are_left_alone():
    before = torch.cuda.get_rng_state()
    fitted(TASKS["dropout"], rows(), PLAIN)
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_identical_fits_are_identical_where_they_are_replayed(made):
    *_, first, _ = fitted(TASKS["variational"], rows(), PLAIN)
    *_, second, _ = fitted(TASKS["variational"], rows(), PLAIN)
    assert identical(first, second)


def test_the_rounding_of_the_learning_rate_is_all_that_differs_from_a_fit_without_graphs(request):
    *_, plain, _ = fitted(linear, rows(), PLAIN)
    request.getfixturevalue("made")
    *_, replayed, _ = fitted(linear, rows(), PLAIN)
    for name, value in plain.items():
        torch.testing.assert_close(replayed[name], value, rtol=2e-5, atol=2e-5)
