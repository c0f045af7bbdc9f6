"""What displays draw equals what can be computed in another way."""

import numpy as np
import pytest
import torch

from isthmus import Autoencoder, Trainer, recipes
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Sigmoid
from isthmus.displays import (
    CodePlaneDisplay,
    DecoderAtomsDisplay,
    DenoisingDisplay,
    EncoderFiltersDisplay,
    LossCurvesDisplay,
    PCAComparisonDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
    TraversalDisplay,
)
from isthmus.displays.units import strongest_inputs
from isthmus.training.history import History


def encoder_weights(model):
    return next(p for p in model.objective_.model.encoder.parameters() if p.dim() == 2).detach().double().numpy()


def unit_rows(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_reconstruction_is_the_estimators(pictures, digits):
    shown = ReconstructionDisplay.from_estimator(pictures, digits.X, n_rows=4)
    index = np.linspace(0, 119, 4).round().astype(int)
    np.testing.assert_array_equal(shown.versions["input"], digits.X[index].reshape(4, -1))
    np.testing.assert_allclose(shown.versions["reconstruction"], pictures.reconstruct(digits.X[index]).reshape(4, -1))
    np.testing.assert_allclose(shown.codes, pictures.transform(digits.X[index]))
    heights = [bar.get_height() for bar in shown.axes_[2, 1].patches]
    np.testing.assert_allclose(heights, shown.codes[1])


def test_labels_choose_one_row_of_each(pictures, digits):
    shown = ReconstructionDisplay.from_estimator(pictures, digits.X, y=digits.y, n_rows=10)
    assert [ax.get_title() for ax in shown.axes_[0]] == [str(digit) for digit in range(10)]


def test_a_code_map_has_a_bar_per_place(maps, digits):
    shown = ReconstructionDisplay.from_estimator(maps, digits.X, n_rows=2)
    assert shown.codes.shape[1] == 3 and len(shown.axes_[-1, 0].patches) == 3 * 4 * 4


def test_flat_rows_become_pictures_where_their_shape_is_given(digits):
    flat = digits.X.reshape(120, 64)
    model = recipes.pca(4, random_state=0).fit(flat)
    assert len(ReconstructionDisplay.from_estimator(model, flat, n_rows=2).axes_[0, 0].images) == 0
    shown = ReconstructionDisplay.from_estimator(model, flat, n_rows=2, shape=(1, 8, 8))
    np.testing.assert_allclose(shown.axes_[0, 0].images[0].get_array(), digits.X[0, 0])
    with pytest.raises(ValueError, match="correct shape"):
        ReconstructionDisplay.from_estimator(model, flat, shape=(1, 9, 9))


def test_colour_is_drawn_in_colour(colour):
    model, X = colour
    shown = ReconstructionDisplay.from_estimator(model, X, n_rows=1)
    np.testing.assert_allclose(shown.axes_[0, 0].images[0].get_array(), np.moveaxis(X[0], 0, -1))


def test_columns_are_compared_in_standard_deviations(table):
    model, X = table
    shown = ReconstructionDisplay.from_estimator(model, X, n_rows=80)
    np.testing.assert_allclose(shown.versions["input"].std(0), 1.0)
    labels = [tick.get_text() for tick in shown.axes_[0, 0].get_xticklabels()]
    assert labels == list(X.columns)


def test_signals_are_lines_over_each_other(signals):
    model, X = signals
    shown = ReconstructionDisplay.from_estimator(model, X, n_rows=2)
    assert shown.axes_.shape == (2, 2) and len(shown.axes_[0, 0].lines) == 4  # two versions of two channels


def test_the_models_own_corruption_damages_unless_another_is_given(pictures, digits, linear):
    shown = DenoisingDisplay.from_estimator(pictures, digits.X, n_rows=20)
    damaged, clean = shown.versions["corrupted"], shown.versions["clean"]
    assert 0.3 < np.mean(damaged[clean > 0] == 0) < 0.5
    np.testing.assert_allclose(
        shown.versions["denoised"], pictures.reconstruct(damaged.reshape(20, 1, 8, 8)).reshape(20, -1), atol=1e-6
    )
    with pytest.raises(ValueError, match="fitted to clean rows"):
        DenoisingDisplay.from_estimator(linear, digits.X)


def test_noise_of_a_picture_follows_its_seed(pictures, digits):
    a, b, c = (
        DenoisingDisplay.from_estimator(pictures, digits.X, n_rows=2, random_state=seed).versions["corrupted"]
        for seed in (0, 0, 1)
    )
    assert (a == b).all() and (a != c).any()


def test_the_filter_of_a_linear_unit_is_its_weight(linear):
    expected = unit_rows(encoder_weights(linear))
    np.testing.assert_allclose(EncoderFiltersDisplay.from_estimator(linear).patterns, expected, atol=1e-9)
    first = EncoderFiltersDisplay.from_estimator(linear, layer="first").patterns
    np.testing.assert_allclose(first, expected, atol=1e-7)


def test_the_filter_of_a_logistic_unit_is_its_weight_too(digits):
    model = Autoencoder(
        4, architecture=Dense(hidden=()), bottleneck=Sigmoid(), trainer=Trainer(epochs=1), random_state=0
    )
    model.fit(digits.X)
    np.testing.assert_allclose(strongest_inputs(model, range(4)), unit_rows(encoder_weights(model)), atol=1e-9)


def test_a_climbed_filter_beats_every_other_direction(pictures, digits):
    found = strongest_inputs(pictures, range(5))
    others = np.random.default_rng(0).normal(size=(3000, 64))
    others = unit_rows(np.concatenate([others, digits.X.reshape(120, -1)]))
    net = pictures.answers.objective(torch.float64).model

    def codes(x):
        return net.encode(torch.from_numpy(x.astype(np.float64)).reshape(-1, 1, 8, 8)).mean.detach().numpy()

    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert (codes(found).diagonal() >= codes(others).max(0)).all()


def test_filters_of_selected_units_look_before_the_selection(digits):
    model = recipes.k_sparse(12, k=2, trainer=Trainer(epochs=1), random_state=0).fit(digits.X)
    np.testing.assert_allclose(strongest_inputs(model, range(12)), unit_rows(encoder_weights(model)), atol=1e-9)


def test_layers_are_the_first_or_the_code(pictures):
    with pytest.raises(ValueError, match="'first' or 'code'"):
        EncoderFiltersDisplay.from_estimator(pictures, layer="second")


def test_kernels_of_the_first_layer_are_small_pictures(maps):
    shown = EncoderFiltersDisplay.from_estimator(maps, layer="first")
    assert shown.look.shape == (1, 3, 3) and shown.patterns.shape == (6, 9)


def test_the_atom_of_a_linear_decoder_is_its_weight(linear):
    weight = linear.objective_.parts()["architecture"].atoms(linear.objective_.model.decoder).detach().numpy()
    # In the units of the data, and as large as the unit's spread.
    expected = weight * linear.past.codes.std(0)[:, None] * linear.scaling_.factor.ravel()
    np.testing.assert_allclose(DecoderAtomsDisplay.from_estimator(linear).patterns, expected, rtol=1e-4, atol=1e-6)


def test_an_atom_of_a_code_map_writes_in_the_middle(maps):
    atom = np.abs(DecoderAtomsDisplay.from_estimator(maps, units=[0]).patterns[0].reshape(8, 8))
    corners = atom[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert atom.sum() == 0 or atom[2:7, 2:7].sum() > corners.sum()


def test_many_units_are_shown_by_their_spread(digits):
    model = recipes.pca(40, random_state=0).fit(digits.X)
    shown = DecoderAtomsDisplay.from_estimator(model)
    assert shown.units == list(range(32)), "principal components come by variance"


def test_the_curve_of_pca_is_that_of_scikit_learn(linear, pictures, digits):
    from sklearn.decomposition import PCA

    flat = digits.X.reshape(120, 64).astype(np.float64)
    shown = PCAComparisonDisplay.from_estimator(pictures, digits.X)
    for k in range(6):
        back = flat.mean(0) if k == 0 else PCA(k).fit(flat).inverse_transform(PCA(k).fit_transform(flat))
        assert shown.pca[k] == pytest.approx(np.square(flat - back).sum(1).mean(), rel=1e-5)
    heights = [bar.get_height() for bar in shown.axes_[0].patches]
    assert heights == pytest.approx([shown.pca[0], shown.pca[5], shown.errors.mean()])
    exact = PCAComparisonDisplay.from_estimator(linear, digits.X)
    assert exact.errors.mean() == pytest.approx(exact.pca[4], rel=1e-4)


def test_sizes_of_code_maps_count_all_numbers(maps, digits):
    assert PCAComparisonDisplay.from_estimator(maps, digits.X).size == maps.transform(digits.X[:1]).shape[1]


def row(epoch, train, held_out=None, phase="fit"):
    return {"phase": phase, "epoch": epoch, "train": train, "held_out": held_out or {}}


def test_curves_are_the_history():
    history = History(
        [row(e, {"reconstruction": 9.0 / e, "l1": 0.1, "loss": 9.0 / e + 0.1}, {"loss": 5.0}) for e in (1, 2, 3)]
    )
    shown = LossCurvesDisplay.from_history(history, best_epoch=2)
    lines = {line.get_label(): line for line in shown.axes_[0].lines}
    np.testing.assert_allclose(lines["reconstruction"].get_ydata(), [9.0, 4.5, 3.0])
    np.testing.assert_allclose(lines["loss, held out"].get_xdata(), [1, 2, 3])
    assert lines["loss"].get_linestyle() == "-" and lines["loss, held out"].get_linestyle() == "--"
    assert list(lines["kept: epoch 2"].get_xdata()) == [2, 2]
    assert shown.axes_[0].get_yscale() == "log" and shown.axes_[0].get_ylabel() == "nats per row"


def test_a_lone_term_is_drawn_once_and_negative_values_on_a_plain_scale():
    history = History([row(e, {"reconstruction": -30.0 * e, "loss": -30.0 * e}) for e in (1, 2)])
    (ax,) = LossCurvesDisplay.from_history(history).axes_
    assert [line.get_label() for line in ax.lines] == ["loss"] and ax.get_yscale() == "linear"


def test_every_phase_has_a_panel():
    terms = {"reconstruction": 1.0, "loss": 1.0}
    history = History([row(1, terms, phase="layer 1"), row(1, terms, phase="layer 2"), row(1, terms)])
    shown = LossCurvesDisplay.from_history(history)
    assert [ax.get_title() for ax in shown.axes_] == ["layer 1", "layer 2", "fit"]


def test_no_epochs_no_curve():
    with pytest.raises(ValueError, match="no epochs"):
        LossCurvesDisplay.from_history(History())


def test_the_plane_of_the_code(pictures, digits):
    codes = pictures.transform(digits.X)
    two = CodePlaneDisplay.from_estimator(pictures, digits.X, units=(3, 1))
    np.testing.assert_allclose(two.points, codes[:, [3, 1]])
    spread = CodePlaneDisplay.from_estimator(pictures, digits.X).points
    largest = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1][:2]
    np.testing.assert_allclose(spread.var(0), largest, rtol=1e-4)
    assert len(CodePlaneDisplay.from_estimator(pictures, digits.X, max_rows=7).points) == 7
    with pytest.raises(ValueError, match="unit 5, the code has 0 to 4"):
        CodePlaneDisplay.from_estimator(pictures, digits.X, units=(0, 5))


def test_labels_are_told_apart_by_sign(pictures, digits):
    X = digits.X
    short = CodePlaneDisplay.from_estimator(pictures, X, y=digits.y)
    assert len(short.axes_[0].collections) == 10
    names = np.array(["even", "odd"])[digits.y % 2]
    (ax,) = CodePlaneDisplay.from_estimator(pictures, X, y=names).axes_
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["even", "odd"]
    assert len({path.vertices.tobytes() for c in ax.collections for path in c.get_paths()}) == 2
    (ax,) = CodePlaneDisplay.from_estimator(pictures, X, y=np.linspace(0, 1, 120)).axes_
    assert len(ax.collections) == 1 and len(ax.figure.axes) == 2  # a scale of colours


def test_a_code_of_one_number_spans_no_plane(digits):
    model = recipes.pca(1, random_state=0).fit(digits.X)
    with pytest.raises(ValueError, match="one number"):
        CodePlaneDisplay.from_estimator(model, digits.X)


def test_a_traversal_moves_one_unit_within_its_range(variational):
    shown = TraversalDisplay.from_estimator(variational, units=[2, 0], steps=5, span=50.0)
    codes = variational.past.codes.astype(np.float64)
    mean = codes.mean(0)
    np.testing.assert_allclose(shown.rows[0, 2], variational.inverse_transform(mean[None])[0], rtol=1e-5)
    far = mean.copy()
    far[2] = codes[:, 2].max()
    np.testing.assert_allclose(shown.rows[0, -1], variational.inverse_transform(far[None])[0], rtol=1e-5)
    assert [ax.get_ylabel() for ax in shown.axes_[:, 0]] == ["unit 2", "unit 0"]


def test_samples_are_the_estimators(variational):
    shown = SamplesDisplay.from_estimator(variational, n_samples=4, random_state=3)
    np.testing.assert_array_equal(shown.rows, variational.sample(4, random_state=3).reshape(4, -1))


def test_pictures_that_are_made_up_are_on_the_scale_of_the_data(pictures, digits, monkeypatch):
    far = np.where(np.arange(64) == 0, 9.0, 0.5)
    monkeypatch.setattr(type(pictures), "sample", lambda self, n, random_state=None: np.tile(far, (n, 1)))
    shown = SamplesDisplay.from_estimator(pictures, digits.X, n_samples=2)
    assert (shown.look.low, shown.look.high) == (0.0, 1.0)
    np.testing.assert_allclose(np.asarray(shown.axes_[0, 0].images[0].get_array()).ravel()[:3], [1.0, 0.5, 0.5])
    alone = SamplesDisplay.from_estimator(pictures, n_samples=2).look
    assert alone.high < 2
