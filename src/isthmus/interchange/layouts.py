"""The names that other libraries give to a dictionary's tensors and settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.interchange.weights import Weights

Tensors = dict[str, Tensor]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """The files of one library, and how tensors and settings are read from them and written to them."""

    name: str
    tensors: str
    settings: str
    read: Callable[[Tensors, Settings], Weights]
    write: Callable[[Weights], tuple[Tensors, Settings]]


def _refuse(library: str, settings: Settings, plain: dict[str, tuple[Any, ...]]) -> None:
    """Refuse settings under which the tensors mean something else.

    Raises:
        ValueError: a setting that is not plain.
    """
    for name, allowed in plain.items():
        value = settings.get(name, allowed[0])
        if value not in allowed:
            raise ValueError(
                f"{library}: {name}={value!r} changes rows in a way that tensors do not say; fold it into the tensors "
                f"there, so that {name} is {allowed[0]!r}"
            )


# -- SAELens: W_enc (columns, units), W_dec (units, columns) ----------------------------------------------------------


def _activated(kind: str, s: Settings) -> str:
    """Return the architecture, which files before 6.0 call "standard" for every activation.

    Raises:
        ValueError: another activation.
    """
    name = s.get("activation_fn_str") or s.get("activation_fn") or "relu"
    if name == "topk" and kind in ("standard", "topk"):
        return "topk"
    if name != "relu":
        raise ValueError(f"SAELens: activation_fn={name!r} is not known here; convert one with 'relu' or 'topk'")
    return kind


def _read_sae_lens(t: Tensors, s: Settings) -> Weights:
    kind = _activated(s.get("architecture", "standard"), s)
    names = {"standard": "relu", "topk": "topk", "jumprelu": "jumprelu", "gated": "gated"}
    if kind not in names:
        raise ValueError(f"SAELens: architecture={kind!r} is not known here; convert one of {', '.join(names)}")
    _refuse("SAELens", s, {"normalize_activations": ("none", None, False), "finetuning_scaling_factor": (False, None)})
    if "scaling_factor" in t and not bool((t["scaling_factor"] == 1).all()):
        raise ValueError("SAELens: scaling_factor is not 1; fold it into the tensors there")
    encoder, atoms, bias = t["W_enc"].T, t["W_dec"], t["b_gate"] if kind == "gated" else t["b_enc"]
    found: Settings = {"threshold": t["threshold"].clamp_min(0)} if kind == "jumprelu" else {}
    if kind == "gated":
        found = {"scale": t["r_mag"], "shift": t["b_mag"] - t["r_mag"].exp() * t["b_gate"]}
    if kind == "topk":
        found = {"k": _k(s.get("k", (s.get("activation_fn_kwargs") or {}).get("k")))}
        if s.get("rescale_acts_by_decoder_norm"):
            length = atoms.norm(dim=1)
            encoder, bias, atoms = encoder * length.unsqueeze(1), bias * length, atoms / length.unsqueeze(1)
    weights = Weights(names[kind], encoder, bias, atoms, t["b_dec"], **found)
    if s.get("apply_b_dec_to_input", True):
        return weights
    # The gate's bias moves by W c and the magnitude's by exp(r) W c: the shift between them stays.
    return weights.read_without_centre()


def _write_sae_lens(w: Weights) -> tuple[Tensors, Settings]:
    kind = {"relu": "standard"}.get(w.kind, w.kind)
    units, columns = w.encoder.shape
    t = {"W_enc": w.encoder.T, "W_dec": w.atoms, "b_dec": w.centre}
    s: Settings = {"architecture": kind, "d_in": columns, "d_sae": units, "dtype": "float32", "device": "cpu"}
    s |= {"apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none"}
    if w.scale is not None and w.shift is not None:
        t |= {"r_mag": w.scale, "b_gate": w.bias, "b_mag": w.shift + w.scale.exp() * w.bias}
    else:
        t["b_enc"] = w.bias
    if w.threshold is not None:
        t["threshold"] = w.threshold
    if w.kind == "topk":
        s |= {"k": w.k, "rescale_acts_by_decoder_norm": False}
    # Files older than 6.0 are read by other rules, so the version says which ones hold.
    return t, s | {"metadata": {"sae_lens_version": "6.12.0"}}


# -- sparsify: encoder.weight (units, columns), W_dec (units, columns) ------------------------------------------------


def _read_sparsify(t: Tensors, s: Settings) -> Weights:
    if s.get("transcode") or s.get("skip_connection") or "W_skip" in t:
        raise ValueError("sparsify: a transcoder or a skip connection is no dictionary of its own input; give another")
    if s.get("activation", "topk") != "topk":
        raise ValueError(f"sparsify: activation={s['activation']!r} is not known here; give one with 'topk'")
    return Weights("topk", t["encoder.weight"], t["encoder.bias"], t["W_dec"], t["b_dec"], k=_k(s.get("k")))


def _write_sparsify(w: Weights) -> tuple[Tensors, Settings]:
    if w.kind != "topk":
        raise ValueError(f"sparsify has top-k dictionaries alone, not {w.kind}; use layout='sae_lens'")
    units, columns = w.encoder.shape
    t = {"encoder.weight": w.encoder, "encoder.bias": w.bias, "W_dec": w.atoms, "b_dec": w.centre}
    s = {"activation": "topk", "expansion_factor": max(1, units // columns), "normalize_decoder": True}
    return t, s | {"num_latents": units, "k": w.k, "multi_topk": False, "skip_connection": False, "d_in": columns}


# -- dictionary_learning: encoder.weight (units, columns), decoder.weight (columns, units) ----------------------------


def _read_dictionary_learning(t: Tensors, s: Settings) -> Weights:
    trainer = s.get("trainer", s)
    name = trainer.get("dict_class")
    if name == "JumpReluAutoEncoder":
        found = Weights("jumprelu", t["W_enc"].T, t["b_enc"], t["W_dec"], t["b_dec"], threshold=t["threshold"])
        return found if trainer.get("apply_b_dec_to_input", False) else found.read_without_centre()
    if name == "AutoEncoder":
        return Weights("relu", t["encoder.weight"], t["encoder.bias"], t["decoder.weight"].T, t["bias"])
    if name == "GatedAutoEncoder":
        gate, r = t["gate_bias"], t["r_mag"]
        found = Weights("gated", t["encoder.weight"], gate, t["decoder.weight"].T, t["decoder_bias"], scale=r)
        return Weights(**{**vars(found), "shift": t["mag_bias"] - r.exp() * gate})
    if name in ("AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE"):
        # Matryoshka's decoder is a matrix W_dec, and its encoder W_enc, where the others have linear layers.
        encoder = t["encoder.weight"] if "encoder.weight" in t else t["W_enc"].T
        bias = t.get("encoder.bias", t.get("b_enc"))
        atoms = t["decoder.weight"].T if "decoder.weight" in t else t["W_dec"]
        found = Weights("topk", encoder, bias, atoms, t["b_dec"], k=_k(t.get("k", trainer.get("k"))))  # type: ignore[arg-type]
        if name == "AutoEncoderTopK":
            return found
        return Weights(**{**vars(found), "kind": "jumprelu", "threshold": t["threshold"].expand(len(encoder)).clone()})
    raise ValueError(f"dictionary_learning: dict_class={name!r} is not known here; convert another class")


def _write_dictionary_learning(w: Weights) -> tuple[Tensors, Settings]:
    units, columns = w.encoder.shape
    s: Settings = {"activation_dim": columns, "dict_size": units}
    linear = {"encoder.weight": w.encoder, "decoder.weight": w.atoms.T}
    if w.threshold is not None:
        # Its encoder reads x itself.
        bias = w.bias - w.encoder @ w.centre
        t = {"W_enc": w.encoder.T, "b_enc": bias, "W_dec": w.atoms, "b_dec": w.centre, "threshold": w.threshold}
        return t, {"trainer": s | {"dict_class": "JumpReluAutoEncoder"}}
    if w.scale is not None and w.shift is not None:
        own = {"r_mag": w.scale, "gate_bias": w.bias, "mag_bias": w.shift + w.scale.exp() * w.bias}
        return linear | own | {"decoder_bias": w.centre}, {"trainer": s | {"dict_class": "GatedAutoEncoder"}}
    linear["encoder.bias"] = w.bias
    if w.kind == "relu":
        return linear | {"bias": w.centre}, {"trainer": s | {"dict_class": "AutoEncoder"}}
    own = {"b_dec": w.centre, "k": torch.tensor(w.k, dtype=torch.int32), "threshold": torch.tensor(-1.0)}
    return linear | own, {"trainer": s | {"dict_class": "AutoEncoderTopK", "k": w.k}}


def _k(value: Any) -> int:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    # Files hold a number of units as 4.0 too.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value >= 1 and value % 1 == 0):
        raise ValueError(f"k={value!r} does not say how many units are active; write a whole number from 1 up")
    return int(value)


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("sae_lens", "sae_weights.safetensors", "cfg.json", _read_sae_lens, _write_sae_lens),
        Layout("sparsify", "sae.safetensors", "cfg.json", _read_sparsify, _write_sparsify),
        Layout(
            "dictionary_learning",
            "ae.safetensors",
            "config.json",
            _read_dictionary_learning,
            _write_dictionary_learning,
        ),
    )
}
