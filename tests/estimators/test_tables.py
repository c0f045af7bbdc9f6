"""Tables through the estimator: frames go in and come back, scores are log densities in the table's own units."""

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from isthmus import AnomalyDetector, Autoencoder, Trainer, load, recipes
from isthmus.data import stream
from isthmus.parts import Hiding, Number, Variational

N, FAST = 60, Trainer(epochs=2)


def rows(seed=0, n=N):
    rng = np.random.default_rng(seed)
    table = {
        "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 10, n)),
        "kids": rng.poisson(2, n).astype("uint8"),
        "sex": pd.Categorical(rng.choice(["m", "f"], n), categories=["f", "other", "m"]),
        "city": rng.choice(["a", "b", "c", None], n),
        "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, n), unit="s"),
        "income": rng.lognormal(8, 1, n),
        "ok": rng.choice([True, False], n),
    }
    return pd.DataFrame(table, index=np.arange(n)[::-1] % 11)


X = rows()
SCHEMA = {"kids": "count", "income": "number:scale=log"}


def test_cells_that_pandas_calls_na_are_filled_and_come_back():
    frame = X[["city", "kids"]].astype(object)
    frame.iloc[::7, :] = pd.NA
    frame.iloc[0, 0] = None
    for given in (frame, frame.to_numpy()):
        model = Autoencoder(2, schema="auto", trainer=FAST, random_state=0).fit(given)
        assert not pd.isna(np.asarray(model.impute(given), dtype=object)).any()
        assert np.asarray(model.reconstruct(given)).shape == frame.shape
        assert (
            AnomalyDetector(schema="auto", members=2, trainer=FAST, random_state=0)
            .fit(given)
            .explain(given)
            .values[0, 1]
            is None
        )


def fitted(X=X, schema=SCHEMA, units=3, **parameters):
    return Autoencoder(units, trainer=FAST, random_state=0, schema=schema, **parameters).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted()


def test_what_comes_back_has_the_types_and_the_index_of_what_went_in(model):
    for back in (model.reconstruct(X), model.impute(X)):
        assert (back.dtypes == X.dtypes).all() and back.index.equals(X.index)
        assert not back.isna().any().any()
    codes = model.transform(X)
    assert codes.shape == (N, 3) and np.isfinite(codes).all()
    for made in (model.inverse_transform(codes), model.sample(7), model.sample(7, mean=False)):
        assert (made.dtypes == X.dtypes).all() and made.index.equals(pd.RangeIndex(len(made)))
        assert list(made["sex"].cat.categories) == ["f", "other", "m"]


@pytest.mark.parametrize(
    "made", [pl.from_pandas, lambda X: pa.Table.from_pandas(X, preserve_index=False)], ids=["polars", "arrow"]
)
def test_other_libraries_are_answered_in_their_own_types(model, made):
    given = made(X.reset_index(drop=True))
    back, (filled, doubts) = model.reconstruct(given), model.impute(given, return_std=True)
    assert type(back) is type(filled) is type(doubts) is type(given)
    assert back.schema == given.schema and filled.schema == given.schema
    assert_array_equal(model.score_samples(given), model.score_samples(X))
    again = fitted(given)
    assert_array_equal(again.score_samples(given), model.score_samples(X))
    assert again.sample(2).schema == given.schema


def test_imputing_changes_no_cell_that_is_there(model):
    made, doubts = model.impute(X, return_std=True)
    here = X.notna()
    assert ((made == X) | ~here).all().all()
    assert ((doubts > 0) == ~here).all().all() and doubts.index.equals(X.index)
    assert (doubts["city"] < 1).all() and doubts["age"].max() > 1


def test_what_is_filled_or_drawn_is_within_what_the_fit_saw(tmp_path):
    """A linear guess of a skewed column falls below zero; cells that are there are kept, wherever they are."""
    rng = np.random.default_rng(0)
    dear = rng.random(300) < 0.5
    price = np.where(dear, 25.0, 0.1) * np.exp(rng.normal(0, 0.05, 300))
    table = pd.DataFrame({"price": price, "pieces": np.where(dear, 1, rng.integers(50, 2000, 300)).astype(float)})
    holed = table.mask(rng.random(table.shape) < 0.3)
    model = Autoencoder(1, trainer=Trainer(epochs=3), random_state=0).fit(holed)
    holed.loc[0] = [-7.0, np.nan]
    model.save(tmp_path / "m")
    for each in (model, load(tmp_path / "m")):
        filled, drawn = each.impute(holed), each.sample(200)
        assert filled.price[0] == -7.0
        for name in table:
            inside = table[name].min(), table[name].max()
            assert filled[name][holed[name].isna()].between(*inside).all() and drawn[name].between(*inside).all()
    assert (model.reconstruct(holed.fillna(1.0)) < 0).any(axis=None)  # what is not kept inside


