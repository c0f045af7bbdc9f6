"""The runner of the speed benchmark, with contestants that are a few lines long; nothing here is timed."""

import json
import os
import runpy
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import render
from benchmarks import speed as page
from isthmus.bench import environments, machine, rounds
from isthmus.bench import speed as bench
from isthmus.bench.works import OURS, ROWS, Entrant, Row, Work

ENTRANT = """
import json, os, sys
job = json.load(sys.stdin)
with open(os.environ["TURNS"], "a") as file:
    file.write(job["option"] + "\\n")
print("a library says something")
print(json.dumps({"rates": json.loads(job["option"]), "first": 0.5, "import": 0.25, "loss": 2.0, "peak MiB": 100.0,
                  "imported MiB": 60.0, "versions": {"python": "3"}, "note": "a | b"}))
"""
BROKEN = "raise ValueError('no such net')"
WORK = Work(kind="start")


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Two contestants; what they did is in the file that is returned."""
    (tmp_path / "entrant.py").write_text(ENTRANT)
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.setattr(rounds, "SCRIPTS", tmp_path)
    monkeypatch.setenv("TURNS", str(tmp_path / "turns"))
    return tmp_path / "turns"


def row(**entrants):
    known = {OURS: Entrant("entrant", option="[4.0, 8.0, 6.0]")}
    return {"a row": Row(WORK, known | entrants, asked="fast")}


def test_rounds_are_interleaved_and_each_begins_with_another(scripts):
    others = {name: Entrant("entrant", option=f"[{n}.0]") for n, name in ((2, "b"), (3, "c"))}
    (line,) = bench.run(bench.Options(rounds=3), row(**others), say=lambda text: None)
    a, b, c = "[4.0, 8.0, 6.0]", "[2.0]", "[3.0]"
    assert scripts.read_text().splitlines() == [a, b, c, b, c, a, c, a, b]
    assert line["entrants"]["isthmus"]["rates"] == [6.0] * 3
    assert line["values"]["rate"] == 6.0 and line["values"]["b"] == 3.0 and line["values"]["c"] == 2.0


def test_medians_and_ranges_are_those_of_the_rounds():
    answers = [{"rates": [r], "peak MiB": r, "first": r, "foreign": None} for r in (5.0, 1.0, 3.0)]
    found = rounds.summary(answers)
    assert found == {"rates": [5.0, 1.0, 3.0], "peak MiB": 5.0, "first": 3.0}
    # Compared within rounds: a round in which the machine was slow for both says nothing of either.
    assert rounds.ratios(found, {"rates": [2.5, 0.5, 1.5]}) == [2.0, 2.0, 2.0]
    assert rounds.ratios(found, {"not run": "why"}) == []


def test_who_fails_is_not_run_again_and_says_why(scripts):
    others = {"broken": Entrant("broken"), "later": Entrant(""), "absent": Entrant("entrant", "x", "no_such_module")}
    (line,) = bench.run(bench.Options(rounds=2, environments=Path("nowhere")), row(**others), say=lambda text: None)
    assert line["entrants"]["broken"] == {"not run": "ValueError: no such net"}
    assert line["entrants"]["later"] == {"not run": "isthmus has no way to do this yet"}
    assert line["entrants"]["absent"] == {"not run": "no environment 'x'; --install makes it"}
    assert "broken" not in line["values"] and line["values"]["rate"] == 6.0
    unable = bench.values({OURS: {"not run": "not yet"}, "b": {"rates": [1.0]}})
    assert unable == {"rate": "not yet"} and render.cell(page.TABLE.columns["rate"], ["not yet"]) == "not yet"
    said = bench.report([line])
    assert "not run: ValueError: no such net" in said and "6 a second" in said


def test_only_those_asked_for_have_a_turn(scripts):
    others = {"b": Entrant("entrant", option="[1.0]"), "c": Entrant("entrant", option="[2.0]")}
    (line,) = bench.run(bench.Options(quick=True, contestants=["C"]), row(**others), say=lambda text: None)
    assert len(scripts.read_text().splitlines()) == 2
    assert line["entrants"]["b"] == {"not run": "not asked for"} and line["quick"]
    with pytest.raises(ValueError, match=r"no row has 'zebra' in its name; the rows are 'a row'"):
        bench.run(bench.Options(only="zebra"), row())
    with pytest.raises(ValueError, match="rounds=-1 counts nothing"):
        bench.Options(rounds=-1)


def test_a_row_is_written_when_it_is_done(scripts, tmp_path):
    out = tmp_path / "new" / "speed.jsonl"
    rows = {"first": row()["a row"], "second": Row(WORK, {OURS: Entrant("entrant", option="[2.0]")})}
    bench.run(bench.Options(rounds=1, results=out, threads=1), rows, say=lambda text: None)
    lines = [json.loads(text) for text in out.read_text().splitlines()]
    assert [line["row"] for line in lines] == ["first", "second"]
    assert all(line["threads"] == 1 and line["cpu"] and line["versions"]["torch"] for line in lines)


def test_an_environment_of_its_own_is_preferred(tmp_path):
    entrant = Entrant("with_jax", "jax", "json")
    assert environments.python_for(entrant, tmp_path) == Path(sys.executable)
    own = environments.interpreter(tmp_path, "jax")
    own.parent.mkdir(parents=True)
    own.touch()
    assert environments.python_for(entrant, tmp_path) == own
    environments.install(tmp_path, "jax")


def test_modules_of_this_environment_do_not_reach_another(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "here")
    other = rounds.Turn(Path("/other/python"), "with_jax", {"threads": 3}).environment
    own = rounds.Turn(Path(sys.executable), "with_isthmus", {"threads": 3}).environment
    assert "PYTHONPATH" not in other and own["PYTHONPATH"] == "here"
    assert other["OMP_NUM_THREADS"] == own["MKL_NUM_THREADS"] == "3"


def test_every_row_names_scripts_and_environments_that_exist():
    for name, described in ROWS.items():
        for label, entrant in described.entrants.items():
            assert not entrant.script or (rounds.SCRIPTS / f"{entrant.script}.py").is_file(), (name, label)
            assert not entrant.environment or entrant.environment in environments.PINNED
            assert bool(entrant.environment) == bool(entrant.module)
            assert described.job(label, quick=True).rows <= described.job(label, quick=False).rows
    assert ROWS["growth"].job("rows x 10", quick=False).rows == 10 * ROWS["growth"].work.rows


def test_the_extra_names_the_peers_of_the_environments():
    root = page.RESULTS.parents[1]
    extra = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {text.split(">=")[0] for text in extra["bench"]}
    pinned = {text for name in ("torch", "jax", "tensorflow") for part in environments.PINNED[name] for text in part}
    packages = {text.split("==")[0] for text in pinned}
    assert packages - named == {"torch", "numpy", "scikit-learn", "tensorflow-cpu"} and named < packages
    # In one environment or in several, they are the same versions.
    assert {text for text in pinned if "tensorflow" not in text} <= set((root / "constraints.txt").read_text().split())


def test_bf16_needs_a_processor_that_has_it(tmp_path, monkeypatch):
    listing = tmp_path / "cpuinfo"
    monkeypatch.setattr("isthmus.machine.CPUINFO", listing)
    listing.write_text("model name\t: A 9000\nflags\t\t: sse avx512f\n")
    assert machine.processor() == "A 9000" and not machine.multiplies_bf16()
    described = Row(replace(WORK, precision="bf16"), {OURS: Entrant("entrant")})
    said = bench.one(described, OURS, bench.Options(), tmp_path)
    assert said == {"failed": "not available: this processor has no bf16 products"}
    listing.write_text("flags\t\t: sse avx512_bf16\n")
    assert machine.multiplies_bf16()


@pytest.mark.skipif(not machine.STAT.exists(), reason="the load of others is read from /proc/stat")
def test_what_our_own_processes_use_is_not_foreign(monkeypatch, tmp_path):
    stat, ticks = tmp_path / "stat", os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(machine, "STAT", stat)
    seconds, own = iter([100.0, 110.0]), iter([3.0, 7.0])
    monkeypatch.setattr(machine, "_own", lambda: next(own))
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(seconds))
    stat.write_text("cpu  0 0 0 500 0 0 0\n")
    ended = machine.watched()
    stat.write_text(f"cpu  {5 * ticks} {ticks} {3 * ticks} 900 7 0 0\n")
    assert ended() == machine.Load(10.0, 0.5)


def test_the_runner_imports_no_torch():
    code = "import sys, isthmus.bench.speed, benchmarks.speed; assert not {'torch', 'sklearn'} & set(sys.modules)"
    root = page.RESULTS.parents[1]
    paths = os.pathsep.join([str(root), str(root / "src")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_details_say_what_every_contestant_said(scripts, tmp_path):
    (line,) = bench.run(bench.Options(rounds=1), row(b=Entrant("broken")), say=lambda text: None)
    said = page.details([line])
    assert "| isthmus | 6 | 0.25 | 0.5 | 2 |  | 100 |" in said and "a / b" in said and "Versions: python 3." in said
    assert "| b | not run |" in said
    assert page.details([]) == ""


def test_growth_is_measured_against_multiplications(tmp_path):
    setup = ROWS["growth"].job(OURS, quick=False).described() | {"rounds": 1}
    base = {"rates": [100.0], "peak MiB": 60.0, "imported MiB": 50.0}
    said = {name: base for name in ROWS["growth"].entrants} | {"rows x 10": base | {"peak MiB": 90.0}}
    line = {"row": "growth", "quick": False, "setup": setup, "entrants": said}
    found = {grown.name: grown for grown in page.growth(line)}
    assert list(found) == list(ROWS["growth"].entrants)
    assert found["isthmus"][1:4] == (1.0, 1.0, 10.0)
    assert found["rows x 10"][1:4] == (10.0, 10.0, 40.0)
    weights = 784 * 256 + 256 * 256
    assert found["isthmus"].needed == pytest.approx((6000 * 784 + 4 * 2 * weights) * 4 / 2**20)
    assert found["width x 4"].work == pytest.approx((784 * 1024 + 1024 * 256) / weights)
    assert page.grown(line)[-1].startswith("| depth x 4 |")
    page.plot(line, tmp_path)
    assert (tmp_path / "growth.png").stat().st_size > 1000
    assert page.growth(line | {"entrants": said | {"depth x 4": {"not run": "why"}}}) == []


def test_losses_are_measured_alike():
    job = runpy.run_path(str(rounds.SCRIPTS / "job.py"))
    x = np.array([[1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    assert job["loss"]("squared error", x, np.zeros((2, 2))) == 1.5
    half = job["loss"]("cross-entropy", x, np.full((2, 2), 0.5))
    assert half == pytest.approx(2 * np.log(2))
