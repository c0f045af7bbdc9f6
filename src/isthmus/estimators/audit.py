"""What an honest reader needs beside explanations: baselines, leakage, faithfulness, stability, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from isthmus.estimators.audit_baselines import (
    BLACK_BOX,
    CHANCE,
    CONCEPTS,
    INPUT,
    RANDOM,
    Scores,
    again,
    linear,
    refitted,
    some,
)
from isthmus.estimators.concept_explanation import ConceptExplanation, ranked
from isthmus.estimators.inputs import Array, gather, rows_at
from isthmus.measures.explanations import additive_score, completeness_error, faithfulness

if TYPE_CHECKING:
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

ROWS, GAP, POINT = 2000, 0.95, 0.01
# In fewer rows a row more or less is several points, so that scores without concepts say nothing of them.
FEWEST = 30
PERMUTED, LINEAR, CONSTANT = "concepts permuted", "relevances at their mean", "concepts at their mean"


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found; ``print`` shows it with a verdict in plain words.

    Attributes:
        measure: what scores are, ``accuracy`` or ``R2``.
        score: that of the model on the rows that the audit looks at, beside those of the baselines.
        rows: how many these are.
        baselines: scores of others on these rows, fitted to ``train`` or the other half: always the class that is most
            frequent there, or the mean of each target; a linear model on the input and on the concepts; and, where
            models were refitted, the same net trained for nothing but the prediction (``black box``) and the same net
            on concepts that were never trained.
        leakage: the model's score with the concepts of each row taken from another one, with relevances or concepts at
            their mean. The verdict says nothing of them in fewer than 30 rows.
        conciseness: how many concepts make up 95 % of what speaks for the prediction, mean over rows; of a regressor of
            the lengths of what they add, in either direction, without the constant concept, mean over targets too.
        faithfulness: correlation of contributions with the fall of the probability when a concept is set to zero, mean
            over rows; of the logit it is 1 by construction. NaN for a regressor.
        completeness: the largest difference between a prediction and the sum of its contributions.
        lipschitz: median and 95 % quantile over rows of ``stability``, see ``explain``, and ``eps``, the distance.
        error: of the autoencoder, its squared error over that of as many principal components; NaN for tables.
        seeds: correlations of each refit's concepts with the model's, after matching; empty without refits.
        reads: what the model's relevances see, ``inputs`` or ``code``.
        given: how many rows were given; without ``train`` more than ``rows``, as every other one is for the baselines.
        score_of_given: the model's score on all of these.
    """

    measure: str
    score: float
    rows: int
    baselines: dict[str, float]
    leakage: dict[str, float]
    conciseness: float
    faithfulness: float
    completeness: float
    lipschitz: tuple[float, float]
    eps: float
    error: float
    seeds: tuple[float, ...] = field(default=())
    reads: str = "inputs"
    given: int = 0
    score_of_given: float = np.nan

    @property
    def verdict(self) -> list[str]:
        """What this means, in plain words; warnings begin with ``warning:``."""
        return [*of_score(self), *of_explanations(self)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, None where there is no number."""
        lipschitz = [value if np.isfinite(value) else None for value in self.lipschitz]
        found = asdict(self) | {"lipschitz": lipschitz, "seeds": list(self.seeds), "verdict": self.verdict}
        return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in found.items()}

    def __str__(self) -> str:
        """Print everything."""
        name = self.measure
        lines = [f"{name} {self.score:.4f} on {self.rows:,} rows"]
        if self.rows < self.given:
            whole = f"{name} {self.score_of_given:.4f} on all {self.given:,} rows"
            why = "the others are for the baselines, as train was not given"
            lines = [whole, f"{name} {self.score:.4f} on {self.rows:,} of them, which the audit is of; {why}"]
        lines += [f"  {other}: {value:.4f}" for other, value in self.baselines.items()]
        lines += [f"if it had {what}: {value:.4f}" for what, value in self.leakage.items()]
        median, high = self.lipschitz
        lines.append(f"concepts for {100 * GAP:.0f} % of what speaks for a prediction: {self.conciseness:.1f}")
        if not np.isnan(self.faithfulness):
            lines.append(f"faithfulness to probabilities: {self.faithfulness:.3f}")
        lines.append(f"completeness error {self.completeness:.1e}")
        if not np.isnan(median):
            lines.append(f"local Lipschitz number within {self.eps:g} sd: median {median:.3g}, 95 % below {high:.3g}")
        if not np.isnan(self.error):
            lines.append(f"squared error of the autoencoder over that of PCA: {self.error:.2f}")
        if self.seeds:
            lines.append(f"concepts found again with other seeds: correlation {np.mean(self.seeds):.2f}")
        return "\n".join([*lines, *(f"- {sentence}" for sentence in self.verdict)])


def of_score(audit: Audit) -> Iterator[str]:
    """Judge how well it predicts, beside simpler models and without its concepts."""
    own, base, leak = audit.score, audit.baselines, audit.leakage
    yield from of_linear(audit)
    if BLACK_BOX in base:
        gap = 100 * (base[BLACK_BOX] - own)
        yield f"explaining costs {gap:.1f} points" if gap > 0 else "explaining costs nothing in this score"
    if own <= base[CHANCE] + POINT:
        yield "warning: it does no better than no model at all"
    elif audit.rows < FEWEST:
        yield f"{audit.rows} rows are too few to tell whether concepts decide; give {FEWEST} or more"
    elif leak[PERMUTED] > own - POINT or leak[CONSTANT] > own - POINT:
        remedy = ", or let them read the code" if audit.reads == "inputs" else ""
        yield f"warning: concepts are decoration, relevances decide alone; raise robustness{remedy}"
    elif max(leak[CONSTANT], leak[PERMUTED]) > (own + base[CHANCE]) / 2:
        yield "warning: relevances know much of the answer without the concepts; raise robustness"
    if RANDOM in base and base[RANDOM] > own - POINT:
        yield "warning: concepts that were never trained do as well"
    if audit.rows >= FEWEST and leak[LINEAR] > own - POINT:
        yield "nearly one linear model on the concepts: the same weights hold for every row"


def of_linear(audit: Audit) -> Iterator[str]:
    """Judge the score beside those of linear models; differences below a point, or of few rows, are noise."""
    own, base = audit.score, audit.baselines
    if own > base[INPUT] + POINT / 2:
        yield f"it beats a linear model on the input by {100 * (own - base[INPUT]):.1f} points"
    else:
        far = better(audit, INPUT) or ("as well or better" if audit.rows < FEWEST else "as well")
        yield f"a linear model on the input does {far} ({base[INPUT]:.3f}): prefer it, unless concepts are the point"
    if far := better(audit, CONCEPTS):
        yield f"a linear model on the concepts does {far} ({base[CONCEPTS]:.3f}): they know more than the model says"


def better(audit: Audit, name: str) -> str:
    """Say by how much a baseline is better than the model; nothing where that is noise."""
    gap = audit.baselines.get(name, -np.inf) - audit.score
    return f"better by {100 * gap:.1f} points" if gap > POINT and audit.rows >= FEWEST else ""


def of_explanations(audit: Audit) -> Iterator[str]:
    """Judge whether explanations are short and true, and whether their concepts would be found again."""
    if audit.conciseness > 10:
        yield f"warning: explanations are long, {audit.conciseness:.0f} concepts each; ask for fewer or sparse ones"
    if audit.faithfulness < 0.5:
        yield "warning: contributions say little about probabilities"
    if audit.error > 1:
        yield "warning: the code describes the rows less well than PCA does; raise fidelity"
    if audit.seeds and np.mean(audit.seeds) < 0.7:
        yield "warning: other seeds find other concepts; do not read much into a single one"


def audited(model: SelfExplainingEstimator, X: Any, y: Any, train: Any, refits: int, eps: float) -> Audit:
    """Audit a model on rows and labels.

    Raises:
        ValueError: labels that do not belong to the rows or the model, or too few of both.
    """
    given = paired(model, X, y, "X and y")
    fit, test = divided(model, given, train)
    score = Scores(model, test[1])
    told = model.explain(test[0], probes=0)
    shown = model.explain(some(test[0], ROWS), eps=eps)
    own = score(told.logits)
    return Audit(
        measure="R2" if score.regression else "accuracy",
        score=own,
        rows=len(test[1]),
        baselines=linear(model, score, fit, test[0]) | (refitted(model, score, fit, test[0]) if refits else {}),
        leakage=leakages(told, score),
        conciseness=conciseness(told),
        faithfulness=np.nan if score.regression else faithful(shown),
        completeness=completeness(model, told, test[0]),
        lipschitz=spread(shown.stability),
        eps=eps,
        error=error(model, test[0]),
        seeds=tuple(again(model, fit, test[0], i) for i in range(refits)),
        reads=model.reads,
        given=len(given[1]),
        score_of_given=own if len(test[1]) == len(given[1]) else float(model.score(*given)),
    )


def paired(model: SelfExplainingEstimator, X: Any, y: Any, what: str) -> tuple[Any, Array]:
    """Return rows and their labels, (rows,), or targets; a column of labels counts as in the fit.

    Raises:
        ValueError: there are no labels, or not as many as rows.
    """
    if y is None:
        raise ValueError("an audit compares predictions with what is true, which y=None does not say; give y")
    X, y = gather(X), np.asarray(gather(y))
    y = column_or_1d(y, warn=True) if hasattr(model, "classes_") else y
    if not y.ndim or len(X) != len(y):
        raise ValueError(f"{what} have {len(X)} rows and {y.shape[0] if y.ndim else 'no'} labels; give one per row")
    return X, y


def divided(
    model: SelfExplainingEstimator, given: tuple[Any, Array], train: Any
) -> tuple[tuple[Any, Array], tuple[Any, Array]]:
    """Return rows that baselines are fitted to, and rows that are looked at, with their labels.

    Raises:
        ValueError: ``train`` is no pair, or there are too few rows for a score.
    """
    if train is None:
        fit, test = halves(*given, classes=hasattr(model, "classes_"))
    elif isinstance(train, (tuple, list)) and len(train) == 2:
        fit, test = paired(model, train[0], train[1], "X and y of train"), given
    else:
        raise ValueError("train is rows and their labels; give a pair (X, y)")
    if not len(fit[1]) and train is not None:
        raise ValueError("train has no rows, and baselines are fitted to them; give those of the fit")
    if len(test[1]) < 2:
        enough = "4, as one half is for the baselines, or train=" if train is None else "2"
        raise ValueError(f"an audit of so few rows ({len(given[1])}) has no score to speak of; give at least {enough}")
    return fit, test


def halves(X: Any, y: Array, *, classes: bool) -> tuple[tuple[Any, Array], tuple[Any, Array]]:
    """Return two halves of rows and labels, drawn alike in every call, with a half of each class in both."""
    order = np.random.default_rng(0).permutation(len(y))
    if classes:
        _, place, counts = np.unique(y[order], return_inverse=True, return_counts=True)
        # Rare classes first: the only row of one is for the baselines, which could not be fitted without it.
        order = order[np.lexsort((place, counts[place]))]
    first, second = order[::2], order[1::2]
    return (rows_at(X, first), y[first]), (rows_at(X, second), y[second])


def spread(values: Array) -> tuple[float, float]:
    """Return median and 95 % quantile of what was measured; NaN where nothing was."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    # Values that occur: between a number and infinity there is none.
    median, high = np.quantile(known, (0.5, 0.95), method="inverted_cdf")
    return float(median), float(high)


def leakages(told: ConceptExplanation, score: Scores) -> dict[str, float]:
    """Return scores where concepts or relevances are not those of the row."""
    h, theta = told.concepts, told.relevances
    order = np.random.default_rng(0).permutation(len(h))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # a permutation alone would leave some rows their own concepts
    return {
        PERMUTED: score((h[other][:, :, None] * theta).sum(1)),
        LINEAR: score((h[:, :, None] * theta.mean(0)).sum(1)),
        CONSTANT: score((h.mean(0)[:, None] * theta).sum(1)),
    }


def conciseness(told: ConceptExplanation) -> float:
    """Return how many concepts make up 95 % of what speaks for the prediction rather than the next, mean over rows.

    Targets have no next one: what counts there is how far each concept but the constant one moves them.
    """
    if not told.classes:
        return _needed(np.abs(told.contributions[:, :-1]))
    each = np.arange(len(told.logits))
    predicted, counter = ranked(told.logits)
    parts = told.contributions[each, :, predicted] - told.contributions[each, :, counter]
    return _needed(np.clip(parts, 0, None))


def _needed(parts: Array) -> float:
    """Return how many of the largest parts, along the second axis, make up 95 % of all, mean over the other axes."""
    largest = -np.sort(-parts, axis=1)
    return float((np.cumsum(largest, axis=1) < GAP * largest.sum(1, keepdims=True)).sum(1).mean() + 1)


def faithful(told: ConceptExplanation) -> float:
    """Return the mean correlation of contributions with falls of the probability."""
    each = np.arange(len(told.logits))
    score = additive_score(told.contributions, told.predicted, probability=True)
    found = faithfulness(told.contributions[each, :, told.predicted], score)
    # Concepts that never speak have nothing to be faithful to.
    return np.nan if np.isnan(found).all() else float(np.nanmean(found))


def completeness(model: SelfExplainingEstimator, told: ConceptExplanation, X: Any) -> float:
    """Return the largest difference between what is predicted and the sum of contributions."""
    return float(completeness_error(told.contributions, model._predicted(X)).max())


def error(model: SelfExplainingEstimator, X: Any) -> float:
    """Return the autoencoder's squared error over that of as many principal components; NaN of tables of kinds."""
    autoencoder = model.autoencoder_
    if autoencoder.form_.table is not None:
        return np.nan
    x = autoencoder._checked(X)
    there, made = (autoencoder.scaling_.comparable(rows) for rows in (x, autoencoder.answers.reconstructions(x)))
    best = float(autoencoder.past.baseline.errors(there).sum())
    return float(np.square(made - there).sum()) / best if best > 0 else np.nan
