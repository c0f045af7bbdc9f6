"""What every contestant shares: one job in as JSON, one line of JSON out.

A contestant is a script with a class that trains one net: ``Contestant(job, x)`` imports its library and builds what it
can, ``fit(epochs)`` trains from fresh weights with whatever was compiled before, ``reconstruct(x)`` gives expected
values and, for works of that kind, ``score(x)`` one number per row. It runs in an environment of its own, where isthmus
need not be installed: these files import each other by name, and nothing of the package.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib import metadata

import numpy as np

# The loss is measured alike for everybody, from reconstructions of so many rows.
MEASURED = 2000
# Who only scores is fitted on so many: its weights do not matter.
FEW = 2000


def peak() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    import resource

    scale = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)


def hold(threads: int) -> None:
    """Keep to so many cores; the linear algebra was told by the environment."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        # Interrupts like the first core.
        os.sched_setaffinity(0, cores[-threads:])


def loss(name: str, x: np.ndarray, mean: np.ndarray) -> float:
    """Return the cross-entropy or squared error of reconstructions, summed over entries, averaged over rows."""
    x, mean = x.reshape(len(x), -1).astype(float), np.asarray(mean).reshape(len(x), -1).astype(float)
    if name == "squared error":
        return float(((x - mean) ** 2).sum(1).mean())
    mean = mean.clip(1e-7, 1 - 1e-7)
    return float(-(x * np.log(mean) + (1 - x) * np.log1p(-mean)).sum(1).mean())


def repeated(action, seconds: float) -> list[float]:
    """Time an action again and again until the seconds are spent, once at least."""
    found, begun = [], time.perf_counter()
    while not found or time.perf_counter() - begun + found[-1] < seconds:
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return found


def fitted(contestant, job: dict, x: np.ndarray) -> dict:
    """Time whole fits of the job's epochs; the squared error is there for who has no cross-entropy."""
    epochs = job["work"]["epochs"]
    times = repeated(lambda: contestant.fit(epochs), job["seconds"])
    found = {"rates": [job["work"]["models"] * epochs * len(x) / t for t in times]}
    if hasattr(contestant, "reconstruct"):
        seen = x[:MEASURED]
        mean = contestant.reconstruct(seen)
        found |= {"loss": loss(job["work"]["loss"], seen, mean), "squared error": loss("squared error", seen, mean)}
    return found


def scored(contestant, job: dict, x: np.ndarray) -> dict:
    """Time scores of all rows in the precision in which they arrive."""
    x = x.astype(job["work"]["dtype"])
    first = repeated(lambda: contestant.score(x), 0)[0]
    return {"first": first, "rates": [len(x) / t for t in repeated(lambda: contestant.score(x), job["seconds"])]}


def answer(job: dict, make) -> dict:
    """Run one job: imports, first use, steady state.

    First use is the first fit, of one epoch, or the first scoring of all rows after a fit on a few. The memory of the
    imports includes the rows, which are the caller's.
    """
    hold(job["threads"])
    x, scores = np.load(job["data"]), job["work"]["kind"] == "score"
    begun = time.perf_counter()
    contestant = make(job, x[:FEW] if scores else x)
    built = time.perf_counter()
    contestant.fit(1)
    found = {"import": built - begun, "first": time.perf_counter() - built, "imported MiB": contestant.imported}
    found |= (scored if scores else fitted)(contestant, job, x)
    return found | {"peak MiB": peak(), "note": contestant.note}


def main(make, packages: tuple[str, ...]) -> None:
    """Answer the job on the standard input; what a library prints meanwhile goes to the standard error."""
    out = os.dup(1)
    os.dup2(2, 1)
    found = answer(json.load(sys.stdin), make)
    versions = {name: metadata.version(name) for name in packages}
    found |= {"versions": {"python": platform.python_version()} | versions}
    with os.fdopen(out, "w") as stream:
        stream.write(json.dumps(found) + "\n")
