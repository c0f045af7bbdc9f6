"""A self-explaining model's answers to a block of rows as a table: what the shell streams, and what a cluster maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.estimators.on_code import softmax
from isthmus.estimators.scoring import ADDS, REASONS, admitted
from isthmus.estimators.self_explaining_base import SelfExplainingEstimator


def predict_batches(model: SelfExplainingEstimator, batch: Any, *, per_concept: bool = False) -> Any:
    """Predict a block of rows, with reasons; blocks of any size give each row the same answers.

    Args:
        model: a fitted self-explaining model; it is not changed.
        batch: an Arrow table or record batch with the columns of the fit; others, such as the target, are ignored.
            Where the fit had no names, its columns are taken by their places.
        per_concept: add what each concept adds, as ``adds_<concept>``.

    Returns:
        An Arrow table of as many rows: ``prediction``; of a classifier ``probability``, that of the class predicted;
        and ``reason_1`` to ``reason_3``, the concepts that add most, of a classifier to the gap to the class that comes
        next.

    Raises:
        ValueError: columns that are not those of the fit, or a regressor of several targets.

    >>> import pyarrow as pa
    >>> from isthmus import Autoencoder, SelfExplainingClassifier, Trainer
    >>> table = pa.table({"a": np.arange(60.0), "b": np.arange(60.0) ** 2})
    >>> quick = Autoencoder(1, trainer=Trainer(1), random_state=0)
    >>> model = SelfExplainingClassifier(quick, trainer=Trainer(1), random_state=0).fit(table, np.arange(60) > 30)
    >>> found = predict_batches(model, table.slice(0, 2))
    >>> found.column_names, found.num_rows
    (['prediction', 'probability', 'reason_1', 'reason_2', 'reason_3'], 2)
    """
    import pyarrow as pa

    classes = hasattr(model, "classes_")
    if not classes and len(model.target_mean_) > 1:
        raise ValueError("the model predicts several targets, and a table of answers has one; use its predict")
    schema = predicted_schema(model, per_concept=per_concept)
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    if not table.num_rows:
        return schema.empty_table()
    told = model.explain(admitted(model, table), probes=0)
    columns: list[Any] = [told.logits[:, 0].astype(float)]
    if classes:
        columns = [np.asarray(model.classes_)[told.predicted].tolist(), softmax(told.logits.astype(float)).max(1)]
    gap = told.gap()
    reasons = [gap.reasons(row, REASONS) for row in range(table.num_rows)]
    columns += [[of_row[k] if k < len(of_row) else None for of_row in reasons] for k in range(REASONS)]
    if per_concept:
        columns += list((gap.contributions if classes else gap.contributions[:, :, 0]).T.astype(float))
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def predicted_schema(model: SelfExplainingEstimator, *, per_concept: bool = False) -> Any:
    """Return the Arrow schema of what ``predict_batches`` returns."""
    import pyarrow as pa

    from isthmus.estimators.concept_explanation import concept_names

    fields = [("prediction", pa.float64())]
    if hasattr(model, "classes_"):
        fields = [("prediction", pa.array(model.classes_.tolist()).type), ("probability", pa.float64())]
    fields += [(f"reason_{k + 1}", pa.string()) for k in range(REASONS)]
    fields += [(f"{ADDS}{name}", pa.float64()) for name in concept_names(model)] if per_concept else []
    return pa.schema(fields)
