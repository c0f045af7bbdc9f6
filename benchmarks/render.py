"""Write the tables of ``docs/benchmarks.md`` from the rows that the scripts left: ``python -m benchmarks.render``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``, where NAME is a script. Of several runs of a
row and seed the last counts, and seeds are summarised only if their set-up was the same. A row of ``--quick`` is
shown, marked, where there is no full one; a row that was never run is shown as not run. A script may add ``details``
of the rows shown.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, ROOT, Column, Table

PAGE = ROOT / "docs" / "benchmarks.md"
BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

Line = Mapping[str, Any]


def read(path: Path) -> list[Line]:
    """Return the rows of a script, oldest first; none where it was never run."""
    if not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text]


def latest(lines: Sequence[Line], row: str) -> list[Line]:
    """Return a row's last line of each seed, of the last set-up; full runs win over quick ones."""
    full = [line for line in lines if line["row"] == row and not line["quick"]]
    found = full or [line for line in lines if line["row"] == row]
    alike = [line for line in found if line["setup"] == found[-1]["setup"]]
    return [by_seed for _, by_seed in sorted({line["seed"]: line for line in alike}.items())]


def cell(column: Column, values: Sequence[Any]) -> str:
    """Write the values of all seeds in one cell."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if column.over_seeds == "count":
        return f"{sum(known)} of {len(known)}"
    if isinstance(known[0], str):
        return known[0]
    if column.over_seeds == "first":
        return column.form.format(known[0])
    if column.over_seeds in ("sum", "worst"):
        return column.form.format(sum(known) if column.over_seeds == "sum" else max(known, key=abs))
    mean = column.form.format(sum(known) / len(known))
    if column.over_seeds == "mean" or len(known) == 1:
        return mean
    return f"{mean} ({column.form.format(min(known))} to {column.form.format(max(known))})"


def table(described: Table, lines: Sequence[Line]) -> str:
    """Return a table in Markdown, and under it the command and the circumstances."""
    asked = ["asked for"] if described.targets else []
    headings = ["", *asked, *(column.heading for column in described.columns.values())]
    written = [headings, ["---"] * len(headings)]
    for row in described.rows:
        found = latest(lines, row)
        name = f"{row} (quick)" if found and found[0]["quick"] else row
        target = [described.targets.get(row, "")] if asked else []
        cells = [cell(c, [line["values"].get(key) for line in found]) for key, c in described.columns.items()]
        written.append([name, *target, *(cells if found else ["not run", *[""] * (len(cells) - 1)])])
    return "\n".join([*("| " + " | ".join(cells) + " |" for cells in written), "", footer(described, lines)])


def footer(described: Table, lines: Sequence[Line]) -> str:
    """Say how the rows shown were measured."""
    shown = [line for row in described.rows for line in latest(lines, row)]
    text = f"`python -m benchmarks.{described.name}`"
    for name in ("cpu", "threads", "versions", "git"):
        different = list(dict.fromkeys(phrase(name, line[name]) for line in shown if line[name] is not None))
        text += "".join(f"; {part}" for part in different)
    return f"<small>{text}</small>" if shown else text


def phrase(name: str, value: Any) -> str:
    """Write one circumstance in words."""
    if name == "threads":
        return f"{value} thread{'s' if value > 1 else ''}"
    if name == "versions":
        return ", ".join(f"{package} {version}" for package, version in value.items())
    return f"revision {value}" if name == "git" else str(value)


def render(text: str, results: Path) -> str:
    """Return a page with every table written anew."""

    def written(match: re.Match[str]) -> str:
        script = import_module(f"benchmarks.{match[1]}")
        described: Table = script.TABLE
        lines = read(results / f"{match[1]}.jsonl")
        body = table(described, lines)
        if hasattr(script, "details"):
            shown = [line for row in described.rows for line in latest(lines, row)]
            body = f"{body}\n\n{script.details(shown)}".rstrip()
        return f"<!-- table: {match[1]} -->\n\n{body}\n\n<!-- end -->"

    return BLOCK.sub(written, text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the page in place, or only say whether it is up to date."""
    reader = argparse.ArgumentParser(prog="python -m benchmarks.render", description=__doc__.partition("\n")[0])
    reader.add_argument("--page", type=Path, default=PAGE)
    reader.add_argument("--results", type=Path, default=RESULTS)
    reader.add_argument("--check", action="store_true", help="fail where the page is not up to date, and write nothing")
    given = reader.parse_args(arguments)
    old = given.page.read_text(encoding="utf-8")
    new = render(old, given.results)
    if given.check and new != old:
        raise SystemExit(f"{given.page} is not up to date; run python -m benchmarks.render")
    if not given.check:
        given.page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
