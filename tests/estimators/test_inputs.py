"""What users pass as X, and what comes back: in their units, types, names and shapes."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from numpy.testing import assert_allclose
from quick import TWO, convolutional, quick, rows, unit_rows
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from isthmus import AnomalyDetector, FineTunedClassifier, Trainer, recipes
from isthmus.data import read, stream
from isthmus.measures import pca_error, squared_error
from isthmus.parts import Adam, Bernoulli, Conv, Dense

NAMES = list("abcdefgh")
X = rows()


@pytest.fixture(scope="module")
def model():
    return quick().fit(pd.DataFrame(X, columns=NAMES))


# -- data frames ------------------------------------------------------------------------------------------------------


FRAMES = {
    "plain": pd.DataFrame(X, columns=NAMES),
    "index": pd.DataFrame(X, columns=NAMES, index=pd.Index(range(100, 160), name="patient")),
    "two indices": pd.DataFrame(X, columns=NAMES, index=pd.MultiIndex.from_product([range(6), range(10)])),
    "index twice": pd.DataFrame(X, columns=NAMES, index=[0, 1] * 30),
    "float32": pd.DataFrame(X, columns=NAMES, dtype="float32"),
    "one float32": pd.DataFrame(X, columns=NAMES).astype({"c": "float32"}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_pandas_comes_back_with_its_names_index_and_precision(model, name):
    frame = FRAMES[name]
    back = model.reconstruct(frame)
    pd.testing.assert_index_equal(back.index, frame.index)
    assert list(back.columns) == NAMES and list(back.dtypes) == list(frame.dtypes)
    assert_allclose(back, quick().fit(X).reconstruct(X), rtol=1e-4)


def test_rows_of_single_precision_are_the_same_in_every_library(tmp_path):
    array = (X * np.logspace(-1, 2, 8)).astype(np.float32)
    frame = pd.DataFrame(array, columns=NAMES)
    frame.to_parquet(tmp_path / "x.parquet")
    wanted = quick(scaling="standard").fit(frame).transform(frame)
    given = pl.from_pandas(frame), pa.Table.from_pandas(frame), read(tmp_path / "x.parquet").rows
    for rows_of in (array, *given):
        assert np.array_equal(quick(scaling="standard").fit(rows_of).transform(rows_of), wanted)
    streamed = stream(tmp_path / "x.parquet")
    assert np.array_equal(quick(scaling="standard").fit(streamed).transform(streamed), wanted)
    mixed = frame.astype({"a": np.int32})  # which double precision holds
    both = [quick().fit(made).transform(made) for made in (mixed, pl.from_pandas(mixed))]
    assert np.array_equal(*both)


@pytest.mark.parametrize("columns", [range(8), pd.MultiIndex.from_product([["u", "v"], list("abcd")])], ids=type)
def test_columns_need_not_be_called_by_words(columns):
    frame = pd.DataFrame(X).set_axis(columns, axis=1)
    back = quick().fit(frame).reconstruct(frame)
    assert list(back.columns) == list(columns)


@pytest.mark.parametrize("kind", ["Float64", "float64[pyarrow]"])
def test_nullable_columns_without_holes_are_numbers(kind):
    frame = pd.DataFrame(X, columns=NAMES).astype(kind)
    assert_allclose(quick().fit(frame).transform(frame), quick().fit(X).transform(X))


def test_whole_numbers_and_truth_values_come_back_as_expected_values():
    frame = pd.DataFrame(X, columns=NAMES).assign(a=range(60), b=[True, False] * 30)
    back = quick().fit(frame).reconstruct(frame)
    assert (back.dtypes == "float64").all() and not (back["a"] == back["a"].round()).any()


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
def test_polars_comes_back_as_polars(model, dtype):
    frame = pl.DataFrame(X, schema=NAMES).cast(dtype)
    back = model.reconstruct(frame)
    assert isinstance(back, pl.DataFrame) and back.schema == frame.schema
    assert_allclose(back.to_numpy(), model.reconstruct(pd.DataFrame(X, columns=NAMES)), rtol=1e-4)


def test_arrow_comes_back_as_arrow(model):
    table = pa.table(dict(zip(NAMES, X.T, strict=True)))
    back = model.reconstruct(table)
    assert isinstance(back, pa.Table) and back.schema == table.schema


@settings(max_examples=10)
@given(
    names=st.lists(st.text(min_size=1, max_size=5), min_size=8, max_size=8, unique=True),
    index=st.lists(st.integers() | st.text(), min_size=4, max_size=4),
)
def test_any_names_and_index_are_kept(names, index):
    frame = pd.DataFrame(X[:4], columns=names, index=pd.Index(index, dtype=object))
    back = quick(trainer=TWO).fit(pd.DataFrame(X, columns=names)).reconstruct(frame)
    assert list(back.columns) == names and list(back.index) == index


def test_an_array_after_a_frame_is_read_with_a_warning(model):
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        codes = model.transform(X)
    assert_allclose(codes, model.transform(pd.DataFrame(X, columns=NAMES)))


# -- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_of_every_layout_give_the_same_codes():
    known, model = quick().fit(X).transform(X), quick().fit(X.tolist())
    read_only = X.copy()
    read_only.flags.writeable = False
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], read_only, X.tolist(), X.astype(object)):
        assert_allclose(model.transform(same), known)


@pytest.mark.parametrize(("given", "answered"), [("float32", "float32"), ("float64", "float64"), ("int16", "float64")])
def test_answers_have_the_precision_of_the_rows(given, answered):
    x = (X * 10).astype(given)
    model = quick().fit(x)
    codes = model.transform(x)
    for array in (codes, model.reconstruct(x), model.inverse_transform(codes), model.feature_errors(x)):
        assert array.dtype == answered
    assert model.score_samples(x).dtype == "float64"


def test_masked_cells_are_holes():
    mask = np.zeros(X.shape, dtype=bool)
    mask[3, 4] = True
    with pytest.raises(ValueError, match="column 4 has 1 such cell, first in row 3"):
        quick().fit(np.ma.array(X, mask=mask))


# -- pictures and signals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 5), (1, 6, 5), (3, 6, 5), (2, 15)])
@pytest.mark.parametrize("make", [quick, convolutional])
def test_rows_keep_their_shape(make, shape):
    x = unit_rows(20, int(np.prod(shape))).reshape(20, *shape)
    model = make().fit(x)
    assert model.row_shape_ == shape and model.reconstruct(x).shape == x.shape
    assert model.sample(4).shape == (4, *shape)
    assert model.transform(x).shape == (20, 3) and model.feature_errors(x).shape == (20, x[0].size)
    flat = x.reshape(20, -1)
    assert_allclose(model.transform(flat), model.transform(x))
    assert model.reconstruct(flat).shape == flat.shape


def test_flat_rows_are_given_a_shape():
    x = unit_rows(20, 30)
    pictures, flat = convolutional().fit(x.reshape(20, 1, 6, 5)), convolutional(shape=(1, 6, 5)).fit(x)
    assert_allclose(flat.transform(x), pictures.transform(x.reshape(20, 1, 6, 5)))
    assert flat.reconstruct(x).shape == (20, 30) and flat.sample(2).shape == (2, 30)
    assert_allclose(flat.transform(x.reshape(20, 6, 5)), flat.transform(x))


def test_channels_of_a_signal_are_said_by_shape():
    x = unit_rows(20, 30).reshape(20, 2, 15)
    model = convolutional(shape=(2, 15)).fit(x)
    assert model.spec_.shape == (2, 15) and model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("make", [quick, lambda **more: AnomalyDetector(trainer=Trainer(epochs=1), members=2, **more)])
def test_pictures_whose_channels_come_last_are_hinted_at(make):
    given = unit_rows(40, 9 * 8 * 3)
    for channels in (3, 1):
        last = given[:, : 72 * channels].reshape(40, 9, 8, channels)
        told = (
            rf"shape \(9, 8, {channels}\), read as 9 channels of 8 x {channels}; .*, give np.moveaxis\(X, -1, 1\), else"
        )
        with pytest.warns(UserWarning, match=told):
            make().fit(last)
        make(shape=(9, 8, channels)).fit(last)  # a warning would be an error
        make().fit(np.moveaxis(last, -1, 1))
    make().fit(given[:, :144].reshape(40, 9, 8, 2))


def test_code_maps_are_flattened_and_restored():
    x = unit_rows(20, 64).reshape(20, 8, 8)
    model = quick(2, architecture=Conv((2, 2), head="map")).fit(x)
    codes = model.transform(x)
    assert codes.shape == (20, len(model.get_feature_names_out())) and codes.shape[1] > 2
    assert_allclose(model.inverse_transform(codes).reshape(x.shape), model.reconstruct(x), rtol=1e-5)


@pytest.mark.parametrize("other", [(5, 6), (1, 5, 6), (30, 1)])
def test_pictures_of_another_shape_with_as_many_pixels_are_refused(other):
    model = quick().fit(unit_rows(20, 30).reshape(20, 6, 5))
    with pytest.raises(ValueError, match=r"those of the fit had \(6, 5\)"):
        model.transform(unit_rows(20, 30).reshape(20, *other))


# -- torch ------------------------------------------------------------------------------------------------------------


class Pairs(Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return torch.as_tensor(self.rows[index]), index % 2


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.tensor(X))


TORCH = {
    "tensor": torch.tensor(X),
    "with a gradient": torch.tensor(X, requires_grad=True),
    "tensors": TensorDataset(torch.tensor(X), torch.zeros(60)),
    "pairs": Pairs(X),
    "stream": Stream(),
    "loader": DataLoader(TensorDataset(torch.tensor(X)), batch_size=16),
    "loader of pairs": DataLoader(Pairs(X), batch_size=7),
    "loader of a stream": DataLoader(Stream(), batch_size=13),
    "list of tensors": list(torch.tensor(X)),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch_is_read_as_the_array_it_holds(name, untouched_generators):
    model = quick().fit(TORCH[name])
    assert_allclose(model.transform(TORCH[name]), quick().fit(X).transform(X), rtol=1e-10)
    assert model.reconstruct(TORCH[name]).shape == X.shape


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_tensor_comes_back_as_a_tensor(dtype):
    x = torch.tensor(X, dtype=dtype)
    back = quick().fit(x).reconstruct(x)
    assert isinstance(back, torch.Tensor) and back.dtype == dtype and back.shape == x.shape


def test_pictures_of_a_dataset_have_channels_first():
    pictures = Pairs(unit_rows(20, 90).reshape(20, 3, 6, 5))
    model = convolutional(likelihood=Bernoulli()).fit(DataLoader(pictures, batch_size=6))
    assert model.row_shape_ == (3, 6, 5) and model.reconstruct(pictures).shape == (20, 3, 6, 5)


class Named(Pairs):
    def __getitem__(self, index):
        return {"x": torch.as_tensor(self.rows[index])}


class Uneven(Pairs):
    def __getitem__(self, index):
        return self.rows[index][: 3 + index % 2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Pairs(X[:0]), "the Dataset is empty"),
        (DataLoader(Pairs(X[:0])), "the DataLoader is empty"),
        (Named(X), "elements of type dict"),
        (DataLoader(Named(X)), "elements of type dict"),
        (Uneven(X), r"different shapes, \(3,\) and \(4,\)"),
        ([[1.0, 2.0], [1.0]], "rows of X have different lengths"),
        ({"a": [1.0, 2.0]}, "got a dict instead; give an array"),
        ((row for row in X), "got a generator instead"),
        (pl.DataFrame(X).lazy(), "got a LazyFrame instead; collect"),
        (None, "got a NoneType instead"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else type(value).__name__,
)
def test_what_holds_no_rows_is_refused_by_name(given, expected):
    with pytest.raises(ValueError, match=expected):
        quick().fit(given)


# -- rows and what belongs to them ------------------------------------------------------------------------------------


def test_a_loader_that_shuffles_is_refused_where_order_counts():
    """Labels, weights and answers belong to rows by their order; a fit without them may shuffle."""
    x = rows(40)
    loader = DataLoader(TensorDataset(torch.tensor(x)), batch_size=8, shuffle=True)
    model = quick().fit(loader)
    for ask in (model.transform, model.score_samples, model.evaluate, lambda r: quick().fit(r, sample_weight=x[:, 0])):
        with pytest.raises(ValueError, match="shuffle=False"):
            ask(loader)
    with pytest.raises(ValueError, match="shuffle=False"):
        FineTunedClassifier(quick(), trainer=TWO).fit(loader, np.arange(40) % 2)


def test_rows_that_the_caller_holds_out_are_never_trained_on():
    """Where no epoch beats the start, it is made anew: from all rows of the fit, and from no others."""
    x, held = rows(60), rows(60, seed=5) * 5
    alone = recipes.pca(2, random_state=0).set_params(trainer__validation=0.0).fit(x)
    watched = recipes.pca(2, random_state=0).fit(x, held_out=held)
    assert_allclose(watched.reconstruct(x), alone.reconstruct(x), rtol=1e-5)
    standing = Trainer(epochs=3, optimiser=Adam(0.0))
    still = quick(architecture=Dense((6,), shortcut=True), trainer=standing).fit(x, held_out=held)
    assert still.best_epoch_ == 0
    assert_allclose(squared_error(x, still.reconstruct(x)).mean(), quick_pca_error(x), rtol=1e-4)


def quick_pca_error(x):
    return pca_error(x, x, 3)


def test_weights_decide_the_start_the_samples_and_the_baseline():
    near, far = rows(60), rows(60) + 50.0
    x, weight = np.concatenate([near, far]), np.repeat([1.0, 1e-9], 60)
    model = recipes.pca(2, random_state=0).fit(x, sample_weight=weight)
    assert (np.abs(model.sample(200).mean(1) - near.mean()) < 25).all(), "no sample comes from rows of no weight"
    found = model.evaluate(near)
    assert_allclose(found.squared_error, found.pca, rtol=1e-3)
    assert_allclose(found.pca, pca_error(near, near, 2), rtol=1e-3)
    stream = quick().partial_fit(near).partial_fit(far, sample_weight=np.r_[1.0, np.zeros(59)])
    assert len(stream.past.codes) == 61


def test_a_fitted_model_is_given_rows_like_those_of_its_fit():
    model = quick().fit(X)
    holed = np.where(np.arange(X.size).reshape(X.shape) == 9, np.nan, X)
    with pytest.raises(
        ValueError,
        match=r"column 1 has 1 such cell, first in row 1 \(from 0\); the model was fitted to rows without holes, drop",
    ):
        model.transform(holed)
    words = np.full((1, X.shape[1]), "a", dtype=object)
    with pytest.raises(ValueError, match="'a'; the model was fitted to numbers, give the columns that it was fitted"):
        model.transform(words)
