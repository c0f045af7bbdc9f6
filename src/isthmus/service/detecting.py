"""An anomaly detector as the service asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import numpy as np

from isthmus.data.record import Array
from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.explanation import Explanation, explained
from isthmus.estimators.pictures import Pictures
from isthmus.estimators.reference import References
from isthmus.estimators.series import Series
from isthmus.service.columns import Columns
from isthmus.service.fields import listed
from isthmus.service.served import PROBES, REASONS, Answer, Rows, Served, Tensor, placed

EXPLAINED = ("score", "contributions", "p_value", "expected", "low", "high")


class ServedDetector(Served):
    """A detector: scores with p-values and reasons; of a series rows are points in order of time."""

    kind = "detector"
    model: AnomalyDetector

    def _columns(self) -> Columns:
        reading, named = self.model.reading_, hasattr(self.model, "feature_names_in_")
        pictures = isinstance(reading, Pictures)
        codec = None if pictures else reading.codec
        told = placed(reading.described(), reading.centre) if isinstance(reading, Pictures) else reading.described()
        return Columns(told, codec, reading.given, named=named, nullable=not pictures)

    def _outputs(self) -> list[Tensor]:
        names = self.columns.names
        return [
            Tensor("score", "FP64", (-1,)),
            Tensor("p_value", "FP64", (-1,)),
            Tensor("anomaly", "BOOL", (-1,)),
            Tensor("contributions", "FP64", (-1, len(names))),
        ]

    @property
    def by_row(self) -> bool:  # type: ignore[override]
        """Points of a series are answered by the windows around them."""
        return self.model.reading_.by_row

    def _routes(self) -> Mapping[str, Callable[..., Answer]]:
        return {"score": self.score, "explain": self.explain}

    def _x(self, rows: Rows) -> Array:
        """Return rows as the members of the detector read them."""
        reading = self.model.reading_
        if isinstance(reading, Pictures):
            return reading._scaled(rows.x)
        if isinstance(reading, Series):
            reading.windows.count(len(rows))
        return rows.x

    def score(self, rows: Rows, *, reasons: int = REASONS) -> Answer:
        """Return scores, high where rows are odd, p-values, alarms as ``predict`` raises them, and reasons."""
        if not reasons:
            told = self.tensors(rows, wanted=("score", "p_value"))
            return self._scored(told["score"], told["p_value"])
        found = self._explained(rows, reasons)
        return self._scored(found.score, found.p_value) | {
            "reasons": [found.reasons(row, reasons) for row in range(len(rows))]
        }

    def _explained(self, rows: Rows, most: int | None = None) -> Explanation:
        """Explain scores; with ``most`` so many columns of each row are enough, and no neighbours are looked for."""
        values = self.columns.values(rows.given, rows.cells)
        if self.graph is None:
            return self._in_utc(explained(self.model, self._x(rows), values, most))
        told = self.graph(rows.cells, EXPLAINED)
        expected, low, high = (self.columns.objects(told[name]) for name in ("expected", "low", "high"))
        alike = np.empty((len(rows), 0), dtype=int)
        if most is None:
            alike = self.model.reading_.nearest(self._x(rows), self.model.known_rows_, self.model.known_)
        return Explanation(
            score=told["score"],
            contributions=told["contributions"],
            columns=tuple(self.columns.names),
            values=values,
            expected=expected,
            low=low,
            high=high,
            neighbours=alike,
            p_value=told["p_value"],
            shape=self.model.reading_.given,
        )

    def _in_utc(self, found: Explanation) -> Explanation:
        """Return an explanation whose dates are those of requests, which know no time zone but UTC."""
        zoned = [i for i, own in enumerate(self.columns.fields) if getattr(own.codec, "zone", None)]
        if not zoned:
            return found
        parts = {name: getattr(found, name).copy() for name in ("expected", "low", "high")}
        for cells in parts.values():
            for i in zoned:
                cells[:, i] = [cell and cell.astimezone(UTC).replace(tzinfo=None) for cell in cells[:, i]]
        return replace(found, **parts)

    def _scored(self, score: Array, p_value: Array) -> Answer:
        return {
            "scores": listed(score),
            "p_values": listed(p_value),
            "anomalies": (-score - self.model.offset_ < 0).tolist(),
        }

    def explain(self, rows: Rows) -> Answer:
        """Return of every column what it adds, what is there and what was expected, as ``explain``."""
        found = self._explained(rows)
        parts = (found.contributions, found.values, found.expected, found.low, found.high)
        answers = []
        for row in range(len(rows)):
            cells = zip(self.columns.names, *(self._written(part[row]) for part in parts), strict=True)
            keys = ("column", "adds", "value", "expected", "low", "high")
            answers.append(
                {
                    "score": plain(found.score[row]),
                    "p_value": plain(found.p_value[row]),
                    "columns": [dict(zip(keys, own, strict=True)) for own in cells],
                    "reasons": found.reasons(row),
                    "neighbours": found.neighbours[row].tolist(),
                }
            )
        return {"explanations": answers}

    def _written(self, cells: Array) -> list[Any]:
        """Return a number or a cell of every column as JSON has it."""
        return [plain(own.spelled(cell)) for own, cell in zip(self.columns.fields, cells, strict=True)]

    def tensors(self, rows: Rows, *, wanted: tuple[str, ...]) -> Answer:
        if self.graph is not None:
            told = self.graph(rows.cells, ("score", "p_value", "contributions"))
            return {
                name: -told["score"] - self.model.offset_ < 0 if name == "anomaly" else told[name] for name in wanted
            }
        contributions, alone = self.model.reading_.scored(self.model.members_, self._x(rows))
        score = contributions.sum(1)
        found: dict[str, Callable[[], Any]] = {
            "score": lambda: score,
            "p_value": lambda: self.model._p_values(contributions, alone),
            "anomaly": lambda: -score - self.model.offset_ < 0,
            "contributions": lambda: contributions,
        }
        return {name: found[name]() for name in wanted}

    def references(self) -> tuple[References, list[dict[str, Any]]]:
        """Return them; answers hold scores of all members, which are not those of members that calibrate crosswise."""
        if not self.by_row:
            return References(), []
        kept, told = super().references()
        return kept if len(self.model.calibration_) == 1 else References(kept.columns), told

    def probes(self) -> Array:
        known = self.model.known_rows_[:PROBES]
        if isinstance(self.model.reading_, Pictures):
            return np.asarray(known * self.model.reading_.factor + self.model.reading_.centre)
        return self.columns.to_cells(known)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: nothing for NaN."""
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value.item() if isinstance(value, (np.bool_, np.integer)) else str(value)
