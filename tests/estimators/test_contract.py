"""scikit-learn's own checks, for the estimator and for every recipe."""

import warnings

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from isthmus import Autoencoder, Trainer

MINI_BATCHES = (
    "rows are seen in mini-batches of a random order, so a weight of two and a row given twice meet different batches; "
    "tests/training shows the equality under full batches"
)


@parametrize_with_checks(
    [Autoencoder(trainer=Trainer(epochs=3))],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": MINI_BATCHES,
        "check_sample_weight_equivalence_on_sparse_data": MINI_BATCHES,
    },
)
@pytest.mark.filterwarnings("ignore:the default of 32 units")
def test_scikit_learn_contract(estimator, check):
    check(estimator)
