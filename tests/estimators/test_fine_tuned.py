"""The classifier on top: logistic regression where the encoder rests, a network that learns where it does not."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from quick import START, TWO, identical, quick, rows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from isthmus import Autoencoder, FineTunedClassifier, Trainer
from isthmus.parts import LBFGS, Adam, Dense, Greedy, Masking, Sigmoid

X = rows(120)
NAMES = np.array(["ash", "birch", "cedar"])
# Classes that no straight line tells apart: rings around the middle of a plane.
PLANE = np.random.default_rng(0).normal(size=(300, 2))
RING = np.digitize(np.linalg.norm(PLANE, axis=1), [0.8, 1.5])
Y = NAMES[(X[:, 0] > np.quantile(X[:, 0], 0.3)).astype(int) + (X[:, 1] > np.median(X[:, 1]))]


def classifier(start=None, epochs=2, **settings):
    return FineTunedClassifier(start or quick(), **({"trainer": Trainer(epochs), "random_state": 0} | settings))


def test_on_a_resting_encoder_it_is_logistic_regression():
    """mean CE + l2/2 ||W||^2 is scikit-learn's objective at C = 1 / (rows l2)."""
    exact = Trainer(30, validation=0, optimiser=LBFGS(iterations=100), precision="float64")
    model = quick(trainer=START).fit(X)
    found = classifier(model, trainer=exact, frozen=True, l2=0.01).fit(X, Y)
    codes = model.transform(X)
    expected = LogisticRegression(C=1 / (len(X) * 0.01), tol=1e-10, max_iter=5000).fit(codes, Y)
    assert_allclose(found.predict_proba(X), expected.predict_proba(codes), atol=1e-5)
    head = found.task_.head
    assert_allclose(head.weight.detach() - head.weight.mean(0).detach(), expected.coef_, atol=1e-4)
    assert identical(found.autoencoder_, model), "the encoder was to rest"


def test_through_the_encoder_it_learns_what_no_line_can():
    start = Autoencoder(2, architecture=Dense((32,)), trainer=START, random_state=0).fit(PLANE)
    trainer = Trainer(60, batch_size=32, optimiser=Adam(1e-2))
    resting, learning = (classifier(start, trainer=trainer, frozen=f).fit(PLANE, RING) for f in (True, False))
    assert learning.score(PLANE, RING) > 0.9 > 0.75 > resting.score(PLANE, RING)


def test_a_fitted_autoencoder_is_copied_and_an_unfitted_one_stays_so():
    fitted, unfitted = quick().fit(X), quick()
    before = fitted.transform(X)
    found = classifier(fitted).fit(X, Y)
    assert_array_equal(fitted.transform(X), before)
    assert not identical(found.autoencoder_, fitted)
    other = classifier(unfitted).fit(X, Y)
    assert not hasattr(unfitted, "objective_")
    assert_array_equal(found.predict_proba(X), other.predict_proba(X))


def test_answers_of_the_encoder_are_those_after_fine_tuning():
    fitted = quick().fit(X)
    fitted.transform(X)
    found = classifier(fitted, epochs=5).fit(X, Y)
    assert np.abs(found.autoencoder_.transform(X) - fitted.transform(X)).max() > 1e-3
    logits = torch.as_tensor(found.autoencoder_.transform(X.astype("float32"))) @ found.task_.head.weight.detach().T
    assert_allclose(found.decision_function(X.astype("float32")), logits + found.task_.head.bias.detach(), atol=1e-5)


def test_no_epoch_of_the_autoencoder_is_the_net_without_pretraining():
    start = quick(trainer=START, architecture=Dense((6,), activation="sigmoid"), bottleneck=Sigmoid())
    found = classifier(start).fit(X, Y)
    assert found.autoencoder_.n_iter_ == 0 and len(found.history_) == 2


def test_layers_are_pretrained_one_by_one_and_then_tuned_together():
    layers = Trainer(0, pretraining=Greedy(epochs=2, corruption=Masking(0.25)))
    start = quick(architecture=Dense((6, 5), activation="sigmoid"), bottleneck=Sigmoid(), trainer=layers)
    found = classifier(start, corruption=Masking(0.1)).fit(X, Y)
    phases = [row["phase"] for row in found.autoencoder_.history_.rows]
    assert phases == ["layer 1"] * 2 + ["layer 2"] * 2 + ["layer 3"] * 2
    assert {row["phase"] for row in found.history_.rows} == {"fine-tuning"}


def test_rows_held_out_choose_the_weights_by_their_errors():
    x, y, new, new_y = X[:80], Y[:80], X[80:], Y[80:]
    found = classifier(trainer=Trainer(15, patience=0, optimiser=Adam(1e-2))).fit(x, y, held_out=(new, new_y))
    rates = [row["measured"]["error"] for row in found.history_.rows]
    assert_allclose(1 - found.score(new, new_y), min(rates), atol=1e-6)


def test_probabilities_are_those_of_the_loss():
    found = classifier(trainer=Trainer(3, patience=0)).fit(X, Y, held_out=(X, Y))
    p = found.predict_proba(X)
    assert_allclose(p.sum(1), 1)
    losses = [row["held_out"]["cross_entropy"] for row in found.history_.rows]
    assert np.isclose(log_loss(Y, p), losses, rtol=1e-5).any()
    assert_array_equal(found.predict(X), found.classes_[p.argmax(1)])
    assert found.classes_.tolist() == sorted(NAMES)


def test_two_classes_are_one_number():
    found = classifier().fit(X, Y == "ash")
    assert found.decision_function(X).shape == (120,) and found.predict_proba(X).shape == (120, 2)
    assert_array_equal(found.predict(X), found.decision_function(X) > 0)


REFUSED = {
    "one class": ({}, (X, np.zeros(120)), "one class only"),
    "labels that do not compare": ({}, (X, np.array([1, "a"] * 60, dtype=object)), "label|type"),
    "too few labels": ({}, (X, Y[:-1]), "inconsistent"),
    "no labels": ({}, (X, None), "y"),
    "a class for an instance": ({"autoencoder": Autoencoder}, (X, Y), "instance"),
    "something else": ({"autoencoder": LogisticRegression()}, (X, Y), "recipe"),
    "a negative weight": ({"l2": -1.0}, (X, Y), "l2=-1.0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name):
    settings, data, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        FineTunedClassifier(**({"autoencoder": quick(), "trainer": TWO} | settings)).fit(*data)


@pytest.mark.parametrize(
    ("held", "said"), [(X, "pair"), ((X, np.full(120, "oak")), "oak"), ((X[:, :3], Y), "features")]
)
def test_held_out_rows_that_cannot_be_used(held, said):
    with pytest.raises(ValueError, match=said):
        classifier().fit(X, Y, held_out=held)
