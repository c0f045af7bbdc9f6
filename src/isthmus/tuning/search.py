"""The search: trials that are pruned by the likelihood of held-out rows, and the best one fitted to all rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.atrow import RowWarning
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.beginning import begin
from isthmus.estimators.forms import form_of
from isthmus.estimators.inputs import gather, rows_at
from isthmus.training.trainer import Trainer
from isthmus.tuning import study as studies
from isthmus.tuning.judge import Judge
from isthmus.tuning.settings import Settings, copied, usual
from isthmus.tuning.space import space_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial


SHOWN = 10
Said = Callable[["FrozenTrial", float], None]


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a search found.

    Attributes:
        estimator: the best one, fitted to all rows; None where no trial ended.
        study: Optuna's, with every trial.
        settings: those of the best trial, by name.
        loss: -log-likelihood of the held-out rows in the best trial, nats per row.
        importances: by setting, the share of the losses' variance that it explains; none where too few trials tell.
        interrupted: whether the user ended the search.
    """

    estimator: Autoencoder | None
    study: Study
    settings: dict[str, Any]
    loss: float
    importances: dict[str, float]
    interrupted: bool

    def __str__(self) -> str:
        """Print the best trials as a table, and what made a difference."""
        best, done = studies.complete(self.study), studies.ended(self.study)
        pruned = sum(trial.state.name == "PRUNED" for trial in done)
        refused = len(done) - len(best) - pruned
        lines = [f"{len(done)} trials: {len(best)} complete, {pruned} pruned, {refused} refused"]
        lines.append(f"{'trial':>5}  {'held-out loss':>13}  settings")
        for trial in best[:SHOWN]:
            lines.append(f"{trial.number:5d}  {trial.value:13.6g}  {told(trial.params)}")
        if self.importances:
            shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.importances.items())
            lines.append(f"what made a difference: {shares}")
        return "\n".join(lines)


def told(params: Mapping[str, Any]) -> str:
    """Write settings in one line."""
    return ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in params.items())


def tune(
    estimator: Autoencoder,
    X: Any,
    space: Mapping[str, Any] | None = None,
    *,
    trials: int = 50,
    held_out: float = 0.2,
    study: str | Path | None = None,
    random_state: int = 0,
    refit: bool = True,
    callback: Said | None = None,
) -> Tuned:
    """Search settings of an autoencoder with Optuna, and fit the best ones to all rows.

    A trial is fitted to a part of the rows, which is the same for all. What is compared is -log p(x | code) + KL of the
    others, in nats per row and in the units of X, without the terms of penalties: it means the same whatever is
    searched, as long as likelihoods are of one sort. Trials are drawn by the tree-structured Parzen estimator (Bergstra
    et al., 2011, "Algorithms for hyper-parameter optimization"), and one whose best epoch so far is above the median of
    what those that ran to their end had at the same epoch is pruned. With the same arguments the trials are the same.

    Args:
        estimator: an autoencoder, which stays as it is; what is not searched is as it says.
        X: rows in memory.
        space: by parameter, or ``units``, ``learning_rate``, and ``depth`` and ``width`` of dense nets, what is
            searched: ``"2:64:log"``, ``"0.1|0.3"``, ``"top_k:k=4|8|16,undercomplete"``, a sequence of values, or what
            :mod:`isthmus.tuning` has. None searches nets, learning rate, and strengths of corruption and penalties.
        trials: how many there are in the end, those of the study's file included.
        held_out: share of the rows that trials are compared by.
        study: a SQLite file that keeps the trials; where it exists, the search goes on. One process at a time.
        random_state: seed of the held-out rows, of what is drawn, and of estimators that have none.
        refit: fit the best settings to all rows in the end.
        callback: told of every trial that ended, with the best loss so far.

    Raises:
        ImportError: the extra ``isthmus[tune]`` is not installed.
        ValueError: something else than an autoencoder, settings that do not exist or compare, a study of another
            search, or settings that were refused in all trials.

    >>> from isthmus import Trainer, data
    >>> X = data.read("digits", limit=200).X
    >>> found = tune(Autoencoder(4, trainer=Trainer(epochs=3)), X, {"learning_rate": "1e-4:1e-2:log"}, trials=3)
    >>> len(found.study.trials), list(found.settings), found.estimator.transform(X).shape
    (3, ['learning_rate'], (200, 4))
    """
    _refuse(estimator, trials, held_out)
    X = gather(X)
    seed = int(random_state)
    base = copied(estimator).set_params(random_state=seed if estimator.random_state is None else estimator.random_state)
    order = np.random.default_rng(seed).permutation(_count(X))
    cut = max(1, round(held_out * len(order)))
    rest, held = rows_at(X, np.sort(order[cut:])), rows_at(X, np.sort(order[:cut]))
    form_of(copied(base), X)  # here what is said of a row calls it by its number among all rows
    with _quiet():
        resolved = _resolved(base, rest)
    settings = Settings(base, space_of(usual(resolved) if space is None else space), resolved)
    epochs = settings.model.trainer.epochs if settings.model.trainer is not None else Trainer().epochs
    marks = {
        "space": {name: repr(searched) for name, searched in settings.space.items()},
        "estimator": repr(settings.model),
        "seed": seed,
        "share of held-out rows": held_out,
        "data": studies.digest(X),
    }
    with studies.silent(), studies.stored(study), _quiet():
        found = studies.opened(study, marks, epochs)
        interrupted = _search(found, settings, rest, held, trials, seed, callback)
        return _best(found, settings, X, refit=refit, interrupted=interrupted)


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of single rows again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RowWarning)
        yield


