"""Series from the shell: windows, the axis of time, answers by point, and what is refused."""

import csv
import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from unpack import blobs_in

from isthmus import load

SHORT = ("--task", "anomaly", "--epochs", "3", "--members", "2", "--architecture", "dense:hidden=(16)", "--quiet")
SPIKE = 300


def written(path, *, order=None, extra=""):
    """Write a wave of 400 hours with a spike and a hole."""
    random, begin, lines = np.random.default_rng(0), datetime(2024, 1, 1), []
    for i in range(400):
        value = "" if i == 50 else f"{10 + 3 * np.sin(i / 5) + 0.1 * random.normal() + 5 * (i == SPIKE):.3f}"
        lines.append(f"{begin + timedelta(hours=i)},{value},{i % 7}{extra and ',' + extra}")
    lines = lines if order is None else [lines[i] for i in order]
    path.write_text("\n".join([f"time,heat,load{extra and ',more'}", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory, shell):
    """Return the folder of a series and of a detector of it."""
    folder = tmp_path_factory.mktemp("series")
    done = shell("fit", written(folder / "series.csv"), "-o", folder / "watch", "--window", "16", *SHORT)
    assert done.code == 0, done.err
    return folder


def test_points_are_scored_by_windows_and_keep_their_time(series, shell, tmp_path):
    model = load(series / "watch")
    assert (model.window, model.time_, model.reading_.names) == (16, "time", ("heat", "load"))
    out = tmp_path / "scored.csv"
    done = shell("score", series / "watch", series / "series.csv", "-o", out, "--per-column")
    assert done.code == 0, done.err
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert [*found[0]][:3] == ["time", "score", "p_value"] and len(found) == 400
    worst = max(found, key=lambda row: float(row["score"]))
    assert worst["time"] == str(datetime(2024, 1, 1) + timedelta(hours=SPIKE))
    assert worst["reason_1"].startswith("heat is ")
    shown = shell("score", series / "watch", series / "series.csv", "--figures", tmp_path).out
    assert (tmp_path / "contributions.png").is_file()
    assert f"row {SPIKE + 1} ({worst['time']}): score " in shown


def test_gaps_in_the_axis_of_time_are_told(series, shell, tmp_path):
    """Windows read across them; empty rows in their place would say that something is missing."""
    whole = (series / "series.csv").read_text().splitlines()
    (tmp_path / "gap.csv").write_text("\n".join(whole[:101] + whole[171:250] + whole[260:]) + "\n")
    told = shell("score", series / "watch", tmp_path / "gap.csv", "-o", tmp_path / "out.csv").err
    assert "2 gaps, the longest of 2 days, 23:00:00 in 'time', after row 100" in " ".join(told.split())
    assert "gap" not in shell("score", series / "watch", series / "series.csv", "-o", tmp_path / "whole.csv").err


def test_a_fit_of_a_series_is_told_and_drawn(series, shell, tmp_path):
    told = ("--window", "16", *SHORT[:-1], "--figures", tmp_path / "figures")
    done = shell("fit", series / "series.csv", "-o", tmp_path / "watch", *told)
    assert done.code == 0 and "400 points of time, read 16 at once, of" in done.out, done.err
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"scores.png", "contributions.png", "summary.txt"}
    assert shell("report", tmp_path / "watch", series / "series.csv", "-o", tmp_path / "p.html").code == 0
    titles = json.loads(blobs_in((tmp_path / "p.html").read_text())["page"])["data"]["titles"]
    assert (titles[0], titles[SPIKE], len(titles)) == ("2024-01-01 00:00:00", "2024-01-13 12:00:00", 400)


def test_new_points_in_another_order_are_refused(series, shell, tmp_path):
    for name, order in (("rev", range(399, -1, -1)), ("mixed", np.random.default_rng(0).permutation(400))):
        path = written(tmp_path / f"{name}.csv", order=order)
        for command in (("score",), ("score", "-o", tmp_path / "out.csv"), ("report", "-o", tmp_path / "p.html")):
            done = shell(command[0], series / "watch", path, *command[1:])
            assert done.code == 2, done.out
            assert "is of an earlier 'time' than the one before; sort by it" in done.err
    twice = written(tmp_path / "twice.csv", order=sorted([*range(400), 17, 18]))
    assert shell("score", series / "watch", twice).code == 0  # some may be of one time


def test_rows_that_look_like_a_series_get_a_hint(series, shell, tmp_path):
    hint = "rows are in order of 'time'; if they are points of a series, add --window 64"
    done = shell("fit", series / "series.csv", "-o", tmp_path / "m", *SHORT[:-1])
    assert done.code == 0 and hint in done.out
    shuffled = written(tmp_path / "mixed.csv", order=np.random.default_rng(0).permutation(400))
    assert hint[:20] not in shell("fit", shuffled, "-o", tmp_path / "m", *SHORT[:-1]).out


def test_an_array_of_one_axis_is_a_series(shell, tmp_path):
    x = np.sin(np.arange(300) / 5)
    x[200] += 3
    np.save(tmp_path / "x.npy", x)
    done = shell("fit", tmp_path / "x.npy", "-o", tmp_path / "watch", *SHORT)
    assert done.code == 2 and "--task anomaly --window 64" in done.err
    assert shell("fit", tmp_path / "x.npy", "-o", tmp_path / "watch", "--window", "16", *SHORT).code == 0
    done = shell("score", tmp_path / "watch", tmp_path / "x.npy")
    assert done.code == 0 and "\nrow 201: score" in done.out, done.err


def test_truth_values_are_a_channel(shell, tmp_path):
    lines = [f"{np.sin(i / 5) + 0.01 * (i % 7):.3f},{'true' if i % 5 else 'false'}" for i in range(200)]
    (tmp_path / "x.csv").write_text("\n".join(["heat,open", *lines]))
    assert shell("fit", tmp_path / "x.csv", "-o", tmp_path / "watch", "--window", "8", *SHORT).code == 0
    (tmp_path / "open.csv").write_text("\n".join(["heat,open", *(line.split(",")[0] + ",true" for line in lines)]))
    for name in ("x", "open"):
        done = shell("score", tmp_path / "watch", tmp_path / f"{name}.csv")
        assert done.code == 0 and "200 rows" in done.out, done.err


def test_what_is_no_series_is_refused(shell, tmp_path):
    def told(path, *options):
        done = shell("fit", path, "-o", tmp_path / "watch", *options, *SHORT)
        assert done.code == 2
        return done.err

    mixed = written(tmp_path / "mixed.csv", order=[0, 2, 1, *range(3, 400)])
    assert "row 3 is of an earlier 'time' than the one before; sort by it" in told(mixed, "--window", "16")
    words = written(tmp_path / "words.csv", extra="high")
    assert "read as numbers, which 'more' is not; leave out: --drop \"more\"" in told(words, "--window", "16")
    dates = written(tmp_path / "dates.csv", extra="2024-05-01")
    assert '2 columns of dates (time, more); keep one: --drop "more"' in told(dates, "--window", "16")
    assert "too short for window=300" in told(dates, "--window", "300", "--drop", "more")
    assert "no number of points" in told(dates, "--window", "0", "--drop", "more")
    done = shell("fit", dates, "-o", tmp_path / "m", "--window", "16")
    assert done.code == 2 and "--window are for anomaly detectors; add --task anomaly" in done.err
