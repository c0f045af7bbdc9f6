"""What was trained, on what, and how well: one typed summary, for the page, as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from isthmus.estimators.table_evaluation import TableEvaluation
from isthmus.report.contract import Beside, Curve, Measure, Part, Summary, Verdict
from isthmus.report.rows import Given, sizes

MEASURED, DIGITS = 20_000, 4
ROLES = ("architecture", "bottleneck", "corruption", "likelihood", "penalties", "trainer")


def summarise(found: Given) -> Summary:
    """Measure a model on rows, and say what was found; of very many rows on a sample.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> from isthmus.report.rows import given
    >>> X = data.read("digits", limit=200).X
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> summarise(given(model, X)).measures[0].name
    'squared error per row'
    """
    if len(found) > MEASURED and found.autoencoder is not None:
        some = np.sort(np.random.default_rng(0).permutation(len(found))[:MEASURED])
        y = None if found.y is None else found.y[some]
        found = replace(found, X=found.some(some), y=y, cells=found.cells[some])
    if found.autoencoder is None:
        from isthmus.report.of_detectors import summary
    elif found.autoencoder is not found.model:
        from isthmus.report.of_predictors import summary
    else:
        summary = of_autoencoder
    return summary(found)


def of_autoencoder(found: Given) -> Summary:
    """Summarise an autoencoder."""
    model = found.autoencoder
    measured = model.evaluate(found.X, bytes_per_row=found.bytes_per_row)
    of_table = isinstance(measured, TableEvaluation)
    measures = list(_columns(measured) if of_table else _errors(measured))
    measures.append(_score(measured.score))
    return Summary(
        model="autoencoder",
        title=title(model, found.cells.shape[1]),
        trained_on=f"{model.spec_.rows:,} rows; measured here on {sizes(*found.cells.shape)} of {found.name}",
        parts=parts(model),
        measures=measures,
        curves=curves(model.history_),
        best_epoch=float(model.best_epoch_),
        verdicts=list(verdicts(model, measured)),
    )


def title(model: Any, columns: int) -> str:
    """Say what an autoencoder is."""
    return f"An autoencoder: {columns:,} columns through {model._n_features_out:,} numbers and back"


def parts(model: Any) -> list[Part]:
    """Return the six parts in the formalism's words."""
    found = model.parts_
    said = {role: getattr(found, role) for role in ROLES}
    said["penalties"] = ", ".join(map(repr, found.penalties)) or "none"
    made = [Part(role, text if isinstance(text, str) else repr(text)) for role, text in said.items()]
    return [*made[:2], Part("units", f"{found.units} per code"), *made[2:]]


def curves(history: Any, name: str = "") -> list[Curve]:
    """Return every term by epoch."""
    made = []
    for phase in history.phases:
        rows = [row for row in history if row.get("phase", "fit") == phase]
        terms = list(dict.fromkeys(term for row in rows for term in ("loss", *row["train"])))
        for term in terms if len(terms) > 2 else ["loss"]:
            words = [name, "" if phase == "fit" else phase, term]
            ends = [[_number(row.get(part, {}).get(term)) for row in rows] for part in ("train", "held_out")]
            epochs = [float(row["epoch"]) for row in rows]
            made.append(Curve(" ".join(filter(None, words)), "nats per row", epochs, *ends))
    return made


def verdicts(model: Any, measured: Any) -> Iterator[Verdict]:
    """Say what numbers mean, warnings first."""
    said = [Verdict("warning", sentence) for sentence in measured.verdict if "more epochs would help" not in sentence]
    yield from said
    yield from (Verdict("note", text) for text in measured.verdict if "more epochs would help" in text)
    yield from of_code(model)
    yield from of_curves(model.history_)
    if not said and not isinstance(measured, TableEvaluation) and math.isfinite(measured.pca):
        gain = 100 * (1 - measured.squared_error / measured.pca) if measured.pca else 0.0
        yield Verdict("good", f"Its error is {gain:.0f} % below that of PCA with as many numbers per row.")
    if not said and isinstance(measured, TableEvaluation):
        yield Verdict("good", "It knows every column better than a constant does, from the code and from other cells.")


