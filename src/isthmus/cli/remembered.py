"""What the fit of a saved model left out of a file is left out whenever the model reads one."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from isthmus.cli.options import Reading

if TYPE_CHECKING:
    from isthmus.data.places import Place

R = TypeVar("R", bound=Reading)


def remember(model: Any, reading: Reading, time: str | None = None) -> None:
    """Keep with a model which columns its fit left out, as --drop and --label named them, or as the axis of time."""
    model.left_out_ = (*reading.drop, *(name for name in (reading.label, time) if name is not None))
    if time is not None:
        model.time_ = time


def reading_for(model: Any, source: str, reading: R) -> R:
    """Return how rows for a model are read: the target of its fit apart, and without what its fit left out.

    Raises:
        ValueError: the source has columns that are neither the fit's nor left out.
    """
    kept = getattr(model, "left_out_", ())
    if not kept and getattr(model, "target_name_", None) is None and not hasattr(model, "feature_names_in_"):
        return reading
    names = columns(source)
    reading = _labelled(model, names, reading)
    apart = {reading.label, *reading.drop}
    fit = set(map(str, getattr(model, "feature_names_in_", ())))
    if names:
        gone = [name for name in kept if name in names and name not in apart | fit]
    else:  # columns are told by their places, and a file without those that were left out has other places
        gone = [name for name in kept if name not in apart] if _width(source) > model.n_features_in_ else []
    reading = replace(reading, drop=(*reading.drop, *gone))
    if fit and fit <= set(names):  # what lacks is told by the model
        _refuse_others(source, [name for name in names if name not in fit | apart | set(gone)])
    return reading


def _labelled(model: Any, names: Sequence[str], reading: R) -> R:
    target = getattr(model, "target_name_", None)
    if reading.label is not None or target is None or target in reading.drop or target not in names:
        return reading
    return replace(reading, label=target)


def _refuse_others(source: str, others: Sequence[str]) -> None:
    """Refuse columns that the fit did not see.

    Raises:
        ValueError: there are such.
    """
    if others:
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        drops = " ".join(f'--drop "{name}"' for name in others[:8])
        raise ValueError(
            f"{source!r} adds {', '.join(map(repr, others[:8]))}{more} to the columns of the fit; leave out: {drops}"
        )


def columns(source: str) -> tuple[str, ...]:
    """Return the names of the columns of csv or Parquet files, without those of rows' names; none of anything else."""
    from isthmus.data import parquetfiles, tables

    first = _first(source)
    if first is None:
        return ()
    if first.suffix in parquetfiles.PARQUET:
        with parquetfiles.parquet_file(first) as file:
            schema = file.schema_arrow
        names = tuple(map(str, tables.expanded(schema.empty_table()).column_names))
        index = tables.row_names(names, schema)
        return tuple(name for i, name in enumerate(names) if i not in index)
    from isthmus.data import csvlayout

    with first.local() as path:
        return tuple(name for name in csvlayout.layout(path).header or () if name)


def _width(source: str) -> int:
    """Return the number of columns of a text file; 0 of anything else."""
    from isthmus.data import csvlayout, parquetfiles

    first = _first(source)
    if first is None or first.suffix in parquetfiles.PARQUET:
        return 0
    with first.local() as path:
        found = csvlayout.layout(path)
        line = csvlayout.values(path, found).partition("\n")[0]
    return len(next(csv.reader([line], delimiter=found.delimiter), []))


def _first(source: str) -> Place | None:
    """Return the first of csv or Parquet files; None of anything else."""
    from isthmus.data import blockwise, parquetfiles, tables

    if not blockwise.in_blocks(source):
        return None
    first = blockwise.files(source)[0]
    return first if first.suffix in parquetfiles.PARQUET or blockwise.kind(first) in tables.TEXT else None
