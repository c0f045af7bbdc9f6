"""The commands that use a model agree with the estimator, and write what reads back."""

import json

import numpy as np
import pytest

from isthmus import data, load


@pytest.fixture(scope="module")
def digits():
    return data.read("digits", limit=60).X


LIMIT = ("--limit", "60")


def test_codes_are_those_of_the_estimator(shell, model, digits, tmp_path):
    codes = load(model).transform(digits)
    for suffix in (".npy", ".csv", ".parquet"):
        out = tmp_path / f"codes{suffix}"
        done = shell("encode", model, "digits", *LIMIT, "-o", out)
        assert done.code == 0, done.err
        np.testing.assert_allclose(data.read(out).X, codes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
def test_codes_in_few_bits_come_back_as_rows(shell, model, digits, tmp_path, bits):
    done = shell("encode", model, "digits", *LIMIT, "-o", tmp_path / "codes.npz", "--bits", bits)
    assert done.code == 0 and f"in {bits} bits" in done.out
    assert shell("reconstruct", model, tmp_path / "codes.npz", "-o", tmp_path / "rows.npy").code == 0
    rows, direct = np.load(tmp_path / "rows.npy"), load(model).reconstruct(digits)
    assert rows.shape == direct.shape == digits.shape
    assert np.abs(rows - direct).max() < {32: 1e-5, 16: 1e-2, 8: 0.05, 4: 0.5}[bits]


def test_plain_codes_come_back_too(shell, model, digits, tmp_path):
    shell("encode", model, "digits", *LIMIT, "-o", tmp_path / "codes.npy")
    assert shell("reconstruct", model, tmp_path / "codes.npy", "--codes", "-o", tmp_path / "rows.npy").code == 0
    np.testing.assert_allclose(np.load(tmp_path / "rows.npy"), load(model).reconstruct(digits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_codes_that_are_taken_for_rows_are_told_by_their_columns(shell, table_model, wine, tmp_path, suffix):
    codes, back = tmp_path / f"codes{suffix}", tmp_path / "back.csv"
    assert shell("encode", table_model, wine, "--label", "grape", "-o", codes).code == 0
    done = shell("reconstruct", table_model, codes, "-o", back)
    assert done.code == 2 and "has columns of codes, 'autoencoder0' and so on" in done.err, done.err
    assert done.err.strip().endswith("add --codes") and not back.exists()
    assert shell("reconstruct", table_model, codes, "--codes", "-o", back).code == 0


def test_pictures_come_back_as_a_folder(shell, model, digits, tmp_path):
    done = shell("reconstruct", model, "digits", *LIMIT, "-o", tmp_path / "pictures")
    assert done.code == 0, done.err
    back = data.read(tmp_path / "pictures").X
    assert back.shape == digits.shape
    assert np.abs(back - load(model).reconstruct(digits).clip(0, 1)).max() < 1 / 255


def test_pictures_come_back_by_their_names(shell, model, digits, tmp_path):
    data.write(tmp_path / "in", digits[:2], called=["a/one.png", "b/one.png"])
    assert shell("reconstruct", model, tmp_path / "in", "-o", tmp_path / "out").code == 0
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.glob("out/*/*")) == ["a/one.png", "b/one.png"]


def test_columns_that_are_left_out_stand_before_scores_of_any_model(shell, table_model, wine, tmp_path):
    lines = wine.read_text().splitlines()
    (tmp_path / "in.csv").write_text("\n".join(f"{'n' if not i else i - 1:0>3},{line}" for i, line in enumerate(lines)))
    assert shell("score", table_model, tmp_path / "in.csv", "--drop", "00n", "-o", tmp_path / "s.csv").code == 0
    assert shell("score", table_model, wine, "-o", tmp_path / "plain.csv").code == 0
    plain = (tmp_path / "plain.csv").read_text().splitlines()[1:]
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == [f"{i:0>3},{line}" for i, line in enumerate(plain)]


def test_names_of_pictures_travel_to_their_codes(shell, model, tmp_path):
    shell("reconstruct", model, "digits", *LIMIT, "-o", tmp_path / "pictures")
    shell("encode", model, tmp_path / "pictures", "-o", tmp_path / "codes.csv")
    shell("score", model, tmp_path / "pictures", "-o", tmp_path / "scores.parquet")
    assert "000003.png" in (tmp_path / "codes.csv").read_text()
    assert data.read(tmp_path / "codes.csv").X.shape == (60, 4)
    assert data.read(tmp_path / "scores.parquet").index[3] == "000003.png"


def test_names_of_columns_travel(shell, table_model, wine, tmp_path):
    options = ("--label", "grape", "-o")
    assert shell("reconstruct", table_model, wine, *options, tmp_path / "back.csv").code == 0
    given, back = data.read(wine, label="grape"), data.read(tmp_path / "back.csv")
    assert back.names == given.names and back.X.shape == given.X.shape
    assert shell("score", table_model, wine, "--per-column", *options, tmp_path / "scores.csv").code == 0
    scores = data.read(tmp_path / "scores.csv")
    assert scores.names == ("score", *(f"nats_{name}" for name in given.names))
    np.testing.assert_allclose(scores.X[:, 0], -scores.X[:, 1:].sum(1), rtol=1e-6)
    assert shell("sample", table_model, "-n", "5", "-o", tmp_path / "new.csv").code == 0
    assert data.read(tmp_path / "new.csv").names == given.names


def test_scores_go_to_the_standard_output(shell, model, digits):
    lines = shell("score", model, "digits", *LIMIT).out.splitlines()
    assert lines[0] == "score" and len(lines) == 61
    np.testing.assert_allclose(np.array(lines[1:], float), load(model).score_samples(digits), rtol=1e-5)


def test_samples_follow_the_seed(shell, model, tmp_path):
    made = {}
    for name, options in {"a": (), "b": (), "c": ("--seed", "1"), "d": ("--drawn",)}.items():
        assert shell("sample", model, "-n", "3", "-o", tmp_path / f"{name}.npy", *options).code == 0
        made[name] = np.load(tmp_path / f"{name}.npy")
    assert made["a"].shape == (3, 1, 8, 8)
    assert (made["a"] == made["b"]).all() and (made["a"] != made["c"]).any()
    assert set(np.unique(made["d"])) <= {0.0, 1.0}, "drawn from Bernoulli"


def test_an_evaluation_is_printed_and_written(shell, model, digits, tmp_path):
    done = shell("evaluate", model, "digits", *LIMIT, "--json", tmp_path / "numbers.json")
    assert done.code == 0 and "PCA at equal size" in done.out
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["squared_error"] == pytest.approx(load(model).evaluate(digits).squared_error)


def test_a_density_is_estimated_with_draws(shell, small, tmp_path):
    shell("fit", "digits", "-o", tmp_path / "model", *small, "--recipe", "variational", "--quiet")
    done = shell("evaluate", tmp_path / "model", "digits", *LIMIT, "--draws", "20")
    assert done.code == 0 and "20 importance-weighted draws" in done.out


@pytest.mark.parametrize("kind", ["bottleneck", "penalties", "recipe", "schedule"])
def test_parts_show_their_settings(shell, kind):
    done = shell("parts", kind)
    assert done.code == 0
    expected = {"bottleneck": "k = ", "penalties": "weight = ", "recipe": "n_components = ", "schedule": "epochs = "}
    assert expected[kind] in done.out


def test_parts_are_those_of_the_catalogue(shell):
    from isthmus.bottleneck import Bottleneck
    from isthmus.catalogue import catalogue

    listed = shell("parts").out
    assert all(f"  {name} " in listed for name in catalogue(Bottleneck))
    assert "Makhzani" in shell("parts", "bottleneck", "top-k").out


def test_concepts_get_passports_and_names(shell, model, tmp_path):
    import shutil

    own = shutil.copytree(model, tmp_path / "model")
    done = shell("concepts", own, "digits", *LIMIT, "-o", tmp_path / "out", "--pages", "1", "--name", "2=loop")
    assert done.code == 0 and "loop" in done.out
    assert load(own).concept_names_ == {2: "loop"}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"gallery.png", "concepts.csv", "concepts.json"} < names and len(names) == 4
    told = json.loads((tmp_path / "out" / "concepts.json").read_text())
    assert [concept["name"] for concept in told["concepts"]] == ["", "", "loop", ""]
    lines = (tmp_path / "out" / "concepts.csv").read_text().splitlines()
    assert len(lines) == 5 and "label" in lines[0]


@pytest.mark.parametrize("name", ["loop", "x=loop", "9=loop"])
def test_names_of_concepts_that_are_none_are_refused(shell, model, tmp_path, name):
    done = shell("concepts", model, "digits", *LIMIT, "-o", tmp_path, "--name", name)
    assert done.code == 2 and ("--name 3=loop" in done.err or "units are 0 to 3" in done.err)
