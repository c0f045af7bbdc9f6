"""isthmus fit: options become parts, and files appear where they were asked for."""

import json
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from isthmus import load


def manifest(folder):
    return json.loads((folder / "model.json").read_text())


@pytest.fixture
def fitted(shell, small, tmp_path):
    """Fit the digits with more options and return what is in the model file."""

    def fit(*options):
        done = shell("fit", "digits", "-o", tmp_path / "model", *small, "--quiet", *options)
        assert done.code == 0, done.err
        return manifest(tmp_path / "model")

    return fit


def test_model_figures_and_summary_are_where_it_says(shell, small, tmp_path):
    done = shell("fit", "digits", "-o", tmp_path / "model", "--figures", tmp_path / "figures", *small)
    assert done.code == 0, done.err
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    drawn = {p.name for p in (tmp_path / "figures").iterdir()}
    assert {"reconstructions.png", "curves.png", "summary.txt", "summary.json"} <= drawn
    for path in (tmp_path / "model", tmp_path / "figures", *drawn):
        assert str(path) in done.out
    assert "squared error per row" in done.out and "which it was trained on" in done.out
    assert (tmp_path / "figures" / "summary.txt").read_text().strip() in done.out
    numbers = json.loads((tmp_path / "figures" / "summary.json").read_text())
    assert numbers["rows"] == 150 and numbers["data"] == "digits" and numbers["squared_error"] > 0
    assert "epoch 2/2" in done.err, "plain lines where there is no terminal"
    assert "\x1b" not in done.err + done.out


def test_a_recipe_is_the_default_that_options_override(fitted):
    recipe = fitted("--recipe", "variational")["parts"]
    assert recipe["bottleneck"]["type"] == "variational" and recipe["units"] == 4
    assert [p["type"] for p in recipe["penalties"]] == ["kl"]
    changed = fitted("--recipe", "variational", "--penalty", "kl:weight=4", "--penalty", "l2:weight=1e-3")["parts"]
    assert {p["type"]: p["weight"] for p in changed["penalties"]} == {"kl": 4, "l2": 1e-3}
    dropped = fitted("--recipe", "variational", "--penalty", "none")["parts"]
    assert dropped["penalties"] == []


def test_every_part_can_be_named(fitted):
    parts = fitted(
        *("--bottleneck", "top_k:k=2", "--likelihood", "normal", "--optimiser", "sgd:learning_rate=0.01"),
        *("--corruption", "masking:rate=0.3", "--corruption", "gaussian_noise:sigma=0.1"),
        *("--batch-size", "50", "--validation", "0.2", "--patience", "3", "--clip", "1", "--precision", "float64"),
    )["parts"]
    assert parts["bottleneck"]["k"] == 2 and parts["likelihood"]["type"] == "normal"
    assert parts["corruption"]["type"] == "compose"
    trainer = parts["trainer"]
    assert trainer["optimiser"]["type"] == "sgd" and trainer["optimiser"]["learning_rate"] == 0.01
    settings = {name: trainer[name] for name in ("batch_size", "validation", "patience", "clip", "precision")}
    assert settings == {"batch_size": 50, "validation": 0.2, "patience": 3, "clip": 1.0, "precision": "float64"}


def test_layers_can_be_pretrained(fitted):
    line = "greedy:epochs=1,corruption=(masking:rate=0.25)"
    model = fitted("--pretraining", line)
    told = model["parts"]["trainer"]["pretraining"]
    assert (told["epochs"], told["corruption"]["type"], told["corruption"]["rate"]) == (1, "masking", 0.25)
    assert {row["phase"] for row in model["history"]} >= {"layer 1", "layer 2"}


def test_flags_win_over_the_environment_and_that_over_the_file(fitted, tmp_path, monkeypatch):
    config = tmp_path / "run.toml"
    config.write_text(
        'batch_size = 10\npatience = 2\nvalidation = 0.3\npenalty = ["l2:weight=0.5"]\n'
        '[bottleneck]\ntype = "top_k"\nk = 3\n[optimiser]\ntype = "adam"\nlearning_rate = 0.002\n'
    )
    monkeypatch.setenv("ISTHMUS_FIT_PATIENCE", "4")
    monkeypatch.setenv("ISTHMUS_FIT_VALIDATION", "0.4")
    parts = fitted("--config", config, "--validation", "0.5")["parts"]
    trainer = parts["trainer"]
    assert (trainer["batch_size"], trainer["patience"], trainer["validation"]) == (10, 4, 0.5)
    assert parts["bottleneck"]["k"] == 3 and trainer["optimiser"]["learning_rate"] == 0.002
    assert parts["penalties"][0]["weight"] == 0.5


