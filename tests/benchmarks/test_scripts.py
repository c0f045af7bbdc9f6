"""Every script runs, on tiny data of the right shapes, and leaves rows that the page can show."""

import gzip
import json
import re
import struct
from importlib import import_module
from pathlib import Path

import browsing
import numpy as np
import pytest
from scipy.io import savemat

from benchmarks import render
from benchmarks.common import ROOT

SCRIPTS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if "\nTABLE = " in path.read_text())
# What a script is asked for here; the rest of its rows differ in numbers only.
SHORT = {"linear_pca": ["--only", "MNIST"], "defaults": ["--only", "breast"], "sparse_patches": ["--only", "25"]}
SHORT |= {"concepts": ["--only", "pairs, PCA"], "sprites": ["--only", "beta 4"]}
SHORT["speed"] = ["--only", "30-32-8", "--contestants", "scikit", "--threads", "1", "--environments", "nowhere"]
SHORT |= {"seed_concepts": ["--only", "dense, notebook"], "self_explaining_step": ["--only", "alike"]}
SHORT["self_explaining_tables"] = ["--only", "rows, λ 1, log"]
SHORT["distributed"] = ["--only", "narrow: 2"]
SHORT |= {"faults": ["--only", "SIGKILL, a stream"], "sharded": ["--only", "2 processes, divided"]}
SHORT |= {"drift": ["--only", "from row 2,001"], "malformed": ["--only", "saved models"]}
SHORT["page"] = ["--only", "digits, small"]
SHORT["sparse_dictionary"] = ["--only", "isthmus"]
# Without the peers, which are not installed everywhere.
SHORT |= {"service": ["--only", "with reasons"], "fifty_million": ["--only", "torch's loop", "--part", "rates"]}
SHORT |= {script: ["--only", "isthmus"] for script in ("anomaly_detection", "anomaly_scale")}
SHORT |= {script: ["--only", "isthmus, adult"] for script in ("anomaly_promises", "anomaly_explanations")}


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
    people(root / "uci-tabular" / "adult", rng)
    stars(root / "uci-tabular" / "htru2", rng)
    connections(root / "anomaly" / "nsl-kdd", rng)
    oddities(root / "anomaly" / "adbench", rng)
    shapes(root / "dsprites-like", rng)
    verdicts(root / "compas", rng)
    return root


def verdicts(folder: Path, rng: np.random.Generator) -> None:
    """Some of COMPAS' columns, and its score."""
    folder.mkdir()
    flags = rng.integers(0, 2, (300, 3))
    rows = [f"{a},{k},{a & b},{c}" for (a, b, c), k in zip(flags, rng.integers(0, 9, 300), strict=True)]
    (folder / "compas.csv").write_text("\n".join(["Female,Number_of_Priors,score_factor,Misdemeanor", *rows]) + "\n")


def shapes(folder: Path, rng: np.random.Generator) -> None:
    """Random bits under the names of dSprites, with levels of its six factors, of which one never varies."""
    folder.mkdir()
    levels = rng.integers(0, [1, 3, 6, 20, 16, 16], (400, 6))
    packed = rng.integers(0, 256, (400, 512), dtype=np.uint8)
    name = "dsprites_like_3x6x20x16x16_64x64_packed.npz"
    np.savez(folder / name, imgs_packed=packed, latents_classes=levels)


def people(folder: Path, rng: np.random.Generator) -> None:
    """Adult's 15 columns; levels go together."""
    folder.mkdir(parents=True)
    for part, note, dot in (("data", "", ""), ("test", "|1x3 Cross validator\n", ".")):
        lines = []
        for _ in range(400):
            k, numbers = rng.integers(3), rng.integers(0, 90, 6)
            job, town = ("?" if rng.random() < 0.05 else f"job{k}"), f"town{rng.integers(4)}"
            first = [numbers[0], job, 1000 * numbers[1], f"school{k}", k + 9, f"status{rng.integers(3)}", f"work{k}"]
            last = [f"role{k}", "a" if k else "b", "Male" if k else "Female", *numbers[2:5], town, f">50K{dot}"]
            lines.append(", ".join(map(str, first + last)))
        (folder / f"adult.{part}").write_text(note + "\n".join(lines) + "\n")


def stars(folder: Path, rng: np.random.Generator) -> None:
    """HTRU2's 8 numbers, and whether a row is a pulsar."""
    folder.mkdir(parents=True)
    pulsar = rng.random(500) < 0.2
    values = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 8)) + 0.1 * rng.normal(size=(500, 8))
    values[pulsar] += 2
    rows = [",".join([*(f"{v:.5f}" for v in row), str(int(y))]) for row, y in zip(values, pulsar, strict=True)]
    (folder / "HTRU_2.csv").write_text("\n".join(["x1,x2,x3,x4,x5,x6,x7,x8,y", *rows]) + "\n")


def connections(folder: Path, rng: np.random.Generator) -> None:
    """NSL-KDD's 41 columns, the attack's name and a difficulty."""
    folder.mkdir(parents=True)
    for name in ("KDDTrain+_20Percent", "KDDTest+"):
        lines = []
        for _ in range(250):
            k, attack = rng.integers(3), rng.random() < 0.3
            numbers = rng.integers(0, 40, 38) * (1 + attack)
            lines.append(
                [numbers[0], f"p{k}", f"s{k}", f"f{rng.integers(3)}", *numbers[1:], "dos" if attack else "normal", 1]
            )
        (folder / f"{name}.txt").write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")


def oddities(folder: Path, rng: np.random.Generator) -> None:
    """Two sets of ADBench, and what is published of them."""
    (folder / "published").mkdir(parents=True)
    names = ("14_glass", "38_thyroid")
    for name, n in zip(names, (80, 1200), strict=True):
        y = rng.random(n) < 0.1
        np.savez(folder / f"{name}.npz", X=rng.normal(size=(n, 3)) + 3 * y[:, None], y=y.astype(int))
    for protocol in ("one_class", "unsupervised"):
        for measure in ("auroc", "aupr"):
            lines = ["dataset,kNN", *(f"{name},50.0" for name in names)]
            (folder / "published" / f"{protocol}_{measure}.csv").write_text("\n".join(lines) + "\n")


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


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_quick_run_leaves_rows_for_the_page(script, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ISTHMUS_DATA", str(folder))
    if script == "page":
        browsing.path()
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
