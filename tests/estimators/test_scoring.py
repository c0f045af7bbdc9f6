"""Scores in blocks are scores; and the detector under PyOD's names."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import AnomalyDetector, Trainer
from isthmus.estimators import score_batches
from isthmus.estimators.pyod import PyODAnomalyDetector
from isthmus.parts import Dense

pa = pytest.importorskip("pyarrow")
QUICK = {"architecture": Dense((8,)), "trainer": Trainer(epochs=2), "members": 2}
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "amount": [None if i % 9 == 4 else float(v) for i, v in enumerate(RNG.normal(size=80))],
        "day": np.datetime64("2024-01-01") + RNG.integers(0, 300, size=80),
        "city": [("Rome", "Oslo", "Bern")[i % 3] for i in range(80)],
        "id": np.arange(80),
    }
)


@pytest.fixture(scope="module")
def detector():
    return AnomalyDetector(**QUICK, random_state=0).fit(TABLE.drop_columns(["id"]))


def test_answers_are_those_of_the_estimator(detector):
    X = TABLE.drop_columns(["id"])
    found = score_batches(detector, TABLE, per_column=True)
    assert_array_equal(found["score"], detector.anomaly_score(X))
    assert_array_equal(found["p_value"], detector.p_values(X))
    assert_array_equal(found["anomaly"], detector.predict(X) < 0)
    told = detector.explain(X)
    assert [found[f"reason_{k}"][5].as_py() for k in (1, 2, 3)] == told.reasons(5)
    added = np.column_stack([found[f"adds_{name}"] for name in ("amount", "day", "city")])
    assert_array_equal(added, told.contributions)


def test_blocks_do_not_matter(detector):
    whole = score_batches(detector, TABLE)
    parts = [score_batches(detector, batch) for batch in TABLE.to_batches(max_chunksize=30)]
    joined = pa.concat_tables(parts)
    assert_allclose(joined["score"], whole["score"], rtol=1e-6)
    assert joined["reason_1"].equals(whole["reason_1"])
    assert score_batches(detector, TABLE.slice(0, 0)).schema == whole.schema


def test_columns_of_the_fit_are_asked_for(detector):
    with pytest.raises(ValueError, match="lacks 'city'"):
        score_batches(detector, TABLE.drop_columns(["city", "id"]))
    plain = AnomalyDetector(**QUICK, random_state=0).fit(RNG.normal(size=(60, 2)))
    found = score_batches(plain, pa.table({"a": [0.0, 1.0], "b": [0.0, 2.0]}))
    assert found["reason_3"].null_count == 2 and found["reason_2"].null_count == 0
    with pytest.raises(ValueError, match="2 without names"):
        score_batches(plain, TABLE)


def test_pictures_are_taken_by_places():
    X = RNG.uniform(size=(60, 2, 3))
    detector = AnomalyDetector(**QUICK, random_state=0).fit(X)
    flat = pa.table({f"x{i}": column for i, column in enumerate(X.reshape(60, 6).T)})
    found = score_batches(detector, flat)
    assert_array_equal(found["score"], detector.anomaly_score(X))
    assert found["reason_1"][0].as_py().startswith("rows 0 to 1, columns ")
    assert detector.explain(X[:1]).columns[:4] == ("x[0, 0]", "x[0, 1]", "x[0, 2]", "x[1, 0]")
    with pytest.raises(ValueError, match=r"shape=\(2, 4\) has 8"):
        AnomalyDetector(**QUICK, shape=(2, 4)).fit(X.reshape(60, 6))


def test_reasons_name_what_is_there_and_what_was_expected(detector):
    odd = pa.table({"amount": [50.0], "day": TABLE["day"][:1], "city": ["Rome"]})
    (first, *_) = detector.explain(odd).reasons()
    assert first.startswith("amount is 50, expected ") and first.endswith(" % of the score")
    told = detector.explain(TABLE.drop_columns(["id"]))
    seen = [v for v in TABLE["amount"].to_pylist() if v is not None]
    assert min(told.low[:, 0]) >= min(seen) and max(told.high[:, 0]) <= max(seen)
    assert not any("T00:00" in reason for row in range(80) for reason in told.reasons(row))


# -- PyOD's names -----------------------------------------------------------------------------------------------------


def test_conventions_of_pyod():
    X = RNG.normal(size=(100, 3))
    X[:3] += 12
    detector = PyODAnomalyDetector(0.1, detector=AnomalyDetector(**QUICK, random_state=0))
    assert detector.fit(X) is detector
    assert detector.labels_.sum() == 10 and set(detector.labels_[:3]) == {1}
    assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    assert_array_equal(detector.predict(X), detector.labels_)
    assert_array_equal(detector.decision_function(X), detector.decision_scores_)
    proba = detector.predict_proba(X)
    assert proba.shape == (100, 2)
    assert_allclose(proba.sum(1), 1)
    assert proba[:3, 1].min() > 0.9
    assert_array_equal(detector.fit_predict(X), detector.labels_)
    for wrong in (0, 0.7, "unknown"):
        with pytest.raises(ValueError, match="contamination"):
            PyODAnomalyDetector(wrong).fit(X)


def test_beside_a_detector_of_pyod():
    base = pytest.importorskip("pyod.models.base")
    pca = pytest.importorskip("pyod.models.pca")
    X = RNG.normal(size=(100, 3))
    ours = PyODAnomalyDetector(0.1, detector=AnomalyDetector(**QUICK, random_state=0)).fit(X)
    theirs = pca.PCA(contamination=0.1).fit(X)
    assert isinstance(theirs, base.BaseDetector)
    for name in ("decision_scores_", "labels_"):
        assert getattr(ours, name).shape == getattr(theirs, name).shape
    assert ours.labels_.sum() == theirs.labels_.sum()
    assert ours.predict_proba(X).shape == theirs.predict_proba(X).shape
