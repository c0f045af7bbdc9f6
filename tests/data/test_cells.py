"""Cells of text tables: marks of missing values, thousands set apart, and names that stay as they are."""

import time

import pyarrow as pa
import pytest

from isthmus.data import blockwise, read
from isthmus.data.cells import cleaned

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
    ],
)
def test_thousands_are_understood_where_all_of_a_column_is_plain(tmp_path, delimiter, cells, values):
    found = column(tmp_path, cells, delimiter)
    assert found.to_pylist() == (values or cells)
    (block,) = blockwise.blocks(tmp_path / "t.csv", types={})
    assert block.table["x"].to_pylist() == found.to_pylist()


def test_a_column_that_was_numbers_needs_no_proof(tmp_path):
    assert column(tmp_path, ["1,234", "850"], ",", {"x": pa.float64()}).to_pylist() == [1234, 850]


def test_what_is_no_number_among_numbers_stays_with_its_row(tmp_path):
    found = column(tmp_path, ["1", "-", "old", "3"], types={"x": pa.float64()})
    assert found.to_pylist() == ["1", None, "old", "3"]


def test_the_time_for_very_many_columns_does_not_grow_with_their_square():
    def took(columns):
        table = pa.table({f"c{i}": pa.array(["1", "-"]) for i in range(columns)})
        start = time.process_time()
        assert set(cleaned(table, ".").schema.types) == {pa.int64()}
        return time.process_time() - start

    assert took(12_000) < 18 * took(1500)  # 8 times as many
