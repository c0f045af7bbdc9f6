"""The sparse engine takes the steps of the explicit one and of autograd, without the silent units."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus import native
from isthmus.corruption.noise import GaussianNoise
from isthmus.layers import spoken_by
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import L1, Auxiliary, BatchTopK, Dense, Dictionary, JumpReLU, Nested, Normal, TopK
from isthmus.records import Batch, Rows, Spec
from isthmus.selected import above, largest, largest_of_all, projected
from isthmus.training.optimiser import SGD
from isthmus.training.trainer import Trainer

ROWS, WIDTH, UNITS = 50, 21, 160
CASES = {
    "top k": (Dictionary(), TopK(3)),
    "rectified": (Dictionary(), TopK(3, rectified=True)),
    "batch top k": (Dictionary(), BatchTopK(4)),
    "linear layers": (Dense(hidden=()), TopK(3)),
    "tied": (Dense(hidden=(), tied=True), BatchTopK(2)),
}


def data_of(seed=0):
    return Noise(seed).normal(torch.empty(ROWS, WIDTH, dtype=torch.float64))


def objective_of(name, dtype, dead=0, *, missing=False, corruption=None):
    """Return an objective of a case, with so many dead units, in the state in which a fit has it."""
    architecture, bottleneck = CASES[name]
    spec = Spec((WIDTH,), rows=ROWS, missing=missing, provides=frozenset({"continuous", "numbers"}))
    model = Autoencoder(spec, architecture, bottleneck, UNITS, (WIDTH,), Noise(0))
    task = Objective(model, Normal(), (Auxiliary(weight=0.5, k=12),), corruption).to(torch.float64)
    task.train()
    task.start(Batch(data_of()))
    # As the autograd of the encoder's centre is only told apart where biases are not zero.
    for i, p in enumerate(task.trained()):
        p.data += 0.1 * Noise(1, i).normal(p)
    task.memories["auxiliary"].idle[1 : 2 * dead : 2] = 1e9
    return task.to(dtype)


def steps(engine, task, batch, optimiser=None):
    """Return weights, memories and terms after three steps, and the first gradient."""
    bound = Trainer(engine=engine, optimiser=optimiser or SGD(0.05)).bound(task)
    assert bound.name == engine
    gradients = []
    for step in range(3):
        bound.step(batch, Noise(0, step), 0.0)
        gradients.append([slot.clone() for slot in bound.flat.slots])
    bound.release()
    state = {name: t.clone() for name, t in task.state_dict().items()}
    return gradients, state, bound.means.read()


def assert_same(found, expected, dtype):
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for now, then in zip(found[0], expected[0], strict=True):
        for a, b in zip(now, then, strict=True):
            assert (a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max()))
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, rtol=10 * tolerance, atol=10 * tolerance)
    assert found[2] == pytest.approx(expected[2], rel=10 * tolerance)


@pytest.fixture(params=["kernel", "torch"])
def way(request, monkeypatch):
    """With the kernel where it was built, and without."""
    if request.param == "torch":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip("the kernel was not built")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("dead", [0, 5, 40])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_the_explicit_engine(name, dead, dtype, way):
    batch = Batch(data_of().to(dtype), weight=(0.5 + torch.arange(ROWS) % 3).to(dtype))
    found, expected = (steps(engine, objective_of(name, dtype, dead), batch) for engine in ("sparse", "explicit"))
    assert_same(found, expected, dtype)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_autograd(name):
    batch = Batch(data_of())
    found, expected = (steps(engine, objective_of(name, torch.float64, 5), batch) for engine in ("sparse", "autograd"))
    assert_same(found, expected, torch.float64)


def test_missing_entries_and_noise_are_those_of_the_explicit_engine():
    seen = (Noise(5).uniform(data_of()) > 0.3).double()
    batch = Batch(data_of() * seen, seen, (1.0 + torch.arange(ROWS) % 2).double())
    found, expected = (
        steps(
            engine,
            objective_of(
                "tied" if False else "linear layers", torch.float64, 5, missing=True, corruption=GaussianNoise(0.3)
            ),
            batch,
        )
        for engine in ("sparse", "explicit")
    )
    assert_same(found, expected, torch.float64)


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_few_dead_units_of_a_rectified_code_hear_their_error(scale, way):
    """Gradients reach the encoder of a unit that never fires, as the penalty promises, in the sparse way too."""
    task = objective_of("rectified", torch.float32, 5)
    for p in task.model.encoder.parameters():
        p.data[1:10:2] *= scale
    bound = Trainer(engine="sparse", optimiser=SGD(0.0)).bound(task)
    bound.step(Batch(data_of().float()), Noise(0), 0.0)
    slot = task.model.encoder.layers[1].weight.slot
    assert (slot[1:10:2].abs().sum(1) > 0).all()


# -- what is selected -------------------------------------------------------------------------------------------------

SHAPES = {"rows": st.integers(1, 9), "width": st.integers(1, 300), "seed": st.integers(0, 99)}


def plain(shape, seed, ties):
    x = Noise(seed).normal(torch.empty(shape))
    return (4 * x).round() if ties else x


@given(**SHAPES, share=st.floats(0, 1), ties=st.booleans())
def test_the_largest_of_each_row_are_those_of_a_sort(rows, width, seed, share, ties):
    x, k = plain((rows, width), seed, ties), max(1, round(share * width))
    found = largest(x, k, positive=False)
    expected = x.sort(dim=1, descending=True).values[:, :k]
    assert torch.equal(found.values.view(rows, k).sort(dim=1, descending=True).values, expected)
    assert torch.equal(found.values, x[found.rows, found.units])
    assert len({*zip(found.rows.tolist(), found.units.tolist(), strict=True)}) == rows * k
    code = largest(x, k, positive=True)
    assert torch.equal(code.dense(), found.dense().clamp_min(0))


@given(**SHAPES, share=st.floats(0, 1), ties=st.booleans())
def test_the_largest_of_all_are_the_positive_ones_of_a_sort(rows, width, seed, share, ties):
    x = plain((rows, width), seed, ties)
    total = max(1, round(share * x.numel()))
    found, order = largest_of_all(x, total), x.flatten().clamp_min(0).sort(descending=True).values
    expected = order[:total]
    assert torch.equal(found.values.sort(descending=True).values, expected[expected > 0])
    assert torch.equal(found.values, x[found.rows, found.units])
    if len(expected[expected > 0]) == total < x.numel():
        assert found.left == order[total]


@given(**SHAPES)
def test_a_code_turned_twice_is_itself(rows, width, seed):
    code = above(plain((rows, width), seed, ties=False), 0.5)
    turned, places = code.turned()
    assert torch.equal(turned.dense(), code.dense().T)
    assert torch.equal(turned.values, code.values[places])
    assert torch.equal(turned.turned()[0].dense(), code.dense())


@pytest.mark.parametrize("columns", [5, 16, 77, 300])
def test_products_are_those_of_the_whole_code(columns, way):
    code = above(plain((40, 90), 0, ties=False), 1.0)
    matrix, left, at = plain((90, columns), 1, ties=False), plain((40, columns), 2, ties=False), code.rows
    out = torch.ones(40, columns)
    torch.testing.assert_close(code.product(matrix), code.dense() @ matrix)
    torch.testing.assert_close(code.product(matrix, out, add=True), 1 + code.dense() @ matrix)
    torch.testing.assert_close(code.dots(left, matrix), (left @ matrix.T)[at, code.units])
    scale = 1 / matrix.norm(dim=1)
    unit, slope = matrix * scale[:, None], plain((90, columns), 3, ties=False)
    expected = (slope - (slope * unit).sum(1, keepdim=True) * unit) * scale[:, None]
    torch.testing.assert_close(projected(slope.clone(), matrix, scale), expected, atol=1e-5, rtol=1e-5)


def test_no_result_depends_on_the_number_of_threads(monkeypatch):
    x, matrix = plain((700, 400), 0, ties=True), plain((400, 64), 1, ties=False)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        code = largest(x, 9, positive=True)
        found.append([code.units, code.product(matrix), largest_of_all(x, 999).units])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_what_is_not_a_number_is_kept_to_be_found_out(way):
    x = plain((4, 200), 0, ties=False)
    x[1, 7], x[2] = math.nan, math.nan
    for code in (largest(x, 3, positive=True), largest_of_all(x, 12)):
        assert code.values.isnan().any()
        assert code.product(x.new_ones(200, 2)).isnan().any()


# -- when it is taken -------------------------------------------------------------------------------------------------


def said(bottleneck, *penalties, units=512, rows=4096, architecture=None, **settings):
    spec = Spec((64,), rows=rows, provides=frozenset({"continuous", "numbers"}))
    model = Autoencoder(spec, architecture or Dictionary(), bottleneck, units, (64,), Noise(0))
    return Trainer(batch_size=4096, **settings).runs(Objective(model, Normal(), penalties))


def test_the_trainer_takes_it_where_it_wins_and_says_why_not(monkeypatch):
    assert said(TopK(8)) == said(BatchTopK(8), Auxiliary()) == "sparse"
    assert said(TopK(8), engine="sparse", rows=64) == "sparse (asked for)"
    assert said(TopK(8), rows=64) == "explicit (not sparse: steps are small)"
    assert said(TopK()) == "explicit (not sparse: 64 of 512 units are not few)"
    assert said(BatchTopK(8), Nested()) == "explicit (not sparse: every unit is needed by Nested)"
    deep = said(TopK(8), architecture=Dense((32,)))
    assert deep == "explicit (not sparse: the decoder is not one linear layer)"
    monkeypatch.setattr(native, "library", lambda: None)
    assert said(TopK(16)) == "sparse"
    assert said(TopK(17)) == "explicit (not sparse: 17 of 512 units are not few)"
    with pytest.raises(ValueError, match=r"engine='sparse' cannot run this fit: JumpReLU does not select .*'auto'"):
        said(JumpReLU(), engine="sparse")
    with pytest.raises(ValueError, match=r"every unit is needed by L1; use engine='auto'"):
        said(TopK(8), L1(), engine="sparse")


def test_a_model_in_use_decodes_few_units_as_it_does_all(monkeypatch):
    model = objective_of("top k", torch.float32).model.eval()
    code = model.encode(data_of().float()).mean.detach()
    expected = model.decode(code).detach()
    monkeypatch.setattr("isthmus.model.LARGE", 0)
    asked = []
    monkeypatch.setattr("isthmus.model.spoken_by", lambda layer, few: (asked.append(few), spoken_by(layer, few))[1])
    with torch.no_grad():
        torch.testing.assert_close(model.decode(code), expected)
        torch.testing.assert_close(model.decode(code.abs()), model.decoder(code.abs()))
        model.decode(code + 1)
    assert len(asked) == 2


def test_a_fit_is_that_of_the_explicit_engine_within_rounding():
    curves = []
    for engine in ("sparse", "explicit"):
        task, rows = objective_of("batch top k", torch.float32), Rows(data_of().float())
        trainer = Trainer(epochs=4, engine=engine, batch_size=10, validation=0.2)
        curves.append(trainer.fit(task, rows, Noise(0)).history.curve(part="held_out"))
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
