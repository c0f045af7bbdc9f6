"""Models go to a Hub and come back, with a card; what comes back is believed as little as any file."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from hubserver import Hub
from huggingface_hub import ModelCard, constants
from mixed_tables import table
from quick import START, identical, quick, rows

import isthmus
from isthmus import AnomalyDetector, FineTunedClassifier, SelfExplainingClassifier, Trainer
from isthmus.estimators.without_rows import without_rows
from isthmus.parts import Dense
from isthmus.sharing.hub import save_pretrained

ONE = Trainer(epochs=1)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = Hub()
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield server
    server.shutdown()
    server.server_close()


def test_a_model_goes_there_and_comes_back(hub, tmp_path):
    X = rows(60)
    model = quick().fit(X)
    address = isthmus.push_to_hub(model, "me/plane", X, name="planes", license="mit", tags=["plane"])
    assert address == f"{hub.address}/me/plane"
    assert set(hub.repositories["me/plane"]) == {"README.md", "model.json", "weights.safetensors"}
    again = isthmus.from_hub("me/plane")
    assert identical(again, model)
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    kept = isthmus.from_hub("me/plane", revision="main", folder=tmp_path / "kept")
    assert identical(kept, model) and identical(isthmus.load(tmp_path / "kept"), model)
    card = ModelCard(hub.repositories["me/plane"]["README.md"].decode())
    assert (card.data.library_name, card.data.license, card.data.tags) == ("isthmus", "mit", ["autoencoder", "plane"])
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured["squared_error_per_row"] == pytest.approx(model.evaluate(X).squared_error, rel=1e-5)


def test_a_card_says_in_words_what_the_model_says_of_itself(tmp_path):
    frame = pd.DataFrame({"a|b": [1.0, None, 3.5, 4.0] * 10, "town": ["Ulm", "Bern", None, "Oslo"] * 10})
    model = quick(2, architecture=Dense((6,)), trainer=ONE).fit(frame)
    path = save_pretrained(model, tmp_path / "towns", frame, name="towns", repo_id="me/towns")
    text = (path / "README.md").read_text()
    for told in ("- bottleneck: `Undercomplete()`", "- architecture: `Dense(hidden=(6,))`", "PCA", "log-likelihood"):
        assert (told in text) == (told != "PCA"), told
    assert 'isthmus.from_hub("me/towns")' in text and "| a\\|b | number |" in text and "| town | category |" in text
    assert "No license" not in text and ModelCard(text).data.license is None
    assert "Ulm" not in text and "3.5" not in text.split("## Columns")[1]


def test_a_card_without_rows_has_the_held_out_loss(tmp_path):
    model = quick().fit(rows(60))
    text = (save_pretrained(model, tmp_path / "m") / "README.md").read_text()
    best = [row["held_out"]["loss"] for row in model.history_ if row["epoch"] == model.best_epoch_]
    assert ModelCard(text).data.eval_results[0].metric_value == pytest.approx(best[0], abs=1e-5)


def detector():
    X = table(60).select(["age", "town"])
    return AnomalyDetector(architecture=Dense((6,)), members=1, trainer=ONE, random_state=0).fit(X), X


def explained():
    X = rows(60)
    y = np.array(["low", "high"])[(X[:, 0] > 5).astype(int)]
    model = SelfExplainingClassifier(quick(trainer=ONE), relevances=Dense((6,)), trainer=ONE, random_state=0)
    return model.fit(X, y), X


def test_no_rows_leave_the_house_with_a_detector(tmp_path):
    model, X = detector()
    shared = isthmus.load(save_pretrained(model, tmp_path / "shared", X))
    np.testing.assert_array_equal(shared.p_values(X), model.p_values(X))
    assert shared.known_rows_.size == 0 and shared.explain(X).neighbours.shape == (60, 0)
    assert len(model.known_rows_)  # the model itself is as it was
    asked = isthmus.load(save_pretrained(model, tmp_path / "asked", rows=True))
    np.testing.assert_array_equal(asked.known_rows_, model.known_rows_)
    assert "holds rows" in (tmp_path / "asked" / "README.md").read_text()


def test_codes_of_training_rows_are_replaced_by_such_as_sampling_draws():
    X = rows(200)
    model = quick().fit(X)
    shared = without_rows(model)
    assert identical(shared, model)
    own, drawn = model.past.codes, shared.past.codes
    assert drawn.shape == own.shape
    assert np.abs(own[:, None] - drawn[None]).sum(2).min() > 1e-6
    np.testing.assert_allclose(drawn.mean(0), own.mean(0), atol=4 * own.std() / np.sqrt(len(own)))
    new = shared.sample(500)
    np.testing.assert_allclose(new.mean(0), model.sample(500).mean(0), atol=1.0)


def test_a_self_explaining_model_is_shared_without_prototypes(tmp_path):
    model, X = explained()
    shared = isthmus.load(save_pretrained(model, tmp_path / "shared", X))
    np.testing.assert_array_equal(shared.predict_proba(X), model.predict_proba(X))
    told, own = shared.explain(X[:3]), model.explain(X[:3])
    np.testing.assert_array_equal(told.contributions, own.contributions)
    assert told.prototypes.shape == (3, 0) and own.prototypes.shape == (3, 8)
    for concept in range(3):
        np.testing.assert_array_equal(
            np.sort(shared.known_concepts_[:, concept]), np.sort(model.known_concepts_[:, concept])
        )
    together = {tuple(code) for code in model.known_concepts_.tolist()}
    assert sum(tuple(code) in together for code in shared.known_concepts_.tolist()) < 5
    assert "classifier" in ModelCard((tmp_path / "shared" / "README.md").read_text()).data.tags


def test_what_was_tampered_with_on_the_hub_is_refused(hub):
    isthmus.push_to_hub(quick().fit(rows(40)), "me/m")
    files = hub.repositories["me/m"]
    assert ModelCard(files["README.md"].decode()).data.library_name == "isthmus"
    content = json.loads(files["model.json"])
    files["model.json"] = json.dumps(content | {"seed": 7}).encode()
    with pytest.raises(ValueError, match="was changed by hand"):
        isthmus.from_hub("me/m")
    hub.repositories["me/evil"] = {"evil.py": b"import os"}
    with pytest.raises(ValueError, match=r"has no model\.json: it is no model of isthmus"):
        isthmus.from_hub("me/evil")
    assert not any("evil.py" in request for request in hub.asked)


def test_mistakes_are_told_in_one_line(hub, tmp_path):
    model = quick(trainer=START).fit(rows(40))
    for do, told in (
        (lambda: isthmus.from_hub("me/nothing"), "'me/nothing' cannot be read from the Hub .*; check the name"),
        (lambda: isthmus.from_hub("a/b/c"), "'a/b/c' is no name of a repository .*; write user/name"),
        (lambda: save_pretrained(quick(), tmp_path / "m"), "not fitted.*; call fit first"),
        (lambda: save_pretrained(FineTunedClassifier(), tmp_path / "m"), "cannot be saved.*; give its autoencoder_"),
    ):
        with pytest.raises(ValueError, match=told) as error:
            do()
        assert "\n" not in str(error.value)
    hub.refusing = 403
    with pytest.raises(ValueError, match=r"cannot be written to the Hub .*; use a token that may write there"):
        isthmus.push_to_hub(model, "me/m")
    assert not hub.repositories


def test_the_shell_pushes_and_pulls(hub, shell, tmp_path):
    X = rows(60)
    quick().fit(X).save(tmp_path / "model")
    np.save(tmp_path / "rows.npy", X)
    asked = ("--data", tmp_path / "rows.npy", "--license", "mit", "--tag", "plane")
    done = shell("push", tmp_path / "model", "me/plane", *asked)
    assert done.code == 0 and done.out == f"{hub.address}/me/plane\n"
    card = ModelCard(hub.repositories["me/plane"]["README.md"].decode())
    assert card.data.eval_results[0].dataset_name == "rows.npy" and card.data.tags[-1] == "plane"
    done = shell("pull", "me/plane", "-o", tmp_path / "pulled")
    assert done.code == 0 and str(tmp_path / "pulled") in done.out
    assert {path.name for path in (tmp_path / "pulled").iterdir()} == {"model.json", "weights.safetensors"}
    assert shell("score", tmp_path / "pulled", tmp_path / "rows.npy").code == 0
    done = shell("pull", "me/none", "-o", tmp_path / "none")
    assert done.code == 2 and "cannot be read from the Hub" in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for do in (lambda: isthmus.from_hub("me/m"), lambda: isthmus.push_to_hub(None, "me/m")):
        with pytest.raises(ImportError, match=r"pip install 'isthmus\[hub\]'"):
            do()
