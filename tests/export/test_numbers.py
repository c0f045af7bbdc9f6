"""Graphs of autoencoders of numbers and pictures answer as the estimator does."""

import io
import logging
import warnings
import zipfile

import numpy as np
import pytest
import torch
from answering import SIZES, agree, both, opened, opened_pt2, scored
from quick import START, quick, rows, unit_rows
from torch import nn

from isthmus import Trainer, load
from isthmus.parts import (
    BatchTopK,
    Bernoulli,
    Categorical,
    Conv,
    Dense,
    Dictionary,
    Gated,
    Given,
    JumpReLU,
    NoiseLevels,
    Overcomplete,
    Poisson,
)

ONE = Trainer(epochs=1)


@pytest.mark.parametrize("scaling", ["none", "common", "standard"])
def test_encoder_and_decoder_have_graphs_of_their_own(scaling):
    X = rows(40) * 1000.0
    model = quick(scaling=scaling, trainer=ONE).fit(X)
    code = model.transform(X)
    assert model.graphs() == ("score", "encoder", "decoder")
    agree(both(model, "encoder")(rows=X), {"code": code})
    decoded = both(model, "decoder")(code=code.astype(np.float32))
    agree(decoded, {"reconstruction": model.inverse_transform(code)})


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [
        ((7, 6), Conv((2, 3), norm="batch")),
        ((2, 5, 5), Conv((2, 2), down="stride", tied=True)),
        ((3, 9), Conv((2,), head="map", norm="layer")),
        ((4, 3, 5), Dense((6,), norm="batch", activation="gelu", dropout=0.2)),
    ],
    ids=str,
)
def test_pictures_and_signals_come_as_flat_rows(shape, architecture):
    X = unit_rows(20, int(np.prod(shape))).reshape(-1, *shape)
    model = quick(architecture=architecture, bottleneck=Overcomplete(), trainer=ONE).fit(X)
    answers = both(model)
    for n in SIZES:
        agree(answers(rows=X[:n].reshape(n, -1)), scored(model, X[:n]))


@pytest.mark.parametrize(
    "parts",
    [
        {"architecture": Dictionary(), "bottleneck": JumpReLU(rate=0.3)},
        {"architecture": Dictionary(), "bottleneck": Gated()},
        {"architecture": Dictionary(), "bottleneck": BatchTopK(2)},
        {"corruption": NoiseLevels()},
        {"likelihood": Poisson()},
        {"likelihood": Categorical()},
    ],
    ids=str,
)
def test_parts_that_no_recipe_has_are_in_graphs_too(parts):
    X = np.random.default_rng(0).poisson(2.0, size=(60, 6)).astype(float)
    model = quick(trainer=ONE, **parts).fit(X)
    agree(both(model)(rows=X), scored(model, X))


def test_what_a_model_is_sure_of_costs_what_it_costs_when_wrong():
    X = unit_rows(40).round()
    model = quick(likelihood=Bernoulli(), trainer=ONE).fit(X)
    with torch.no_grad():  # outputs of -40, where a logistic function in single precision is zero
        model.objective_.model.output_bias().fill_(-40.0)
    model._answer_anew()
    assert model.feature_errors(X).max() > 30
    agree(both(model)(rows=X), scored(model, X))


def test_a_loaded_model_has_the_same_graph(tmp_path):
    X = rows(40)
    model = quick().fit(X)
    again = load(model.save(tmp_path / "model"))
    found, wanted = opened(again.to_onnx())(rows=X), opened(model.to_onnx())(rows=X)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_graph_is_written_to_a_file_and_tells_nothing_of_the_machine(tmp_path):
    import onnx

    model = quick().fit(rows(40))
    graph = model.to_onnx("encoder", tmp_path / "encoder.onnx")
    assert (tmp_path / "encoder.onnx").read_bytes() == graph
    proto = onnx.load_from_string(graph)
    onnx.checker.check_model(proto, full_check=True)
    assert [opset.version for opset in proto.opset_import if opset.domain == ""] == [20]
    assert [dim.dim_param for dim in proto.graph.input[0].type.tensor_type.shape.dim] == ["batch", ""]
    assert not any(initializer.external_data for initializer in proto.graph.initializer)
    assert b"site-packages" not in graph and b"isthmus/" not in graph


def test_a_pt2_file_tells_nothing_of_the_machine_either(tmp_path):
    X = rows(40)
    model = quick().fit(X)
    graph = model.to_pt2("encoder", tmp_path / "encoder.pt2")
    assert (tmp_path / "encoder.pt2").read_bytes() == graph
    agree(opened_pt2(graph)(rows=X[:1]), {"code": model.transform(X[:1])})
    with zipfile.ZipFile(io.BytesIO(graph)) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert b"site-packages" not in content and b"isthmus/" not in content, name


def test_nobody_hears_of_an_export(capfd, untouched_generators, caplog):
    model = quick(trainer=ONE).fit(rows(40))
    levels = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model.to_onnx("decoder")
    assert not heard and not [told for told in caplog.records if told.levelno >= logging.WARNING]
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == levels


def test_weights_stay_as_they_were():
    X = rows(40)
    model = quick(trainer=ONE).fit(X)
    before = model.transform(X)
    model.to_onnx("encoder")
    assert all(p.requires_grad for p in model.objective_.parameters())
    np.testing.assert_array_equal(model.transform(X), before)
    model.partial_fit(X)


def test_ones_own_modules_are_exported_too():
    X = rows(40)
    encoder = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ELU(), nn.Linear(6, 3))
    model = quick(architecture=Given(encoder, nn.Linear(3, 8))).fit(X)
    agree(both(model)(rows=X[:7]), scored(model, X[:7]))


class Counts(nn.Module):
    """A module that looks at how many rows there are."""

    def forward(self, x):
        return x[:, :3] * len(x) / max(1, len(x))


class Looks(nn.Module):
    """A module whose way depends on the rows."""

    def forward(self, x):
        return x[:, :3] if float(x.sum()) > 0 else -x[:, :3]


class Rare(nn.Module):
    """A module of an operation that ONNX does not have."""

    def forward(self, x):
        import torch

        return torch.special.i1(x[:, :3])


@pytest.mark.parametrize(("module", "told"), [(Counts, "Counts cannot"), (Looks, "Looks"), (Rare, "i1")], ids=str)
def test_a_module_that_cannot_be_a_graph_is_named(module, told, capfd):
    model = quick(architecture=Given(module(), nn.Linear(3, 8)), trainer=ONE).fit(rows(40))
    with pytest.raises(ValueError, match=told):
        model.to_onnx("encoder")
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_is_not_there_is_refused():
    model = quick(trainer=START).fit(rows(40))
    with pytest.raises(ValueError, match="did you mean 'decoder'"):
        model.to_onnx("decode")
