"""A study that can be killed and gone on with: Optuna's, in memory or in a SQLite file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.importing import unnoticed

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

NAME, MARKS, REASON = "isthmus", "isthmus", "reason"
# Trials before any is pruned, and the share of the epochs that each may take before.
PATIENT, GRACE = 4, 0.1


@contextmanager
def silent() -> Iterator[None]:
    """Keep Optuna's own log to its warnings, and the standard library's generator as it was.

    Raises:
        ImportError: the extra ``isthmus[tune]`` is not installed.
    """
    with unnoticed():
        try:
            import optuna
        except ImportError:
            raise ImportError("tuning needs optuna; pip install 'isthmus[tune]'") from None

        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


@contextmanager
def stored(path: str | Path | None) -> Iterator[None]:
    """Name the file of a study where it cannot be read or written: locked, without a right to write, damaged, full.

    Raises:
        ValueError: so it is.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, sqlite3.Error) as error:
        # Optuna says only that something went wrong, and why stands in the error before.
        cause: BaseException = error
        while not isinstance(cause, sqlite3.Error) and (before := cause.__cause__ or cause.__context__) is not None:
            cause = before
        reason = str(cause).splitlines()[0].rstrip(".")
        raise ValueError(
            f"cannot read or write the study {path}: {reason}; end what else uses it, see that it may be written, or "
            "give another file"
        ) from error


def opened(path: str | Path | None, marks: dict[str, Any], epochs: int) -> Study:
    """Return a new study, or that in a file, whose trials that were cut off are told as such.

    Raises:
        ValueError: a file that is no study, or one of another search.
    """
    import optuna

    pruner = optuna.pruners.MedianPruner(n_startup_trials=PATIENT, n_warmup_steps=max(1, round(GRACE * epochs)))
    storage = None if path is None else _storage(Path(path))
    study = optuna.create_study(storage=storage, study_name=NAME, pruner=pruner, load_if_exists=True)
    told = study.user_attrs.get(MARKS)
    if told is None:
        study.set_user_attr(MARKS, marks)
    elif told != json.loads(json.dumps(marks)):
        other = next(name for name in marks if told.get(name) != json.loads(json.dumps(marks[name])))
        raise ValueError(
            f"{path} holds a search with another {other}; give it what it began with, or another file to --study"
        )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _storage(path: Path) -> Any:
    """Return what keeps a study in a file.

    Raises:
        ValueError: a folder that is not there, or a file of something else.
    """
    from optuna.storages import RDBStorage

    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the study; make it, or give another file")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                raise ValueError(f"{path} is no study: it is not an SQLite file; give another file")
        if (tables := _tables(path)) and "studies" not in tables:
            raise ValueError(f"{path} is no study: it has tables of another program ({tables[0]}); give another file")
    return RDBStorage(f"sqlite:///{path}")


def _tables(path: Path) -> list[str]:
    """Return the names of the tables of an SQLite file, which is left as it is."""
    with closing(sqlite3.connect(path)) as there:
        found = there.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return sorted(name for (name,) in found)


def begun(study: Study, seed: int) -> Trial:
    """Begin a trial, of which all that is drawn depends on the seed and on the trials before it that ended."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=(seed + 7919 * len(ended(study))) % 2**32)
    return study.ask()


def ended(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended by themselves; those that failed for no reason were cut off."""
    told = study.get_trials(deepcopy=False)
    return [trial for trial in told if trial.state.name in ("COMPLETE", "PRUNED") or REASON in trial.user_attrs]


def complete(study: Study) -> list[FrozenTrial]:
    """Return the trials that were neither pruned nor refused, the best first."""
    from optuna.trial import TrialState

    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(found, key=lambda trial: (trial.value, trial.number))


def importances(study: Study) -> dict[str, float]:
    """Return which settings made a difference, as shares that sum to 1; none where too few trials tell."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len(complete(study)) < PATIENT:
        return {}
    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):  # no setting is in all trials, or all trials are alike
        return {}
    return {name: float(share) for name, share in found.items()}


def digest(X: Any) -> str:
    """Return a fingerprint of rows."""
    if isinstance(X, np.ndarray):
        content = np.ascontiguousarray(X)
        return hashlib.sha256(str((content.shape, content.dtype)).encode() + content.tobytes()).hexdigest()[:16]
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    table = nw.from_native(X, eager_only=True).to_arrow().combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None))
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]
