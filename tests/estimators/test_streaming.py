"""Fits of rows that stay on disk: what they share with fits of rows in memory, and where they say that they cannot."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import streamed
from fitting import Crash, CrashAt
from numpy.testing import assert_allclose
from quick import TWO, identical, quick, rows, unit_rows

from isthmus import Autoencoder, FineTunedClassifier, Trainer, load
from isthmus.data import stream
from isthmus.data.shuffle import Shuffled
from isthmus.estimators.beginning import rows_of_fit
from isthmus.parts import LBFGS, Bernoulli, Categorical, Dense, Greedy, Poisson

X = rows(400)
ALL = {"window_bytes": 1 << 20}
SMALL = {"window_bytes": 8 * 4 * 64}  # 64 rows


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


@pytest.fixture
def parquet(tmp_path):
    names = list("abcdefgh")
    pq.write_table(pa.table(dict(zip(names, X.T, strict=True))), tmp_path / "x.parquet", row_group_size=16)
    return tmp_path / "x.parquet"


def test_a_stream_that_fits_into_a_window_is_rows_in_memory(path):
    assert identical(quick().fit(X), quick().fit(stream(path, **ALL)))
    assert identical(quick().fit(X), quick().fit(np.load(path, mmap_mode="r")))


@pytest.mark.parametrize("validation", [0.0])
def test_one_window_in_blocks_gives_the_weights_of_rows_in_memory(path, validation):
    """The same rows by the way of a stream, from a start that is not drawn from some of them."""
    trainer = Trainer(epochs=3, validation=validation, engine="explicit")
    model = quick(architecture=Dense((6,)), trainer=trainer).fit(X)
    again = quick(architecture=Dense((6,)), trainer=Trainer(epochs=0)).fit(X)
    feed = Shuffled(stream(path, window_bytes=8 * 4 * 400), again.scaling_.forward, (8,))
    model.trainer_.fit(again.objective_, feed, again._noise, start=False)
    reference = quick(architecture=Dense((6,)), trainer=Trainer(epochs=0)).fit(X)
    # Our own rows change places, which those of a stream cannot.
    rows = replace(rows_of_fit(reference, X, None), own=False)
    reference_loop = model.trainer_.fit(reference.objective_, rows, reference._noise, start=False)
    assert identical(again, reference)
    assert reference_loop.epoch == 3


def test_what_is_measured_beforehand_is_that_of_all_rows(path):
    streamed, resident = quick(scaling="standard").fit(stream(path, **SMALL)), quick(scaling="standard").fit(X)
    assert_allclose(streamed.scaling_.centre, resident.scaling_.centre, rtol=1e-12)
    assert_allclose(streamed.scaling_.factor, resident.scaling_.factor, rtol=1e-12)
    assert streamed.spec_ == resident.spec_ and str(streamed.parts_) == str(resident.parts_)


def test_a_fit_of_blocks_learns_as_much(path):
    trainer = Trainer(epochs=30, batch_size=16)
    streamed, resident = quick(trainer=trainer).fit(stream(path, **SMALL)), quick(trainer=trainer).fit(X)
    assert streamed.score(X) == pytest.approx(resident.score(X), rel=0.02)
    assert streamed.history_[-1]["shuffle_quality"] == pytest.approx(1, abs=0.1)
    assert {row["shuffle_quality"] for row in resident.history_} == {1.0}


def test_answers_of_blocks_are_those_of_rows(path, parquet, tmp_path):
    for opened, table in ((stream(path, **SMALL), X), (stream(parquet, **SMALL), pq.read_table(parquet))):
        model = quick().fit(opened)
        for answer in ("transform", "reconstruct", "score_samples", "feature_errors"):
            assert_allclose(getattr(model, answer)(opened), np.asarray(getattr(model, answer)(table)), rtol=1e-6)
        again = load(model.save(tmp_path / "model"))
        assert_allclose(again.transform(opened), model.transform(opened))
    assert list(model.feature_names_in_) == list("abcdefgh")


def test_an_array_that_numpy_maps_is_streamed_where_it_exceeds_a_window(path, monkeypatch):
    mapped = np.load(path, mmap_mode="r")
    monkeypatch.setattr("isthmus.data.streams.stream.__kwdefaults__", {"drop": (), "filesystem": None, **SMALL})
    assert identical(quick().fit(mapped), quick().fit(stream(path)))
    assert quick().fit(mapped).history_[-1]["shuffle_quality"] != 1
    with pytest.raises(ValueError, match=r"sample_weight is for rows in memory, and X is streamed"):
        quick().fit(mapped, sample_weight=np.ones(400))


@pytest.mark.parametrize("kind", streamed.KINDS)
def test_an_interrupted_fit_goes_on_to_the_same_weights(kind, tmp_path):
    opened = streamed.opened(kind, tmp_path, X, **SMALL)
    make = lambda: quick(trainer=Trainer(epochs=4, batch_size=32, checkpoint_seconds=0))  # noqa: E731
    whole = make().fit(opened)
    with pytest.raises(Crash):
        make().fit(opened, checkpoint=tmp_path / "c", callbacks=[CrashAt("fit", 2)])
    # Another process has the same way to the rows, and nothing else.
    again = pickle.loads(pickle.dumps(opened))
    resumed = make().fit(again, checkpoint=tmp_path / "c")
    assert identical(resumed, whole) and resumed.history_.curve() == whole.history_.curve()


def test_other_rows_are_another_fit(path, tmp_path):
    make = lambda: quick(trainer=Trainer(epochs=3, batch_size=32, checkpoint_seconds=0))  # noqa: E731
    with pytest.raises(Crash):
        make().fit(stream(path, **SMALL), checkpoint=tmp_path / "c", callbacks=[CrashAt("fit", 2)])
    other = X.copy()
    other[0] += 1
    np.save(path, other)
    with pytest.raises(ValueError, match="checkpoint of another fit"):
        make().fit(stream(path, **SMALL), checkpoint=tmp_path / "c")


@pytest.mark.long
def test_workers_open_a_stream_each_by_itself(tmp_path):
    fits = [
        quick().fit(streamed.opened(kind, tmp_path / kind[:4], X, **SMALL), devices=2) for kind in ("pattern", "zarr")
    ]
    again = quick().fit(stream(tmp_path / "zarr" / "x.zarr", **SMALL), devices=2)
    assert identical(fits[1], again) and np.isfinite([fits[0].score(streamed.table(X)), fits[1].score(X)]).all()


def test_a_likelihood_is_chosen_by_all_rows(tmp_path):
    ink = (unit_rows(400) > 0.5).astype(np.float32)
    np.save(tmp_path / "x.npy", ink)
    assert isinstance(quick().fit(stream(tmp_path / "x.npy", **SMALL)).parts_.likelihood, Bernoulli)
    ink[237, 3] = 2
    np.save(tmp_path / "x.npy", ink)
    opened = stream(tmp_path / "x.npy", **SMALL)
    assert not isinstance(quick().fit(opened).parts_.likelihood, Bernoulli)
    assert quick(likelihood=Categorical()).fit(opened).parts_.likelihood == Categorical(3)
    ink[237, 3] = 0.5
    np.save(tmp_path / "x.npy", ink)
    opened = stream(tmp_path / "x.npy", **SMALL)
    with pytest.raises(ValueError, match=r"Poisson needs .* column 3 holds 0.5 in row 238 of .*x.npy'"):
        quick(likelihood=Poisson()).fit(opened)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, r"missing \(NaN\)"), (-np.inf, "infinite")])
def test_a_bad_number_is_named_and_the_model_of_before_stays(value, kind, path, parquet):
    model = quick().fit(X)
    before = quick().fit(X)
    bad = X.copy()
    bad[211, 5] = value
    np.save(path, bad)
    with pytest.raises(ValueError, match=rf"column '5' is {kind} in row 212 of .*x.npy'; fill in"):
        model.fit(stream(path, **SMALL))
    pq.write_table(pa.table(dict(zip("abcdefgh", bad.T, strict=True))), parquet, row_group_size=16)
    with pytest.raises(ValueError, match=rf"column 'f' is {kind} in row 4 of row group 13 of .*x.parquet'"):
        model.fit(stream(parquet, **SMALL))
    assert identical(model, before)


def test_a_file_that_goes_bad_during_a_fit_is_named_and_the_model_of_before_stays(parquet):
    model, before = quick().fit(X), quick().fit(X)

    class Spoil(CrashAt):
        def epoch_end(self, loop, row):
            parquet.write_bytes(parquet.read_bytes()[:2000])

    with pytest.raises(ValueError, match=r"x.parquet' was changed since it was opened"):
        model.fit(stream(parquet, **SMALL), callbacks=[Spoil("fit", 1)])
    assert identical(model, before) and model.transform(X).shape == (400, 3)


def test_what_needs_all_rows_in_memory_says_so(path):
    opened = stream(path, **SMALL)
    with pytest.raises(ValueError, match=r"sample_weight is for rows in memory"):
        quick().fit(opened, sample_weight=np.ones(400))
    with pytest.raises(ValueError, match=r"pretraining keeps the codes of all rows in memory"):
        quick(trainer=Trainer(epochs=1, pretraining=Greedy(epochs=1))).fit(opened)
    with pytest.raises(ValueError, match=r"a step takes 384 rows and a window of the stream holds 64"):
        quick(trainer=Trainer(epochs=1, optimiser=LBFGS())).fit(opened)
    for use in (quick().partial_fit, quick().fit(X).evaluate):
        with pytest.raises(ValueError, match=r"X is a stream, .* give X.sample\(\)"):
            use(opened)
    with pytest.raises(ValueError, match=r"X is a stream"):
        FineTunedClassifier(quick(), trainer=TWO).fit(opened, np.arange(400) % 2)


def test_pictures_keep_their_shape(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (200, 6, 6), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    opened = stream(tmp_path / "x.npy", window_bytes=36 * 4 * 50)
    model = Autoencoder(3, trainer=TWO, random_state=0).fit(opened)
    assert model.reconstruct(opened).shape == (200, 1, 6, 6) and model.sample(2).shape == (2, 1, 6, 6)
