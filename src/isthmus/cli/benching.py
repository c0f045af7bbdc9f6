"""The commands that measure: isthmus bench speed, isthmus bench concepts."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from isthmus.cli.options import Flag, OnOutput, Repeated

bench = App(name="bench", help="Measure isthmus on this machine, beside what else could be used.", sort_key=100)


@bench.command
def speed(
    *,
    quick: Flag = False,
    only: str = "",
    contestants: Repeated = (),
    rounds: int = 0,
    threads: int = 0,
    environments: Path | None = None,
    install: Flag = False,
    out: OnOutput = None,
) -> None:
    """Time training and scoring beside other libraries and the processor's limit.

    Every contestant runs in a process of its own, other libraries in environments of their own; one that is not
    installed is reported as not run.

    Args:
        quick: fewer rows and epochs and one round, minutes instead of an hour.
        only: only rows whose name contains this text.
        contestants: only contestants whose name contains this text, beside isthmus; may be repeated.
        rounds: turns of every contestant; 0 for three.
        threads: threads of every contestant; 0 for as many as there are cores.
        environments: folder with the environments of the other libraries; the user's cache where not given.
        install: make the environments that are missing, which takes gigabytes.
        out: file that takes the rows as lines of JSON.
    """
    from isthmus.bench.speed import Options, report, run

    print(report(run(Options(quick, only, contestants, rounds, threads, environments, install, out))))


@bench.command
def concepts(
    *,
    seeds: int = 3,
    only: str = "",
    rows: int = 4_000,
    sprites: Path | None = None,
    out: OnOutput = None,
) -> None:
    """Find dictionaries of rows whose concepts are known, beside scikit-learn's.

    Sets: superposed features, with parents and with a common cause, absorption pairs, chords, digits with a glyph,
    sprites. Minutes per seed.

    Args:
        seeds: how many seeds; means and 95 % intervals are over them.
        only: only rows whose name, "set, method", contains this text.
        rows: rows to fit, at most; sets have up to 20,000.
        sprites: npz file of sprites, in place of those drawn here.
        out: file that takes the rows as lines of JSON.
    """
    from isthmus.bench.concepts import Options, run
    from isthmus.bench.tables import report

    print(report(run(Options(seeds, only, rows, sprites, out))))
