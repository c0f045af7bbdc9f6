"""The benchmark of speed: every row, every entrant, several rounds, one line of JSON per row."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from isthmus.bench import environments
from isthmus.bench.machine import circumstances, has_cuda, multiplies_bf16
from isthmus.bench.rounds import Turn, interleaved, ratios, summary
from isthmus.bench.works import FLOOR, OURS, ROWS, Row, Work

LIMIT = 1200.0


@dataclass(frozen=True)
class Options:
    """What is measured, by whom, and how often.

    Args:
        quick: fewer rows and epochs and one round: minutes, and a smaller claim.
        only: rows whose name contains this text.
        contestants: entrants whose name contains one of these texts, beside isthmus; none for all.
        rounds: turns of every entrant; 0 for three, or one if quick.
        threads: threads of everybody; 0 for as many as there are cores.
        environments: folder with the other libraries' environments; None for the user's cache.
        install: make those that are missing; gigabytes.
        results: file that takes the rows; None writes none.
    """

    quick: bool = False
    only: str = ""
    contestants: Sequence[str] = ()
    rounds: int = 0
    threads: int = 0
    environments: Path | None = None
    install: bool = False
    results: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that count nothing."""
        for name, value in (("rounds", self.rounds), ("threads", self.threads)):
            if value < 0:
                raise ValueError(f"{name}={value} counts nothing; give a whole number from 1 up, or 0 for the default")

    def wants(self, name: str) -> bool:
        """Say whether an entrant was asked for; isthmus always is."""
        asked = [text.lower() for text in self.contestants]
        return name == OURS or not asked or any(text in name.lower() for text in asked)

    @property
    def turns(self) -> int:
        """How many rounds there are."""
        return self.rounds or (1 if self.quick else 3)

    @property
    def cores(self) -> int:
        """How many threads everybody has."""
        return self.threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(1))

    @property
    def folder(self) -> Path:
        """Where environments are."""
        return self.environments or environments.cache()


def run(options: Options, rows: Mapping[str, Row] = ROWS, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Measure the rows asked for, write each when it is done, and return them.

    Raises:
        ValueError: no row has such a name, or an environment could not be made.
    """
    chosen = {name: row for name, row in rows.items() if options.only.lower() in name.lower()}
    if not chosen:
        raise ValueError(f"no row has {options.only!r} in its name; the rows are {', '.join(map(repr, rows))}")
    if options.install:
        for name in environments.PINNED:
            environments.install(options.folder, name)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, row in chosen.items():
            line = measured(name, row, options, Path(folder), say)
            if options.results is not None:
                options.results.parent.mkdir(parents=True, exist_ok=True)
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            found.append(line)
    return found


def measured(name: str, row: Row, options: Options, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return one row's line: values of the table, and what every entrant said."""
    begun = time.perf_counter()
    answers: dict[str, list[dict[str, Any]]] = {}
    names = [entrant for entrant in row.entrants if options.wants(entrant)]
    for turn, entrant in interleaved(names, options.turns):
        said = answers.setdefault(entrant, [])
        if any("failed" in answer for answer in said):
            continue
        said.append(one(row, entrant, options, folder))
        say(f"{name}, round {turn + 1}, {entrant}: {brief(said[-1])}")
    entrants = {entrant: summary(answers.get(entrant, [])) for entrant in row.entrants}
    minutes = round((time.perf_counter() - begun) / 60, 3)
    setup = row.job(OURS, options.quick).described() if OURS in row.entrants else row.work.described()
    line = {"row": name, "seed": 0, "quick": options.quick, "values": values(entrants) | {"minutes": minutes}}
    line |= {"setup": setup | {"rounds": options.turns}, "entrants": entrants}
    threads = min(options.cores, row.work.threads or options.cores)
    return line | {"threads": threads} | circumstances(Path(__file__).parent)


def one(row: Row, name: str, options: Options, folder: Path) -> dict[str, Any]:
    """Give one entrant its turn."""
    entrant, work = row.entrants[name], row.job(name, options.quick)
    if not entrant.script:
        return {"failed": "isthmus has no way to do this yet"}
    if work.precision == "bf16" and work.device == "cpu" and not multiplies_bf16():
        return {"failed": "not available: this processor has no bf16 products"}
    if work.device == "cuda" and not has_cuda():
        return {"failed": "not available: there is no CUDA device"}
    python = environments.python_for(entrant, options.folder)
    if python is None:
        return {"failed": f"no environment {entrant.environment!r}; --install makes it"}
    job: dict[str, Any] = {"work": work.described(), "option": entrant.option}
    job |= {"threads": min(options.cores, work.threads or options.cores), "seconds": 0.5 if options.quick else 3.0}
    if work.kind != "start":
        job["data"] = str(rows_of(work, folder))
    return Turn(python, entrant.script, job).run(LIMIT)


def rows_of(work: Work, folder: Path) -> Path:
    """Return the file with the rows of a work, written once.

    Raises:
        ValueError: they could not be made.
    """
    path = folder / f"{work.data}-{work.rows}.npy"
    if not path.exists():
        job = {"data": work.data, "rows": work.rows, "path": str(path)}
        python = environments.python_for(ROWS["784-164-10"].entrants[OURS], folder)
        said = Turn(python, "data", job).run(LIMIT) if python is not None else {}
        if not path.exists():
            raise ValueError(f"the rows of the benchmark could not be made: {said.get('failed', 'no reason given')}")
    return path


def values(entrants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the table shows: our rate or why there is none, our share of the floor, our rate over the others."""
    ours = entrants.get(OURS, {})
    found: dict[str, Any] = {"rate": median(ours["rates"]) if "rates" in ours else ours["not run"]} if ours else {}
    for name, theirs in entrants.items():
        ratio = ratios(ours, theirs)
        if name != OURS and ratio:
            found |= {name: 100 * ratio[0] if name == FLOOR else ratio[0]}
    return found


def brief(answer: Mapping[str, Any]) -> str:
    """Say an answer in a few words."""
    if "failed" in answer:
        return f"not run ({answer['failed']})"
    loss = f", loss {answer['loss']:.4g}" if "loss" in answer else ""
    rate, first = f"{median(answer['rates']):,.4g} a second", f"first use {answer['first']:.2f} s"
    return f"{rate}, {first}{loss}, foreign load {answer.get('foreign')}"


def report(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the ratios as text: a line per row and entrant, with the median and its range over the rounds."""
    written = []
    for line in lines:
        written.append(
            f"\n{line['row']}{' (quick)' if line['quick'] else ''}; {line['cpu']}; threads: {line['threads']}"
        )
        ours = line["entrants"].get(OURS, {})
        for name, found in line["entrants"].items():
            if "rates" not in found:
                written.append(f"  {name:28} not run: {found['not run']}")
                continue
            ratio = ratios(ours, found)
            beside = f"   isthmus over it: {ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})" if ratio else ""
            written.append(f"  {name:28} {median(found['rates']):14,.4g} a second{beside if name != OURS else ''}")
    return "\n".join(written)
