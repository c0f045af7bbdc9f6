"""Every recipe has ONNX and ``.pt2`` graphs that answer as it does: of tables with holes and levels never seen."""

import io
import json

import numpy as np
import onnx
import pytest
import torch
from answering import SIZES, agree, both, cells_scored, slack
from mixed_tables import table, unseen

from isthmus import Trainer, recipes
from isthmus.parts import Dense, SwapNoise

X = table(60).select(["age", "town"])
NUMBERS = table(60).select(["age", "whole"])
# What a refusal says to change where a recipe is for numbers without holes.
CHANGES = {
    "pca": {"likelihood": None},
    "tied": {"architecture__tied": False},
    "denoising": {"corruption": SwapNoise(0.2)},
    "k_sparse": {"architecture__tied": False},
    "dictionary": {"architecture": Dense(()), "likelihood": None, "penalties": ()},
    "contractive": {"architecture__tied": False},
}
# Its penalty differentiates by the inputs, which levels are not.
OF_NUMBERS = {"contractive"}


def fitted(name):
    model = getattr(recipes, name)(2, random_state=0)
    trainer = Trainer(epochs=0 if name == "pca" else 1, batch_size=20)
    rows = NUMBERS if name in OF_NUMBERS else X
    return model.set_params(trainer=trainer, **CHANGES.get(name, {})).fit(rows), rows


@pytest.mark.long
@pytest.mark.parametrize("name", recipes.NAMES)
def test_a_recipe_has_graphs_that_score_as_it_does(name):
    model, rows = fitted(name)
    answers = both(model)
    new = table(20, seed=1).select(rows.column_names)
    for given in (rows, new, *(() if name in OF_NUMBERS else (unseen_of(new),))):
        assert np.isnan(model.cells(given)).any()
        agree(answers(rows=model.cells(given)), cells_scored(model, given), slack(model, rows))
        for n in SIZES:
            agree(answers(rows=model.cells(given)[:n]), cells_scored(model, given.slice(0, n)), slack(model, rows))


def unseen_of(rows):
    """Return rows whose first town the fit did not see, which enters as an integer of its own."""
    return unseen(table(20, seed=1)).select(rows.column_names)


def test_levels_are_integers_whose_list_is_in_the_metadata_of_both_formats():
    model, _ = fitted("plain")
    cells, towns = model.cells(unseen_of(X))[:, 1], unseen_of(X)["town"].to_pylist()
    traced = model._traced("encoder")
    proto = onnx.load_from_string(model._written("onnx", traced))
    told = {"columns.json": ""}
    torch.export.load(io.BytesIO(model._written("pt2", traced)), extra_files=told)
    in_onnx = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(in_onnx["columns.json"]) == json.loads(told["columns.json"]) == model.describe_columns()
    column = json.loads(in_onnx["columns.json"])[1]
    places = {**{level: i for i, level in enumerate(column["levels"])}, "new": column["unseen"], None: np.nan}
    np.testing.assert_array_equal(cells, [places[town] for town in towns])
    assert towns[0] == "new" and column["unseen"] == len(column["levels"]) == 4
