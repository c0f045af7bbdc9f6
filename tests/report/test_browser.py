"""Pages in Chromium, from the disk, with the network off."""

from datetime import datetime

import browsing
import numpy as np
import pyarrow as pa
import pytest
from hostile import SCRIPT, hostile
from quick import quick

from isthmus import Trainer, data
from isthmus.report import report

HEADINGS = {
    "digits": ["Summary", "Reconstructions", "Code map", "Decoder", "Concepts"],
    "table": ["Summary", "Reconstructions", "Code map", "Decoder", "Concepts"],
    "detector": ["Summary", "Map of rows", "Anomalies"],
    "pictures_detector": ["Summary", "Map of rows", "Anomalies"],
    "series": ["Summary", "Map of rows", "Anomalies"],
    "classifier": ["Summary", "Reconstructions", "Code map", "Decoder", "Concepts", "Prediction"],
    "regressor": ["Summary", "Reconstructions", "Code map", "Decoder", "Concepts", "Prediction"],
}
LIVE = ("digits", "table", "detector", "classifier")


@pytest.fixture(scope="module")
def chromium():
    with browsing.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file_of(model_of, tmp_path_factory):
    """Return the page of a model as a file, with graphs where the test is of what they answer."""
    known = {}

    def found(kind):
        if kind not in known:
            model, X, y = model_of(kind)
            made = report(model, X, y, name=kind, size="auto" if kind in LIVE else "small")
            known[kind] = made.write(tmp_path_factory.mktemp("pages") / f"{kind}.html")
        return known[kind]

    return found


@pytest.fixture
def visit(chromium, file_of):
    """Open the page of a model; when the test ends, nothing may have gone wrong on it."""
    visits = []

    def opened(kind, **settings):
        context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900}, **settings)
        made = browsing.Visit(context)
        visits.append(made)
        return made.open(file_of(kind).as_uri())

    yield opened
    for made in visits:
        made.context.close()
        assert made.faults == []
        assert made.elsewhere() == []


@pytest.mark.parametrize("kind", HEADINGS)
def test_every_section_opens_from_the_disk(kind, visit):
    page = visit(kind)
    assert page.locator("main h2").all_text_contents() == HEADINGS[kind]
    page.wait_for_function("!document.body.innerText.includes('Opening …')", timeout=20_000)
    assert page.get_by_role("alert").filter(has_text="cannot").count() == 0


