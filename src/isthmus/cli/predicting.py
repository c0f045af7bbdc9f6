"""``isthmus fit --task classify`` or ``regress``: data in; a saved self-explaining model, its audit and figures out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import composing, remembered, results, rows
from isthmus.cli.composing import Made
from isthmus.cli.options import Explaining, Reading

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators.audit import Audit
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

SHARE, MOST = 0.2, 10_000
"""Share of the rows that is held out of the fit for the audit, and how many at most."""
SHOWN = 3
"""Explanations that are printed."""


def refuse_foreign(checkpoint: Path | None, stream: bool) -> None:
    """Refuse options that such a fit does not know.

    Raises:
        ValueError: always with the options.
    """
    wrong = [name for name, there in {"--checkpoint": checkpoint is not None, "--stream": stream}.items() if there]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: not for models that predict; leave out, or fit an autoencoder")


def fit(
    data: str,
    out: Path,
    task: str,
    explaining: Explaining,
    made: Made,
    test: str | None,
    figures: Path | None,
    reading: Reading,
    *,
    quiet: bool,
) -> int:
    """Fit a model that predicts, save it, and say how far it can be trusted."""
    from isthmus.estimators.self_explaining_base import settings_of

    reading, types = with_target(reading, explaining.target), composing.text_columns(made.kinds)
    model = model_of(task, explaining, made)
    settings_of(model)  # a mistake is told before anything is fitted
    read = partial(rows.read, types=types, quiet=quiet)
    given = read(data, reading)
    refuse_targets(given, task, explaining)
    others = None if test is None else read(test, replace(reading, limit=None))
    learnt, held, numbers = divided(given, task, made.seed) if others is None else (given, *numbered(others))
    began = time.monotonic()
    model, interrupted = fitted(model, made, learnt, quiet=quiet)
    seconds = time.monotonic() - began
    model.known_ = in_source(model.known_, len(given), numbers if test is None else ())
    model.target_name_ = reading.label if reading.label in remembered.columns(data) else None
    remembered.remember(model, reading)
    model.save(out)
    if interrupted:
        return results.interrupted(out)
    audit = model.audit(held.rows, held.y, train=(learnt.rows, learnt.y))
    text = f"{summary(model, audit, learnt, held, seconds, kept=test is None)}\n{examples(model, held, numbers)}"
    tell = results.teller(quiet=quiet)
    tell(f"{'model':10} {out} ({sum(file.stat().st_size for file in out.iterdir()) / 1024:,.0f} kB)\n{text}")
    if figures is not None:
        draw(model, audit, held, numbers, figures, text, tell)
    tell(f"{'next':10} isthmus explain {out} {test or data} --row 1")
    return 0


def with_target(reading: Reading, target: str | None) -> Reading:
    """Return how data are read whose labels are the target.

    Raises:
        ValueError: labels were named too, as something else.
    """
    if target is not None and reading.label not in (None, target):
        raise ValueError(f"--label {reading.label} and --target {target} name two columns; leave --label out")
    return reading if target is None else replace(reading, label=target)


def refuse_targets(given: Data, task: str, explaining: Explaining) -> None:
    """Refuse rows without a target, and targets that the task cannot predict.

    Raises:
        ValueError: always with the remedy.
    """
    import numpy as np

    source, y, name = given.source, given.y, explaining.target or "label"
    if y is None:
        names = ", ".join((given.names or ())[-3:])
        hint = f" (as {names})" if names else ""
        raise ValueError(f"{source!r} has no labels to predict; name the column to predict{hint}: --target COLUMN")
    number = y.dtype.kind in "biuf"
    if number and np.isnan(y.astype(float)).any():
        row = int(np.isnan(y.astype(float)).argmax()) + 1
        raise ValueError(
            f"{source!r} has no number in row {row} of the target {name!r}; fill in or leave out such rows"
        )
    if task == "classify":
        if y.dtype.kind == "f" and (y != np.round(y)).any():
            count = f"{len(np.unique(y)):,} different numbers"
            raise ValueError(f"{source!r}: the target {name!r} has {count}, not classes; predict it by --task regress")
        if len(np.unique(y)) == 1:
            raise ValueError(f"{source!r}: the target {name!r} has one class only, {str(y[0])!r}; give two or more")
        return
    if not number:
        text = f"text ({str(y[0])!r} in row 1), not numbers"
        raise ValueError(f"{source!r}: the target {name!r} is {text}; predict it by --task classify")
    if explaining.balanced:
        raise ValueError("--balanced weighs classes, and --task regress has none; leave it out")


def divided(given: Data, task: str, seed: int) -> tuple[Data, Data, list[int]]:
    """Return rows for the fit, rows for the audit, of every class a share, and the numbers of these from 1 up.

    Raises:
        ValueError: too little is left for the audit.
    """
    import numpy as np

    labels = np.asarray(given.y) if task == "classify" else np.zeros(len(given))
    order = np.random.default_rng(seed).permutation(len(given))
    share = min(SHARE, MOST / len(given))
    of_each = [order[labels[order] == label] for label in np.unique(labels)]
    held = np.sort(np.concatenate([of_it[: int(share * len(of_it))] for of_it in of_each]))
    if len(held) < 2:
        few = f"{len(given)} rows" + (f" in {len(of_each)} classes" if task == "classify" else "")
        raise ValueError(f"{given.source!r}: of {few} no two can be kept for the audit; give others: --test DATA")
    return rows.some(given, np.setdiff1d(order, held)), rows.some(given, held), (held + 1).tolist()


def numbered(held: Data) -> tuple[Data, list[int]]:
    """Return rows for the audit that come by themselves, and their numbers from 1 up.

    Raises:
        ValueError: too few for a score.
    """
    if len(held) < 2:
        raise ValueError(f"{held.source!r} has {len(held)} rows, and an audit needs 2 or more; give more by --test")
    return held, list(range(1, len(held) + 1))


def in_source(known: Any, total: int, held: Sequence[int]) -> Any:
    """Return which rows of a source rows of the fit are, where others, numbered from 1 up, were held out."""
    import numpy as np

    return np.delete(np.arange(total), np.asarray(held, dtype=int) - 1)[known]


def fitted(model: Any, made: Made, learnt: Data, *, quiet: bool) -> tuple[SelfExplainingEstimator, bool]:
    """Fit the autoencoder, then everything; say whether somebody interrupted that.

    Raises:
        KeyboardInterrupt: while the autoencoder was fitted.
    """
    from isthmus.cli.progress import Watch, callbacks
    from isthmus.estimators.self_explaining_base import autoencoder_for

    autoencoder = composing.compose(made)
    if (made.scaling, made.shape, made.kinds) == (None, None, None):
        # The estimator's own choice: columns of numbers in their standard deviations.
        autoencoder.set_params(scaling=autoencoder_for(learnt.rows).scaling)
    first, watch = Watch(), Watch()
    autoencoder.fit(learnt.rows, callbacks=callbacks(first, quiet=quiet))
    if first.interrupted:
        raise KeyboardInterrupt
    model.set_params(autoencoder=autoencoder)
    model.fit(learnt.rows, learnt.y, callbacks=callbacks(watch, quiet=quiet))
    return model, watch.interrupted


def model_of(task: str, explaining: Explaining, made: Made) -> Any:
    """Return the estimator without its autoencoder."""
    from isthmus.estimators import SelfExplainingClassifier, SelfExplainingRegressor
    from isthmus.training.trainer import Trainer

    asked = {name: getattr(explaining, name) for name in ("reads", "robustness", "conciseness", "fidelity")}
    # Layers are pretrained in the autoencoder, before.
    trainer = composing.trainer(Trainer(), replace(made.training, pretraining=None))
    settings = {name: value for name, value in asked.items() if value is not None}
    settings |= {"frozen": explaining.frozen, "trainer": trainer, "random_state": made.seed}
    if task == "regress":
        return SelfExplainingRegressor(**settings)
    return SelfExplainingClassifier(class_weight="balanced" if explaining.balanced else None, **settings)


def summary(
    model: SelfExplainingEstimator, audit: Audit, learnt: Data, held: Data, seconds: float, *, kept: bool
) -> str:
    """Say what a model was fitted to, what it is, and how far it can be trusted."""
    classes = getattr(model, "classes_", None)
    what = f"{len(classes)} classes ({some_of(classes)})" if classes is not None else "numbers"
    of = "held out of the fit" if kept else f"of {held.source}"
    lines = {
        "rows": f"{len(learnt):,} of {learnt.source}",
        "target": f"{model.target_name_ or 'label'}, {what}",
        "concepts": f"{model.n_concepts_}, {model.parts_}",
        "relevances": f"{model.task_.architecture!r} of the {model.reads}, robustness {model.robustness:g}",
        "time": f"{seconds:.3g} s",
    }
    head = "\n".join(f"{name:10} {line}" for name, line in lines.items())
    return f"{head}\n\nOn {len(held):,} rows {of}:\n{audit}\n"


def examples(model: SelfExplainingEstimator, held: Data, numbers: Sequence[int]) -> str:
    """Explain the first few rows of those held out."""
    from isthmus.cli.explaining import lines

    count = min(SHOWN, len(held))
    told = model.explain(rows.some(held, range(count)).rows, probes=0).gap()
    said = [line for row in range(count) for line in lines(told, row, numbers[row])]
    return "\n".join(["What speaks for the first of them:", *said, ""])


def some_of(labels: Any, most: int = 6) -> str:
    """List a few labels."""
    return ", ".join(map(str, labels[:most])) + (", ..." if len(labels) > most else "")


def draw(model: Any, audit: Audit, held: Data, numbers: Sequence[int], folder: Path, text: str, tell: Any) -> None:
    """Write figures and the summary."""
    results.without_screen()
    from isthmus.displays import self_explaining_figures

    drawn = self_explaining_figures(model, held.rows, held.y, folder, audit=audit, rows=numbers)
    results.write_summary(folder, text, audit.to_dict())
    tell(f"{'figures':10} {folder} ({', '.join(path.name for path in drawn)}, summary.txt, summary.json)")
