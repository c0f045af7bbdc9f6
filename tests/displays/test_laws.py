"""What holds for every display and every kind of rows."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from isthmus.corruption.noise import GaussianNoise
from isthmus.displays import (
    CodePlaneDisplay,
    ConceptsDisplay,
    DecoderAtomsDisplay,
    DenoisingDisplay,
    EncoderFiltersDisplay,
    LossCurvesDisplay,
    PassportDisplay,
    PCAComparisonDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
    TraversalDisplay,
    figures,
)
from isthmus.displays.folder import write
from isthmus.displays.source import picked

DRAW = {
    "reconstruction": lambda model, X, **place: ReconstructionDisplay.from_estimator(model, X, n_rows=2, **place),
    "denoising": lambda model, X, **place: DenoisingDisplay.from_estimator(
        model, X, n_rows=2, corruption=GaussianNoise(0.1), **place
    ),
    "curves": lambda model, X, **place: LossCurvesDisplay.from_estimator(model, **place),
    "pca": lambda model, X, **place: PCAComparisonDisplay.from_estimator(model, X, **place),
    "plane": lambda model, X, **place: CodePlaneDisplay.from_estimator(model, X, **place),
    "filters": lambda model, X, **place: EncoderFiltersDisplay.from_estimator(model, units=[1, 0], **place),
    "first": lambda model, X, **place: EncoderFiltersDisplay.from_estimator(model, layer="first", units=[0], **place),
    "atoms": lambda model, X, **place: DecoderAtomsDisplay.from_estimator(model, units=[1], **place),
    "traversal": lambda model, X, **place: TraversalDisplay.from_estimator(model, units=[0], steps=3, **place),
    "samples": lambda model, X, **place: SamplesDisplay.from_estimator(model, X, n_samples=3, **place),
    "passport": lambda model, X, **place: PassportDisplay.from_estimator(model, X, unit=1, **place),
    "concepts": lambda model, X, **place: ConceptsDisplay.from_estimator(model, X, **place),
}


@pytest.fixture(params=["pictures", "maps", "signals", "table"])
def fitted(request, digits):
    """Return a model and rows of each kind."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, tuple) else (found, digits.X)


@pytest.mark.parametrize("name", DRAW)
def test_figure_and_axes_are_kept_and_drawn(fitted, name, untouched_generators):
    display = DRAW[name](*fitted)
    assert display.figure_.number in plt.get_fignums()
    axes = list(np.ravel(display.axes_))
    assert axes and all(ax.figure is display.figure_ for ax in axes)
    assert any(ax.has_data() for ax in axes)
    display.figure_.canvas.draw()


def test_rows_are_picked_label_by_label_in_turn():
    assert picked(7, list("abacbaa"), 5).tolist() == [0, 1, 3, 2, 4]
    assert picked(7, list("abacbaa"), 9).tolist() == [0, 1, 3, 2, 4, 5, 6]
    numbers = np.random.default_rng(0).permutation(300_000) / 7  # as many labels as rows are looked through once
    assert numbers[picked(300_000, numbers, 3)].tolist() == [0, 1 / 7, 2 / 7]


@pytest.mark.parametrize("name", DRAW)
def test_a_display_can_take_the_place_of_an_axes(pictures, digits, name):
    figure, (left, right) = plt.subplots(1, 2)
    display = DRAW[name](pictures, digits.X, ax=right)
    assert display.figure_ is figure and plt.get_fignums() == [figure.number]
    assert not right.axison and left.axison
    again = display.plot()
    assert again is display and display.figure_ is not figure


@pytest.mark.parametrize("name", ["reconstruction", "plane", "pca"])
def test_rows_of_another_kind_are_refused(pictures, name):
    with pytest.raises(ValueError, match="64 numbers"):
        DRAW[name](pictures, np.zeros((3, 10)))
    with pytest.raises(ValueError, match="64 numbers"):
        DRAW[name](pictures, np.zeros((0, 64)))
    with pytest.raises(ValueError, match="NaN"):
        DRAW[name](pictures, np.full((3, 64), np.nan))


