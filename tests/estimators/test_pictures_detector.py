"""Pictures: maps of where they are odd, in their own shape, and a digit told from the others."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from isthmus import AnomalyDetector, Trainer
from isthmus.estimators.explanation import Explanation
from isthmus.parts import Adam, Cosine

SHORT = Trainer(epochs=40, batch_size=64, optimiser=Adam(Cosine(5e-3)), patience=0)


def detector(**settings):
    """Return a detector that is fitted soon."""
    return AnomalyDetector(**({"members": 2, "trainer": SHORT, "contamination": 0, "random_state": 0} | settings))


def digits():
    """Return the pictures of scikit-learn's digits, and what they show."""
    found = load_digits()
    return found.images, found.target


@pytest.fixture(scope="module")
def sevens():
    """Return a detector of pictures of sevens, without every sixth."""
    return detector().fit(parted(digits()[0])[0])


def parted(X):
    """Return the sevens that are fitted and every sixth, which is not."""
    own = X[digits()[1] == 7]
    return own[np.arange(len(own)) % 6 > 0], own[::6]


def test_a_digit_is_told_from_the_others(sevens):
    X, y = digits()
    own, other = parted(X)[1], X[y != 7][:300]
    scores = sevens.anomaly_score(np.concatenate([own, other]))
    assert roc_auc_score(np.r_[np.zeros(len(own)), np.ones(300)], scores) > 0.97
    assert np.mean(sevens.p_values(own) <= 0.1) <= 0.3


def test_maps_have_the_shape_of_pictures_and_show_where_they_are_odd(sevens):
    odd = parted(digits()[0])[1][:10].copy()
    odd[:, 5:7, 0:2] = 16
    found = sevens.explain(odd)
    assert found.maps.shape == odd.shape and found.shape == (8, 8)
    assert np.allclose(found.maps.sum((1, 2)), found.score)
    inside = np.zeros((8, 8), dtype=bool)
    inside[5:7, 0:2] = True
    assert (found.maps[:, inside].sum(1) / found.score > 0.5).all()
    assert found.expected.astype(float).reshape(odd.shape)[:, inside].mean() < 6


def test_flat_rows_of_a_shape_are_the_same_pictures(sevens):
    X, _ = digits()
    flat = X.reshape(len(X), -1)
    model = detector(shape=(8, 8)).fit(parted(flat)[0])
    assert np.array_equal(model.anomaly_score(flat[:20]), sevens.anomaly_score(X[:20]))
    assert model.explain(flat[:2]).maps.shape == (2, 8, 8)


def test_pictures_of_several_channels_have_maps_of_as_many():
    X = np.random.default_rng(0).random((60, 3, 4, 5))
    model = detector(trainer=Trainer(epochs=1)).fit(X)
    assert model.explain(X[:7]).maps.shape == (7, 3, 4, 5)
    tiles = np.sort(np.concatenate(model.reading_.tiles))
    assert np.array_equal(tiles, np.arange(60))


def test_other_shapes_and_holes_are_refused(sevens):
    X, _ = digits()
    with pytest.raises(ValueError, match=r"shape \(4, 16\)"):
        sevens.anomaly_score(X.reshape(-1, 4, 16))
    with pytest.raises(ValueError, match="has 72 entries, and rows of X 64"):
        detector(shape=(8, 9)).fit(X.reshape(len(X), -1))
    X = X.copy()
    X[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        sevens.anomaly_score(X)


def test_reasons_of_pictures_are_regions_and_their_shares(sevens):
    odd = parted(digits()[0])[1][:1].copy()
    odd[0, 5:7, 0:2] = 16
    found = sevens.explain(odd)
    (first, *others), share = found.reasons(), found.maps[0, 5:7, 0:2].sum() / found.score[0]
    assert first == f"rows 5 to 6, columns 0 to 1 (from 0): {100 * share:.0f} % of the score" and share > 0.5
    assert len(others) == 2 and f"  {first}" in str(found).splitlines()


def explanation(added):
    """Return an explanation of one row that has such contributions."""
    flat, nothing = added.reshape(1, -1), np.full((1, added.size), None)
    names = tuple(map(str, range(added.size)))
    cells = (nothing, nothing, nothing, nothing)
    return Explanation(flat.sum(1), flat, names, *cells, np.empty((1, 0), int), np.ones(1), added.shape)


def test_regions_do_not_share_places_and_count_all_channels():
    added = np.zeros((3, 32, 32))
    added[:, 8:12, 4:16] = 1  # a bar of three regions
    added[1, 20, 30] = 0.1
    told = explanation(added).reasons(most=5)
    for k in range(3):
        assert f"rows 8 to 11, columns {4 + 4 * k} to {7 + 4 * k} (from 0): 33 % of the score" in told
    assert len(told) == 3  # the last one has 0.07 %


def test_a_row_of_one_channel_has_regions_along_its_length():
    added = np.zeros((1, 100))
    added[0, 37:50] = 1
    assert explanation(added).reasons(most=1) == ["columns 37 to 49 (from 0): 100 % of the score"]
    assert explanation(np.zeros((4, 4))).reasons() == []
