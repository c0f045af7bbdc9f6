"""The commands that judge rows and models: score, evaluate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from isthmus.cli import answers, remembered, results, rows
from isthmus.cli.options import Flag, OnOutput, Reading, Said

if TYPE_CHECKING:
    from isthmus.data import Data


def score(
    model: Path,
    data: str,
    /,
    *,
    out: OnOutput = None,
    per_column: Flag = False,
    fdr: Annotated[float | None, Parameter(show_default=False)] = None,
    figures: Annotated[Path | None, Parameter(show_default=False)] = None,
    ray: Said = None,
    devices: Annotated[int | None, Parameter(show_default=False)] = None,
    reading: Reading = Reading(),  # noqa: B008
) -> None:
    """Say how strange each row of DATA is; of a model that predicts, what it predicts.

    An anomaly detector (isthmus fit --task anomaly) gives each row a score (high is strange), a p-value, whether it is
    an anomaly, and three reasons; csv and Parquet files of any size are read and written in blocks. Without --out the
    ten strangest rows are shown with their reasons.

    A self-explaining model (isthmus fit --task classify or regress) gives each row its prediction, of classes the
    probability, and the three concepts that add most; also in blocks. Without --out the first ten rows are shown.

    Any other model gives the log-likelihood of each row given its code: the lower, the stranger.

    Where --out is a folder (a name without ending), DATA is a Parquet file, a folder of these or a pattern, and is
    scored in parts, also by workers of a Ray cluster. Where that was interrupted, the same command goes on.

    In a csv or Parquet file the columns that --drop or the fit left out, such as the number of an order, stand before
    each row's answers, so that rows can be found again; one that is called as an answer is not written.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit.
        out: csv, Parquet, npy or npz file (of a detector or of a model that predicts: csv or Parquet), or a folder for
            parts; where not given, the standard output.
        per_column: add what each column contributes: to a detector's score, or -log p(column given the code), in nats;
            of a model that predicts, what each concept adds.
        fdr: call rows of DATA anomalies so that at most this share of them is false, by Benjamini and Hochberg's
            procedure, instead of by the detector's threshold.
        figures: folder where a detector draws the strangest rows with what adds to their scores (contributions.png):
            pictures with a heat map of where they are odd, rows of a table with bars.
        ray: address of a Ray cluster that scores: auto for the one this machine belongs to, local for one that is
            started on this machine, or HOST:PORT. All its machines see the model, DATA and --out.
        devices: workers of the cluster that score at once; 2 where not given.
        reading: how DATA is read.
    """
    from isthmus.cli import spreading
    from isthmus.estimators import AnomalyDetector

    answers.refuse_own(out, data)
    folder = spreading.folder_for(data, out, ray, devices, fdr)
    if folder is not None:
        if figures is not None:
            raise ValueError(
                "--figures draws rows of all DATA, which parts have apart; leave it out, or write one file"
            )
        return spreading.score(model, data, folder, reading, per_column=per_column, ray=ray, devices=devices)
    fitted = rows.fitted_at(model)
    if isinstance(fitted, AnomalyDetector):
        from isthmus.cli import scoring

        return scoring.score(fitted, data, out, reading, per_column=per_column, fdr=fdr, figures=figures)
    if figures is not None:
        raise ValueError(f"--figures draws why rows are odd, which {model} does not tell: it is no anomaly detector")
    if rows.predicts(fitted) and fdr is None:
        from isthmus.cli import explaining

        return explaining.score(fitted, data, out, reading, per_column=per_column)
    if fdr is not None:
        raise ValueError(f"--fdr needs p-values, which {model} has none of; fit a detector: isthmus fit --task anomaly")
    _likely(fitted, data, out, reading, per_column=per_column)


def _likely(fitted: Any, data: str, out: Path | None, reading: Reading, *, per_column: bool) -> None:
    """Write the log-likelihood of every row, and of each column of it on request."""
    import numpy as np

    def answer(block: Data) -> Any:
        found = [fitted.score_samples(block.rows)[:, None]]
        return np.column_stack([*found, fitted.feature_errors(block.rows)] if per_column else found)

    reading = remembered.reading_for(fitted, data, reading)
    scored = answers.answered(data, reading, rows.types_of(fitted), "scoring", answer)
    table, first = next(scored)
    names = ["score", *(f"nats_{name}" for name in (first.names or range(table.shape[1] - 1))[: table.shape[1] - 1])]
    scored = chain([(table, first)], scored)
    if out is None:
        for i, (table, _) in enumerate(scored):
            header = "" if i else ",".join(names)
            np.savetxt(sys.stdout, table, fmt="%.7g", delimiter=",", header=header, comments="")
        return
    sums: list[float] = []
    tabular = out.suffix.lower() in rows.ROW_NAMES

    def summed() -> Iterator[tuple[Any, Data]]:
        for table, block in scored:
            sums.append(float(table[:, 0].sum()))
            yield answers.with_left_out(answers.tabular(table, names), block) if tabular else table, block

    count = answers.write(out, summed(), names)
    print(f"{out}: {count} rows, mean score {sum(sums) / count:.6g} nats")


def evaluate(
    model: Path,
    data: str,
    /,
    *,
    draws: int = 0,
    train: Said = None,
    refits: int = 0,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    reading: Reading = Reading(),  # noqa: B008
) -> None:
    """Measure the model on DATA: errors beside PCA's (of a table, column by column), likelihood, and what that means.

    Of a self-explaining model: its audit on rows that the fit has not seen, with their labels: baselines, what is left
    of the score without concepts, faithfulness, stability, and a verdict.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit.
        draws: codes drawn per row for an estimate of -log p(x), where codes have a density; 200 is usual.
        train: of a self-explaining model, rows of the fit, which baselines are fitted to; a half of DATA if not given.
        refits: of a self-explaining model, how many times it is fitted anew, to see whether other seeds find the same
            concepts, and what the same net reaches without explaining.
        json_file: write the numbers there too.
        reading: how DATA is read.
    """
    whole = rows.fitted_at(model)
    if rows.predicts(whole):
        from isthmus.cli import explaining

        if draws:
            raise ValueError("--draws is for the likelihood of autoencoders, and the model predicts; leave it out")
        return explaining.evaluate(whole, data, reading, train, refits, json_file)
    if train is not None or refits:
        raise ValueError(f"--train and --refits are for self-explaining models; {model} holds {rows.described(whole)}")
    fitted, types = rows.autoencoder_of(whole, model), rows.types_of(whole)
    reading = remembered.reading_for(whole, data, reading)
    streamed = rows.opened(data, reading, asked=False, table=types is not None)
    given = rows.read(data, reading, types=types) if streamed is None else rows.sampled(streamed)
    if streamed is not None:
        print(f"On {len(given):,} of {len(streamed):,} rows, drawn at random:")
    found = fitted.evaluate(given.rows, draws=draws, bytes_per_row=given.bytes_per_row)
    if json_file is not None:
        results.write_json(json_file, found.to_dict())
    print(found)
