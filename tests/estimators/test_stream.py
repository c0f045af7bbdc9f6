"""Rows that come in pieces: partial fits."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from quick import identical, quick, rows, weights
from sklearn.decomposition import PCA

from isthmus import Trainer, load
from isthmus.parts import SGD, Dense

X = rows(300)
FULL = Trainer(batch_size=300, validation=0.0)


def streamed(pieces, **changes):
    model = quick(2, **changes)
    for piece in pieces:
        model.partial_fit(piece)
    return model


def test_passes_over_all_rows_are_a_fit_that_holds_nothing_out():
    sgd = SGD(0.01)
    fitted = quick(2, trainer=Trainer(epochs=5, validation=0.0, optimiser=sgd)).fit(X)
    passed = streamed([X] * 5, trainer=Trainer(optimiser=sgd))
    assert identical(fitted, passed)
    assert passed.history_.curve() == fitted.history_.curve() and passed.n_iter_ == 5


def test_a_stream_of_crumbs_goes_on_learning():
    """Two rows at a time, 150 times: beyond the epochs of the trainer, whose learning rate must not run out."""
    model = quick(2, trainer=Trainer(epochs=10))
    model.partial_fit(X[:50])
    for i in range(150):
        start = 2 * i % 300
        model.partial_fit(X[start : start + 2])
        if i == 50:
            early = model.score(X)
            then = weights(model)
    assert model.n_iter_ == len(model.history_) == 151
    assert model.history_[-1]["learning_rate"] == model.history_[0]["learning_rate"] > 0
    assert model.score(X) > early
    assert not all((then[name] == tensor).all() for name, tensor in weights(model).items())


def test_one_row_is_enough_once_the_stream_runs():
    model = streamed([X[:50], X[50:51]])
    assert model.n_iter_ == 2 and np.isfinite(model.score(X))
    with pytest.raises(ValueError, match="1 sample"):
        quick(2).partial_fit(X[:1])


def test_rows_after_a_fit_go_on_from_its_weights():
    """A new start at the principal components would undo the fit."""
    model = quick(2, trainer=Trainer(epochs=30), architecture=Dense((6,), shortcut=True)).fit(X)
    fitted = weights(model)
    model.partial_fit(X[:40])
    moved = [(tensor - fitted[name]).abs().max().item() for name, tensor in weights(model).items()]
    assert 0 < max(moved) < 0.05
    assert len(model.history_) == model.n_iter_ == 1


def test_a_saved_model_can_learn_on(tmp_path):
    model = quick(2).fit(X)
    loaded = load(model.save(tmp_path / "model"))
    assert identical(loaded.partial_fit(X[:40]), model.partial_fit(X[:40]))


def test_a_pickled_stream_goes_on_bit_for_bit():
    model = streamed([X[:100], X[100:200]])
    copied = pickle.loads(pickle.dumps(model))
    assert identical(model.partial_fit(X[200:]), copied.partial_fit(X[200:]))


def test_a_fit_forgets_the_stream():
    model = streamed([X[:100] * 3, X[100:200]]).fit(X)
    assert identical(model, quick(2).fit(X))
    assert_allclose(model.past.codes, quick(2).fit(X).past.codes)


def test_the_first_rows_choose_what_was_left_open():
    model = streamed([X[:50], X[50:]])
    assert_allclose(model.scaling_.centre, X[:50].mean(0))


def test_a_stream_remembers_a_fair_sample_of_all_its_rows():
    model = streamed(np.array_split(X, 30))
    assert len(model.past.codes) == 300
    assert_allclose(np.sort(model.past.codes, axis=0), np.sort(model.transform(X), axis=0), rtol=1e-4, atol=1e-5)
    pca = PCA(2).fit(X)
    error = np.square(X - pca.inverse_transform(pca.transform(X))).sum(1).mean()
    assert model.evaluate(X).pca == pytest.approx(error, rel=1e-6)


def test_a_long_stream_is_remembered_evenly():
    """Of 10,000 rows, numbered in one column, 4,096 are kept, from the beginning as from the end."""
    number = np.arange(10_000.0)
    stream = np.stack([number, np.sin(number)], axis=1)
    model = quick(1, architecture=Dense((2,)))
    for piece in np.array_split(stream, 20):
        model.partial_fit(piece)
    kept = model._seen._stream.rows[:, 0]
    assert len(np.unique(kept)) == 4096
    assert abs(kept.mean() - 4999.5) < 4 * 10_000 / np.sqrt(12 * 4096)


def test_a_few_new_rows_do_not_replace_what_a_fit_knew():
    model = quick(2).fit(X)
    pca = model.evaluate(X).pca
    model.partial_fit(X[:1] * 3)
    assert model.evaluate(X).pca == pca and len(model.past.codes) == 300
    assert np.ptp(model.sample(50), axis=0).min() > 0.1


def test_row_weights_are_heeded():
    trainer = Trainer(batch_size=300, optimiser=SGD(0.01))
    weight = np.where(np.arange(100) < 40, 2.0, 0.0)
    few, weighted = streamed([X[:40]], trainer=trainer), quick(2, trainer=trainer)
    weighted.partial_fit(X[:100], sample_weight=weight)
    assert_allclose(weighted.transform(X), few.transform(X), rtol=1e-4, atol=1e-5)
    assert few.partial_fit(X[100:], sample_weight=np.ones(200)).n_iter_ == 2
