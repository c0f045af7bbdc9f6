"""Reasons of a detector: ranges hold what they say, and neighbours are like a row in columns of every kind."""

import numpy as np
import pandas as pd
import pytest

from isthmus import AnomalyDetector, Trainer
from isthmus.estimators import explanation, neighbours
from isthmus.estimators.neighbours import nearest
from isthmus.parts import Adam, Cosine
from isthmus.records import Column

SOME = Trainer(epochs=40, batch_size=128, optimiser=Adam(Cosine(3e-3)), validation=0.0, patience=0)


def pair(n, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return pd.DataFrame({"length": z, "width": 2 * z + 0.1 * rng.normal(size=n)})


def heavy(n, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return pd.DataFrame({"z": z, "noisy": z + 0.3 * rng.standard_t(2, size=n), "level": rng.choice(list("ab"), n)})


def covered(detector, new):
    why = detector.explain(new)
    number = [j for j, ordered in enumerate(detector.reading_.ordered) if ordered]
    low, high, there = (part[:, number].astype(float) for part in (why.low, why.high, why.values))
    return ((there >= low) & (there <= high)).mean(0)


@pytest.mark.parametrize("rows", [pair, heavy])
@pytest.mark.parametrize("n", [500, 1500])
def test_nine_of_ten_values_lie_in_their_range(rows, n):
    detector = AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(rows(n, 0))
    share = covered(detector, rows(1500, 1))
    assert (share > 0.82).all()
    assert (share < 0.97).all()


def test_what_is_far_off_lies_out_of_its_range():
    detector = AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(pair(1500, 0))
    why = detector.explain(pd.DataFrame({"length": [0.0], "width": [1.0]}))
    assert why.high[0, 1] < 1


def test_ranges_of_windows_and_pictures_hold_nine_of_ten_too():
    rng = np.random.default_rng(0)
    series = np.sin(np.arange(4000) / 9) + 0.3 * rng.standard_t(2, size=4000).clip(-8, 8)
    watch = AnomalyDetector(contamination=0, window=16, trainer=SOME, random_state=0).fit(series[:2500])
    assert 0.82 < covered(watch, series[2500:])[0] < 0.97
    shown = (rng.normal(size=(1000, 1, 1)) + 0.2 * rng.standard_t(2, size=(1000, 4, 4))).clip(-8, 8)
    of_pictures = AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(shown[:600])
    assert 0.82 < covered(of_pictures, shown[600:]).mean() < 0.97


def test_ranges_of_many_columns_are_measured_with_several_hidden_at_once(monkeypatch):
    monkeypatch.setattr(explanation, "ALONE", 3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 1)) + 0.3 * rng.normal(size=(2000, 9))
    detector = AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(X[:1000])
    share = covered(detector, X[1000:])
    assert (share > 0.8).all()
    assert (share < 0.99).all()


def test_a_column_without_errors_to_measure_may_lie_anywhere_in_the_range_of_the_fit():
    off = np.array([[0.1, np.nan], [np.nan, np.nan], [-0.3, np.nan]])
    found = explanation.CENTRAL * explanation.deviations(off, np.array([[-1.0, -2.0], [1.0, 3.0]]))
    assert found.tolist() == pytest.approx([0.3, 5.0])


def test_levels_are_alike_or_not_whatever_their_places_in_the_alphabet():
    rng = np.random.default_rng(0)
    level = rng.choice([f"c{i:02d}" for i in range(26)], 400)
    frame = pd.DataFrame({"x": rng.normal(size=400), "y": rng.normal(size=400), "k": level})
    detector = AnomalyDetector(contamination=0, trainer=Trainer(epochs=1), random_state=0).fit(frame)
    known = frame.iloc[detector.known_]
    nearest = np.hypot(known.x, known.y).argsort(kind="stable")[:3]
    for odd in (None, "never seen"):
        near = detector.explain(pd.DataFrame({"x": [0.0], "y": [0.0], "k": [odd]})).neighbours[0]
        assert sorted(near) == sorted(detector.known_[nearest])
    own = detector.explain(frame.iloc[detector.known_[:5]]).neighbours
    assert own[:, 0].tolist() == detector.known_[:5].tolist()


def test_neighbours_are_measured_by_kinds_and_by_what_both_rows_have():
    nan = np.nan
    variables = [Column("n"), Column("k", "category", 5), Column("c", "count"), Column("a", "angle")]
    far = np.array([[9.0, 0, 0, 0], [9.0, 0, 100, 0], [9.0, 0, 200, 0]])

    def first(row, *known):
        rows = np.vstack([known, far])
        return int(nearest(np.array([row]), rows, np.arange(len(rows)), variables)[0, 0])

    assert first([0, 3, 100, 0], [0, 4, 100, 0], [0, 0, 101, 0.0], [1.5, 3, 100, 0]) == 0  # another level is one apart
    assert first([0, 1, 100, 3.1], [0, 1, 100, 2.5], [0, 1, 100, -3.1]) == 1  # angles close in a circle
    assert first([0, 1, nan, 0], [nan, 1, 100, 0.3], [0.5, 1, 0, 0.3]) == 0  # what is missing is no zero
    assert first([0, 1, 100, 0], [0.9, 1, 100, 0], [0, 1, 120, 0]) == 1  # counts in their standard units
    assert first([nan, nan, nan, nan], [0, 1, 100, 0]) == 0


def test_neighbours_of_very_wide_rows_are_found_part_by_part(monkeypatch):
    rng = np.random.default_rng(0)
    known, rows = rng.normal(size=(40, 30)), rng.normal(size=(5, 30))
    whole = nearest(rows, known, np.arange(40))
    monkeypatch.setattr(neighbours, "CELLS", 40 * 4)
    assert np.array_equal(nearest(rows, known, np.arange(40)), whole)
    assert np.array_equal(whole[:, 0], np.square(rows[:, None] - known).sum(2).argmin(1))
