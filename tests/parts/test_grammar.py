"""The one-line grammar reads what a person would type."""

import pytest

from isthmus.bottleneck import Bottleneck
from isthmus.catalogue import from_dict
from isthmus.grammar import parse
from isthmus.parts import L1, L2, Adam, Dense, Emphasised, Greedy, Masking, Steps, TopK
from isthmus.training.optimiser import Optimiser

LINES = {
    "top_k:k=8": TopK(8),
    "Top-K : k = 8": TopK(8),
    "dense:hidden=()": Dense(()),
    "dense:hidden=(64)": Dense((64,)),
    "dense:hidden=64": Dense((64,)),
    "dense:hidden=(64,32),tied=true": Dense((64, 32), tied=True),
    "emphasised:base=(masking:rate=0.3),alpha=2": Emphasised(Masking(0.3), alpha=2),
    "adam:learning_rate=(steps:initial=0.1,milestones=(5))": Adam(Steps(0.1, milestones=(5,))),
    "greedy": Greedy(),
    "greedy:corruption=masking,optimiser=(adam:learning_rate=0.1)": Greedy(optimiser=Adam(0.1), corruption=Masking()),
    "greedy:penalties=l2": Greedy(penalties=(L2(),)),
    "greedy:penalties=(l1:weight=0.1)": Greedy(penalties=(L1(0.1),)),
    "greedy:penalties=((l1:weight=0.1),(l2))": Greedy(penalties=(L1(0.1), L2())),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_the_part_that_it_says(line):
    part = LINES[line]
    kind = next(cls for cls in type(part).__mro__ if getattr(cls, "kind", None) and cls.__base__.__name__ == "Part")
    assert parse(kind, line) == part


@pytest.mark.parametrize("line", ["top_k:k=4,k=5", "top_k:type=sigmoid"])
def test_a_setting_that_stands_twice_is_refused(line):
    with pytest.raises(ValueError, match="stands twice in"):
        parse(Bottleneck, line)


def test_a_part_without_a_name_is_told_what_it_lacks():
    with pytest.raises(ValueError, match=r"bottleneck \{'k': 4\} lacks type, the name of a part; known: .*top_k"):
        from_dict(Bottleneck, {"k": 4})


@pytest.mark.parametrize("line", ["adam:0.1", "adam:learning_rate", "adam:learning_rat=0.1", "adm", ""])
def test_a_slip_is_answered_with_what_is_meant(line):
    with pytest.raises(ValueError, match=r"learning_rate|adam|top_k:k=8"):
        parse(Optimiser, line)
