"""Rows that a robust fit leaves out are the odd ones, whatever noise they happen to be given."""

import numpy as np
import torch

from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import Bernoulli, Dense, Mixed, NoiseLevels, Normal, Overcomplete, Poisson, ScaledNormal, VonMises
from isthmus.records import Batch, Column, Spec

SPEC = Spec((6,), rows=400, provides=frozenset({"numbers", "continuous"}), level=0.1)


def denoiser(trim=0.4):
    """Return an untrained denoiser of many levels."""
    model = Autoencoder(SPEC, Dense((8,), activation="silu"), Overcomplete(), 8, (6,), Noise(0))
    made = Objective(model, Normal(), (), NoiseLevels(0.1, 3.0)).double().train()
    made.epochs, made.trim = 10, trim
    return made


def test_noise_levels_do_not_decide_which_rows_are_left_out():
    task = denoiser()
    x = Noise(1).normal(torch.empty(4000, 6, dtype=torch.float64))
    p = task.run(Batch(x), Noise(2), 5.0)
    kept = task.kept(p, 5.0) > 0
    level = p.corrupted.level
    assert abs(float(kept.double().mean()) - 0.6) < 0.01
    # Of the least, middle and largest third of the levels no part is left out as a whole.
    for third in level.argsort().tensor_split(3):
        assert 0.3 < float(kept[third].double().mean()) < 0.9


def test_an_anomaly_is_left_out_at_any_level():
    task = denoiser()
    x = Noise(1).normal(torch.empty(400, 6, dtype=torch.float64))
    x[::40] += 30.0
    kept = torch.stack([task.kept(task.run(Batch(x), Noise(seed), 5.0), 5.0) > 0 for seed in range(20)])
    assert float(kept[:, ::40].double().mean()) < 0.15
    assert float(kept.double().mean()) > 0.55


def test_rows_with_holes_are_judged_by_what_was_seen():
    spec = Spec((6,), rows=400, provides=frozenset({"numbers", "continuous"}), missing=True)
    model = Autoencoder(spec, Dense((8,)), Overcomplete(), 8, (6,), Noise(0))
    task = Objective(model, Normal(scale=0.1)).double().train()
    task.epochs, task.trim = 10, 0.5
    x = Noise(1).normal(torch.empty(2000, 6, dtype=torch.float64))
    seen = torch.ones_like(x)
    seen[::2, :4] = 0
    kept = task.kept(task.run(Batch(x, seen), Noise(2), 5.0), 5.0) > 0
    assert 0.3 < float(kept[::2].double().mean()) < 0.7


def test_a_peak_is_the_least_that_a_value_can_cost():
    columns = (Column("a"), Column("n", "count"), Column("t", "angle"), Column("c", "category", levels=3))
    spec = Spec((4,), columns, table=True)
    output = Noise(3).normal(torch.empty(5, Mixed().outputs(spec)[0], dtype=torch.float64))
    memory = Mixed().memory(spec, (2,)).double()
    peak = Mixed().peak(output, memory)
    values = torch.stack([Noise(seed).normal(output[:, :4]) for seed in range(200)])
    values[..., 1], values[..., 3] = values[..., 1].abs().floor(), 0
    values[..., 2] = values[..., 2].remainder(6.28) - 3.14
    assert all((Mixed().nll(output, x, memory) >= peak - 1e-9).all() for x in values)
    for likelihood in (Normal(scale=0.3), ScaledNormal()):
        own = likelihood.memory(Spec((4,)), (2,))
        mean = likelihood.mean(output[:, :4], own)
        torch.testing.assert_close(
            likelihood.nll(output[:, :4], mean, own), torch.zeros_like(mean) + likelihood.peak(output[:, :4], own)
        )
    angle = VonMises()
    pairs = output[:, :4]
    torch.testing.assert_close(angle.nll(pairs, angle.mean(pairs, None), None), angle.peak(pairs, None))
    assert Bernoulli().peak(pairs, None) == 0
    rate = Poisson().mean(pairs, None)
    assert np.all(Poisson().nll(pairs, rate.floor(), None).numpy() >= Poisson().peak(pairs, None).numpy() - 1e-12)
