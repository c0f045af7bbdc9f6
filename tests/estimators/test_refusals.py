"""Bad input is refused with a clear message, and costs nothing that was there before."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from quick import START, TWO, identical, quick, rows, unit_rows
from sklearn.exceptions import NotFittedError

from isthmus import AnomalyDetector, Autoencoder, Trainer, recipes
from isthmus.parts import (
    KL,
    L1,
    Bernoulli,
    Categorical,
    Compose,
    Dense,
    Emphasised,
    Masking,
    Normal,
    Overcomplete,
    Poisson,
    TopK,
    Undercomplete,
    Variational,
)

NAMES = list("abcdefgh")
X = rows()
FRAME = pd.DataFrame(X, columns=NAMES)


def but(value, row=3, column=2):
    """Return the rows with one cell changed."""
    x = X.copy()
    x[row, column] = value
    return x


HOLES = pd.DataFrame(but(np.nan), columns=NAMES)


@pytest.fixture(scope="module")
def model():
    return quick().fit(FRAME)


def refused(action, *fragments):
    with pytest.raises(ValueError) as caught:
        action()
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert len(str(caught.value)) < 500


# Data, and what the message says about it: culprit, reason and remedy.
DATA = {
    "NaN": (but(np.nan), "Input X contains NaN", "column 2 has 1 such cell", "SimpleImputer"),
    "lists in a frame": (FRAME.assign(b=[[1, 2]] * 60), "column 'b' holds list", "drop the column"),
    "an infinite number in a table": (HOLES.assign(b=np.inf), "column 'b' is infinite in row 0", "NaN"),
    "infinity": (but(-np.inf), "Input X contains infinity", "column 2"),
    "text of too many levels": (
        pd.concat([FRAME] * 20, ignore_index=True).assign(b=[f"row {i}" for i in range(20 * len(FRAME))]),
        "column 'b' has more than 1000 levels",
        "hash it",
    ),
    "two columns of one name": (FRAME.assign(b="u").rename(columns={"c": "a"}), "two columns called 'a'"),
    "text in an array": (
        np.where(np.arange(8) == 5, "high", X.astype(str)),
        "column 5",
        "row 0 (from 0) holds",
        "'high'",
        "encode",
    ),
    "complex numbers": (X + 1j, "Complex data not supported", "columns of their own"),
    "no rows": (X[:0], "0 sample(s)"),
    "no rows of a frame": (FRAME[:0].assign(day="2024-01-01"), "0 sample(s) (a table without rows); give at least one"),
    "no columns": (X[:, :0], "0 feature(s)"),
    "no columns of a frame": (FRAME[[]], "the table has no columns (0 feature(s)); give at least one"),
    "no rows of pictures": (X[:0].reshape(0, 2, 4), "0 sample(s)"),
    "one row": (X[:1], "1 sample", "give at least 2 rows"),
    "equal rows": (np.ones((40, 8)), "all 40 rows of X are equal", "check how X was read"),
    "a column alone": (X[:, 0], "Expected 2D array"),
    "a number": (np.float64(3), "Expected 2D array"),
    "huge numbers": (X * 1e200, "too large to be squared", "divide the data"),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow")
@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be_fitted(name):
    given, *said = DATA[name]
    unfitted = quick()
    refused(lambda: unfitted.fit(given), *said)
    with pytest.raises(NotFittedError):
        unfitted.transform(X)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow", "ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", DATA)
def test_a_refused_fit_costs_nothing(name):
    model = quick().fit(FRAME)
    before = quick().fit(FRAME)
    for refuse in (model.fit, model.partial_fit):
        if refuse == model.fit or name not in ("one row", "equal rows", "huge numbers"):
            with pytest.raises(ValueError):
                refuse(DATA[name][0])
            assert identical(model, before) and list(model.feature_names_in_) == NAMES
    assert_array_equal(model.transform(FRAME), before.transform(FRAME))


@pytest.mark.parametrize("given", [X[:0], FRAME[:0], FRAME[:0].assign(day="2024-01-01")])
@pytest.mark.parametrize("calibration", ["auto", "split", "cross"])
def test_detectors_say_of_no_rows_that_there_are_none(given, calibration):
    refused(lambda: AnomalyDetector(calibration=calibration).fit(given), "0 sample(s)")


METHODS = ("transform", "reconstruct", "feature_errors", "score_samples", "score", "evaluate", "partial_fit")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (FRAME[list("bacdefgh")], ("same order", "Found 'b' where the fit had 'a'", "feature_names_in_")),
        (
            pa.Table.from_pandas(FRAME[list("bacdefgh")], preserve_index=False),
            ("same order", "Found 'b' where the fit had 'a'", "feature_names_in_"),
        ),
        (FRAME[list("abc")], ("now missing:\n- d", "feature_names_in_")),
        (FRAME.assign(z=1.0), ("unseen at fit time:\n- z",)),
        (FRAME.rename(columns={"a": "A"}), ("unseen at fit time:\n- A", "now missing:\n- a")),
        (HOLES, ("column 'c'", "NaN")),
        (FRAME.assign(h=np.inf), ("column 'h'", "infinity")),
        (FRAME.assign(b="high"), ("column 'b'", "String")),
        (FRAME[:0], ("0 sample(s)",)),
    ],
    ids=["reordered", "reordered for Arrow", "missing", "extra", "renamed", "NaN", "infinity", "text", "empty"],
)
def test_rows_that_are_not_those_of_the_fit(model, method, given, said):
    refused(lambda: getattr(model, method)(given), *said)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [3, 9])
def test_rows_of_another_width(method, width):
    model = quick().fit(X)
    refused(lambda: getattr(model, method)(rows(width=width)), f"X has {width} features", "expecting 8")


# -- what is not refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", ["auto", "none", "standard"])
def test_constant_columns_come_back_as_they_are(scaling):
    x = X.copy()
    x[:, 2], x[:, 5] = 7.0, 0.0
    model = quick(architecture=Dense((6,), shortcut=True), scaling=scaling, trainer=START).fit(x)
    assert np.abs(model.reconstruct(x)[:, [2, 5]] - [7.0, 0.0]).max() < 1e-5
    assert np.isfinite(model.score_samples(x)).all()


@pytest.mark.parametrize("n", [2, 3, 17])
def test_fewer_rows_than_a_batch_are_a_batch(n):
    model = quick(trainer=Trainer(epochs=2, batch_size=32)).fit(X[:n])
    assert np.isfinite(model.score_samples(X)).all() and len(model.history_) == 2


def test_one_column_is_a_table():
    assert quick(1).fit(X[:, :1]).transform(X[:, :1]).shape == (60, 1)


# -- parts and parameters ---------------------------------------------------------------------------------------------


PARAMETERS = {
    "a class": ({"likelihood": Bernoulli}, "give Bernoulli()"),
    "a name": ({"bottleneck": "top_k"}, "bottleneck='top_k' is not a bottleneck", "isthmus.parts"),
    "a part of another kind": ({"architecture": TopK()}, "architecture=TopK() is not an architecture"),
    "a penalty's name": ({"penalties": "l1"}, "penalties='l1' is not a penalty"),
    "a penalty's class": ({"penalties": (L1,)}, "give L1()"),
    "a penalty twice": ({"penalties": (L1(), L1(0.1))}, "one kind twice", "merge them"),
    "a trainer's name": ({"trainer": "adam"}, "trainer='adam' is not a trainer"),
    "no size": ({"n_components": 0}, "n_components=0 is not a size", "from 1 up"),
    "half a unit": ({"n_components": 2.5}, "n_components=2.5 is not a size"),
    "a misspelt size": ({"n_components": "atuo"}, "'atuo' is unknown", "'auto'"),
    "more units than columns": ({"n_components": 9}, "Undercomplete", "no wider than the data", "Overcomplete()"),
    "more active units than units": ({"bottleneck": TopK(7)}, "TopK(k=7)", "the 3 of the code", "raise n_components"),
    "a divergence of nothing": ({"penalties": (KL(),)}, "KL needs", "Undercomplete", "Variational()"),
    "a misspelt scaling": ({"scaling": "standrad"}, "'standrad' is unknown", "standard"),
    "a shape of other size": ({"shape": (3, 3)}, "shape=(3, 3) has 9 numbers", "has 8"),
    "a shape that is none": ({"shape": (-2, -4)}, "shape=(-2, -4)", "whole numbers"),
    "a shape in words": ({"shape": "8"}, "shape='8'"),
    "a seed in words": ({"random_state": "zero"}, "random_state='zero' is not a seed", "whole number"),
    "a negative seed": ({"random_state": -1}, "random_state=-1"),
    "a seed that is too large": ({"random_state": 2**32}, "random_state=4294967296 is not a seed", "to 2**32 - 1"),
    "a generator of numpy": ({"random_state": np.random.default_rng(0)}, "int(g.integers(2**32)) draws from a numpy"),
    "a device of dreams": ({"trainer": Trainer(device="tpu9")}, "device='tpu9'", "device='auto'"),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_that_mean_nothing(name):
    changes, *said = PARAMETERS[name]
    refused(lambda: quick().set_params(**changes).fit(X), *said)


@pytest.mark.parametrize(
    ("likelihood", "given", "said"),
    [
        (Bernoulli(), unit_rows() * 255, ("Bernoulli needs numbers in [0, 1]", "scale the data")),
        (Bernoulli(), unit_rows() - 0.5, ("Bernoulli needs", "holds -0.")),
        (Poisson(), X, ("Poisson needs counts",)),
        (Categorical(), X, ("Categorical needs levels",)),
    ],
    ids=["pixels up to 255", "negative pixels", "no counts", "no levels"],
)
def test_data_that_cannot_occur(likelihood, given, said):
    refused(lambda: quick(likelihood=likelihood).fit(given), *said)


def test_data_that_cannot_occur_in_use():
    model = quick(likelihood=Bernoulli()).fit(pd.DataFrame(unit_rows(), columns=NAMES))
    other = pd.DataFrame(unit_rows(), columns=NAMES)
    other.loc[7, "d"] = 1.25
    refused(
        lambda: model.score(other),
        "column 'd' holds 1.25 in row 7 (from 0);",
        "scale the data into [0, 1] or use Normal()",
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("bottlneck", 1, "did you mean 'bottleneck'?"),
        ("bottleneck__kk", 1, "did you mean 'k'?"),
        ("penalties__l2__weight", 1, "known: l1"),
        ("penalties__l1__wieght", 1, "did you mean 'weight'?"),
        ("trainer__epoch", 1, "did you mean 'epochs'?"),
        ("trainer__epochs", -1, "Trainer: epochs=-1 is out of range"),
        ("trainer__optimiser__learning_rat", 1, "did you mean 'learning_rate'?"),
        ("likelihood__scale", 2.0, "give likelihood a part first"),
        ("verbose__loud", True, "has no settings"),
    ],
)
def test_unknown_settings_come_with_a_suggestion(name, value, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        quick(bottleneck=TopK(2), penalties=(L1(),)).set_params(**{name: value})


def test_weights_that_mean_nothing():
    for weight in (-np.ones(60), np.zeros(60), np.ones(6), np.full(60, np.nan)):
        refused(lambda weight=weight: quick().fit(X, sample_weight=weight), "")


# -- use --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("inverse_transform", X, "X holds codes of 8 numbers, the model has 3"),
        ("inverse_transform", X[:, 0], "Expected 2D array"),
        ("inverse_transform", X[:, :3] * np.nan, "contains NaN"),
        ("inverse_transform", X[:0, :3], "0 sample(s)"),
        ("sample", 0, "n_samples=0"),
        ("sample", 2.5, "n_samples=2.5"),
        ("sample", "many", "n_samples='many'"),
    ],
)
def test_questions_that_have_no_answer(model, method, given, said):
    refused(lambda: getattr(model, method)(given), said)


def test_draws_need_a_density(model):
    refused(lambda: model.evaluate(FRAME, draws=5), "draws=5", "Undercomplete")
    variational = quick(bottleneck=Variational(), penalties=(KL(),)).fit(X)
    refused(lambda: variational.evaluate(X, draws=-5), "draws=-5")


@pytest.mark.parametrize("method", [*METHODS, "inverse_transform"])
def test_unfitted_estimators_say_so(method):
    if method == "partial_fit":
        return
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(Autoencoder(), method)(X)
    for unfitted in (Autoencoder().sample, Autoencoder().get_feature_names_out, lambda: Autoencoder().save("nowhere")):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            unfitted()


def test_a_default_size_is_lowered_without_a_warning_and_a_chosen_one_refused():
    fitted = recipes.plain(trainer=TWO).fit(X)
    assert fitted.n_components_ == 4 and "4 units" in str(fitted.parts_)
    refused(lambda: recipes.plain(32, trainer=TWO).fit(X), "no wider than the data")


def test_what_is_refused_by_a_wider_code_is_taken_by_overcomplete():
    assert quick(9, bottleneck=Overcomplete()).fit(X).transform(X).shape == (60, 9)
    refused(lambda: quick(9, bottleneck=Undercomplete()).fit(X), "Overcomplete()")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Dense(tied="no"), "tied='no' is not True or False"),
        (lambda: Trainer(optimiser="adam"), "optimiser='adam' is not a part of the kind optimiser"),
        (lambda: Trainer(pretraining=True), "pretraining=True is not a part of the kind pretraining"),
        (lambda: Emphasised("x"), "base='x' is not a part of the kind corruption"),
        (lambda: Compose((Masking(0.1), "x")), "is not a tuple of parts of the kind corruption"),
        (lambda: quick(likelihood=Normal(link="logistic")).fit(rows()), r"values in \[0, 1\]"),
    ],
)
def test_settings_of_another_type(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_likelihood_that_data_chose_is_named_where_new_data_leave_it():
    """Codes need no likelihood; scores do, and say why they cannot be had."""
    x = (unit_rows() > 0.5).astype(float)
    model = quick().fit(x)
    outside = np.where(x == 1, 1.1, x)
    assert np.isfinite(model.transform(outside)).all() and np.isfinite(model.reconstruct(outside)).all()
    for ask in (model.score_samples, model.feature_errors, model.evaluate, model.partial_fit):
        with pytest.raises(ValueError, match=r"holds 1\.1 .*Normal\(\)\. It was chosen .*MinMaxScaler\(clip=True\)"):
            ask(outside)
