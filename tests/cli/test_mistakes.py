"""Mistakes of a user end with code 2 and one line that names culprit, reason and remedy."""

import json
import shutil

import numpy as np
import pytest

from isthmus.persistence import checksum


@pytest.fixture
def files(tmp_path, wine):
    """Return a folder of things that a user might give by mistake."""
    lines = wine.read_text().splitlines()
    header, rows = lines[0].split(","), [line.split(",") for line in lines[1:30]]
    numbers = [row[:-1] for row in rows]

    def write(name, names, body):
        (tmp_path / name).write_text("\n".join(",".join(line) for line in [names, *body]))

    write("text.csv", header, rows)
    write("nan.csv", header[:-1], [["nan", *numbers[0][1:]], *numbers[1:]])
    write("inf.csv", header[:-1], [["inf", *numbers[0][1:]], *numbers[1:]])
    write("narrow.csv", header[:3], [row[:3] for row in numbers])
    write("turned.csv", header[1::-1] + header[2:-1], [row[1::-1] + row[2:] for row in numbers])
    write("one.csv", header[:-1], numbers[:1])
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text(",".join(header) + "\n")
    np.save(tmp_path / "pixels.npy", np.random.default_rng(0).uniform(0, 255, (40, 9)))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("precious")
    (tmp_path / "broken.toml").write_text("epochs = = 3")
    (tmp_path / "below.toml").write_text("[fit]\nepochs = 3")
    (tmp_path / "other.toml").write_text("config = 'half.toml'")
    (tmp_path / "half.toml").write_text("seed = 2.5")
    (tmp_path / "rows").mkdir()
    shutil.copy(tmp_path / "one.csv", tmp_path / "rows")
    return tmp_path


FIT = [
    ("text.csv", ("--schema", "grap=category"), "'grap'|did you mean 'grape'"),
    ("text.csv", ("--schema", "grape=categry"), "the schema of column 'grape'|did you mean 'category'"),
    ("text.csv", ("--schema", "grape"), "--schema 'grape' is not NAME=KIND|or auto"),
    ("text.csv", ("--schema", "{grape"), "is not JSON"),
    ("text.csv", ("--schema", "hue=count"), "column 'hue' is to be a count, but holds fractions"),
    ("text.csv", ("--scaling", "standard"), "scaling='standard' is for arrays of numbers"),
    ("nan.csv", ("--likelihood", "bernoulli"), "Bernoulli"),
    ("inf.csv", (), "infinite|column 'alcohol'"),
    ("empty.csv", (), "is empty"),
    ("header.csv", (), "no rows"),
    ("missing.csv", (), "there is no file"),
    ("objects.npy", (), "pickled objects"),
    ("narrow.csv", ("--label", "alcohl"), "did you mean 'alcohol'"),
    ("pixels.npy", ("--likelihood", "bernoulli"), "Bernoulli|[0, 1]|scale"),
    ("pixels.npy", ("--units", "20"), "no wider than the data|--bottleneck overcomplete"),
    ("pixels.npy", ("--units", "0"), "--units 0 is not a size"),
    ("pixels.npy", ("--units", "many"), "'many' is not a size"),
    ("pixels.npy", ("--shape", "3x4"), "shape"),
    ("pixels.npy", ("--shape", "square"), "'square' is not a size"),
    ("pixels.npy", ("--size", "8x8"), "size is for pictures"),
    ("pixels.npy", ("--limit", "0"), "limit"),
    ("pixels.npy", ("--recipe", "denoisng"), "did you mean 'denoising'"),
    ("pixels.npy", ("--bottleneck", "topk"), "did you mean 'top_k'"),
    ("pixels.npy", ("--bottleneck", "top_k:kk=3"), "did you mean 'k'"),
    ("pixels.npy", ("--bottleneck", "top_k:3"), "NAME=VALUE"),
    ("pixels.npy", ("--bottleneck", "{type"), "not JSON"),
    ("pixels.npy", ("--corruption", "masking:rate=1.5"), "rate=1.5 is out of range"),
    ("pixels.npy", ("--penalty", "kl"), "density|Variational"),
    ("pixels.npy", ("--optimiser", "adm"), "did you mean 'adam'"),
    ("pixels.npy", ("--validation", "2"), "validation=2.0 is out of range"),
    ("pixels.npy", ("--device", "gpu"), "device='gpu'"),
    ("pixels.npy", ("--epochs", "few"), "--epochs|int"),
    ("pixels.npy", ("--epochs", "2.5"), "--epochs 2.5 is not a whole number"),
    ("pixels.npy", ("--config", "{files}/half.toml"), "--seed 2.5 (|half.toml) is not a whole number"),
    ("pixels.npy", ("--config", "{files}/other.toml"), "other.toml' names another file|into one file"),
    ("pixels.npy", ("--config", "{files}/below.toml"), "below.toml' has 'fit', which is a command|at the top"),
    ("pixels.npy", ("--unts", "3"), "--unts. Did you mean --units?"),
    ("pixels.npy", ("--config", "{files}/broken.toml"), "is not TOML"),
    ("pixels.npy", ("--config", "{files}/nowhere.toml"), "cannot read the settings"),
    ("pixels.npy", ("--test", "{files}/nowhere.csv"), "there is no file"),
    ("pixels.npy", ("-o", "{files}/taken"), "is not a saved model"),
    ("pixels.npy", ("-o", "{files}/empty.csv/model"), "cannot save"),
    ("pixels.npy", ("-o", "/proc/model"), "cannot save"),
    ("pixels.npy", ("--figures", "/proc/figures"), "cannot write"),
]


