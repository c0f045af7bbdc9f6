"""Graphs of self-explaining and fine-tuned models predict, take apart and intervene as the estimators do."""

import numpy as np
import pytest
from answering import SIZES, agree, both, opened
from mixed_tables import table, unseen
from quick import quick, rows, unit_rows

from isthmus import FineTunedClassifier, SelfExplainingClassifier, SelfExplainingRegressor, Trainer, load
from isthmus.parts import Conv, Dense, Overcomplete, Variational

ONE = Trainer(epochs=1)
SMALL = {"relevances": Dense((6,)), "trainer": Trainer(epochs=3), "random_state": 0}


def labels(X, classes):
    return np.array([f"class {i}" for i in (X.sum(tuple(range(1, X.ndim))) * 10).astype(int) % classes])


def told(model, X):
    """Return what a model answers itself, as graphs do."""
    concepts, relevances = model._taken_apart(model._checked(X))
    relevances = relevances.transpose(0, 2, 1)
    found = {"relevances": relevances, "contributions": relevances * concepts[:, None]}
    found["logits"] = found["contributions"].sum(2)
    if hasattr(model, "classes_"):
        found["probabilities"] = model.predict_proba(X)
    else:
        found["prediction"] = model.predict(X).reshape(len(X), -1)
    return {"code": model.autoencoder_.transform(X)} | found


def classifier(X, classes=3, **changes):
    autoencoder = changes.pop("autoencoder", None) or quick(trainer=ONE)
    return SelfExplainingClassifier(autoencoder, **(SMALL | changes)).fit(X, labels(X, classes))


@pytest.mark.parametrize("reads", ["inputs", "code"])
def test_a_classifier_and_its_interventions(reads, tmp_path):
    X = rows(60)
    model = classifier(X, reads=reads)
    more = ("prediction_from_code",) if reads == "code" else ()
    assert model.graphs() == ("prediction", *more, "score", "encoder", "decoder")
    answers = both(model)
    for n in SIZES:
        agree(answers(rows=X[:n]), told(model, X[:n]))
    found, moved = answers(rows=X), model.intervene(X, {0: 2.5})
    code = found["code"].copy()
    code[:, 0] = 2.5
    if reads == "code":
        after = both(model, "prediction_from_code")(code=code)
        assert list(after) == [name for name in found if name != "code"]
        logits = after["logits"]
    else:
        logits = found["relevances"][:, :, -1] + np.einsum("rc,roc->ro", code, found["relevances"][:, :, :-1])
    agree({"logits": logits}, {"logits": moved.logits_after})
    again = load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(opened(again.to_onnx())(rows=X)["logits"], found["logits"])


def test_two_classes_and_pictures():
    X = unit_rows(50, 42).reshape(-1, 6, 7)
    autoencoder = quick(architecture=Conv((2,), head="map"), bottleneck=Overcomplete(), trainer=ONE)
    model = classifier(X, 2, autoencoder=autoencoder, relevances=None)
    agree(both(model)(rows=model.cells(X)), told(model, X))


@pytest.mark.parametrize("targets", [1, 2])
def test_a_regressor_answers_in_the_units_of_its_targets(targets):
    X = rows(60)
    y = X[:, :targets] * 1000 + 5e4
    autoencoder = quick(bottleneck=Variational(), trainer=ONE)
    model = SelfExplainingRegressor(autoencoder, reads="code", **SMALL).fit(X, y[:, 0] if targets == 1 else y)
    found = both(model)(rows=X)
    agree(found, told(model, X))
    again = both(model, "prediction_from_code")(code=found.pop("code"))
    for name, values in found.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-5)


def test_a_table():
    X = table(60).select(["age", "town", "ok", "when"])
    y = np.arange(60) % 3
    model = SelfExplainingClassifier(quick(trainer=ONE), **SMALL).fit(X, y)
    answers = both(model)
    for given in (X, unseen(table(7, seed=1)).select(X.column_names)):
        agree(answers(rows=model.cells(given)), told(model, given))
    assert [column["name"] for column in model.describe_columns()] == ["age", "town", "ok", "when"]


def test_a_fine_tuned_classifier():
    X = table(60).select(["age", "town"])
    autoencoder = quick(2, trainer=ONE)
    model = FineTunedClassifier(autoencoder, trainer=ONE, random_state=0).fit(X, np.arange(60) % 3)
    answers = both(model)
    for given in (X, unseen(table(7, seed=1)).select(X.column_names)):
        wanted = {"code": model.autoencoder_.transform(given), "logits": model._logits(given)}
        agree(answers(rows=model.cells(given)), wanted | {"probabilities": model.predict_proba(given)})
