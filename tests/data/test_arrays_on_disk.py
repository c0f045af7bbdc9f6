"""npy, npz and idx files."""

import gzip
import struct

import numpy as np
import pytest

from isthmus.data import blocks, read, read_arrays, write_arrays


def idx_bytes(array, kind=0x08):
    header = struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype({0x08: ">u1", 0x0D: ">f4"}[kind]).tobytes()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64), (int, np.float64)],
)
def test_npy_keeps_numbers(tmp_path, dtype, expected):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    data = read(tmp_path / "a.npy")
    assert data.X.dtype == expected
    assert (array == data.X).all()
    assert read(tmp_path / "a.npy", limit=1).X.shape == (1, 3, 4)
    assert data.bytes_per_row == 12 * np.dtype(dtype).itemsize


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 1, 6, 7), (5, 6, 7, 1), (5, 3, 6, 7), (5, 6, 7, 3)])
def test_unsigned_bytes_with_places_are_pictures(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, size=shape).astype(np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    X = read(tmp_path / "a.npy").X
    assert X.shape == (5, 3 if 3 in shape else 1, 6, 7)
    assert X.dtype == np.float32
    if shape[-1] == 3:
        assert X[4, 2, 5, 6] == np.float32(pixels[4, 5, 6, 2]) / np.float32(255)
    assert (X.min(), X.max()) == (0, 1)


def test_a_table_of_bytes_keeps_its_units(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255]], np.uint8))
    assert read(tmp_path / "a.npy").X.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a", "b"]), "holds <U1, not numbers"),
        (np.array([[1j]]), "holds complex128, not numbers"),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "not numbers"),
        (np.ones(5), r"has the shape \(5,\), rows x columns are needed; save it as array\[:, None\]"),
        (np.array(1.0), r"has the shape \(\)"),
        (np.ones((0, 3)), r"has no rows \(shape \(0, 3\)\)"),
        (np.ones((3, 0)), r"has no columns \(shape \(3, 0\)\)"),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), "1 infinite values in column '0'.*; 1 missing"),
    ],
)
def test_npy_refusals(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickles_are_never_loaded(tmp_path, name):
    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harm"), "w")

    objects = np.array([[Harm()]], dtype=object)
    with (tmp_path / name).open("wb") as file:
        np.save(file, objects) if name == "a.npy" else np.savez(file, X=objects)
    with pytest.raises(ValueError, match="it holds pickled objects, which could run code when loaded"):
        read(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("keep", [0, 1, 20, 200])
def test_cut_files(tmp_path, name, keep):
    path = tmp_path / name
    np.save(path, np.ones((9, 9))) if name == "a.npy" else np.savez(path, X=np.ones((9, 9)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=f"cannot read .*{name}' as np"):
        read(path)


def test_files_by_another_name(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", X=np.ones((2, 2)))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name, kind in (("a.npz", "npy"), ("b.npy", "npz")):
        with pytest.raises(ValueError, match=f"it is an {kind} file by another name; rename it$"):
            read(tmp_path / name)


def test_rows_with_holes_are_a_table(tmp_path):
    X = np.array([[1, np.nan], [2, 3], [4, 5]], np.float32)
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", X[1:])
    np.savez(tmp_path / "c.npz", X=X, y=[7, 8, 9], names=["u", "v"])
    assert read(tmp_path / "a.npy").table.to_pydict() == {"x0": [1, 2, 4], "x1": [None, 3, 5]}
    named = read(tmp_path / "c.npz", limit=2)
    assert (named.table.to_pydict(), named.y.tolist()) == ({"u": [1, 2], "v": [None, 3]}, [7, 8])
    assert read(tmp_path / "*.npy").table["x1"].to_pylist() == [None, 3, 5, 3, 5]
    assert [block.arrow["x1"].to_pylist() for block in blocks(tmp_path / "*.npy")] == [[None, 3, 5], [3, 5]]
    np.save(tmp_path / "signals.npy", X.reshape(3, 2, 1))
    with pytest.raises(ValueError, match="missing"):
        read(tmp_path / "signals.npy")


def test_npz_by_its_keys(tmp_path):
    X, y = np.ones((3, 2)), np.array([1, 2, 3])
    np.savez(tmp_path / "a.npz", X=X, y=y, other=np.zeros(1), names=np.array(["a", "b"]))
    data = read(tmp_path / "a.npz", limit=2)
    assert (data.X.shape, data.y.tolist(), data.names) == ((2, 2), [1, 2], ("a", "b"))
    np.savez(tmp_path / "b.npz", rows=X, kind=y)
    data = read(tmp_path / "b.npz", label="kind")
    assert (data.X.shape, data.y.tolist(), data.names) == ((3, 2), [1, 2, 3], None)


def test_npz_refusals(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2)), b=np.ones(2))
    with pytest.raises(ValueError, match=r"has no array called 'X' \(it has a, b\); save the rows as X"):
        read(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="has no array 'kind' for the labels; it has a, b"):
        read(tmp_path / "a.npz", label="kind")
    np.savez(tmp_path / "b.npz", X=np.ones((3, 2)), y=np.ones(2))
    with pytest.raises(ValueError, match="has 3 rows and 2 labels"):
        read(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", X=np.ones((3, 2)), names=np.array(["a"]))
    with pytest.raises(ValueError, match="has 2 columns and 1 names"):
        read(tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"cannot read .*none.npz' as npz: No such file"):
        read_arrays(tmp_path / "none.npz")


def test_arrays_round_trip(tmp_path):
    arrays = {"codes": np.arange(3, dtype=np.uint8), "low": np.array(0.5), "last": np.ones(1)}
    write_arrays(tmp_path / "a.npz", arrays)
    back = read_arrays(tmp_path / "a.npz")
    assert {name: array.tolist() for name, array in back.items()} == {"codes": [0, 1, 2], "low": 0.5, "last": [1.0]}
    assert back["codes"].dtype == np.uint8


@pytest.mark.parametrize("packed", [True, False])
def test_idx_pictures_with_the_labels_beside_them(tmp_path, packed):
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    for name, array in (("train-images-idx3-ubyte", pixels), ("train-labels-idx1-ubyte", np.array([7, 9]))):
        raw = idx_bytes(array)
        (tmp_path / (name + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)
    for source in (tmp_path, tmp_path / ("train-images-idx3-ubyte" + ".gz" * packed)):
        data = read(source)
        assert data.X.shape == (2, 1, 3, 4)
        np.testing.assert_allclose(data.X[:, 0] * 255, pixels, rtol=1e-6)
        assert data.y.tolist() == [7, 9]


def test_idx_of_floats_and_a_folder_of_several(tmp_path):
    rows = np.array([[0.5, -1.5], [2.0, 3.0]])
    (tmp_path / "a.idx").write_bytes(idx_bytes(rows, 0x0D))
    data = read(tmp_path)
    assert data.X.tolist() == rows.tolist()
    assert (data.X.dtype, data.y) == (np.float32, None)
    (tmp_path / "b.idx").write_bytes(idx_bytes(rows, 0x0D))
    with pytest.raises(ValueError, match=r"has several idx files of rows \(a.idx, b.idx\); give the path of one"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "is not an idx file"),
        (b"\x89PNG....", r"is not an idx file \(it begins with 89504e47\)"),
        (b"\0\0\x08\x03\0\0", "is not an idx file"),
        (idx_bytes(np.zeros((2, 2)))[:-1], "holds 3 bytes and its header tells 4; fetch the file again"),
    ],
)
def test_damaged_idx(tmp_path, raw, message):
    (tmp_path / "a.idx").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.idx")


def test_cut_gzip(tmp_path):
    (tmp_path / "x-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((50, 9, 9))))[:-20])
    with pytest.raises(ValueError, match=r"cannot read .*x-idx3-ubyte.gz': .*; fetch the file again"):
        read(tmp_path / "x-idx3-ubyte.gz")
