"""Every script runs, on tiny data of the right shapes, and leaves rows that the page can show."""

import gzip
import json
import re
import struct
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks import render
from benchmarks.common import ROOT

SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if path.stem not in ("__init__", "common", "sets", "render")
)
# What a script is asked for here; the rest of its rows differ in numbers only.
SHORT = {"linear_pca": ["--only", "MNIST"], "defaults": ["--only", "breast"], "sparse_patches": ["--only", "25"]}
SHORT["speed"] = ["--only", "30-32-8", "--contestants", "scikit", "--threads", "1", "--environments", "nowhere"]


def idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as ``ISTHMUS_DATA`` names one, with a few made-up rows of every set."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in ("mnist", "binarized-mnist", "natural-patches", "olivetti-faces"):
        (root / name).mkdir()
    blurred = rng.random((150, 1, 1)) * rng.random((1, 28, 28)) * 255
    for part, rows in (("train", slice(0, 110)), ("t10k", slice(110, 150))):
        idx(root / "mnist" / f"{part}-images-idx3-ubyte.gz", blurred[rows])
        idx(root / "mnist" / f"{part}-labels-idx1-ubyte.gz", np.arange(150)[rows] % 10)
    for part in ("train", "valid", "test"):
        path = root / "binarized-mnist" / f"binarized_mnist_{part}.amat"
        savemat(path, {"X": (rng.random((60, 784)) < 0.2).astype(np.uint8)}, appendmat=False)
    np.save(root / "natural-patches" / "training_matrix_5000x100.npy", rng.random((80, 100)))
    savemat(root / "olivetti-faces" / "olivettifaces.mat", {"faces": rng.integers(0, 256, (4096, 400), dtype=np.uint8)})
    nab(root / "anomaly" / "nab", rng)
    return root


def nab(root: Path, rng: np.random.Generator) -> None:
    """Write one series with one labelled window, and one without any."""
    (root / "labels").mkdir(parents=True)
    (root / "data").mkdir()
    when = np.datetime64("2014-04-01T00:00:00") + 300 * np.arange(1200)
    told = [str(t).replace("T", " ") for t in when]
    for name in ("odd.csv", "even.csv"):
        values = np.sin(np.arange(1200) / 9) + 0.1 * rng.normal(size=1200)
        rows = [f"{t},{value}" for t, value in zip(told, values, strict=True)]
        (root / "data" / name).write_text("\n".join(["timestamp,value", *rows]))
    windows = {"odd.csv": [[f"{told[600]}.000000", f"{told[700]}.000000"]], "even.csv": []}
    (root / "labels" / "combined_windows.json").write_text(json.dumps(windows))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_quick_run_leaves_rows_for_the_page(script, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ISTHMUS_DATA", str(folder))
    module, options = import_module(f"benchmarks.{script}"), SHORT.get(script, [])
    module.main(["--quick", *options, "--results", str(tmp_path), "--pictures", str(tmp_path / "pictures")])
    lines = [json.loads(line) for line in (tmp_path / f"{script}.jsonl").read_text().splitlines()]
    asked = [row for row in module.TABLE.rows if not options or options[1].lower() in row.lower()]
    assert [line["row"] for line in lines] == asked
    for line in lines:
        assert line["quick"] and line["threads"] == 1 and line["cpu"] and line["versions"]["torch"]
        assert line["values"]["minutes"] >= 0
        assert not [name for name, value in line["values"].items() if isinstance(value, float) and np.isnan(value)]
    shown = render.table(module.TABLE, lines)
    assert shown.count("(quick)") == len(asked)
    assert shown.count("not run") == len(module.TABLE.rows) - len(asked)
    assert f"python -m benchmarks.{script}" in shown
    assert capsys.readouterr().out.count("seed 0") == len(asked)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_row_has_a_place_on_the_page(script):
    table = import_module(f"benchmarks.{script}").TABLE
    assert table.name == script
    assert set(table.targets) <= set(table.rows)
    assert f"<!-- table: {script} -->" in render.PAGE.read_text()


def test_the_tests_that_the_page_names_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)`", render.PAGE.read_text())
    assert named and not [path for path in named if not (ROOT / path).is_file()]


def test_missing_data_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"natural-patches.* is missing.*set ISTHMUS_DATA"):
        import_module("benchmarks.sparse_patches").main(["--quick", "--results", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_the_page_shows_the_rows_that_were_measured():
    assert render.render(render.PAGE.read_text(), render.RESULTS) == render.PAGE.read_text()
