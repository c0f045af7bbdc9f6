"""``isthmus tune``: search the settings of an autoencoder, and save the best one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from isthmus.cli import remembered, rows
from isthmus.cli.options import Flag, Folder, Parts, Reading, Repeated, Training

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def tune(
    data: str,
    *,
    out: Folder,
    trials: int = 50,
    search: Repeated = (),
    study: Path | None = None,
    held_out: float = 0.2,
    recipe: str = "plain",
    units: str | None = None,
    shape: str | None = None,
    schema: Repeated = (),
    scaling: Literal["auto", "none", "common", "standard"] | None = None,
    seed: int = 0,
    quiet: Flag = False,
    config: Path | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
    parts: Parts = Parts(),  # noqa: B008
    training: Training = Training(),  # noqa: B008
) -> int:
    """Search settings of an autoencoder by the likelihood of rows held out, fit the best ones to DATA, and save them.

    Where no --search is given, the depth and width of dense nets, the learning rate, and strengths of the corruption
    and of penalties are searched. Units are not: a wider code always reconstructs better, so give --units, auto to
    measure the dimension of the data, or search them on purpose.

    With --study a search that was killed goes on where it was, by the same command; --trials counts all of them.

    Args:
        data: a csv, Parquet, npy, npz or idx file, a folder of images or idx files, or digits, mnist, fashion-mnist.
        out: folder for the best model.
        trials: how many settings are tried in the end.
        search: what is searched, as units=2:64:log, learning_rate=1e-4:1e-2:log, architecture__dropout=0:0.5,
            scaling=common|standard or bottleneck=top_k:k=4|8|16,undercomplete; may be repeated.
        study: SQLite file that keeps the trials.
        held_out: share of the rows that trials are compared by.
        recipe: where the parts start from (isthmus parts recipe).
        units: numbers per code, or auto.
        shape: shape of a row for pictures in tables, CHANNELSxHEIGHTxWIDTH.
        schema: kind of a column, as city=category; may be repeated.
        scaling: how numbers are scaled for the model.
        seed: of everything that is drawn.
        quiet: print nothing but mistakes.
        config: TOML file with options.
        reading: how DATA is read.
        parts: what the recipe's parts are replaced with.
        training: what the recipe's trainer is changed to.
    """
    del config  # read by ConfigFile
    from isthmus.cli import composing
    from isthmus.persistence import refuse_unusable
    from isthmus.tuning import tune as found_by
    from isthmus.tuning.space import parsed

    refuse_unusable(out)
    space = parsed(search) or None
    made = composing.Made(recipe, parts, training, units, seed, shape, scaling, schema)
    model = composing.compose(made)
    X = rows.read(data, reading, types=composing.text_columns(made.kinds), quiet=quiet).rows
    settings: dict[str, Any] = {"trials": trials, "held_out": held_out, "study": study, "random_state": seed}
    found = found_by(model, X, space, **settings, callback=None if quiet else said)
    assert found.estimator is not None  # it was asked for
    remembered.remember(found.estimator, reading)
    found.estimator.save(out)
    if not quiet:
        print(found)
        print(f"{'model':9} {out}: held-out loss {found.loss:.6g} nats per row in its trial, fitted to all rows since")
    if found.interrupted:
        from isthmus.cli.app import INTERRUPTED, complain

        return complain(f"interrupted; {out} holds the best model so far", INTERRUPTED)
    return 0


def said(trial: FrozenTrial, best: float) -> None:
    """Tell of a trial in a line."""
    from isthmus.tuning.search import told
    from isthmus.tuning.study import REASON

    how = {"COMPLETE": f"{trial.value:.6g}" if trial.value is not None else "", "PRUNED": "pruned"}
    ended = how.get(trial.state.name, f"refused, {trial.user_attrs.get(REASON)}")
    print(f"trial {trial.number}: {ended} (best {best:.6g}), {told(trial.params)}", file=sys.stderr)
