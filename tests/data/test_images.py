"""Pictures in, pictures out."""

import numpy as np
import pytest
from PIL import Image

from isthmus.data import read, write

RNG = np.random.default_rng(0)


def save(path, shape, mode="L", value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = RNG.integers(0, 256, size=(*shape, *channels)) if value is None else np.full((*shape, *channels), value)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_written_reads_back(tmp_path, channels):
    X = (RNG.integers(0, 256, size=(3, channels, 5, 7)) / 255).astype(np.float32)
    write(tmp_path / "pictures", X)
    data = read(tmp_path / "pictures")
    assert data.X.dtype == np.float32
    np.testing.assert_allclose(data.X, X, atol=1e-7)
    assert data.index.tolist() == ["000000.png", "000001.png", "000002.png"]
    one = read(tmp_path / "pictures" / "000001.png")
    assert (data.X[1:2] == one.X).all()
    assert data.bytes_per_row == one.bytes_per_row == 35 * channels


def test_values_outside_the_unit_interval_are_clipped(tmp_path):
    write(tmp_path / "pictures", np.array([-0.2, 0.5, 1.2]).reshape(1, 1, 1, 3))
    np.testing.assert_allclose(read(tmp_path / "pictures").X.ravel(), [0, 128 / 255, 1])


def test_sub_folders_are_labels_and_hidden_files_are_not_pictures(tmp_path):
    for name in ("cat/1.png", "cat/2.jpg", "dog/1.bmp", "dog/.hidden.png"):
        save(tmp_path / name, (4, 6))
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    data = read(tmp_path)
    assert data.shape == (1, 4, 6)
    assert data.y.tolist() == ["cat", "cat", "dog"]
    assert read(tmp_path, limit=1).y.tolist() == ["cat"]


def test_hidden_folders_are_no_labels(tmp_path):
    for name in ("cat/1.png", "dog/1.png", ".previews/1.png"):
        save(tmp_path / name, (4, 6))
    assert read(tmp_path).y.tolist() == ["cat", "dog"]
    save(tmp_path / "flat" / "1.png", (4, 6))
    save(tmp_path / "flat" / ".previews" / "1.png", (2, 2))
    assert len(read(tmp_path / "flat")) == 1


def test_hidden_pictures_beside_parquet_files_leave_these_rows(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    save(tmp_path / ".previews" / "1.png", (4, 6))
    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "a.parquet")
    assert read(tmp_path).X.tolist() == [[1], [2]]


def test_one_coloured_picture_makes_all_of_them_three_channels(tmp_path):
    grey = save(tmp_path / "a.png", (4, 4))
    colour = save(tmp_path / "b.png", (4, 4), "RGB")
    X = read(tmp_path).X
    np.testing.assert_allclose(X[0] * 255, np.stack([grey] * 3), atol=1e-4)
    np.testing.assert_allclose(X[1] * 255, np.moveaxis(colour, -1, 0), atol=1e-4)


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").X[0, :, 0].tolist() == [[1, 0]] * 3


def test_sixteen_bits_are_divided_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_allclose(read(tmp_path / "a.png").X.ravel(), [0, 100 / 255, 1], rtol=1e-6)


def test_a_picture_is_turned_as_its_camera_meant_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert read(tmp_path / "a.jpg").shape == (1, 6, 4)


def test_the_first_picture_of_another_size_is_named_and_size_helps(tmp_path):
    for name, shape in (("a", (4, 6)), ("b", (4, 6)), ("c", (6, 4)), ("d", (9, 9))):
        save(tmp_path / f"{name}.png", shape, value=51)
    with pytest.raises(
        ValueError, match=r"c.png' is 6 x 4 \(height x width\) and 'a.png' is 4 x 6.*--size HEIGHTxWIDTH"
    ):
        read(tmp_path)
    X = read(tmp_path, size=(3, 5)).X
    assert X.shape == (4, 1, 3, 5)
    np.testing.assert_allclose(X, 0.2)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="has no pictures"):
        read(tmp_path)
    save(tmp_path / "a.png", (4, 4))
    with pytest.raises(ValueError, match=r"label is for tables with columns, which .* is not"):
        read(tmp_path, label="kind")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"cannot read the picture .*b.png' \(.*\); replace or remove it"):
        read(tmp_path)
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"cannot read the picture .*b.png'"):
        read(tmp_path)
    save(tmp_path / "sub" / "c.png", (4, 4))
    with pytest.raises(ValueError, match="pictures beside and inside sub-folders"):
        read(tmp_path)
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ValueError, match="floating-point numbers without a known range; save them as npy"):
        read(tmp_path / "f.tif")