@pytest.mark.long
@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("kind", ["digits", "table", "detector", "classifier"])
def test_no_page_is_wider_than_its_window(kind, width, visit):
    page = visit(kind)
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function("!document.body.innerText.includes('Opening …')", timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def answered(page, graph, values, kind="Float32Array"):
    """Ask a graph in the page."""
    asked = f"async ([graph, values]) => {{ const found = await isthmus.live.run(graph, {kind}.from(values));"
    told = "return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data)])); }"
    return page.evaluate(asked + told, [graph, [float(value) for value in np.ravel(values)]])


def test_a_slider_changes_the_picture_to_what_torch_decodes(visit, model_of):
    model = model_of("digits")[0]
    page = visit("digits")
    picture = page.get_by_role("img", name="decoded row").first
    picture.wait_for()
    slider = page.locator("#decoder input[type=range]").first
    unit = int("".join(filter(str.isdigit, slider.get_attribute("aria-label"))))
    to_its_end = "slider.value = slider.max; slider.dispatchEvent(new Event('input', { bubbles: true }))"
    value = slider.evaluate(f"(slider) => {{ {to_its_end}; return Number(slider.value); }}")
    page.get_by_role("img", name="change since the start").wait_for()
    code = np.array(page.evaluate("isthmus.page.decoder.mean"))
    code[unit] = value
    expected = model.inverse_transform(code[None].astype(np.float32))[0]
    assert np.allclose(answered(page, "decoder", code)["reconstruction"], expected, atol=1e-4)
    pixels = picture.locator("canvas").evaluate(
        "(c) => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, i) => i % 4 == 0)"
    )
    low, high = page.evaluate("[isthmus.page.data.low, isthmus.page.data.high]")
    drawn = low + np.array(pixels) / 255 * (high - low)
    assert np.allclose(drawn, np.clip(expected.ravel(), low, high), atol=(high - low) / 250)


def test_graphs_answer_in_the_page_as_the_model_does(visit, model_of):
    model, X, _ = model_of("table")
    page = visit("table")
    cells = model.cells(X)[:7]
    found = answered(page, "score", cells, "Float64Array")
    assert np.allclose(found["score"], model.score_samples(X.slice(0, 7)), rtol=1e-4, atol=1e-4)
    assert np.allclose(np.reshape(found["code"], (7, -1)), model.transform(X.slice(0, 7)), atol=1e-4)


def test_of_a_cell_that_is_edited_score_and_reasons_follow(visit, model_of):
    detector, X, _ = model_of("detector")
    page = visit("detector")
    section = page.locator("#anomalies")
    section.get_by_text("Change a cell and see what happens").click()
    row = int(page.evaluate("isthmus.choice.row"))
    field = section.get_by_label("age", exact=True)
    field.fill("250")
    field.press("Enter")
    page.wait_for_function("document.querySelector('#anomalies details [role=status]')?.textContent.includes('→')")
    edited = X.slice(row, 1).set_column(0, "age", [[250.0]])
    told = section.locator("details [role=status]").first.inner_text()
    score = float(told.split("→")[1].split()[0].replace(",", ""))
    expected = detector.explain(edited)
    assert score == pytest.approx(float(expected.score[0]), rel=5e-3)
    assert "is 250" in section.locator("details[open]").first.inner_text()


TYPED = [
    ["41", "Köln", "25000.5", "2021-03-04", "3", "true"],
    ["17.25", "Łódź", "", "2022-12-31", "0", "false"],
    ["90", "Paris", "1e4", "", "11", ""],
]


def test_what_is_typed_becomes_the_same_cells_as_in_python(visit, model_of):
    model, X, _ = model_of("table")
    page = visit("table")
    columns = [[cells[i] or None for cells in TYPED] for i in range(6)]
    read = [float, str, float, datetime.fromisoformat, int, lambda text: text == "true"]
    known = [[None if text is None else read[i](text) for text in column] for i, column in enumerate(columns)]
    rows = pa.table([pa.array(values).cast(kind) for values, kind in zip(known, X.schema.types, strict=True)], X.schema)
    wanted = model.cells(rows)
    found = page.evaluate("(rows) => rows.map((row) => Array.from(isthmus.encode(row)))", TYPED)
    found = np.array([[np.nan if cell is None else cell for cell in row] for row in found], dtype=float)
    assert np.array_equal(found, wanted, equal_nan=True)


def test_a_lasso_selects_rows(visit):
    page = visit("digits")
    section = page.locator("#map, #code-map").first
    section.scroll_into_view_if_needed()
    section.get_by_role("button", name="Lasso").click()
    box = section.locator("canvas").first.bounding_box()
    x, y, w, h = box["x"], box["y"], box["width"], box["height"]
    page.mouse.move(x + 0.05 * w, y + 0.05 * h)
    page.mouse.down()
    for to in ((0.95, 0.05), (0.95, 0.95), (0.05, 0.95), (0.05, 0.06)):
        page.mouse.move(x + to[0] * w, y + to[1] * h, steps=8)
    page.mouse.up()
    page.wait_for_function("isthmus.choice.rows.length > 0")
    assert page.evaluate("isthmus.choice.rows.length") > 60


def test_a_name_is_shown_everywhere_and_saved_as_a_file(visit):
    page = visit("digits")
    section = page.locator("#concepts")
    section.get_by_role("button", name="Name unit").first.click()
    field = section.get_by_role("textbox", name="Name of unit")
    field.fill("<b>loop</b>")
    field.press("Enter")
    assert page.locator("#decoder").get_by_text("<b>loop</b>").count() >= 1
    with page.expect_download() as download:
        section.get_by_role("button", name="names").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "<b>loop</b>" in text


def test_concepts_have_addresses(chromium, file_of):
    context = chromium.new_context(offline=True)
    made = browsing.Visit(context)
    page = made.open(file_of("digits").as_uri() + "#unit-3")
    page.wait_for_selector("#passport-title")
    assert "3" in page.locator("#passport-title").inner_text()
    context.close()
    assert made.faults == []


def test_contributions_add_up_on_the_page(visit, model_of):
    model, X, _ = model_of("classifier")
    page = visit("classifier")
    found = answered(page, "prediction", X[:5].astype(float), "Float64Array")
    logits = model._predicted(X[:5])
    parts = np.reshape(found["contributions"], (5, logits.shape[1], -1))
    assert np.allclose(parts.sum(2), logits, atol=1e-4)
    assert np.allclose(np.reshape(found["probabilities"], logits.shape), model.predict_proba(X[:5]), atol=1e-4)


def test_hostile_names_are_text(chromium, tmp_path):
    X, y = hostile()
    model = quick(3, trainer=Trainer(epochs=1)).fit(X)
    model.name_concept(0, "<img src=x onerror=alert(1)>")
    path = report(model, X, y, name=SCRIPT, label=SCRIPT, size="small").write(tmp_path / "page.html")
    context = chromium.new_context(offline=True)
    made = browsing.Visit(context)
    page = made.open(path.as_uri())
    page.wait_for_function("!document.body.innerText.includes('Opening …')", timeout=20_000)
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0
    assert SCRIPT in page.locator("h1").inner_text()
    assert page.title().startswith(SCRIPT)
    context.close()
    assert made.faults == []
    assert made.elsewhere() == []


@pytest.mark.long
def test_ten_thousand_columns_open(chromium, tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 10_000)).astype(np.float32)
    made = report(quick(2, trainer=Trainer(epochs=1)).fit(X), X, size="large")
    assert len(made.page.data.columns) == 10_000
    assert made.page.graphs
    context = chromium.new_context(offline=True)
    visited = browsing.Visit(context)
    page = visited.open(made.write(tmp_path / "page.html").as_uri())
    page.wait_for_function("!document.body.innerText.includes('Opening …')", timeout=20_000)
    slider = page.locator("#decoder input[type=range]").first
    before = page.locator("#decoder").inner_text()
    slider.focus()
    slider.press("End")
    page.wait_for_function("before => document.querySelector('#decoder').innerText !== before", arg=before)
    assert page.locator("*").count() < 20_000  # columns to choose from are listed once, others as they are asked for
    context.close()
    assert visited.faults == []
    assert visited.elsewhere() == []


