"""Rows that were answered, compared with those of the fit: what has moved, in memory that does not grow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from isthmus.data.record import Array
from isthmus.estimators.drift import SCORE, Drift, Watch
from isthmus.service.refusal import Refused
from isthmus.service.registry import Registry
from isthmus.service.served import Answer, Served

LOG = logging.getLogger("isthmus.service")
BLOCK, MOST = 32, 256
COUNTED = ("score", "predict", "tensors")


class Watched:
    """The rows that a model has answered.

    They are compared 32 at a time, as one row alone costs as much as 20; those that wait are compared when somebody
    asks. Of a request of more than 256 rows the first 256 count, so that its time is bounded. Only questions for scores
    and predictions count: what is asked to be explained was asked before, and is odd.

    Args:
        name: of the model.
        watch: what compares.
        sign: what scores of answers are multiplied by, so that they are high where rows are strange; 0 if not watched.
    """

    def __init__(self, name: str, watch: Watch, sign: float) -> None:
        """Begin with no row."""
        self.name, self.watch, self.sign = name, watch, sign
        self._waiting: list[Array] = []
        self._count, self._told, self._lock = 0, 0, threading.Lock()

    def note(self, question: str, cells: Array, answer: Mapping[str, Any]) -> None:
        """Take note of rows that were answered."""
        if question not in COUNTED:
            return
        cells = cells[:MOST]
        parts = [cells] if len(self.watch.told) > bool(self.sign) else []
        if self.sign:
            scores = answer.get("scores", answer.get("score"))
            if scores is None:
                return
            parts.append(self.sign * np.asarray(scores[:MOST], np.float64)[:, None])
        with self._lock:
            self._waiting.append(np.concatenate(parts, 1))
            self._count += len(cells)
        if self._count >= BLOCK:
            self._compare()

    def _compare(self) -> None:
        """Compare what waits, which is never much."""
        with self._lock:
            if self._waiting:
                self.watch.update(np.concatenate(self._waiting))
            self._waiting, self._count = [], 0
        if np.count_nonzero(self.watch.noticed) > self._told:
            found = self.report(waiting=False)
            self._told = len(found.moved)
            LOG.warning("drift", extra={"model": self.name, "moved": [one.text for one in found.moved]})

    def report(self, *, waiting: bool = True) -> Drift:
        """Say what has moved so far; rows that wait are compared first."""
        if waiting:
            self._compare()
        with self._lock:
            return self.watch.report()


def watched(name: str, served: Served, alpha: float) -> Watched | None:
    """Return what compares the rows that a model answers; None where it keeps none to compare with."""
    references, told = served.references()
    sign = served.strange if references.score is not None else 0.0
    parts = [one for one in (references.columns, references.score) if one is not None]
    if not parts or not sum(map(len, parts)):
        return None
    both = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
    columns = list(told) if references.columns is not None else []
    return Watched(name, Watch(both, [*columns, *([SCORE] if sign else [])], alpha), sign)


def answer(registry: Registry, name: str | None) -> Answer:
    """Return what has moved among the rows that each model answered, or one of them.

    Raises:
        Refused: there is no such model, or it is not watched.
    """
    if name is None:
        every = [entry.served.watched for entry in list(registry.entries.values())]
        return {"models": [told(one) for one in every if one is not None]}
    served = registry.get(name)
    found = served.watched
    if not served.by_row:
        raise Refused(
            404,
            f"points of {name!r} are not compared with those of its fit, as neighbours in a series are alike; ask "
            "about a model of rows",
        )
    if found is None:
        raise Refused(
            404,
            f"rows of {name!r} are not compared with those of its fit; serve it without --no-monitor, or fit it anew "
            "where it was saved by an older release or shared without its rows",
        )
    return {"models": [told(found)]}


def told(found: Watched) -> Answer:
    """Return what has moved among the rows of a model."""
    return {"model": found.name} | found.report().to_dict()


class Gauges(Collector):
    """What has moved, as Prometheus reads it."""

    def __init__(self, registry: Registry) -> None:
        """Hold the models."""
        self.registry = registry

    def collect(self) -> Iterator[Metric]:
        """Give rows compared, evidence and names of all models."""
        rows = GaugeMetricFamily("isthmus_drift_rows", "Rows compared with those of the fit", labels=("model",))
        labels = ("model", "column")
        evidence = GaugeMetricFamily(
            "isthmus_drift_evidence", "Evidence that a column has moved; 1 is none", labels=labels
        )
        moved = GaugeMetricFamily("isthmus_drift_moved", "Whether a column has moved", labels=labels)
        for name, entry in list(self.registry.entries.items()):
            if entry.served.watched is None:
                continue
            found = entry.served.watched.report()
            rows.add_metric((name,), found.rows)
            names = {one.column or SCORE["name"] for one in found.moved}
            for column, capital in found.evidence.items():
                evidence.add_metric((name, column), capital)
                moved.add_metric((name, column), float(column in names))
        yield from (rows, evidence, moved)
