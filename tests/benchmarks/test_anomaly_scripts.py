"""What the scripts on anomalies compute besides fitting, by hand on a few rows; nothing here needs data or peers."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import anomaly_detection as detection
from benchmarks import anomaly_explanations as explanations
from benchmarks import anomaly_promises as promises
from benchmarks import imputation, peers, tables
from isthmus import AnomalyDetector, Trainer


@pytest.fixture
def small(monkeypatch):
    """A set of 300 rows, of which 30 are anomalies."""
    X, odd = np.arange(600.0).reshape(300, 2), np.arange(300) % 10 == 0
    monkeypatch.setattr(tables, "adbench", lambda name: (X, odd))
    return X, odd


def test_one_class_fits_half_of_the_normals_and_no_row_is_on_both_sides(small):
    X, odd = small
    found = {(protocol, variant): split for protocol, variant, split in detection.splits("any", 0, quick=False)}
    assert set(found) == {(p, v) for p in detection.PROTOCOLS for v in detection.VARIANTS}
    clean = found["one-class", "clean"]
    assert len(clean.train) == 135 and len(clean.test) == 165 and clean.odd.sum() == 30
    fitted, tested = set(clean.train[:, 0]), set(clean.test[:, 0])
    assert not fitted & tested and not fitted & set(X[odd, 0])
    leaky = found["one-class", "as published"]
    assert len(leaky.train) + len(leaky.test) == 1000 and set(leaky.train[:, 0]) & set(leaky.test[:, 0])


def test_unsupervised_fits_a_resample_and_scores_all_rows(small):
    X, odd = small
    (split,) = (s for p, v, s in detection.splits("any", 0, quick=False) if (p, v) == ("unsupervised", "clean"))
    assert np.array_equal(split.test, X) and np.array_equal(split.odd, odd)
    assert len(split.train) == len(X) and len(set(split.train[:, 0])) < len(X)


def test_large_sets_have_one_variant_and_no_more_rows_than_published(monkeypatch):
    odd = np.arange(60_000) % 100 == 0
    monkeypatch.setattr(tables, "adbench", lambda name: (np.zeros((60_000, 1)), odd))
    found = list(detection.splits("any", 0, quick=False))
    assert [(p, v) for p, v, _ in found] == [("one-class", "clean"), ("unsupervised", "clean")]
    assert len(found[1][2].test) == 50_000


@pytest.mark.parametrize("contamination", [0, "unknown"])
def test_parts_of_a_score_sum_to_it(contamination):
    X = np.random.default_rng(0).normal(size=(60, 3))
    detector = AnomalyDetector(contamination=contamination, members=2, trainer=Trainer(epochs=2), random_state=0).fit(X)
    clean, noisy = detection.taken_apart(detector, X)
    np.testing.assert_allclose(clean + noisy, detector.anomaly_score(X), rtol=1e-6)
    assert (noisy > 0).all() == (contamination == "unknown")


def test_what_was_measured_is_read_back(tmp_path, capsys):
    path = tmp_path / "sets.jsonl"
    line = {"set": "a", "protocol": "one-class", "variant": "clean", "method": "isthmus", "seed": 0}
    detection.Ledger(path, quick=False).add(line | {"small": False, "auroc": 90.0, "precision": 50.0})
    again, other = detection.Ledger(path, quick=False), detection.Ledger(path, quick=True)
    assert detection.Ledger.key(line) in again.lines and not other.lines
    # A large set has the same rows under both variants.
    assert again.values("one-class", "as published", 0)["a"]["isthmus"]["auroc"] == 90.0
    assert json.loads(path.read_text())["versions"]["torch"] and "90.00" in capsys.readouterr().out


def test_ranks_share_ties():
    values = {"a": {"x": {"auroc": 1.0}, "y": {"auroc": 2.0}, "z": {"auroc": 2.0}}}
    assert detection.ranks(values, ["x", "y", "z"], "auroc").tolist() == [[3.0, 1.5, 1.5]]


def test_critical_difference_is_the_published_one():
    # Demšar (2006), Section 3.2.2: four classifiers on 14 data sets, q = 2.569.
    assert detection.critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)


def test_hits_are_those_among_as_many_columns():
    told = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    faults = np.array([[True, True, False], [True, False, True]])
    assert explanations.hits(told, faults) == 75.0


@pytest.fixture
def planter():
    rng = np.random.default_rng(0)
    k = rng.integers(2, size=400)
    columns = {"a": rng.normal(size=400), "n": rng.integers(0, 50, 400), "u": np.array(["p", "q"])[k]}
    columns |= {"v": np.array(["r", "s"])[k], "w": np.array(["t", "u"])[rng.integers(2, size=400)]}
    return explanations.Planter(pd.DataFrame(columns))


def test_faults_are_where_they_are_said_to_be(planter):
    X, rng = planter.train.iloc[:40].reset_index(drop=True), np.random.default_rng(1)
    for plant in (planter.shift, planter.level, planter.other):
        case = plant(X, 1, rng)
        changed = case.X.to_numpy(dtype=object) != X.to_numpy(dtype=object)
        assert (changed == case.faults).all() and (case.faults.sum(1) == 1).all()
        assert (case.X.dtypes == X.dtypes).all()
    shifted = planter.shift(X, 2, rng).X
    low, high = planter.train["a"].min(), planter.train["a"].max()
    outside = np.maximum(shifted["a"] - high, low - shifted["a"]) / planter.train["a"].std()
    np.testing.assert_allclose(outside, 6)
    unseen = planter.level(X, 1, rng)
    names = [planter.names[j] for j in unseen.faults.argmax(1)]
    assert set(names) <= {"u", "v"}  # w goes with everything


def test_indicators_are_summed_by_their_column():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    seen = explanations.Indicators(frame)
    assert seen.encode(frame).shape == (2, 3)
    assert seen.by_column(np.array([[1.0, 2.0, 4.0]]), 2).tolist() == [[1.0, 6.0]]


def test_moved_rows_differ_in_two_numbers():
    X = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9), "c": ["x"] * 9, "d": np.ones(9)})
    out = promises.moved(X, X, np.random.default_rng(0))
    assert ((out != X).to_numpy().sum(1) == 2).all() and (out["c"] == "x").all() and (out["d"] == 1).all()
    y = np.random.default_rng(0).normal(size=(9, 4))
    assert ((promises.moved(y, y, np.random.default_rng(0)) != y).sum(1) == 2).all()


def test_exact_rates_are_those_of_few_rows():
    assert promises.exact(19) == 5.0 and promises.exact(30) == pytest.approx(100 / 31) and promises.exact(18) == 0.0


def test_discoveries_are_counted():
    held, rng = np.arange(1000.0), np.random.default_rng(0)
    pool, odd = np.concatenate([np.arange(1000.0), held]), np.full(1000, 1e6)
    wrong, found, *_ = promises.discoveries(held, pool, odd, np.arange(1000), rng)
    assert found == 100.0 and wrong < 10


def test_a_table_comes_back_as_it_was():
    before = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", "y"]})
    assert imputation.came_back(before, before.fillna({"a": 2.0})) == (2, 2)
    assert imputation.came_back(before, before) == (1, 2)
    assert imputation.came_back(before, before.fillna({"a": 2.0}).assign(b=["x", "x"])) == (1, 2)


def test_wide_tables_go_back():
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": np.array(["x", "y", "x"], dtype=object)})
    wide = imputation.Wide(frame)
    for skip in (0, 1):
        pd.testing.assert_frame_equal(wide.decode(wide.encode(frame, skip), frame, skip), frame)


def test_an_absent_peer_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "python", lambda: None)
    with peers.PyOD() as peer, pytest.raises(RuntimeError, match="isthmus bench speed --install"):
        peer.ask("ECOD", np.zeros((3, 2)), np.zeros((3, 2)))
