"""Anomaly detectors: scores of all rows, and reasons for the strangest ones."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from isthmus.data.record import unlabelled
from isthmus.estimators.scoring import known_among, rows_of_fit
from isthmus.estimators.series import Series
from isthmus.report.contract import Anomalies, Beside, Curve, Measure, Part, Summary, Verdict
from isthmus.report.packing import Array, Blobs
from isthmus.report.rows import Given, Shown, sizes
from isthmus.report.summary import curves

# Rows with reasons, rows beside each, and rows that calibrate well enough.
EXPLAINED, NEAR, FEW = 100, 3, 100
SMALL = "rows as strange as one normal row in a hundred; where all rows are normal, 1 % of them"


def summary(found: Given) -> Summary:
    """Summarise a detector: how it was calibrated, and how many rows it would name."""
    model = found.model
    scores, p = found.scores
    alarms = float(100 * (scores > -model.offset_).mean())
    rate = _alarm_rate(model)
    expected = [] if rate is None else [Beside("expected if all are normal", 100 * rate)]
    raised = "rows that raise an alarm"
    if rate is None:
        raised += f"; the threshold is the one that {100 * model.contamination:g} % of the fit's rows exceed"
    measures = [
        Measure("rows above the threshold", alarms, "%", expected, "", raised),
        Measure("rows with p <= 0.01", float(100 * (p <= 0.01).mean()), "%", [Beside("expected", 1.0)], "", SMALL),
    ]
    if found.y is not None and _tells_anomalies(found.y):
        measures.append(_ranked(found.y, scores))
    return Summary(
        model="detector",
        title=title(model),
        trained_on=f"{model.members_.spec.rows:,} rows; scored here {sizes(*found.cells.shape)} of {found.name}",
        parts=parts(model),
        measures=measures,
        curves=histories(model),
        best_epoch=None,
        verdicts=list(_verdicts(model, alarms)),
    )


def title(model: Any) -> str:
    """Say what a detector is."""
    return f"An anomaly detector of {len(model.members_.noises)} denoising autoencoders"


def histories(model: Any) -> list[Curve]:
    """Return the loss of every member by epoch."""
    denoisers = len(model.members_.denoisers)
    names = [f"denoiser {i + 1}" for i in range(denoisers)]
    names += [f"filler {i + 1}" for i in range(len(model.histories_) - denoisers)]
    return [curve for own, name in zip(model.histories_, names, strict=True) for curve in curves(own, name)]


def _alarm_rate(model: Any) -> float | None:
    """Return the share of normal rows above the threshold; None where a share of the fit's rows has placed it."""
    return float(model.alarm_rate) if model.contamination in ("unknown", 0) else None


def _tells_anomalies(y: Array) -> bool:
    """Say whether labels may be those of anomalies: two of them, one in at most a fifth of the rows."""
    counts = np.unique(y, return_counts=True)[1]
    return not unlabelled(y).any() and len(counts) == 2 and bool(counts.min() <= 0.2 * len(y))


def _ranked(y: Array, scores: Array) -> Measure:
    """Say how well scores rank rows of the rarer label above others."""
    from scipy.stats import rankdata

    names, counts = np.unique(y, return_counts=True)
    odd = names[counts.argmin()]
    place, many = rankdata(scores)[y == odd].mean(), int(counts.min())
    area = (place - (many + 1) / 2) / (len(y) - many)
    text = f"chance that a row of the label {odd} scores higher than another; 50 % is guessing"
    return Measure("AUROC", float(100 * area), "%", [Beside("guessing", 50.0)], "high", text)


def parts(model: Any) -> list[Part]:
    """Return the parts of the members in the formalism's words."""
    recipe = model.members_.recipe
    found, fillers = recipe.denoiser, len(model.members_.fillers)
    roles = ("architecture", "bottleneck", "corruption", "likelihood", "trainer")
    made = [Part(role, repr(getattr(found, role))) for role in roles]
    levels = ", ".join(f"{level:g}" for level in recipe.levels)
    if fillers:
        strange = "how strange levels, counts and dates are beside the other cells of their row"
        expected = "what is expected of a number beside the others, for reasons"
        text = f"{fillers}, which say {strange if model.members_.hidden else expected}"
        made.append(Part("fillers", text))
    return [*made, Part("read at the noise levels", levels), Part("contamination", str(model.contamination))]


