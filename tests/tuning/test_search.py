"""A search finds what is better on held-out rows, goes on after a kill, and leaves the best model whatever happens."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from mixed_tables import table
from quick import START, quick, rows, weights

import isthmus
from isthmus import AnomalyDetector, Trainer, tune
from isthmus.data import read
from isthmus.parts import KL, TopK, Undercomplete, Variational
from isthmus.tuning.judge import Judge

FEW = Trainer(epochs=4, batch_size=20)
SPACE = {"learning_rate": "1e-5:3e-2:log", "depth": "0:2", "width": "8:32"}
X = rows(120)


def trials(found):
    return [(trial.params, trial.state.name, trial.value) for trial in found.study.trials]


def test_a_search_finds_what_reconstructs_rows_that_it_has_not_seen(untouched_generators):
    model = quick(2, trainer=FEW)
    found = tune(model, X, SPACE, trials=8)
    states = [state for _, state, _ in trials(found)]
    values = [value for _, state, value in trials(found) if state == "COMPLETE"]
    assert states.count("PRUNED") > 0 and len(states) == 8
    assert found.loss == min(values) < max(values)
    best = min((t for t in found.study.trials if t.state.name == "COMPLETE"), key=lambda t: t.value)
    assert found.settings == best.params
    assert found.estimator.trainer.optimiser.learning_rate.start == best.params["learning_rate"]
    assert not hasattr(model, "objective_") and model.trainer == FEW
    assert sum(found.importances.values()) == pytest.approx(1.0) and "what made a difference" in str(found)
    again = tune(model, X, SPACE, trials=8)
    assert trials(again) == trials(found)
    assert all((weights(again.estimator)[name] == w).all() for name, w in weights(found.estimator).items())


@pytest.mark.parametrize(
    ("held", "changes"),
    [
        (rows(24, seed=1), {"scaling": "none"}),
        (rows(24, seed=1), {"scaling": "common"}),
        (rows(24, seed=1), {"scaling": "standard", "bottleneck": Variational(), "penalties": (KL(0.1),)}),
        (table(24, seed=1).select(["age", "town", "when"]), {}),
    ],
    ids=["none", "common", "variational", "table"],
)
def test_a_trial_is_compared_in_nats_of_the_callers_units(held, changes):
    reports = []

    class Told(Judge):
        def epoch_end(self, loop, row):
            reports.append(self.loss(loop) - self.offset)

    X = rows(96) if isinstance(held, np.ndarray) else table(96).select(held.column_names)
    model, judge = quick(2, trainer=FEW, **changes), Told(None, held)
    model.fit(X, held_out=held, callbacks=[judge.of(model)])
    assert model.best_epoch_ >= 1
    assert reports[model.best_epoch_ - 1] == pytest.approx(-model.score(held), rel=1e-5)


@pytest.mark.long
def test_it_goes_on_where_it_was_killed(tmp_path):
    study = tmp_path / "study.db"
    search = ("--search", "learning_rate=1e-4:3e-2:log", "--search", "width=8:32")
    options = ("--limit", "200", "--units", "3", "--architecture", "dense:hidden=(16)", "--epochs", "3", *search)
    command = [sys.executable, "-m", "isthmus", "tune", "digits", "-o", tmp_path / "model", "--study", study, *options]
    process = subprocess.Popen([*map(str, command), "--trials", "500"], stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if len(lines) == 5:
            break
    time.sleep(0.05)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "model").exists()
    done = subprocess.run([*map(str, command), "--trials", "8"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    digits = read("digits", limit=200).X
    model = isthmus.load(tmp_path / "model")
    space = {"learning_rate": "1e-4:3e-2:log", "width": "8:32"}
    own = isthmus.Autoencoder(
        3,
        architecture=isthmus.parts.Dense((16,)),
        bottleneck=Undercomplete(),
        trainer=Trainer(epochs=3),
        random_state=0,
    )
    whole = tune(own, digits, space, trials=8)
    went_on = tune(own, digits, space, trials=8, study=study, refit=False)
    assert [t for t in trials(went_on) if t[1] != "FAIL"] == trials(whole)
    np.testing.assert_array_equal(model.transform(digits), whole.estimator.transform(digits))
    with pytest.raises(ValueError, match="holds a search with another data; give it what it began with"):
        tune(own, digits[:150], space, trials=8, study=study)
    with pytest.raises(ValueError, match="holds a search with another space"):
        tune(own, digits, {"width": "8:16"}, trials=8, study=study)


def test_ctrl_c_keeps_the_best(monkeypatch):
    own, told = Judge.epoch_end, []

    def epoch_end(self, loop, row):
        own(self, loop, row)
        if self.trial.number == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Judge, "epoch_end", epoch_end)
    found = tune(quick(2, trainer=FEW), X, SPACE, trials=8, callback=lambda trial, best: told.append(best))
    assert found.interrupted and len(told) == 3 and found.loss == min(told)
    assert found.estimator.transform(X).shape == (120, 2)


def test_settings_that_parts_refuse_are_told_and_left(tmp_path):
    space = {"units": [2, 50], "bottleneck": [TopK(2), Undercomplete()]}
    found = tune(quick(trainer=START), X, space, trials=6, study=tmp_path / "study.db")
    refused = [trial for trial in found.study.trials if trial.state.name == "FAIL"]
    assert refused and all(trial.params["units"] == 50 for trial in refused)
    assert "Overcomplete" in refused[0].user_attrs["reason"]
    with pytest.raises(ValueError, match=r"none of 2 trials came to an end; the first was refused: .*Overcomplete"):
        tune(quick(trainer=START), X, {"units": [50, 60]}, trials=2)


def test_a_file_of_another_program_is_no_study_and_stays_as_it_is(tmp_path):
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as there:
        there.execute("CREATE TABLE users (id INT)")
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"app.db is no study: it has tables of another program \(users\); give another"
    ):
        tune(quick(), X, study=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("trouble", ["damaged", "of another kind", "locked"])
def test_a_study_that_cannot_be_read_or_written_is_named(tmp_path, trouble):
    path = tmp_path / "study.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as there:
        there.execute("CREATE TABLE studies (id INT)")
        if trouble == "locked":
            there.execute("BEGIN EXCLUSIVE")
        if trouble == "damaged":
            path.write_bytes(path.read_bytes()[:100] + b"?" * 5000)
        said = {"locked": "database is locked", "damaged": "malformed", "of another kind": "studies"}[trouble]
        with pytest.raises(ValueError, match=rf"cannot read or write the study .*study.db: .*{said}.*; end what else"):
            tune(quick(), X, study=path)


def test_mistakes_are_told_in_one_line(monkeypatch, tmp_path):
    (tmp_path / "notes.txt").write_text("not a study at all, but some notes")
    for do, said in (
        (lambda: tune(AnomalyDetector(), X), "AnomalyDetector is none: a detector chooses its own parts"),
        (lambda: tune(quick(), X, trials=0), "trials=0 is no number of trials"),
        (lambda: tune(quick(), X, held_out=2), "held_out=2 is no share"),
        (lambda: tune(quick(), X[:5]), "X has 5 rows, too few"),
        (lambda: tune(quick(), X, study=tmp_path / "no" / "s.db"), "there is no folder"),
        (lambda: tune(quick(), X, study=tmp_path / "notes.txt"), "is no study: it is not an SQLite file"),
    ):
        with pytest.raises(ValueError, match=said):
            do()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'isthmus\[tune\]'"):
        tune(quick(), X)
