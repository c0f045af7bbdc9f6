"""The anomaly detector under PyOD's names, for pipelines that were written for PyOD; PyOD itself is not needed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.inputs import Array


class PyODAnomalyDetector(BaseEstimator):
    """An ``AnomalyDetector`` with PyOD's conventions: outliers are 1 and score high.

    Args:
        contamination: share of outliers among the rows of the fit, above 0 and up to 0.5; as many are labelled.
        detector: an ``AnomalyDetector`` with other settings; its contamination is replaced. None takes the defaults.
        random_state: seed of everything, where no detector is given.

    Attributes:
        detector_: the fitted detector, with its p-values and explanations.
        decision_scores_, labels_, threshold_: scores of the rows of the fit, 1 where they are above the threshold.

    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> X[0] = 9.0
    >>> found = PyODAnomalyDetector(contamination=0.01, random_state=0).fit(X)
    >>> found.labels_.nonzero()[0].tolist(), found.predict(X[:2]).tolist()
    ([0], [1, 0])
    """

    def __init__(
        self, contamination: float = 0.1, *, detector: AnomalyDetector | None = None, random_state: Any = None
    ) -> None:
        """Keep the parameters as they are."""
        self.contamination = contamination
        self.detector = detector
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what rows are like; ``y`` is ignored.

        Raises:
            ValueError: a contamination that PyOD would refuse, or unusable data.
        """
        share = self.contamination
        if not isinstance(share, (float, np.floating)) or not 0 < share <= 0.5:
            raise ValueError(f"contamination={share!r} is no share; give a number above 0 and up to 0.5, as 0.1")
        given = AnomalyDetector(random_state=self.random_state) if self.detector is None else clone(self.detector)
        self.detector_: AnomalyDetector = given.set_params(contamination=float(share)).fit(X)
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = -self.detector_.offset_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return how strange each row is, (rows,); high is an outlier."""
        check_is_fitted(self, "detector_")
        return self.detector_.anomaly_score(X)

    def predict(self, X: Any) -> Array:
        """Return 1 for outliers and 0 for other rows, (rows,)."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def fit_predict(self, X: Any, y: Any = None) -> Array:
        """Fit, and return the labels of the rows of the fit."""
        return self.fit(X).labels_

    def predict_proba(self, X: Any) -> Array:
        """Return p-values and one minus them, (rows, 2): how well a row goes with normal ones, and how badly."""
        check_is_fitted(self, "detector_")
        p = self.detector_.p_values(X)
        return np.column_stack([p, 1 - p])
