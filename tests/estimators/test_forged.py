"""Manifests that were changed by hand, with a checksum that fits: nothing is built of them that is not in the file."""

import json
import resource

import numpy as np
import pyarrow as pa
import pytest
from quick import quick

from isthmus import AnomalyDetector, SelfExplainingClassifier, Trainer, load, persistence
from isthmus.parts import Dense

HUGE = [10**9, 10**9]
SETTINGS = {"trainer": Trainer(epochs=1), "random_state": 0}


def table(n=60):
    """Return a table with text."""
    rng = np.random.default_rng(0)
    return pa.table({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.choice(["u", "v", "w"], n)})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return saved models of three tasks."""
    folder, X, y = tmp_path_factory.mktemp("forged"), table(), np.arange(60) > 30
    quick(schema="auto").fit(X).save(folder / "plain")
    AnomalyDetector(members=2, architecture=Dense((8,)), **SETTINGS).fit(X).save(folder / "odd")
    SelfExplainingClassifier(quick(schema="auto"), **SETTINGS).fit(X, y).save(folder / "judge")
    return folder


def forged(path, change):
    """Change a manifest in place and make its checksum fit."""
    file = path / "model.json"
    before = file.read_text()
    content = json.loads(before)
    change(content)
    file.write_text(json.dumps(content | {"checksum": persistence.checksum(content)}))
    return lambda: file.write_text(before)


def widened(part):
    """Make a described net very wide."""
    assert "hidden" in part
    part["hidden"] = HUGE


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("plain", lambda m: widened(m["parts"]["architecture"])),
        ("odd", lambda m: widened(m["recipe"]["denoiser"]["parts"]["architecture"])),
        ("odd", lambda m: widened(m["recipe"]["filler"]["parts"]["architecture"])),
        ("odd", lambda m: m["recipe"].update(levels=[1.0] * 10_000)),
        ("odd", lambda m: next(c for c in m["data"]["columns"] if c["kind"] == "category").update(levels=10**9)),
        ("judge", lambda m: widened(m["autoencoder"]["parts"]["architecture"])),
        ("judge", lambda m: widened(m["task"]["relevances"])),
        ("judge", lambda m: m["task"].update(outputs=10**9)),
    ],
)
def test_shapes_are_compared_before_memory_is_taken(models, name, change):
    undo, before = forged(models / name, change), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with pytest.raises(ValueError, match=r"is damaged .*(another model: .* in the file|scales are |more levels)"):
            load(models / name)
    finally:
        undo()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    load(models / name)


@pytest.mark.parametrize("name", ["plain", "judge"])
def test_a_table_without_its_columns_is_refused(models, name):
    undo = forged(models / name, lambda m: m.get("autoencoder", m).update(table=None))
    try:
        with pytest.raises(ValueError, match=r"is damaged .*columns of the table"):
            load(models / name)
    finally:
        undo()
