"""The commands between rows and codes: encode, reconstruct, sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isthmus.cli import answers, remembered, rows
from isthmus.cli.options import Flag, Folder, Reading

if TYPE_CHECKING:
    import numpy as np

    from isthmus.data import Data
    from isthmus.estimators import Autoencoder

Bits = Literal["32", "16", "8", "4"]


def encode(
    model: Path,
    data: str,
    /,
    *,
    out: Folder,
    bits: Bits | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> None:
    """Write the code of each row of DATA.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit.
        out: csv, Parquet, npy or npz file for the codes.
        bits: store each number of a code in so few bits; needs an npz file, which isthmus reconstruct takes back.
        reading: how DATA is read.
    """
    answers.refuse_own(out, data)
    if bits is not None and out.suffix.lower() != ".npz":
        raise ValueError(f"codes in {bits} bits need an npz file, not {str(out)!r}; write for example -o codes.npz")
    fitted, reading, types = _fitted(model, data, reading)
    if bits is None:
        names = list(fitted.get_feature_names_out())
        found = answers.answered(data, reading, types, "encoding", lambda block: fitted.transform(block.rows))
        print(f"{out}: {answers.write(out, found, names)} codes of {len(names)} numbers")
        return
    given = rows.read(data, reading, types=types)
    codes = fitted.transform(given.rows)
    from isthmus.data import write_arrays
    from isthmus.measures import quantise

    small = quantise(codes.reshape(len(codes), *fitted.objective_.model.code_shape), int(bits))
    write_arrays(out, small.to_arrays())
    size = f"{small.bytes_per_row} bytes per row instead of {given.bytes_per_row}, and {small.header_bytes} once"
    print(f"{out}: {len(codes)} codes in {bits} bits, {size}")


def reconstruct(
    model: Path,
    data: str,
    /,
    *,
    out: Folder,
    codes: Flag = False,
    reading: Reading = Reading(),  # noqa: B008
) -> None:
    """Write the rows of DATA as they come back, or the rows that codes stand for.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit, or what isthmus encode wrote.
        out: csv, Parquet, npy or npz file; no ending for a folder of PNGs, which are called as the pictures of DATA.
        codes: DATA holds codes, as isthmus encode wrote them without --bits; with --bits they are recognised.
        reading: how DATA is read.
    """
    from isthmus.data.writing import refuse_ending

    refuse_ending(out, table=False)
    answers.refuse_own(out, data)
    small = _quantised(Path(data))
    if small is not None:
        fitted = rows.model_at(model)
        values = fitted.inverse_transform(small)
        _write(out, fitted, values)
        print(f"{out}: {len(values)} rows")
        return
    fitted, reading, types = _fitted(model, data, reading)
    if not codes:
        _refuse_codes(fitted, data)

    def answer(block: Data) -> Any:
        values = fitted.inverse_transform(block.flat) if codes else fitted.reconstruct(block.rows)
        return _table(fitted, values)[0]

    found = answers.answered(data, reading, None if codes else types, "reconstructing", answer)
    print(f"{out}: {answers.write(out, found, getattr(fitted, 'feature_names_in_', None))} rows")


def _refuse_codes(fitted: Autoencoder, data: str) -> None:
    """Refuse files whose columns are those of codes, where rows are asked for.

    Raises:
        ValueError: always with the option that takes codes.
    """
    names, fit = remembered.columns(data), {*map(str, getattr(fitted, "feature_names_in_", ()))}
    if names and set(names) == {*map(str, fitted.get_feature_names_out())} != fit:
        raise ValueError(
            f"{data!r} has columns of codes, {names[0]!r} and so on, and not those of the fit; add --codes"
        )


def _fitted(model: Path, data: str, reading: Reading) -> tuple[Autoencoder, Reading, dict[str, Any] | None]:
    """Return a saved model, and how it reads rows."""
    whole = rows.fitted_at(model)
    return rows.autoencoder_of(whole, model), remembered.reading_for(whole, data, reading), rows.types_of(whole)


def _quantised(path: Path) -> np.ndarray[Any, np.dtype[Any]] | None:
    """Return the codes of a file that ``encode --bits`` wrote, flat; None for any other file."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    from isthmus.data import read_arrays
    from isthmus.measures import Quantised, restore

    arrays = read_arrays(path)
    if not {"data", "low", "step"} <= arrays.keys():
        return None
    codes = restore(Quantised.from_arrays(arrays))
    return codes.reshape(len(codes), -1)


def _write(out: Path, fitted: Autoencoder, values: Any) -> None:
    """Write rows in the caller's columns, or shaped as one row of the fit."""
    table, names = _table(fitted, values)
    answers.write(out, iter([(table, None)]), names)


def _table(fitted: Autoencoder, values: Any) -> tuple[Any, Any]:
    """Return rows as they are written, and the names of their columns where a table does not have its own."""
    import numpy as np

    if fitted.form_.table is not None and not isinstance(values, np.ndarray):
        return rows.shortened(rows.arrow(values)), None
    names = getattr(fitted, "feature_names_in_", None)
    table = np.column_stack([np.asarray(column) for column in values.columns]) if hasattr(values, "columns") else values
    return (table if names is not None else table.reshape(len(table), *fitted.row_shape_)), names


def sample(
    model: Path,
    /,
    *,
    out: Folder,
    number: Annotated[int, Parameter(name=["--number", "-n"])] = 16,
    seed: int = 0,
    drawn: Flag = False,
) -> None:
    """Write new rows, decoded from new codes.

    Args:
        model: folder of a saved model.
        out: csv, Parquet, npy or npz file; no ending for a folder of PNGs.
        number: how many rows.
        seed: of the draws.
        drawn: draw the entries from the likelihood too, instead of writing their expected values.
    """
    from isthmus.data.writing import refuse_ending

    fitted = rows.model_at(model)
    # One row tells whether rows are a table, which not every file holds.
    refuse_ending(out, table=hasattr(_table(fitted, fitted.sample(1, random_state=seed))[0], "column_names"))
    values = fitted.sample(number, random_state=seed, mean=not drawn)
    _write(out, fitted, values)
    print(f"{out}: {len(values)} rows")
