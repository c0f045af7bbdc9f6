"""Figures of anomalies draw the numbers of the explanation and the scores."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from isthmus import AnomalyDetector, Trainer
from isthmus.displays import ContributionsDisplay, ScoresDisplay, anomaly_figures
from isthmus.parts import Dense

RNG = np.random.default_rng(0)
QUICK = {"architecture": Dense((8,)), "trainer": Trainer(epochs=2), "members": 2, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    """Return a detector of a table, and rows of which the fourth is odd."""
    import pandas as pd

    X = pd.DataFrame({"amount": RNG.normal(size=60), "city": ["Rome", "Oslo", "Bern"] * 20, "age": RNG.normal(size=60)})
    detector = AnomalyDetector(**QUICK).fit(X)
    odd = X.head(10).copy()
    odd.loc[3, "amount"] = 40.0
    return detector, odd


def test_bars_are_contributions_largest_first(table):
    detector, X = table
    shown = ContributionsDisplay.from_estimator(detector, X, n_rows=2)
    assert shown.axes_.shape == (2, 1) and shown.rows[0] == 3
    told = detector.explain(X.iloc[[3]])
    widths = [bar.get_width() for bar in shown.axes_[0, 0].patches]
    np.testing.assert_allclose(widths, np.sort(told.contributions[0])[::-1], rtol=1e-5)
    assert shown.axes_[0, 0].get_yticklabels()[0].get_text() == "amount"
    assert shown.axes_[0, 0].texts[0].get_text().startswith("40, expected ")
    assert shown.axes_[0, 0].get_title(loc="left").startswith("row 3: score ")
    called = ContributionsDisplay.from_estimator(detector, X, n_rows=1, rows=range(100, 110))
    assert called.rows == [103]


def test_scores_beside_the_threshold(table):
    detector, X = table
    shown = ScoresDisplay.from_estimator(detector, X)
    assert shown.axes_[0].lines[0].get_xdata()[0] == -detector.offset_
    assert (
        shown.axes_[0].get_title().startswith(f"{(detector.predict(X) < 0).sum()} of 10 rows above the threshold; 0.5")
    )
    share = ScoresDisplay(np.ones(9), np.ones(3), 2.0).plot()
    assert share.axes_[0].get_title() == "0 of 3 rows above the threshold"


@pytest.mark.parametrize(
    ("given", "shape", "kind"), [((3, 4), None, "images"), ((1, 3, 4), None, "images"), ((12,), (2, 6), "lines")]
)
def test_pictures_and_signals_have_a_map(given, shape, kind):
    X = RNG.uniform(size=(40, *given))
    detector = AnomalyDetector(**QUICK, shape=shape).fit(X)
    shown = ContributionsDisplay.from_estimator(detector, X, n_rows=3)
    assert shown.axes_.shape == (2, 3) and all(getattr(ax, kind) for ax in shown.axes_[0])
    if kind == "images":
        drawn = shown.axes_[1, 0].images[0].get_array()
        np.testing.assert_allclose(np.ravel(drawn), shown.explanation.contributions[0])


def test_the_scale_of_a_map_ends_at_the_most_that_a_place_adds_through_all_channels():
    X = RNG.uniform(size=(40, 3, 3, 4))
    shown = ContributionsDisplay.from_estimator(AnomalyDetector(**QUICK).fit(X), X, n_rows=3)
    maps = shown.explanation.maps.sum(1)
    np.testing.assert_allclose(shown.axes_[1, 1].images[0].get_array(), maps[1])
    assert shown.axes_[1, 0].images[0].get_clim() == pytest.approx((0, maps.max()))


def test_in_the_place_of_an_axes_and_as_files(table, tmp_path):
    detector, X = table
    figure, axes = plt.subplots(1, 2)
    assert ScoresDisplay.from_estimator(detector, X, ax=axes[0]).figure_ is figure
    assert ContributionsDisplay.from_estimator(detector, X, ax=axes[1]).figure_ is figure
    assert [path.name for path in anomaly_figures(detector, X, tmp_path)] == ["scores.png", "contributions.png"]
    assert plt.get_fignums() == [figure.number]
