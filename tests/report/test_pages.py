"""Laws of pages, over models of every kind."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from unpack import blobs_in, packed_in, read, tree

from isthmus import AnomalyDetector, Autoencoder, Trainer, load
from isthmus.parts import Dense
from isthmus.report import given, markdown, report, summarise, to_dict
from isthmus.report.composing import SECTIONS
from isthmus.report.page import SIZES

HAS = {
    "digits": {"reconstructions", "code_map", "decoder", "concepts"},
    "conv_vae": {"reconstructions", "code_map", "decoder", "concepts"},
    "sparse": {"reconstructions", "code_map", "decoder", "concepts"},
    "table": {"reconstructions", "code_map", "decoder", "concepts"},
    "detector": {"code_map", "anomalies"},
    "pictures_detector": {"code_map", "anomalies"},
    "series": {"code_map", "anomalies"},
    "classifier": {"reconstructions", "code_map", "decoder", "concepts", "prediction"},
    "regressor": {"reconstructions", "code_map", "decoder", "concepts", "prediction"},
}
MODELS = tuple(HAS)
KINDS = {"digits": "image", "conv_vae": "image", "table": "table", "pictures_detector": "image", "series": "series"}


@pytest.mark.parametrize("kind", MODELS)
def test_sections_are_those_that_model_and_rows_have(kind, page_of):
    page = page_of(kind).page
    assert {name for name in SECTIONS if getattr(page, name) is not None} == HAS[kind]
    assert page.data.kind == KINDS.get(kind, "table" if kind == "detector" else "numbers")


@pytest.mark.parametrize("kind", MODELS)
def test_every_array_is_there_and_as_long_as_it_says(kind, page_of):
    found = page_of(kind)
    arrays = list(packed_in(found.page))
    assert len({packed.blob for packed in arrays}) == len(arrays)
    for packed in arrays:
        assert read(found.blobs, packed).shape == tuple(packed.shape)
        assert len(packed.step) in (0, 1, packed.shape[-1])


@pytest.mark.parametrize("kind", MODELS)
def test_rows_that_sections_point_to_are_on_the_page(kind, page_of):
    page = page_of(kind).page
    shown = page.data.cells.shape[0]
    pointed = [page.reconstructions.rows] if page.reconstructions else []
    pointed += [page.anomalies.rows] if page.anomalies else []
    pointed += [page.prediction.rows] if page.prediction else []
    for concept in page.concepts.concepts if page.concepts else []:
        pointed += [concept.contrast, *(band.rows for band in concept.bands)]
    assert all(0 <= row < shown for rows in pointed for row in rows)


@pytest.mark.parametrize("kind", MODELS)
def test_a_page_is_one_file_that_holds_everything(kind, page_of, tmp_path):
    found = page_of(kind)
    text = found.write(tmp_path / "report.html").read_text(encoding="utf-8")
    assert blobs_in(text).keys() == found.blobs.packed.keys()
    assert len(text.encode()) <= SIZES["small"]
    # Nothing is loaded from elsewhere.
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert 'src="http' not in text and 'href="http' not in text


@pytest.mark.parametrize("kind", MODELS)
def test_the_tree_is_plain_json(kind, page_of):
    found = page_of(kind)
    assert tree(found).keys() == asdict(found.page).keys()


def test_cells_are_those_of_the_rows(model_of, page_of):
    found, (_, X, _) = page_of("table"), model_of("table")
    cells = read(found.blobs, found.page.data.cells)
    numbers = read(found.blobs, found.page.data.numbers)
    assert numbers.tolist() == list(range(len(X)))
    ages, cities = X["age"].to_numpy(), X["city"].to_pylist()
    levels = found.page.data.columns[1].levels
    assert cells[:, 0].tolist() == ages.tolist()
    assert [levels[int(place)] for place in cells[:, 1]] == cities
    assert np.isnan(cells[:, 2]).tolist() == [value is None for value in X["income"].to_pylist()]
    days = X["joined"].to_numpy().astype("datetime64[s]").astype(float)
    assert cells[:, 3].tolist() == days.tolist()


def test_a_page_is_the_same_each_time_and_leaves_generators_alone(model_of, page_of, untouched_generators):
    model, X, y = model_of("digits")
    again = report(model, X, y, name="digits rows", size="small")
    assert again.blobs.packed == page_of("digits").blobs.packed


def test_of_more_rows_than_fit_some_are_shown_and_the_page_says_so(model_of, tmp_path):
    model = Autoencoder(8, random_state=0, trainer=model_of("digits")[0].trainer)
    X = np.random.default_rng(0).normal(size=(20_000, 60)).astype(np.float32)
    found = report(model.fit(X), X, size="small")
    shown = found.page.data.cells.shape[0]
    assert 300 <= shown < len(X)
    assert found.page.data.note.startswith(f"{shown:,} of 20,000 rows")
    assert found.write(tmp_path / "report.html").stat().st_size <= SIZES["small"]
    # What does not fit is not much less than what there is room for.
    assert found.write(tmp_path / "report.html").stat().st_size > 0.8 * SIZES["small"]


def test_anomaly_reasons_are_those_of_the_detector(model_of, page_of):
    (detector, X, _), found = model_of("detector"), page_of("detector")
    section = found.page.anomalies
    score = read(found.blobs, section.score)
    assert score.tolist() == detector.anomaly_score(X).tolist()
    parts = read(found.blobs, section.contributions)
    assert np.allclose(parts.sum(1), score[section.rows], rtol=1e-5)
    assert (np.diff(score[section.rows]) <= 0).all()
    assert np.allclose(read(found.blobs, section.p_value), detector.p_values(X))


def test_a_detector_says_what_it_was_fitted_to_and_expects_alarms_only_where_it_can():
    X = np.random.default_rng(0).normal(size=(200, 3))
    quick = {"architecture": Dense((12,)), "trainer": Trainer(epochs=2), "random_state": 0}
    for contamination in ("unknown", 0.1):
        detector = AnomalyDetector(contamination=contamination, members=2, **quick).fit(X)
        summary = report(detector, X[:50] + 9, size="small").summary
        assert summary.trained_on == "200 rows; scored here 50 rows of 3 columns of data"
        alarms, told = summary.measures[0], " ".join(verdict.text for verdict in summary.verdicts)
        assert [beside.name for beside in alarms.beside] == ["expected if all are normal"] * (
            contamination == "unknown"
        )
        assert ("were expected" in told) == (contamination == "unknown")
        assert ("10 % of the fit's rows" in alarms.help) == (contamination == 0.1)


def test_contributions_of_predictions_add_up(model_of, page_of):
    (model, X, _), found = model_of("classifier"), page_of("classifier")
    section = found.page.prediction
    parts = read(found.blobs, section.contributions)
    numbers = read(found.blobs, found.page.data.numbers)[section.rows]
    logits = model._predicted(X[numbers])
    assert np.allclose(parts.sum(2), logits, atol=1e-4)
    assert section.classes == [str(label) for label in model.classes_]


def test_passports_are_those_of_explain(model_of, page_of):
    from isthmus.explain import passports

    (model, X, y), found = model_of("digits"), page_of("digits")
    book = passports(model, X, y, examples=6)
    section = found.page.concepts
    assert [concept.rate for concept in section.concepts] == [card.rate for card in book]
    assert np.allclose(read(found.blobs, section.atoms), np.stack([card.atom for card in book]))


def test_the_summary_reads_the_same_in_three_forms(model_of):
    model, X, y = model_of("digits")
    summary = summarise(given(model, X, y))
    measured = model.evaluate(X)
    assert summary.measures[0].value == pytest.approx(measured.squared_error)
    assert summary.measures[0].beside[0].value == pytest.approx(measured.pca)
    plain = json.loads(json.dumps(to_dict(summary)))
    assert plain["measures"][0]["value"] == summary.measures[0].value
    text = markdown(summary)
    assert f"| squared error per row | {measured.squared_error:.4g} |" in text
    assert all(verdict.text in text for verdict in summary.verdicts)


def test_pages_of_a_saved_model_are_those_of_the_model(model_of, page_of, tmp_path):
    model, X, _ = model_of("table")
    again = report(load(model.save(tmp_path / "model")), X, name="table rows", size="small")
    assert tree(again) == tree(page_of("table"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": "tiny"}, "size='tiny' is unknown"),
        ({"shape": (3, 3)}, "does not hold the 64 numbers"),
        ({"y": [1, 2]}, "one label per row"),
        ({"titles": ["a", "b"]}, "there are 2 titles"),
    ],
)
def test_mistakes_are_told(changes, said, model_of):
    model, X, _ = model_of("digits")
    with pytest.raises(ValueError, match=said):
        report(model, X, **changes)


def test_rows_keep_the_names_that_they_have(model_of):
    model, X, _ = model_of("table")
    assert report(model, X, size="small").page.data.titles == []
    named = X.to_pandas().set_index(np.array([f"order {i}" for i in range(len(X))]))
    assert report(model, named, size="small").page.data.titles == list(named.index)
    of_files = report(model, X, size="small", titles=range(len(X))).page.data.titles
    assert of_files == [str(i) for i in range(len(X))]


def test_a_model_that_is_not_fitted_has_no_page(model_of):
    with pytest.raises(ValueError, match="call fit first"):
        report(Autoencoder(), model_of("digits")[1])
    with pytest.raises(ValueError, match="has no rows"):
        report(model_of("sparse")[0], model_of("sparse")[1][:0])


def test_an_audit_is_of_rows_that_the_fit_has_not_seen_where_there_are_enough():
    from isthmus import SelfExplainingClassifier, Trainer, data
    from isthmus.report.of_predictors import audited

    digits = data.read("digits", limit=500)
    below = Autoencoder(6, trainer=Trainer(epochs=2), random_state=0).fit(digits.X[:400])
    model = SelfExplainingClassifier(below, trainer=Trainer(epochs=2), random_state=0)
    model.fit(digits.X[:400], digits.y[:400])
    audit, of = audited(given(model, digits.X, digits.y))
    assert audit.rows == 100 and of == "which the fit has not seen"
    assert audit.score == pytest.approx(model.score(digits.X[400:], digits.y[400:]))
    audit, of = audited(given(model, digits.X[:400], digits.y[:400]))
    assert audit.rows == 200 and of.startswith("100 %")


def test_rows_that_are_often_the_same_are_not_taken_for_those_of_the_fit():
    """Of two columns of truth values there are four different rows, which a test shares with every fit."""
    from isthmus import SelfExplainingClassifier, Trainer
    from isthmus.report.of_predictors import audited

    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (400, 2)).astype(float)
    bits[:60, 0] = rng.random(60)  # some rows that no other equals
    label = (bits[:, 1] > rng.random(400)).astype(int)
    quick = Trainer(epochs=2)
    model = SelfExplainingClassifier(Autoencoder(1, trainer=quick, random_state=0), trainer=quick, random_state=0)
    model.fit(bits[100:], label[100:])
    audit, of = audited(given(model, bits[:200], label[:200]))
    assert audit.rows == 100 and "equal rows of the fit" in of
    whole, some = summarise(given(model, bits[:200], label[:200])).measures[:2]
    assert whole.value == pytest.approx(100 * model.score(bits[:200], label[:200])) and "all 200 rows" in whole.help
    assert some.name == "accuracy on 100 of 200 rows" and some.value == pytest.approx(100 * audit.score)
