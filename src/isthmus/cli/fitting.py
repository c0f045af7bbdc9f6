"""``isthmus fit``: data in; a saved model, figures and a summary out."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isthmus.cli import remembered, results, rows
from isthmus.cli.options import Explaining, Flag, Folder, Parts, Reading, Repeated, Said, Training

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators import Autoencoder


def fit(
    data: str,
    *,
    out: Folder,
    task: Literal["autoencoder", "anomaly", "classify", "regress"] = "autoencoder",
    contamination: Said = None,
    alarm_rate: Annotated[float | None, Parameter(show_default=False)] = None,
    members: Annotated[int | None, Parameter(show_default=False)] = None,
    window: Annotated[int | None, Parameter(show_default=False)] = None,
    recipe: str = "plain",
    units: str | None = None,
    shape: str | None = None,
    schema: Repeated = (),
    scaling: Literal["auto", "none", "common", "standard"] | None = None,
    seed: int = 0,
    test: Said = None,
    figures: Path | None = None,
    devices: Annotated[int | None, Parameter(show_default=False)] = None,
    ray: Said = None,
    storage: Annotated[Path | None, Parameter(show_default=False)] = None,
    checkpoint: Path | None = None,
    stream: Flag = False,
    quiet: Flag = False,
    config: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
    parts: Parts = Parts(),  # noqa: B008
    training: Training = Training(),  # noqa: B008
    explaining: Explaining = Explaining(),  # noqa: B008
) -> int:
    """Train an autoencoder on DATA, or what is made of some: an anomaly detector, a model that predicts; and save it.

    Every option may also stand in the environment (ISTHMUS_FIT_EPOCHS=20) or in a TOML file (epochs = 20, and a part
    as a table, [bottleneck] with type = "top_k", k = 8). Flags win over the environment, which wins over the file.

    A csv or Parquet file may hold text, dates, truth values and missing cells beside numbers: every column is then
    modelled by its kind, and comes back in its own type.

    Args:
        data: a csv, Parquet, npy, npz or idx file, a folder of images, idx or Parquet files, an array of zarr, a
            pattern of files (``rows/*.parquet``), a URL (s3://bucket/rows), or digits, mnist, fashion-mnist.
        out: folder for the model; an older model there is replaced once the new one is complete.
        task: autoencoder, or anomaly for a detector of rows unlike those of DATA (isthmus score). A detector chooses
            its own parts but for the architecture. classify or regress for a self-explaining model of --target, whose
            concepts are the units of an autoencoder (isthmus explain), and which is audited.
        contamination: of a detector, how many rows of DATA may be anomalies: unknown (the default), 0 where all are
            normal, or their share, as 0.05, which is then the share of them that it names.
        alarm_rate: of a detector, the rate of false alarms on normal rows; 0.05 where not given.
        members: of a detector, the number of its autoencoders; 5 for fewer than 1,000 rows, which calibrate crosswise
            and need 2 or more, else 3 where not given.
        window: of a detector of a series, whose rows are points in order of time: how many are read at once, as 64. A
            column of dates is the axis of time, and is no feature. Every point is then scored by those around it.
        recipe: where the parts start from (isthmus parts recipe).
        units: numbers per code, or auto to measure the dimension of the data; 32 if not given, fewer for narrow data.
        shape: shape of a row for pictures in tables, CHANNELSxHEIGHTxWIDTH.
        schema: kind of a column, as city=category, visits=count, income=number:scale=log (isthmus parts column), where
            the rows do not tell; may be repeated. auto makes a table of complete numbers too. In TOML [schema] with
            income = "number:scale=log".
        scaling: how numbers are scaled for the model: not at all, all by one number, or each column by its own.
        seed: of initial weights, held-out rows, order and noise.
        test: rows to measure the model on; the test part of mnist and fashion-mnist, else DATA itself. Where the task
            is classify or regress and none are given, a fifth of DATA, 10,000 rows at most, is held out of the fit.
        figures: folder for figures (PNG) and the summary (summary.txt, summary.json; of a detector summary.txt alone).
        devices: processes on this machine that train together, each with a share of every batch.
        ray: address of a Ray cluster whose workers train instead, --devices of them (2 where not given): auto for the
            one this machine belongs to, local for one that is started on this machine, or HOST:PORT.
        storage: folder that all machines of that cluster see, for checkpoints.
        checkpoint: file to write checkpoints to; where it exists, training goes on from it.
        stream: read DATA, npy, Parquet or zarr, in blocks while training; so it is by itself where it would
            fill a quarter of memory. Figures and measures are then those of some of its rows.
        quiet: print nothing but mistakes.
        config: TOML file with options.
        reading: how DATA is read.
        parts: what the recipe's parts are replaced with.
        training: what the recipe's trainer is changed to.
        explaining: how a self-explaining model predicts.
    """
    from isthmus.cli import composing, spreading
    from isthmus.persistence import refuse_unusable

    del config  # read by ConfigFile
    refuse_unusable(out)
    detected = (contamination, alarm_rate, members, window)
    workers = spreading.workers(ray, devices, storage)
    refuse_for(task, detected, workers)
    made = composing.Made(recipe, parts, training, units, seed, shape, scaling, schema)
    if task in ("classify", "regress"):
        from isthmus.cli import predicting

        predicting.refuse_foreign(checkpoint, stream)
        return predicting.fit(data, out, task, explaining, made, test, figures, reading, quiet=quiet)
    refuse_targets(explaining)
    if task == "anomaly":
        from isthmus.cli import detecting

        detecting.refuse_foreign(recipe, units, scaling, test, checkpoint, stream, parts)
        asked = detecting.Asked(*detected, schema, shape, seed, parts.architecture, training)
        return detecting.fit(data, out, asked, figures, reading, quiet=quiet)
    model, kinds = composing.compose(made), made.kinds
    opened = rows.opened(data, reading, asked=stream, table=kinds is not None)
    types = composing.text_columns(kinds)
    given = rows.read(data, reading, types=types, quiet=quiet, colours=True) if opened is None else rows.sampled(opened)
    rows_of_fit = given.rows if opened is None else opened
    if not _trained(model, rows_of_fit, out, checkpoint, workers, reading, quiet=quiet):
        return results.interrupted(out)
    measured, claim = _measured(model, data, given, test, reading, quiet)
    text, tell = summary(model, measured, claim, figures, data), results.teller(quiet=quiet)
    if figures is not None:
        _draw(model, measured, figures, tell)
    tell(text)
    return 0


def refuse_for(task: str, detected: tuple[Any, ...], workers: Any) -> None:
    """Refuse options that belong to another task.

    Raises:
        ValueError: with these options.
    """
    if task != "anomaly" and any(option is not None for option in detected):
        raise ValueError(
            "--contamination, --alarm-rate, --members and --window are for anomaly detectors; add --task anomaly"
        )
    if task != "autoencoder" and workers is not None:
        culprit = "--devices" if isinstance(workers, int) else "--ray"
        raise ValueError(f"{culprit}: not for --task {task}; leave it out, or fit an autoencoder")


def refuse_targets(explaining: Explaining) -> None:
    """Refuse options that say how something is predicted, where nothing is.

    Raises:
        ValueError: with these options.
    """
    given = [f"--{f.name}" for f in fields(Explaining) if getattr(explaining, f.name) != f.default]
    if given:
        raise ValueError(f"{', '.join(given)}: for models that predict; add --task classify or --task regress")


def _trained(
    model: Autoencoder, X: Any, out: Path, checkpoint: Path | None, workers: Any, reading: Reading, *, quiet: bool
) -> bool:
    """Fit and save a model; say whether nobody interrupted it."""
    from isthmus.cli.progress import Watch, callbacks

    # Workers of a cluster have no terminal.
    watch, began, far = Watch(), time.monotonic(), not isinstance(workers, int | None)
    model.fit(X, checkpoint=checkpoint, callbacks=callbacks(watch, quiet=quiet, plain=far), devices=workers)
    seconds = time.monotonic() - began
    remembered.remember(model, reading)
    model.save(out)
    tell = results.teller(quiet=quiet)
    tell(f"{'model':9} {out} ({_bytes(out)}), {len(model.history_)} epochs in {seconds:.3g} s")
    return not watch.interrupted


def _bytes(folder: Path) -> str:
    return ", ".join(f"{path.name} {path.stat().st_size / 1024:,.0f} kB" for path in sorted(folder.iterdir()))


def _measured(
    model: Autoencoder, data: str, given: Data, test: str | None, reading: Reading, quiet: bool
) -> tuple[Data, str]:
    """Return the rows to measure the model on, and what they are to it."""
    from isthmus.data.datasets import COLLECTIONS

    name, _, part = data.partition(":")
    if test is None and name in COLLECTIONS and part in ("", "train"):
        test, reading = f"{name}:test", Reading()
    if test is None:
        return (
            given,
            f"On {len(given):,} rows of {data}, most of which it was trained on (--test DATA measures it on others)",
        )
    own = remembered.reading_for(model, test, replace(reading, limit=None, drop=()))
    found = rows.read(test, own, types=rows.types_of(model), quiet=quiet, colours=True)
    return found, f"On the rows of {test}, which it has not seen"


def summary(model: Autoencoder, measured: Data, claim: str, folder: Path | None, data: str) -> str:
    """Measure the model, say what was found, and write it beside the figures."""
    found = model.evaluate(measured.rows, bytes_per_row=measured.bytes_per_row)
    text = f"{model.parts_}\n\n{claim}:\n{found}"
    if folder is not None:
        about = {"data": data, "measured_on": measured.source, "model": str(model.parts_)}
        results.write_summary(folder, text, about | found.to_dict())
    return text


def _draw(model: Autoencoder, measured: Data, folder: Path, tell: Any) -> None:
    results.without_screen()
    from isthmus.displays import figures

    drawn = figures(model, measured.rows, folder, y=measured.y)
    tell(f"{'figures':9} {folder} ({', '.join(path.name for path in drawn)})")
    if model.form_.table is not None:
        tell(f"{'':9} figures of single rows and units are for numbers and pictures, and left out for a table")
    tell(f"{'summary':9} {folder / 'summary.txt'}, {folder / 'summary.json'}\n")
