"""A newcomer's penalty is under 25 lines, touches nothing else, and is everywhere at once."""

import inspect
import json
import math
from dataclasses import dataclass

import pytest
import torch
from tiny import model_of
from torch import Tensor

import isthmus.parts
from isthmus.catalogue import catalogue, from_dict, to_dict
from isthmus.component import Schedule, number
from isthmus.grammar import parse
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import L1, Dense, Normal, Overcomplete, Ramp, Trainer
from isthmus.penalty import Penalty
from isthmus.records import Batch, Pass, Rows
from isthmus.testing import check_gradient, check_part


@dataclass(frozen=True, repr=False)
class Crowding(Penalty):
    """sum_j |h_j|^power per row, the share of each unit being what a newcomer cares for."""

    weight: float | Schedule = number(1e-2, low=0.0)
    power: float | Schedule = number(1.5, low=1.0)

    def __call__(self, p: Pass) -> Tensor:
        """Return the sum over units and places."""
        return (p.code.abs() ** self.power).flatten(1).sum(1)


X = Noise(0).uniform(torch.empty(40, 6, dtype=torch.float64))


def objective_of(*penalties):
    return Objective(model_of(Dense((5,), activation="tanh"), Overcomplete(), X), Normal(), penalties).double()


def test_it_is_short():
    assert len(inspect.getsource(Crowding).splitlines()) < 25


def test_it_keeps_every_law():
    check_part(Crowding())
    check_gradient(Crowding(), Dense((5,), activation="tanh"))


def test_it_is_in_the_catalogue_the_grammar_and_the_files():
    assert catalogue(Penalty)["crowding"] is Crowding
    assert parse(Penalty, "crowding:weight=0.5,power=2") == Crowding(0.5, 2)
    part = Crowding(Ramp(0.0, 1.0, 5))
    assert from_dict(Penalty, json.loads(json.dumps(to_dict(part)))) == part
    assert isthmus.parts.Crowding is Crowding and "Crowding" in dir(isthmus.parts)


def test_it_is_a_named_term_of_the_objective_and_of_the_history():
    objective = objective_of(L1(), Crowding(Ramp(0.0, 0.2, 10)))
    terms, _ = objective(Batch(X), None, 5.0)
    code = objective.run(Batch(X), None).code
    assert list(terms) == ["reconstruction", "l1", "crowding"]
    assert torch.allclose(terms["crowding"], 0.1 * code.abs().pow(1.5).sum(1))
    history = Trainer(epochs=2, precision="float64").fit(objective, Rows(X), Noise(1)).history
    assert history.terms == ["reconstruction", "l1", "crowding"]
    for row in history:
        for terms in (row["train"], row["held_out"]):
            assert math.isclose(sum(v for name, v in terms.items() if name != "loss"), terms["loss"], rel_tol=1e-12)


def test_a_misspelt_setting_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"penalty 'crowding' has no setting 'powr'; did you mean 'power'\?"):
        parse(Penalty, "crowding:powr=2")
    with pytest.raises(ValueError, match=r"Crowding: power=0.5 is out of range; it must be at least 1"):
        Crowding(power=0.5)


def test_one_kind_of_penalty_twice_is_refused():
    with pytest.raises(ValueError, match=r"penalties \['Crowding', 'Crowding'\] hold one kind twice; .* merge them"):
        objective_of(Crowding(), Crowding(0.5))
