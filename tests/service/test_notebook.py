"""The page in the frame of a notebook."""

import json

import browsing
import pytest
from quick import quick, unit_rows

from isthmus import explore, load
from isthmus.service.explorer import Explorer
from isthmus.service.notebook import MODULE, named

pytest.importorskip("anywidget", reason="the page in a notebook needs the extra isthmus[notebook]")


@pytest.fixture
def explorer(tmp_path):
    X = unit_rows()
    path = quick().fit(X).save(tmp_path / "model")
    return Explorer(load(path), X, path=path)


def test_a_widget_holds_the_whole_page():
    X = unit_rows()
    widget = explore(quick().fit(X), X, name="rows of a notebook", height=500)
    assert "rows of a notebook" in widget.html
    assert 'data-blob="page"' in widget.html
    assert widget.height == 500


def test_names_go_to_the_model_and_refusals_back_to_the_page(explorer):
    assert named(explorer, {"isthmus": "name", "unit": 1, "name": "round"}) == {"isthmus": "named", "unit": 1}
    assert load(explorer.path).concept_names_ == {1: "round"}
    refused = named(explorer, {"isthmus": "name", "unit": 0, "name": "round"})
    assert refused["isthmus"] == "refused"
    assert "choose another name" in refused["why"]
    assert load(explorer.path).concept_names_ == {1: "round"}


HOST = """
<div id="el"></div>
<script type="module">
  window.sent = [];
  const hears = [];
  const values = { html: %s, height: 700 };
  const model = {
    get: (name) => values[name],
    send: (message) => {
      window.sent.push(message);
      hears.forEach((hear) => hear({ isthmus: "named", unit: message.unit }));
    },
    on: (_, hear) => hears.push(hear),
    off: () => {},
  };
  const code = new Blob([%s], { type: "text/javascript" });
  const { default: widget } = await import(URL.createObjectURL(code));
  widget.render({ model, el: document.getElementById("el") });
</script>
"""


def test_in_a_frame_a_name_reaches_the_notebook(explorer, tmp_path):
    page = explorer.report.html(host=True)
    # Text of a script may hold no end of one.
    values = [json.dumps(text).replace("</", "<\\/") for text in (page, MODULE)]
    path = tmp_path / "notebook.html"
    path.write_text(HOST % tuple(values), encoding="utf-8")
    with browsing.chromium() as chromium:
        made = browsing.Visit(chromium.new_context(offline=True))
        made.page.goto(path.as_uri())
        frame = made.page.frame_locator("iframe")
        frame.locator("#concepts").get_by_role("button", name="Name unit").first.click()
        field = frame.get_by_role("textbox", name="Name of unit")
        field.fill("round")
        field.press("Enter")
        frame.get_by_role("button", name="Rename unit").first.wait_for()
        assert [message["name"] for message in made.page.evaluate("window.sent")] == ["round"]
        assert made.faults == []
