"""Figures of self-explaining models draw the numbers of the explanation, and nothing over anything else."""

import numpy as np
import pandas as pd
import pytest
from legible import legible
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from isthmus import Autoencoder, SelfExplainingClassifier, SelfExplainingRegressor, Trainer
from isthmus.displays import (
    AuditDisplay,
    ConceptContributionsDisplay,
    InterventionDisplay,
    LossCurvesDisplay,
    self_explaining_figures,
)
from isthmus.estimators.audit import Audit
from isthmus.parts import Conv, Dense, TopK

TWO, START = Trainer(epochs=3, validation=0), Trainer(epochs=0)
NET = Dense((12,))
RNG = np.random.default_rng(0)
KINDS = ["pictures", "maps", "signals", "table", "kinds"]


def model(start, X, y, **settings):
    settings = {"relevances": Dense((8,)), "trainer": TWO, "random_state": 0} | settings
    return SelfExplainingClassifier(start, **settings).fit(X, y)


@pytest.fixture(scope="module")
def pictures(digits):
    return model(Autoencoder(12, architecture=NET, trainer=TWO, random_state=0), digits.X, digits.y), digits.X, digits.y


@pytest.fixture(scope="module")
def maps(digits):
    net = Autoencoder(2, architecture=Conv((3,), head="map"), trainer=START, random_state=0)
    return model(net, digits.X[:80], digits.y[:80]), digits.X[:80], digits.y[:80]


@pytest.fixture(scope="module")
def signals():
    X, y = RNG.normal(size=(60, 2, 20)), np.array(["slow", "quick"])[np.arange(60) % 2]
    return model(Autoencoder(4, architecture=NET, shape=(2, 20), trainer=TWO, random_state=0), X, y), X, y


@pytest.fixture(scope="module")
def table():
    """Return a table of numbers with 26 classes of long names."""
    X = pd.DataFrame(RNG.normal(size=(130, 18)) * 10.0 ** np.arange(-9, 9), columns=[f"column {i}" for i in range(18)])
    y = np.array([f"a class whose name is long, {chr(97 + i % 26)}" for i in range(130)])
    return model(Autoencoder(6, architecture=NET, scaling="standard", trainer=TWO, random_state=0), X, y), X, y


@pytest.fixture(scope="module")
def kinds():
    """Return a table of several kinds of columns with holes."""
    X = pd.DataFrame({"income": RNG.normal(size=90) * 1e5, "a kind of a thing": ["Rome", "a long level", "Bern"] * 30})
    X["born"] = np.datetime64("1990-01-01") + RNG.integers(0, 9000, 90).astype("timedelta64[D]")
    X["owner"] = np.arange(90) % 4 < 2
    X.loc[::7, "income"] = np.nan
    return model(Autoencoder(3, architecture=NET, trainer=TWO, random_state=0), X, X["owner"].to_numpy()), X, X["owner"]


@pytest.fixture(scope="module")
def many(digits):
    """Return a model of 63 concepts, of which 5 speak."""
    start = Autoencoder(63, architecture=Dense(()), bottleneck=TopK(5), trainer=START, random_state=0)
    return model(start, digits.X, digits.y)


@pytest.fixture(scope="module")
def regressor():
    X = RNG.normal(size=(60, 4))
    start = Autoencoder(3, scaling="standard", architecture=NET, trainer=TWO, random_state=0)
    one, two = (
        SelfExplainingRegressor(start, trainer=TWO, random_state=0).fit(X, y) for y in (X[:, 0], np.c_[X[:, 0], X])
    )
    return one, two, X


