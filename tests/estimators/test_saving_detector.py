"""A saved detector is the detector: scores, p-values and reasons to the bit; and a damaged file is not believed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from quick import refuses_damage

from isthmus import AnomalyDetector, Autoencoder, Trainer, load, persistence
from isthmus.parts import Dense

SHORT, NET = Trainer(epochs=2), Dense((8,))
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(60, 4))
PICTURES = RNG.uniform(size=(60, 1, 3, 4))


def table():
    pa = pytest.importorskip("pyarrow")
    days = np.datetime64("2024-01-01") + RNG.integers(0, 300, size=60)
    amount = [None if i % 9 == 0 else float(v) for i, v in enumerate(RNG.normal(size=60))]
    return pa.table({"amount": amount, "day": days, "city": [("Rome", "Oslo", "Bern")[i % 3] for i in range(60)]})


TABLE = table()
DETECTORS = {
    "numbers, cross": (lambda: AnomalyDetector(architecture=NET, trainer=SHORT, members=2, random_state=0), NUMBERS),
    "numbers, split, clean": (
        lambda: AnomalyDetector(
            architecture=NET, trainer=SHORT, members=2, contamination=0, calibration="split", random_state=1
        ),
        NUMBERS,
    ),
    "a table with a schema": (
        lambda: AnomalyDetector(
            architecture=NET, trainer=SHORT, members=2, schema={"city": "category"}, contamination=0.1
        ),
        TABLE,
    ),
    "pictures": (lambda: AnomalyDetector(architecture=NET, trainer=SHORT, members=2, random_state=3), PICTURES),
    "flat pictures": (
        lambda: AnomalyDetector(architecture=NET, trainer=SHORT, members=2, shape=(3, 4)),
        PICTURES.reshape(60, 12),
    ),
    "double precision": (
        lambda: AnomalyDetector(
            architecture=NET, trainer=Trainer(epochs=1, precision="float64"), members=2, random_state=0
        ),
        NUMBERS,
    ),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_what_comes_back_answers_alike(name, tmp_path):
    make, X = DETECTORS[name]
    detector = make().fit(X)
    back = load(detector.save(tmp_path / "model"))
    assert type(back) is AnomalyDetector
    assert repr(back) == repr(detector) and back.get_params() == detector.get_params()
    for ask in ("anomaly_score", "decision_function", "predict", "p_values", "detect"):
        assert_array_equal(getattr(detector, ask)(X), getattr(back, ask)(X), err_msg=ask)
    few = X.slice(0, 5) if hasattr(X, "slice") else X[:5]
    one, other = detector.explain(few), back.explain(few)
    assert str(one) == str(other) and one.columns == other.columns
    for field in ("contributions", "values", "expected", "low", "high", "neighbours"):
        assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    assert [h.rows for h in back.histories_] == [h.rows for h in detector.histories_]


def test_a_loaded_detector_fits_as_the_saved_one(tmp_path):
    detector = AnomalyDetector(architecture=NET, trainer=SHORT, members=2, random_state=0).fit(NUMBERS)
    back = load(detector.save(tmp_path / "model"))
    assert_array_equal(back.fit(NUMBERS).anomaly_score(NUMBERS), detector.anomaly_score(NUMBERS))


def test_names_of_columns_travel(tmp_path):
    detector = AnomalyDetector(architecture=NET, trainer=SHORT, members=2).fit(TABLE)
    back = load(detector.save(tmp_path / "model"))
    assert back.feature_names_in_.tolist() == TABLE.column_names
    with pytest.raises(ValueError, match="lacks 'city'"):
        back.predict(TABLE.drop_columns(["city"]))


def test_only_what_was_fitted_is_saved_and_each_kind_comes_back_as_itself(tmp_path):
    with pytest.raises(ValueError, match="not fitted"):
        AnomalyDetector().save(tmp_path / "model")
    model = Autoencoder(2, architecture=Dense((4,)), trainer=SHORT, random_state=0).fit(NUMBERS)
    assert isinstance(load(model.save(tmp_path / "model")), Autoencoder)


# -- files that are not what was saved --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    detector = AnomalyDetector(architecture=NET, trainer=SHORT, members=2, random_state=0)
    return detector.fit(TABLE).save(tmp_path_factory.mktemp("detectors") / "model")


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def test_the_folder_can_be_read_by_eye(saved):
    assert {file.name for file in saved.iterdir()} == {"model.json", "weights.safetensors"}
    told = json.loads((saved / "model.json").read_text())
    assert told["estimator"] == "AnomalyDetector" and told["columns"] == TABLE.column_names
    assert len(told["seeds"]) == 2 and told["recipe"]["denoiser"]["parts"]["units"] == 64


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_no_flipped_bit_and_no_lost_byte_is_believed(copy, name):
    refuses_damage(load, copy / name, flips=10)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {}},
        {"seeds": [1]},
        {"seeds": [1, 2, 3]},
        {"offset": 10**400},
        {"estimator": "Autoencoder"},
        {"reading": {"type": "table"}},
        {"reading": {"type": "pictures", "factor": 1.0, "shape": [3]}},
        {"parameters": {"contamination": 0}},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(copy, changes):
    file = copy / "model.json"
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(content | {"checksum": persistence.checksum(content)}))
    with pytest.raises(ValueError, match="damaged"):
        load(copy)


def test_a_detector_that_was_calibrated_by_another_rule_is_refused(copy):
    file = copy / "model.json"
    content = json.loads(file.read_text())
    del content["scoring"]
    file.write_text(json.dumps(content | {"checksum": persistence.checksum(content)}))
    with pytest.raises(ValueError, match="rule 1, this release by 2; fit it again"):
        load(copy)
