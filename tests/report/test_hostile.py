"""What a column, a label or a file is called is text, whatever it looks like."""

import pytest
from hostile import NAMES, SCRIPT, hostile
from unpack import tree

from isthmus import Autoencoder, Trainer
from isthmus.parts import Dense
from isthmus.report import markdown, report


@pytest.fixture(scope="module")
def found():
    X, y = hostile()
    model = Autoencoder(3, architecture=Dense((8,)), trainer=Trainer(epochs=1), random_state=0).fit(X)
    model.name_concept(0, "<b>bold</b>")
    return report(model, X, y, name=SCRIPT, label=SCRIPT, size="small")


def test_nothing_of_it_stands_in_the_page(found):
    text = found.html()
    assert "window.hacked" not in text.replace("&lt;script&gt;window.hacked = true", "")
    assert "onerror=alert" not in text
    assert "<b>bold" not in text


def test_it_arrives_as_it_was(found):
    page = tree(found)
    assert [column["name"] for column in page["data"]["columns"]] == NAMES
    assert page["data"]["labels"]["name"] == SCRIPT
    assert set(page["data"]["labels"]["classes"]) == {*NAMES, ""}


def test_markdown_keeps_its_table(found):
    lines = [line for line in markdown(found.summary).splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