def first(X, n=1):
    return X.iloc[:n] if hasattr(X, "iloc") else X[:n]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_drawn_with_what_adds_up(kind, request):
    fitted, X, y = request.getfixturevalue(kind)
    shown = ConceptContributionsDisplay.from_estimator(fitted, first(X), y=y[:1], train=X, rows=["n7"])
    (panel,) = shown.axes_
    *widths, total = [bar.get_width() for bar in panel.patches]
    told = fitted.explain(first(X), against=fitted.classes_[shown.explanation.counter])
    assert_allclose(sum(widths), total, rtol=1e-4, atol=1e-5)
    assert_allclose(total, told.logits[0], rtol=1e-4, atol=1e-5)
    others = panel.get_yticklabels()[-2].get_text().endswith("others")
    sizes = np.abs(widths[:-1] if others else widths)
    assert (np.diff(sizes) <= 1e-6).all()
    assert "constant" in [label.get_text() for label in panel.get_yticklabels()]
    assert shown.figure_.get_suptitle().startswith("row n7: predicted ")
    legible(shown.figure_)


@pytest.mark.parametrize("kind", ["pictures", "table", "kinds"])
def test_rows_stand_side_by_side(kind, request):
    fitted, X, y = request.getfixturevalue(kind)
    shown = ConceptContributionsDisplay.from_estimator(fitted, X, y=y, n_rows=3)
    assert shown.axes_.shape == (3,)
    legible(shown.figure_)


@pytest.mark.parametrize("kind", ["pictures", "signals"])
def test_atoms_stand_where_training_rows_are_not_given(kind, request):
    fitted, X, _ = request.getfixturevalue(kind)
    shown = ConceptContributionsDisplay.from_estimator(fitted, X[:1])
    assert shown.beside.title == "what it writes"
    legible(shown.figure_)


def test_examples_are_training_rows_on_the_side_of_the_row(pictures):
    fitted, X, _ = pictures
    shown = ConceptContributionsDisplay.from_estimator(fitted, X[:1], train=X)
    (_, concept), (examples, high) = next(iter(shown.beside.pictures.items()))
    values = fitted.autoencoder_.transform(X)[:, concept]
    assert high == (shown.explanation.concepts[0, concept] >= fitted.known_concepts_[:, concept].mean())
    best = fitted.known_[
        np.argsort(-fitted.known_concepts_[:, concept] if high else fitted.known_concepts_[:, concept])
    ]
    assert_allclose(examples, X.reshape(len(X), -1)[best[: len(examples)]])
    assert values[best[0]] == pytest.approx(values[fitted.known_].max() if high else values[fitted.known_].min(), 1e-4)


def test_what_is_silent_is_one_bar(many, digits):
    many.name_concept(3, "a name that is far too long for the side of a bar")
    shown = ConceptContributionsDisplay.from_estimator(many, digits.X[:1], train=digits.X)
    bars = shown.bars(0, 10)
    assert bars[-1].name == "58 others" and bars[-1].adds == 0
    assert sum(bar.concept is not None for bar in bars) == 5
    legible(shown.figure_)


def test_an_explanation_of_logits_is_drawn_as_such(pictures):
    fitted, X, _ = pictures
    told = fitted.explain(X[:1])
    shown = ConceptContributionsDisplay(told).plot()
    named = told.outputs[told.predicted[0]]
    assert shown.axes_[0].get_yticklabels()[-1].get_text() == f"logit of {named}"
    assert shown.axes_[0].patches[-1].get_width() == pytest.approx(float(told.logits.max()), 1e-5)
    legible(shown.figure_)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_concepts_is_legible(kind, request):
    fitted, X, _ = request.getfixturevalue(kind)
    shown = InterventionDisplay.from_estimator(fitted, first(X, 3), {0: 2.0, "concept 1": -1.0})
    assert shown.axes_.shape == (3,)
    assert len({label.get_text() for label in shown.axes_[0].get_yticklabels()}) == len(shown.likeliest(0))
    after = [bar.get_width() for bar in shown.axes_[0].containers[1]]
    logits = shown.intervention.logits_after[0]
    probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert_allclose(after, probability[shown.likeliest(0)], rtol=1e-5)
    legible(shown.figure_)


