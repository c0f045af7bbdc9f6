"""The anomaly detector: its contract, its promises, its reasons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from isthmus import AnomalyDetector, Trainer
from isthmus.data.codec import TableCodec
from isthmus.estimators.explanation import Explanation
from isthmus.estimators.parameters import seed_of
from isthmus.measures import benjamini_hochberg
from isthmus.noise import Noise
from isthmus.parts import Adam, Cosine, Dense, SwapNoise

FEW = Trainer(epochs=2, batch_size=128, validation=0.0)
SMALL = {"architecture": Dense((6,)), "trainer": FEW}
SOME = Trainer(epochs=40, batch_size=128, optimiser=Adam(Cosine(3e-3)), validation=0.0, patience=0)


def plane(n=600, seed=0, d=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.random.default_rng(1).normal(size=(2, d)) + 0.1 * rng.normal(size=(n, d))


def people(n=500, seed=0):
    rng = np.random.default_rng(seed)
    city = rng.choice(["Oslo", "Bern", "Rome"], n)
    country = pd.Series(city).map({"Oslo": "Norway", "Bern": "Switzerland", "Rome": "Italy"}).to_numpy()
    age = rng.integers(20, 70, n).astype(float)
    income = 1000 + 50 * age + rng.normal(0, 40, n)
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    frame = pd.DataFrame({"age": age, "income": income, "city": city, "country": country, "since": since})
    frame.loc[frame.index % 17 == 3, "age"] = np.nan
    return frame


@pytest.fixture(scope="module")
def fitted():
    return AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(plane())


@pytest.fixture(scope="module")
def of_people():
    return AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(people())


@parametrize_with_checks(
    [
        AnomalyDetector(**SMALL),
        AnomalyDetector(contamination=0, calibration="split", members=1, **SMALL),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_scores_add_up_over_columns(fitted):
    X = plane(50, seed=3)
    why = fitted.explain(X)
    assert_allclose(why.contributions.sum(1), fitted.anomaly_score(X), rtol=1e-9)
    assert_array_equal(why.score, fitted.anomaly_score(X))
    assert (why.contributions >= 0).all()
    assert_array_equal(fitted.score_samples(X), -fitted.anomaly_score(X))
    assert_allclose(fitted.decision_function(X), fitted.score_samples(X) - fitted.offset_)
    assert_array_equal(fitted.predict(X) == -1, fitted.decision_function(X) < 0)


def test_scores_do_not_depend_on_the_other_rows(fitted):
    X = plane(70, seed=3)
    whole = fitted.anomaly_score(X)
    assert_allclose(np.concatenate([fitted.anomaly_score(X[i : i + 9]) for i in range(0, 70, 9)]), whole, rtol=1e-6)


def test_a_planted_fault_is_found_and_named(fitted):
    X = plane(60, seed=4)
    faults = np.arange(60) % X.shape[1]
    X[np.arange(60), faults] += 6 * plane().std(0)[faults]
    assert (fitted.predict(X) == -1).mean() > 0.95
    assert (fitted.explain(X).contributions.argmax(1) == faults).mean() > 0.9
    assert fitted.p_values(X).max() < 0.05


def test_scores_go_on_rising_outside_the_rows_of_the_fit(fitted):
    away = np.outer([0.0, 3.0, 10.0, 100.0, 1000.0], np.ones(6))
    assert (np.diff(fitted.anomaly_score(away)) > 0).all()


@pytest.mark.parametrize("contamination", [0, "unknown"])
def test_a_number_beyond_all_of_the_fit_takes_its_own_blame_and_no_other(contamination):
    detector = AnomalyDetector(contamination=contamination, trainer=SOME, random_state=0).fit(plane())
    rows = np.repeat(plane(1, seed=4), 4, 0)
    end = detector.reading_.objects(detector.members_.ends)[1, 2]
    rows[:, 2] = [end, end + 0.5, end + 5, end + 5000]
    found = detector.explain(rows).contributions
    assert_allclose(np.delete(found, 2, 1), np.delete(found[[0, 0, 0, 0]], 2, 1), rtol=1e-4, atol=1e-5)
    assert (np.diff(found[:, 2]) > 0).all() and found[2].argmax() == 2


@pytest.mark.parametrize("contamination", [0, "unknown"])
def test_marks_of_missing_values_have_a_finite_score_that_is_theirs(contamination):
    settings = {"architecture": Dense((64,)), "trainer": FEW, "random_state": 0}  # answered in single precision
    detector = AnomalyDetector(contamination=contamination, **settings).fit(plane(200))
    rows = np.repeat(plane(1, seed=4), 4, 0)
    rows[:, 2] = [1e6, 1e20, -1e38, 1e100]
    found = detector.explain(rows)
    assert np.isfinite(found.score).all() and (np.diff(found.score) > 0).all()
    assert all(found.reasons(i)[0].endswith(": 100 % of the score") for i in range(4))


def test_a_score_beyond_all_numbers_is_shared_by_the_columns_that_make_it(fitted):
    found = fitted.explain(plane(1, seed=4))
    found.contributions[0, [1, 3]] = np.inf
    shares = [reason.rsplit(": ", 1)[1] for reason in found.reasons(0)]
    assert shares == ["50 % of the score", "50 % of the score", "0 % of the score"]


def test_a_missing_cell_that_adds_nothing_is_no_reason_and_numbers_have_no_powers_of_ten():
    frame = people(400)
    detector = AnomalyDetector(contamination=0, members=1, trainer=SOME, random_state=0).fit(frame)
    odd = people(2, seed=9).reset_index(drop=True)
    odd["income"] = [86_213.4, 1e6]
    odd.loc[0, ["age", "city", "since"]] = None
    why = detector.explain(odd)
    why.contributions[0, [0, 2, 4]] = 0.0
    assert not any("missing" in reason for reason in why.reasons(0, 5))
    assert any("income is 86,213, expected" in reason for reason in why.reasons(0, 5))
    assert any("income is 1,000,000, expected" in reason for reason in why.reasons(1, 5))


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ((1011.37, 1010.25, 1009.874, 1010.631), "1011.37, expected 1010.25 (1009.87 to 1010.63)"),
        ((93.0, 41.2, 22.04, 60.31), "93, expected 41.2 (22.04 to 60.31)"),
        ((86213.44, 86210.1, 86209.5, 86210.6), "86,213.4, expected 86,210.1 (86,209.5 to 86,210.6)"),
        (("M4", "M4", None, None), "M4, the likeliest of several"),
        ((0.987654, 0.987612, 0.9876, 0.98763), "0.987654, expected 0.987612 (0.9876 to 0.98763)"),
    ],
)
def test_reasons_have_the_decimals_that_the_range_asks_for(cells, says):
    there, expected, low, high = (np.array([[cell]], object) for cell in cells)
    ones = np.ones(1)
    why = Explanation(ones, ones[None], ("press",), there, expected, low, high, np.zeros((1, 3)), ones, (1,))
    assert why.cell(0, 0) == f"press is {says}"


def test_levels_contribute_nats_so_that_those_of_a_cell_are_probabilities():
    frame = people(400)
    detector = AnomalyDetector(contamination=0, members=1, trainer=SOME, random_state=0).fit(frame)
    row = frame.iloc[[5, 5, 5]].assign(city=["Oslo", "Bern", "Rome"])
    found = detector.explain(row).contributions[:, frame.columns.get_loc("city")]
    assert_allclose(np.exp(-found).sum(), 1, atol=0.01)
    assert found.argmin() == ["Oslo", "Bern", "Rome"].index(frame.city[5])


def test_split_calibration_keeps_its_promise_exactly():
    rows = plane(4000, seed=5)
    detector = AnomalyDetector(contamination=0, calibration="split", random_state=0, **SMALL).fit(rows[:1000])
    [held] = detector.calibration_
    assert len(held) == 200
    fresh = detector.p_values(rows[1000:])
    rate, wanted = (fresh <= 0.05).mean(), np.floor(0.05 * 201) / 201
    # The rate given one calibration set is beta distributed around its mean.
    assert abs(rate - wanted) < 3 * np.sqrt(wanted * (1 - wanted) * (1 / 200 + 1 / 3000))
    assert_allclose((detector.predict(rows[1000:]) == -1).mean(), rate, atol=1e-12)


def test_a_row_that_calibrates_is_measured_by_the_scales_of_the_others():
    X = np.random.default_rng(3).normal(size=(60, 3))
    members = AnomalyDetector(members=2, calibration="cross", random_state=0).fit(X).members_
    rows = X[:12].astype(np.float32)
    surprise = members.surprises(rows, (0,))[0]
    members.scales[0] = surprise.mean(1)
    found = members.alone(0, rows)
    for i in range(len(rows)):
        others = np.delete(surprise, i, 1).mean(1)
        np.testing.assert_allclose(found[i], members.flattened(surprise[:, [i]], others)[0], rtol=1e-6)


def test_wide_rows_are_scored_in_blocks_that_fit_the_memory(monkeypatch):
    X = np.random.default_rng(3).normal(size=(70, 5))
    detector = AnomalyDetector(members=2, random_state=0).fit(X)
    whole = detector.anomaly_score(X)
    monkeypatch.setattr("isthmus.estimators.members.NUMBERS", 2 * detector.members_.asked * 5 * 9)
    assert [part.stop for part in detector.members_._parts(20)] == [9, 18, 27]
    np.testing.assert_allclose(detector.anomaly_score(X), whole, rtol=1e-6)


def test_few_rows_calibrate_across_members():
    rows = plane(1060, seed=6)
    detector = AnomalyDetector(contamination=0, random_state=0, **SMALL).fit(rows[:60])
    assert len(detector.calibration_) == 5 and sum(map(len, detector.calibration_)) == 60
    assert (detector.p_values(rows[60:]) <= 0.1).mean() < 0.2
    assert detector.p_values(rows[60:]).min() >= 1 / 61


def test_discoveries_are_those_of_benjamini_and_hochberg(fitted):
    X = plane(200, seed=7)
    X[:20, 2] += 10
    assert_array_equal(fitted.detect(X, fdr=0.1), benjamini_hochberg(fitted.p_values(X), 0.1))
    for fdr in ("a", 0, 1.5):
        with pytest.raises(ValueError, match=f"fdr={fdr!r} is no rate of errors; give a number between 0 and 1"):
            fitted.detect(X, fdr=fdr)
    assert fitted.detect(X, fdr=0.1)[:20].all() and fitted.detect(X, fdr=0.1)[20:].mean() < 0.1


def test_a_stated_share_of_the_training_rows_is_named():
    X = plane(300)
    detector = AnomalyDetector(contamination=0.1, random_state=0, **SMALL).fit(X)
    assert (detector.predict(X) == -1).sum() == 30


@pytest.mark.parametrize("contamination", ["unknown", 0])
def test_the_same_seed_gives_the_same_scores(contamination):
    X = plane(80)
    a, b = (AnomalyDetector(contamination=contamination, random_state=3, **SMALL).fit(X) for _ in range(2))
    assert_array_equal(a.anomaly_score(X), b.anomaly_score(X))
    assert not np.array_equal(clone(a).set_params(random_state=4).fit(X).anomaly_score(X), a.anomaly_score(X))


def test_tables_are_scored_and_explained_in_their_own_words(of_people):
    odd = people(8, seed=9).reset_index(drop=True)
    odd.loc[0, "country"] = "Italy" if odd.loc[0, "city"] != "Rome" else "Norway"
    odd.loc[1, "income"] = 100_000.0
    odd.loc[2, "city"] = "Atlantis"
    odd.loc[3, "since"] = pd.Timestamp("2031-01-01")
    why = of_people.explain(odd)
    assert why.columns == ("age", "income", "city", "country", "since")
    assert_allclose(why.contributions.sum(1), why.score, rtol=1e-9)
    named = why.contributions.argmax(1)[:4]
    assert why.columns[named[0]] in ("city", "country")
    assert [why.columns[j] for j in named[1:]] == ["income", "city", "since"]
    assert (why.p_value[:4] < 0.05).all()
    [reason, *_] = why.reasons(2)
    assert reason.startswith("city is Atlantis, expected ")
    assert "income is 100,000, expected " in why.reasons(1)[0] and " to " in why.reasons(1)[0]
    assert str(why).count("\n  ") == 3 * 8
    assert why.neighbours.shape == (8, 3)


def test_missing_cells_add_nothing(of_people):
    rows = people(40, seed=11)
    rows["age"] = np.nan
    assert_array_equal(of_people.explain(rows).contributions[:, 0], 0)
    assert np.isfinite(of_people.anomaly_score(rows)).all()


def test_holes_in_arrays_are_missing_values():
    X = plane(300)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    detector = AnomalyDetector(random_state=0, **SMALL).fit(X)
    why = detector.explain(X[:20])
    assert_array_equal(why.contributions[np.isnan(X[:20])], 0)


def test_text_in_an_array_is_read_as_its_refusal_says():
    X = people(120)[["age", "city"]].to_numpy(dtype=object)
    with pytest.raises(ValueError, match="read X as a table \\(schema='auto'\\)"):
        AnomalyDetector(**SMALL).fit(X)
    detector = AnomalyDetector(schema="auto", members=2, random_state=0, **SMALL).fit(X)
    assert detector.reading_.codec.kinds == ("number", "category")
    odd = X[:2].copy()
    odd[0, 1] = "Atlantis"
    assert detector.explain(odd).reasons(0)[0].startswith("x1 is Atlantis, expected ")


@pytest.mark.parametrize(("calibration", "count"), [("cross", 2), ("split", 1)])
def test_one_member_calibrates_apart_and_two_crosswise(calibration, count):
    detector = AnomalyDetector(members=1, calibration=calibration, random_state=0, **SMALL).fit(plane(60))
    assert len(detector.members_.denoisers) == count


def test_columns_of_levels_alone_are_scored():
    frame = people(300)[["city", "country"]]
    detector = AnomalyDetector(contamination=0, trainer=SOME, random_state=0).fit(frame)
    odd = pd.DataFrame({"city": ["Oslo", "Oslo"], "country": ["Norway", "Italy"]})
    normal, strange = detector.anomaly_score(odd)
    assert strange > normal + 3


def named(n, seed, names):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return pd.DataFrame({"name": names, "a": a, "b": a + 0.1 * rng.normal(size=n)})


def test_levels_that_a_member_has_not_met_are_to_it_as_those_of_rows_to_come():
    """A row that calibrates has a level of its own, as has one to come: both are new to the member that scores it."""
    rows = named(300, 0, [f"old {i}" for i in range(300)]).astype({"name": "category"})
    fresh = named(400, 1, [f"new {i}" for i in range(400)])
    detector = AnomalyDetector(contamination=0, schema={"name": "category"}, trainer=SOME, random_state=0).fit(rows)
    assert 0.005 < (detector.p_values(fresh) <= 0.05).mean() < 0.1
    assert (detector.p_values(fresh.assign(b=fresh["a"] + 3)) <= 0.05).all()
    # Rows of the fit are no stranger for their names, which four of five members have met.
    assert (detector.predict(rows) < 0).mean() < 0.1


def test_a_member_has_met_what_two_of_its_rows_have():
    rows = named(120, 0, [f"name {i // 3}" for i in range(120)])
    detector = AnomalyDetector(contamination=0, trainer=FEW, random_state=0).fit(rows)
    one, x = detector.members_, detector.reading_.admit(detector, rows)
    for m, own in enumerate(detector._split(rows, Noise(seed_of(0)))[1].fits):
        often = np.bincount(x[own, 0].astype(int), minlength=40)
        assert set(often) >= {1, 2, 3}
        assert_array_equal(one.within(x, m)[:, 0], np.where(often[x[:, 0].astype(int)] > 1, x[:, 0], 40))


@pytest.mark.parametrize(
    ("column", "told"),
    [([f"row {i}" for i in range(120)], True), (np.arange(7, 127), True), (np.arange(120) // 2, False),
     ([f"row {i // 2}" for i in range(120)], False), (np.arange(120) * 1.5, False)],
)  # fmt: skip
def test_columns_that_name_rows_are_told_of(column, told, recwarn):
    TableCodec.fit(named(120, 0, column))
    assert [("'name' has another value in each of 120 rows" in str(w.message)) for w in recwarn] == [True] * told
    TableCodec.fit(named(120, 0, column), {"name": "category"})
    assert len(recwarn) == told


@pytest.mark.parametrize("told", [True, False])
def test_counters_are_told_of_where_some_rows_calibrate(told, recwarn):
    n = 1200
    orders = np.arange(n) + 7 if told else np.random.default_rng(0).integers(0, n, n)
    AnomalyDetector(trainer=FEW, random_state=0).fit(pd.DataFrame({"order": orders, "y": np.sin(np.arange(n))}))
    assert [f"another value in each of {n:,} rows" in str(w.message) for w in recwarn] == [True] * told


def test_a_constant_that_changes_is_strange():
    X = np.column_stack([plane(200), np.full(200, 7.0)])
    detector = AnomalyDetector(contamination=0, random_state=0, **SMALL).fit(X)
    other = X[:3].copy()
    other[:, -1] = 8
    assert (detector.explain(other).contributions.argmax(1) == 6).all()
    assert_array_equal(detector.explain(X[:3]).values[:, -1], 7.0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"contamination": 0.7}, "contamination=0.7 is no share"),
        ({"contamination": "some"}, "give 'unknown', 0 or a number up to 0.5"),
        ({"alarm_rate": 1.5}, "alarm_rate=1.5 is no rate"),
        ({"calibration": "both"}, "give 'auto', 'split' or 'cross'"),
        ({"members": 0}, "members=0 is no number of members"),
        ({"architecture": Dense}, "give Dense()"),
        ({"trainer": SwapNoise()}, "is not a trainer"),
        ({"schema": {"x9": "category"}}, "does not have"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings, told):
    with pytest.raises(ValueError) as error:
        AnomalyDetector(**settings).fit(plane(20))
    assert told in str(error.value)


def test_a_refused_fit_leaves_the_detector_as_it_was(fitted):
    before = fitted.anomaly_score(plane(5))
    with pytest.raises(ValueError, match="infinite"):
        fitted.fit(np.full((10, 6), np.inf))
    assert_array_equal(fitted.anomaly_score(plane(5)), before)


def test_settings_of_training_change_a_trainer_that_is_given():
    detector = AnomalyDetector(members=1, calibration="split", **SMALL).fit(plane(), training={"batch_size": 64})
    assert detector.members_.recipe.denoiser.trainer == replace(FEW, batch_size=64)
    assert detector.trainer is FEW
