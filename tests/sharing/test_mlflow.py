"""Models among those of MLflow's runs: as themselves, as functions of frames, and with their history as metrics."""

import sys

import numpy as np
import pandas as pd
import pytest
from quick import START, quick, rows

import isthmus
from isthmus import AnomalyDetector, SelfExplainingClassifier, Trainer
from isthmus.parts import Dense
from isthmus.sharing import mlflow as flavour
from isthmus.training.callbacks import MLflow

ONE = Trainer(epochs=1)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    mlflow = pytest.importorskip("mlflow", reason="isthmus[mlflow] is not installed")
    folder = tmp_path_factory.mktemp("tracking")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("tests", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("tests")
    yield mlflow
    mlflow.set_tracking_uri(before)


def people(n=60):
    rng = np.random.default_rng(0)
    days = pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 70, n).astype(float),
            "town": rng.choice(["Bern", "Oslo"], n),
            "since": pd.Timestamp("2020-01-01") + days,
            "ok": rng.random(n) > 0.5,
        }
    )
    frame.loc[:9, "town"], frame.loc[5:8, "age"] = None, None
    return frame


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_has_the_history_and_a_model_that_answers_frames(tracking):
    X = people()
    with tracking.start_run() as run:
        model = quick(2, trainer=Trainer(epochs=3)).fit(X, callbacks=[MLflow()])
        told = flavour.log_model(model, "people", registered_model_name="people")
    seen = tracking.MlflowClient().get_metric_history(run.info.run_id, "fit/held_out/loss")
    assert [metric.value for metric in seen] == pytest.approx(model.history_.curve("loss", "held_out"))
    assert [metric.step for metric in seen] == [1, 2, 3]
    types = {column.name: column.type.name for column in told.signature.inputs}
    assert types == {"age": "double", "town": "string", "since": "datetime", "ok": "boolean"}
    np.testing.assert_array_equal(flavour.load_model("models:/people/1").transform(X), model.transform(X))
    answers = tracking.pyfunc.load_model(told.model_uri)
    np.testing.assert_array_equal(answers.predict(X), model.transform(X))
    back = answers.predict(X, params={"method": "reconstruct"})
    pd.testing.assert_frame_equal(back, model.reconstruct(X), check_dtype=False)  # MLflow reads dates in ns
    errors = answers.predict(X, params={"method": "feature_errors"})
    assert list(errors.columns) == list(X.columns)
    np.testing.assert_allclose(errors, model.feature_errors(X))
    with pytest.raises(ValueError, match="method='predict' is unknown; this model has transform"):
        answers.predict(X, params={"method": "predict"})


@pytest.mark.filterwarnings("ignore")
def test_a_fit_without_a_run_has_one_of_its_own(tracking):
    callback = MLflow()
    quick(2, trainer=ONE).fit(rows(40), callbacks=[callback])
    run = tracking.get_run(callback.run_id)
    assert run.info.status == "FINISHED" and run.data.metrics["fit/learning_rate"] > 0
    assert tracking.active_run() is None


@pytest.mark.filterwarnings("ignore")
def test_detectors_of_pictures_and_classifiers_are_functions_too(tracking, tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 4, 5))
    detector = AnomalyDetector(architecture=Dense((6,)), members=1, trainer=ONE, random_state=0).fit(X)
    flavour.save_model(detector, tmp_path / "detector")
    answers = tracking.pyfunc.load_model(str(tmp_path / "detector"))
    np.testing.assert_array_equal(answers.predict(X), detector.p_values(X))
    assert isthmus.load(tmp_path / "detector" / "isthmus").known_rows_.size == 0
    with pytest.raises(ValueError, match="exists; choose another folder"):
        flavour.save_model(detector, tmp_path / "detector")
    Z = rows(60)
    classifier = SelfExplainingClassifier(quick(trainer=ONE), relevances=Dense((6,)), trainer=ONE, random_state=0)
    classifier.fit(Z, np.array(["low", "high"])[(Z[:, 0] > 5).astype(int)])
    flavour.save_model(classifier, tmp_path / "classifier")
    answers = tracking.pyfunc.load_model(str(tmp_path / "classifier"))
    assert list(answers.predict(Z)) == list(classifier.predict(Z))
    chances = answers.predict(Z, params={"method": "predict_proba"})
    np.testing.assert_array_equal(chances, classifier.predict_proba(Z))


def test_mistakes_are_told(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="is not fitted; call fit first"):
        flavour.methods_of(quick())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    model = quick(trainer=START).fit(rows(40))
    for do in (
        lambda: flavour.save_model(model, tmp_path / "m"),
        lambda: flavour.load_model("m"),
        lambda: quick(trainer=ONE).fit(rows(40), callbacks=[MLflow()]),
    ):
        with pytest.raises(ImportError, match=r"pip install 'isthmus\[mlflow\]'"):
            do()
    assert not (tmp_path / "m").exists()
