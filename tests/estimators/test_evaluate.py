"""What ``evaluate`` prints equals what can be computed by hand, beside a PCA that scikit-learn fits."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from quick import START, TWO, linear, quick, rows, unit_rows
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from isthmus import Trainer, recipes
from isthmus.measures import quantise, restore
from isthmus.parts import KL, SGD, Categorical, Conv, Dense, Rectified, Variational

X, NEW = rows(80, rank=5), rows(30, seed=1, rank=5)


def projected(pca, x):
    return ((x - pca.inverse_transform(pca.transform(x))) ** 2).sum(1).mean()


def test_errors_stand_beside_pca_of_the_training_rows_and_their_mean():
    model = quick(trainer=Trainer(epochs=2, validation=0.0)).fit(X)
    found = model.evaluate(NEW)
    assert_allclose(found.squared_error, ((NEW - model.reconstruct(NEW)) ** 2).sum(1).mean(), rtol=1e-6)
    assert_allclose(found.pca, projected(PCA(3).fit(X), NEW), rtol=1e-4)
    assert_allclose(found.mean, ((NEW - X.mean(0)) ** 2).sum(1).mean(), rtol=1e-4)
    assert_allclose(found.explained, r2_score(NEW, model.reconstruct(NEW), multioutput="variance_weighted"), rtol=1e-6)
    assert_allclose(found.score, model.score_samples(NEW).mean())
    assert (found.rows, found.variables, found.code, found.nll) == (30, 8, 3, None)


def test_columns_scaled_each_by_its_own_deviation_are_compared_in_deviations():
    """Grams beside kilometres: in the caller's units one column alone would say who wins."""
    units = 10.0 ** np.arange(-3, 5)
    model = quick(scaling="standard", trainer=Trainer(epochs=2, validation=0.0)).fit(X * units)
    found, deviation = model.evaluate(NEW * units), X.std(0)
    back = model.reconstruct(NEW * units) / units
    assert found.standardised and "standard deviations" in str(found)
    assert_allclose(found.squared_error, (((NEW - back) / deviation) ** 2).sum(1).mean(), rtol=1e-5)
    assert_allclose(found.pca, projected(PCA(3).fit(X / deviation), NEW / deviation), rtol=1e-4)
    assert_allclose(found.mean, (((NEW - X.mean(0)) / deviation) ** 2).sum(1).mean(), rtol=1e-4)
    assert_allclose(found.bits[0][2], found.squared_error, rtol=1e-5)


def test_a_code_in_fewer_bits_is_smaller_and_no_better():
    found = recipes.pca(3, random_state=0).fit(X).evaluate(NEW)
    bits, sizes, errors = (list(column) for column in zip(*found.bits, strict=True))
    assert bits == [32, 16, 8, 4] and found.bytes_in == 8 * 8
    assert sizes[0] == 3 * 4 and sizes == sorted(sizes, reverse=True)
    assert_allclose(errors[:2], found.squared_error, rtol=1e-2)
    assert errors[3] > errors[0]


def test_code_maps_are_stored_as_in_a_file_of_codes():
    """Units of a map have one range for all their places."""
    x = rows(40, 16).reshape(-1, 4, 4)
    model = quick(2, architecture=Conv((3,), head="map")).fit(x)
    codes = model.transform(x)
    small = restore(quantise(codes.reshape(len(codes), *model.objective_.model.code_shape), 4)).reshape(codes.shape)
    wanted = np.square(x - model.inverse_transform(small).reshape(x.shape)).sum((1, 2)).mean()
    assert_allclose(model.evaluate(x).bits[3][2], wanted, rtol=1e-4)
    places = restore(quantise(codes, 4)).reshape(codes.shape)
    assert np.abs(places - small).max() > 1e-3


def test_the_linear_model_ties_with_pca_and_nothing_is_said_against_it():
    found = recipes.pca(3, random_state=0).fit(X).evaluate(X)
    assert_allclose(found.squared_error, found.pca, rtol=1e-5)
    assert not any("PCA wins" in sentence for sentence in found.verdict)


def test_where_pca_wins_it_says_so():
    model = quick(trainer=START, architecture=Dense((6,))).fit(X)
    found = model.evaluate(NEW)
    assert found.squared_error > found.pca
    assert any("PCA wins" in sentence for sentence in found.verdict)
    assert any("no better than the mean" in sentence for sentence in found.verdict) == (
        found.squared_error >= found.mean
    )
    assert "worse" in str(found)


