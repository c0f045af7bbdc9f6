"""Running entrants in turns, each in a process of its own, and what several rounds say together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from isthmus.bench.machine import Load, watched

SCRIPTS = Path(__file__).parent / "contestants"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NPROC")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True)
class Turn:
    """One process: its Python, its script, and the job that it reads."""

    python: Path
    script: str
    job: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the process: so many threads, and no modules of ours where the Python is another."""
        own = str(self.python) == sys.executable
        kept = {name: value for name, value in os.environ.items() if own or not name.startswith("PYTHON")}
        return kept | dict.fromkeys(THREADS, str(self.job.get("threads", 1))) | QUIET

    def run(self, limit: float) -> dict[str, Any]:
        """Return what the script answers, and the load beside it; ``failed`` says why there is no answer."""
        ended = watched()
        try:
            done = subprocess.run(
                [self.python, SCRIPTS / f"{self.script}.py"],
                input=json.dumps(self.job),
                capture_output=True,
                text=True,
                env=self.environment,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"no answer within {limit:.0f} seconds"}
        load: Load = ended()
        try:
            found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            return {"failed": last[0][:300]}
        return found | {"seconds": round(load.seconds, 2), "foreign": load.foreign}


def interleaved(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Give every name its turn in every round; each round begins with another one, so that none is always first.

    >>> [name for _, name in interleaved("ab", 2)]
    ['a', 'b', 'b', 'a']
    """
    for turn in range(rounds):
        for place in range(len(names)):
            yield turn, names[(place + turn) % len(names)]


def summary(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the rounds of one entrant say: its rate in every round, medians of the rest, the largest peak.

    >>> summary([{"rates": [1.0, 3.0, 2.0]}, {"rates": [4.0]}])["rates"]
    [2.0, 4.0]
    """
    failed = [answer["failed"] for answer in answers if "failed" in answer]
    if failed or not answers:
        return {"not run": (failed or ["not asked for"])[0]}
    found: dict[str, Any] = {"rates": [median(answer["rates"]) for answer in answers]}
    for name in ("import", "first", "loss", "squared error", "imported MiB"):
        values = [answer[name] for answer in answers if name in answer]
        found |= {name: round(median(values), 4)} if values else {}
    for name in ("peak MiB", "foreign"):
        values = [answer[name] for answer in answers if answer.get(name) is not None]
        found |= {name: max(values)} if values else {}
    return found | {name: answers[-1][name] for name in ("versions", "note") if name in answers[-1]}


def ratios(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[float]:
    """Return our rate over theirs, median, least and largest, compared within rounds; empty where one is missing.

    >>> ratios({"rates": [2.0, 9.0, 4.0]}, {"rates": [1.0, 3.0, 4.0]})
    [2.0, 1.0, 3.0]
    """
    pairs = list(zip(ours.get("rates", ()), theirs.get("rates", ()), strict=False))
    found = [a / b for a, b in pairs]
    return [median(found), min(found), max(found)] if found else []