def test_a_picture_of_the_page_prints(visit, tmp_path):
    page = visit("digits")
    page.wait_for_function("!document.body.innerText.includes('Opening …')", timeout=20_000)
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_the_explorer_keeps_a_name_over_a_reload(chromium, model_of, tmp_path):
    import threading

    uvicorn = pytest.importorskip("uvicorn")
    from isthmus import load
    from isthmus.service.app import app
    from isthmus.service.explorer import Explorer

    digits = data.read("digits", limit=80)
    path = quick(4).fit(digits.X).save(tmp_path / "model")
    explorer = Explorer(load(path), digits.X, digits.y, path, name="digits")
    server = uvicorn.Server(uvicorn.Config(app(explorer), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    context = chromium.new_context()
    made = browsing.Visit(context)
    page = made.open(url)
    page.locator("#concepts").get_by_role("button", name="Name unit").first.click()
    field = page.get_by_role("textbox", name="Name of unit")
    field.fill("round")
    field.press("Enter")
    page.get_by_role("button", name="Rename unit").first.wait_for()
    page.reload()
    page.wait_for_selector("h1")
    page.locator("#concepts").get_by_text("round").first.wait_for()
    assert "round" in load(path).concept_names_.values()
    context.close()
    server.should_exit = True
    thread.join(10)
    assert made.faults == []
    assert made.elsewhere(url) == []
