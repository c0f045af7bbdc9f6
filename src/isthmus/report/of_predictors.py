"""Self-explaining models: what they predict, and what makes it up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.estimators.interventions import RANGE
from isthmus.report.contract import Beside, Measure, Part, Prediction, Summary, Verdict
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown
from isthmus.report.summary import curves, of_autoencoder

EXPLAINED, AUDITED = 200, 5000
# How many numbers of explanations pages without graphs keep; how near codes are the same, and the rows of an audit.
NUMBERS, LEAST, SAME, FRESH = 40_000, 20, 1e-3, 50
# From this share of twins among the rows of the fit on, a row that equals one of them is no proof that the fit had it.
TWINS = 0.1


def summary(found: Given) -> Summary:
    """Summarise a self-explaining model: its audit where there are labels, and the autoencoder underneath."""
    model = found.model
    below = of_autoencoder(replace(found, model=found.autoencoder))
    classes = hasattr(model, "classes_")
    audit, of = audited(found)
    measures = [] if audit is None else list(_audit(found, audit, of))
    return Summary(
        model="classifier" if classes else "regressor",
        title=title(model),
        trained_on=below.trained_on,
        parts=[*below.parts, *weights(model)],
        measures=[*measures, *below.measures],
        curves=curves(model.history_),
        best_epoch=float(model.best_epoch_),
        verdicts=ordered(said(audit), below.verdicts),
    )


def audited(found: Given) -> tuple[Any, str]:
    """Return the audit of a model, and of what rows it is; None without labels of every class that it knows.

    Rows of the fit flatter a model, all the more beside baselines that have not seen them. Where it is known which they
    are and enough are left, the audit is of the rows that are left, and baselines learn from those of the fit.
    """
    if found.y is None:
        return None, ""
    some = np.sort(np.random.default_rng(0).permutation(len(found))[:AUDITED])
    if not len(found.model.known_):
        unknown = "of which this model, shared without its rows, does not know whether the fit had them"
        return _audited(found, some), unknown
    if twins(found.model) > TWINS:
        return _audited(found, some), "of which many equal rows of the fit, as rows of these data often do by chance"
    old = seen(found.model, found.some(some))
    known, fresh = some[old], some[~old]
    if all_remembered(found.model) and len(known) and len(fresh) >= FRESH:
        with suppress(ValueError):  # too few of a class
            pair = found.some(known), found.y[known]
            return found.model.audit(found.some(fresh), found.y[fresh], train=pair), "which the fit has not seen"
    of = "which the fit has not seen"
    if len(known):
        least = "" if all_remembered(found.model) else " or more"
        of = f"{100 * len(known) / len(some):.0f} %{least} of which the fit has seen, which flatters the model"
    return _audited(found, some), of


def _audited(found: Given, some: Array) -> Any:
    """Return the audit of some rows; None where labels are not those of the fit, or too few are of a class."""
    with suppress(ValueError):
        return found.model.audit(found.some(some), None if found.y is None else found.y[some])
    return None


def all_remembered(model: Any) -> bool:
    """Say whether a model remembers every row of its fit."""
    return bool(len(model.known_concepts_) >= model.autoencoder_.spec_.rows)


def seen(model: Any, X: Any) -> Array:
    """Say which rows the fit had: their codes are among those that it remembers, of at most so many of its rows."""
    tree, scale = remembered(model)
    codes = np.asarray(model.autoencoder_.transform(X), np.float64).reshape(X.shape[0], -1)
    found: Array = tree.query(codes / scale)[0] < SAME
    return found


def twins(model: Any) -> float:
    """Return which share of the rows that a model remembers have the code of another one."""
    tree, _ = remembered(model)
    if len(tree.data) < 2:
        return 0.0
    return float((tree.query(tree.data, k=2)[0][:, 1] < SAME).mean())


def remembered(model: Any) -> tuple[Any, Array]:
    """Return a tree of the codes of the fit's rows, in units of their spread, and these units."""
    from scipy.spatial import cKDTree

    known = model.known_concepts_.astype(np.float64).reshape(len(model.known_concepts_), -1)
    scale = np.maximum(known.std(0), 1e-6)
    return cKDTree(known / scale), scale


def said(audit: Any) -> list[Verdict]:
    """Return what an audit says, as verdicts."""
    if audit is None:
        return []
    made = []
    for sentence in audit.verdict:
        warns = sentence.startswith("warning: ")
        text = sentence.removeprefix("warning: ")
        made.append(Verdict("warning" if warns else "note", f"{text[0].upper()}{text[1:]}."))
    return made


