"""A fitted estimator as a manifest and tensors, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus import persistence
from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.catalogue import UnknownPart, from_dict, to_dict
from isthmus.corruption import Corruption
from isthmus.data.arrays import Scaling
from isthmus.data.codec import TableCodec
from isthmus.data.columns import Kind
from isthmus.estimators.assembly import Parts
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.beginning import build
from isthmus.estimators.forms import Plain, Table
from isthmus.estimators.past import Past
from isthmus.estimators.reference import References
from isthmus.likelihood import Likelihood
from isthmus.measures.baseline import Baseline
from isthmus.noise import Noise
from isthmus.penalty import Penalty
from isthmus.records import Column, Spec
from isthmus.training.history import History
from isthmus.training.trainer import Trainer

PLAIN = ("n_components", "shape", "scaling", "verbose")
KINDS: dict[str, Any] = {
    "architecture": Architecture,
    "bottleneck": Bottleneck,
    "corruption": Corruption,
    "likelihood": Likelihood,
    "trainer": Trainer,
}


def save(model: Autoencoder, path: str | Path) -> Path:
    """Write a fitted autoencoder to a folder."""
    manifest, tensors = described(model)
    return persistence.write(path, manifest | left_out(model), tensors)


def left_out(model: Any) -> dict[str, Any]:
    """Return which columns of a file the shell kept from a fit, as it leaves them out again, and which was the time."""
    time = getattr(model, "time_", None)
    return {"left_out": list(getattr(model, "left_out_", ())), **({} if time is None else {"time": time})}


def described(model: Autoencoder) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return a fitted autoencoder as plain values and tensors."""
    parts = model.parts_
    manifest = {
        "estimator": type(model).__name__,
        "parts": parts_to_dict(parts),
        "parameters": {name: plain(getattr(model, name)) for name in PLAIN}
        | {"schema": schema_to_dict(model.schema), "random_state": seed_to_dict(model.random_state)},
        "chosen": [name for name in KINDS if getattr(model, name) is None],
        "data": spec_to_dict(model.spec_) | {"given": list(model.row_shape_)},
        "scaling": {"mode": model.scaling_.mode},
        "table": None if model.form_.table is None else model.form_.table.to_dict(),
        "columns": getattr(model, "feature_names_in_", np.array([])).tolist(),
        "n_features_in": model.n_features_in_,
        "seed": model._noise.seed,
        "epochs": model.n_iter_,
        "best_epoch": model.best_epoch_,
        "history": model.history_.rows,
        "concept_names": {str(unit): name for unit, name in model.concept_names_.items()},
    }
    tensors = {f"objective.{name}": t for name, t in model.objective_.state_dict().items()}
    return manifest, tensors | {name: torch.from_numpy(array) for name, array in _arrays(model).items()}


def parts_to_dict(parts: Parts) -> dict[str, Any]:
    """Return every choice of a model as plain values."""
    named = {name: to_dict(getattr(parts, name)) for name in KINDS}
    return named | {"penalties": [to_dict(penalty) for penalty in parts.penalties], "units": parts.units}


def spec_to_dict(spec: Spec) -> dict[str, Any]:
    """Return a description of data as plain values."""
    return asdict(spec) | {"provides": sorted(spec.provides)}


def seed_to_dict(random_state: Any) -> int | None:
    """Return a seed where that is a number; generators have moved on since."""
    return int(random_state) if isinstance(random_state, (int, np.integer)) else None


def schema_to_dict(schema: Any) -> Any:
    """Return a schema's kinds by column as plain values."""
    if not isinstance(schema, Mapping):
        return schema
    return {str(name): to_dict(kind) if isinstance(kind, Kind) else kind for name, kind in schema.items()}


def plain(value: Any) -> Any:
    """Return numbers of numpy as Python's, and tuples as lists."""
    if isinstance(value, np.generic):
        return value.item()
    return [plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _arrays(model: Autoencoder) -> dict[str, Any]:
    return {
        **({} if model.form_.table is None else {"deviations": model.deviations_}),
        "scaling.centre": model.scaling_.centre,
        "scaling.factor": model.scaling_.factor,
        "code_sample": model.past.codes,
        **{f"baseline.{name}": array for name, array in model.past.baseline.arrays().items()},
        **model.references.to_arrays(),
    }


def load(path: str | Path, *, architecture: Architecture | None = None) -> Any:
    """Read a saved estimator, whatever it is; nothing in the file is executed.

    Args:
        path: the folder that ``save`` wrote.
        architecture: for models of your own torch modules, the ``Given(encoder, decoder)`` to put the weights into.

    Raises:
        ValueError: not a model, damaged, newer than this release, of a part that is not installed, or of other modules
            than those given.
    """
    if architecture is not None and not isinstance(architecture, Architecture):
        raise ValueError(f"architecture={architecture!r} is not an architecture; give Given(encoder, decoder)")
    manifest, tensors = persistence.read(path)
    try:
        model = _rebuilt(manifest, tensors, architecture)
        model.left_out_ = tuple(map(str, manifest.get("left_out", ())))  # of models saved before it is not known
        if "time" in manifest:
            model.time_ = str(manifest["time"])
        return model
    except UnknownPart as error:
        remedy = "import your module that defines it, or install the package that does, and load again"
        raise ValueError(f"{path} was saved with a part that is not here ({error}); {remedy}") from None
    except (KeyError, TypeError, RuntimeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error}); save the model again") from None


