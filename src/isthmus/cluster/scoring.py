"""Scores of folders of Parquet files, in this process or by workers of a Ray cluster, that go on where they ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from isthmus.atrow import RowError
from isthmus.cluster import parts
from isthmus.cluster.connection import connected, library
from isthmus.cluster.parts import Part
from isthmus.cluster.training import Ray
from isthmus.data import atomic, tables
from isthmus.data.parquetfiles import parquet_file, reading
from isthmus.data.places import Place

BLOCK = 8192
FILE, ROW = "file", "row"


@dataclass(frozen=True)
class Scored:
    """What a run found.

    Attributes:
        rows: number of rows in all parts.
        parts: number of parts.
        kept: parts that were there already.
        anomalies: rows that a detector calls so; None of other models.
    """

    rows: int
    parts: int
    kept: int
    anomalies: int | None


@dataclass(frozen=True)
class Settings:
    """What parts are scored with.

    Attributes:
        model: folder of a saved model.
        out: folder to write to.
        marks: of the run.
        label, drop, per_column: see :func:`score`.
        filesystem: where the rows are; it is pickled, and knows what no name of a file may hold, such as a password.
        threads: of torch; 0 leaves them as they are.
    """

    model: str
    out: str
    marks: str
    label: str | None
    drop: tuple[str, ...]
    per_column: bool
    filesystem: Any = field(compare=False, repr=False)
    threads: int = 0


class Scorer:
    """Scores parts one after another with one model."""

    def __init__(self, settings: Settings) -> None:
        """Load the model."""
        import torch

        from isthmus.estimators import load
        from isthmus.estimators.blocks import types_of

        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.model, self.out, self.settings = load(settings.model), Path(settings.out), settings
        self.types = types_of(self.model)

    def score(self, part: Part) -> None:
        """Score a part and write it, whole or not at all; a part that is there is left as it is.

        Raises:
            ValueError: rows that the model cannot score, or a file that has changed.
        """
        import pyarrow.parquet as pq

        if parts.whole(self.out, part, self.settings.marks):
            return
        self._refuse_changed(part)
        answers = self._scored(part)
        first = next(answers)
        schema = first.schema.with_metadata({parts.RUN: self.settings.marks.encode()})
        with atomic(self.out / part.name) as temporary:
            with pq.ParquetWriter(temporary, schema) as writer:
                writer.write_table(first.cast(schema))
                for table in answers:
                    writer.write_table(table.cast(schema))
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            self._refuse_changed(part)

    def _scored(self, part: Part) -> Iterator[Any]:
        """Give the answers to a part's rows in blocks, behind the file and the number of each row."""
        import pyarrow as pa

        from isthmus.estimators.blocks import score_batches

        path, row = self._place(part), part.first
        with parquet_file(path) as file:
            batches = iter(file.iter_batches(batch_size=BLOCK, row_groups=list(part.groups)))
            while (batch := reading(path, lambda: next(batches, None))) is not None:
                table = pa.Table.from_batches([batch])
                block = tables.parquet_rows(table, path, self.settings.label, self.settings.drop, None, self.types)
                try:
                    found = score_batches(self.model, block.arrow, per_column=self.settings.per_column)
                except ValueError as error:
                    why = error.later(row - 1).in_file() if isinstance(error, RowError) else error
                    raise ValueError(f"{part.source!r}, rows {row} to {row + len(block) - 1}: {why}") from None
                if block.index is not None:
                    found = found.add_column(0, "__index_level_0__", pa.array(block.index.tolist()))
                found = found.add_column(0, ROW, pa.array(range(row, row + len(block)), pa.int64()))
                yield found.add_column(0, FILE, pa.array([part.label] * len(block), pa.string()))
                row += len(block)

    def _place(self, part: Part) -> Place:
        return Place(self.settings.filesystem, part.path, part.source)

    def _refuse_changed(self, part: Part) -> None:
        if parts.seen(self._place(part)) != part.seen:
            raise ValueError(f"{part.source!r} has changed since the run began; score it anew, into another folder")