def test_the_uncertainty_of_filled_cells_is_that_of_rows_that_lack_one():
    """Columns that tell each other: where both were hidden in one row, neither would seem to be known."""
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 600))
    near = 0.1 * rng.normal(size=(2, 600))
    table = pd.DataFrame({"a": a, "b": a + near[0], "c": c, "d": c + near[1]})
    holed, place = table.copy(), rng.integers(4, size=600)
    for i in range(0, 600, 4):
        holed.iloc[i, place[i]] = np.nan
    filled, spread = recipes.imputing(random_state=0).fit(holed).impute(holed, return_std=True)
    missing = holed.isna().to_numpy()
    real = np.sqrt(np.square((filled - table).to_numpy()[missing]).mean())
    stated = np.sqrt(np.square(spread.to_numpy()[missing]).mean())
    assert 0.7 < stated / real < 1.4, (stated, real)


def test_errors_add_up_to_the_score_and_missing_cells_count_nothing(model):
    errors = model.feature_errors(X)
    assert errors.shape == X.shape
    assert_allclose(-errors.sum(1), model.score_samples(X), rtol=1e-5)
    assert_array_equal(errors == 0, X.isna())
    nothing = X.iloc[:2].map(lambda _: None)
    assert_array_equal(model.score_samples(nothing), 0)
    assert model.evaluate(X).score == pytest.approx(model.score(X))
    assert "from other cells" in str(model.evaluate(X))


def test_errors_of_numbers_are_minus_the_normal_log_density_in_their_own_unit(model):
    errors, back = model.feature_errors(X), model.reconstruct(X)
    age, income = (codec for codec in model.form_.table.columns if codec.name in ("age", "income"))
    here = X["age"].notna().to_numpy()
    z = (X["age"] - back["age"]).to_numpy() / age.factor
    assert_allclose(errors[here, 0], (z**2 / 2 + math.log(age.factor * math.sqrt(2 * math.pi)))[here], rtol=1e-4)
    u, v = ((np.arcsinh(frame["income"] / income.unit) - income.centre) / income.factor for frame in (X, back))
    slope = 1 / (income.factor * np.sqrt(X["income"] ** 2 + income.unit**2))
    assert_allclose(errors[:, 5], (u - v) ** 2 / 2 + math.log(2 * math.pi) / 2 - np.log(slope), rtol=1e-4)


@pytest.mark.parametrize("scale", ["standard", "robust", "log", "quantile"])
def test_scores_depend_on_the_unit_by_its_logarithm_alone(scale):
    minutes = pd.DataFrame({"t": X["income"].to_numpy(), "sex": X["sex"].to_numpy()})
    seconds = minutes.assign(t=minutes["t"] * 64)
    schema = {"t": Number(scale)}
    a, b = (fitted(table, schema, 1).feature_errors(table) for table in (minutes, seconds))
    assert_allclose(b[:, 0] - a[:, 0], math.log(64), atol=1e-4)
    assert_allclose(b[:, 1], a[:, 1], atol=1e-5)


def test_a_new_level_is_scored_and_comes_back_as_one_that_is_known(model):
    new = X.assign(city="elsewhere")
    assert (model.feature_errors(new)[:, 3] > 0).all()
    assert set(model.reconstruct(new)["city"]) <= {"a", "b", "c"}


def test_a_saved_and_a_pickled_model_answer_alike(model, tmp_path):
    for again in (load(model.save(tmp_path / "model")), pickle.loads(pickle.dumps(model))):
        for name in ("transform", "score_samples", "feature_errors"):
            assert_array_equal(getattr(again, name)(X), getattr(model, name)(X))
        pd.testing.assert_frame_equal(again.sample(3), model.sample(3))
        pd.testing.assert_frame_equal(again.impute(X), model.impute(X))
        assert list(again.feature_names_in_) == list(X.columns)


def test_the_manners_of_scikit_learn(model):
    assert_array_equal(clone(model).fit(X).score_samples(X), model.score_samples(X))
    assert_array_equal(make_pipeline(clone(model)).fit(X).transform(X), model.transform(X))
    named = clone(model).set_output(transform="pandas").fit(X).transform(X)
    assert named.index.equals(X.index) and list(named) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Autoencoder was fitted with"):
        assert_allclose(model.transform(X.to_numpy()), model.transform(X), rtol=1e-6, atol=1e-6)
    weighted = clone(model).fit(X, sample_weight=np.arange(N), held_out=rows(1, 9))
    assert np.isfinite(weighted.score(X))