def test_tables_of_tables_and_all_options_in_a_file(shell, small, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        f'data = "digits"\nout = "{tmp_path / "model"}"\nlimit = 100\nepochs = 1\nunits = 3\nquiet = true\n'
        '[[penalty]]\ntype = "l1"\nweight = { type = "ramp", start = 0.0, stop = 0.1, epochs = 5 }\n'
        '[[penalty]]\ntype = "l2"\n[architecture]\ntype = "dense"\nhidden = [8]\n'
    )
    done = shell("fit", "--config", config)
    assert done.code == 0, done.err
    parts = manifest(tmp_path / "model")["parts"]
    assert parts["penalties"][0]["weight"]["type"] == "ramp" and parts["architecture"]["hidden"] == [8]


def test_a_file_with_an_unknown_setting_is_refused(shell, small, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("epocs = 3\n")
    done = shell("fit", "digits", "-o", tmp_path / "model", "--config", config)
    assert done.code == 2 and "epocs" in done.err and len(done.err.splitlines()) == 1


def test_the_same_seed_gives_the_same_weights_and_another_others(fitted, tmp_path):
    weights = tmp_path / "model" / "weights.safetensors"
    first = fitted() and weights.read_bytes()
    assert first == (fitted() and weights.read_bytes())
    assert first != (fitted("--seed", "1") and weights.read_bytes())


def test_units_are_measured_on_request(shell, tmp_path):
    done = shell("fit", "digits", "-o", tmp_path / "model", "--units", "auto", "--epochs", "0")
    assert done.code == 0, done.err
    found = manifest(tmp_path / "model")
    assert found["parameters"]["n_components"] == "auto" and 5 < found["parts"]["units"] < 40


def test_other_rows_measure_the_model(shell, wine, tmp_path):
    lines = wine.read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join(lines[:120]))
    (tmp_path / "test.csv").write_text("\n".join(lines[:1] + lines[120:]))
    options = ("--label", "grape", "--units", "2", "--epochs", "1", "--limit", 40, "--test", tmp_path / "test.csv")
    done = shell("fit", tmp_path / "train.csv", "-o", tmp_path / "model", *options)
    assert done.code == 0, done.err
    assert "which it has not seen" in done.out and f"rows {len(lines) - 120}," in done.out