def test_the_least_change_is_drawn(pictures):
    fitted, X, _ = pictures
    shown = InterventionDisplay.from_estimator(fitted, X, n_rows=2)
    told = fitted.counterfactual(X[:2])
    assert_allclose(shown.intervention.concepts_after, told.concepts_after)
    assert told.told(0).rpartition(": ")[2] in shown.title(0)
    legible(shown.figure_)


def test_targets_are_drawn_in_their_units(regressor):
    one, two, X = regressor
    shown = ConceptContributionsDisplay.from_estimator(one, X[:1], y=[1.0])
    assert shown.axes_[0].patches[-1].get_width() == pytest.approx(float(one.predict(X[:1])[0]), 1e-4)
    assert "target" in str(one.explain(X[:1]))
    assert str(two.explain(X[:9])).count("target 3 ") == 9
    legible(ConceptContributionsDisplay.from_estimator(two, X, n_rows=2).figure_)
    for fitted in (one, two):
        drawn = InterventionDisplay.from_estimator(fitted, X, {0: 1.0}, n_rows=2)
        assert not drawn.intervention.flipped.any()
        legible(drawn.figure_)
    with pytest.raises(ValueError, match="no other class"):
        InterventionDisplay.from_estimator(one, X)


def audit(**changes):
    """Return an audit with every warning."""
    baselines = {"no model at all": 0.1, "linear on the input": 0.93, "linear on the concepts": 0.9}
    baselines |= {"black box": 0.99, "random concepts": 0.93}
    leakage = {"concepts permuted": 0.93, "relevances at their mean": 0.93, "concepts at their mean": 0.4}
    settings = {"conciseness": 14.0, "faithfulness": 0.2, "completeness": 1e-7, "lipschitz": (3.0, 9.0), "error": 2.0}
    settings |= {"eps": 0.1, "seeds": (0.4, 0.5), "measure": "accuracy", "score": 0.93, "rows": 1000}
    return Audit(**(settings | {"baselines": baselines, "leakage": leakage} | changes))


def test_an_audit_is_bars_and_a_verdict():
    shown = AuditDisplay(audit()).plot()
    bars, words = shown.axes_
    assert_allclose([bar.get_width() for bar in bars.patches][:3], [0.93, 0.1, 0.93])
    said = " ".join(text.get_text().strip("• ") for text in words.texts)
    assert all(" ".join(sentence.split()) in " ".join(said.split()) for sentence in shown.audit.verdict)
    assert any(text.get_fontweight() == "bold" for text in words.texts)
    legible(shown.figure_)
    assert not any("no better than no model" in sentence for sentence in shown.audit.verdict)
    bad = audit(measure="R2", score=-3.0, faithfulness=np.nan, lipschitz=(np.nan, np.nan))
    legible(AuditDisplay(bad).plot().figure_)
    assert "does no better than no model at all" in str(bad) and "decoration" not in str(bad)
    assert "Lipschitz" not in str(bad) and "faithfulness" not in str(bad)


def test_in_the_place_of_an_axes_and_as_files(pictures, tmp_path):
    fitted, X, y = pictures
    figure, axes = plt.subplots(1, 3)
    assert AuditDisplay(audit()).plot(axes[0]).figure_ is figure
    assert ConceptContributionsDisplay.from_estimator(fitted, X[:1], ax=axes[1]).figure_ is figure
    assert InterventionDisplay.from_estimator(fitted, X[:1], {0: 0.0}, ax=axes[2]).figure_ is figure
    drawn = self_explaining_figures(fitted, X, y, tmp_path, audit=audit())
    assert [path.name for path in drawn] == ["curves.png", "audit.png", "contributions.png"]
    assert plt.get_fignums() == [figure.number]
    assert LossCurvesDisplay.from_estimator(fitted).axes_[0].has_data()


def test_a_shape_that_holds_no_row_is_refused(table):
    fitted, X, _ = table
    with pytest.raises(ValueError, match="does not hold the 18 numbers"):
        ConceptContributionsDisplay.from_estimator(fitted, X, shape=(1, 5, 5))
