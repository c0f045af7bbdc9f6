"""``isthmus impute``: a table with holes in, the whole table without them out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import remembered, rows
from isthmus.cli.options import Flag, Folder, Reading

if TYPE_CHECKING:
    from isthmus.data import Data

BESIDE = "_uncertainty"


def impute(
    model: Path,
    data: str,
    /,
    *,
    out: Folder,
    uncertainty: Flag = False,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> None:
    """Write DATA with its missing cells filled by what the model expects, given the cells that are there.

    All else is written as it was read, columns that --label or --drop keep from the model too.

    Args:
        model: folder of a saved model of a table.
        data: a csv or Parquet file with the columns of the fit, or an npy or npz file of a fit without names.
        out: csv or Parquet file.
        uncertainty: add, beside every column that had holes, how far the filled cells may be off: the root mean squared
            error at cells hidden from the model (of dates in seconds), or the chance of another level.
        reading: how DATA is read.
    """
    whole_model = rows.fitted_at(model)
    fitted, reading = rows.autoencoder_of(whole_model, model), remembered.reading_for(whole_model, data, reading)
    types = rows.types_of(fitted)
    given = rows.read(data, reading, types=types)
    before = given.arrow
    made, doubts = fitted.impute(before, return_std=True)
    whole = before if not (reading.drop or reading.label) else _whole(data, reading, types).arrow
    table, counts = filled(whole, before, made, doubts if uncertainty else None)
    rows.write(out, table, None, given)
    total = sum(counts.values())
    told = (
        f"{total:,} {'cell' if total == 1 else 'cells'} filled in {', '.join(counts)}"
        if counts
        else "no cell was missing"
    )
    print(f"{out}: {len(given):,} rows, {told}")


def _whole(data: str, reading: Reading, types: Any) -> Data:
    return rows.read(data, replace(reading, label=None, drop=()), types=types)


def filled(whole: Any, given: Any, made: Any, doubts: Any) -> tuple[Any, dict[str, int]]:
    """Put filled columns in the place of those with holes, with their doubts behind them; count what was filled."""
    import pyarrow.compute as pc

    counts = {}
    for name in given.column_names:
        # A float that is no number is a hole as well, as where pandas or numpy wrote the file.
        holes = pc.is_null(given[name], nan_is_null=True)
        count = (pc.sum(holes).as_py() or 0) - (pc.sum(pc.is_null(made[name], nan_is_null=True)).as_py() or 0)
        if not count:
            continue
        counts[name] = count
        place = whole.column_names.index(name)
        # The cells that were there keep every digit.
        column = pc.if_else(holes, rows.brief(made[name]), made[name])
        whole = whole.set_column(place, name, column)
        if doubts is not None:
            whole = whole.add_column(place + 1, name + BESIDE, rows.brief(doubts[name]))
    return whole, counts
