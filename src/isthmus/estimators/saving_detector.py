"""A fitted anomaly detector as a manifest and tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus import persistence
from isthmus.architecture import Architecture
from isthmus.catalogue import from_dict, to_dict
from isthmus.component import Part
from isthmus.data.codec import TableCodec
from isthmus.data.windows import Windows
from isthmus.estimators.anomaly import AnomalyDetector
from isthmus.estimators.assembly import Parts
from isthmus.estimators.inputs import Array, tensor
from isthmus.estimators.members import Members, Recipe
from isthmus.estimators.pictures import Pictures
from isthmus.estimators.reading import Reading
from isthmus.estimators.reference import References
from isthmus.estimators.saving import (
    left_out,
    parts_from_dict,
    parts_to_dict,
    plain,
    put,
    refuse_other_sizes,
    schema_to_dict,
    seed_to_dict,
    spec_from_dict,
    spec_to_dict,
)
from isthmus.estimators.series import Series
from isthmus.noise import Noise
from isthmus.training.history import History
from isthmus.training.trainer import Trainer

SETTINGS = ("contamination", "alarm_rate", "calibration", "members", "shape", "window", "stride", "verbose")
# Grows where scores mean something else: what was calibrated before would be compared with others.
SCORING = 2
PARTS: dict[str, Any] = {"architecture": Architecture, "trainer": Trainer}


def save(detector: AnomalyDetector, path: str | Path) -> Path:
    """Write a fitted detector to a folder."""
    members = detector.members_
    manifest = {
        "estimator": "AnomalyDetector",
        "scoring": SCORING,
        "parameters": {name: plain(getattr(detector, name)) for name in SETTINGS}
        | {name: None if (part := getattr(detector, name)) is None else to_dict(part) for name in PARTS}
        | {"schema": schema_to_dict(detector.schema), "random_state": seed_to_dict(detector.random_state)},
        "recipe": {f.name: _described(getattr(members.recipe, f.name)) for f in fields(members.recipe)},
        "data": spec_to_dict(members.spec),
        "reading": _reading_to_dict(detector.reading_),
        # What is added to rows before they are read is drawn from these.
        "seeds": [noise.seed for noise in members.noises],
        "offset": float(detector.offset_),
        "columns": getattr(detector, "feature_names_in_", np.array([])).tolist(),
        "n_features_in": detector.n_features_in_,
        "histories": [history.rows for history in detector.histories_],
    }
    return persistence.write(path, manifest | left_out(detector), _tensors(detector))


def _described(value: Any) -> Any:
    """Return a field of a recipe as plain values; parts are told by being a table."""
    if isinstance(value, Parts):
        return {"parts": parts_to_dict(value)}
    return {"part": to_dict(value)} if isinstance(value, Part) else plain(value)


def _understood(value: Any, architecture: Architecture | None) -> Any:
    if isinstance(value, Mapping):
        return parts_from_dict(dict(value["parts"]), architecture)
    return tuple(value) if isinstance(value, list) else value


def _reading_to_dict(reading: Reading) -> dict[str, Any]:
    if isinstance(reading, Pictures):
        return {"type": "pictures", "factor": float(reading.factor), "shape": list(reading.given)}
    if isinstance(reading, Series):
        return {"type": "series", "codec": reading.codec.to_dict(), "windows": asdict(reading.windows)}
    return {"type": "table", "codec": reading.codec.to_dict(), "plain": reading.plain}


def _modules(members: Members) -> Mapping[str, torch.nn.Module]:
    """Return every net of the members by the prefix of its weights."""
    told = {f"denoiser.{i}.": net for i, net in enumerate(members.denoisers)}
    return told | {f"filler.{i}.": net for i, net in enumerate(members.fillers)}


def _tensors(detector: AnomalyDetector) -> dict[str, Tensor]:
    members = detector.members_
    arrays: dict[str, Array] = {
        "scales": members.scales,
        "deviations": members.deviations,
        "ends": members.ends,
        "met": members.met,
        "known": np.asarray(detector.known_),
        "known_rows": detector.known_rows_,
        **{f"calibration.{k}": scores for k, scores in enumerate(detector.calibration_)},
        **detector.references.to_arrays(),
    }
    if isinstance(detector.reading_, Pictures):
        arrays["centre"] = detector.reading_.centre
    if isinstance(detector.reading_, Series) and detector.reading_.ranges is not None:
        arrays["ranges"] = detector.reading_.ranges
    found = {name: tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}
    for prefix, net in _modules(members).items():
        found |= {f"{prefix}{name}": weight for name, weight in net.state_dict().items()}
    return found


def rebuilt(
    manifest: dict[str, Any], tensors: dict[str, Tensor], architecture: Architecture | None = None
) -> AnomalyDetector:
    """Return the detector of a saved model's manifest and tensors.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: the file is not what ``save`` wrote.
    """
    if (scoring := manifest.get("scoring", 1)) != SCORING:
        raise ValueError(f"the detector scores by rule {scoring}, this release by {SCORING}; fit it again and save it")
    detector = _unfitted(dict(manifest["parameters"]), architecture)
    detector.reading_ = _reading_from_dict(manifest["reading"], tensors)
    detector.n_features_in_ = manifest["n_features_in"]
    if manifest["columns"]:
        detector.feature_names_in_ = np.array(manifest["columns"], dtype=object)
    detector.members_ = _members(manifest, tensors, architecture)
    detector.histories_ = [History(rows) for rows in manifest["histories"]]
    count = sum(name.startswith("calibration.") for name in tensors)
    detector.calibration_ = [tensors[f"calibration.{k}"].numpy() for k in range(count)]
    detector.offset_ = float(manifest["offset"])
    detector._references = References.from_arrays({name: t.numpy() for name, t in tensors.items()})
    detector.known_, detector.known_rows_ = tensors["known"].numpy(), tensors["known_rows"].numpy()
    if count not in (1, len(detector.members_.noises)):
        raise RuntimeError(f"{count} sets of calibration scores for {len(detector.members_.noises)} members")
    return detector


def _unfitted(parameters: dict[str, Any], architecture: Architecture | None) -> AnomalyDetector:
    """Return the estimator with its parameters."""
    for name, kind in PARTS.items():
        if parameters[name] is not None:
            own = architecture if name == "architecture" else None
            parameters[name] = own if own is not None else from_dict(kind, parameters[name])
    if parameters["shape"] is not None:
        parameters["shape"] = tuple(parameters["shape"])
    return AnomalyDetector(**parameters)


def _reading_from_dict(saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reading:
    if saved["type"] == "pictures":
        return Pictures(tensors["centre"].numpy(), saved["factor"], tuple(saved["shape"]))
    codec = TableCodec.from_dict(saved["codec"])
    if saved["type"] == "series":
        ranges = tensors["ranges"].numpy() if "ranges" in tensors else None
        return Series(codec, Windows(**saved["windows"]), ranges)
    return Reading(codec, plain=saved["plain"])


def _members(manifest: dict[str, Any], tensors: dict[str, Tensor], architecture: Architecture | None) -> Members:
    recipe = Recipe(**{name: _understood(value, architecture) for name, value in manifest["recipe"].items()})
    spec, noises = spec_from_dict(manifest["data"]), [Noise(seed) for seed in manifest["seeds"]]
    asked, here = len(recipe.levels) * (2 if recipe.probes else 1), tuple(tensors["scales"].shape)
    if here != (len(noises), asked, spec.size):
        raise RuntimeError(f"scales are {here} in the file, of {len(noises)} members and {spec.size} variables")
    widest = max(n for found in tensors.values() for n in found.shape)
    if any(column.levels > widest for column in spec.columns):
        raise RuntimeError("a column has more levels than any weight of the file")
    refuse_other_sizes(lambda: _modules(Members(recipe, spec, noises)), tensors)
    members = Members(recipe, spec, noises)
    for prefix, net in _modules(members).items():
        put(net, prefix, tensors)
    for name in ("scales", "deviations", "ends", *(("met",) if "met" in tensors else ())):
        here, saved = getattr(members, name), tensors[name].numpy()
        if here.shape != saved.shape:
            raise RuntimeError(f"{name} is {saved.shape} in the file and {here.shape} here")
        setattr(members, name, saved)
    members._answer_anew()
    return members
