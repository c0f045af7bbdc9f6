"""Series through windows: answers at points of time, promises on fresh points, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus import AnomalyDetector, Trainer, load
from isthmus.estimators import plan
from isthmus.noise import Noise
from isthmus.parts import Adam, Cosine, Dense

SIZE, LENGTH = 16, 640
SMALL = Dense((24,), activation="silu")
SHORT = Trainer(epochs=20, batch_size=64, optimiser=Adam(Cosine(1e-2)), patience=0)


def waves(n=LENGTH, *, seed=0, start=0):
    """Return two noisy waves, the second behind the first."""
    t = start + np.arange(n)
    clean = np.stack([np.sin(t / 5), 10 + 3 * np.cos(t / 5)], 1)
    return clean + np.random.default_rng(seed).normal(size=(n, 2)) * [0.1, 0.3]


def detector(**settings):
    """Return a detector that is fitted soon."""
    return AnomalyDetector(
        **({"window": SIZE, "members": 2, "architecture": SMALL, "trainer": SHORT, "random_state": 0} | settings)
    )


@pytest.fixture(scope="module")
def fitted():
    """Return a detector of two waves."""
    return detector(contamination=0).fit(waves())


def fresh(n=200, seed=5):
    """Return waves of later."""
    return waves(n, seed=seed, start=LENGTH)


def test_every_answer_has_one_number_per_point(fitted):
    X = fresh(203)
    for answer in (fitted.anomaly_score, fitted.score_samples, fitted.decision_function, fitted.predict):
        assert answer(X).shape == (203,)
    assert fitted.p_values(X).shape == fitted.detect(X).shape == (203,)
    assert fitted.n_features_in_ == 2
    assert np.array_equal(fitted.predict(X) < 0, fitted.decision_function(X) < 0)


@pytest.mark.parametrize(("point", "channel"), [(0, 0), (77, 1), (199, 0)])
def test_a_spike_scores_highest_where_it_is_and_names_its_channel(fitted, point, channel):
    X = fresh()
    X[point, channel] += (3, 9)[channel]
    found = fitted.explain(X)
    assert found.score.argmax() == point
    assert found.contributions[point].argmax() == channel
    assert found.columns[channel] in found.reasons(point)[0]
    assert found.p_value[point] == found.p_value.min()
    assert not found.low[point, channel] <= X[point, channel] <= found.high[point, channel]


def test_a_level_shift_is_told_where_it_happens(fitted):
    X = fresh()
    X[100:, 1] += 6
    score = fitted.anomaly_score(X)
    near = np.arange(100 - SIZE // 2, 100 + SIZE // 2)
    assert score.argmax() in near and np.median(score[near]) > np.quantile(np.delete(score, near), 0.95)


def test_contributions_add_up_and_expected_values_lie_near_the_series(fitted):
    X = fresh()
    found = fitted.explain(X)
    assert found.contributions.shape == found.values.shape == found.expected.shape == X.shape
    assert np.allclose(found.contributions.sum(1), found.score)
    assert np.allclose(found.score, fitted.anomaly_score(X))
    inside = (found.low.astype(float) <= X) & (found.high.astype(float) >= X)
    assert 0.75 < inside.mean() < 0.99
    assert found.neighbours.shape == (200, 3) and found.neighbours.max() < LENGTH


def test_p_values_of_fresh_points_are_near_uniform(fitted):
    p = np.concatenate([fitted.p_values(fresh(2000, seed=seed)) for seed in (1, 2)])
    for level in (0.05, 0.2, 0.5):
        assert 0.4 * level < np.mean(p <= level) < 1.6 * level


def test_a_point_depends_on_its_windows_alone(fitted):
    X = fresh(400)
    whole, part = fitted.anomaly_score(X), fitted.anomaly_score(X[100:300])
    stride = fitted.reading_.windows.stride
    assert stride == 1
    assert np.allclose(whole[100 + SIZE : 300 - SIZE], part[SIZE:-SIZE], rtol=1e-5)


def test_order_matters_and_holes_are_no_evidence(fitted):
    X = fresh()
    mixed = X[np.random.default_rng(0).permutation(len(X))]
    assert fitted.anomaly_score(mixed).mean() > 3 * fitted.anomaly_score(X).mean()
    X[50:60, 0] = np.nan
    found = fitted.explain(X)
    assert np.isfinite(found.score).all() and (found.contributions[50:60, 0] == 0).all()
    assert found.values[55, 0] is None and abs(found.expected[55, 0]) < 2


def test_holes_may_be_in_the_fit():
    X = waves()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    odd = fresh()
    odd[120, 0] += 4
    assert detector().fit(X).anomaly_score(odd).argmax() == 120


def test_frames_and_one_channel_are_series_too():
    X, soon = waves(200), Trainer(epochs=1)
    frame = pd.DataFrame(X, columns=["a", "b"])
    scores = detector(trainer=soon).fit(X).anomaly_score(X)
    for given in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        model = detector(trainer=soon).fit(given)
        assert list(model.feature_names_in_) == ["a", "b"] and model.explain(given).columns == ("a", "b")
        assert np.array_equal(model.anomaly_score(given), scores)
    flat = X[:, 0]
    alone = [detector(trainer=soon).fit(given).anomaly_score(given) for given in (flat, flat[:, None], pd.Series(flat))]
    assert alone[0].shape == (200,) and np.array_equal(alone[0], alone[1]) and np.array_equal(alone[0], alone[2])


def test_a_share_is_found_among_the_points_of_the_fit():
    X = waves(300)
    assert np.mean(detector(contamination=0.1, trainer=Trainer(epochs=1)).fit(X).predict(X) < 0) == pytest.approx(
        0.1, abs=0.01
    )


@pytest.mark.parametrize(("n", "how"), [(64, "cross"), (333, "cross"), (160, "split"), (1600, "auto"), (1599, "auto")])
def test_no_window_lies_in_two_blocks(n, how):
    size = SIZE
    split = plan.split_in_time(n, size, how, None, Noise(0))
    assert (split.calibration is None) == (how == "cross" or n == 1599)
    for fit, held in zip(split.fits, split.held, strict=True):
        blocks = [held] if split.calibration is None else [held, split.calibration]
        for block in blocks:
            assert len(block) >= size and (np.diff(block) == 1).all() and not np.isin(block, fit).any()
    if split.calibration is None:
        assert np.array_equal(np.concatenate(split.held), np.arange(n))


def test_points_that_calibrate_leave_no_trace_in_the_units():
    X, soon = waves(200), Trainer(epochs=1)
    other = X.copy()
    other[160:] = 50 * X[160:] + 7
    fits = [detector(calibration="split", trainer=soon).fit(given) for given in (X, other)]
    units = [[(codec.centre, codec.factor) for codec in fit.reading_.codec.columns] for fit in fits]
    assert units[0] == units[1]
    assert np.array_equal(*(fit.anomaly_score(X) for fit in fits))


@pytest.mark.parametrize(
    ("settings", "X", "told"),
    [
        ({}, np.zeros(20), "too short for window=16; give 2 x 16"),
        ({"calibration": "split"}, waves(70), "leaves 14 of 70 points"),
        ({"window": 0}, waves(), "size=0 is no number of points"),
        ({"stride": 17}, waves(), "stride=17 skips points"),
        ({"window": None, "stride": 2}, waves(), "give window"),
        ({"window": "8"}, waves(), "size='8' is no number of points"),
        ({"window": 1}, waves(), "window=1 is one point, which is read less its own mean, so that nothing is left"),
        ({"window": True}, waves(), "size=True is no number of points"),
        ({"stride": True}, waves(), "stride=True is no number of points"),
        ({"shape": (2, 1)}, waves(), "give one of them"),
        ({}, np.zeros((5, 40, 2)), "more axes"),
        (
            {},
            pd.DataFrame({"t": pd.date_range("2020", periods=99), "v": range(99)}),
            "a series is read as numbers, and column 't' holds dates; points are told by their order: drop it",
        ),
        ({}, pd.DataFrame(waves(), columns=["a", "a"]), "two columns called 'a'"),
        ({}, pd.DataFrame({"w": list("ab") * 50, "v": range(100)}), "column 'w' holds text or truth values; make nu"),
        ({}, np.where(np.arange(99) == 7, np.inf, 1.0), "inf"),
    ],
)
def test_what_is_no_series_is_refused(settings, X, told):
    with pytest.raises(ValueError, match=told):
        detector(**settings).fit(X)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_truth_values_are_channels_of_zeros_and_ones(library):
    wave = waves(200)[:, 0]
    flags = np.random.default_rng(0).random(200) < 0.2
    told = detector(trainer=Trainer(epochs=1)).fit(library({"v": wave, "flag": flags}))
    plain = detector(trainer=Trainer(epochs=1)).fit(library({"v": wave, "flag": flags.astype(np.int8)}))
    new = library({"v": wave[:50], "flag": ~flags[:50]})
    same = library({"v": wave[:50], "flag": 1 - flags[:50].astype(np.int8)})
    assert np.array_equal(told.explain(new).score, plain.anomaly_score(same))
    assert set(told.explain(new).values[:, 1]) == {0, 1}


def test_a_saved_detector_answers_alike(fitted, tmp_path):
    loaded, X = load(fitted.save(tmp_path / "waves")), fresh()
    assert (loaded.window, loaded.stride) == (SIZE, None)
    ours, theirs = fitted.explain(X), loaded.explain(X)
    assert np.array_equal(ours.score, theirs.score) and np.array_equal(ours.expected, theirs.expected)
    assert np.array_equal(ours.p_value, theirs.p_value) and np.array_equal(ours.neighbours, theirs.neighbours)


def test_series_of_another_kind_are_refused_later(fitted):
    with pytest.raises(ValueError, match="shorter than a window"):
        fitted.anomaly_score(fresh(SIZE - 1))
    with pytest.raises(ValueError, match="1 features, but the fit had 2"):
        fitted.anomaly_score(fresh()[:, 0])


@pytest.mark.parametrize("make", [pd.date_range, pd.period_range])
def test_points_whose_index_is_not_in_order_of_time_are_refused(make):
    index, soon = make("2024-01-01", periods=200, freq="h"), Trainer(epochs=1)
    frame = pd.DataFrame(waves(200), columns=["a", "b"], index=index)
    mixed = frame.iloc[[*range(100), 150, *range(100, 150), *range(151, 200)]]
    told = "row labelled 2024-01-05 04:00(:00)? is of an earlier time than the one before; sort by it"
    model = detector(trainer=soon).fit(frame)
    for ask in (detector(trainer=soon).fit, model.anomaly_score, model.predict, model.explain, model.p_values):
        with pytest.raises(ValueError, match=told):
            ask(mixed)
    with pytest.raises(ValueError, match=told):
        detector(trainer=soon).fit(mixed["a"])
    assert np.array_equal(model.predict(mixed.sort_index()), model.predict(frame))
    twice = frame.set_axis(index.where(np.arange(200) != 50).where(np.arange(200) != 60, index[59]))
    assert model.predict(twice).shape == (200,)  # a time that is missing or the same as another is in order
    assert model.predict(frame.set_axis(np.arange(200)[::-1])).shape == (200,)  # numbers are no times


def test_a_level_that_the_fit_never_had_is_anomalous_and_not_expected(fitted, tmp_path):
    x = fresh()
    there = x + np.array([0.0, 500.0])
    assert (fitted.predict(there) == -1).all() and (fitted.predict(x) == -1).mean() < 0.2
    told = fitted.explain(there)
    assert (told.contributions[:, 1] > 0.9 * told.score).all()
    assert (np.asarray(told.expected, dtype=float)[:, 1] < 20).all()
    again = load(fitted.save(tmp_path / "watch"))
    assert (again.anomaly_score(there) == fitted.anomaly_score(there)).all()
    # A level may drift within what is near the fit.
    assert np.allclose(fitted.anomaly_score(x + np.array([0.0, 2.0])), fitted.anomaly_score(x), atol=1e-4)


def test_a_channel_that_never_varied_and_does_now_is_anomalous():
    x = np.c_[waves()[:, 0], np.ones(LENGTH)]
    there = x.copy()
    there[300:400, 1] = 1000
    found = detector(contamination=0).fit(x)
    assert (found.predict(there)[300:400] == -1).all()
    assert float(found.explain(there).expected[350, 1]) == pytest.approx(1.0, abs=0.1)
