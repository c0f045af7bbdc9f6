"""``isthmus impute``: a table with holes in, the whole table without them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import remembered, rows
from isthmus.cli.options import Flag, Folder, Reading

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.data.originals import Original

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

    All else is written as DATA has it, columns that --label or --drop keep from the model too: from csv to csv every
    cell in its own text, between the same signs, from Parquet to Parquet every column in its own type.

    Args:
        model: folder of a saved model of a table.
        data: a csv or Parquet file with the columns of the fit, or an npy or npz file of a fit without names.
        out: csv or Parquet file.
        uncertainty: add, beside every column that had holes, how far the filled cells may be off: the root mean squared
            error at cells hidden from the model (of dates in seconds), or the chance of another level.
        reading: how DATA is read.
    """
    from isthmus.data.writing import refuse_ending

    refuse_ending(out, table=True)
    whole_model = rows.fitted_at(model)
    fitted, reading = rows.autoencoder_of(whole_model, model), remembered.reading_for(whole_model, data, reading)
    given = rows.read(data, reading, types=rows.types_of(fitted))
    before = given.arrow
    made, doubts = fitted.impute(before, return_std=True)
    whole = _whole(data, reading, before, out)
    table, counts = filled(whole, before, made, doubts if uncertainty else None)
    _write(out, whole, table, given)
    total = sum(counts.values())
    told = (
        f"{total:,} {'cell' if total == 1 else 'cells'} filled in {', '.join(counts)}"
        if counts
        else "no cell was missing"
    )
    print(f"{out}: {len(given):,} rows, {told}")


def _whole(data: str, reading: Reading, read: Any, out: Path) -> Original:
    """Return all columns of a source as its files have them; text in types where the written file has such."""
    from isthmus.data.originals import Original, Text, original
    from isthmus.data.tables import expanded

    whole = original(data, reading.limit)
    if whole is None:
        return Original(read)
    if isinstance(whole, Text):
        return whole if out.suffix.lower() == ".csv" else whole.typed(read)
    vectors = not set(read.column_names) <= set(whole.table.column_names)
    return Original(expanded(whole.table), whole.index) if vectors else whole


def filled(whole: Original, given: Any, made: Any, doubts: Any) -> tuple[Any, dict[str, int]]:
    """Put what is expected into the holes of all columns, with its doubts behind them; count what was filled."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts, columns, fields = {}, [], []
    read = set(given.column_names)
    for field, column in zip(whole.table.schema, whole.table.columns, strict=True):
        name, count = field.name, 0
        if name in read:
            # A float that is no number is a hole as well, as where pandas or numpy wrote the file.
            holes = pc.is_null(given[name], nan_is_null=True)
            count = (pc.sum(holes).as_py() or 0) - (pc.sum(pc.is_null(made[name], nan_is_null=True)).as_py() or 0)
        if count:
            counts[name] = count
            column = whole.cells(name, holes, rows.brief(made[name]), given[name])
        columns.append(column)
        fields.append(field.with_type(column.type))
        if count and doubts is not None:
            columns.append(whole.as_cells(rows.brief(doubts[name])))
            fields.append(pa.field(name + BESIDE, columns[-1].type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, whole.table.schema.metadata)), counts


def _write(out: Path, whole: Original, table: Any, given: Data) -> None:
    """Write the table as its file is written, or behind the names of rows as other files have them."""
    from isthmus.data.originals import Text

    if isinstance(whole, Text) or (whole.index and out.suffix.lower() == ".parquet"):
        whole.write(out, table)
    else:
        rows.write(out, table.drop_columns(list(whole.index)), None, given)
