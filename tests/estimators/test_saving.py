"""A saved model is the model: every answer, to the bit; and a file that is not what was saved is not believed."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from quick import identical, quick, refuses_damage, rows, unit_rows

from isthmus import Trainer, load, persistence, recipes
from isthmus.parts import KL, Contractive, Conv, Given, Greedy, Masking, Ramp, Variational

X = rows(60)
OLDEST = Path(__file__).parent / "saved_by_version_1"

MODELS = {
    "dense": quick,
    "variational": lambda: quick(bottleneck=Variational(), penalties=(KL(Ramp(epochs=2)),)),
    "convolutional": lambda: quick(architecture=Conv((2, 2)), corruption=Masking()),
    "standardised, in double precision": lambda: quick(
        scaling="standard", trainer=Trainer(epochs=2, precision="float64"), penalties=(Contractive(),)
    ),
    "pretrained": lambda: quick(trainer=Trainer(epochs=1, pretraining=Greedy(epochs=1))),
    **{name: lambda name=name: getattr(recipes, name)(3, random_state=0) for name in recipes.NAMES},
}


@pytest.mark.parametrize("name", MODELS)
def test_what_comes_back_answers_alike(name, tmp_path):
    model, x = MODELS[name](), unit_rows(50)
    model.set_params(trainer__epochs=min(2, model.get_params().get("trainer__epochs", 2))).fit(x)
    back = load(model.save(tmp_path / "model"))
    assert identical(model, back) and repr(back) == repr(model)
    for ask in ("transform", "reconstruct", "score_samples", "feature_errors"):
        assert_array_equal(getattr(model, ask)(x), getattr(back, ask)(x))
    assert_array_equal(model.sample(6), back.sample(6))
    assert model.evaluate(x) == back.evaluate(x)
    assert model.history_.rows == back.history_.rows


def test_a_loaded_model_goes_on_learning_as_the_saved_one_would(tmp_path):
    model = quick().fit(X)
    back = load(model.save(tmp_path / "model"))
    assert identical(model.partial_fit(X), back.partial_fit(X))
    assert_array_equal(back.set_params(n_components=2).fit(X).transform(X), quick(2).fit(X).transform(X))


def test_names_of_columns_travel(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(8)])
    back = load(quick().fit(frame).save(tmp_path / "model"))
    assert back.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="order"):
        back.transform(frame[frame.columns[::-1]])


def test_the_folder_can_be_read_by_eye(tmp_path):
    folder = quick(corruption=Masking(0.4)).fit(X).save(tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {"model.json", "weights.safetensors"}
    told = json.loads((folder / "model.json").read_text())
    assert told["format"] == "isthmus model" and told["version"] == persistence.VERSION
    assert told["parts"]["corruption"]["rate"] == 0.4 and told["parts"]["units"] == 3
    assert {"Autoencoder", 8, 60} <= {told["estimator"], told["n_features_in"], told["data"]["rows"]}


def modules():
    torch.manual_seed(0)
    return Given(torch.nn.Linear(8, 3), torch.nn.Linear(3, 8))


def test_own_modules_are_given_again(tmp_path):
    model = quick(architecture=modules()).fit(X)
    folder = model.save(tmp_path / "model")
    back = load(folder, architecture=modules())
    assert_array_equal(back.transform(X), model.transform(X))
    with pytest.raises(ValueError, match="same layers"):
        load(folder, architecture=Given(torch.nn.Linear(8, 4), torch.nn.Linear(4, 8)))
    with pytest.raises(ValueError, match="Given"):
        load(folder)


def test_models_of_the_first_format_still_load():
    """Written by release 0.1.0; it must load for ever."""
    model = load(OLDEST)
    expected = np.load(OLDEST.parent / "saved_by_version_1.npz")
    assert_allclose(model.transform(expected["X"]), expected["codes"], rtol=1e-5, atol=1e-6)
    assert_allclose(model.reconstruct(expected["X"]), expected["reconstructions"], rtol=1e-5, atol=1e-6)


# -- files that are not what was saved --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return quick().fit(X).save(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def rewritten(folder, **changes):
    """Change values of the manifest and make its checksum fit, as a newer release or a forger would."""
    file = folder / "model.json"
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(content | {"checksum": persistence.checksum(content)}))


def test_a_newer_format_is_refused_with_the_remedy(copy):
    rewritten(copy, version=persistence.VERSION + 1)
    with pytest.raises(ValueError, match=r"format version 2, this release reads up to 1; upgrade isthmus"):
        load(copy)


@pytest.mark.parametrize("changes", [{"version": "1"}, {"version": 0}, {"format": "another model"}, {"parts": {}}])
def test_a_manifest_that_makes_no_sense_is_refused(copy, changes):
    rewritten(copy, **changes)
    with pytest.raises(ValueError, match=r"damaged|not that of a saved model"):
        load(copy)


def test_a_part_that_is_not_installed_is_named(copy):
    described = json.loads((copy / "model.json").read_text())["parts"]
    kind = next(iter(described["corruption"]))
    rewritten(copy, parts=described | {"corruption": described["corruption"] | {kind: "stranger"}})
    with pytest.raises(ValueError, match="stranger"):
        load(copy)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_no_flipped_bit_and_no_lost_byte_is_believed(copy, name):
    file = copy / name
    refuses_damage(load, file, flips=40)
    file.unlink()
    with pytest.raises(ValueError, match=r"missing|not a saved model"):
        load(copy)


# -- places where nothing can be written ------------------------------------------------------------------------------


def test_saving_again_replaces_the_model_and_leaves_nothing_behind(tmp_path):
    model = quick().fit(X)
    folder = model.save(tmp_path / "model")
    model.partial_fit(X).save(folder)
    assert_array_equal(load(folder).transform(X), model.transform(X))
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    umask = persistence._umask()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o666 & ~umask}


def test_what_else_lies_in_the_folder_stays(tmp_path):
    model = quick().fit(X)
    folder = model.save(tmp_path / "model")
    (folder / "README.md").write_text("a card")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    model.partial_fit(X).save(folder)
    assert_array_equal(load(folder).transform(X), model.transform(X))
    assert (folder / "README.md").read_text() == "a card"
    assert (folder / ".git" / "HEAD").read_text() == "ref: refs/heads/main"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_leaves_the_old_model_whole(saved, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    before = load(folder).transform(X)

    def full(tensors, path):
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(persistence, "save_file", full)
    with pytest.raises(ValueError, match=r"No space left on device.*old files are untouched"):
        quick(2).fit(X).save(folder)
    assert_array_equal(load(folder).transform(X), before)
    assert [file.name for file in tmp_path.iterdir()] == ["model"], "the half-written files are gone"


def test_other_folders_are_not_overwritten(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(ValueError, match="not a saved model"):
        quick().fit(X).save(tmp_path / "letters")
    assert (tmp_path / "letters" / "a.txt").read_text() == "dear"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ValueError, match="may write"):
            quick().fit(X).save(tmp_path / "model")
    finally:
        tmp_path.chmod(0o700)


def test_numbers_of_numpy_are_numbers(tmp_path):
    x = unit_rows(50, 12)
    model = quick(random_state=np.int64(3), shape=(np.int64(1), np.int64(3), np.int64(4)), architecture=Conv((2,)))
    back = load(model.fit(x).save(tmp_path / "model"))
    assert back.random_state == 3 and back.shape == (1, 3, 4)
    assert_array_equal(back.fit(x).transform(x), model.transform(x))