def ordered(own: list[Verdict], below: list[Verdict]) -> list[Verdict]:
    """Return warnings first, and what both say of PCA once."""
    twice = any("less well than PCA" in verdict.text for verdict in own)
    kept = [verdict for verdict in below if not (twice and verdict.text.startswith("PCA wins"))]
    return sorted([*own, *kept], key=lambda verdict: verdict.kind != "warning")


def title(model: Any) -> str:
    """Say what a self-explaining model is."""
    what = f"{len(model.classes_)} classes" if hasattr(model, "classes_") else "a number"
    return f"A self-explaining model: {what} by {model.n_concepts_} concepts"


def weights(model: Any) -> list[Part]:
    """Return what a self-explaining model has beside the parts of its autoencoder."""
    network = Part("relevances", f"{model._network()!r}, which read the {model.reads}")
    text = f"robustness {model.robustness:g}, conciseness {model.conciseness:g}, fidelity {model.fidelity:g}"
    return [network, Part("weights", text)]


def _audit(found: Given, audit: Any, of: str) -> Any:
    scale, unit = (100.0, "%") if audit.measure == "accuracy" else (1.0, "")
    others = [Beside(name, scale * value) for name, value in audit.baselines.items()]
    whole = float(found.model.score(found.X, found.y))
    yield Measure(audit.measure, scale * whole, unit, [], "high", f"on all {len(found):,} rows")
    name = f"{audit.measure} on {audit.rows:,} of {len(found):,} rows"
    text = f"rows {of}; the baselines beside it were fitted to others of these rows, so that not all could be measured"
    yield Measure(name, scale * audit.score, unit, others, "high", text)
    without = [Beside(f"with {name}", scale * value) for name, value in audit.leakage.items()]
    text = "what is left of the score when concepts or relevances are taken away; it should fall"
    yield Measure(f"{audit.measure} that concepts carry", scale * audit.score, unit, without, "", text)
    text = "how many concepts make up 95 % of what speaks for a prediction, mean over rows"
    yield Measure("concepts per explanation", audit.conciseness, "concepts", [], "low", text)


class PredictionWriter:
    """Predicts every row, and takes some predictions apart."""

    def __init__(self, found: Given) -> None:
        """Predict."""
        self.found, self.model = found, found.model
        self.classes = hasattr(self.model, "classes_")
        logits = self.model._predicted(found.X)
        self.predicted = self.model.predict(found.X) if self.classes else logits[:, 0]
        self.confidence = self.model.predict_proba(found.X).max(1) if self.classes else None
        self.rows = self._picked()

    def _picked(self) -> Array:
        """Return the rows that pages without graphs explain: the least sure first, then others at even steps."""
        rows = len(self.found)
        each = self.model.n_concepts_ * (len(self.model.classes_) if self.classes else 1)
        most = max(LEAST, min(EXPLAINED, NUMBERS // each))
        if self.confidence is None:
            return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(int))
        unsure = np.argsort(self.confidence, kind="stable")[: most // 2]
        return np.unique(np.concatenate([unsure, np.linspace(0, rows - 1, min(rows, most // 2)).astype(int)]))

    @property
    def wanted(self) -> Array:
        """The rows that are explained."""
        return self.rows

    def write(self, shown: Shown, blobs: Blobs) -> Prediction:
        """Return the section."""
        told = self.model.explain(self.found.some(self.rows), probes=0)
        names = [str(label) for label in told.outputs]
        predicted = np.searchsorted(self.model.classes_, self.predicted) if self.classes else self.predicted
        keep = blobs.whole if self.classes else blobs.single
        sure, known = self.confidence, self.model.known_concepts_.astype(np.float64)
        low, high = np.percentile(known, RANGE, axis=0)
        return Prediction(
            target=str(self.model.target_name_ or self.found.label),
            classes=names if self.classes else [],
            outputs=names,
            unit="logit" if self.classes else "its own unit",
            rows=shown.place(self.rows),
            relevances=blobs.single("prediction/relevances", told.relevances.transpose(0, 2, 1)),
            contributions=blobs.single("prediction/contributions", told.contributions.transpose(0, 2, 1)),
            predicted=keep("prediction/predicted", shown.take(np.asarray(predicted))),
            confidence=None if sure is None else blobs.single("prediction/confidence", shown.take(sure)),
            low=low.tolist(),
            high=high.tolist(),
            spread=np.maximum(known.std(0), 1e-6).tolist(),
            reads=self.model.reads,
        )
