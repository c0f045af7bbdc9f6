"""isthmus monitor: exit codes, what is said, and a state that goes on."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest


def people(path, n, seed, age=40.0):
    """Write rows of a table."""
    rng = np.random.default_rng(seed)
    town = np.array(["Bern", "Oslo"])[rng.integers(0, 2, n)]
    table = pa.table({"age": rng.normal(age, 10, n).round(1), "pay": rng.normal(size=n).round(3), "town": town})
    pyarrow.csv.write_csv(table, path)
    return path


@pytest.fixture(scope="module")
def fitted(shell, tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitor")
    options = ("--architecture", "dense:hidden=(8)", "--units", "2", "--epochs", "2", "--quiet")
    assert shell("fit", people(folder / "fit.csv", 1200, 0), "-o", folder / "model", *options).code == 0
    return folder / "model"


def test_nothing_has_moved(shell, fitted, tmp_path):
    done = shell("monitor", fitted, people(tmp_path / "same.csv", 600, 1))
    assert done.code == 0
    assert done.out.startswith("600 rows, nothing has moved among 3 columns and the score of rows")


def test_a_column_has_moved(shell, fitted, tmp_path):
    older = people(tmp_path / "older.csv", 600, 2, age=50.0)
    done = shell("monitor", fitted, older)
    assert done.code == 1
    assert "age: median 39." in done.out
    done = shell("monitor", fitted, older, "--format", "json", "--ignore", "age")
    told = json.loads(done.out)
    assert (done.code, told["drift"], told["watched"], told["rows"]) == (int(told["drift"]), told["drift"], 2, 600)
    assert shell("monitor", fitted, older, "--reference", people(tmp_path / "r.csv", 600, 3, age=50.0)).code == 0


def test_a_limit_is_of_data_and_not_of_the_reference(shell, fitted, tmp_path, monkeypatch):
    from isthmus import Monitor

    seen, own = [], Monitor._compared
    monkeypatch.setattr(Monitor, "_compared", lambda self, X: seen.append(len(X)) or own(self, X))
    other = people(tmp_path / "r.csv", 600, 3)
    done = shell("monitor", fitted, people(tmp_path / "same.csv", 200, 1), "--limit", 50, "--reference", other)
    assert done.out.startswith("50 rows, ") and seen == [600]


def test_today_goes_on_where_yesterday_ended(shell, fitted, tmp_path):
    state = tmp_path / "state.json"
    days = [people(tmp_path / f"{day}.csv", 300, day + 5, age=40.0 + 6 * (day > 1)) for day in range(3)]
    codes = [shell("monitor", fitted, day, "--state", state).code for day in days]
    assert codes == [0, 0, 1]
    done = shell("monitor", fitted, days[0], "--state", state, "--format", "json")
    told = json.loads(done.out)
    assert (done.code, told["rows"]) == (1, 1200)  # what has moved stays named
    assert abs(told["moved"][0]["since"] - 601) < 100
    before = state.read_bytes()
    done = shell("monitor", fitted, days[0], "--state", state, "--alpha", "0.05")
    assert (done.code, "was begun with --alpha 0.01" in done.err) == (2, True)
    assert state.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--alpha", "0"), "alpha=0.0 is no chance of a false alarm"),
        (("--ignore", "agee"), "no column 'agee' to ignore"),
        (("--reference", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_mistakes(shell, fitted, tmp_path, options, words):
    done = shell("monitor", fitted, people(tmp_path / "same.csv", 20, 1), *options)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1