def _rebuilt(manifest: dict[str, Any], tensors: dict[str, torch.Tensor], architecture: Architecture | None) -> Any:
    """Return the estimator of a manifest and tensors, whatever it is."""
    if manifest["estimator"] == "AnomalyDetector":
        from isthmus.estimators.saving_detector import rebuilt

        return rebuilt(manifest, tensors, architecture)
    if manifest["estimator"].startswith("SelfExplaining"):
        from isthmus.estimators.saving_self_explaining import rebuilt as whole

        return whole(manifest, tensors, architecture)
    return rebuilt_autoencoder(manifest, tensors, architecture)


def rebuilt_autoencoder(
    manifest: dict[str, Any], tensors: dict[str, torch.Tensor], architecture: Architecture | None = None
) -> Autoencoder:
    """Return the autoencoder of a saved model's manifest and tensors.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: the file is not what ``save`` wrote.
    """
    parts = parts_from_dict(manifest["parts"], architecture)
    model = _unbuilt(manifest, tensors, parts)
    try:
        refuse_other_sizes(lambda: {"objective.": parts.build(model.spec_, model._noise)}, tensors)
        build(model, parts)
        _restore(model, manifest, tensors)
    except (ValueError, RuntimeError) as error:
        if architecture is None:
            raise
        reason = f"{architecture!r} differs from the architecture that was saved"
        raise ValueError(f"{reason} ({error}); give one with the same layers") from None
    return model


def parts_from_dict(described: dict[str, Any], architecture: Architecture | None = None) -> Parts:
    """Rebuild every choice of a model, with the architecture that is given in place of the one described."""
    named = {name: from_dict(kind, described[name]) for name, kind in KINDS.items() if name != "architecture"}
    if architecture is None:
        architecture = from_dict(Architecture, described["architecture"])
    penalties = tuple(from_dict(Penalty, item) for item in described["penalties"])
    return Parts(architecture=architecture, penalties=penalties, units=described["units"], **named)


def _unbuilt(manifest: dict[str, Any], tensors: dict[str, torch.Tensor], parts: Parts) -> Autoencoder:
    """Return the estimator with its parameters and what it knows of the data, but without a network."""
    parameters = manifest["parameters"]
    shape = parameters.pop("shape")
    chosen: dict[str, Any] = {name: None if name in manifest["chosen"] else getattr(parts, name) for name in KINDS}
    model = Autoencoder(
        **parameters, shape=None if shape is None else tuple(shape), penalties=parts.penalties, **chosen
    )
    data = manifest["data"]
    model.spec_ = spec_from_dict(data)
    table = manifest.get("table")
    if (table is None) == model.spec_.table:
        raise RuntimeError("the columns of the table do not go with its variables")
    model.form_ = Plain() if table is None else Table(TableCodec.from_dict(table))
    model.row_shape_ = tuple(data["given"])
    model._noise = Noise(manifest["seed"])
    model.scaling_ = Scaling(
        manifest["scaling"]["mode"], tensors["scaling.centre"].numpy(), tensors["scaling.factor"].numpy()
    )
    model.n_features_in_ = manifest["n_features_in"]
    if manifest["columns"]:
        model.feature_names_in_ = np.array(manifest["columns"], dtype=object)
    return model


def spec_from_dict(data: dict[str, Any]) -> Spec:
    """Rebuild a description of data."""
    return Spec(
        tuple(data["shape"]),
        tuple(Column(**c) for c in data["columns"]),
        data["missing"],
        data["rows"],
        frozenset(data["provides"]),
        data.get("table", False),
        data.get("level", 0.0),
    )


def _restore(model: Autoencoder, manifest: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    put(model.objective_, "objective.", tensors)
    model.history_ = History(manifest["history"])
    if "deviations" in tensors:
        model.deviations_ = tensors["deviations"].numpy()
    model.n_iter_, model.best_epoch_ = manifest["epochs"], manifest["best_epoch"]
    for unit, name in manifest.get("concept_names", {}).items():  # models saved before concepts had names have none
        model.name_concept(int(unit), name)
    found = {name.removeprefix("baseline."): t.numpy() for name, t in tensors.items() if name.startswith("baseline.")}
    model._seen.known = Past(Baseline(**found), tensors["code_sample"].numpy())
    model._references = References.from_arrays({name: t.numpy() for name, t in tensors.items()})


def refuse_other_sizes(described: Callable[[], Mapping[str, torch.nn.Module]], tensors: Mapping[str, Any]) -> None:
    """Refuse a description of other nets than those whose weights are there, before any memory is taken for it.

    Args:
        described: what builds the nets, by the prefix of their weights.
        tensors: of the file.

    Raises:
        RuntimeError: a tensor is missing on one side or has another shape.
    """
    with torch.device("meta"):  # shapes without numbers
        nets = described()
    for prefix, net in nets.items():
        refuse_other_shapes(_own(tensors, prefix), net.state_dict())


def _own(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def put(module: torch.nn.Module, prefix: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put the weights of this prefix into a module, in their precision, and ready it for use.

    Raises:
        RuntimeError: they are those of another model.
    """
    state = _own(tensors, prefix)
    dtype = next((t.dtype for t in state.values() if t.is_floating_point()), torch.float32)
    refuse_other_shapes(state, module.state_dict())
    module.to(dtype).load_state_dict(state)
    module.eval()


def refuse_other_shapes(saved: dict[str, torch.Tensor], here: dict[str, torch.Tensor]) -> None:
    """Refuse weights that are not those of the model that was built, naming the first that differs.

    Raises:
        RuntimeError: a tensor is missing on one side or has another shape.
    """
    for name in {**saved, **here}:
        there, now = (tuple(state[name].shape) if name in state else "missing" for state in (saved, here))
        if there != now:
            raise RuntimeError(f"the weights are those of another model: {name} is {there} in the file and {now} here")