def test_what_is_worse_by_far_is_told_by_how_many_times():
    found = replace(linear(np.eye(8)[:3], np.eye(8)[:, :3]).fit(X).evaluate(X), pca=1e-3)
    assert "so 29 thousand times worse" in str(replace(found, squared_error=28.82))
    assert "so 1,250 million times worse" in str(replace(found, squared_error=1.25e6))
    assert "so 12.5 times worse" in str(replace(found, squared_error=1.25e-2))
    assert "so 50.0 % worse" in str(replace(found, squared_error=1.5e-3))
    for equal in (1e-3, 1.0004e-3, 0.9996e-3):
        assert "PCA at equal size 0.001, so as good as that" in str(replace(found, squared_error=equal))


def test_a_code_as_wide_as_the_data_proves_nothing():
    found = linear(np.eye(8), np.eye(8)).fit(X).evaluate(X)
    assert found.squared_error < 1e-8
    assert any("as wide as the data (8 numbers per code, 8 per row)" in sentence for sentence in found.verdict)


def test_units_that_never_move_are_counted():
    matrix = np.zeros((3, 8))
    matrix[0, 0] = 1.0
    model = linear(matrix, matrix.T, bottleneck=Rectified()).fit(X)
    found = model.evaluate(NEW)
    assert found.dead == 2 and any("2 of 3 numbers" in sentence for sentence in found.verdict)


def test_more_epochs_are_suggested_while_the_loss_still_falls():
    model = quick(trainer=Trainer(epochs=2, validation=0.2)).fit(X)
    assert model.best_epoch_ == 2
    assert any("more epochs" in sentence for sentence in model.evaluate(X).verdict)


def test_the_likelihood_is_estimated_where_asked_for_and_tightens_with_draws():
    model = quick(bottleneck=Variational(), penalties=(KL(),), trainer=TWO).fit(X)
    one, many = model.evaluate(X, draws=1), model.evaluate(X, draws=500)
    assert one.nll > many.nll and "500 importance-weighted draws" in str(many)
    assert model.evaluate(X).nll is None


def test_several_draws_train_the_importance_weighted_bound():
    """At equal weights the bound of more draws is the lower one; its terms still add up to the loss."""
    settings = {"penalties": (KL(),), "trainer": Trainer(1, validation=0.2, patience=0, optimiser=SGD(0.0))}
    one, many = (quick(bottleneck=Variational(draws), **settings).fit(X) for draws in (1, 50))
    losses = [model.history_[-1]["held_out"] for model in (one, many)]
    assert losses[1]["loss"] < losses[0]["loss"] and "tightening" in losses[1]
    assert_allclose(sum(value for name, value in losses[1].items() if name != "loss"), losses[1]["loss"])
    assert recipes.variational(3, draws=5).bottleneck == Variational(draws=5)


def test_all_of_it_is_plain_values():
    found = quick().fit(unit_rows()).evaluate(unit_rows())
    again = json.loads(json.dumps(found.to_dict()))
    assert again["squared_error"] == found.squared_error and again["verdict"] == list(found.verdict)


@pytest.mark.parametrize("draws", [-1, 1.5, True, "2"])
def test_draws_that_are_no_number_of_draws(draws):
    model = quick(bottleneck=Variational(), penalties=(KL(),)).fit(X)
    with pytest.raises(ValueError, match="draws="):
        model.evaluate(X, draws=draws)


def test_a_seed_of_none_and_rows_that_can_be_read_once():
    model = quick(bottleneck=Variational(), penalties=(KL(),)).fit(X)
    assert np.isfinite(model.evaluate(X, draws=2, random_state=None).nll)

    class Once(torch.utils.data.IterableDataset):
        def __init__(self):
            self.rows = iter(X)

        def __iter__(self):
            return self.rows

    assert model.evaluate(Once()).rows == len(X)


def test_bytes_of_a_frame_are_those_of_its_columns():
    pandas = pytest.importorskip("pandas")
    small = (unit_rows() * 255).astype("uint8")
    model = quick().fit(small)
    assert model.evaluate(pandas.DataFrame(small)).bytes_in == model.evaluate(small).bytes_in == 8


def test_categories_have_no_distance():
    x = np.random.default_rng(0).integers(0, 3, size=(60, 4)).astype(float)
    model = quick(2, likelihood=Categorical()).fit(x)
    found = model.evaluate(x)
    assert_allclose(found.squared_error, (model.reconstruct(x) != x).sum(1).mean())
    assert found.levels and "PCA" not in str(found) and "wrong levels per row" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["pca"] is None


def test_what_is_undefined_for_one_row_is_none_in_json():
    told = quick().fit(X).evaluate(X[:1]).to_dict()
    assert told["explained"] is None and "NaN" not in json.dumps(told)
