"""Files appear whole or not at all, and read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from isthmus.data import atomic, read, table_writer, write

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy", ".npz"])
@given(X=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=4), elements=FINITE))
def test_every_file_reads_back_to_the_bit(tmp_path_factory, suffix, X):
    path = tmp_path_factory.mktemp("written") / f"rows{suffix}"
    write(path, X)
    data = read(path)
    assert data.X.dtype == np.float64
    assert (data.X == X).all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_names_come_back(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", np.ones((2, 2), np.float32), names=["a, b", 'c "d"'])
    assert read(tmp_path / f"a{suffix}").names == ("a, b", 'c "d"')


def test_one_number_per_row_and_rows_with_places(tmp_path):
    write(tmp_path / "scores.csv", np.array([1.5, 2.5]), names=["score"])
    assert (tmp_path / "scores.csv").read_text().split() == ['"score"', "1.5", "2.5"]
    X = np.arange(12.0).reshape(2, 1, 2, 3)
    write(tmp_path / "a.csv", X)
    data = read(tmp_path / "a.csv")
    assert data.names == ("x0", "x1", "x2", "x3", "x4", "x5")
    assert (X.reshape(2, 6) == data.X).all()
    write(tmp_path / "a.npy", X)
    assert (read(tmp_path / "a.npy").X == X).all()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "a.npy"
    write(path, np.ones((2, 2)))

    with (
        pytest.raises(ValueError, match=r"cannot write .*a.npy': No space left on device; choose another place"),
        atomic(path) as temporary,
    ):
        temporary.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")
    assert (read(path).X == 1).all()
    assert [p.name for p in path.parent.iterdir()] == ["a.npy"]


def test_a_folder_of_pictures_replaces_only_its_own_kind(tmp_path):
    folder = tmp_path / "pictures"
    write(folder, np.zeros((3, 1, 2, 2)))
    write(folder, np.ones((1, 1, 2, 2)))
    assert [p.name for p in folder.iterdir()] == ["000000.png"]
    assert (read(folder).X == 1).all()
    with pytest.raises(ValueError, match=r"are not pictures \(1 or 3 channels"):
        write(folder, np.ones((1, 2, 2, 2)))
    assert (read(folder).X == 1).all()
    (folder / "mine.txt").write_text("keep me")
    with pytest.raises(ValueError, match=r"holds other files \(mine.txt\); choose a new or empty folder"):
        write(folder, np.zeros((3, 1, 2, 2)))
    assert (folder / "mine.txt").read_text() == "keep me"
    assert [p.name for p in tmp_path.iterdir()] == ["pictures"]


def test_pictures_are_called_as_those_that_they_were_read_from(tmp_path):
    folder, tiles = tmp_path / "written", np.zeros((2, 1, 2, 2))
    for called, names in (
        (["b/1.jpg", "a/1.jpg"], ["a/1.png", "b/1.png"]),
        (["1.jpg", "1.bmp"], ["1.bmp.png", "1.jpg.png"]),
        (["../1.jpg", "2.jpg"], ["000000.png", "000001.png"]),
        (["one", "two"], ["000000.png", "000001.png"]),
        (["1.jpg"], ["000000.png", "000001.png"]),
    ):
        write(folder, tiles, called=called)  # which replaces what was written before
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png")) == names


def test_pictures_of_other_hands_stay(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    path = tmp_path / "mine" / "a" / "1.png"
    path.parent.mkdir(parents=True)
    Image.new("L", (2, 2)).save(path)
    with pytest.raises(ValueError, match=r"holds other files \(a.1.png\)"):
        write(tmp_path / "mine", np.zeros((1, 1, 2, 2)), called=["a/1.jpg"])
    assert path.exists()


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
def test_text_of_every_type_that_files_hold_is_written(tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    text = pa.array(["a, b", "", None, 'c "d"'], getattr(pa, kind)())
    for column in (text, text.cast(pa.large_string()).dictionary_encode()):
        write(tmp_path / "t.csv", pa.table({"text": column, "x": [1, 2, 3, 4]}))
        lines = (tmp_path / "t.csv").read_text().splitlines()
        assert lines == ['"text","x"', '"a, b",1', '"",2', ",3", '"c ""d""",4']


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '.xlsx'; use .csv, .parquet, .npy, .npz, or no ending for PNGs"):
        write(tmp_path / "a.xlsx", np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"1 names for 2 columns of .*a.csv'; give one per column"):
        write(tmp_path / "a.csv", np.ones((2, 2)), names=["a"])
    with pytest.raises(ValueError, match=r"rows of shape \(2,\) are not pictures"):
        write(tmp_path / "a", np.ones((2, 2)))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        ValueError, match=r"cannot write .*a.npy': .*file' is a file, not a folder; choose another place"
    ):
        write(tmp_path / "file" / "a.npy", np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"array 'X' holds objects, which .*a.npz' cannot"):
        write(tmp_path / "a.npz", np.array([[object()]]))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_written_file_may_be_read_by_others(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write(tmp_path / "a.npz", np.ones((2, 2)))
    assert (tmp_path / "a.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_appended_whole_or_not_at_all(tmp_path, suffix):
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / f"t.{suffix}"
    table = pa.table({"x": [1.5, None], "text": ['a, "b"', "c"], "truth": [True, False]})
    with table_writer(path, table.schema) as append:
        append(table)
        append(table.slice(1))
        assert not path.exists()
    found = read(path, types={}).table
    assert found.num_rows == 3 and found.slice(0, 2).to_pydict() == table.to_pydict()
    with pytest.raises(RuntimeError), table_writer(path, table.schema) as append:
        append(table)
        raise RuntimeError
    assert read(path, types={}).table.num_rows == 3 and [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(ValueError, match="holds no table"), table_writer(tmp_path / "t.npy", table.schema):
        pass
