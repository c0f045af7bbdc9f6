"""What an audit compares a self-explaining model with: no model, linear models, nets trained for other things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import clone

from isthmus.estimators.beginning import rows_of_fit
from isthmus.estimators.inputs import Array, rows_at
from isthmus.measures.dictionaries import matched_correlation
from isthmus.records import Batch
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

MOST, LOOKED, DRAWN = 20_000, 4096, 12
CHANCE, INPUT, CONCEPTS = "no model at all", "linear on the input", "linear on the concepts"
BLACK_BOX, RANDOM = "black box", "random concepts"


class Scores:
    """Accuracy of logits, or R2 of predictions, against the labels of the audit."""

    def __init__(self, model: SelfExplainingEstimator, y: Array) -> None:
        """Hold the labels.

        Raises:
            ValueError: labels or a number of targets that the model does not know.
        """
        self.regression = not hasattr(model, "classes_")
        if self.regression and (own := y.reshape(len(y), -1).shape[1]) != model.task_.outputs:
            raise ValueError(
                f"y has {own} targets, and the model predicts {model.task_.outputs}; give those of the fit"
            )
        self.labels, self.y = y, y if self.regression else model._numbered(y, "y of the audit")

    def __call__(self, logits: Array) -> float:
        """Return the score."""
        if self.regression:
            from sklearn.metrics import r2_score

            return float(r2_score(self.y.reshape(len(self.y), -1), logits))
        return float((logits.argmax(1) == self.y).mean())

    def of_answers(self, answers: Array) -> float:
        """Return the score of labels, or of targets, that something else predicts, one for each row."""
        if self.regression:
            return self(answers.reshape(len(answers), -1))
        return float((answers == self.labels).mean())

    def of_none(self, known: Array) -> float:
        """Return the score of always the most frequent class of known labels, or always the mean of known targets."""
        if self.regression:
            mean = known.reshape(len(known), -1).mean(0)
            return self.of_answers(np.tile(mean, (len(self.y), 1)))
        names, counts = np.unique(known, return_counts=True)
        return self.of_answers(np.full(len(self.labels), names[counts.argmax()]))


def some(X: Any, most: int) -> Any:
    """Return at most so many rows, drawn alike in every call."""
    drawn = np.random.default_rng(0).permutation(len(X))[:most]
    return X if len(X) <= most else rows_at(X, drawn)


def linear(model: SelfExplainingEstimator, score: Scores, fit: tuple[Any, Array], X: Any) -> dict[str, float]:
    """Return scores of no model at all, and of linear models on the input and on the concepts.

    Raises:
        ValueError: the rows to fit them to are of one class.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, y = limited(*fit)
    if not score.regression and len(np.unique(y)) < 2:
        told = f"baselines are fitted to {len(y)} rows, which are all of class {y[0]}"
        raise ValueError(f"{told}; give rows of two classes or more, as train= or in X")
    views = {INPUT: inputs_of, CONCEPTS: lambda m, x: m.autoencoder_.transform(x)}
    found = {CHANCE: score.of_none(y)}
    for name, view in views.items():
        chosen = RidgeCV(np.logspace(-3, 3, 7)) if score.regression else LogisticRegression(max_iter=1000, tol=1e-3)
        fitted = make_pipeline(StandardScaler(), chosen).fit(view(model, rows), y)
        found[name] = score.of_answers(fitted.predict(view(model, X)))
    return found


def limited(X: Any, y: Array) -> tuple[Any, Array]:
    """Return at most so many rows with their labels: linear models of more gain little."""
    return some(X, MOST), some(y, MOST)


def inputs_of(model: SelfExplainingEstimator, X: Any) -> Array:
    """Return what the encoder sees, (rows, numbers): levels as indicators, holes as flags."""
    x = model._checked(X)
    task = model._in_precision(x)
    with torch.no_grad():
        return np.concatenate([task.model.stem(batch).flatten(1).cpu().numpy() for batch in model._batches(x)])


def refitted(model: SelfExplainingEstimator, score: Scores, fit: tuple[Any, Array], X: Any) -> dict[str, float]:
    """Return scores of the same net trained for the prediction alone, and of one on concepts never trained."""
    black = clone(model).set_params(fidelity=0.0, robustness=0.0, conciseness=0.0, frozen=False)
    random = clone(model).set_params(autoencoder=drawn(model.autoencoder_, fit[0]), frozen=True)
    models = {BLACK_BOX: black, RANDOM: random}
    return {name: score(other.fit(*fit).explain(X, probes=0).logits) for name, other in models.items()}


def drawn(autoencoder: Autoencoder, X: Any) -> Autoencoder:
    """Return an autoencoder whose weights are those that it would draw; rows say only what a unit's threshold is."""
    found = clone(autoencoder).set_params(trainer=Trainer(epochs=0)).fit(X)
    net = found.objective_.model
    with torch.no_grad():
        net.architecture.reset(net.encoder, net.decoder, found._noise.branch(DRAWN))
        selective(found, some(X, LOOKED))
    found._answer_anew()
    return found


def selective(found: Autoencoder, X: Any) -> None:
    """Let the bottleneck learn from rows how many units are to be active, as thresholds do; no weight changes."""
    objective, net = found.objective_, found.objective_.model
    rows, device = rows_of_fit(found, found._checked(X), None), next(net.parameters()).device
    batch = Batch(rows.x.to(device), None if rows.seen is None else rows.seen.to(device))
    net.bottleneck.start(objective, batch)
    net.memory.train()
    sums = net.bottleneck.tally(net(batch).of(net.memory))
    if sums:
        net.bottleneck.learn(net.memory, sums)
    net.memory.eval()


def again(model: SelfExplainingEstimator, fit: tuple[Any, Array], X: Any, i: int) -> float:
    """Return how far another seed finds the same concepts."""
    other = clone(model).set_params(random_state=1000 + i)
    if getattr(other.autoencoder, "random_state", None) is not None:
        other.set_params(autoencoder__random_state=1000 + i)
    codes = [m.autoencoder_.transform(X) for m in (model, other.fit(*fit))]
    return float(matched_correlation(*codes))
