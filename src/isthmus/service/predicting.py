"""A self-explaining model as the service asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from isthmus.data.record import Array
from isthmus.estimators.concept_explanation import ConceptExplanation, apart, output_names
from isthmus.estimators.on_code import softmax
from isthmus.estimators.reference import References
from isthmus.service.columns import Columns
from isthmus.service.detecting import plain
from isthmus.service.fields import listed
from isthmus.service.served import REASONS, Answer, Rows, Served, Tensor, columns_of, reading_routes, sampled, whole


class ServedPredictor(Served):
    """A self-explaining model: predictions with reasons, and what its autoencoder answers."""

    kind = "self-explaining"

    def _columns(self) -> Columns:
        return columns_of(self.model.autoencoder_)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels of a classifier; None of a regressor."""
        found = getattr(self.model, "classes_", None)
        return None if found is None else tuple(found.tolist())

    def _outputs(self) -> list[Tensor]:
        targets = 1 if self.classes is not None else len(self.model.target_mean_)
        outputs = targets if self.classes is None else len(self.classes)
        kinds = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
        datatype = "FP64" if self.classes is None else kinds.get(type(self.classes[0]), "BYTES")
        found = [Tensor("prediction", datatype, (-1,) if targets == 1 else (-1, targets))]
        if self.classes is not None:
            found += [Tensor("probabilities", "FP64", (-1, outputs))]
        parts = self.model.n_concepts_ + 1
        return [*found, Tensor("concepts", "FP64", (-1, parts)), Tensor("contributions", "FP64", (-1, parts, outputs))]

    def _routes(self) -> Mapping[str, Callable[..., Answer]]:
        asked: dict[str, Callable[..., Answer]] = {"predict": self.predict, "explain": self.explain}
        return asked | reading_routes(self.model.autoencoder_, self.columns)

    def _logits(self, rows: Rows) -> Array:
        """Return logits, or of a regressor predictions in the unit of the target."""
        if self.graph is None:
            return self._logits_of(rows.x)
        name = "logits" if self.classes is not None else "prediction"
        return whole(self.graph(rows.cells, (name,)), lambda far: {name: self._logits_of(rows.x[far])})[name]

    def _logits_of(self, x: Array) -> Array:
        logits: Array = self.model._logits_of(x)
        return logits if self.classes is not None else logits * self.model.target_scale_ + self.model.target_mean_

    def _predicted(self, rows: Rows) -> tuple[list[Any], Array | None]:
        """Return predictions, and of a classifier the probabilities of all classes."""
        logits = self._logits(rows)
        if self.classes is None:
            targets = listed(logits)
            return [own[0] for own in targets] if len(self.model.target_mean_) == 1 else targets, None
        # As the classifier itself: of two classes the difference is what counts.
        if len(self.classes) == 2:
            logits = np.stack([np.zeros_like(logits[:, 0]), logits[:, 1] - logits[:, 0]], axis=1)
        return [self.classes[place] for place in logits.argmax(1)], softmax(logits)

    def predict(self, rows: Rows, *, reasons: int = REASONS) -> Answer:
        """Return predictions as ``predict``, probabilities as ``predict_proba``, and the concepts that decide."""
        predictions, probabilities = self._predicted(rows)
        found: Answer = {"predictions": predictions}
        if probabilities is not None:
            labels = [str(label) for label in self.classes or ()]
            found["probabilities"] = [dict(zip(labels, own, strict=True)) for own in listed(probabilities)]
        if not reasons:
            return found
        told = self._explained(rows).gap()
        return found | {"reasons": [told.reasons(row, reasons) for row in range(len(rows))]}

    def _explained(self, rows: Rows, against: Any = None) -> ConceptExplanation:
        return apart(self.model, *self._parts(rows), against)

    def _parts(self, rows: Rows) -> tuple[Array, Array]:
        """Return concepts, with the constant one last, and relevances (rows, concepts + 1, outputs)."""
        if self.graph is None:
            concepts, relevances = self.model._taken_apart(rows.x)
            return concepts, relevances
        found = self.graph(rows.cells, ("code", "relevances"))
        # Products of both may be greater than float32 holds.
        code, relevances = (found[name].astype(np.float64) for name in ("code", "relevances"))
        concepts = np.concatenate([code, np.ones((len(rows), 1))], 1)
        told = {"concepts": concepts, "relevances": relevances.transpose(0, 2, 1)}
        told = whole(told, lambda far: dict(zip(told, self.model._taken_apart(rows.x[far]), strict=True)))
        return told["concepts"], told["relevances"]

    def explain(self, rows: Rows, *, against: Any = None) -> Answer:
        """Return what every concept adds to the prediction, as ``explain``; or to its gap to the class ``against``."""
        told = self._explained(rows, against)
        names = [str(name) for name in output_names(self.model, len(told.outputs))]
        answers = []
        for row in range(len(rows)):
            adds = told.contributions[row]
            each = (
                [plain(a) for a in adds]
                if told.against
                else [dict(zip(names, map(plain, a), strict=True)) for a in adds]
            )
            concepts = zip(told.names, map(plain, told.concepts[row]), each, strict=True)
            answers.append(
                {
                    "total": told.total(row),
                    "concepts": [{"concept": name, "value": value, "adds": own} for name, value, own in concepts],
                    "reasons": told.reasons(row),
                }
            )
        return {"explanations": answers}

    def tensors(self, rows: Rows, *, wanted: tuple[str, ...]) -> Answer:
        found: Answer = {}
        if {"prediction", "probabilities"} & set(wanted):
            predictions, probabilities = self._predicted(rows)
            found |= {"prediction": np.array(predictions), "probabilities": probabilities}
        if {"concepts", "contributions"} & set(wanted):
            told = self._explained(rows)
            found |= {"concepts": told.concepts, "contributions": told.contributions}
        return {name: found[name] for name in wanted}

    def references(self) -> tuple[References, list[dict[str, Any]]]:
        """Return those of the columns; predictions come without a score."""
        return References(self.model.autoencoder_.references.columns), self.model.describe_columns()

    def probes(self) -> Array:
        return sampled(self.model.autoencoder_, self.columns)
