"""scikit-learn's own checks, for the estimators and for every recipe."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from isthmus import Autoencoder, FineTunedClassifier, Trainer, recipes

MINI_BATCHES = (
    "rows are seen in mini-batches of a random order, so a weight of two and a row given twice meet different batches; "
    "tests/training shows the equality under full batches"
)
FEW = {"trainer__epochs": 3}


def estimators():
    yield Autoencoder().set_params(**FEW)
    yield FineTunedClassifier(Autoencoder().set_params(**FEW), trainer=Trainer(epochs=60, validation=0.0))
    for name in recipes.NAMES:
        recipe = getattr(recipes, name)()
        yield recipe if name == "pca" else recipe.set_params(**FEW)


@parametrize_with_checks(
    list(estimators()),
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": MINI_BATCHES,
        "check_sample_weight_equivalence_on_sparse_data": MINI_BATCHES,
    },
)
@pytest.mark.filterwarnings("ignore:the default of 32 units")
def test_scikit_learn_contract(estimator, check):
    check(estimator)
