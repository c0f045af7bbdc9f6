"""scikit-learn's own checks, all of them, for the estimators and for every recipe."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from isthmus import (
    Autoencoder,
    FineTunedClassifier,
    SelfExplainingClassifier,
    SelfExplainingRegressor,
    Trainer,
    recipes,
)
from isthmus.parts import Adam, Dense, Greedy

MINI_BATCHES = "rows are seen in mini-batches of a random order, where a weight of two is not a row met twice"
# No check asks what an autoencoder has learnt, so nets and fits are as small as they can be.
FEW = Trainer(epochs=2, batch_size=128)
SMALL = {
    "plain": {"architecture": Dense((6,), shortcut=True)},
    "denoising": {"architecture": Dense((6,))},
    "imputing": {"architecture": Dense((6,))},
    "tied": {"architecture__hidden": (6,)},
    "stacked": {"architecture__hidden": (6, 5), "trainer__pretraining": Greedy(epochs=1)},
    "l1_sparse": {"architecture__hidden": (6,)},
    "dictionary": {"bottleneck__k": 1},
    "variational": {"architecture__hidden": (6,)},
    "convolutional": {"architecture__channels": (2, 2)},
    "basis_concepts": {"architecture__hidden": (6,)},
    "basis_concepts_convolutional": {"architecture__channels": (2, 2)},
}


def estimators():
    yield Autoencoder(architecture=Dense((6,)), trainer=FEW)
    whole = Trainer(epochs=3, batch_size=1000, validation=0.0, precision="float64")
    yield Autoencoder(architecture=Dense((6,)), trainer=whole)
    start = Autoencoder(architecture=Dense((12,)), trainer=FEW)
    yield FineTunedClassifier(start, trainer=Trainer(epochs=30, validation=0.0, optimiser=Adam(0.03)))
    quickly = Trainer(epochs=8, validation=0.0, optimiser=Adam(0.05))
    for kind in (SelfExplainingClassifier, SelfExplainingRegressor):
        yield kind(start, relevances=Dense((8,), "silu"), trainer=quickly)


def of_recipes():
    """Give every recipe."""
    for name in recipes.NAMES:
        recipe = getattr(recipes, name)()
        if name == "pca":
            yield recipe.set_params(trainer__precision="float64")  # the check compares seven digits
        else:
            yield recipe.set_params(trainer=FEW).set_params(**SMALL.get(name, {}))


def expected_failures(estimator):
    """Only weights under mini-batches: an exact start and full batches leave nothing to excuse."""
    in_batches = estimator.trainer.epochs and estimator.trainer.batch_size < 1000
    return {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES} if in_batches else {}


@parametrize_with_checks(list(estimators()), expected_failed_checks=expected_failures)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.long
@parametrize_with_checks(list(of_recipes()), expected_failed_checks=expected_failures)
def test_scikit_learn_contract_of_recipes(estimator, check):
    check(estimator)
