"""Pages and galleries of concepts: nothing is written over anything else, whatever the rows are and however many."""

import numpy as np
import pytest
from legible import legible
from matplotlib import pyplot as plt

from isthmus import Autoencoder, Trainer, passports
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.plain import Overcomplete
from isthmus.bottleneck.top_k import TopK
from isthmus.displays import ConceptsDisplay, PassportDisplay, concept_figures

START = Trainer(epochs=0)


@pytest.fixture(scope="module")
def people():
    """Return a table of several kinds of columns with long names and levels, labels, and a model of it."""
    import pandas as pd

    rng = np.random.default_rng(0)
    level = [f"a level with a long name, number {k}" for k in range(3)]
    X = pd.DataFrame({f"a column with a long name {i}": rng.normal(size=90) * 10.0**i for i in range(7)})
    X["kind of a thing"] = rng.choice(level, 90)
    y = X["kind of a thing"].to_numpy()
    return Autoencoder(12, bottleneck=TopK(3), architecture=Dense((6,)), trainer=START, random_state=0).fit(X), X, y


@pytest.fixture(scope="module")
def many(digits):
    """Return a dictionary of 200 concepts of pictures."""
    model = Autoencoder(200, architecture=Dense((), tied=True), bottleneck=TopK(12), trainer=START, random_state=0)
    return model.fit(digits.X)


@pytest.mark.parametrize("kind", ["maps", "signals", "table"])
def test_a_page_is_legible(kind, request, digits):
    found = request.getfixturevalue(kind)
    model, X = found if isinstance(found, tuple) else (found, digits.X)
    y = np.array(["one", "another"])[np.arange(len(X)) % 2]
    legible(PassportDisplay(passports(model, X, y), 1).plot().figure_)


@pytest.mark.parametrize("kind", ["pictures", "signals", "table"])
def test_a_gallery_of_few_is_legible(kind, request, digits):
    found = request.getfixturevalue(kind)
    model, X = found if isinstance(found, tuple) else (found, digits.X)
    legible(ConceptsDisplay(passports(model, X, np.arange(len(X)) % 3)).plot().figure_)


def test_a_table_of_several_kinds_is_legible(people):
    book = passports(*people)
    legible(PassportDisplay(book, 0).plot().figure_)
    legible(ConceptsDisplay(book, "lift").plot().figure_)


def test_two_hundred_concepts_are_legible(many, digits):
    many.name_concept(3, "a name that is far too long for a tile of this size")
    shown = ConceptsDisplay(passports(many, digits.X, digits.y)).plot()
    assert len(shown.units) == 200 and len(shown.axes_) == 1
    legible(shown.figure_)


def test_a_dead_concept_has_a_page(digits):
    model = Autoencoder(6, bottleneck=TopK(1), architecture=Dense(()), trainer=START, random_state=0).fit(digits.X)
    for weight in model.objective_.model.encoder.parameters():
        weight.data[2] = -100.0 if weight.dim() == 1 else 0.0
    model._answer_anew()
    book = passports(model, digits.X, digits.y)
    assert book.dead[2]
    legible(PassportDisplay(book, 2).plot().figure_)


def test_flat_rows_are_drawn_in_the_shape_that_is_asked_for(digits):
    X = digits.X.reshape(len(digits.X), -1)
    model = Autoencoder(3, architecture=Dense((6,)), bottleneck=Overcomplete(), trainer=START, random_state=0).fit(X)
    book = passports(model, X)
    assert ConceptsDisplay(book, most=2, shape=(1, 8, 8)).plot().axes_[0].images
    assert not PassportDisplay(book, 0).plot().axes_[1].images
    with pytest.raises(ValueError, match="does not hold the 64 numbers"):
        ConceptsDisplay(book, shape=(1, 8, 9)).plot()


def test_the_folder_has_a_gallery_and_pages_of_what_lives(pictures, digits, tmp_path):
    drawn = concept_figures(passports(pictures, digits.X), tmp_path, pages=1)
    assert [path.stem[:7] for path in drawn] == ["gallery", "concept"]
    assert plt.get_fignums() == []