@pytest.mark.parametrize(("name", "options", "expected"), FIT, ids=lambda value: str(value)[:40])
def test_fit(shell, files, name, options, expected):
    given = dict(zip(options[::2], options[1::2], strict=True))
    settings = {"-o": "{files}/model", "--epochs": "1", "--units": "2", "--architecture": "dense:hidden=(4)"} | given
    words = [word.replace("{files}", str(files)) for pair in settings.items() for word in pair]
    refused(shell("fit", files / name, "--quiet", *words), expected)
    assert (files / "taken" / "thesis.tex").read_text() == "precious"


def refused(done, expected):
    assert done.code == 2, done.out + done.err
    # A warning may stand above, on a line of its own.
    *warnings, message = done.err.splitlines()
    assert all(line.startswith("isthmus: ") for line in (*warnings, message)), done.err
    assert len(warnings) <= 1
    for phrase in expected.split("|"):
        assert phrase in message, done.err


USE = [
    (("encode", "{model}", "{files}/narrow.csv", "-o", "{files}/c.npy"), "missing|hue"),
    (("encode", "{model}", "{files}/turned.csv", "-o", "{files}/c.npy"), "order"),
    (("encode", "{model}", "{files}/pixels.npy", "-o", "{files}/c.npy"), "9 features|13"),
    (("encode", "{model}", "{files}/one.csv", "-o", "{files}/c.docx"), "'.docx'|.csv"),
    (("encode", "{model}", "{files}/one.csv", "-o", "{files}/c.csv", "--bits", "8"), "npz"),
    (("encode", "{model}", "{files}/one.csv", "-o", "{files}/c.npz", "--bits", "7"), "bits"),
    (("reconstruct", "{model}", "{files}/one.csv", "-o", "{files}/pictures"), "not pictures"),
    (("reconstruct", "{model}", "{files}/one.csv", "--codes", "-o", "{files}/r.csv"), "codes"),
    (("score", "{model}", "{files}/one.csv", "-o", "/proc/scores.csv"), "cannot write"),
    (("score", "{model}", "{files}/header.csv"), "no rows|at least one"),
    (("encode", "{model}", "{files}/header.csv", "-o", "{files}/c.npy"), "no rows|at least one"),
    (("monitor", "{model}", "{files}/header.csv"), "no rows|at least one"),
    (("monitor", "{model}", "{files}/one.csv", "--reference", "{files}/header.csv"), "no rows|at least one"),
    (("impute", "{model}", "{files}/one.csv", "-o", "{files}/f.csv"), "knows no missing cells|schema='auto'"),
    (("encode", "{model}", "{files}/one.csv", "-o", "{files}/one.csv"), "one.csv' holds rows of DATA|another name"),
    (("reconstruct", "{model}", "{files}/rows/*.csv", "-o", "{files}/rows/one.csv"), "one.csv' holds rows of DATA"),
    (("score", "{model}", "{files}/rows/../one.csv", "-o", "{files}/one.csv"), "one.csv' holds rows of DATA"),
    (("sample", "{model}", "-n", "0", "-o", "{files}/s.csv"), "n_samples=0"),
    (("evaluate", "{files}/taken", "digits"), "not a saved model"),
    (("evaluate", "{files}/nowhere", "digits"), "not a saved model"),
    (("evaluate", "{model}"), "DATA"),
    (("parts", "bottleneks"), "did you mean 'bottleneck'"),
    (("parts", "penalty", "l3"), "unknown penalty 'l3'"),
    (("encod",), 'Did you mean "encode"?'),
]


