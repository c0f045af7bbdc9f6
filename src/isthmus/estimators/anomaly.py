"""What is odd, how sure that is, and why: an anomaly detector of denoising autoencoders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.architecture import Architecture
from isthmus.architecture.dense import Dense
from isthmus.atrow import labels_of
from isthmus.bottleneck.plain import Overcomplete
from isthmus.corruption.noise import Hiding, NoiseLevels
from isthmus.estimators import plan
from isthmus.estimators.assembly import Parts, part_of
from isthmus.estimators.explanation import Explanation, explained
from isthmus.estimators.exporting_detector import ExportedDetector
from isthmus.estimators.inputs import Array, gather, rows_at
from isthmus.estimators.members import Members, Recipe
from isthmus.estimators.parameters import PartParameters, seed_of, whole
from isthmus.estimators.pictures import Pictures, pictures_of
from isthmus.estimators.reading import Reading, reading_of
from isthmus.estimators.reference import References, ordered_of, some_of
from isthmus.estimators.series import series_of
from isthmus.likelihood.mixed import Mixed
from isthmus.likelihood.normal import Normal
from isthmus.measures.conformal import benjamini_hochberg, cross_p_values, p_values, threshold
from isthmus.noise import Noise
from isthmus.records import Spec
from isthmus.schedule import Cosine
from isthmus.training.callbacks import Callback, Progress
from isthmus.training.optimiser import Adam
from isthmus.training.trainer import Trainer

UNITS, WIDTH, STEPS, BATCH = 64, 128, 400, 128
CLEAN_LEVELS, ROBUST_LEVELS = (0.2, 0.4, 0.65, 1.0, 1.5), (0.3, 0.5, 0.7, 1.0, 1.4, 2.0)


class AnomalyDetector(ExportedDetector, OutlierMixin, PartParameters):
    r"""Finds rows unlike those of the fit, with p-values that keep their promise and reasons that add up to the score.

    Denoising autoencoders that know their noise level (``NoiseLevels``) are fitted to the rows. Their residual at a
    clean row is the slope of the log-density of the smoothed data (Vincent, 2011, "A Connection Between Score Matching
    and Denoising Autoencoders"), taken at several levels, column by column, in units of what rows held out of the fit
    have; the score is the sum over columns. Columns of levels add -log p given the other columns.

    Args:
        contamination: ``unknown`` where the rows may hold some anomalies, 0 where all are normal, or their share, and
            then ``predict`` names as many of the training rows.
        alarm_rate: rate of false alarms of ``predict`` on normal rows, where no share is given.
        calibration: ``split`` keeps a fifth of the rows for p-values, which are then exact; ``cross`` lets every member
            score the fifth it was not fitted on, so that few rows suffice; ``auto`` splits from 1,000 rows on. Series
            are divided in blocks, of which no window lies in two; ``auto`` splits from 100 windows' length on.
        members: number of autoencoders, of which ``cross`` needs 2 and then trains no fewer; None is 5 for it, else 3.
        schema: kinds of columns by name, for those of a table that should not be chosen from the rows. Columns of
            arrays are numbers; ``auto`` lets one of objects hold text, too.
        shape: shape of one row for pictures or signals that arrive flat; None takes it from X. ``explain(X).maps`` has
            contributions in that shape.
        window: points of a window, where X is a series in order of time, (time,) or (time, channels), a frame of
            numbers too. Rows are then points of time: every answer has one number for each. A point that is missing
            adds nothing. A level is odd where the fit has none near it; within that, shapes and jumps are.
        stride: points between two windows that are scored; None is a sixteenth of the window. Fits see every window.
        architecture, trainer: of every member; None is a net of two hidden layers and 400 steps, 250 where anomalies
            may be among the rows.
        random_state: seed of everything.
        verbose: show a progress bar.

    Attributes:
        n_features_in_, feature_names_in_: the columns; offset_: ``decision_function`` is ``score_samples`` less it.
        histories_: every term of every epoch, by member.

    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 6))
    >>> detector = AnomalyDetector(contamination=0, random_state=0).fit(X)
    >>> odd = X[:1].copy()
    >>> odd[0, 4] += 8
    >>> detector.predict(np.vstack([X[:1], odd])).tolist()
    [1, -1]
    >>> detector.explain(odd).contributions.argmax(axis=1).tolist()
    [4]
    """

    def __init__(
        self,
        *,
        contamination: Any = "unknown",
        alarm_rate: float = 0.05,
        calibration: str = "auto",
        members: int | None = None,
        schema: Any = None,
        shape: tuple[int, ...] | None = None,
        window: int | None = None,
        stride: int | None = None,
        architecture: Architecture | None = None,
        trainer: Trainer | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        """Keep the parameters as they are."""
        self.contamination = contamination
        self.alarm_rate = alarm_rate
        self.calibration = calibration
        self.members = members
        self.schema = schema
        self.shape = shape
        self.window = window
        self.stride = stride
        self.architecture = architecture
        self.trainer = trainer
        self.random_state = random_state
        self.verbose = verbose

    # -- fitting ------------------------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any = None, *, callback: Callback | None = None, training: Mapping[str, Any] | None = None
    ) -> Self:
        """Learn what rows are like.

        Args:
            X: a frame or 2-D array of rows, with holes where values are missing, or pictures as (rows, *shape).
            y: ignored.
            callback: told of the epochs of the members' fit, which is one; None shows a bar where ``verbose``.
            training: settings of the members' trainer to change, as ``{"epochs": 20}``; all others are chosen by the
                rows of a member, as ever, where no ``trainer`` is given.

        Raises:
            ValueError: unusable data or settings.
        """
        with whole(self):
            return self._fit(gather(X), callback or (Progress() if self.verbose else None), training or {})

    def _fit(self, X: Any, callback: Callback | None, training: Mapping[str, Any]) -> Self:
        plan.refuse_settings(self)
        noise = Noise(seed_of(self.random_state))
        x, split = self._split(X, noise)
        rows, fits, held = self.reading_.cut(x, split)
        spec = self.reading_.spec(split.seen(x))
        self.members_ = Members(self._recipe(spec, len(fits[0]), training), spec, split.noises)
        loops = self.members_.fit(rows, fits, held, callback)
        self.histories_ = [loop.history for loop in loops]
        self.reading_.doubt(self.members_, x, split)
        self._calibrate(x, split)
        self.known_, self.known_rows_ = self.reading_.remember(self.members_, x, split, noise)
        self._references = self._referred(X, noise)
        return self

    def _referred(self, X: Any, noise: Noise) -> References:
        """Return what later rows are compared with; points of a series are not alike one by one."""
        if self.window is not None:
            return References()
        cells, ordered = None, ordered_of(self.describe_columns())
        if not isinstance(self.reading_, Pictures):
            cells = self.cells(rows_at(X, some_of(plan.counted(X), len(ordered), noise)))
        return References.of(cells, ordered, self.calibration_[0], noise)

    def _split(self, X: Any, noise: Noise) -> tuple[Array, plan.Split]:
        """Read the rows of a fit, and divide them among members and calibration."""
        self.reading_: Reading
        if self.window is not None:
            self.reading_, split = series_of(self, X, noise)
            return self.reading_.begin(self, X), split
        split = plan.split(plan.counted(X), self.calibration, self.members, noise)
        # Rows that calibrate leave no trace in what scores them, not even as a level that would be new else.
        known = plan.without(X, split.calibration)
        self.reading_ = pictures_of(self, known) or reading_of(self, known, X)
        return self.reading_.begin(self, X), split

    def _recipe(self, spec: Spec, rows: int, training: Mapping[str, Any]) -> Recipe:
        """Return what members are: where anomalies may be among the rows, fits are short and leave the worst out."""
        clean = self.contamination == 0
        trainer = replace(part_of(self.trainer, Trainer, self.default_trainer(rows), "trainer"), **training)
        denoiser = Parts(
            architecture=part_of(self.architecture, Architecture, Dense((WIDTH,), activation="silu"), "architecture"),
            bottleneck=Overcomplete(),
            corruption=NoiseLevels(0.1, 2.5 if clean else 3.0),
            likelihood=Normal(),
            penalties=(),
            trainer=trainer,
            units=UNITS,
        )
        levels = CLEAN_LEVELS if clean else ROBUST_LEVELS
        filler = replace(denoiser, corruption=Hiding(0.3), likelihood=Mixed())
        chosen = self.trainer is None and "epochs" not in training
        if chosen and any(column.kind != "number" and column.levels != 1 for column in spec.columns):
            # It says how strange levels are, any of which may be hidden: there is more to learn than for denoisers.
            filler = replace(filler, trainer=replace(trainer, epochs=2 * trainer.epochs))
        return Recipe(denoiser, filler, levels, 0 if clean else 2, self.reading_.floor)

    def default_trainer(self, rows: int) -> Trainer:
        """Return the trainer of members that are fitted on so many rows, where none is given."""
        clean = self.contamination == 0
        steps = STEPS if clean else 5 * STEPS // 8
        batch = min(rows, max(BATCH, min(1024, rows // STEPS)))
        return Trainer(
            epochs=max(1, round(steps / math.ceil(rows / batch))),
            batch_size=batch,
            optimiser=Adam(Cosine(3e-3)),
            patience=0,
            validation=0.0,
            trim=0.0 if clean else 0.4,
        )

    def _calibrate(self, x: Array, split: plan.Split) -> None:
        """Score rows that were held out, and place the threshold."""
        if split.calibration is None:
            self.calibration_ = [self.reading_.alone(self.members_, m, x[own]) for m, own in enumerate(split.held)]
        else:
            self.calibration_ = [self._scores(x[split.calibration])]
        if self.contamination in ("unknown", 0):
            limit = float(threshold(np.concatenate(self.calibration_), self.alarm_rate))
        else:
            limit = float(np.quantile(self._scores(x), 1 - self.contamination))
        largest = float(np.concatenate(self.calibration_).max())
        self.offset_ = -(limit if math.isfinite(limit) else largest)

    @property
    def references(self) -> References:
        """What rows are compared with to tell whether they have moved."""
        check_is_fitted(self, "members_")
        return self._references

    # -- use ----------------------------------------------------------------------------------------------------------

    def _read(self, X: Any) -> Array:
        check_is_fitted(self, "members_")
        return self.reading_.admit(self, gather(X))

    def _scores(self, x: Array) -> Array:
        found: Array = self.reading_.scored(self.members_, x)[0].sum(1)
        return found

    def anomaly_score(self, X: Any) -> Array:
        """Return how strange each row is, (rows,): the sum of what its columns contribute; high is anomalous."""
        return self._scores(self._read(X))

    def score_samples(self, X: Any) -> Array:
        """Return minus the anomaly score of each row, (rows,): low is anomalous, as scikit-learn has it."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Array:
        """Return ``score_samples`` less ``offset_``, (rows,): negative where ``predict`` says -1."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:
        """Return -1 for anomalies and 1 for other rows, (rows,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> Array:
        r"""Return how likely a normal row is to score as high, (rows,).

        With ``calibration="split"`` a normal row has :math:`P(p \le \alpha) \le \alpha`, exactly
        :math:`\lfloor \alpha (n + 1) \rfloor / (n + 1)` for n calibration rows, whatever the data (Bates et al., 2023,
        "Testing for outliers with conformal p-values"); with ``cross`` close to it. Anomalies among the calibration
        rows make p-values larger, so that alarms are fewer.

        Points of a series are not exchangeable, as neighbours are alike. A normal point has such a rate on average over
        time where the series is stationary: where what is scored is a stretch like those that calibrate, which no
        window of the fit touches. Alarms come in runs, and the rate of one stretch scatters as that of a few
        independent points would: about as many as blocks of the length over which the series remembers. Where a series
        drifts there is no promise; fit again.
        """
        return self._p_values(*self.reading_.scored(self.members_, self._read(X)))

    def _p_values(self, added: Array, alone: Array) -> Array:
        if len(self.calibration_) == 1:
            return p_values(added.sum(1), self.calibration_[0])
        return cross_p_values(alone, self.calibration_)

    def detect(self, X: Any, *, fdr: float = 0.05) -> Array:
        """Tell of every row whether it is an anomaly, (rows,), so that at most a share ``fdr`` of those told is not.

        By the procedure of Benjamini & Hochberg (1995) on p-values, over the rows that are asked about together. Proven
        for ``calibration="split"``, on average; with ``cross``, and of points of a series, it is a scale and no limit.

        Raises:
            ValueError: ``fdr`` is no number between 0 and 1, or rows that are not like those of the fit.
        """
        return benjamini_hochberg(self.p_values(X), fdr)

    def explain(self, X: Any) -> Explanation:
        """Return why rows score as they do: what each column adds, what was expected there, rows most like them."""
        X = gather(X)
        return explained(self, self._read(X), self.reading_.values(X), labels=labels_of(X))

    def save(self, path: str | Path) -> Path:
        """Write the detector to a folder: ``model.json`` and ``weights.safetensors``; ``isthmus.load`` reads it.

        Raises:
            ValueError: the folder is something else, or cannot be written; an older model there stays whole.
        """
        from isthmus.estimators.saving_detector import save

        check_is_fitted(self, "members_")
        return save(self, path)

    def __sklearn_tags__(self) -> Any:
        """Declare that missing values are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
