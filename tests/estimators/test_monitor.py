"""Rows that come after a fit: what has moved is named, what has not is not, and whatever was seen is kept."""

import json
import warnings

import numpy as np
import pyarrow as pa
import pytest
from quick import quick, unit_rows

from isthmus import (
    AnomalyDetector,
    Autoencoder,
    FineTunedClassifier,
    Monitor,
    SelfExplainingClassifier,
    Trainer,
    load,
)
from isthmus.estimators.reference import References
from isthmus.estimators.without_rows import without_rows
from isthmus.parts import Dense

FEW = Trainer(epochs=2)


def people(n, seed, *, age=40.0, town=0.2, holes=0.05, wages=None):
    """Return rows of a table; arguments move a column of it."""
    rng = np.random.default_rng(seed)
    years = rng.normal(age, 10, n).round()
    pay = rng.lognormal(8, 1, n)
    pay[rng.random(n) < holes] = np.nan
    towns = np.array(["Bern", "Oslo", "Rome"])[rng.choice(3, n, p=[town, 0.5, 0.5 - town])]
    towns = np.where(rng.random(n) < (wages or 0), "Ulm", towns)
    day = np.datetime64("2020-01-01") + rng.integers(0, 300, n).astype("timedelta64[D]")
    table = {"age": years, "pay": pa.array(pay, from_pandas=True), "town": towns, "day": pa.array(day)}
    return pa.table(table | {"other": rng.normal(size=n)})


@pytest.fixture(scope="module")
def detector():
    return AnomalyDetector(architecture=Dense((8,)), trainer=FEW, members=2, random_state=0).fit(people(1500, 0))


@pytest.fixture(scope="module")
def autoencoder():
    return Autoencoder(2, architecture=Dense((8,)), trainer=FEW, random_state=0).fit(people(1500, 0))


@pytest.fixture(params=["detector", "autoencoder"])
def model(request):
    return request.getfixturevalue(request.param)


def test_rows_like_those_of_the_fit_are_not_told_of(model):
    report = Monitor(model).update(people(1500, 1))
    assert not report
    assert report.rows == 1500
    assert "1,500 rows, nothing has moved among 5 columns and the score of rows" in report.text


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"age": 46.0}, "age", r"age: median 40 -> 4\d \(fit: middle half 3\d to 4\d\)"),
        ({"town": 0.4}, "town", r"town: '(Bern|Rome)' in \d\d % of rows -> \d\d %"),
        ({"holes": 0.3}, "pay", r"pay: missing in \S+ % of rows -> \d\d %"),
        ({"wages": 0.2}, "town", r"town: levels that are rare in the fit or new in 0 % of rows -> \d\d %"),
    ],
)
def test_a_column_that_has_moved_is_named_with_its_place_and_its_unit(model, change, column, words):
    import re

    monitor = Monitor(model)
    assert not monitor.update(people(500, 1))
    report = monitor.update(people(500, 2, **change))
    assert report
    named = {moved.column for moved in report.moved} - {None}
    assert named == {column}
    (moved,) = [one for one in report.moved if one.column == column]
    assert 400 < moved.since <= 620
    assert moved.since <= moved.noticed <= 1000
    assert re.search(words, report.text), report.text
    assert json.loads(json.dumps(report.to_dict()))["drift"] is True