def score(
    model: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    on: Ray | None = None,
    per_column: bool = False,
    label: str | None = None,
    drop: Sequence[str] = (),
    part_rows: int = parts.ROWS,
    progress: Callable[[int], None] | None = None,
) -> Scored:
    """Score every row of Parquet files into a folder of parts; where it was interrupted, it goes on.

    A part has the answers of ``isthmus.estimators.score_batches`` to some row groups of one file, in their order,
    behind ``file`` (relative to the folder of all) and ``row`` (from 1). It appears whole or not at all, so that a run
    that is started again neither loses a row nor has one twice.

    Args:
        model: folder of a saved model, which all machines see, as they see ``source`` and ``out``.
        source: a Parquet file, a folder of these, a pattern such as ``rows/*.parquet``, or a URL of a store.
        out: folder for the parts; ``pyarrow.parquet.read_table(out)`` reads all of them.
        on: the cluster that scores; None is this process.
        per_column: add what each column adds.
        label: column to leave out, where the fit had no names.
        drop: further ones.
        part_rows: most rows of a part, unless a single row group has more.
        progress: is told the number of rows of each part that is there.

    Raises:
        ValueError: rows that cannot be scored, or a folder with scores of another model or of other files.

    >>> import pyarrow as pa, pyarrow.parquet as pq, tempfile
    >>> from isthmus import AnomalyDetector
    >>> folder = Path(tempfile.mkdtemp())
    >>> table = pa.table({"a": [float(i) for i in range(60)], "b": [float(i % 7) for i in range(60)]})
    >>> pq.write_table(table, folder / "rows.parquet")
    >>> model = AnomalyDetector(random_state=0).fit(table).save(folder / "model")
    >>> score(model, folder / "rows.parquet", folder / "scores").rows
    60
    >>> pq.read_table(folder / "scores").column_names[:4]
    ['file', 'row', 'score', 'p_value']
    """
    model, out = Path(model).expanduser().absolute(), Path(out).expanduser().absolute()
    files = parts.sources(str(source), out)
    plan = parts.planned(files, part_rows)
    head = parts.header(model, plan, {"per_column": per_column, "label": label, "drop": list(drop)})
    marks = parts.begin(out, head)
    left = [part for part in plan if not parts.whole(out, part, marks)]
    rows, tell = sum(part.rows for part in plan), progress or (lambda rows: None)
    tell(rows - sum(part.rows for part in left))
    settings = Settings(str(model), str(out), marks, label, tuple(drop), per_column, files[0].filesystem)
    for part in _here(left, settings) if on is None else _everywhere(left, settings, on):
        tell(part.rows)
    parts.end(out, head, rows)
    return Scored(rows, len(plan), len(plan) - len(left), _anomalies(out, plan))


# A worker that is asked again has its model still.
_scorer = lru_cache(maxsize=1)(Scorer)


def _here(left: Sequence[Part], settings: Settings) -> Iterator[Part]:
    """Score parts in this process; give each of them."""
    scorer = Scorer(settings)
    for part in left:
        scorer.score(part)
        yield part


def score_parts(batch: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Score the parts of a batch of Ray Data, written as JSON; what is wrong with one is its answer."""
    told = []
    for text in batch["item"]:
        try:
            _scorer(settings).score(Part.read(text))
            told.append("")
        except ValueError as error:
            told.append(str(error) or type(error).__name__)
    return {"item": batch["item"], "error": told}


def _everywhere(left: Sequence[Part], settings: Settings, on: Ray) -> Iterator[Part]:
    """Score parts on workers of a cluster, as many at once; give each of them, in any order.

    Raises:
        ValueError: what a worker says no to; the others end what they have begun.
    """
    if not left:
        return
    data = library("ray.data")
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    with connected(on.address, on.count * on.share()), data.DataContext.current(context):
        # The parts lie in blocks: to read them would need a processor beside those of the workers.
        found = data.from_items([part.text() for part in left], override_num_blocks=len(left)).map_batches(
            score_parts,
            batch_size=1,
            compute=data.TaskPoolStrategy(size=on.count),
            fn_kwargs={"settings": replace(settings, threads=on.share())},
            num_cpus=on.share(),
        )
        for row in found.iter_rows():
            if row["error"]:
                raise ValueError(row["error"])
            yield Part.read(row["item"])


def _anomalies(out: Path, plan: Sequence[Part]) -> int | None:
    """Count the anomalies of a detector; None of another model."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    count = 0
    for part in plan:
        with pq.ParquetFile(out / part.name) as file:
            if "anomaly" not in file.schema_arrow.names:
                return None
            count += pc.sum(file.read(["anomaly"])["anomaly"]).as_py() or 0
    return count
