"""Any model's answers to a block of rows as a table: the one function that the shell streams and clusters map."""

from __future__ import annotations

from typing import Any

from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.predicting import predict_batches, predicted_schema
from isthmus.estimators.scoring import admitted, detected, detected_schema
from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

NATS = "nats_"


def score_batches(model: Any, batch: Any, *, per_column: bool = False) -> Any:
    """Score a block of rows; blocks of any size give each row the same answers.

    Args:
        model: a fitted detector, self-explaining model or autoencoder; it is not changed.
        batch: an Arrow table or record batch with the columns of the fit; others are ignored. Where the fit had no
            names, its columns are taken by their places.
        per_column: add what each column (of a model that predicts, each concept) adds.

    Returns:
        An Arrow table of as many rows. Of a detector ``score`` (high is anomalous), ``p_value``, ``anomaly`` (whether
        ``predict`` raises an alarm), and ``reason_1`` to ``reason_3``, null where there are fewer columns; of a model
        that predicts ``prediction``, of classes ``probability``, and reasons; of an autoencoder ``score``, the
        log-likelihood of the row given its code in nats. Then, with ``per_column``, ``adds_<name>``, of an autoencoder
        ``nats_<column>``.

    Raises:
        ValueError: columns that are not those of the fit, or a detector of series, whose points lie in several blocks.

    >>> import numpy as np, pyarrow as pa
    >>> table = pa.table({"a": np.arange(60.0), "b": np.arange(60.0) ** 2})
    >>> found = score_batches(AnomalyDetector(random_state=0).fit(table), table.slice(0, 2))
    >>> found.column_names, found.num_rows
    (['score', 'p_value', 'anomaly', 'reason_1', 'reason_2', 'reason_3'], 2)
    """
    import pyarrow as pa

    if isinstance(model, SelfExplainingEstimator):
        return predict_batches(model, batch, per_concept=per_column)
    schema = scored_schema(model, per_column=per_column)
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    if not table.num_rows:
        return schema.empty_table()
    if isinstance(model, AnomalyDetector):
        columns = detected(model, table, per_column=per_column)
    else:
        X = admitted(model, table)
        columns = [model.score_samples(X), *(model.feature_errors(X).T if per_column else ())]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def scored_schema(model: Any, *, per_column: bool = False) -> Any:
    """Return the Arrow schema of what ``score_batches`` returns.

    Raises:
        ValueError: a model whose rows have no score.
    """
    import pyarrow as pa

    if isinstance(model, AnomalyDetector):
        return detected_schema(model, per_column=per_column)
    if isinstance(model, SelfExplainingEstimator):
        return predicted_schema(model, per_concept=per_column)
    if not isinstance(model, Autoencoder):
        raise ValueError(
            f"a {type(model).__name__} scores no rows; give a detector, a self-explaining model or an autoencoder"
        )
    names = getattr(model, "feature_names_in_", range(model.n_features_in_)) if per_column else ()
    return pa.schema([(name, pa.float64()) for name in ("score", *(f"{NATS}{name}" for name in names))])


def types_of(model: Any) -> dict[str, Any] | None:
    """Return the Arrow types in which files are read for a model of a table; None for a model of numbers.

    Text is told by its levels: a few rows of a file may look like numbers, and the fit's may have had no rows at all of
    a type, as pandas' objects.
    """
    model = getattr(model, "autoencoder_", model)
    codec = model.form_.table if hasattr(model, "form_") else getattr(model.reading_, "codec", None)
    if codec is None:
        return None
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    template = codec.template
    types = {} if hasattr(template, "dtype") else nw.from_native(template, eager_only=True).to_arrow().schema
    found = {field.name: field.type for field in types if not pa.types.is_null(field.type)}
    texts = [c.name for c in codec.columns if {type(level) for level in getattr(c, "levels", ())} == {str}]
    return found | dict.fromkeys(texts, pa.string())
