"""The shipped checks notice a broken law. (Names with an underscore stay out of the catalogue.)"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from isthmus import testing
from isthmus.component import Memory, Schedule, number
from isthmus.corruption import Corruption
from isthmus.likelihood.normal import Normal
from isthmus.parts import Dense, Given, Masking, Overcomplete
from isthmus.penalty import Penalty
from isthmus.posterior import Dirac
from isthmus.records import Corrupted
from isthmus.testing import (
    check_by_row,
    check_corruption,
    check_description,
    check_gradient,
    check_likelihood,
    check_part,
    check_penalty,
    check_rows,
    check_work,
)


@dataclass(frozen=True, repr=False)
class _Broken(Penalty):
    weight: float | Schedule = number(1.0)
    fault: str = ""

    def memory(self, spec, code):
        return Memory(buffers={"count": torch.zeros(())})

    def __call__(self, p):
        value = p.code.square().sum(1)
        match self.fault:
            case "draws":
                return value + torch.rand(())
            case "moves":
                p.memory.count += 1
            case "writes":
                p.batch.x.add_(1e-3)
            case "single":
                return value.float()
            case "infinite":
                return value / 0.0
            case "wide":
                return p.code
            case "weighted":
                return self.weight * value
            case "stops":
                return value.detach() + p.code.sum(1)
        return value


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        ("draws", "the same call gives the same result"),
        ("moves", "a forward pass changes no weight and no memory"),
        ("writes", "the batch is left unchanged|the same call"),
        ("single", "double precision stays double precision, but _broken is torch.float32"),
        ("infinite", "every term is finite"),
        ("wide", "a term is one number or one per row"),
    ],
)
def test_a_fault_at_work_is_named(fault, law):
    with pytest.raises(AssertionError, match=rf"_Broken\(fault='{fault}'\) breaks a law: .*({law})"):
        check_work(_Broken(fault=fault))


def test_a_sound_penalty_passes():
    check_work(_Broken())
    check_penalty(_Broken())
    check_gradient(_Broken(), Dense((5,), activation="tanh"))


def test_a_weight_applied_twice_is_noticed():
    with pytest.raises(AssertionError, match="a penalty is unweighted"):
        check_penalty(_Broken(fault="weighted"))


def test_a_gradient_that_is_not_the_derivative_is_noticed():
    with pytest.raises(AssertionError, match="is the derivative"):
        check_gradient(_Broken(fault="stops"), Dense((5,), activation="tanh"))


def test_a_global_generator_that_moved_is_noticed():
    for draw, name in ((lambda: torch.rand(1), "torch"), (lambda: np.random.random(), "numpy")):
        with pytest.raises(AssertionError, match=name), testing.global_state_untouched(Masking()):
            draw()


@dataclass(frozen=True, repr=False)
class _Crowd(Penalty):
    by_row: ClassVar[bool] = True
    weight: float | Schedule = number(1.0)
    whole: bool = False

    def __call__(self, p):
        crowd = p.code.mean(0, keepdim=True)
        return (p.code - crowd).square().sum() if self.whole else (p.code - crowd).square().sum(1)


@pytest.mark.parametrize("whole", [False, True])
def test_a_part_that_looks_at_other_rows_and_denies_it_is_noticed(whole):
    with pytest.raises(AssertionError, match="_crowd depends on other rows"):
        check_by_row(_Crowd(whole=whole))


@dataclass(frozen=True, repr=False)
class _Branching(Penalty):
    weight: float | Schedule = number(1.0)
    level: float = number(0.5)

    def __call__(self, p):
        return p.code.sum(1) * (2.0 if self.level > 0.3 else 1.0)


def test_a_number_that_steers_a_branch_is_noticed():
    with pytest.raises((AssertionError, RuntimeError), match=r"level may differ between stacked members|vmap"):
        check_penalty(_Branching())


@dataclass(frozen=True, repr=False)
class _Sloppy(Corruption):
    def __call__(self, batch, noise, memory):
        return Corrupted(batch.x + 1.0, batch.seen)


def test_a_corruption_that_hides_what_it_touched_is_noticed():
    with pytest.raises(AssertionError, match="touched covers what has changed"):
        check_corruption(_Sloppy())


@dataclass(frozen=True, repr=False)
class _Summed(Normal):
    def nll(self, output, x, memory):
        return super().nll(output, x, memory).sum(1)


def test_a_likelihood_that_sums_too_early_is_noticed():
    with pytest.raises(AssertionError, match="nll is shaped as the data"):
        check_likelihood(_Summed())


@dataclass(frozen=True, repr=False)
class _Centred(Overcomplete):
    def __call__(self, features, memory):
        return Dirac(features - features.mean(0))


def test_rows_that_depend_on_each_other_are_noticed():
    with pytest.raises(AssertionError, match="in use, no row depends on another"):
        check_rows(_Centred())


@dataclass(frozen=True, repr=False)
class _Unequal(Corruption):
    values: tuple[float, ...] = (float("nan"),)

    def __post_init__(self):
        object.__setattr__(self, "values", (float("nan"),))


def test_a_description_that_is_not_equal_to_itself_is_noticed():
    with pytest.raises(AssertionError, match="equal parts are equal"):
        check_description(_Unequal())


def test_a_part_that_fits_nothing_is_told_the_last_refusal():
    with pytest.raises(AssertionError, match="fits no data and no partners; the last refusal: Given has no modules"):
        check_part(Given())
    assert replace(Masking()) == Masking()
