"""Parts of sparse dictionaries are the formulas that they quote, surrogates and dead units included."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from tiny import model_of

from isthmus import recipes
from isthmus.architecture.dictionary import geometric_median
from isthmus.catalogue import name_of
from isthmus.component import Memory
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged
from isthmus.parts import (
    L0,
    L1,
    AtomL1,
    Auxiliary,
    BatchTopK,
    Dense,
    Dictionary,
    Gated,
    GateLoss,
    JumpReLU,
    Lp,
    Nested,
    Normal,
    Overcomplete,
    Ramp,
    Rectified,
    TargetL0,
    TopK,
    Trainer,
)
from isthmus.records import Batch, Rows, Spec

X = Noise(0).normal(torch.empty(40, 6, dtype=torch.float64))


def objective_of(bottleneck, *penalties, x=X, units=12, architecture=None):
    """Build an objective around a dictionary."""
    model = model_of(architecture or Dictionary(), bottleneck, x, units)
    objective = Objective(model, Normal(), penalties).double()
    objective.start(Batch(x))
    return objective


def value(objective, name, x=X, noise=None):
    """Return one term."""
    return objective(Batch(x), noise, math.inf)[0][name]


# -- networks ---------------------------------------------------------------------------------------------------------


def test_the_encoder_starts_along_the_atoms_and_reads_what_is_off_the_centre():
    model = objective_of(Overcomplete()).model
    into, out = model.encoder.layers[1], model.decoder.layers[1]
    atoms = model.architecture.atoms(model.decoder)
    assert torch.allclose(atoms.norm(dim=1), torch.ones(12, dtype=torch.float64))
    assert torch.allclose(into.weight, atoms) and (into.bias == 0).all() and out.bias is into.centre
    p = model(Batch(X))
    assert torch.allclose(p.features, (X - into.centre) @ atoms.T)
    assert torch.allclose(p.output, into.centre + p.code @ atoms)
    assert sum(p.numel() for p in model.parameters()) == 2 * 12 * 6 + 12 + 6


@given(seed=st.integers(0, 99), weighted=st.booleans())
def test_the_geometric_median_has_the_least_sum_of_distances(seed, weighted):
    x = Noise(seed).normal(torch.empty(31, 3, dtype=torch.float64)).exp()
    weight = Noise(seed).at(1).uniform(x[:, 0]) if weighted else None
    share = np.ones(31) if weight is None else weight.numpy()

    def distances(point):
        return float((share * np.linalg.norm(x.numpy() - point, axis=1)).sum())

    found = geometric_median(x, weight).numpy()
    best = minimize(distances, x.mean(0).numpy(), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert distances(found) <= best.fun * (1 + 1e-6)


def test_a_loud_row_moves_the_mean_and_not_the_centre():
    x = torch.cat([X, torch.full((1, 6), 1e4, dtype=torch.float64)])
    centre = objective_of(Overcomplete(), x=x).model.encoder.layers[1].centre
    assert centre.abs().max() < 1 and x.mean(0).abs().max() > 100


@pytest.mark.parametrize("engine", ["autograd", "explicit"])
def test_the_gradient_of_an_atom_is_the_projected_one(engine):
    objective = objective_of(Rectified())
    out = objective.model.decoder.layers[1]
    out.weight.data *= torch.linspace(0.5, 3.0, 12, dtype=torch.float64)  # its length is not that of the atom
    p = objective.run(Batch(X), Noise(1))
    g = (p.output - X).T @ p.code / len(X)  # of the atoms, as if they were free
    d, length = out.unit.detach(), out.weight.detach().norm(dim=0)
    bound = Trainer(engine=engine).bound(objective)
    bound.gradient(Batch(X), Noise(1), 0.0, valued=False)
    found = next(s for q, s in zip(bound.flat.parameters, bound.flat.slots, strict=True) if q is out.weight).clone()
    bound.release()
    assert torch.allclose(found, (g - d * (g * d).sum(0)) / length)
    assert (found * d).sum(0).abs().max() < 1e-12, "a step cannot lengthen an atom"


def test_words_refuse_what_has_no_centre():
    with pytest.raises(ValueError, match=r"AtomL1 needs a linear decoder, which Dense lacks; use Dense\(hidden=\(\)\)"):
        objective_of(Rectified(), AtomL1(), architecture=Dense((5,)))
    with pytest.raises(ValueError, match="L0 needs a bottleneck whose selection has a gradient, which Rectified lacks"):
        objective_of(Rectified(), L0())
    with pytest.raises(ValueError, match="TargetL0 needs a bottleneck in which penalties decide how many units are"):
        objective_of(TopK(2), TargetL0(L1()))


# -- BatchTopK --------------------------------------------------------------------------------------------------------


@given(k=st.integers(1, 3), seed=st.integers(0, 99), places=st.sampled_from([(), (3,), (2, 2)]))
def test_batch_top_k_keeps_rows_times_k_of_a_batch_and_they_are_the_largest(k, seed, places):
    f = Noise(seed).normal(torch.empty(7, 9, *places, dtype=torch.float64)).abs()
    part = BatchTopK(k)
    posterior = part(f, part.memory(Spec((4,)), (9, *places)))
    on = posterior.active.bool()
    assert on.sum() == 7 * k * math.prod(places)
    assert torch.equal(posterior.mean[on], f[on]) and (posterior.mean[~on] == 0).all()
    assert f[on].min() >= f[~on].max()


def test_batch_top_k_leaves_out_what_is_not_positive():
    part = BatchTopK(2)
    f = -torch.ones(3, 5)
    f[0, 0] = 1.0
    assert part(f, part.memory(Spec((4,)), (5,))).active.sum() == 1


def test_in_use_no_row_of_batch_top_k_depends_on_another():
    part, f = BatchTopK(2), Noise(1).normal(torch.empty(50, 8))
    memory = part.memory(Spec((4,)), (8,))
    memory.threshold.fill_(0.7)
    memory.eval()
    code = part(f, memory).mean
    assert torch.equal(code, f * (f > 0.7)) and torch.equal(part(f[3:4], memory).mean, code[3:4])


def test_the_threshold_separates_as_many_units_as_were_kept():
    x = Noise(3).normal(torch.empty(4000, 6, dtype=torch.float64))
    objective = objective_of(BatchTopK(2), x=x)
    for rows in x.split(100):
        _, tallies = objective(Batch(rows), Noise(0), 0.0)
        objective.learn(tallies)
    memory = objective.model.memory
    assert memory.rows == 4000
    counted = (objective.eval().run(Batch(x), None).code > 0).sum(1).double().mean()
    assert abs(counted - 2) < 0.02, counted


def test_held_out_rows_correct_the_threshold():
    objective = objective_of(BatchTopK(2))
    _, tallies = objective(Batch(X), Noise(0), 0.0)
    objective.learn(tallies)
    memory, part = objective.model.memory, objective.model.bottleneck
    before = part.threshold(memory).clone()
    objective.told({"active": 1.2})
    assert part.threshold(memory) > before
    objective.told({"active": 0.7})
    assert part.threshold(memory) < before
    measured = averaged(objective.eval().measure(Batch(X)), None)
    assert math.isclose(measured["active"], int((objective.run(Batch(X), None).code > 0).sum()) / 80)


@pytest.mark.parametrize("part", [BatchTopK(20), TargetL0(L1(), l0=20)])
def test_more_active_units_than_there_are_is_refused(part):
    with pytest.raises(ValueError, match=r"more (active )?units than the 12 of the code; lower (k|l0)"):
        part.memory(Spec((6,)), (12,))


def test_a_rectified_top_k_has_no_negative_codes():
    f = torch.tensor([[3.0, -1.0, -2.0], [1.0, 2.0, 3.0]])
    assert torch.equal(TopK(2, rectified=True)(f, Memory()).mean, torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 3.0]]))


# -- JumpReLU and Gated -----------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 99), eps=st.sampled_from([0.1, 1.0]))
def test_thresholds_learn_by_the_surrogates_that_are_quoted(seed, eps):
    part = JumpReLU(bandwidth=eps)
    memory = part.memory(Spec((4,)), (5,)).double()
    memory.tenth.data = 0.1 * Noise(seed).uniform(memory.tenth)
    a = Noise(seed).at(1).normal(torch.empty(9, 5, dtype=torch.float64)).requires_grad_()
    g = Noise(seed).at(2).normal(a.detach())
    posterior = part(a, memory)
    t = part.thresholds(memory).detach()
    assert torch.equal(posterior.mean, a * (a > t)) and torch.equal(posterior.active, (a > t).double())
    window = ((a - t).abs() / eps < 0.5).double()
    by_code = torch.autograd.grad(posterior.mean, (a, memory.tenth), g, retain_graph=True)
    assert torch.equal(by_code[0], g * (a > t))
    assert torch.allclose(by_code[1] / 10, -(g * t / eps * window).sum(0))
    (by_active,) = torch.autograd.grad(posterior.active, memory.tenth, g)
    assert torch.allclose(by_active / 10, -(g / eps * window).sum(0))


def test_a_threshold_pushed_below_zero_counts_as_zero_and_hears_of_the_penalty():
    part = JumpReLU()
    memory = part.memory(Spec((4,)), (1,))
    memory.tenth.data -= 0.3
    posterior = part(torch.tensor([[-0.01], [0.02]]), memory)
    assert posterior.active.flatten().tolist() == [0.0, 1.0]
    posterior.active.sum().backward()
    assert memory.tenth.grad < 0


def test_thresholds_start_where_the_rate_is_the_wanted_one():
    x = Noise(1).normal(torch.empty(2000, 6, dtype=torch.float64))
    objective = objective_of(JumpReLU(rate=0.1), x=x)
    rates = objective.run(Batch(x), None).posterior.active.mean(0)
    assert (rates - 0.1).abs().max() < 0.005


def test_rows_in_an_order_start_thresholds_as_others_do():
    x = Noise(1).normal(torch.empty(6000, 6, dtype=torch.float64)).sort(0).values
    objective = objective_of(JumpReLU(rate=0.1), x=x)
    assert (objective.run(Batch(x), None).posterior.active.mean(0) - 0.1).abs().max() < 0.005


def test_spaced_rows_run_from_the_first_to_the_last():
    batch = Batch(torch.arange(10.0)[:, None], weight=torch.arange(10.0), y=torch.arange(10))
    some = batch.spaced(4)
    assert some.x.flatten().tolist() == some.weight.tolist() == some.y.tolist() == [0, 3, 6, 9] and some.seen is None
    assert batch.spaced(10) is batch and batch.spaced(1).y.tolist() == [0]


def test_a_gated_unit_speaks_where_its_gate_is_open():
    part = Gated()
    memory = part.memory(Spec((4,)), (2,))
    memory.scale.data, memory.shift.data = torch.tensor([math.log(2.0), 0.0]), torch.tensor([0.5, -1.0])
    a = torch.tensor([[1.0, 0.5], [-0.1, 3.0]], requires_grad=True)
    posterior = part(a, memory)
    assert torch.allclose(posterior.mean, torch.tensor([[2.5, 0.0], [0.0, 2.0]]))
    posterior.active.sum().backward()
    assert torch.equal(a.grad, (a > 0).float()), "the gate's surrogate is that of the rectified gate"


def test_the_loss_of_gates_moves_neither_atoms_nor_centre():
    objective = objective_of(Gated(), GateLoss(2.0))
    model = objective.model
    p = objective.run(Batch(X), None)
    atoms = model.architecture.atoms(model.decoder)
    centre = model.decoder.layers[1].bias
    away = X - (torch.relu(p.features) @ atoms + centre)
    assert torch.allclose(value(objective, "gate_loss"), away.square().sum(1))
    value(objective, "gate_loss").sum().backward()
    assert model.decoder.layers[1].weight.grad is None or (model.decoder.layers[1].weight.grad == 0).all()
    assert model.encoder.layers[1].weight.grad.abs().sum() > 0 and model.memory.scale.grad is None


# -- penalties --------------------------------------------------------------------------------------------------------


def test_penalties_on_atoms_and_counts_are_their_formulas():
    objective = objective_of(Rectified(), AtomL1(0.5), architecture=Dense(()))
    atoms = objective.model.architecture.atoms(objective.model.decoder)
    code = objective.run(Batch(X), None).code
    assert torch.allclose(value(objective, "atom_l1"), 0.5 * (code * atoms.norm(dim=1)).sum(1))
    objective = objective_of(JumpReLU(), L0(0.5))
    assert torch.equal(value(objective, "l0"), 0.5 * (objective.run(Batch(X), None).code > 0).sum(1))


def test_the_length_of_an_atom_does_not_make_a_code_cheaper():
    objective = objective_of(Rectified(), AtomL1(), architecture=Dense(()))
    into, out = (chain.layers[1].layers[0].layers[0] for chain in (objective.model.encoder, objective.model.decoder))
    before = value(objective, "atom_l1").detach()
    into.weight.data /= 7
    into.bias.data /= 7
    out.weight.data *= 7
    assert torch.allclose(value(objective, "atom_l1"), before)


def test_nested_with_one_group_of_all_units_is_the_reconstruction():
    objective = objective_of(Rectified(), Nested(shares=(1.0,)))
    terms = objective(Batch(X), None, 0.0)[0]
    constant = X.shape[1] * math.log(2 * math.pi) / 2
    assert torch.allclose(terms["nested"], terms["reconstruction"] - constant)


@pytest.mark.parametrize("architecture", [Dictionary(), Dense(())])
def test_nested_is_the_mean_over_groups_of_the_first_units(architecture):
    objective = objective_of(Rectified(), Nested(shares=(0.25, 0.5, 1.0)), architecture=architecture)
    code, found = objective.run(Batch(X), None).code, 0
    for n in (3, 6, 12):
        some = torch.where(torch.arange(12) < n, code, 0.0)
        found = found + (X - objective.model.decode(some)).square().sum(1) / 6
    assert torch.allclose(value(objective, "nested"), found)


def test_small_groups_count_less_by_the_power_of_their_share():
    objective = objective_of(Rectified(), Nested(4.0, shares=(0.25, 0.5, 0.75, 1.0), power=2.0))
    groups = [objective_of(Rectified(), Nested(shares=(share,))) for share in (0.25, 0.5, 0.75, 1.0)]
    quarter, half, most, whole = (value(group, "nested") for group in groups)
    assert torch.allclose(value(objective, "nested"), quarter / 16 + half / 4 + 9 * most / 16 + whole)


def test_the_groups_of_a_matryoshka_and_the_whole_are_one_sum():
    nested = recipes.dictionary(64, l0=4, by="matryoshka").penalties[0]
    assert nested.weight == len(nested.sizes(64))
    assert nested.power > 0


def test_groups_of_few_units_count_no_more_than_their_share():
    """An eighth and less of four units is one unit: one group, which counts as the square of a quarter."""
    few = objective_of(Rectified(), Nested(4.0, power=2.0), units=4)
    assert Nested().sizes(4) == [1, 2]
    one, two = (value(objective_of(Rectified(), Nested(shares=(s,)), units=4), "nested") for s in (0.25, 0.5))
    assert torch.allclose(value(few, "nested"), one / 16 + two / 4)


@pytest.mark.parametrize("shares", [(), (0.5, 0.5), (0.0, 0.5), (0.5, 1.5)])
def test_shares_that_do_not_rise_are_refused(shares):
    with pytest.raises(ValueError, match="do not rise from above 0 to at most 1; give them in order"):
        Nested(shares=shares)


def test_lp_keeps_its_size_while_the_power_falls():
    objective = objective_of(Rectified(), Lp(0.3, power=Ramp(1.0, 0.2, epochs=10)))
    code = objective.run(Batch(X), None).code.detach()
    sizes = []
    for step in range(41):
        terms, tallies = objective(Batch(X), None, step / 4)
        sizes.append(float(terms["lp"].detach().mean()))
        objective.learn(tallies)
    assert math.isclose(sizes[0], 0.3 * code.sum(1).mean(), rel_tol=1e-6)
    objective.learn(objective(Batch(X), None, 10.0)[1])
    memory = objective.memories["lp"]
    assert math.isclose(float(memory.power), 0.2, rel_tol=1e-6)
    assert math.isclose(float(value(objective.eval(), "lp").detach().mean()), sizes[0], rel_tol=1e-6)


# -- dead units -------------------------------------------------------------------------------------------------------


def with_a_dead_unit(bottleneck):
    """Return an objective whose unit 0 never fires and is known to be dead."""
    objective = objective_of(bottleneck, Auxiliary(1.0, k=2))
    objective.model.encoder.layers[1].bias.data[0] = -50.0
    objective.memories["auxiliary"].idle[0] = 1e9
    return objective


@pytest.mark.parametrize(
    "bottleneck", [TopK(2, rectified=True), BatchTopK(2), Rectified(), JumpReLU(), Gated()], ids=name_of
)
def test_the_encoder_of_a_dead_unit_hears_of_the_error(bottleneck):
    objective = with_a_dead_unit(bottleneck)
    into = objective.model.encoder.layers[1]
    p = objective.run(Batch(X), None)
    assert (p.code[:, 0] == 0).all()
    value(objective, "auxiliary").mean().backward()
    # The derivative of half the squared error by what unit 0 would say is -e . d_0, for the rows that it may speak in.
    atom, error = objective.model.architecture.atoms(objective.model.decoder)[0], X - p.output
    expected = -0.5 * ((error @ atom).unsqueeze(1) * (X - into.centre)).mean(0)
    assert torch.allclose(into.weight.grad[0], expected) and expected.abs().sum() > 0
    assert (into.weight.grad[1:] == 0).all(), "units that live are left alone"
    without = objective_of(bottleneck)
    without.model.encoder.layers[1].bias.data[0] = -50.0
    value(without, "reconstruction").mean().backward()
    assert (without.model.encoder.layers[1].weight.grad[0] == 0).all(), "without it nothing is heard"


def test_the_value_of_the_auxiliary_loss_is_its_formula():
    objective = objective_of(TopK(2), Auxiliary(1.0, k=3))
    assert (value(objective, "auxiliary") == 0).all(), "nobody is dead at the start"
    memory, model = objective.memories["auxiliary"], objective.model
    memory.idle[:2] = 5 * len(X) + 1
    p = objective.run(Batch(X), None)
    z = torch.relu(p.features) * (torch.arange(12) < 2)
    e_hat = z @ model.architecture.atoms(model.decoder)
    expected = (2 / 3) / 2 * (X - p.output - e_hat).square().sum(1)
    assert torch.allclose(value(objective, "auxiliary"), expected)


def test_idle_rows_are_counted_until_a_unit_fires():
    objective = objective_of(TopK(1, rectified=True), Auxiliary(after=50))
    memory, part = objective.memories["auxiliary"], objective.penalties["auxiliary"]
    for _ in range(2):
        _, tallies = objective(Batch(X[:30]), None, 0.0)
        objective.learn(tallies)
    fired = (objective.run(Batch(X[:30]), None).code > 1e-3).any(0)
    assert 0 < fired.sum() < 12
    assert torch.equal(memory.idle, torch.where(fired, 0.0, 60.0).double())
    assert torch.equal(part.dead(memory), ~fired)


# -- the controller ---------------------------------------------------------------------------------------------------


def test_the_coefficient_starts_at_the_weight_and_rises_while_too_many_units_are_active():
    objective = objective_of(Rectified(), TargetL0(L1(0.3), l0=2))
    part, memory = objective.penalties["target_l0"], objective.memories["target_l0"]
    assert math.isclose(float(part.coefficient(memory)), 0.3, rel_tol=1e-6)
    code = objective.run(Batch(X), None).code
    assert torch.allclose(value(objective, "target_l0"), 0.3 * code.sum(1))
    seen = []
    for _ in range(20):
        _, tallies = objective(Batch(X), None, 0.0)
        objective.learn(tallies)
        seen.append(float(part.coefficient(memory)))
    assert seen == sorted(seen) and seen[0] > 0.3
    assert math.isclose(float(memory.count), (code > 0).sum(1).double().mean(), rel_tol=1e-6)


def test_a_penalty_becomes_a_reward_where_too_few_units_are_active():
    objective = objective_of(Rectified(), TargetL0(L1(0.3), l0=11))
    for _ in range(200):
        _, tallies = objective(Batch(X), None, 0.0)
        objective.learn(tallies)
    assert objective.penalties["target_l0"].coefficient(objective.memories["target_l0"]) < 0


@pytest.mark.parametrize(
    ("bottleneck", "inner", "others"),
    [
        (Rectified(), L1(0.1), ()),
        (Rectified(), Lp(0.1, power=Ramp(1.0, 0.2, 60)), ()),
        (JumpReLU(rate=0.3), L0(), ()),
        (Gated(), L0(), (GateLoss(),)),
    ],
    ids=["l1", "lp", "jump_relu", "gated"],
)
def test_the_target_is_met_and_known(bottleneck, inner, others):
    x = Noise(5).normal(torch.empty(600, 6, dtype=torch.float64))
    objective = objective_of(bottleneck, TargetL0(inner, l0=3), *others, x=x)
    loop = Trainer(epochs=100, patience=0, precision="float64").fit(objective, Rows(x), Noise(1))
    measured = loop.history[-1]["measured"]
    assert abs(measured["l0"] / 3 - 1) < 0.05, measured
    memory = objective.memories["target_l0"]
    assert {"target_l0", "reconstruction"} <= loop.history[-1]["train"].keys() and "coefficient" in measured
    assert float(objective.penalties["target_l0"].missed(memory, measured)) < 0.03


def test_the_best_weights_are_those_that_meet_the_target():
    objective = objective_of(Rectified(), TargetL0(L1(), l0=4))
    found = {"loss": 9.0, "target_l0": 2.0, "reconstruction": 7.0}
    untrained = objective.verdict(found | {"l0": 4.0})
    memory = objective.memories["target_l0"]
    memory.steps.fill_(100)
    memory.count.fill_(4)
    assert objective.verdict(found | {"l0": 4.03}) == [0.0, 7.0] < objective.verdict(found | {"l0": 8.0}) < untrained
    far, near = (objective.verdict(found | {"l0": count}) for count in (8.0, 4.5))
    assert near < far and objective.verdict(found | {"l0": 4.0}) < near
