"""Scores of Parquet files as a folder of parts, one per range of row groups: what is there already is not made again.

A manifest says which model and which files the parts are of, so that a run that was interrupted goes on, and parts of
another model are never mixed in. Its name begins with an underscore, which readers of Parquet folders pass over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import isthmus
from isthmus import persistence
from isthmus.data import atomic, places
from isthmus.data.parquetfiles import PARQUET, parquet_file
from isthmus.data.places import Place
from isthmus.training.checkpoint import difference

MANIFEST, FORMAT, VERSION = "_scores.json", "isthmus scores", 1
# Rows of a part, unless a single row group has more: what is lost where a worker is.
ROWS = 65_536
RUN = b"isthmus.run"


@dataclass(frozen=True)
class Part:
    """Some row groups of a file, and the file that their scores are written to.

    Attributes:
        name: of the file that is written.
        source, label: the file that is read, and what its rows are told by.
        groups: its row groups.
        first: number of the first row in its file, from 1.
        rows: how many rows there are.
        seen: size and time of the file as it was planned.
        path: what its file system calls the file that is read.
    """

    name: str
    source: str
    label: str
    groups: tuple[int, ...]
    first: int
    rows: int
    seen: tuple[int, int]
    path: str

    def text(self) -> str:
        """Return this as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Part:
        """Return what :meth:`text` wrote."""
        fields = json.loads(text)
        return cls(**fields | {name: tuple(fields[name]) for name in ("groups", "seen")})


def sources(given: str, out: Path | None = None) -> list[Place]:
    """Return the Parquet files of a folder (and its folders), of a pattern, or the one file, by name; none in ``out``.

    Raises:
        ValueError: there is none, or something else.
    """
    own = None if out is None else out.absolute()
    files = [place.resolved() for place in places.found(places.located(given), PARQUET)]
    files = [place for place in files if place.here is None or own not in place.here.parents]
    strange = next((place for place in files if place.suffix not in PARQUET or not place.info().is_file), None)
    if strange is not None:
        raise ValueError(
            f"{strange.name!r} is no Parquet file, and only these are scored in parts; write it as Parquet, or score "
            "it into one file: -o scores.csv"
        )
    if not files:
        raise ValueError(f"there is no Parquet file at {given!r}; give a folder, a pattern or a file")
    return files


def planned(files: Sequence[Place], most: int = ROWS) -> list[Part]:
    """Divide files into parts of at most so many rows, or of one row group.

    Raises:
        ValueError: a file is damaged, or there is no row.
    """
    above = os.path.commonpath([PurePosixPath(file.path).parent for file in files])
    ranges: list[tuple[Place, list[int], int, int]] = []
    for file in files:
        with parquet_file(file) as opened:
            sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.metadata.num_row_groups)]
        ranges += [(file, *found) for found in _ranges(sizes, most)]
    if not ranges:
        raise ValueError("there is no row to score; give at least one")
    width = max(5, len(str(len(ranges))))
    marks = {file.name: seen(file) for file, *_ in ranges}
    labels = {file.name: PurePosixPath(file.path).relative_to(above).as_posix() for file, *_ in ranges}
    return [
        Part(
            *(f"part-{i:0{width}d}.parquet", file.name, labels[file.name], tuple(groups), first, n),
            *(marks[file.name], file.path),
        )
        for i, (file, groups, first, n) in enumerate(ranges)
    ]


def _ranges(sizes: Sequence[int], most: int) -> list[tuple[list[int], int, int]]:
    """Return the row groups of each part, its first row from 1, and its number of rows."""
    found: list[tuple[list[int], int, int]] = []
    done = 0
    for group, rows in enumerate(sizes):
        if not rows:
            continue
        if found and found[-1][2] + rows <= most:
            groups, first, before = found[-1]
            found[-1] = [*groups, group], first, before + rows
        else:
            found.append(([group], done + 1, rows))
        done += rows
    return found


def seen(file: Place) -> tuple[int, int]:
    """Return what tells a file that was written anew: its size and when it was changed.

    Raises:
        ValueError: it is gone.
    """
    found = file.info()
    if not found.is_file:
        raise ValueError(f"{file.name!r} is gone; score what there is, into another folder")
    return found.size, found.mtime_ns or 0


def header(model: Path, plan: Sequence[Part], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has to agree for a run to go on: release, model, options, files and parts."""
    manifest, _ = persistence.read(model)
    files = {part.source: {"bytes": part.seen[0], "changed": part.seen[1]} for part in plan}
    return {
        "format": FORMAT,
        "version": VERSION,
        "isthmus": isthmus.__version__,
        "model": {"estimator": manifest["estimator"], "checksum": manifest["checksum"]},
        "options": dict(options),
        "files": files,
        "parts": {part.name: [part.label, list(part.groups), part.first, part.rows] for part in plan},
    }


def begin(out: Path, head: dict[str, Any]) -> str:
    """Begin a run in a folder, or go on with it; return what marks its parts.

    Raises:
        ValueError: the folder holds something else, or parts of another model, of other files or options.
    """
    file, marks = out / MANIFEST, hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
    if out.exists() and (not out.is_dir() or (not file.is_file() and any(out.iterdir()))):
        raise ValueError(f"{str(out)!r} exists and holds no scores of an earlier run; choose another folder")
    if not file.is_file():
        _write(file, head)
        return marks
    try:
        there = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete {str(out)!r} and score anew") from None
    there = {name: value for name, value in there.items() if name != "complete"} if isinstance(there, dict) else {}
    change = difference(there, head)
    if change and not any(out.glob("part-*.parquet")):
        _write(file, head)
    elif change:
        raise ValueError(f"{str(out)!r} holds scores of another run: {change}; delete it, or choose another folder")
    return marks


def end(out: Path, head: dict[str, Any], rows: int) -> None:
    """Say in the manifest that all parts are there, and take away what killed workers left behind."""
    for left in out.glob(".part-*.part"):
        left.unlink(missing_ok=True)
    _write(out / MANIFEST, head | {"complete": {"rows": rows}})


def _write(file: Path, content: dict[str, Any]) -> None:
    with atomic(file) as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def whole(out: Path, part: Part, marks: str) -> bool:
    """Say whether a part is there, of this run and with all its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(out / part.name) as file:
            found = file.metadata
            return found.num_rows == part.rows and (file.schema_arrow.metadata or {}).get(RUN) == marks.encode()
    except (pa.ArrowException, OSError):
        return False