def of_code(model: Any) -> Iterator[Verdict]:
    """Say whether the code is wider than rows need."""
    codes = np.asarray(model.past.codes, np.float64)
    codes = codes.reshape(len(codes), -1)
    values = np.linalg.svd(codes - codes.mean(0), compute_uv=False) ** 2 if len(codes) > 1 else np.zeros(1)
    if values.sum() <= 0:
        yield Verdict("warning", "The code is the same for every row: it has collapsed, and says nothing.")
        return
    needed = int((np.cumsum(values) / values.sum() < 0.99).sum()) + 1
    if "sparse" not in model.parts_.bottleneck.provides and needed <= 0.6 * codes.shape[1]:
        text = f"{needed} directions hold 99 % of what the code's {codes.shape[1]} numbers do: it is wider than needed."
        yield Verdict("note", text)


def of_curves(history: Any) -> Iterator[Verdict]:
    """Say whether the fit went on after held-out rows had their best."""
    held = history.curve("loss", "held_out")
    if len(held) < 3:
        return
    trained, best = history.curve("loss"), int(np.argmin(held))
    fell = trained[0] - min(trained)
    if best < len(held) - 2 and held[-1] - held[best] > 0.1 * fell > 0:
        text = f"After epoch {best + 1} held-out rows got worse while training rows got better (overfitting); "
        yield Verdict("note", f"{text}the weights of that epoch are those that are kept.")


def _errors(measured: Any) -> Iterator[Measure]:
    """Give the errors of rows of numbers."""
    if measured.levels:
        yield Measure("wrong levels per row", measured.squared_error, "cells", [], "low", "cells that come back wrong")
        return
    unit = "squared standard deviations" if measured.standardised else "squared units of the data"
    others = [Beside("PCA of equal size", _number(measured.pca)), Beside("mean of the rows", _number(measured.mean))]
    text = "what is lost on the way through the code, summed over columns"
    yield Measure("squared error per row", _number(measured.squared_error), unit, others, "low", text)
    text = "how much of what rows differ by comes back"
    share = _number(100 * measured.explained)
    yield Measure("variance explained", share, "%", [Beside("everything", 100.0)], "high", text)
    for bits, size, error in measured.bits[2:3]:
        smaller = measured.bytes_in / size
        text = f"size of a row over that of its code in {bits} bits per number; its squared error is then {error:.4g}"
        yield Measure("compression", smaller, "times smaller", [], "high", text)


def _columns(measured: TableEvaluation) -> Iterator[Measure]:
    """Give the error of every column, beside that of a constant."""
    for column in measured.columns:
        wrong = column.unit == "wrong"
        scale = 100.0 if wrong else 1.0
        unit = "% wrong" if wrong else column.unit or "its own unit"
        others = [
            Beside("expected from other cells", _number(scale * column.hidden)),
            Beside("a constant", _number(scale * column.constant)),
        ]
        text = "share of wrong levels that come back" if wrong else "root mean squared error of what comes back"
        yield Measure(column.name, _number(scale * column.reconstruction), unit, others, "low", text)


def _score(value: float) -> Measure:
    text = "log-likelihood of a row given its code: higher is better; it compares models of the same data"
    return Measure("log-likelihood", _number(value), "nats per row", [], "high", text)


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def markdown(summary: Summary) -> str:
    """Write a summary for people who read text.

    >>> from isthmus.report.contract import Summary
    >>> print(markdown(Summary("autoencoder", "An autoencoder", "9 rows", [Part("units", "2")], [], [], None, [])))
    # An autoencoder
    <BLANKLINE>
    Trained on 9 rows.
    <BLANKLINE>
    - units: `2`
    """
    lines = [f"# {summary.title}", "", f"Trained on {summary.trained_on}.", ""]
    lines += [f"- {part.role}: `{part.text}`" for part in summary.parts]
    if summary.measures:
        lines += ["", "| measure | value | unit | beside |", "|---|---|---|---|"]
        lines += [f"| {cell(m.name)} | {_told(m.value)} | {m.unit} | {_beside(m)} |" for m in summary.measures]
    if summary.verdicts:
        lines += ["", *(f"- **{verdict.kind}**: {verdict.text}" for verdict in summary.verdicts)]
    return "\n".join(lines)


def _beside(measure: Measure) -> str:
    return ", ".join(f"{other.name} {_told(other.value)}" for other in measure.beside)


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.{DIGITS}g}" if abs(value) < 1e4 else f"{value:,.0f}"


def cell(text: str) -> str:
    """Write a name that may hold signs of Markdown."""
    return "".join(f"\\{sign}" if sign in "\\|`*_<>[]" else sign for sign in text).replace("\n", " ")


def to_dict(summary: Summary) -> dict[str, Any]:
    """Return plain values for JSON."""
    return asdict(summary)
