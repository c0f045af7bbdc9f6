"""What ``evaluate`` says of a table equals what can be computed by hand from what the model gives back."""

import json

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from quick import START, quick
from sklearn.metrics import accuracy_score, root_mean_squared_error

from isthmus import Trainer
from isthmus.parts import KL, Adam, Hiding, Variational


def people(n=120, seed=0):
    """Return rows in which the city tells the income and the visits, and the colour tells nothing."""
    random = np.random.default_rng(seed)
    city = random.integers(0, 3, n)
    born = np.datetime64("1980-01-01") + (random.integers(0, 9000, n)).astype("timedelta64[D]")
    return pa.table(
        {
            "city": np.array(["Berlin", "Graz", "Köln"])[city],
            "income": pa.array(1000.0 * city + random.normal(0, 30, n), mask=random.random(n) < 0.1),
            "visits": 2 + 3 * city,
            "born": pa.array(born),
            "member": pa.array(random.random(n) < 0.5, mask=random.random(n) < 0.1),
            "same": ["x"] * n,
        }
    )


X = people()
SCHEMA = {"visits": "count"}


@pytest.fixture(scope="module")
def model():
    trainer = Trainer(epochs=120, patience=0, validation=0.1, batch_size=20, optimiser=Adam(5e-3))
    return quick(3, schema=SCHEMA, corruption=Hiding(0.3), trainer=trainer).fit(X)


@pytest.fixture(scope="module")
def found(model):
    return model.evaluate(X)


def test_errors_of_reconstructions_are_in_the_unit_of_the_column(model, found):
    back, columns = model.reconstruct(X), {column.name: column for column in found.columns}
    seen = X["income"].is_valid().to_numpy()
    income = [table["income"].to_numpy()[seen] for table in (X, back)]
    assert_allclose(columns["income"].reconstruction, root_mean_squared_error(*income), rtol=1e-6)
    assert_allclose(columns["income"].constant, income[0].std(), rtol=1e-9)
    cities = [table["city"].to_pylist() for table in (X, back)]
    assert_allclose(columns["city"].reconstruction, 1 - accuracy_score(*cities))
    share = max(np.unique(cities[0], return_counts=True)[1]) / len(X)
    assert_allclose(columns["city"].constant, 1 - share)
    days = [table["born"].to_numpy().astype("datetime64[D]").astype(float) for table in (X, back)]
    assert_allclose(columns["born"].reconstruction, root_mean_squared_error(*days), atol=1)
    assert (columns["income"].cells, columns["born"].unit, columns["city"].unit) == (seen.sum(), "days", "wrong")
    assert [column.kind for column in found.columns] == ["category", "number", "count", "date", "binary", "constant"]


def test_what_is_hidden_is_expected_from_the_other_cells_alone(model, found):
    """Each cell is hidden once: where other cells tell it, the model knows more than the mean, and of noise nothing."""
    columns = {column.name: column for column in found.columns}
    assert columns["visits"].hidden < 0.5 * columns["visits"].constant
    assert columns["income"].hidden < 0.5 * columns["income"].constant
    assert columns["born"].hidden > 0.9 * columns["born"].constant
    assert model.evaluate(X) == found, "the noise is always the same"


def test_the_score_is_that_of_the_rows_and_sizes_are_counted(model, found):
    assert_allclose(found.score, model.score_samples(X).mean())
    assert (found.rows, found.code, len(found.columns), found.nll) == (120, 3, 6, None)
    assert found.variables == 8, "a date goes through years and weeks beside the line"
    holes = X["income"].null_count + X["member"].null_count
    assert_allclose(found.missing, holes / (120 * 6))
    assert_allclose(found.bytes_in, X.nbytes / 120)


def test_it_is_told_in_a_table_and_as_json(found):
    lines = str(found).splitlines()
    (heading,) = (line for line in lines if line.startswith("column"))
    at = lines.index(heading)
    assert [line.split()[0] for line in lines[at + 1 : at + 7]] == X.column_names
    assert len({len(line) for line in lines[at : at + 7]}) == 1, "columns are aligned"
    assert "days" in str(found) and "% of the cells missing" in lines[0]
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["columns"][0]["name"] == "city" and told["verdict"] == list(found.verdict)


def test_columns_that_a_constant_knows_as_well_are_named():
    untouched = quick(1, trainer=START).fit(X).evaluate(X)
    kept, known, *_ = untouched.verdict
    assert kept == "The code keeps nothing of city, visits, born and member: a constant comes as close."
    assert known == "From the other cells of a row the model expects no column better than a constant does."
    apart = X.select(["visits", "born"])
    (nothing, *_) = quick(1, trainer=START).fit(apart).evaluate(apart).verdict
    assert "learnt nothing yet" in nothing


def test_a_noisy_column_is_named_in_the_verdict(found):
    (sentence,) = (sentence for sentence in found.verdict if sentence.startswith("From the other cells"))
    assert "born" in sentence and "visits" not in sentence and "same" not in sentence
    assert not any("not trained to fill" in sentence for sentence in found.verdict)


def test_a_code_as_wide_as_the_table_proves_nothing():
    table = people(40).select(["city", "visits"])
    wide = quick(2, trainer=Trainer(epochs=1)).fit(table).evaluate(table)
    assert any("proves nothing" in sentence for sentence in wide.verdict)
    assert any("held-out loss was still falling" in sentence for sentence in wide.verdict)


def test_a_column_without_a_value_has_no_error(model):
    empty = X.set_column(1, "income", pa.nulls(len(X), pa.float64()))
    found = model.evaluate(empty)
    assert np.isnan(found.columns[1].hidden) and found.to_dict()["columns"][1]["hidden"] is None
    assert "income  number" in str(found) and not any("income" in sentence for sentence in found.verdict)


def test_the_likelihood_of_a_table_is_estimated_in_its_own_units():
    small = people(60).select(["city", "income", "visits"])
    model = quick(2, bottleneck=Variational(), penalties=(KL(),), trainer=Trainer(epochs=2)).fit(small)
    one, many = (model.evaluate(small, draws=draws).nll for draws in (1, 100))
    assert one > many and "100 importance-weighted draws" in str(model.evaluate(small, draws=100))
    # A unit a thousand times smaller adds log 1000 for every income that is there.
    finer = small.set_column(1, "income", pa.array(np.asarray(small["income"].to_numpy()) * 1000, from_pandas=True))
    again = quick(2, bottleneck=Variational(), penalties=(KL(),), trainer=Trainer(epochs=2)).fit(finer)
    seen = 1 - small["income"].null_count / len(small)
    assert_allclose(again.evaluate(finer, draws=1).nll - one, np.log(1000) * seen, rtol=1e-3)


def test_other_libraries_are_measured_alike(model, found):
    pandas = pytest.importorskip("pandas")
    frame = X.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    frame["born"] = pandas.to_datetime(frame["born"])
    assert_allclose([c.hidden for c in model.evaluate(frame).columns], [c.hidden for c in found.columns])
