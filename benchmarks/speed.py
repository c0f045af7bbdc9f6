"""How fast are fitting and scoring, beside other libraries and beside the processor's limit?

The runner is part of the package (``isthmus bench speed``, :mod:`isthmus.bench`); this script keeps its rows for the
page. Every contestant runs in a process of its own, other libraries in environments of their own (``--install`` makes
them, with exact versions). Rounds are interleaved. Times are those of whole fits through each library's own ``fit``,
after a first one that is shown apart, in rows per second; nothing is held out, and the loss that each reached is
measured alike, from reconstructions. What differs between contestants is written beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.common import PICTURES, RESULTS, Column, Table, told
from isthmus.bench.speed import Options, run
from isthmus.bench.works import ALL, FLOOR, OURS, ROWS

Line = Mapping[str, Any]

PIXELS = 784
GROWTH = (
    "",
    "multiplications of an epoch ×",
    "time ×",
    "MiB above imports and rows",
    "data, weights, gradient, moments, MiB",
)
HEADINGS = (
    "",
    "per second",
    "import, s",
    "first use, s",
    "loss",
    "squared error",
    "peak MiB",
    "foreign cores",
    "differences",
)
RATIOS = [name for name in ALL if name not in (OURS, FLOOR)]
# The same library in other ways.
OURSELVES = ("isthmus float32", "isthmus, one after another", "isthmus by torch's calls")
TABLE = Table(
    name="speed",
    columns={"rate": Column("rows/s", "{:,.0f}"), FLOOR: Column("of the floor", "{:.0f} %")}
    | {name: Column(f"× {name}", "{:.2f}") for name in [*RATIOS, *OURSELVES]},
    rows=tuple(ROWS),
    targets={name: row.asked for name, row in ROWS.items() if row.asked},
)


def details(lines: Sequence[Line]) -> str:
    """Return what the table cannot show: start-up in seconds, growth, and, folded away, what every contestant said."""
    shown = {line["row"]: line for line in lines}
    written = []
    if "start-up" in shown:
        written += ["### Start-up", "", *starts(shown["start-up"]), ""]
    if "growth" in shown and growth(shown["growth"]):
        written += [
            "### Growth",
            "",
            *grown(shown["growth"]),
            "",
            "![Time and memory against work](images/growth.png)",
            "",
        ]
    worked = [line for line in lines if line["row"] != "start-up"]
    if worked:
        written += ["<details><summary>Every contestant: rates, first use, memory, loss, differences</summary>", ""]
        written += [text for line in worked for text in everybody(line)]
        written += [f"Versions: {', '.join(versions(worked))}.", "", "</details>"]
    return "\n".join(written)


def versions(lines: Sequence[Line]) -> list[str]:
    """Return every package and version that some contestant ran with."""
    said = [found for line in lines for found in line["entrants"].values() if "versions" in found]
    return sorted({f"{package} {version}" for found in said for package, version in found["versions"].items()})


def over_rounds(values: Sequence[float], form: str) -> str:
    """Return a median, and the range of several rounds.

    >>> over_rounds([3.0, 1.0, 2.0], "{:.0f}"), over_rounds([3.0], "{:.0f}")
    ('2 (1 to 3)', '3')
    """
    middle = form.format(median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def starts(line: Line) -> list[str]:
    """Return a table of seconds, one process per row."""
    written = ["| process | seconds | peak MiB |", "| --- | --- | --- |"]
    for name, said in line["entrants"].items():
        times = [1 / rate for rate in said.get("rates", ())]
        cells = f"{over_rounds(times, '{:.2f}')} | {said['peak MiB']:.0f}" if times else "not run |"
        written.append(f"| {name} | {cells} |")
    return written


def grown(line: Line) -> list[str]:
    """Return a table of what grew."""
    written = [f"| {' | '.join(GROWTH)} |", f"|{' --- |' * len(GROWTH)}"]
    for it in growth(line):
        cells = f"{it.work:.1f} | {it.time:.1f} | {it.memory:.0f} | {it.needed:.0f}"
        written.append(f"| {it.name} | {cells} |")
    return written


def everybody(line: Line) -> list[str]:
    """Return a table of what every contestant of a row said."""
    name = f"**{line['row']}**{' (quick)' if line['quick'] else ''}: {described(line)}"
    written = [name, "", f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}"]
    return [*written, *(f"| {' | '.join(contestant(who, said))} |" for who, said in line["entrants"].items()), ""]


def described(line: Line) -> str:
    """Say what was done in a row."""
    setup, threads, rounds = line["setup"], line["threads"], line["setup"]["rounds"]
    parts = [f"{setup['net']}, {setup['loss']}, {setup['rows']:,} rows ({setup['data']})"]
    parts += [f"batch {setup['batch']}, {setup['epochs']} epochs, {setup['precision']}"] * (setup["kind"] == "fit")
    parts += [f"{setup['dtype']} rows scored"] * (setup["kind"] == "score")
    return f"{', '.join(parts)}; threads: {threads}, rounds: {rounds}"


def contestant(name: str, said: Mapping[str, Any]) -> list[str]:
    """Return the cells of one contestant."""
    if "rates" not in said:
        return [name, "not run", "", "", "", "", "", "", said["not run"].replace("|", "/")]
    rate = over_rounds(said["rates"], "{:,.0f}" if min(said["rates"]) > 100 else "{:.3g}")
    numbers = [f"{said[key]:.4g}" if key in said else "" for key in ("import", "first", "loss", "squared error")]
    note = said.get("note", "").replace("|", "/")
    return [name, rate, *numbers, f"{said['peak MiB']:.0f}", str(said.get("foreign", "")), note]


class Grown(NamedTuple):
    """What grew: factors of an epoch's multiplications and seconds; MiB above the imports, and what they would hold.

    ``needed`` is the data and, four times, the weights: themselves, their gradient and Adam's moments.
    """

    name: str
    work: float
    time: float
    memory: float
    needed: float


def growth(line: Line) -> list[Grown]:
    """Return what grew, beginning with what it grew from; nothing where one of them was not run."""
    said, row = line["entrants"], ROWS["growth"]
    if any("rates" not in found for found in said.values()):
        return []
    found = []
    for name, here in said.items():
        work = row.job(name, line["quick"])
        weights, seconds = products(work.hidden, work.code), work.rows / median(here["rates"])
        needed = 4 * (work.rows * PIXELS + 8 * weights) / 2**20
        found.append(Grown(name, work.rows * weights, seconds, here["peak MiB"] - here["imported MiB"], needed))
    first = found[0]
    return [one._replace(work=one.work / first.work, time=one.time / first.time) for one in found]


def products(hidden: Sequence[int], code: int) -> int:
    """Return the multiplications per row of the encoder, which are its weights; the decoder has as many."""
    return sum(a * b for a, b in pairwise((PIXELS, *hidden, code)))


def plot(line: Line, folder: Path) -> None:
    """Draw time and memory against work: on the diagonal, growth is linear."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = growth(line)
    if not found:
        return
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    work, memory = [it.work for it in found], [it.memory / found[0].memory for it in found]
    top = 1.3 * max(*work, *memory, *(it.time for it in found))
    axes.loglog([1, top], [1, top], color="0.7", label="linear")
    axes.loglog(work, [it.time for it in found], "o", label="time of an epoch")
    axes.loglog(work, memory, "s", label="memory above imports")
    for it in found:
        name = "the smallest" if it.name == OURS else it.name
        axes.annotate(name, (it.work, it.time), textcoords="offset points", xytext=(6, -10), fontsize="small")
    axes.set(xlabel="multiplications, times those of the smallest", ylabel="times that of the smallest")
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "growth.png", dpi=120)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, and draw how they grow."""
    reader = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.partition("\n")[0])
    reader.add_argument("--quick", action="store_true", help="fewer rows and epochs, one round")
    reader.add_argument("--only", default="", metavar="TEXT", help="only the rows whose name contains this text")
    reader.add_argument("--contestants", nargs="+", default=(), metavar="TEXT", help="only these, beside isthmus")
    reader.add_argument("--rounds", type=int, default=0, help="turns of every contestant (default 3)")
    reader.add_argument("--threads", type=int, default=0, help="threads of every contestant (default: all cores)")
    reader.add_argument("--environments", type=Path, help="folder with the environments of the other libraries")
    reader.add_argument("--install", action="store_true", help="make those that are missing")
    reader.add_argument("--results", type=Path, default=RESULTS, help="folder of the rows")
    reader.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
    given = reader.parse_args(arguments)
    asked = vars(given) | {"results": given.results / f"{TABLE.name}.jsonl"}
    pictures = asked.pop("pictures")
    for line in run(Options(**asked)):
        print(told(line))
        if line["row"] == "growth":
            plot(line, pictures)


if __name__ == "__main__":
    main()
