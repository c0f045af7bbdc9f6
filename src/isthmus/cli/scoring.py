"""``isthmus score`` of an anomaly detector: files of any size in blocks, or the strangest rows with their reasons."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import answers, remembered, rows
from isthmus.cli.options import Reading
from isthmus.cli.strangest import Strangest

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators import AnomalyDetector

SHOWN, ROW = 10, "row"


def score(
    detector: AnomalyDetector,
    data: str,
    out: Path | None,
    reading: Reading,
    *,
    per_column: bool,
    fdr: float | None,
    figures: Path | None = None,
) -> None:
    """Score the rows of a source, write or show what was found, and draw the strangest rows where that is asked for.

    Raises:
        ValueError: a share of false discoveries that is none, or a file that holds no text.
    """
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"--fdr {fdr:g} is no share; give a number between 0 and 1, as 0.05")
    refuse_wordless(out)
    strangest = None if figures is None else Strangest(detector, figures)
    if detector.window is None:
        reading = remembered.reading_for(detector, data, reading)
    scored = _scored(detector, data, reading, per_column)
    scored = scored if strangest is None else strangest.watch(scored)
    if out is None:
        kept, tally = _strangest(scored, fdr, detector)
        print(f"{tally.told(detector, fdr)}\n\n{_listed(kept, detector, per_column)}")
    else:
        tally = _write(detector, scored, out, fdr)
        print(f"{out}: {tally.told(detector, fdr)}")
    if strangest is not None:
        print(f"{strangest.draw()}: the strangest rows, and what adds to their scores")


def refuse_wordless(out: Path | None) -> None:
    """Refuse a file that holds no text.

    Raises:
        ValueError: always with the remedy.
    """
    if out is not None and out.suffix.lower() not in rows.ROW_NAMES:
        raise ValueError(
            f"{str(out)!r} cannot hold reasons, which are text; write a csv or Parquet file: -o scored.csv"
        )


class Tally:
    """What is remembered of all rows: their number, how many are anomalies, and with ``fdr`` a p-value each."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.rows, self.anomalies, self.known, self._p = 0, 0, 0, []  # type: ignore[var-annotated]

    def add(self, found: Any, block: Data, detector: AnomalyDetector, *, keep: bool) -> None:
        """Take note of a block."""
        from isthmus.estimators.scoring import admitted, known_among

        rows = block.arrow
        self.known += known_among(detector, lambda at: admitted(detector, rows.take(at)), len(block), self.rows)
        self.rows += found.num_rows
        self.anomalies += int(found["anomaly"].to_numpy().sum())
        self._p += [found["p_value"].to_numpy()] if keep else []

    def discoveries(self, fdr: float) -> Any:
        """Return, for every row, whether it is a discovery."""
        import numpy as np

        from isthmus.measures.conformal import benjamini_hochberg

        found = benjamini_hochberg(np.concatenate(self._p), fdr)
        self.anomalies = int(found.sum())
        return found

    def told(self, detector: AnomalyDetector, fdr: float | None) -> str:
        """Say how many rows are anomalies, and how many would be if all were normal."""
        many = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        share = f"{self.anomalies:,} {'anomaly' if self.anomalies == 1 else 'anomalies'}"
        share += f" ({100 * self.anomalies / self.rows:.3g} %)"
        if fdr is not None:
            return f"{many}, {share}{self._told_of_discoveries(detector, fdr)}"
        if detector.contamination in ("unknown", 0):
            expected = detector.alarm_rate * self.rows
            alarms = f"{expected:,.0f}" if expected >= 10 else f"{expected:.2g}"
            told = f"{many}, {share}; {alarms} false alarms would be expected if all rows were normal"
            return f"{told}{self._told_of_known(detector)}"
        return f"{many}, {share} above the threshold that {100 * detector.contamination:.3g} % of the fit's rows exceed"

    def _told_of_known(self, detector: AnomalyDetector) -> str:
        """Say where the rows are those of the fit, or begin with them, as a log that grows does."""
        from isthmus.estimators.scoring import rows_of_fit

        if not 0 < len(detector.known_) == self.known:
            return ""
        known = rows_of_fit(detector)
        these = "these are the rows" if self.rows <= known else f"the first {known:,} rows are those"
        return f"; {these} of the fit, which its members have seen: new ones may raise more"

    def _told_of_discoveries(self, detector: AnomalyDetector, fdr: float) -> str:
        """Say how many anomalies are false; where there are none, how many would have to be found together."""
        if self.anomalies:
            return f", of which {_false_ones(detector, fdr)}"
        calibration = sum(map(len, detector.calibration_))
        together = math.ceil(self.rows / (fdr * (calibration + 1)) - 1e-9)
        if together < 2:
            return ""
        few = f"with {calibration:,} calibration rows no p-value is below {1 / (calibration + 1):.2g}"
        return f"; {few}, so that only {together:,} or more could be found together: fit to more rows, or raise --fdr"


def _false_ones(detector: AnomalyDetector, fdr: float) -> str:
    """Say how many of some anomalies are false, and where that is no proven limit."""
    share = f"{100 * fdr:.3g} %"
    if not detector.reading_.by_row:
        return f"about {share} may be false: points of a series are like their neighbours, so that this is no limit"
    if len(detector.calibration_) > 1:
        return f"about {share} may be false: that no more are on average is proven for fits to 1,000 rows or more"
    return f"at most {share} are false on average"


