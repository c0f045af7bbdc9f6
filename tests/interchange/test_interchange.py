"""Dictionaries of other libraries come in and go out with the same codes and reconstructions."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from isthmus import Autoencoder, Trainer, load, recipes
from isthmus.displays import PCAComparisonDisplay
from isthmus.interchange import load_dictionary, save_dictionary
from isthmus.parts import BatchTopK, Dense, Dictionary, Normal, Rectified, TopK, UnitNorm
from isthmus.recipes import MECHANISMS

X = np.random.default_rng(0).normal(3.0, 2.0, (200, 6)).astype(np.float32)


def fitted(by, **changes):
    model = recipes.dictionary(12, l0=3, by=by, trainer=Trainer(epochs=3), random_state=0)
    return model.set_params(**changes).fit(X)


def tensors(seed=0, units=9, columns=6, **others):
    """Return tensors as SAELens names them, with atoms of different lengths."""
    g = torch.Generator().manual_seed(seed)
    t = {"W_enc": (columns, units), "W_dec": (units, columns), "b_enc": (units,), "b_dec": (columns,)}
    return {name: torch.randn(shape, generator=g) for name, shape in t.items()} | others


def written(path, t, settings, names=("sae_weights.safetensors", "cfg.json")):
    path.mkdir(exist_ok=True)
    save_file({name: value.contiguous() for name, value in t.items()}, path / names[0])
    (path / names[1]).write_text(json.dumps(settings))
    return path


@pytest.mark.parametrize("layout", ["sae_lens", "sparsify", "dictionary_learning"])
@pytest.mark.parametrize("by", MECHANISMS)
def test_a_round_trip_keeps_reconstructions_and_codes(tmp_path, by, layout):
    model = fitted(by)
    if layout == "sparsify" and by != "top_k":
        with pytest.raises(ValueError, match=r"sparsify has top-k dictionaries alone, not .*; use layout='sae_lens'"):
            save_dictionary(model, tmp_path, layout)
        return
    again = load_dictionary(save_dictionary(model, tmp_path / "there", layout))
    scale = float(model.scaling_.factor[0])  # codes are in the units of the rows now
    assert np.allclose(again.transform(X), scale * model.transform(X), atol=2e-5)
    assert np.allclose(again.reconstruct(X), model.reconstruct(X), atol=2e-5)
    twice = load_dictionary(save_dictionary(again, tmp_path / "twice", layout))
    assert np.allclose(twice.transform(X), again.transform(X), atol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("kind", ["standard", "jumprelu", "gated"])
def test_saelens_files_mean_what_its_formulas_say(tmp_path, kind, centred):
    t = tensors()
    settings = {"architecture": kind, "d_in": 6, "d_sae": 9, "apply_b_dec_to_input": centred}
    x = torch.from_numpy(X)
    pre = (x - t["b_dec"] * centred) @ t["W_enc"]
    if kind == "gated":
        t = {n: v for n, v in t.items() if n != "b_enc"} | {
            n: 0.3 * torch.randn(9, generator=torch.Generator().manual_seed(i))
            for i, n in enumerate(("r_mag", "b_gate", "b_mag"))
        }
        code = (pre + t["b_gate"] > 0) * torch.relu(pre * t["r_mag"].exp() + t["b_mag"])
    else:
        a = pre + t["b_enc"]
        if kind == "jumprelu":
            t["threshold"] = torch.linspace(-0.5, 2.0, 9)
        code = torch.relu(a) * (a > t["threshold"].relu()) if kind == "jumprelu" else torch.relu(a)
    model = load_dictionary(written(tmp_path, t, settings))
    assert np.allclose(model.transform(X), code * t["W_dec"].norm(dim=1), atol=1e-4)
    assert np.allclose(model.reconstruct(X), code @ t["W_dec"] + t["b_dec"], atol=1e-4)


def test_the_largest_units_are_those_of_the_other_library(tmp_path):
    t = tensors()
    settings = {"architecture": "topk", "k": 2, "rescale_acts_by_decoder_norm": True}
    model = load_dictionary(written(tmp_path, t, settings))
    a = ((torch.from_numpy(X) - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * t["W_dec"].norm(dim=1)
    top = a.topk(2, dim=1)
    code = torch.zeros_like(a).scatter(1, top.indices, top.values.relu())
    assert np.allclose(model.transform(X), code, atol=1e-4)
    with pytest.raises(ValueError, match="atoms, which differ in length"):
        load_dictionary(written(tmp_path, t, settings | {"rescale_acts_by_decoder_norm": False}))


@pytest.mark.parametrize("name", ["activation_fn_str", "activation_fn"])
def test_old_saelens_files_name_their_activation(tmp_path, name):
    t = tensors()
    t["W_dec"] = t["W_dec"] / t["W_dec"].norm(dim=1, keepdim=True)
    settings = {"architecture": "standard", name: "topk", "activation_fn_kwargs": {"k": 2}}
    model = load_dictionary(written(tmp_path, t, settings))
    assert ((model.transform(X) != 0).sum(axis=1) <= 2).all()
    relu = {"architecture": "standard", name: "relu", "activation_fn_kwargs": None}
    assert (load_dictionary(written(tmp_path, t, relu)).transform(X) > 0).sum() > 2 * len(X)


def test_nothing_is_said_of_rows_that_only_the_other_library_saw(tmp_path):
    model = load_dictionary(written(tmp_path, tensors(), {"architecture": "standard"}))
    for read in (model, load(model.save(tmp_path / "here"))):
        found = read.evaluate(X)
        assert np.isnan(found.pca) and np.isnan(found.mean) and found.to_dict()["pca"] is None
        assert "PCA" not in str(found) and "mean" not in str(found) and "variance explained" in str(found)
    with pytest.raises(ValueError, match="training rows of this model are unknown"):
        PCAComparisonDisplay.from_estimator(model, X)


def test_a_batch_top_k_of_dictionary_learning_is_its_threshold(tmp_path):
    t = tensors()
    t = {
        "encoder.weight": t["W_enc"].T,
        "encoder.bias": t["b_enc"],
        "decoder.weight": t["W_dec"].T,
        "b_dec": t["b_dec"],
        "k": torch.tensor(3, dtype=torch.int32),
        "threshold": torch.tensor(1.5),
    }
    settings = {"trainer": {"dict_class": "BatchTopKSAE", "k": 3}}
    model = load_dictionary(written(tmp_path, t, settings, ("ae.safetensors", "config.json")))
    a = torch.relu((torch.from_numpy(X) - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    expected = (a * (a > 1.5)) @ t["decoder.weight"].T + t["b_dec"]
    assert np.allclose(model.reconstruct(X), expected, atol=1e-4)


def test_a_matryoshka_of_dictionary_learning_has_matrices(tmp_path):
    t = tensors(threshold=torch.tensor(1.0))
    settings = {"trainer": {"dict_class": "MatryoshkaBatchTopKSAE", "k": 3}}
    model = load_dictionary(written(tmp_path, t, settings, ("ae.safetensors", "config.json")))
    a = torch.relu((torch.from_numpy(X) - t["b_dec"]) @ t["W_enc"] + t["b_enc"])
    assert np.allclose(model.reconstruct(X), (a * (a > 1.0)) @ t["W_dec"] + t["b_dec"], atol=1e-4)


def test_a_column_by_column_scaling_is_folded_in(tmp_path):
    model = fitted("jump_relu", scaling="standard")
    again = load_dictionary(save_dictionary(model, tmp_path))
    assert np.allclose(again.reconstruct(X), model.reconstruct(X), atol=2e-5)
    atoms = load_file(tmp_path / "sae_weights.safetensors")["W_dec"]
    assert torch.allclose(atoms.norm(dim=1), torch.ones(12))


def test_what_was_read_is_an_estimator_like_any_other(tmp_path):
    model = load_dictionary(written(tmp_path / "there", tensors(), {"architecture": "standard"}))
    again = load(model.save(tmp_path / "here"))
    assert np.array_equal(again.transform(X), model.transform(X))
    assert "Dictionary()" in repr(model) and model.get_params()["n_components"] == 9
    assert np.allclose(model.inverse_transform(model.transform(X)), model.reconstruct(X), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "transcoder"}, "SAELens: architecture='transcoder' is not known here"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations='layer_norm' changes rows .* fold it"),
        ({"architecture": "jumprelu"}, "lacks 'threshold' of the layout 'sae_lens'; check who wrote it"),
        ({"activation_fn_str": "tanh-relu"}, "activation_fn='tanh-relu' is not known here; convert one with 'relu'"),
        ({"architecture": "gated", "activation_fn": "topk"}, "activation_fn='topk' is not known here"),
        ({"architecture": "topk"}, "k=None does not say how many units are active"),
        *[
            ({"architecture": "topk", "k": k}, f"k={k!r} does not say how many units are active; write a whole number")
            for k in (4.7, "four", "4", True, 0, -1, {}, float("nan"), float("inf"))
        ],
        ({"architecture": "topk", "k": 10}, "k=10 of 9 units cannot be active; write a whole number from 1 to 9"),
        ([], "is damaged"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        load_dictionary(written(tmp_path, tensors(), settings))


@pytest.mark.parametrize("name", ["W_dec", "b_enc", "b_dec"])
def test_tensors_that_do_not_fit_each_other_are_named(tmp_path, name):
    broken = tensors() | {name: tensors(units=10, columns=7)[name]}
    with pytest.raises(ValueError, match="has the shape"):
        load_dictionary(written(tmp_path, broken, {"architecture": "standard"}))


@pytest.mark.parametrize(
    ("name", "called"), [("W_enc", "encoder"), ("b_enc", "bias"), ("W_dec", "atoms"), ("b_dec", "centre")]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_tensors_that_hold_no_numbers_are_named(tmp_path, name, called, value):
    t = tensors()
    t[name].view(-1)[:2] = value
    with pytest.raises(
        ValueError, match=rf"{called} has 2 values of \d+ that are NaN or infinite.*write the file again"
    ):
        load_dictionary(written(tmp_path, t, {"architecture": "standard"}))


def test_a_number_of_units_may_be_written_with_a_point(tmp_path):
    t = tensors()
    t["W_dec"] /= t["W_dec"].norm(dim=1, keepdim=True)
    found = load_dictionary(written(tmp_path, t, {"architecture": "topk", "k": 4.0}))
    assert found.bottleneck.k == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 2, "transcode": True}, "a transcoder or a skip connection is no dictionary of its own input"),
        ({"k": 2, "activation": "groupmax"}, "activation='groupmax' is not known here"),
    ],
)
def test_other_kinds_of_sparsify_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        load_dictionary(written(tmp_path, tensors(), settings, ("sae.safetensors", "cfg.json")))


def test_no_pickle_is_opened_and_no_folder_is_guessed(tmp_path):
    with pytest.raises(ValueError, match=r"holds no dictionary; give a folder with sae_weights.safetensors"):
        load_dictionary(tmp_path)
    (tmp_path / "ae.pt").write_bytes(b"\x80")
    with pytest.raises(ValueError, match="is a pickle, which could execute code; convert it where you trust it"):
        load_dictionary(tmp_path)
    t = written(tmp_path, tensors(), {"trainer": {"dict_class": "CrossCoder"}}, ("ae.safetensors", "config.json"))
    with pytest.raises(ValueError, match="dict_class='CrossCoder' is not known here"):
        load_dictionary(t)
    written(tmp_path / "other", tensors(scaling_factor=torch.full((9,), 2.0)), {})
    with pytest.raises(ValueError, match="scaling_factor is not 1; fold it"):
        load_dictionary(tmp_path / "other")


def test_models_that_others_cannot_express_are_refused(tmp_path):
    with pytest.raises(ValueError, match="layout='saelens' is unknown; did you mean 'sae_lens'"):
        save_dictionary(fitted("l1"), tmp_path, "saelens")
    plain = Autoencoder(3, architecture=Dense(()), likelihood=Normal(), trainer=Trainer(epochs=0)).fit(X)
    with pytest.raises(ValueError, match=r"is not a dictionary; fit recipes.dictionary\(\)"):
        save_dictionary(plain, tmp_path)
    for part in (TopK(2), UnitNorm(), Rectified(0.1)):
        odd = Autoencoder(3, architecture=Dictionary(), bottleneck=part, likelihood=Normal(), trainer=Trainer(epochs=0))
        with pytest.raises(ValueError, match=r"other libraries have no .*; they know Rectified\(\)"):
            save_dictionary(odd.fit(X), tmp_path)
    uneven = fitted("top_k", scaling="standard")
    with pytest.raises(ValueError, match="atoms, which differ in length"):
        save_dictionary(uneven, tmp_path)
    assert BatchTopK().k == 0
