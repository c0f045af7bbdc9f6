"""The one thread that asks models: requests that wait for it together are answered together."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from isthmus.service.served import Answer, Rows, Served

LOG = logging.getLogger("isthmus.service")
BATCH, LARGE = 1024, 50_000
T = TypeVar("T")


@dataclass(eq=False)
class Job:
    """A question to a model; ``rows`` is None where it is about none."""

    served: Served
    ask: Callable[..., Answer]
    rows: Rows | None
    options: dict[str, Any]
    done: Future[Answer] = field(default_factory=Future)

    def joins(self, other: Job) -> bool:
        """Say whether both can be asked at once: no row's answer depends on another's."""
        return (
            self.rows is not None
            and other.rows is not None
            and self.served is other.served
            and self.served.by_row
            and self.ask.__name__ == other.ask.__name__
            and self.options == other.options
            and len(self.rows) + len(other.rows) <= BATCH
        )


class Worker:
    """A thread, and what waits for it.

    torch's settings are the process's, so that two threads would disturb each other; for small models one thread that
    takes eight requests at once is faster than eight that wait for each other.
    """

    def __init__(self, threads: int = 1) -> None:
        """Start the thread, which uses so many threads of torch."""
        self._jobs: deque[Job] = deque()
        self._some, self._ended, self._threads = threading.Condition(), False, threads
        self._thread = threading.Thread(target=self._work, name="isthmus inference", daemon=True)
        self._thread.start()

    def submit(self, served: Served, ask: Callable[..., Answer], rows: Rows | None, **options: Any) -> Future[Answer]:
        """Ask a model, and return what will hold the answer."""
        job = Job(served, ask, rows, options)
        with self._some:
            self._jobs.append(job)
            self._some.notify()
        return job.done

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        with self._some:
            self._ended = True
            self._some.notify()
        self._thread.join()

    def _taken(self) -> list[Job]:
        """Wait for jobs, and take those that can be asked at once; none are left at the end."""
        with self._some:
            while not self._jobs:
                if self._ended:
                    return []
                self._some.wait()
            first = self._jobs.popleft()
            jobs, rows = [first], 0 if first.rows is None else len(first.rows)
            while self._jobs and first.joins(self._jobs[0]) and rows < BATCH:
                jobs.append(self._jobs.popleft())
                rows += len(jobs[-1].rows or ())
            return jobs

    def _work(self) -> None:
        import torch

        torch.set_num_threads(self._threads)
        while jobs := self._taken():
            # Whoever has gone away, for instance as time was out, is not answered.
            jobs = [job for job in jobs if job.done.set_running_or_notify_cancel()]
            if len(jobs) > 1:
                self._together(jobs)
            else:
                for job in jobs:
                    alone(job)

    def _together(self, jobs: list[Job]) -> None:
        rows = [job.rows for job in jobs if job.rows is not None]
        cells, given = np.concatenate([part.cells for part in rows]), [row for part in rows for row in part.given]
        whole = Rows(rows[0].columns, cells, given)
        try:
            answer = jobs[0].ask(whole, **jobs[0].options)
        except Exception:  # whose fault it is, is found out one by one
            for job in jobs:
                alone(job)
            return
        start, told = 0, []
        for job, part in zip(jobs, rows, strict=True):
            own = slice(start, start := start + len(part))
            told.append({name: values[own] for name, values in answer.items()})
            job.done.set_result(told[-1])
        for job, part, answered in zip(jobs, rows, told, strict=True):
            note(job, part, answered)


async def aside(size: int, function: Callable[..., T], *given: Any) -> T:
    """Call a function, in a thread where what it reads is so large that others would wait for it."""
    return function(*given) if size < LARGE else await asyncio.to_thread(function, *given)


def alone(job: Job) -> None:
    """Ask one question."""
    try:
        given = () if job.rows is None else (job.rows,)
        answer = job.ask(*given, **job.options)
    except BaseException as error:
        job.done.set_exception(error)
        return
    job.done.set_result(answer)
    if job.rows is not None:
        note(job, job.rows, answer)


def note(job: Job, rows: Rows, answer: Answer) -> None:
    """Compare rows that were answered with those of the fit; whoever asked has the answer by now."""
    if job.served.watched is not None:
        try:
            job.served.watched.note(job.ask.__name__, rows.cells, answer)
        except Exception:  # nobody's request fails by it, nor do those to come
            job.served.watched = None
            LOG.exception("comparison failed", extra={"kind": job.served.kind})
