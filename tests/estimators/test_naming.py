"""Names of concepts belong to the fitted units, and travel with them."""

import json

import numpy as np
import pytest
from quick import TWO, quick, rows
from sklearn.base import clone

from isthmus import load, passports

X = rows(60)


@pytest.fixture
def model():
    return quick().fit(X)


def test_names_are_saved_and_shown(model, tmp_path):
    back = load(model.name_concept(2, " loop ").name_concept(np.int64(0), "stem").save(tmp_path / "model"))
    assert back.concept_names_ == {0: "stem", 2: "loop"}
    book = passports(back, X)
    assert [passport.name for passport in book] == ["stem", "", "loop"]
    assert book[2].title == "loop (unit 2)" and "loop" in repr(book)
    assert book.order("name") == [2, 0, 1], "alphabetically, then those without"
    back.name_concept(2, "bow")
    assert book[2].name == "bow", "a book that is open shows it too"


def test_a_clone_and_a_new_fit_forget(model):
    model.name_concept(1, "loop")
    assert clone(model).fit(X).concept_names_ == {}
    assert model.fit(X).concept_names_ == {}


def test_going_on_learning_keeps_them(model):
    assert model.name_concept(1, "loop").partial_fit(X).concept_names_ == {1: "loop"}


def test_columns_keep_their_names(model):
    before = list(model.get_feature_names_out())
    assert list(model.name_concept(1, "loop").get_feature_names_out()) == before


def test_a_name_can_be_changed_and_taken_away(model):
    model.name_concept(1, "loop").name_concept(1, "bow")
    assert model.concept_names_ == {1: "bow"}
    assert model.name_concept(1, None).concept_names_ == {}


@pytest.mark.parametrize("unit", [-1, 3, 1.5, "1"])
def test_units_that_are_not_there_are_refused(model, unit):
    with pytest.raises(ValueError, match="units are 0 to 2"):
        model.name_concept(unit, "loop")


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 61, 3])
def test_what_is_no_name_is_refused(model, name):
    with pytest.raises(ValueError, match="is no name"):
        model.name_concept(1, name)


@pytest.mark.parametrize("name", ["concept 0", "concept 2", " concept 7 ", "constant"])
def test_what_others_are_called_by_default_is_refused(model, name):
    with pytest.raises(ValueError, match=f"call something else '{name.strip()}' where it has no name; choose another"):
        model.name_concept(1, name)


def test_a_unit_may_have_its_own_default_as_a_name(model):
    assert model.name_concept(1, "concept 1").name_concept(2, "constants").concept_names_[1] == "concept 1"


def test_two_units_have_two_names(model):
    with pytest.raises(ValueError, match="unit 0 is called 'loop' already"):
        model.name_concept(0, "loop").name_concept(1, "loop")


def test_a_classifier_says_its_concepts_by_name():
    from isthmus import SelfExplainingClassifier

    classifier = SelfExplainingClassifier(quick(), trainer=TWO, random_state=0).fit(X, np.arange(60) % 2)
    classifier.autoencoder_.name_concept(1, "loop")
    assert classifier.explain(X[:1]).names == ("concept 0", "loop", "concept 2", "constant")
    assert passports(classifier.autoencoder_, X)[1].name == "loop"


def test_names_of_a_file_are_looked_at(model, tmp_path):
    from isthmus import persistence

    manifest, tensors = persistence.read(model.save(tmp_path / "model"))
    kept = {key: value for key, value in manifest.items() if key not in ("checksum", "weights", "format", "version")}
    persistence.write(tmp_path / "other", kept | {"concept_names": {"7": "loop"}}, tensors)
    with pytest.raises(ValueError, match="units are 0 to 2"):
        load(tmp_path / "other")
    assert "concept_names" in json.loads((tmp_path / "model" / "model.json").read_text())