def test_the_score_is_told_of_where_only_it_moves():
    """Columns keep what they are one by one, but no longer hang together."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 1)) + 0.1 * rng.normal(size=(3000, 4))
    fit = Autoencoder(1, architecture=Dense((8,)), trainer=Trainer(epochs=15), random_state=0).fit(x[:1500])
    broken = np.column_stack([rng.permutation(column) for column in x[1500:].T])
    report = Monitor(fit).update(broken)
    assert [moved.column for moved in report.moved] == [None]
    assert "the score of the rows: median" in report.text


def test_parts_a_pause_and_a_saved_model_change_nothing(model, tmp_path):
    X = people(700, 3, age=43.0)
    whole = Monitor(model).update(X)
    model.save(tmp_path / "m")
    again, state = load(tmp_path / "m"), tmp_path / "state.json"
    Monitor(again).save(state)
    for start, rows in ((0, 1), (1, 99), (100, 600)):
        monitor = Monitor.resume(again, state)
        monitor.update(X.slice(start, rows))
        monitor.save(state)
    found = Monitor.resume(again, state).report
    near(found, whole)


def near(found, wanted):
    """Check that reports agree but for the last digits of their evidence."""
    assert [(m.column, m.since, m.noticed, m.change) for m in found.moved] == [
        (m.column, m.since, m.noticed, m.change) for m in wanted.moved
    ]
    np.testing.assert_allclose(list(found.evidence.values()), list(wanted.evidence.values()), rtol=1e-3)


def test_a_column_may_be_left_out(detector):
    moved = people(600, 2, age=50.0)
    assert "age" in {one.column for one in Monitor(detector).update(moved).moved}
    report = Monitor(detector, ignore=["age", "day"]).update(moved)
    assert report.watched == 3
    assert "age" not in report.evidence


def test_other_rows_may_be_what_is_compared_with(detector):
    later = people(1200, 5, age=50.0)
    assert not Monitor(detector, reference=later.slice(0, 600)).update(later.slice(600))


def test_few_rows_that_calibrate_crosswise():
    X = people(400, 0)
    small = AnomalyDetector(architecture=Dense((8,)), trainer=FEW, members=3, random_state=0).fit(X)
    assert len(small.calibration_) == 3
    monitor = Monitor(small)
    assert not monitor.update(people(400, 1))
    assert monitor.report.scored
    assert {one.column for one in monitor.update(people(400, 2, age=50.0)).moved} >= {"age"}


def test_of_pictures_the_score_alone():
    X = unit_rows(400, 16)
    fit = quick(shape=(1, 4, 4)).fit(X)
    report = Monitor(fit).update(unit_rows(300, 16, seed=1))
    assert (report.watched, report.scored, bool(report)) == (0, True, False)
    assert "among the score of rows" in report.text
    assert Monitor(fit).update(1 - 0.2 * unit_rows(300, 16, seed=1)).moved[0].column is None


def test_models_that_predict_and_those_of_streams():
    X = people(600, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"trainer": FEW, "random_state": 0}
        inner = Autoencoder(2, architecture=Dense((8,)), **settings)
        classifier = SelfExplainingClassifier(inner, **settings).fit(X, np.arange(600) % 2)
    report = Monitor(classifier).update(people(500, 2, age=50.0))
    assert "age" in {one.column for one in report.moved}
    assert not report.scored
    assert not Monitor(classifier).update(people(500, 3))
    numbers = np.random.default_rng(0).normal(size=(900, 3))
    passed = quick().partial_fit(numbers[:300]).partial_fit(numbers[300:600])
    report = Monitor(passed).update(numbers[600:])
    assert (report.watched, report.scored, bool(report)) == (3, False, False)
    nothing_held_out = quick(trainer=Trainer(epochs=1, validation=0.0)).fit(numbers)
    assert not Monitor(nothing_held_out).report.scored


@pytest.mark.parametrize("frozen", [True, False])
def test_the_score_of_an_encoder_that_was_trained_on_is_not_compared_with_that_of_before(frozen):
    X, y = people(600, 0), np.arange(600) % 2
    start = Autoencoder(2, architecture=Dense((8,)), trainer=FEW, random_state=0).fit(X)
    tuned = FineTunedClassifier(start, trainer=Trainer(epochs=5), frozen=frozen, random_state=0).fit(X, y)
    report = Monitor(tuned).update(people(500, 3))
    assert (report.watched, report.scored, bool(report)) == (5, frozen, False)
    assert Monitor(start).report.scored


def test_what_is_refused(detector, autoencoder, tmp_path):
    with pytest.raises(ValueError, match=r"alpha=1.0 is no chance"):
        Monitor(detector, alpha=1.0)
    with pytest.raises(ValueError, match="no column 'agee' to ignore"):
        Monitor(detector, ignore=["agee"])
    series = AnomalyDetector(window=8, members=2, trainer=FEW, random_state=0).fit(np.random.default_rng(0).random(200))
    with pytest.raises(ValueError, match="points of a series"):
        Monitor(series)
    monitor = Monitor(detector)
    with pytest.raises(ValueError, match="lacks 'age'"):
        monitor.update(people(5, 1).drop_columns(["age"]))
    assert monitor.report.rows == 0
    state = monitor.save(tmp_path / "state.json")
    with pytest.raises(ValueError, match=r"state.json: the state is of another model"):
        Monitor.resume(autoencoder, state)
    known = json.loads(state.read_text())
    for damaged, words in (
        ("{", "no state of a monitor"),
        ("[]", "no state of a monitor of this release"),
        (json.dumps(known | {"version": 9}), "of this release"),
        (json.dumps(known | {"betting": {}}), "is damaged"),
        (json.dumps(known | {"urn": [[1]]}), "is damaged"),
    ):
        state.write_text(damaged)
        with pytest.raises(ValueError, match=words):
            Monitor.resume(detector, state)


def test_a_model_that_is_shared_without_rows_watches_its_score(model):
    shared = without_rows(model)
    report = Monitor(shared).update(people(300, 1))
    assert (report.watched, report.scored) == (0, True)
    assert Monitor(model).report.watched == 5
    assert Monitor(shared, reference=people(500, 2)).update(people(300, 1)).watched == 5


def test_models_of_older_releases_are_told_of(detector, monkeypatch):
    monkeypatch.setattr(detector, "_references", References())
    with pytest.raises(ValueError, match=r"give reference=rows"):
        Monitor(detector)
    assert not Monitor(detector, reference=people(500, 1)).update(people(300, 2))


def test_steps_of_a_half_come_back_from_the_models_units_and_do_not_move():
    def rated(seed, n=900):
        rng = np.random.default_rng(seed)
        towns = np.array(["Bern", "Oslo"])[rng.integers(0, 2, n)]
        return pa.table(
            {"rating": rng.integers(2, 11, n) / 2 + 0.1, "price": rng.integers(1, 40, n) / 10, "town": towns}
        )

    model = quick(1, trainer=Trainer(epochs=3), random_state=0).fit(rated(0))
    report = Monitor(model, alpha=0.05).update(rated(1, 2000))
    assert not report, report.text


def test_levels_that_only_rows_held_out_have_are_new_to_the_score():
    def towns(seed, n):
        rng = np.random.default_rng(seed)
        rare = rng.random(n) < 0.2
        names = np.where(
            rare, [f"village {seed} {i}" for i in range(n)], np.array(["Bern", "Oslo"])[rng.integers(0, 2, n)]
        )
        return pa.table({"town": names, "age": rng.normal(size=n)})

    model = quick(1, trainer=Trainer(epochs=3, validation=0.3), random_state=0).fit(towns(0, 1500))
    report = Monitor(model, alpha=0.05, ignore=["town"]).update(towns(1, 1500))
    assert report.scored
    assert not report, report.text
