"""A self-explaining model in the shell: fitted, audited, explained, and asked about files of any size."""

import csv
import json

import numpy as np
import pytest

from isthmus import data, load
from isthmus.data import blockwise
from isthmus.estimators import predict_batches

NET = ("--architecture", "dense:hidden=(8)", "--units", "3", "--epochs", "12")
pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Return a csv with row names, names, dates, holes and a target that follows from the others."""
    random = np.random.default_rng(0)
    lines = [",name,born,income,score,group"]
    for i in range(160):
        day, income = np.datetime64("1970-01-01") + int(random.integers(0, 9000)), random.normal(50, 5)
        name = ("Rossi, Anna", "Li", "O’Neil")[i % 3]
        shown = "" if i % 11 == 3 else f"{income:.2f}"
        lines.append(
            f'n{i},"{name}",{day},{shown},{2 * income + random.normal():.2f},{"rich" if income > 50 else "poor"}'
        )
    path = tmp_path_factory.mktemp("people") / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fitted(people, shell):
    folder, figures = people.parent / "model", people.parent / "figures"
    told = ("--task", "classify", "--target", "group", "--robustness", "0.01", "--reads", "code", "--drop", "score")
    done = shell("fit", people, "-o", folder, *told, *NET, "--figures", figures)
    assert done.code == 0, done.err
    return folder, done, figures


@pytest.fixture(scope="module")
def regressor(people, shell):
    folder = people.parent / "regressor"
    told = ("--task", "regress", "--target", "score", "--drop", "group", "--quiet")
    assert shell("fit", people, "-o", folder, *told, *NET).code == 0
    return folder


@pytest.fixture
def model(fitted):
    return fitted[0]


@pytest.fixture(scope="module")
def unlabelled(people):
    """Return the file without its last two columns."""
    path = people.with_name("new.csv")
    lines = people.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in lines) + "\n", encoding="utf-8")
    return path


def read(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_fit_says_what_it_made_and_how_far_to_trust_it(fitted):
    folder, done, figures = fitted
    for words in (
        "rows       128 of ",
        "target     group, 2 classes (poor, rich)",
        "concepts   3, ",
        "of the code, robustness 0.01",
        "On 32 rows held out of the fit:",
        "linear on the input: ",
        "if it had concepts permuted: ",
        "rather than",
        f"isthmus explain {folder} ",
    ):
        assert words in done.out, words
    assert "fit: epoch 12/12" in done.err and "explaining: epoch" in done.err
    names = ["audit.png", "contributions.png", "curves.png", "summary.json", "summary.txt"]
    assert sorted(path.name for path in figures.iterdir()) == names
    audit = json.loads((figures / "summary.json").read_text())
    assert audit["rows"] == 32 and f"accuracy {audit['score']:.4f}" in (figures / "summary.txt").read_text()
    found = load(folder)
    assert found.target_name_ == "group" and found.reads == "code" and found.robustness == 0.01


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_are_predictions_with_reasons_and_names_of_rows(people, unlabelled, model, shell, tmp_path, suffix):
    for source in (people, unlabelled):
        out = tmp_path / f"scored.{suffix}"
        done = shell("score", model, source, "-o", out, "--per-column")
        assert done.code == 0, done.err
        assert "160 rows" in done.out
        found, X = data.read(out, types={}), data.read(unlabelled).table
        assert found.index.tolist() == [f"n{i}" for i in range(160)]
        fitted = load(model)
        names = ["prediction", "probability", "reason_1", "reason_2", "reason_3"]
        left_out = ["score"] if source == people else []
        adds = [*(f"adds_concept {i}" for i in range(3)), "adds_constant"]
        assert found.table.column_names == [*left_out, *names, *adds]
        assert found.table["prediction"].to_pylist() == fitted.predict(X).tolist()
        np.testing.assert_allclose(found.table["probability"], fitted.predict_proba(X).max(1), rtol=1e-5)
        adds = sum(
            found.table[f"adds_{name}"].to_numpy() for name in ("concept 0", "concept 1", "concept 2", "constant")
        )
        np.testing.assert_allclose(adds, np.abs(fitted.decision_function(X)), rtol=1e-4, atol=1e-5)
        assert " adds " in found.table["reason_1"][0].as_py()


def test_blocks_give_what_the_whole_gives(people, model, shell, tmp_path, monkeypatch):
    shell("score", model, people, "-o", tmp_path / "whole.csv")
    monkeypatch.setattr(blockwise.blocks, "__kwdefaults__", {**blockwise.blocks.__kwdefaults__, "rows": 32})
    shell("score", model, people, "-o", tmp_path / "parts.csv")
    assert read(tmp_path / "parts.csv") == read(tmp_path / "whole.csv")


def test_an_interruption_leaves_the_older_file(people, model, shell, tmp_path, monkeypatch):
    out = tmp_path / "scored.csv"
    out.write_text("older")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.estimators.predict_batches", interrupted)
    assert shell("score", model, people, "-o", out).code == 130
    assert out.read_text() == "older" and [path.name for path in tmp_path.iterdir()] == ["scored.csv"]


def test_the_first_rows_are_shown(people, model, shell):
    lines = shell("score", model, people).out.splitlines()
    assert lines[0].startswith("row 1 (n0): ") and ", probability 0." in lines[0]
    assert sum(line.startswith("row ") for line in lines) == 10 and " writes all rows" in lines[-1]


def test_a_row_is_explained_in_words_and_as_a_picture(people, unlabelled, model, shell, tmp_path):
    done = shell("explain", model, people, "--row", "5", "-o", tmp_path / "row.png", "--train", people)
    assert done.code == 0, done.err
    lines, X = done.out.splitlines(), data.read(unlabelled).table.slice(4, 1)
    told = load(model).explain(X).gap()
    assert lines[0] == f"row 5 (n4): {told.total(0)}"
    assert lines[1:5] == [f"  {reason}" for reason in told.reasons(0, 4)]
    assert lines[5] == f"local Lipschitz number {told.stability[0]:.3g}"
    assert (tmp_path / "row.png").read_bytes().startswith(b"\x89PNG")
    other = "poor" if told.outputs[told.predicted[0]] == "rich" else "rich"
    assert shell("explain", model, unlabelled, "--row", "5", "--against", other).out == "\n".join(lines[:6]) + "\n"


def test_what_the_fit_remembers_are_rows_of_the_file(people, unlabelled, model, shell, tmp_path):
    fitted, X = load(model), data.read(unlabelled, types={}).table
    assert len(fitted.known_) == 128 and max(fitted.known_) > 128
    np.testing.assert_allclose(
        fitted.autoencoder_.transform(X)[fitted.known_], fitted.known_concepts_.reshape(128, -1), rtol=1e-5, atol=1e-6
    )
    few = tmp_path / "few.csv"
    few.write_text("\n".join(people.read_text(encoding="utf-8").splitlines()[:100]), encoding="utf-8")
    done = shell("explain", model, people, "-o", tmp_path / "row.png", "--train", few)
    assert done.code == 2 and "has 99 rows, and the fit had " in done.err, done.err


def test_an_audit_of_rows_with_labels(people, model, shell, tmp_path):
    done = shell("evaluate", model, people, "--train", people, "--json", tmp_path / "audit.json")
    assert done.code == 0, done.err
    assert done.out.startswith("accuracy ") and "linear on the concepts" in done.out
    audit = json.loads((tmp_path / "audit.json").read_text())
    labelled = data.read(people, label="group", drop=["score"], types={})
    assert audit["rows"] == 160 and audit["score"] == load(model).score(labelled.table, labelled.y)
    assert audit["verdict"]


def test_a_limit_is_of_data_and_not_of_rows_beside_it(people, model, shell, tmp_path, monkeypatch):
    from isthmus import SelfExplainingClassifier

    seen, own = [], SelfExplainingClassifier.audit

    def audit(self, X, y, *, train, **more):
        seen.append((len(y), len(train[1])))
        return own(self, X, y, train=train, **more)

    monkeypatch.setattr(SelfExplainingClassifier, "audit", audit)
    assert shell("evaluate", model, people, "--train", people, "--limit", 70).code == 0
    told = ("--task", "classify", "--target", "group", "--drop", "score", "--limit", 70, "--test", people, "--quiet")
    assert shell("fit", people, "-o", tmp_path / "m", *told, *NET).code == 0
    assert seen == [(70, 160), (160, 70)]


def test_numbers_are_predicted_too(people, regressor, shell, tmp_path):
    assert shell("score", regressor, people, "-o", tmp_path / "s.csv").code == 0
    found = read(tmp_path / "s.csv")
    assert list(found[0]) == ["", "group", "prediction", "reason_1", "reason_2", "reason_3"]
    expected = load(regressor).predict(data.read(people, label="score", drop=["group"]).table)
    np.testing.assert_allclose([float(row["prediction"]) for row in found], expected, rtol=1e-5)
    assert shell("evaluate", regressor, people).out.startswith("R2 ")
    done = shell("explain", regressor, people, "-o", tmp_path / "row.png")
    assert done.code == 0 and done.out.startswith("row 1 (n0): score "), done.err


def test_pictures_have_labels_of_their_own(shell, tmp_path):
    folder = tmp_path / "model"
    done = shell("fit", "digits", "-o", folder, "--task", "classify", *NET, "--limit", "150", "--balanced")
    assert done.code == 0 and "target     label, 10 classes (0, 1, " in done.out, done.err
    done = shell("score", folder, "digits", "--limit", "12", "-o", tmp_path / "s.csv")
    assert done.code == 0, done.err
    X = data.read("digits", limit=12).X
    assert [int(row["prediction"]) for row in read(tmp_path / "s.csv")] == load(folder).predict(X).tolist()
    done = shell(
        "explain", folder, "digits", "--row", "3", "-o", tmp_path / "row.png", "--train", "digits", "--limit", 150
    )
    assert done.code == 0, done.err


def test_the_autoencoder_underneath_is_used_and_its_concepts_are_named(people, model, shell, tmp_path):
    import shutil

    copy = shutil.copytree(model, tmp_path / "model")
    assert shell("encode", copy, people, "--drop", "score", "-o", tmp_path / "codes.npy").code == 0
    assert np.load(tmp_path / "codes.npy").shape == (160, 3)
    done = shell("concepts", copy, people, "--drop", "score", "-o", tmp_path / "c", "--name", "1=means", "--pages", "0")
    assert done.code == 0, done.err
    assert "means (" in shell("explain", copy, people).out
    assert load(copy).predict_proba is not None


def test_blocks_without_names_are_taken_by_place(tmp_path):
    from quick import quick

    from isthmus import SelfExplainingClassifier, Trainer

    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted = SelfExplainingClassifier(quick(2), trainer=Trainer(1), random_state=0).fit(X, X[:, 0] > 0)
    table = pa.table({name: X[:, i] for i, name in enumerate("abc")})
    assert predict_batches(fitted, table.to_batches()[0])["prediction"].to_pylist() == fitted.predict(X).tolist()
    assert predict_batches(fitted, table.slice(0, 0)).num_rows == 0
    with pytest.raises(ValueError, match="4 columns and the fit had 3"):
        predict_batches(fitted, table.append_column("d", table["a"]))


@pytest.fixture
def mistaken(people, tmp_path):
    """Return a folder of files with something wrong in their target."""
    folder = tmp_path / "files"
    folder.mkdir()
    lines = people.read_text(encoding="utf-8").splitlines()

    def write(name, change):
        body = [change(i, line) for i, line in enumerate(lines[1:])]
        (folder / name).write_text("\n".join([lines[0], *body]) + "\n", encoding="utf-8")

    write("one.csv", lambda i, line: line.rsplit(",", 1)[0] + ",rich")
    write("holes.csv", lambda i, line: line.rsplit(",", 1)[0] + "," if i == 6 else line)
    write(
        "no score.csv",
        lambda i, line: ",".join([*line.rsplit(",", 2)[:1], "", line.rsplit(",", 1)[1]]) if i == 6 else line,
    )
    write("unseen.csv", lambda i, line: line.replace(",poor", ",middling") if i < 50 else line)
    (folder / "few.csv").write_text("\n".join(lines[:5]) + "\n", encoding="utf-8")
    return folder


FIT = ("fit", "DATA", "-o", "x", *NET, "--task")
REFUSED = [
    ((*FIT, "classify", "--target", "grup"), "has no column 'grup'|did you mean 'group'?"),
    ((*FIT, "classify"), "no labels to predict|income, score, group|--target COLUMN"),
    ((*FIT, "regress", "--target", "group"), "target 'group' is text ('poor' in row 1), not numbers|--task classify"),
    ((*FIT, "classify", "--target", "score"), "different numbers, not classes|--task regress"),
    ((*FIT, "regress", "--target", "score", "--balanced"), "--balanced weighs classes"),
    ((*FIT, "classify", "--target", "group", "--label", "name"), "--label name and --target group name two columns"),
    ((*FIT, "classify", "--target", "group", "--stream"), "--stream: not for models that predict"),
    ((*FIT, "classify", "--target", "group", "--robustness", "-1"), "robustness=-1.0 is not a weight"),
    ((*FIT, "classify", "--target", "group", "--reads", "leaves"), "--reads"),
    ((*FIT, "classify", "--target", "group", "--alarm-rate", "0.1"), "add --task anomaly"),
    ((*FIT, "anomaly", "--target", "group"), "--target: for models that predict"),
    (("fit", "DATA", "-o", "x", "--frozen"), "--frozen: for models that predict|--task classify"),
    (("fit", "FILES/one.csv", *FIT[2:], "classify", "--target", "group"), "has one class only, 'rich'|two or more"),
    (
        ("fit", "FILES/holes.csv", *FIT[2:], "classify", "--target", "group"),
        "no label in row 7 (column 'group')|fill in",
    ),
    (("fit", "FILES/no score.csv", *FIT[2:], "regress", "--target", "score"), "no label in row 7 (column 'score')"),
    (("fit", "FILES/few.csv", *FIT[2:], "classify", "--target", "group"), "of 4 rows|no two can be kept|--test DATA"),
    (("evaluate", "MODEL", "FILES/unseen.csv"), "holds the label middling, which y of the fit lacks"),
    (("evaluate", "MODEL", "NEW"), "no labels to compare|'group', which is not there|--label COLUMN"),
    (("evaluate", "MODEL", "DATA", "--draws", "5"), "--draws is for the likelihood"),
    (("explain", "MODEL", "DATA", "--row", "500"), "has 160 rows, and --row 500 is none of them"),
    (("explain", "MODEL", "DATA", "--row", "0"), "--row 0 is no row: rows count from 1"),
    (("explain", "MODEL", "DATA", "--against", "rch"), "--against 'rch' is no class|did you mean 'rich'"),
    (("explain", "MODEL", "DATA", "-o", "x.jpg"), "no name of a picture"),
    (("explain", "REGRESSOR", "DATA", "--against", "1"), "the model predicts numbers"),
    (("explain", "PLAIN", "digits"), "holds an autoencoder, which predicts no target|--task classify"),
    (("evaluate", "PLAIN", "digits", "--refits", "1"), "--train and --refits are for self-explaining models"),
    (("score", "MODEL", "DATA", "-o", "x.npy"), "cannot hold reasons|csv or Parquet"),
    (("score", "MODEL", "DATA", "--fdr", "0.1"), "--fdr needs p-values"),
    (("score", "MODEL", "digits"), "lacks 'name'|give the columns of the fit"),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_mistakes_are_told_in_one_line(
    arguments, words, people, unlabelled, fitted, regressor, request, mistaken, shell, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    places = {"MODEL": fitted[0], "DATA": people, "NEW": unlabelled, "REGRESSOR": regressor}
    if "PLAIN" in arguments:
        places["PLAIN"] = request.getfixturevalue("model_of_digits")
    said = [str(places.get(argument, argument)).replace("FILES", str(mistaken)) for argument in arguments]
    done = shell(*said, *(("--quiet",) if arguments[0] == "fit" else ()))
    assert done.code == 2 and done.err.count("\n") == 1, done.out + done.err
    assert all(word in done.err for word in words.split("|")), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


@pytest.fixture(scope="session")
def model_of_digits(tmp_path_factory, shell, small):
    folder = tmp_path_factory.mktemp("plain") / "model"
    assert shell("fit", "digits", "-o", folder, *small, "--quiet").code == 0
    return folder
