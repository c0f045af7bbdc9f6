"""What the service writes down: a line of JSON for every request and event, and metrics in Prometheus' text format."""

from __future__ import annotations

import itertools
import json
import logging
import re
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

LOG = logging.getLogger("isthmus.service")
SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Lines(logging.Formatter):
    """A record as one line of JSON: time, level, event, and what was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        # What other libraries add to every record begins with an underscore.
        line |= {name: value for name, value in vars(record).items() if name not in OWN and name[0] != "_"}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def begin(level: str = "info") -> None:
    """Send what the service and its HTTP server log to stderr, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for log, least in ((LOG, level.upper()), (logging.getLogger("uvicorn.error"), "WARNING")):
        # The shell shows what the library logs in its own way.
        log.handlers, log.propagate = [handler], False
        log.setLevel(least)


# The system's random numbers cost more than all else that is written of a request.
START, NUMBER = uuid.uuid4().hex[:16], itertools.count()


def request_id(given: str) -> str:
    """Return the id of a request: that given where it is harmless in a log, else a new one.

    >>> request_id("a-1"), len(request_id("two words"))
    ('a-1', 32)
    """
    return given if SANE.fullmatch(given) else f"{START}{next(NUMBER):016x}"


class Metrics:
    """Counts of requests, how long they took, rows, and reloads.

    >>> metrics = Metrics()
    >>> metrics.request("/v1/score", 200, 0.01, rows=3, model="people")
    >>> b'isthmus_rows_total{model="people"} 3.0' in metrics.text()
    True
    """

    def __init__(self) -> None:
        """Begin at zero, apart from any other server in this process."""
        self.registry = CollectorRegistry()
        self.requests = Counter("isthmus_requests", "Requests", ("route", "status"), registry=self.registry)
        self.seconds = Histogram("isthmus_request_seconds", "Time", ("route",), registry=self.registry, buckets=BUCKETS)
        self.rows = Counter("isthmus_rows", "Rows answered", ("model",), registry=self.registry)
        self.reloads = Counter("isthmus_reloads", "Folders that changed", ("model", "outcome"), registry=self.registry)

    def request(self, route: str, status: int, seconds: float, rows: int = 0, model: str = "") -> None:
        """Count a request."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        if rows and status < 400:
            self.rows.labels(model).inc(rows)

    def reload(self, model: str, taken: bool) -> None:
        """Count a reload."""
        self.reloads.labels(model, "taken" if taken else "refused").inc()

    def text(self) -> bytes:
        """Return all in Prometheus' text format."""
        return generate_latest(self.registry)
