"""A fitted self-explaining model as a manifest and tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from isthmus import persistence
from isthmus.architecture import Architecture
from isthmus.catalogue import from_dict, to_dict
from isthmus.estimators.saving import (
    described,
    left_out,
    plain,
    put,
    rebuilt_autoencoder,
    refuse_other_sizes,
    seed_to_dict,
)
from isthmus.estimators.self_explaining import SelfExplainingClassifier
from isthmus.estimators.self_explaining_base import SelfExplainingEstimator, settings_of
from isthmus.estimators.self_explaining_regressor import SelfExplainingRegressor
from isthmus.explain.relevances import Relevances
from isthmus.explain.self_explaining import SelfExplaining
from isthmus.noise import Noise
from isthmus.training.history import History
from isthmus.training.trainer import Trainer

KINDS = {kind.__name__: kind for kind in (SelfExplainingClassifier, SelfExplainingRegressor)}
SETTINGS = ("reads", "robustness", "conciseness", "fidelity", "frozen")
PARTS: dict[str, Any] = {"relevances": Architecture, "trainer": Trainer}
AUTOENCODER, RELEVANCES = "autoencoder.", "relevances."
ARRAYS = ("known_", "known_concepts_", "spread_")
TARGETS = ("target_mean_", "target_scale_")


def save(model: SelfExplainingEstimator, path: str | Path) -> Path:
    """Write a fitted model to a folder."""
    autoencoder, tensors = described(model.autoencoder_)
    task, weights = model.task_, getattr(model, "class_weight", None)
    manifest = {
        "estimator": type(model).__name__,
        "parameters": {name: plain(getattr(model, name)) for name in SETTINGS}
        | {name: None if (part := getattr(model, name)) is None else to_dict(part) for name in PARTS}
        | {"random_state": seed_to_dict(model.random_state)},
        "class_weight": [[plain(k), plain(v)] for k, v in weights.items()] if isinstance(weights, Mapping) else weights,
        "own_autoencoder": model.autoencoder is None,
        "autoencoder": autoencoder,
        "task": {"relevances": to_dict(task.architecture), "outputs": task.outputs, "unit": task.unit},
        "outputs": outputs_to_dict(model),
        "target": model.target_name_,
        "columns": getattr(model, "feature_names_in_", np.array([])).tolist(),
        "n_features_in": model.n_features_in_,
        "history": model.history_.rows,
        "epochs": model.n_iter_,
        "best_epoch": model.best_epoch_,
    }
    found = {f"{AUTOENCODER}{name}": t for name, t in tensors.items()}
    found |= {f"{RELEVANCES}{name}": t for name, t in task.relevances.state_dict().items()}
    found |= {name: torch.from_numpy(np.ascontiguousarray(getattr(model, name))) for name in ARRAYS}
    return persistence.write(path, manifest | left_out(model), found)


def outputs_to_dict(model: Any) -> dict[str, Any]:
    """Return labels, or the units of targets, as plain values."""
    if hasattr(model, "classes_"):
        return {"classes": model.classes_.tolist(), "dtype": model.classes_.dtype.str}
    return {name: getattr(model, name).tolist() for name in TARGETS} | {"flat": model._flat}


def rebuilt(
    manifest: dict[str, Any], tensors: dict[str, Tensor], architecture: Architecture | None = None
) -> SelfExplainingEstimator:
    """Return the model of a saved model's manifest and tensors.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: the file is not what ``save`` wrote.
    """
    inner = {name.removeprefix(AUTOENCODER): t for name, t in tensors.items() if name.startswith(AUTOENCODER)}
    autoencoder = rebuilt_autoencoder(manifest["autoencoder"], inner, architecture)
    model = _unfitted(manifest, autoencoder)
    outputs = manifest["outputs"]
    if "classes" in outputs:
        model.classes_ = np.array(outputs["classes"], dtype=np.dtype(outputs["dtype"]))
    else:
        for name in TARGETS:
            setattr(model, name, np.array(outputs[name]))
        model._flat = outputs["flat"]
    model.target_name_ = manifest["target"]
    task = manifest["task"]
    model.autoencoder_ = autoencoder
    refuse_other_sizes(lambda: {RELEVANCES: _relevances(model, task)}, tensors)
    model.task_ = SelfExplaining(
        autoencoder.objective_,
        from_dict(Architecture, task["relevances"]),
        task["outputs"],
        Noise(0),
        classes="classes" in outputs,
        unit=task["unit"],
        **settings_of(model),
    )
    put(model.task_.relevances, RELEVANCES, tensors)
    model.task_.eval()
    for name in ARRAYS:
        setattr(model, name, tensors[name].numpy())
    model.n_features_in_ = manifest["n_features_in"]
    if manifest["columns"]:
        model.feature_names_in_ = np.array(manifest["columns"], dtype=object)
    model.history_ = History(manifest["history"])
    model.n_iter_, model.best_epoch_ = manifest["epochs"], manifest["best_epoch"]
    model._answer_anew()
    return model


def _relevances(model: Any, task: Mapping[str, Any]) -> Relevances:
    """Build the relevance network that is described."""
    net = model.autoencoder_.objective_.model
    concepts = torch.Size(net.code_shape).numel()
    inputs = net.inputs if model.reads == "inputs" else (concepts,)
    return Relevances(from_dict(Architecture, task["relevances"]), inputs, concepts + 1, task["outputs"], Noise(0))


def _unfitted(manifest: Mapping[str, Any], autoencoder: Any) -> Any:
    """Return the estimator with its parameters."""
    settings = dict(manifest["parameters"])
    for name, kind in PARTS.items():
        settings[name] = None if settings[name] is None else from_dict(kind, settings[name])
    if manifest["estimator"] == "SelfExplainingClassifier":
        weights = manifest["class_weight"]
        settings["class_weight"] = {k: v for k, v in weights} if isinstance(weights, list) else weights
    given = None if manifest["own_autoencoder"] else clone(autoencoder)
    return KINDS[manifest["estimator"]](given, **settings)
