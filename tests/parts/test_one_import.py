"""``isthmus.parts`` is the catalogue: what one has, the other has, also for an editor that runs nothing."""

import ast
import inspect

import pytest

import isthmus.parts
from isthmus.catalogue import catalogue, name_of
from isthmus.parts import KINDS, Trainer, parts
from isthmus.penalty import Penalty

SHIPPED = [cls for cls in parts() if cls.__module__.startswith("isthmus.")]


def test_every_part_of_the_catalogue_is_here_under_its_class_name():
    assert {cls for kind in KINDS for cls in catalogue(kind).values()} | {Trainer} == set(parts())
    for cls in SHIPPED:
        assert getattr(isthmus.parts, cls.__name__) is cls


def test_editors_see_the_same_parts():
    tree = ast.parse(inspect.getsource(isthmus.parts))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {(node.module, alias.name) for node in block.body for alias in node.names}
    here = {(cls.__module__, cls.__name__) for cls in SHIPPED if cls is not Trainer}
    assert told == here, f"the imports for type checkers lack {here - told} and should not have {told - here}"


def test_a_star_brings_every_part():
    space = {}
    exec("from isthmus.parts import *", space)
    assert {cls.__name__ for cls in parts()} == space.keys() - {"__builtins__"}


def test_names_are_unique_over_all_kinds():
    names = [name_of(cls) for cls in SHIPPED]
    assert len(set(names)) == len(names)


def test_a_part_that_was_derived_from_keeps_its_name():
    class _Louder(isthmus.parts.L1):
        pass

    assert catalogue(Penalty)["l1"] is isthmus.parts.L1 and _Louder not in parts()


def test_an_unknown_part_is_answered_with_a_suggestion():
    with pytest.raises(AttributeError, match=r"there is no part 'Maskin'; did you mean 'Masking'\? known: .*TopK"):
        getattr(isthmus.parts, "Maskin")  # noqa: B009
    assert not hasattr(isthmus.parts, "__path__")
