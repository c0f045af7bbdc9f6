"""A flavour of MLflow: fitted models among the models of a run, as themselves and as functions of frames.

>>> import numpy as np
>>> from isthmus import Autoencoder, Trainer
>>> X = np.random.default_rng(0).normal(size=(60, 4))
>>> model = Autoencoder(2, trainer=Trainer(epochs=1), random_state=0).fit(X)
>>> methods_of(model)
('transform', 'reconstruct', 'score_samples', 'feature_errors')
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.estimators.inputs import like
from isthmus.estimators.saving import load
from isthmus.estimators.without_rows import without_rows

if TYPE_CHECKING:
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature

FLAVOR_NAME, DATA = "isthmus", "isthmus"
MISSING = "isthmus.sharing.mlflow needs mlflow; pip install 'isthmus[mlflow]'"
METHODS = {
    "members_": ("p_values", "anomaly_score", "predict"),
    "classes_": ("predict", "predict_proba"),
    "task_": ("predict",),
    "objective_": ("transform", "reconstruct", "score_samples", "feature_errors"),
}
TYPES = {"date": "datetime", "hashed": "string"}


def methods_of(model: Any) -> tuple[str, ...]:
    """Return what a model answers as a function, the first where nobody asks for another.

    Raises:
        ValueError: a model that is not fitted, or cannot be saved.
    """
    if not hasattr(model, "save"):
        raise ValueError(f"{type(model).__name__} cannot be saved; give its autoencoder_")
    for attribute, methods in METHODS.items():
        if hasattr(model, attribute):
            return methods
    raise ValueError(f"this {type(model).__name__} is not fitted; call fit first")


def signature_of(model: Any) -> ModelSignature:
    """Return what a model takes, by its columns or the shape of its rows, and the ``method`` that may be asked for."""
    _mlflow()
    import numpy as np
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    inner = getattr(model, "autoencoder_", model)
    told = inner.reading_.described() if hasattr(inner, "members_") else inner.describe_columns()
    if hasattr(model, "feature_names_in_"):
        inputs = Schema([ColSpec(type_of(column), column["name"], required=False) for column in told])
    else:
        shape = inner.reading_.given if hasattr(inner, "members_") else inner.row_shape_
        shape = tuple(map(int, shape)) or (len(told),)
        inputs = Schema([TensorSpec(np.dtype(np.float64), (-1, *shape))])
    return ModelSignature(inputs, params=ParamSchema([ParamSpec("method", "string", methods_of(model)[0])]))


def type_of(column: dict[str, Any]) -> str:
    """Return MLflow's type of a column; what is whole may have holes, and so is double."""
    levels = [level for level in column.get("levels", []) if level is not None]
    if column["kind"] in ("category", "binary", "constant") and levels:
        return {str: "string", bool: "boolean"}.get(type(levels[0]), "double")
    return TYPES.get(column["kind"], "double")


def save_model(
    model: Any,
    path: str | Path,
    *,
    mlflow_model: Model | None = None,
    signature: ModelSignature | None = None,
    pip_requirements: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
    rows: bool = False,
) -> None:
    """Write a model to a folder as MLflow has it: ``MLmodel`` beside what ``save`` writes.

    Args:
        model: a fitted autoencoder, anomaly detector or self-explaining model.
        path: a folder that is not there.
        mlflow_model: what MLflow passes on from a run.
        signature: None is that of the columns.
        pip_requirements: None is this release of isthmus.
        metadata: of the model.
        rows: keep what the model holds of the rows of its fit, see :mod:`isthmus.estimators.without_rows`.

    Raises:
        ImportError: the extra ``isthmus[mlflow]`` is not installed.
        ValueError: a model that is not fitted, or a folder that is there.
    """
    mlflow = _mlflow()
    from mlflow.models import Model

    from isthmus import __version__

    methods_of(model)
    folder = Path(path)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} exists; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    (model if rows else without_rows(model)).save(folder / DATA)
    made = Model() if mlflow_model is None else mlflow_model
    made.signature = signature_of(model) if signature is None else signature
    if metadata is not None:
        made.metadata = metadata
    requirements = [f"isthmus=={__version__}"] if pip_requirements is None else pip_requirements
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    environment = f"python: {platform.python_version()}\ndependencies:\n- -r requirements.txt\n"
    (folder / "python_env.yaml").write_text(environment, encoding="utf-8")
    mlflow.pyfunc.add_to_model(made, loader_module=__name__, data=DATA, python_env="python_env.yaml")
    made.add_flavor(FLAVOR_NAME, isthmus_version=__version__, data=DATA, methods=list(methods_of(model)))
    made.save(str(folder / "MLmodel"))


def log_model(model: Any, name: str = "model", *, registered_model_name: str | None = None, **settings: Any) -> Any:
    """Log a model to the active run, or to a new one, and return what MLflow tells of it.

    Args:
        model: a fitted autoencoder, anomaly detector or self-explaining model.
        name: of the model.
        registered_model_name: also a version of this registered model.
        settings: as for :func:`save_model`.
    """
    _mlflow()
    from mlflow.models import Model

    methods_of(model)
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        model=model,
        **settings,
    )


def load_model(model_uri: str) -> Any:
    """Return a model from a folder, a run or the registry, ``models:/name/1``; it is believed as ``isthmus.load`` does.

    Raises:
        ImportError: the extra ``isthmus[mlflow]`` is not installed.
        ValueError: all that ``isthmus.load`` refuses.
    """
    mlflow = _mlflow()
    path = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
    return load(path / DATA)


class Answering:
    """A model as MLflow's function of frames: ``predict(X, params={"method": "reconstruct"})``."""

    def __init__(self, model: Any) -> None:
        """Hold the model."""
        self.model, self.methods = model, methods_of(model)

    def predict(self, X: Any, params: dict[str, Any] | None = None) -> Any:
        """Return what the method says of rows; codes and errors of a frame are a frame.

        Raises:
            ValueError: no such method.
        """
        method = (params or {}).get("method", self.methods[0])
        if method not in self.methods:
            raise ValueError(f"method={method!r} is unknown; this model has {', '.join(self.methods)}")
        found = getattr(self.model, method)(X)
        return like(X, found) if method == "feature_errors" and hasattr(X, "columns") else found


def _load_pyfunc(path: str) -> Answering:
    """Return what MLflow calls a function, from the model's own folder."""
    return Answering(load(path))


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.models
        import mlflow.pyfunc
    except ImportError:
        raise ImportError(MISSING) from None
    return mlflow
