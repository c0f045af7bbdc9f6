"""The graph of a detector explains as the detector does."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from answering import SIZES, agree, both, opened
from mixed_tables import table, unseen
from numpy.testing import assert_allclose

from isthmus import AnomalyDetector, Trainer, load
from isthmus.parts import Dense

SMALL = {"architecture": Dense((6,)), "trainer": Trainer(epochs=2, validation=0), "random_state": 0}


def plain(n=120, width=5):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, width)) * 10 + 100
    X[rng.random(X.shape) < 0.05] = np.nan
    X[0, 2] = 1e4
    return X


def rare(n=120):
    """Levels of which some member or other has met none."""
    return table(n).select(["age", "town", "digit"]).append_column("word", pa.array([f"n{i // 2}" for i in range(n)]))


CASES = {
    "split": (plain(), {"calibration": "split", "members": 2}),
    "cross": (plain(), {"calibration": "cross", "contamination": 0, "members": 2}),
    "pictures": (np.random.default_rng(1).random((60, 5, 6)), {"members": 2}),
    "table": (table(120).drop_columns(["bent", "always"]), {"members": 2}),
    "rare levels": (rare(), {"members": 2}),
}


@pytest.fixture(
    scope="module",
    params=["split", *(pytest.param(kind, marks=pytest.mark.long) for kind in CASES if kind != "split")],
)
def fitted(request):
    X, settings = CASES[request.param]
    detector = AnomalyDetector(**SMALL, **settings).fit(X)
    return detector, X, both(detector)


def told(detector, X):
    """Return what a detector answers itself, as graphs do."""
    found, reading, x = detector.explain(X), detector.reading_, detector._read(X)
    wanted = np.ones((len(x), len(reading.names)), bool)
    ranges = reading.expected(detector.members_, x, wanted)
    middle, low, high = (reading.in_graphs().cells(torch.from_numpy(values)).numpy() for values in ranges)
    low, high = (np.where(reading.ordered, ends, np.nan) for ends in (low, high))
    answers = {"score": found.score, "contributions": found.contributions, "p_value": found.p_value}
    return answers | {"expected": middle, "low": low, "high": high}


@pytest.mark.parametrize("rows", SIZES)
def test_a_graph_explains_as_the_detector_does(fitted, rows):
    detector, X, answers = fitted
    found = answers(rows=detector.cells(X[:rows]))
    for answered in (dict(found), found.pt2):
        explains(detector, answered, told(detector, X[:rows]))


def explains(detector, found, wanted):
    n = sum(map(len, detector.calibration_))
    # A row that calibrates ties with itself in spite of rounding, which in Python it may not.
    assert_allclose(found.pop("p_value"), wanted.pop("p_value"), atol=1.01 / (n + 1))
    steps = [column.get("step", float(column.get("whole", 0.0))) for column in detector.describe_columns()]
    for name in ("expected", "low", "high"):
        values = wanted.pop(name)
        away = found.pop(name) - values
        assert (np.isnan(away) == np.isnan(values)).all(), name
        assert (np.nan_to_num(np.abs(away)) <= 1e-6 + 1e-6 * np.nan_to_num(np.abs(values)) + steps).all(), name
    agree(found, wanted)
    assert_allclose(found["contributions"].sum(1), found["score"], rtol=1e-9)


def test_new_levels_are_odd_in_graphs_too(fitted):
    detector, X, answers = fitted
    if isinstance(X, np.ndarray):
        return
    given = unseen(table(5, seed=2)).select(X.column_names)
    found = answers(rows=detector.cells(given))
    for answered in (found, found.pt2):
        agree({"score": answered["score"]}, {"score": detector.anomaly_score(given)})


def test_columns_are_told(fitted):
    detector, _, _ = fitted
    assert detector.graphs() == ("detector",)
    assert [column["name"] for column in detector.describe_columns()] == list(detector.reading_.names)


def test_a_loaded_detector_has_a_graph_with_the_same_answers(tmp_path):
    X = plain(60)
    detector = AnomalyDetector(**SMALL, members=1).fit(X)
    again = load(detector.save(tmp_path / "detector"))
    np.testing.assert_array_equal(again.cells(X), detector.cells(X))
    found = opened(again.to_onnx())(rows=detector.cells(X))
    agree({"contributions": found["contributions"]}, {"contributions": detector.explain(X).contributions})


def test_a_detector_of_series_is_refused():
    series = np.sin(np.arange(300.0) / 5)
    detector = AnomalyDetector(**SMALL, window=16, members=1).fit(series)
    with pytest.raises(ValueError, match="series answers by windows"):
        detector.to_onnx()