def _scored(
    detector: AnomalyDetector, data: str, reading: Reading, per_column: bool
) -> Iterator[tuple[Any, int, Data]]:
    """Give every block's answers, the number of rows before it, and the block."""
    from isthmus.estimators import score_batches

    if detector.window is not None:
        yield _points(detector, data, reading, per_column)
        return

    def answer(block: Data) -> Any:
        return score_batches(detector, block.arrow, per_column=per_column)

    before = 0
    for found, block in answers.answered(data, reading, rows.types_of(detector), "scoring", answer):
        yield found, before, block
        before += len(block)


def _points(detector: AnomalyDetector, data: str, reading: Reading, per_column: bool) -> tuple[Any, int, Data]:
    """Return the answers to all points of a series, behind the time of each, where the file has it."""
    from isthmus.cli import timeline
    from isthmus.estimators.scoring import detected_points

    block = timeline.points(detector, data, reading)
    found, time = detected_points(detector, block.arrow, per_column=per_column), getattr(detector, "time_", None)
    if time in (block.names or ()):
        found = found.add_column(0, time, block.arrow[time])
    return found, 0, block


def _write(detector: AnomalyDetector, scored: Iterator[tuple[Any, int, Data]], out: Path, fdr: float | None) -> Tally:
    """Write every row's answers; with ``fdr`` in two turns, as which are discoveries depends on all rows."""
    tally = Tally()
    if fdr is None:
        answers.append(out, (_noted(found, block, out, tally, detector) for found, _, block in scored))
        return tally
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as beside:
        first = Path(beside) / "first.parquet"
        answers.append(first, (_noted(found, block, out, tally, detector, keep=True) for found, _, block in scored))
        answers.append(out, _marked(first, tally.discoveries(fdr)))
    return tally


def _noted(found: Any, block: Data, out: Path, tally: Tally, detector: AnomalyDetector, *, keep: bool = False) -> Any:
    """Return a block's answers as they are written, and take note of them."""
    tally.add(found, block, detector, keep=keep)
    return named_rows(found, block, out)


def named_rows(found: Any, block: Data, out: Path) -> Any:
    """Return answers behind the rows' own names and what the model does not read of them, numbers in seven digits."""
    return answers.with_names(answers.with_left_out(rows.shortened(found), block), block, out)


def _marked(first: Path, anomaly: Any) -> Iterator[Any]:
    """Give what was written in a first turn with other marks."""
    import pyarrow as pa

    from isthmus.data import parquetfiles

    done = 0
    with parquetfiles.parquet_file(first) as file:
        for batch in file.iter_batches():
            table = pa.Table.from_batches([batch])
            marks = pa.array(anomaly[done : done + len(batch)])
            done += len(batch)
            yield table.set_column(table.column_names.index("anomaly"), "anomaly", marks)


def _strangest(
    scored: Iterator[tuple[Any, int, Data]], fdr: float | None, detector: AnomalyDetector
) -> tuple[Any, Tally]:
    """Return the rows that score highest, best first, with their names, and what is remembered of all."""
    import pyarrow as pa

    kept: Any = None  # there is a row, or ``answered`` has said that there is none
    tally = Tally()
    for found, before, block in scored:
        tally.add(found, block, detector, keep=fdr is not None)
        names = [str(before + i + 1) for i in range(found.num_rows)]
        called = _called(found, block, getattr(detector, "time_", None))
        names = names if called is None else [f"{n} ({own})" for n, own in zip(names, called, strict=True)]
        found = found.add_column(0, ROW, pa.array(names)).add_column(
            1, "place", pa.array(range(before, before + len(names)))
        )
        kept = found if kept is None else pa.concat_tables([kept, found])
        kept = kept.sort_by([("score", "descending"), ("place", "ascending")]).slice(0, SHOWN)
    if fdr is not None:
        marks = tally.discoveries(fdr)[kept["place"].to_numpy()]
        kept = kept.set_column(kept.column_names.index("anomaly"), "anomaly", pa.array(marks))
    return kept, tally


def _called(found: Any, block: Data, time: str | None) -> Any:
    """Return what rows are called beside their numbers: their names, or the times of points; None for nothing."""
    if time is None or time not in found.column_names:
        return block.index
    from isthmus.explain.words import brief

    return map(brief, found[time].to_pylist())


def _listed(kept: Any, detector: AnomalyDetector, per_column: bool) -> str:
    """Write rows with their reasons for the eye."""
    from isthmus.estimators.scoring import ADDS, REASONS

    lines = []
    for row in kept.to_pylist():
        mark = ", anomaly" if row["anomaly"] else ""
        lines.append(f"{ROW} {row[ROW]}: score {row['score']:.3g}, p {row['p_value']:.2g}{mark}")
        lines += [f"  {reason}" for k in range(REASONS) if (reason := row[f"reason_{k + 1}"])]
        if per_column:
            adds = [f"{name} {row[ADDS + name]:.3g}" for name in detector.reading_.names]
            lines.append(f"  of each column: {', '.join(adds)}")
    return "\n".join(lines)