def test_a_checkpoint_is_taken_up(shell, small, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    for epochs in ("2", "4"):
        done = shell(
            *("fit", "digits", "-o", tmp_path / epochs, *small[:-4], "--limit", "150", "--epochs", "4"),
            *("--checkpoint", checkpoint, "--quiet"),
        )
        assert done.code == 0, done.err
    assert checkpoint.is_file()
    assert (tmp_path / "2" / "weights.safetensors").read_bytes() == (
        tmp_path / "4" / "weights.safetensors"
    ).read_bytes()


def test_pictures_in_a_table_get_their_shape(shell, tmp_path):
    import numpy as np
    from sklearn.datasets import load_digits

    np.save(tmp_path / "flat.npy", load_digits().data[:100])
    done = shell(
        *("fit", tmp_path / "flat.npy", "-o", tmp_path / "model", "--recipe", "convolutional", "--shape", "1x8x8"),
        *("--epochs", "1", "--units", "3", "--quiet"),
    )
    assert done.code == 0, done.err
    assert load(tmp_path / "model").spec_.shape == (1, 8, 8)


def test_a_default_size_is_told_and_does_not_warn(shell, wine, tmp_path):
    done = shell("fit", wine, "-o", tmp_path / "model", "--label", "grape", "--epochs", "1")
    assert done.code == 0 and "6 units" in done.out and "isthmus:" not in done.err
    done = shell("fit", wine, "-o", tmp_path / "model", "--label", "grape", "--epochs", "1", "--quiet")
    assert (done.code, done.err) == (0, "")


def test_remedies_are_options(shell, wine, tmp_path):
    lines = ["name,a,b", *(f"N{i},{i % 7},{i * 37 % 11}" for i in range(300))]
    (tmp_path / "named.csv").write_text("\n".join(lines))
    net = ("--units", "2", "--epochs", "1", "--architecture", "dense:hidden=(4)")
    done = shell("fit", tmp_path / "named.csv", "-o", tmp_path / "model", *net)
    assert done.code == 0 and "leave it out (--drop), or declare its kind (--schema)" in done.err, done.err
    done = shell("fit", wine, "-o", tmp_path / "model", "--label", "grape", "--units", "99")
    assert done.code == 2 and "which the chosen size lacks (99 numbers per code, 13 per row); " in done.err
    assert "lower --units or use --bottleneck overcomplete" in done.err


def test_ctrl_c_on_a_terminal_saves_the_model_and_ends_with_130(tmp_path):
    command = [sys.executable, "-m", "isthmus.cli", "fit", "digits", "-o", str(tmp_path / "model")]
    settings = ["--epochs", "100000", "--patience", "0", "--units", "4", "--architecture", "dense:hidden=(16)"]
    ours, theirs = pty.openpty()
    # Wide enough for the bar's columns, as most terminals are.
    shape = {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [*command, *settings], stderr=theirs, stdout=subprocess.PIPE, env=os.environ | shape
    ) as process:
        os.close(theirs)
        said = until(ours, b"rows/s")
        process.send_signal(signal.SIGINT)
        said += until(ours, None)
        printed = process.stdout.read()
    os.close(ours)
    assert process.returncode == 130, said
    assert b"100000" in said and b"rows/s" in said, "a bar with epochs and rate"
    assert b"best weights so far" in said and b"Traceback" not in said
    assert str(tmp_path / "model").encode() in printed
    assert load(tmp_path / "model").n_iter_ >= 1


def until(terminal, word):
    """Read from a terminal until a word comes, or until it is closed."""
    seen = b""
    while word is None or word not in seen:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
    return seen


def test_rows_are_read_in_blocks_where_asked_for_and_where_they_fill_memory(shell, small, tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    names = {f"c{i}": X[:, i] for i in range(6)}
    pq.write_table(pa.table(names | {"kind": ["a", "b"] * 150}), tmp_path / "x.parquet", row_group_size=30)
    monkeypatch.setattr(
        "isthmus.data.streams.stream.__kwdefaults__", {"drop": (), "filesystem": None, "window_bytes": 6 * 4 * 100}
    )

    def achieved(*options):
        done = shell("fit", *options, "-o", tmp_path / "model", "--epochs", "2", "--units", "2")
        assert done.code == 0, done.err
        return load(tmp_path / "model").history_[-1]["shuffle_quality"], done.out

    assert achieved(tmp_path / "x.npy")[0] == 1
    quality, out = achieved(tmp_path / "x.npy", "--stream")
    assert quality != 1 and "On 25 rows of" in out
    assert achieved(tmp_path / "x.parquet", "--stream", "--label", "kind")[0] != 1
    monkeypatch.setattr("isthmus.cli.rows.memory", lambda: 4 * 6 * 300)
    assert achieved(tmp_path / "x.npy")[0] != 1
    assert achieved(tmp_path / "x.parquet", "--drop", "kind")[0] != 1
    assert achieved(tmp_path / "x.npy", "--limit", "200")[0] == 1
    refused = shell("fit", tmp_path / "x.npy", "-o", tmp_path / "model", "--stream", "--limit", "9")
    assert refused.code == 2 and "--stream goes with neither --limit nor --size" in refused.err


@pytest.mark.slow
def test_several_processes_train_the_same_model(shell, small, tmp_path):
    one, two = (tmp_path / name for name in ("one", "two"))
    assert shell("fit", "digits", "--out", one, *small, "--precision", "float64", "--quiet").code == 0
    done = shell("fit", "digits", "--out", two, *small, "--precision", "float64", "--devices", "2")
    assert done.code == 0, done.err
    a, b = (load_file(folder / "weights.safetensors") for folder in (one, two))
    assert a.keys() == b.keys() and all(np.allclose(a[name], b[name], atol=1e-9) for name in a)


def test_several_processes_are_for_autoencoders(shell, small, tmp_path):
    done = shell("fit", "digits", "--out", tmp_path / "x", *small, "--task", "classify", "--devices", "2")
    assert done.code == 2 and "not for --task classify; leave it out" in done.err
