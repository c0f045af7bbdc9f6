"""The tables of the page say what the rows say, and no more."""

import json

import pytest

from benchmarks import render
from benchmarks.common import Bench, Column, Table

TABLE = Table(
    name="seed_nets",
    columns={
        "error": Column("error", "{:.1f}", "spread"),
        "better": Column("wins", over_seeds="count"),
        "worst": Column("worst", "{:.0e}", "worst"),
        "minutes": Column("minutes", "{:.0f}", "sum"),
    },
    rows=("a", "b"),
    targets={"a": "< 2"},
)


def line(row="a", seed=0, quick=False, setup=None, **values):
    return {
        "row": row,
        "seed": seed,
        "quick": quick,
        "setup": setup or {},
        "values": values,
        "cpu": "a processor",
        "threads": 1,
        "versions": {"torch": "2"},
        "git": "abc",
    }


def cells(lines, row="a"):
    shown = render.table(TABLE, lines)
    (found,) = (text for text in shown.splitlines() if text.startswith(f"| {row}"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_seeds_are_summarised_as_each_column_says():
    lines = [
        line(seed=0, error=1.0, better=True, worst=1e-6, minutes=2),
        line(seed=1, error=2.0, better=False, worst=-3e-5, minutes=3),
    ]
    assert cells(lines) == ["a", "< 2", "1.5 (1.0 to 2.0)", "1 of 2", "-3e-05", "5"]


def test_a_row_that_was_not_run_says_so():
    assert cells([line(error=1.0)], row="b") == ["b", "", "not run", "", "", ""]
    assert cells([], row="a")[:3] == ["a", "< 2", "not run"]


def test_the_last_run_of_a_seed_counts():
    assert cells([line(error=1.0), line(error=3.0)])[2] == "3.0"


def test_seeds_of_another_setup_are_left_out():
    old = [line(seed=s, error=9.0, setup={"epochs": 1}) for s in range(3)]
    assert cells([*old, line(seed=1, error=2.0, setup={"epochs": 2})])[2] == "2.0"


def test_a_quick_run_is_marked_and_gives_way_to_a_full_one():
    quick = line(error=5.0, quick=True)
    assert cells([quick])[:3] == ["a (quick)", "< 2", "5.0"]
    assert cells([line(error=1.0), quick])[:3] == ["a", "< 2", "1.0"]


def test_a_page_is_rewritten_between_its_markers_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- table: seed_nets -->\nold\n<!-- end -->\n\nafter\n")
    render.main(["--page", str(page), "--results", str(tmp_path)])
    text = page.read_text()
    assert text.startswith("before\n\n<!-- table: seed_nets -->") and text.endswith("<!-- end -->\n\nafter\n")
    assert "old" not in text and text.count("not run") == 3
    render.main(["--page", str(page), "--results", str(tmp_path), "--check"])
    page.write_text(text.replace("not run", "run"))
    with pytest.raises(SystemExit, match=r"not up to date; run python -m benchmarks\.render"):
        render.main(["--page", str(page), "--results", str(tmp_path), "--check"])


def test_a_body_that_fails_writes_nothing(tmp_path):
    bench = Bench(TABLE, ["--results", str(tmp_path)])
    with pytest.raises(ZeroDivisionError), bench.row("a", {}):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="seed_nets has no row 'c'"), bench.row("c", {}):
        pass


def test_rows_hold_plain_values(tmp_path, capsys):
    import numpy as np

    bench = Bench(TABLE, ["--results", str(tmp_path), "--seeds", "4", "2", "--only", "A"])
    assert bench.seeds(range(5)) == [4, 2] and bench.wants("a") and not bench.wants("b")
    with bench.row("a", {"table": TABLE.columns["better"], "sizes": (np.int64(3),)}, seed=4) as values:
        values["error"] = np.float32(0.5)
    found = json.loads((tmp_path / "seed_nets.jsonl").read_text())
    assert found["values"]["error"] == 0.5 and found["setup"]["sizes"] == [3] and found["seed"] == 4
    assert found["setup"]["table"].startswith("Column(")
    assert "a (seed 4): error 0.5" in capsys.readouterr().out
