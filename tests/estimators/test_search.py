"""Among scikit-learn's tools: searches over parts, pipelines, frames, clones, pickles."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quick import TWO, identical, quick, rows
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, Trainer, recipes
from isthmus.parts import L1, L2, SGD, Adam, Dense, Emphasised, Masking, Ramp, TopK

X = rows()

GRIDS = {
    "units": {"n_components": [2, 4]},
    "a bottleneck's field": {"bottleneck__k": [1, 3]},
    "a penalty's weight": {"penalties__l1__weight": [0.0, 1.0]},
    "two penalties": {"penalties__l1__weight": [0.0, 1.0], "penalties__l2__weight": [0.0, 0.1]},
    "a trainer's field": {"trainer__epochs": [1, 3]},
    "a field inside the trainer's optimiser": {"trainer__optimiser__learning_rate": [1e-3, 1e-2]},
    "a whole part": {"architecture": [Dense(()), Dense((4,))]},
    "a schedule": {"penalties__l1__weight": [Ramp(0.0, 1.0, epochs=2), 0.5]},
    "penalties": {"penalties": [(), (L1(),)]},
    "inside a wrapper": {"corruption__base__rate": [0.1, 0.5]},
}


def searched():
    noise, trainer = Emphasised(Masking()), Trainer(epochs=2, optimiser=Adam())
    return quick(bottleneck=TopK(2), penalties=(L1(), L2()), corruption=noise, trainer=trainer)


@pytest.mark.parametrize("name", GRIDS)
def test_grid_search_reaches_every_part(name):
    search = GridSearchCV(searched(), GRIDS[name], cv=2, error_score="raise").fit(X)
    assert len(search.cv_results_["params"]) == np.prod([len(values) for values in GRIDS[name].values()])
    best, found = search.best_estimator_, search.best_params_
    assert {path: best.get_params()[path] for path in found} == found
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_allclose(search.score(X), best.score(X))


def test_a_search_chooses_what_scores_best():
    """Rows near a plane want two units, not one."""
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(recipes.pca(random_state=0), grid, cv=3).fit(rows(120))
    assert search.best_params_ == {"n_components": 2}
    assert search.cv_results_["mean_test_score"][1] > search.cv_results_["mean_test_score"][0] + 0.1


def test_randomised_search_and_cross_validation():
    search = RandomizedSearchCV(searched(), {"bottleneck__k": [1, 2, 3]}, n_iter=2, cv=2, random_state=0).fit(X)
    assert search.best_params_["bottleneck__k"] in (1, 2, 3)
    assert np.isfinite(cross_val_score(searched(), X, cv=3)).all()


@pytest.mark.parametrize("scaled", [False, True])
def test_a_pipeline_learns_labels_from_codes(scaled):
    flowers, kinds = load_iris(return_X_y=True)
    steps = [StandardScaler()] if scaled else []
    coder = recipes.plain(2, trainer=TWO, random_state=0)
    pipeline = make_pipeline(*steps, coder, StandardScaler(), LogisticRegression()).fit(flowers, kinds)
    assert pipeline.score(flowers, kinds) > 0.9
    assert list(pipeline[:-1].get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    grid = GridSearchCV(pipeline, {"autoencoder__n_components": [1, 2]}, cv=2).fit(flowers, kinds)
    assert grid.best_estimator_["autoencoder"].n_components == grid.best_params_["autoencoder__n_components"]


@pytest.mark.parametrize(("container", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_codes_come_in_the_frame_that_is_asked_for(container, kind):
    index = pd.Index(range(100, 160), name="id")
    frame = pd.DataFrame(X, columns=list("abcdefgh"), index=index)
    plain, model = quick().fit(frame), quick().set_output(transform=container)
    for codes in (model.fit_transform(frame), model.transform(frame)):
        assert isinstance(codes, kind) and list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
        assert_allclose(codes.to_numpy(), plain.transform(frame))
    if container == "pandas":
        pd.testing.assert_index_equal(codes.index, index)
    assert_allclose(model.inverse_transform(codes), plain.reconstruct(frame), rtol=1e-6)


def test_names_of_codes():
    model = quick(2).fit(X)
    assert_array_equal(model.get_feature_names_out(), np.array(["autoencoder0", "autoencoder1"], dtype=object))
    assert not hasattr(model, "feature_names_in_") and model.n_features_in_ == 8
    named = quick(2).fit(pd.DataFrame(X, columns=list("abcdefgh")))
    assert list(named.feature_names_in_) == list("abcdefgh")


# -- clones and pickles -----------------------------------------------------------------------------------------------


def test_a_clone_has_the_same_parts_and_fits_to_the_same_weights():
    model = searched().fit(X)
    copied = clone(model)
    assert not hasattr(copied, "objective_")
    assert copied.get_params(deep=False) == model.get_params(deep=False)
    assert repr(copied) == repr(searched())
    assert identical(copied.fit(X), model)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_a_recipe_is_cloned_as_it_is(name):
    recipe = getattr(recipes, name)(random_state=3)
    assert clone(recipe).get_params() == recipe.get_params()
    assert all(value is recipe.get_params()[key] for key, value in recipe.get_params(deep=False).items())


def test_parameters_are_kept_as_they_were_given():
    penalties = [L1(0.5)]
    model = quick(penalties=penalties, shape=[8])
    assert model.penalties is penalties and model.shape == [8]
    model.fit(X)
    assert model.penalties is penalties and penalties == [L1(0.5)]


def test_setting_a_field_leaves_the_part_that_others_share_alone():
    shared = TopK(2)
    one, two = quick(bottleneck=shared), quick(bottleneck=shared)
    one.set_params(bottleneck__k=3)
    assert (one.bottleneck, two.bottleneck, shared) == (TopK(3), TopK(2), TopK(2))


def test_several_settings_of_one_part_are_set_together():
    model = searched().set_params(trainer__epochs=7, trainer__optimiser__beta1=0.5, bottleneck=TopK(1), bottleneck__k=3)
    assert model.trainer.epochs == 7 and model.trainer.optimiser.beta1 == 0.5 and model.bottleneck == TopK(3)


def test_a_trainer_that_was_left_out_has_settings():
    assert Autoencoder().set_params(trainer__epochs=4).trainer == Trainer(epochs=4)


def test_a_pickle_answers_as_the_model_did():
    model = searched().fit(X)
    copied = pickle.loads(pickle.dumps(model))
    for question in (lambda m: m.transform(X), lambda m: m.score_samples(X), lambda m: m.sample(5)):
        assert_array_equal(question(copied), question(model))
    assert str(copied.evaluate(X)) == str(model.evaluate(X)) and repr(copied) == repr(model)
    assert identical(copied.partial_fit(X), model.partial_fit(X))


def test_what_is_fitted_shows_its_parts():
    fitted = quick(penalties=(L1(0.5),), corruption=Masking(0.3)).fit(X)
    parts = "Dense(hidden=(6,)) > Undercomplete(), 3 units | Normal() + L1(weight=0.5), Masking(rate=0.3)"
    assert repr(fitted).endswith(f"# fitted: {parts}")


def test_settings_are_set_before_their_parts_whatever_their_order():
    paths = {"trainer__optimiser": SGD(), "trainer__optimiser__learning_rate": 0.3}
    for names in (paths, reversed(paths)):
        model = quick().set_params(**{name: paths[name] for name in names})
        assert model.trainer.optimiser == SGD(0.3)