@pytest.mark.parametrize("name", ["filters", "atoms", "traversal"])
def test_units_that_are_not_there_are_refused(pictures, name):
    display = {"filters": EncoderFiltersDisplay, "atoms": DecoderAtomsDisplay, "traversal": TraversalDisplay}[name]
    with pytest.raises(ValueError, match="unit 9, the code has 0 to 4"):
        display.from_estimator(pictures, units=[0, 9])


def test_an_axes_without_a_place_is_refused(pictures, digits):
    figure = plt.figure()
    with pytest.raises(ValueError, match="no place in a grid"):
        ReconstructionDisplay.from_estimator(pictures, digits.X, ax=figure.add_axes((0, 0, 1, 1)))


ALWAYS = {"reconstructions", "curves", "pca", "filters", "atoms", "plane", "samples"}


@pytest.mark.parametrize(
    ("model", "more"), [("pictures", {"denoising"}), ("variational", {"traversals"}), ("maps", set())]
)
def test_the_folder_has_what_makes_sense(request, model, more, digits, tmp_path):
    drawn = figures(request.getfixturevalue(model), digits.X, tmp_path / "figures", y=digits.y)
    assert {path.stem for path in drawn} == ALWAYS | more
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert plt.get_fignums() == [], "closed, so that many models can be drawn"


def test_nothing_that_cannot_be_drawn_is_tried(linear, digits, tmp_path):
    assert "curves" not in {path.stem for path in figures(linear, digits.X, tmp_path)}


def test_categories_have_no_filters_and_no_squared_error(tmp_path):
    from isthmus import Autoencoder, Trainer
    from isthmus.architecture.dense import Dense
    from isthmus.likelihood.categorical import Categorical

    X = np.random.default_rng(0).integers(0, 3, size=(60, 5)).astype(float)
    net, trainer = Dense(hidden=(6,)), Trainer(epochs=1)
    model = Autoencoder(2, architecture=net, likelihood=Categorical(), trainer=trainer, random_state=0).fit(X)
    assert {path.stem for path in figures(model, X, tmp_path)}.isdisjoint({"filters", "pca"})
    with pytest.raises(ValueError, match="categories"):
        EncoderFiltersDisplay.from_estimator(model)


def test_a_folder_that_cannot_be_written_is_named(pictures, digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot write .*choose another place"):
        figures(pictures, digits.X, tmp_path / "file" / "figures")


def test_a_figure_appears_whole_or_not_at_all(tmp_path):
    class Full:
        figure_ = plt.figure()

        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    shown, path = Full(), tmp_path / "figure.png"
    write(shown, path)
    before = path.read_bytes()
    shown.figure_.savefig = shown.savefig
    with pytest.raises(ValueError, match=r"cannot write .*figure.png': No space left on device; choose another place"):
        write(shown, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_figures_are_of_the_kind_that_their_name_says(tmp_path, suffix):
    shown = CodePlaneDisplay(np.zeros((1, 2)), "xy").plot()
    assert write(shown, tmp_path / f"f.{suffix}").read_bytes().startswith({"pdf": b"%PDF", "svg": b"<?xml"}[suffix])


@pytest.mark.parametrize("names", [("p_", "ok"), ("$", "a"), ("^", "{"), ("$_$", "b"), ("\\", "c"), ("a b", "%")])
def test_names_of_classes_are_no_formulas(tmp_path, names):
    write(CodePlaneDisplay(np.eye(2), "xy", np.array(names)).plot(), tmp_path / "plane.png")


def test_short_names_are_signs_of_their_own():
    shown = CodePlaneDisplay(np.eye(2), "xy", np.array(["a", "b2"])).plot()
    assert shown.axes_[0].get_legend() is None
