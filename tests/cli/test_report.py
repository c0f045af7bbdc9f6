"""isthmus report and explore, from the shell."""

import json

import numpy as np
import pytest
from PIL import Image
from unpack import blobs_in


def test_report_writes_a_page(shell, model, tmp_path):
    out = tmp_path / "page.html"
    told = shell("report", model, "digits", "-o", out, "--limit", "150", "--size", "small")
    assert told.code == 0, told.err
    assert told.out.startswith(f"{out}: 0.")
    page = json.loads(blobs_in(out.read_text(encoding="utf-8"))["page"])
    assert page["data"]["rows"] == 150
    assert page["data"]["labels"]["classes"] == [str(digit) for digit in range(10)]


def test_the_summary_is_json_and_markdown_too(shell, model, tmp_path):
    options = ("digits", "--limit", "150", "--format")
    found = json.loads(shell("report", model, *options, "json").out)
    assert found["model"] == "autoencoder"
    assert shell("report", model, *options, "markdown").out.startswith("# An autoencoder: 64 columns through 4 numbers")
    out = tmp_path / "summary.json"
    assert shell("report", model, *options, "json", "-o", out).code == 0
    assert json.loads(out.read_text(encoding="utf-8")) == found


def test_the_page_and_evaluate_compare_codes_with_the_same_bytes(shell, model, tmp_path):
    def smaller(fitted, source):
        found = json.loads(shell("report", fitted, source, "--format", "json").out)
        (shown,) = [m["value"] for m in found["measures"] if m["name"] == "compression"]
        assert shell("evaluate", fitted, source, "--json", tmp_path / "e.json").code == 0
        measured = json.loads((tmp_path / "e.json").read_text())
        (size,) = [size for bits, size, _ in measured["bits"] if bits == 8]
        assert shown == measured["bytes_in"] / size
        return measured["bytes_in"]

    assert smaller(model, "digits") == 64
    for bits in (8, 16):
        folder = tmp_path / str(bits)
        folder.mkdir()
        kind, scale = (np.uint8, 1) if bits == 8 else (np.uint16, 257)
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 256, (12, 12)).astype(kind) * kind(scale)
            Image.fromarray(pixels).save(folder / f"{i:02d}.png")
        net = ("--architecture", "dense:hidden=(8)", "--units", "2", "--epochs", "1", "--quiet")
        assert shell("fit", folder, "-o", tmp_path / f"model{bits}", *net).code == 0
        assert smaller(tmp_path / f"model{bits}", folder) == 12 * 12 * bits / 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--size", "tiny"), "size"),
        (("--format", "pdf"), "format"),
        (("--shape", "9x9"), "does not hold the 64 numbers"),
    ],
)
def test_mistakes_are_told_in_one_line(shell, model, options, said):
    told = shell("report", model, "digits", "--limit", "50", "--size", "small", *options)
    assert told.code == 2
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1


def test_the_size_of_pictures_is_another_option(shell, model):
    for size, said in (
        ("16x16", "large; to stretch pictures write --stretch 16x16 ("),
        ("tiny", "large (isthmus report"),
    ):
        told = shell("report", model, "digits", "--size", size)
        assert told.code == 2
        assert f"'{size}' is no size of a page; choose from auto, small, usual, {said}" in told.err


def test_rows_of_another_kind_are_refused(shell, model, wine, tmp_path):
    out = tmp_path / "page.html"
    told = shell("report", model, wine, "-o", out, "--size", "small")
    assert told.code == 2
    assert "column 'grape'" in told.err
    assert not out.exists()


def test_a_page_that_cannot_be_written_is_told(shell, model, tmp_path):
    (tmp_path / "file").write_text("here")
    told = shell("report", model, "digits", "--limit", "50", "--size", "small", "-o", tmp_path / "file" / "page.html")
    assert told.code == 2
    assert "file" in told.err


def test_explore_says_what_it_lacks(shell, tmp_path):
    told = shell("explore", tmp_path / "nothing", "digits")
    assert told.code == 2
    assert "nothing" in told.err


def test_pictures_of_two_sizes_are_stretched_by_the_option_of_this_command(shell, model, tmp_path):
    from PIL import Image

    for i, size in enumerate([(8, 8), (9, 8)]):
        Image.fromarray(np.zeros(size, np.uint8)).save(tmp_path / f"{i}.png")
    done = shell("report", model, tmp_path, "-o", tmp_path / "page.html")
    assert done.code == 2 and "of a report --stretch" in done.err, done.err
    assert "--stretch '8' is not" in shell("report", model, tmp_path, "--stretch", "8").err
    assert "--size HEIGHTxWIDTH" in shell("evaluate", model, tmp_path).err
    done = shell("report", model, tmp_path, "-o", tmp_path / "page.html", "--stretch", "8x8")
    assert done.code == 0, done.err


def test_rows_without_a_label_are_drawn_in_grey_and_teach_no_classifier(shell, table_model, wine, tmp_path):
    header, *lines = wine.read_text().splitlines()
    lines = [line.rpartition(",")[0] + ",?" if i % 50 == 10 else line for i, line in enumerate(lines)]
    holes = tmp_path / "holes.csv"
    holes.write_text("\n".join([header, *lines]) + "\n")
    done = shell("report", table_model, holes, "--label", "grape", "-o", tmp_path / "page.html")
    assert done.code == 0, done.err
    few = ("--architecture", "dense:hidden=(8)", "--units", "3", "--epochs", "1", "--quiet")
    done = shell("fit", holes, "-o", tmp_path / "m", "--label", "grape", "--figures", tmp_path / "figures", *few)
    assert done.code == 0 and (tmp_path / "figures" / "plane.png").exists(), done.err
    done = shell("fit", holes, "-o", tmp_path / "c", "--task", "classify", "--target", "grape", *few)
    assert done.code == 2 and "has no label in row 11" in done.err
    done = shell("report", table_model, wine, "--label", "alcohol", "-o", tmp_path / "page.html")
    assert done.code == 2 and "is a column of the fit, and the page colours by these too" in done.err