def calibrated(model: Any) -> Verdict:
    """Say whether enough rows calibrate."""
    rows = sum(len(scores) for scores in model.calibration_)
    if rows < FEW:
        text = f"Only {rows} rows calibrate p-values, so that none is below {1 / (rows + 1):.2g}: give more rows."
        return Verdict("warning", text)
    return Verdict("good", f"P-values are calibrated on {rows:,} rows that the members were not fitted to.")


def _verdicts(model: Any, alarms: float) -> Any:
    yield calibrated(model)
    rate = _alarm_rate(model)
    if rate is not None and alarms > 200 * rate:
        text = f"{alarms:.1f} % of these rows are above the threshold, {100 * rate:g} % were expected: "
        yield Verdict(
            "note", f"{text}either there are many anomalies, or these rows are of another kind than the fit's."
        )


def of_fit(found: Given) -> bool:
    """Tell whether rows are those of the fit, of which a detector keeps some, and no more."""
    kept, rows = len(found.model.known_), len(found)
    return 0 < kept == known_among(found.model, found.some, rows) and rows == rows_of_fit(found.model)


def promise(model: Any) -> str:
    """Say how p-values were calibrated, and what that promises."""
    rows = sum(len(scores) for scores in model.calibration_)
    if isinstance(model.reading_, Series):
        how = "stretches of the series that no window of the fit touches; a normal point has such a p-value on average "
        return f"Calibrated on {rows:,} points in {how}over time, and alarms come in runs."
    if len(model.calibration_) > 1:
        how = "each by a member that was not fitted to it"
        return f"Calibrated on {rows:,} rows across {len(model.calibration_)} members, {how}."
    return (
        f"Calibrated on {rows:,} rows apart from the fit: of normal rows at most a share of 0.05 has p <= 0.05, "
        "whatever the data."
    )


class AnomaliesWriter:
    """Scores every row, and explains the strangest ones."""

    def __init__(self, found: Given) -> None:
        """Score."""
        self.found, self.model = found, found.model
        self.score, self.p_value = found.scores
        self.rows = np.argsort(-self.score, kind="stable")[:EXPLAINED]

    @property
    def wanted(self) -> Array:
        """The strangest rows, and normal ones that are most like them."""
        return np.concatenate([self.rows, self._near.ravel()])

    @cached_property
    def _near(self) -> Array:
        """Return the normal rows most like each of the strangest, (rows, 3): of those with the lower half of scores."""
        from isthmus.report.code_map import standardised

        normal = np.flatnonzero(self.score <= np.median(self.score))[:20_000]
        if self.found.kind == "series" or len(normal) < NEAR:
            return np.empty((0, NEAR), int)
        places = standardised(self.found)
        there = places[normal]
        found = [normal[np.argsort(np.abs(there - places[row]).sum(1), kind="stable")[:NEAR]] for row in self.rows]
        return np.stack(found)

    def write(self, shown: Shown, blobs: Blobs) -> Anomalies:
        """Return the section."""
        told = self._explained
        ends = [self.found.cells_of_objects(_numbers(end)) for end in (told.low, told.high)]
        near = self._near
        calibration = np.sort(np.concatenate(self.model.calibration_))
        return Anomalies(
            score=blobs.exact("anomalies/score", shown.take(self.score)),
            p_value=blobs.exact("anomalies/p_value", shown.take(self.p_value)),
            rows=shown.place(self.rows),
            contributions=blobs.single("anomalies/contributions", told.contributions),
            expected=blobs.cells("anomalies/expected", self.found.cells_of_objects(told.expected)),
            low=blobs.single("anomalies/low", ends[0]),
            high=blobs.single("anomalies/high", ends[1]),
            neighbours=blobs.whole("anomalies/near", np.reshape(shown.place(near), near.shape)) if len(near) else None,
            calibration=blobs.exact("anomalies/calibration", calibration),
            threshold=-float(self.model.offset_),
            alarm_rate=float(self.model.alarm_rate),
            note=promise(self.model),
            of_fit=of_fit(self.found),
        )

    @cached_property
    def _explained(self) -> Any:
        """Explain the strangest rows; of a series all points at once, as windows need their neighbours."""
        if not isinstance(self.model.reading_, Series):
            return self.model.explain(self.found.some(self.rows))
        from dataclasses import fields, replace

        told = self.model.explain(self.found.X)
        rows = {field.name: getattr(told, field.name) for field in fields(told)}
        points = {name: value[self.rows] for name, value in rows.items() if isinstance(value, np.ndarray)}
        return replace(told, **points)


def _numbers(values: Array) -> Array:
    """Return ends of ranges; levels have none."""
    return np.where(values == None, np.nan, values)  # noqa: E711  (element by element)
