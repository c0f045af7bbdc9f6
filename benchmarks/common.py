"""What the scripts share: tables, options, and rows that are written as they come.

Every script has ``--quick`` (minutes, a smaller claim), ``--threads``, ``--only`` and ``--results``. A row of results
is one line of JSON, appended when it is measured, with everything that a reader needs to measure it again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.bench.machine import circumstances

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURES = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, how a value is written, and how those of several seeds become one.

    ``over_seeds`` is ``mean``, ``spread`` (mean, least and largest), ``worst`` (the largest), ``sum``, ``count`` (how
    many are true), or ``first``.
    """

    heading: str
    form: str = "{}"
    over_seeds: str = "mean"


@dataclass(frozen=True)
class Table:
    """What a script measures: columns by the name of a value, and every row that the page shows, run or not."""

    name: str
    columns: Mapping[str, Column]
    rows: Sequence[str]
    targets: Mapping[str, str] = field(default_factory=dict)


class Bench:
    """One run of a script: its options, and the file that takes its rows."""

    def __init__(self, table: Table, arguments: Sequence[str] | None = None, about: str | None = None) -> None:
        """Read the options and hold the linear algebra to so many threads."""
        reader = argparse.ArgumentParser(
            prog=f"python -m benchmarks.{table.name}",
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        reader.add_argument("--quick", action="store_true", help="minutes instead of hours, and a smaller claim")
        reader.add_argument("--threads", type=int, default=1, help="threads of the linear algebra (default 1)")
        reader.add_argument("--only", default="", metavar="TEXT", help="only the rows whose name contains this text")
        reader.add_argument("--seeds", type=int, nargs="+", metavar="N", help="only these seeds")
        reader.add_argument("--results", type=Path, default=RESULTS, help="folder of the rows")
        reader.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
        given = reader.parse_args(arguments)
        self.table, self.quick, self.threads, self.only = table, given.quick, given.threads, given.only
        self._seeds = given.seeds
        self.path, self.pictures = given.results / f"{table.name}.jsonl", given.pictures
        # Not at the top: a script that times others' processes keeps its own small.
        import threadpoolctl  # type: ignore[import-untyped]
        import torch

        torch.set_num_threads(self.threads)
        threadpoolctl.threadpool_limits(self.threads)

    def wants(self, row: str) -> bool:
        """Say whether a row was asked for."""
        return self.only.lower() in row.lower()

    def seeds(self, planned: Sequence[int]) -> Sequence[int]:
        """Return the seeds to run: those asked for, else those planned, of which ``--quick`` takes the first."""
        return self._seeds or (planned[:1] if self.quick else planned)

    @contextmanager
    def row(self, name: str, setup: Mapping[str, Any], seed: int = 0) -> Iterator[dict[str, Any]]:
        """Time the body, which fills in the values of one row and seed, and append them to the file.

        Minutes are those of the clock and those of the processor, which a busy machine does not stretch. A body that
        fails writes nothing.
        """
        if name not in self.table.rows:
            raise ValueError(f"{self.table.name} has no row {name!r}; add it to the table's rows")
        values: dict[str, Any] = {}
        wall, cpu = time.perf_counter(), time.process_time()
        yield values
        values["minutes"] = round((time.perf_counter() - wall) / 60, 3)
        values["cpu_minutes"] = round((time.process_time() - cpu) / 60, 3)
        line = {"row": name, "seed": seed, "quick": self.quick, "values": plain(values), "setup": plain(setup)}
        self._append(line | {"threads": self.threads} | circumstances(ROOT))

    def _append(self, line: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(told(line), flush=True)


def told(line: Mapping[str, Any]) -> str:
    """Say a row in one line, for the terminal."""
    values = ", ".join(f"{name} {brief(value)}" for name, value in line["values"].items())
    return f"{line['row']} (seed {line['seed']}): {values}"


def brief(value: Any) -> str:
    """Write a value in few characters, for the terminal."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """Turn numbers of numpy and torch, parts and sequences into what JSON holds."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
