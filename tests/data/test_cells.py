"""Cells of text tables: marks of missing values, thousands set apart, and names that stay as they are."""

import time

import pyarrow as pa
import pytest

from isthmus.atrow import RowError
from isthmus.data import blockwise, read
from isthmus.data.cells import cleaned
from isthmus.data.codec import TableCodec

DAYS = [f"{i % 28 + 1:02}.{i % 12 + 1:02}.{2000 + i % 20}" for i in range(40)]


def column(folder, cells, delimiter=";", types=None, name="t.csv"):
    path = folder / name
    quoted = [f'"{cell}"' if delimiter in str(cell) else str(cell) for cell in cells]
    path.write_text("\n".join([f"x{delimiter}n", *(f"{cell}{delimiter}{i}" for i, cell in enumerate(quoted))]) + "\n")
    return read(path, types={} if types is None else types).table["x"]


@pytest.mark.parametrize(
    "mark", ["-", "?", "N/A", "n/a", "NA", "null", "NULL", "None", "nan", ".", "--", "k.A.", "#DIV/0!", ""]
)
def test_marks_among_numbers_and_dates_are_missing_cells(tmp_path, mark):
    for cells, kind in (
        ([1.5, mark, 2.5], pa.float64()),
        ([1, mark, 2], pa.int64()),
        (["2020-01-31", mark], pa.date32()),
    ):
        found = column(tmp_path, cells)
        assert found.type == kind and found.null_count == 1
    assert column(tmp_path, [*DAYS, mark]).to_pylist() == [*DAYS, None]


def test_marks_among_names_are_names(tmp_path):
    assert column(tmp_path, ["a", "-", "None", "2"]).to_pylist() == ["a", "-", "None", "2"]
    assert column(tmp_path, ["-", "-"]).to_pylist() == ["-", "-"]
    assert column(tmp_path, ["1", "-"], types={"x": pa.string()}).to_pylist() == ["1", "-"]
    assert column(tmp_path, [" 01", "-"], types={"x": pa.string()}).to_pylist() == ["01", "-"]
    assert column(tmp_path, ["-", "-"], types={"x": pa.float64()}).null_count == 2


@pytest.mark.parametrize(
    ("delimiter", "cells", "values"),
    [
        (";", ["12.345,67", "1.234", "7,5", "-"], [12345.67, 1234, 7.5, None]),
        (";", ["12,345.67", "1,234", "7.5"], [12345.67, 1234, 7.5]),
        (";", ["1,234", "12,345.67"], [1234, 12345.67]),  # the first one could be read in two ways
        (";", ["1.234.567", "2,5"], [1234567, 2.5]),
        (",", ["12,345.67", "1,234", "8"], [12345.67, 1234, 8]),
        (",", ["1,234,567", "1,234", "-8"], [1234567, 1234, -8]),
        (",", ["1'234.5", "7.25"], [1234.5, 7.25]),
        (";", ["1 234,5", "7,25"], [1234.5, 7.25]),
        (";", ["1,5", "2.5"], None),
        (",", ["1,234", "2,345"], None),
        (",", ["1,234", "2,34"], None),
        (",", ["12.345,67", "1,5"], None),
        (";", ["3,5", "192.168.1"], None),
        (";", ["3,5", "0.123"], None),
        (";", ["1,234", "45,678"], None),  # which no cell of the file decides
        ("\t", ["1,234", "2.345"], None),
        ("|", ["1,234", "1,234,567"], [1234, 1234567]),
    ],
)
def test_thousands_are_understood_where_all_of_a_column_is_plain(tmp_path, delimiter, cells, values):
    found = column(tmp_path, cells, delimiter)
    assert found.to_pylist() == (values or cells)
    (block,) = blockwise.blocks(tmp_path / "t.csv", types={})
    assert block.table["x"].to_pylist() == found.to_pylist()


def test_a_column_that_was_numbers_needs_no_proof(tmp_path):
    assert column(tmp_path, ["1,234", "850"], ",", {"x": pa.float64()}).to_pylist() == [1234, 850]


@pytest.mark.parametrize("before", [0, 10, 1200])
def test_numbers_of_the_fit_that_can_mean_two_things_are_not_read(tmp_path, before):
    types = {"x": pa.float64()}
    found = column(tmp_path, ["2"] * before + ["1,500"], types=types)
    assert found[-1].as_py() == "1,500"
    assert list(blockwise.blocks(tmp_path / "t.csv", types=types))[-1].table["x"][-1].as_py() == "1,500"
    assert column(tmp_path, ["2"] * before + ["1,500", "2,5"], types=types)[before].as_py() == (
        1.5 if before < 1000 else "1,500"
    )


def test_numbers_that_can_mean_two_things_are_refused_with_the_remedy(tmp_path):
    codec = TableCodec.fit(pa.table({"x": [1234567.0, 2345.0, 17.5]}))
    column(tmp_path, ["1,234", "45,678"], types={"x": pa.float64()})
    with pytest.raises(ValueError, match=r"the first '1,234' in .*: write 1234 or 1.234"):
        codec.encode(read(tmp_path / "t.csv", drop=["n"], types={"x": pa.float64()}).table)


def test_numbers_that_can_mean_two_things_name_no_columns(tmp_path):
    (tmp_path / "t.csv").write_text("1,234;2,345\n3,456;4,567\n")
    assert read(tmp_path / "t.csv").table.to_pydict() == {"x0": ["1,234", "3,456"], "x1": ["2,345", "4,567"]}


def test_what_is_no_number_among_numbers_stays_with_its_row(tmp_path):
    found = column(tmp_path, ["1", "-", "old", "3"], types={"x": pa.float64()})
    assert found.to_pylist() == ["1", None, "old", "3"]


@pytest.mark.parametrize(("cells", "bad"), [(["0,081", "1.234,5", "abc", "2,5e3"], 2), (["0,5", "1,5", "0.081"], 2)])
def test_the_cell_to_blame_is_the_one_that_is_no_number_to_its_file(tmp_path, cells, bad):
    codec = TableCodec.fit(pa.table({"x": [1234.5, 2345.25, 17.5]}))
    with pytest.raises(RowError, match=r"is text now: 1 of 4|have a comma") as refusal:
        codec.encode(pa.table({"x": column(tmp_path, cells, types={"x": pa.float64()})}))
    assert refusal.value.row == bad and repr(cells[bad]) in str(refusal.value)


def test_the_time_for_very_many_columns_does_not_grow_with_their_square():
    def took(columns):
        table = pa.table({f"c{i}": pa.array(["1", "-"]) for i in range(columns)})
        start = time.process_time()
        assert set(cleaned(table, ".").schema.types) == {pa.int64()}
        return time.process_time() - start

    assert took(12_000) < 18 * took(1500)  # 8 times as many