def test_rows_that_pass_once_know_their_doubts_too(tmp_path):
    model = Autoencoder(3, trainer=FAST, random_state=0).partial_fit(X).partial_fit(rows(1))
    made, doubts = model.impute(X, return_std=True)
    assert not made.isna().any().any() and doubts["age"].max() > 0
    assert_array_equal(load(model.save(tmp_path / "model")).transform(X), model.transform(X))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, object])
def test_arrays_with_holes_are_tables_where_that_is_asked_for(dtype, tmp_path):
    x = np.where(np.random.default_rng(1).random((50, 4)) < 0.1, np.nan, np.random.default_rng(0).normal(size=(50, 4)))
    x = x.astype(dtype)
    model = fitted(x, "auto")
    for back in (model.reconstruct(x), model.impute(x), model.sample(3), model.inverse_transform(model.transform(x))):
        assert back.dtype == dtype and np.isfinite(back.astype(float)).all()
    assert not hasattr(model, "feature_names_in_")
    assert_array_equal(load(model.save(tmp_path / "model")).impute(x), model.impute(x))
    if dtype is not object:
        assert isinstance(model.reconstruct(torch.from_numpy(x)), torch.Tensor)


def test_labels_that_are_numbers(tmp_path):
    table = X[["age", "city", "income"]].set_axis([3, 1, 2], axis=1)
    model = fitted(table, {1: "category"})
    assert not hasattr(model, "feature_names_in_")  # as everywhere in scikit-learn
    for back in (model.reconstruct(table), *model.impute(table, return_std=True), model.sample(2)):
        assert list(back.columns) == [3, 1, 2]
    assert list(load(model.save(tmp_path / "model")).sample(2).columns) == [3, 1, 2]


@pytest.mark.parametrize("model", [Autoencoder(1, trainer=FAST), AnomalyDetector(trainer=FAST, members=2)])
def test_sparse_columns_of_pandas_are_saved_too(model, tmp_path):
    rng = np.random.default_rng(0)
    sparse = pd.get_dummies(pd.DataFrame({"k": rng.choice(list("abc"), N), "v": rng.normal(size=N)}), sparse=True)
    sparse["few"] = pd.arrays.SparseArray(np.where(rng.random(N) < 0.7, 0.0, rng.normal(size=N)), fill_value=0.0)
    fitted = clone(model).fit(sparse)
    back = load(fitted.save(tmp_path / "model"))
    assert_array_equal(back.score_samples(sparse), fitted.score_samples(sparse))
    if isinstance(model, Autoencoder):
        assert back.reconstruct(sparse).equals(fitted.reconstruct(sparse))


def test_complete_numbers_stay_what_they_were():
    table = X[["income", "kids"]]
    plain = Autoencoder(1, trainer=FAST, random_state=0)
    assert plain.fit(table).form_.table is None and plain.fit(X[["income", "age"]]).form_.table is not None
    with pytest.raises(ValueError, match=r"schema='auto' and a corruption that hides some"):
        plain.fit(table).impute(table)
    hiding = fitted(table, "auto", 1, corruption=Hiding(0.2)).impute(table.astype({"kids": "Int64"}).assign(kids=pd.NA))
    assert not hiding.isna().any().any()


def test_what_makes_no_sense_for_tables_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"name a scale in the schema, as \{'income': 'number:scale=log'\}"):
        fitted(scaling="standard")
    with pytest.raises(ValueError, match=r"schema='autoo' is no schema; give kinds by column"):
        fitted(schema="autoo")
    with pytest.raises(ValueError, match="the table lacks 'age'"):
        model.transform(X.drop(columns="age"))
    with pytest.raises(ValueError, match=r"has more than 1000 levels.*'hashed'"):
        fitted(pd.DataFrame({"user": [f"u{i}" for i in range(1200)]}), None)


def test_a_schema_of_a_stream_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(400, 3)))
    with pytest.raises(ValueError, match="a schema is for tables in memory, and X is streamed; leave it out"):
        fitted(stream(tmp_path / "x.npy", window_bytes=1024), "auto")


@pytest.mark.parametrize("table", [{"a": ["x"] * 9, "b": [None] * 9}, {"a": list("xyz") * 3}, {"a": [0.0, None, 2.0]}])
def test_the_smallest_tables_can_be_fitted(table):
    table = pd.DataFrame(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is little to learn
        model = Autoencoder(1, trainer=FAST, random_state=0).fit(table)
    assert np.isfinite(model.score_samples(table)).all()
    assert (model.reconstruct(table).dtypes == table.dtypes).all()


def test_the_bound_of_a_table_is_in_its_own_units_too():
    small = X[["income", "sex"]]
    bounds = [
        fitted(table, {"income": "number"}, 1, bottleneck=Variational()).evaluate(table, draws=4).nll
        for table in (small, small.assign(income=small["income"] * 64))
    ]
    assert bounds[1] - bounds[0] == pytest.approx(math.log(64), abs=1e-3)
