"""Rows that come after a fit, compared with those of the fit: whether they have moved, and which column."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

import numpy as np

from isthmus.data.writing import atomic
from isthmus.estimators.drift import SCORE, Drift, Watch
from isthmus.estimators.inputs import Array, gather
from isthmus.estimators.pictures import Pictures
from isthmus.estimators.reference import COLUMNS, References, ordered_of

FORMAT, VERSION = "isthmus monitor", 1


class Monitor:
    r"""Tells whether rows are still like those of a model's fit, and which column has moved since when.

    Every row gives each column, and the score of the row, a conformal p-value among the rows of the fit and all that
    came since. Martingales bet against them; a column is named when the capital of its players exceeds the number of
    columns (and the score) over ``alpha``. Where rows are exchangeable with those of the fit, in whatever order and
    however many, anything at all is named with a chance of at most ``alpha``, though one looks after every row (Vovk,
    2021, "Testing randomness online"; Ville's inequality), and so is the expected share of false names.

    Scores are compared with those of rows that the fit held out; columns with all rows of the fit. Of pictures, and
    where there are more than 1,000 columns, the score alone is watched; of autoencoders that held nothing out, of
    self-explaining models, and of classifiers that trained their encoder on, the columns alone.

    Args:
        model: a fitted autoencoder, detector, self-explaining model or classifier; it is not changed.
        alpha: the chance of a false alarm.
        reference: rows to compare with instead of the fit's: some that are known to be as they should, and that the
            model was not fitted to.
        ignore: names of columns that may move, as dates do.
        random_state: seed of what breaks ties between equal values.

    Raises:
        ValueError: a model that keeps no rows to compare with, or of series, or a setting out of its range.

    >>> from isthmus import AnomalyDetector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1500, 4))
    >>> monitor = Monitor(AnomalyDetector(random_state=0).fit(X[:1000]))
    >>> bool(monitor.update(X[1000:]))
    False
    >>> later = rng.normal(size=(300, 4)) + [0, 0, 1, 0]
    >>> monitor.update(later).moved[0].column
    'x2'
    """

    def __init__(
        self,
        model: Any,
        *,
        alpha: float = 0.01,
        reference: Any = None,
        ignore: Collection[str] = (),
        random_state: int = 0,
    ) -> None:
        """Compare with the rows of the fit."""
        if not 0 < alpha < 1:
            raise ValueError(f"alpha={alpha!r} is no chance of a false alarm; give a number between 0 and 1, as 0.01")
        self.model, self.reader = model, reader_of(model)
        told = model.describe_columns()
        strange = [name for name in ignore if name not in [one["name"] for one in told]]
        if strange:
            raise ValueError(f"there is no column {strange[0]!r} to ignore; leave it out")
        self._columns = np.array([i for i, one in enumerate(told) if one["name"] not in ignore], int)
        kept = self.reader.references if reference is None else self._compared(gather(reference))
        parts = [] if kept.columns is None else [kept.columns.some(self._columns)]
        self._told = [told[i] for i in self._columns] if parts else []
        self._scored = kept.score is not None
        parts += [] if kept.score is None else [kept.score]
        if not parts or not sum(map(len, parts)):
            raise ValueError(
                "the model keeps no rows to compare with; fit it again with this release, or give reference=rows that "
                "it was not fitted to"
            )
        self.watch = Watch(
            parts[0] if len(parts) == 1 else parts[0].joined(parts[1]),
            [*self._told, *([SCORE] if self._scored else [])],
            float(alpha),
            random_state,
        )

    def update(self, X: Any) -> Drift:
        """Compare more rows, in the order in which they came, and say what has moved so far.

        Raises:
            ValueError: rows that the model cannot read; those before stay compared.
        """
        X = gather(X)
        parts = [self.model.cells(X)[:, self._columns]] if self._told else []
        parts += [self.reader.scores(X)[:, None]] if self._scored else []
        self.watch.update(np.concatenate(parts, 1))
        return self.report

    @property
    def report(self) -> Drift:
        """What has moved so far."""
        return self.watch.report()

    def _compared(self, X: Any) -> References:
        """Return references of other rows than the fit's."""
        told = self.model.describe_columns()
        columns = self.model.cells(X) if self.reader.has_columns and len(told) <= COLUMNS else None
        return References.of(columns, ordered_of(told), self.reader.scores(X), self.reader.noise)

    def save(self, path: str | Path) -> Path:
        """Write what was seen so far to a JSON file, from which :meth:`resume` goes on."""
        path = Path(path)
        with atomic(path) as fresh:
            state = {"format": FORMAT, "version": VERSION} | self.watch.to_dict()
            fresh.write_text(json.dumps(state) + "\n", encoding="utf-8")
        return path

    @classmethod
    def resume(cls, model: Any, path: str | Path, *, reference: Any = None, ignore: Collection[str] = ()) -> Self:
        """Go on from a file that :meth:`save` wrote, as if the rows had come without a pause.

        Raises:
            ValueError: it is none, is damaged, or is of another model or of other columns.
        """
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is no state of a monitor ({error}); begin with another file") from None
        if not isinstance(state, dict) or state.get("format") != FORMAT or state.get("version") != VERSION:
            raise ValueError(f"{path} is no state of a monitor of this release; begin with another file")
        made = cls(model, reference=reference, ignore=ignore)
        try:
            made.watch.resumed(state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return made


class Reader:
    """How the score of rows is asked for: of an autoencoder minus its log-likelihood, high where rows are strange."""

    def __init__(self, model: Any) -> None:
        """Hold an autoencoder."""
        self.model = model

    @property
    def references(self) -> References:
        """What the model keeps."""
        found: References = self.model.references
        return found

    @property
    def has_columns(self) -> bool:
        """Whether a row is a row of a table, not a picture."""
        return len(self.model.spec_.shape) == 1 and len(self.model.row_shape_) == 1

    @property
    def noise(self) -> Any:
        """What draws."""
        return self.model._noise

    def scores(self, X: Any) -> Array:
        """Return scores, (rows,)."""
        return -np.asarray(self.model.score_samples(X), np.float64)


class DetectorReader(Reader):
    """A detector: its score; where members calibrate crosswise, that of the first, which has rows of its own."""

    @property
    def has_columns(self) -> bool:
        return not isinstance(self.model.reading_, Pictures)

    @property
    def noise(self) -> Any:
        return self.model.members_.noises[0]

    def scores(self, X: Any) -> Array:
        model = self.model
        if len(model.calibration_) == 1:
            return np.asarray(model.anomaly_score(X), np.float64)
        return np.asarray(model.reading_.alone(model.members_, 0, model._read(X)), np.float64)


def reader_of(model: Any) -> Reader:
    """Return how the score of a model is asked for.

    Raises:
        ValueError: a model that is not watched.
    """
    from isthmus.estimators.anomaly import AnomalyDetector
    from isthmus.estimators.autoencoder import Autoencoder

    if isinstance(model, AnomalyDetector):
        if model.window is not None:
            raise ValueError(
                "points of a series are like their neighbours, so that nothing can be promised of a monitor; watch the "
                "detector's own alarms"
            )
        return DetectorReader(model)
    own = getattr(model, "autoencoder_", model)
    if not isinstance(own, Autoencoder):
        raise ValueError(f"a {type(model).__name__} is not watched; give a fitted autoencoder, detector or classifier")
    return Reader(own)
