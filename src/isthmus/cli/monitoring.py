"""``isthmus monitor``: rows that came after a fit, compared with those of the fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isthmus.cli import remembered, rows
from isthmus.cli.options import Reading, Repeated

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators.monitor import Monitor

DRIFT = 1


def monitor(
    model: Path,
    data: str,
    /,
    *,
    state: Path | None = None,
    alpha: Annotated[float | None, Parameter(show_default=False)] = None,
    reference: str | None = None,
    ignore: Repeated = (),
    format: Literal["text", "json"] = "text",
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> int:
    """Say whether the rows of DATA are still like those of the fit, and which column has moved since when.

    The exit code is 0 where nothing has moved, 1 where something has, and 2 for a mistake. Rows are read in the order
    in which they came; a file that is sorted by a column has moved in it.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit.
        state: file that holds what was seen before, if it is there, and is written anew: rows of today go on where
            those of yesterday ended.
        alpha: chance of a false alarm, ever; 0.01 if not given, or that of --state.
        reference: rows to compare with instead of the fit's, which the model was not fitted to.
        ignore: column that may move, as a date does; may be repeated.
        format: text, or one object of JSON.
        reading: how DATA is read.
    """
    fitted = rows.fitted_at(model)
    watch = begun(fitted, state, alpha, reference, ignore, reading)
    for X in compared(fitted, data, reading):
        watch.update(X)
    if state is not None:
        watch.save(state)
    found = watch.report
    print(json.dumps(found.to_dict()) if format == "json" else found.text)
    return DRIFT if found else 0


def begun(
    fitted: Any,
    state: Path | None,
    alpha: float | None,
    reference: str | None,
    ignore: tuple[str, ...],
    reading: Reading,
) -> Monitor:
    """Return a monitor that has seen what the state holds.

    Raises:
        ValueError: a state of another model, or with another chance of false alarms.
    """
    from isthmus.estimators.monitor import Monitor

    given = None
    if reference is not None:
        blocks = list(compared(fitted, reference, replace(reading, limit=None)))
        given = blocks[0] if len(blocks) == 1 else together(blocks)
    if state is None or not state.exists():
        return Monitor(fitted, alpha=0.01 if alpha is None else alpha, reference=given, ignore=ignore)
    found = Monitor.resume(fitted, state, reference=given, ignore=ignore)
    if alpha is not None and alpha != found.watch.alpha:
        remedy = "leave --alpha out, or begin with another file"
        raise ValueError(f"{state} was begun with --alpha {found.watch.alpha:g}, not {alpha:g}; {remedy}")
    return found


def compared(fitted: Any, data: str, reading: Reading) -> Any:
    """Give the rows of a source as the model takes them, in blocks."""
    from functools import partial

    from isthmus.cli.answers import answered

    known, asked = rows.types_of(fitted), remembered.reading_for(fitted, data, reading)
    for found, _ in answered(data, asked, known, "comparing", partial(taken, fitted)):
        yield found


def taken(fitted: Any, block: Data) -> Any:
    """Return a block as the model takes it: its columns by name, or by place where the fit had no names."""
    import numpy as np

    from isthmus.estimators.scoring import admitted, plain

    if isinstance(block.rows, np.ndarray) and plain(fitted) and not hasattr(fitted, "feature_names_in_"):
        return block.rows
    return admitted(fitted, block.arrow)


def together(blocks: list[Any]) -> Any:
    """Return blocks as one."""
    import numpy as np
    import pyarrow as pa

    return np.concatenate(blocks) if isinstance(blocks[0], np.ndarray) else pa.concat_tables(blocks)