@pytest.mark.parametrize(("command", "expected"), USE, ids=lambda value: " ".join(value)[:60])
def test_use(shell, files, table_model, command, expected):
    refused(shell(*(word.format(files=files, model=table_model) for word in command)), expected)


def test_variables_that_are_no_option_are_refused(shell, files, monkeypatch):
    monkeypatch.setenv("ISTHMUS_FIT_EPOCS", "3")
    refused(shell("fit", "digits", "-o", files / "model"), "ISTHMUS_FIT_EPOCS|did you mean ISTHMUS_FIT_EPOCHS?")


def test_one_row_can_be_used(shell, files, table_model):
    assert shell("encode", table_model, files / "one.csv", "-o", files / "code.npy").code == 0
    assert np.load(files / "code.npy").shape == (1, 3)


def test_damaged_models_are_refused(shell, table_model, files):
    for (name, expected), damage in {
        ("truncated weights", "is damaged"): lambda folder: (folder / "weights.safetensors").write_bytes(
            (folder / "weights.safetensors").read_bytes()[:200]
        ),
        ("no weights", "is damaged or missing"): lambda folder: (folder / "weights.safetensors").unlink(),
        ("truncated manifest", "is damaged"): lambda folder: (folder / "model.json").write_text("{"),
        ("another manifest", "not that of a saved model"): lambda folder: (folder / "model.json").write_text(
            '{"a": 1}'
        ),
        ("a part from nowhere", "unknown bottleneck 'os.system'"): lambda folder: edit(
            folder, lambda m: m["parts"]["bottleneck"].update(type="os.system")
        ),
        ("another size", "is damaged"): lambda folder: edit(folder, lambda m: m["parts"].update(units=7)),
        ("a newer format", "upgrade"): lambda folder: edit(folder, lambda m: m.update(version=99)),
    }.items():
        folder = files / name.replace(" ", "-")
        shutil.copytree(table_model, folder)
        damage(folder)
        refused(shell("encode", folder, files / "one.csv", "-o", files / "code.npy"), expected)
        assert not (files / "code.npy").exists(), name


def edit(folder, change):
    manifest = json.loads((folder / "model.json").read_text())
    change(manifest)
    manifest["checksum"] = checksum(manifest)
    (folder / "model.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("workers were lost 3 times"), "workers were lost 3 times"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0"),
            "not enough memory (for 20.00 GiB more)",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes."),
            "--micro-batch",
        ),
        (MemoryError("Unable to allocate 728. TiB for an array"), "(for 728. TiB more)|--stream|--limit"),
        (MemoryError(), "there is not enough memory; give fewer rows"),
    ],
)
def test_what_the_machine_lacks_is_told_in_one_line(shell, monkeypatch, error, expected):
    from isthmus.cli import rows

    def lacking(path):
        raise error

    monkeypatch.setattr(rows, "fitted_at", lacking)
    refused(shell("score", "model", "digits"), expected)


@pytest.mark.parametrize("error", [TypeError("a bug"), NotImplementedError("a bug"), RecursionError("a bug")])
def test_mistakes_of_the_program_keep_their_traceback(monkeypatch, error):
    from isthmus.cli import main, rows

    def wrong(path):
        raise error

    monkeypatch.setattr(rows, "fitted_at", wrong)
    with pytest.raises(type(error), match="a bug"):
        main(["score", "model", "digits"])


def test_a_refused_fit_leaves_the_old_model_whole(shell, files, table_model):
    folder = files / "kept"
    shutil.copytree(table_model, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(shell("fit", files / "inf.csv", "-o", folder), "infinite")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_reader_that_has_seen_enough_is_no_mistake(table_model, wine):
    import subprocess
    import sys

    command = f"{sys.executable} -m isthmus.cli score {table_model} {wine} --label grape --per-column | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("score,") and done.stderr == ""
