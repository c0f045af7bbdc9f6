"""Estimators that are fitted together are those that each would be by its own fit."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quick import START, quick, rows
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, cross_val_score

from isthmus import Trainer, cross_val_scores, fit_many, load
from isthmus.data import stream
from isthmus.parts import L1, Dense, TopK
from isthmus.training.callbacks import Callback

X = rows(90)
EXACT = Trainer(epochs=3, precision="float64")


def lot():
    """Return estimators of all sorts: seeds, penalties, a wider one, another trainer."""
    seeds = [quick(trainer=EXACT, random_state=i) for i in range(2)]
    sparse = [quick(trainer=EXACT, penalties=L1(w)) for w in (0.1, 1.0)]
    other = [quick(trainer=EXACT, architecture=Dense((5,))), quick(trainer=Trainer(epochs=2), bottleneck=TopK(2))]
    return [*seeds, *sparse, *other]


def assert_same(a, b, X=X):
    assert vars(a).keys() == vars(b).keys() and repr(a) == repr(b)
    assert (a.n_iter_, a.best_epoch_, a.engine_) == (b.n_iter_, b.best_epoch_, b.engine_)
    assert_allclose(a.history_.curve("loss"), b.history_.curve("loss"), rtol=1e-6)
    for question in ("transform", "reconstruct", "score_samples"):
        assert_allclose(getattr(a, question)(X), getattr(b, question)(X), rtol=1e-4, atol=1e-5)
    assert_allclose(a.sample(3), b.sample(3), rtol=1e-4, atol=1e-4)


def test_each_is_as_its_own_fit_would_leave_it(tmp_path):
    together, alone = lot(), lot()
    assert fit_many(together, X) == together
    for i, (a, b) in enumerate(zip(together, alone, strict=True)):
        assert_same(a, b.fit(X))
        assert_array_equal(load(a.save(tmp_path / str(i))).transform(X), a.transform(X))


def test_subsets_weights_and_frames():
    frame, weight = pd.DataFrame(X, columns=list("abcdefgh")), np.random.default_rng(0).random(90)
    subsets = [np.arange(60), np.arange(30, 90), np.random.default_rng(1).integers(90, size=60)]
    together = fit_many([quick(random_state=i) for i in range(3)], frame, sample_weight=weight, subsets=subsets)
    for i, (model, chosen) in enumerate(zip(together, subsets, strict=True)):
        assert_same(model, quick(random_state=i).fit(frame.iloc[chosen], sample_weight=weight[chosen]), frame)
        assert list(model.feature_names_in_) == list("abcdefgh")


def test_subsets_may_be_the_rows_of_an_array():
    draws = np.random.default_rng(0).integers(90, size=(40, 60))
    together = fit_many([quick(trainer=START) for _ in draws], X, subsets=draws)
    for model, chosen in zip(together, draws, strict=True):
        assert_allclose(model.scaling_.centre, X[chosen].mean(0))


@pytest.mark.parametrize("cv", [3, ShuffleSplit(2, random_state=0)], ids=str)
def test_scores_are_those_of_scikit_learn(cv):
    models = [quick(k, trainer=EXACT) for k in (2, 3)]
    scores = cross_val_scores(models, X, cv=cv)
    assert_allclose(scores, [cross_val_score(clone(model), X, cv=cv) for model in models], rtol=1e-9)
    assert not any(hasattr(model, "objective_") for model in models)


def test_rows_on_disk_are_fitted_one_by_one(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    on_disk = stream(tmp_path / "x.npy", window_bytes=2000)
    one, other = fit_many([quick(), quick(random_state=1)], on_disk)
    assert_same(one, quick().fit(on_disk))
    assert not np.allclose(one.transform(X), other.transform(X))


def test_one_bar_for_all(monkeypatch):
    bars = []

    class Bar(Callback):
        def fit_start(self, loop):
            bars.append(loop.phase)

    monkeypatch.setattr("isthmus.estimators.many.Progress", Bar)
    fit_many([quick(random_state=i) for i in range(2)], X)
    assert bars == []
    fit_many([quick(random_state=i, verbose=i == 1) for i in range(3)], X)
    assert bars == ["fit"]


def test_a_refusal_leaves_every_one_as_it_was():
    good, bad = quick().fit(X), quick(random_state=-1)
    before = good.transform(X)
    with pytest.raises(ValueError, match="random_state=-1"):
        fit_many([good, bad], rows(seed=3))
    assert_array_equal(good.transform(X), before)
    assert not hasattr(bad, "objective_")


@pytest.mark.parametrize(
    ("estimators", "settings", "words"),
    [
        ([quick()] * 2, {}, "named twice"),
        ([L1()], {}, "is none"),
        ([quick()], {"subsets": []}, "0 subsets for 1 estimators"),
    ],
    ids=["twice", "another kind", "subsets"],
)
def test_mistakes(estimators, settings, words):
    with pytest.raises(ValueError, match=words):
        fit_many(estimators, X, **settings)


def test_none_is_none():
    assert fit_many([], X) == []