def _refuse(estimator: Any, trials: Any, held_out: Any) -> None:
    if not isinstance(estimator, Autoencoder):
        raise ValueError(
            f"tune searches the settings of an Autoencoder, and {type(estimator).__name__} is none: a detector chooses "
            "its own parts, and what predicts is tuned by scikit-learn's GridSearchCV"
        )
    if isinstance(trials, bool) or not isinstance(trials, (int, np.integer)) or trials < 1:
        raise ValueError(f"trials={trials!r} is no number of trials; give a whole number from 1 up")
    if not isinstance(held_out, (float, np.floating)) or not 0 < held_out < 1:
        raise ValueError(f"held_out={held_out!r} is no share; give a number between 0 and 1, as 0.2")


def _count(X: Any) -> int:
    """Return the number of rows.

    Raises:
        ValueError: too few to hold some out.
    """
    n = int(X.shape[0]) if getattr(X, "shape", ()) else 0
    if n < 10:
        raise ValueError(f"X has {n} rows, too few to hold some out of a fit; give 10 or more")
    return n


def _resolved(model: Autoencoder, X: Any) -> Any:
    """Return every part by name, as a fit would choose them."""
    probe = copied(model)
    begin(probe, X, None)
    return probe.parts_


def _search(
    study: Study, settings: Settings, rest: Any, held: Any, trials: int, seed: int, callback: Said | None
) -> bool:
    """Take trials until there are so many; say whether the user ended it."""
    try:
        while len(studies.ended(study)) < trials:
            trial = studies.begun(study, seed)
            state, value = _one(trial, settings, rest, held)
            study.tell(trial, value, state=state)
            if callback is not None:
                best = studies.complete(study)
                callback(study.get_trials(deepcopy=False)[trial.number], loss_of(best[0]) if best else math.nan)
    except KeyboardInterrupt:
        return True
    return False


def loss_of(trial: FrozenTrial) -> float:
    """Return the loss of a trial that is complete."""
    return math.nan if trial.value is None else float(trial.value)


def _one(trial: Trial, settings: Settings, rest: Any, held: Any) -> tuple[Any, float | None]:
    """Take one trial, and return how it ended and its loss.

    Raises:
        KeyboardInterrupt: the user ended it.
    """
    from optuna.trial import TrialState

    judge = Judge(trial, held)
    try:
        model = settings.applied(settings.drawn(trial))
        model.fit(rest, held_out=held, callbacks=[judge.of(model)])
        loss = -model.score(held)
    except ValueError as error:
        trial.set_user_attr(studies.REASON, " ".join(str(error).split()))
        return TrialState.FAIL, None
    if judge.interrupted:
        raise KeyboardInterrupt
    trial.set_user_attr("epochs", model.n_iter_)
    if judge.pruned:
        return TrialState.PRUNED, None
    if not math.isfinite(loss):
        trial.set_user_attr(studies.REASON, "its loss was not finite")
        return TrialState.FAIL, None
    return TrialState.COMPLETE, loss


def _best(study: Study, settings: Settings, X: Any, *, refit: bool, interrupted: bool) -> Tuned:
    """Fit the best settings to all rows.

    Raises:
        ValueError: no trial ended.
    """
    from optuna.trial import FixedTrial

    best = studies.complete(study)
    if not best:
        reasons = [t.user_attrs[studies.REASON] for t in studies.ended(study) if studies.REASON in t.user_attrs]
        if interrupted:
            raise KeyboardInterrupt
        said = f"the first was refused: {reasons[0]}" if reasons else "all were pruned"
        raise ValueError(f"none of {len(studies.ended(study))} trials came to an end; {said}")
    drawn: Any = FixedTrial(dict(best[0].params))
    values = settings.drawn(drawn)
    model = settings.applied(values) if refit else None
    if model is not None:
        model.fit(X)
    return Tuned(model, study, values, loss_of(best[0]), studies.importances(study), interrupted)
