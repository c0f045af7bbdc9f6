"""What of a command runs on a Ray cluster: the workers of a fit, and scores in parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import remembered, rows
from isthmus.cli.options import Reading

if TYPE_CHECKING:
    from isthmus.training.workers import Workers


def workers(ray: str | None, devices: int | None, storage: Path | None) -> int | Workers | None:
    """Return the workers of a fit: those of a cluster where its address is given.

    Raises:
        ValueError: a folder for a cluster, and no cluster.
    """
    if ray is None:
        if storage is not None:
            raise ValueError("--storage is for workers of a cluster; add --ray ADDRESS, or leave it out")
        return devices
    from isthmus.cluster import Ray

    return Ray(ray, storage=storage) if devices is None else Ray(ray, devices, storage=storage)


def folder_for(data: str, out: Path | None, ray: str | None, devices: int | None, fdr: float | None) -> Path | None:
    """Return the folder where rows are to be scored in parts: on a cluster, or Parquet files without an ending.

    Raises:
        ValueError: options that do not go with parts, or workers without a cluster.
    """
    if ray is None and devices is not None:
        raise ValueError("--devices is for workers of a cluster; add --ray ADDRESS, or leave it out")
    if ray is None and (out is None or out.suffix or not _parquet(data)):
        return None
    if out is None or out.suffix:
        raise ValueError(f"--ray writes a folder of Parquet files, not {out or 'lines'}; name a folder: -o scores")
    if fdr is not None:
        raise ValueError(
            "--fdr looks at the p-values of all rows together, which parts have apart; score first, and give their "
            "p_value to isthmus.measures.conformal.benjamini_hochberg"
        )
    return out


def _parquet(data: str) -> bool:
    from isthmus.cluster.parts import sources

    try:
        return bool(sources(data))
    except ValueError:
        return False


def score(
    model: Path, data: str, out: Path, reading: Reading, *, per_column: bool, ray: str | None, devices: int | None
) -> None:
    """Score Parquet files in parts, and say what was found.

    Raises:
        ValueError: rows that cannot be scored, or a reading that parts do not have.
    """
    if reading.limit is not None or reading.size is not None:
        raise ValueError("--limit and --size are for rows that are read at once; leave them out, or write one file")
    from isthmus.cli.progress import Counted
    from isthmus.cluster.scoring import score as begin

    reading = remembered.reading_for(rows.fitted_at(model), data, reading)
    on: Any = workers(ray, devices, None)
    with Counted("scoring", None) as shown:
        found = begin(
            model,
            data,
            out,
            on=on,
            per_column=per_column,
            label=reading.label,
            drop=reading.drop,
            progress=shown.step,
        )
    kept = f" ({found.kept:,} of them from an earlier run)" if found.kept else ""
    odd = "" if found.anomalies is None else f", {found.anomalies:,} anomalies"
    print(f"{out}: {found.rows:,} rows in {found.parts:,} parts{kept}{odd}")
