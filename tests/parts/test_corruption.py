"""Corruptions do what they say, as often as they say, and only to what the encoder sees."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import model_of

from isthmus.component import Memory
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import (
    Clean,
    Clipped,
    Compose,
    Dense,
    Emphasised,
    GaussianNoise,
    Masking,
    Normal,
    Overcomplete,
    Ramp,
    SaltAndPepper,
    SwapNoise,
)
from isthmus.records import Batch, Spec

BY_RATE = (Masking, SaltAndPepper, SwapNoise)


def numbers(rows, *shape, seed=0):
    """Return distinct numbers of which none is zero or a bound."""
    return 0.1 + 0.8 * Noise(seed).uniform(torch.empty(rows, *shape, dtype=torch.float64))


def corrupted(corruption, batch, seed=1, spec=None):
    """Corrupt a batch as an objective would, after a start on the same batch."""
    memory = corruption.memory(spec or Spec(tuple(batch.x.shape[1:])), (2,)).double()
    corruption.remember(memory, batch)
    return corruption(batch, Noise(seed), memory)


@pytest.mark.parametrize("cls", BY_RATE)
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_observed_rates_are_the_stated_ones(cls, rate):
    x = numbers(400, 50)
    new = corrupted(cls(rate), Batch(x))
    touched = new.touched.double().mean()
    spread = 4 * math.sqrt(rate * (1 - rate) / x.numel())
    assert abs(float(touched) - rate) <= spread
    assert abs(float((new.x != x).double().mean()) - rate) <= spread + 1e-9
    assert not ((new.x != x) & ~new.touched).any()


@pytest.mark.parametrize("cls", BY_RATE)
def test_entries_are_chosen_independently_per_row_and_column(cls):
    touched = corrupted(cls(0.3), Batch(numbers(2000, 12))).touched.double()
    for means in (touched.mean(0), touched.mean(1)):
        n = touched.numel() / len(means)
        assert (means - 0.3).abs().max() <= 5 * math.sqrt(0.21 / n)
    correlation = torch.corrcoef(touched.T) - torch.eye(12)
    assert correlation.abs().max() < 0.1


def test_masking_writes_zeros_and_scales_nothing():
    x = numbers(50, 3, 4, 4)
    new = corrupted(Masking(0.4), Batch(x))
    assert (new.x[new.touched] == 0).all()
    assert torch.equal(new.x[~new.touched], x[~new.touched])
    assert torch.allclose(new.x.mean(), 0.6 * x.mean(), atol=0.03)


def test_gaussian_noise_has_its_deviation_and_no_bias():
    x = numbers(2000, 20)
    difference = corrupted(GaussianNoise(0.4), Batch(x)).x - x
    n = difference.numel()
    assert abs(float(difference.mean())) < 4 * 0.4 / math.sqrt(n)
    assert abs(float(difference.std()) - 0.4) < 4 * 0.4 / math.sqrt(2 * n)
    assert corrupted(GaussianNoise(0.4), Batch(x)).touched.all()


def test_salt_and_pepper_tosses_a_fair_coin_between_the_ends():
    x = numbers(500, 40)
    new = corrupted(SaltAndPepper(0.5), Batch(x))
    ends = new.x[new.touched]
    assert set(ends.tolist()) == {0.0, 1.0}
    assert abs(float(ends.mean()) - 0.5) < 4 * 0.5 / math.sqrt(len(ends))


def test_salt_and_pepper_takes_each_columns_own_range_outside_the_unit_interval():
    x = numbers(300, 3) * torch.tensor([1.0, 100.0, -5.0])
    new = corrupted(SaltAndPepper(0.5), Batch(x))
    for column in range(3):
        ends = new.x[:, column][new.touched[:, column]]
        assert set(ends.tolist()) == {float(x[:, column].min()), float(x[:, column].max())}
    image = numbers(30, 2, 4, 4) * torch.tensor([1.0, 255.0]).reshape(2, 1, 1)
    new = corrupted(SaltAndPepper(0.5), Batch(image))
    assert new.x[:, 1][new.touched[:, 1]].max() == image[:, 1].max()
    assert set(corrupted(SaltAndPepper(0.5, low=-2.0, high=3.0), Batch(x)).x.flatten().tolist()) >= {-2.0, 3.0}


def test_salt_and_pepper_does_not_look_at_what_was_not_seen():
    x, seen = numbers(100, 2) * 10, torch.ones(100, 2, dtype=torch.bool)
    x[7, 0], seen[7, 0] = 1e9, False
    assert corrupted(SaltAndPepper(1.0), Batch(x, seen)).x[seen].max() < 10


def test_swaps_come_from_the_same_column_of_other_rows_each_equally_likely():
    rows = 6
    x = torch.arange(rows).double().reshape(-1, 1).expand(-1, 4000) + 100 * torch.arange(4000)
    new = corrupted(SwapNoise(1.0), Batch(x))
    assert torch.equal((new.x / 100).floor(), (x / 100).floor()), "a value left its column"
    donors = (new.x % 100).long()
    assert not (donors == torch.arange(rows).reshape(-1, 1)).any(), "a row gave a value to itself"
    counts = torch.stack([torch.bincount(row, minlength=rows) for row in donors]).double()
    assert (counts[~torch.eye(rows, dtype=torch.bool)] - 800).abs().max() < 5 * math.sqrt(800)


@pytest.mark.parametrize("rows", [1, 2])
def test_swaps_in_tiny_batches(rows):
    x = numbers(rows, 5)
    new = corrupted(SwapNoise(1.0), Batch(x))
    assert torch.equal(new.x, x.flip(0)) and bool(new.touched.any()) == (rows == 2)


def test_swaps_neither_take_nor_give_what_was_not_seen():
    x = numbers(40, 30)
    seen = Noise(5).uniform(x) < 0.6
    x = x.masked_fill(~seen, 99.0)
    new = corrupted(SwapNoise(1.0), Batch(x, seen))
    assert (new.x[seen] != 99.0).all() and (new.x[~seen] == 99.0).all()


def test_chains_apply_in_order_and_remember_all_that_was_touched():
    x = numbers(200, 30)
    new = corrupted(Compose((SaltAndPepper(1.0), Masking(0.5))), Batch(x))
    assert set(new.x.unique().tolist()) == {0.0, 1.0} and (new.x == 0).double().mean() > 0.7
    assert new.touched.all()
    two = corrupted(Compose((Masking(0.3), Masking(0.3))), Batch(x)).touched.double().mean()
    assert abs(float(two) - (1 - 0.7**2)) < 0.03
    with pytest.raises(ValueError, match=r"Compose hold no corruption; give one or more, or use Clean\(\)"):
        Compose(())


def test_clipping_keeps_noisy_pixels_in_their_range_and_leaves_the_rest():
    x = numbers(100, 30)
    new = corrupted(Clipped(GaussianNoise(2.0)), Batch(x)).x
    assert new.min() == 0 and new.max() == 1
    far = x + 5
    kept = corrupted(Clipped(Masking(0.5)), Batch(far))
    assert (kept.x[kept.touched] >= far.min()).all(), "what is masked stays among the values of the data"
    assert torch.equal(kept.x[~kept.touched], far[~kept.touched])
    with pytest.raises(ValueError, match=r"Clipped: low=2.0 is above high=1.0; swap them"):
        Clipped(low=2.0, high=1.0)


def test_emphasis_weighs_touched_entries_by_alpha_and_the_others_by_beta():
    new = corrupted(Emphasised(Masking(0.3), alpha=2.0, beta=0.5), Batch(numbers(50, 20)))
    assert (new.emphasis[new.touched] == 2.0).all() and (new.emphasis[~new.touched] == 0.5).all()
    twice = corrupted(Compose((Emphasised(Masking(1.0), 2.0), Emphasised(Masking(1.0), 3.0))), Batch(numbers(5, 4)))
    assert (twice.emphasis == 6.0).all()


def test_emphasis_enters_the_loss_and_nothing_else_does():
    x = numbers(30, 6)
    emphasised = Objective(model_of(Dense((5,)), Overcomplete(), x), Normal(), (), Emphasised(Masking(0.5), 3.0, 0.25))
    plain = Objective(emphasised.model, Normal(), (), Masking(0.5))
    p = plain.run(Batch(x), Noise(4))
    nll = plain.nll(p)
    expected = torch.where(p.corrupted.touched, 3.0 * nll, 0.25 * nll).sum(1)
    terms, _ = emphasised(Batch(x), Noise(4), math.inf)
    assert torch.allclose(terms["reconstruction"], expected)


@pytest.mark.parametrize("base", [Clean(), Compose((Clean(),)), Clipped(Clean())])
def test_nothing_touched_is_nothing_to_emphasise(base):
    with pytest.raises(
        ValueError, match=r"Emphasised needs a corruption that says which entries it touched, which .*; use"
    ):
        Emphasised(base)


@pytest.mark.parametrize(
    "corruption",
    [Masking(Ramp(0.0, 0.5, 10)), Emphasised(Masking(Ramp(0.0, 0.5, 10))), Compose((Masking(Ramp(0.0, 0.5, 10)),))],
)
def test_a_rate_may_be_a_schedule_inside_wrappers_too(corruption):
    x = numbers(300, 20)
    assert not corrupted(corruption.at(0.0), Batch(x)).touched.any()
    assert abs(float(corrupted(corruption.at(99.0), Batch(x)).touched.double().mean()) - 0.5) < 0.05
    with pytest.raises(ValueError, match="has no value without an epoch"):
        corrupted(corruption, Batch(x))


ALL = [GaussianNoise(), Masking(), SaltAndPepper(), SwapNoise(), Compose(), Clipped(), Emphasised()]


@given(
    rows=st.integers(1, 5),
    shape=st.sampled_from([(3,), (2, 5), (1, 3, 2)]),
    which=st.sampled_from(ALL),
    seed=st.integers(0, 99),
)
def test_shape_dtype_and_the_clean_rows_are_kept(rows, shape, which, seed):
    x = numbers(rows, *shape, seed=seed).float()
    clean = x.clone()
    memory: Memory = which.memory(Spec(shape), (2,))
    which.remember(memory, Batch(x))
    new = which(Batch(x), Noise(seed), memory)
    again = which(Batch(x), Noise(seed), memory)
    assert new.x.shape == x.shape and new.x.dtype == x.dtype
    assert torch.equal(x, clean) and torch.equal(new.x, again.x)


def test_the_loss_compares_with_the_clean_rows():
    x = numbers(20, 6)
    objective = Objective(model_of(Dense((5,)), Overcomplete(), x), Normal(), (), Masking(1.0))
    p = objective.run(Batch(x), Noise(0))
    assert (p.inputs == 0).all()
    assert torch.allclose(objective.nll(p), (x - p.output).square() / 2 + math.log(2 * math.pi) / 2)
