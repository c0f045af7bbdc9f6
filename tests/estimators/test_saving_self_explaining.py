"""A saved self-explaining model answers as it did, and a damaged one is not believed."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quick import quick, refuses_damage, rows

from isthmus import SelfExplainingClassifier, SelfExplainingRegressor, Trainer, load
from isthmus.parts import Dense

X = rows(90, seed=5)
LABELS = {
    "words": np.array(["no", "yes"])[(X[:, 0] > 5).astype(int)],
    "numbers": (X[:, 0] > 5) * 3 + (X[:, 1] > 5),
    "truths": X[:, 0] > 5,
}
SETTINGS = {"relevances": Dense((5,), "tanh"), "trainer": Trainer(3), "random_state": 0}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("reads", ["inputs", "code"])
def test_a_classifier_comes_back(tmp_path, labels, reads):
    model = SelfExplainingClassifier(quick(3), reads=reads, class_weight="balanced", **SETTINGS).fit(X, LABELS[labels])
    model.name_concept(1, "loop")
    again = load(model.save(tmp_path / "model"))
    assert again.get_params().keys() == model.get_params().keys()
    assert_array_equal(again.classes_, model.classes_)
    assert again.predict(X).dtype == model.predict(X).dtype
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    for name in ("contributions", "stability", "prototypes"):
        assert_array_equal(getattr(again.explain(X[:5]), name), getattr(model.explain(X[:5]), name))
    assert again.explain(X[:1]).names == ("concept 0", "loop", "concept 2", "constant")
    assert_allclose(again.intervene(X[:5], {"loop": 0.0}).effect, model.intervene(X[:5], {1: 0.0}).effect)
    assert again.history_[-1] == model.history_[-1]
    assert again.fit(X, LABELS[labels]).score(X, LABELS[labels]) > 0


def test_a_regressor_of_a_table_comes_back(tmp_path):
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 5, "up", "down")})
    model = SelfExplainingRegressor(quick(2), **SETTINGS).fit(frame, 7 + 3 * X[:, 2])
    again = load(model.save(tmp_path / "model"))
    assert_array_equal(again.predict(frame), model.predict(frame))
    assert list(again.feature_names_in_) == ["a", "b"]


def test_damage_is_found(tmp_path):
    model = SelfExplainingClassifier(quick(2), **SETTINGS).fit(X, LABELS["words"])
    folder = model.save(tmp_path / "model")
    for name in ("model.json", "weights.safetensors"):
        whole = (folder / name).read_bytes()
        refuses_damage(load, folder / name, 4)
        (folder / name).write_bytes(whole)
