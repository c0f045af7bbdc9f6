"""Rows are called as whoever reads of them counts: by labels, by positions from 0, in files from 1."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from isthmus import AnomalyDetector, Autoencoder, Trainer
from isthmus.atrow import RowError, called, labels_of
from isthmus.data.codec import TableCodec


def test_an_error_keeps_its_row_through_pickle_and_may_be_called_otherwise():
    error = RowError("x in ", np.int64(4), ", no").later(10)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.in_file(), again.row) == ("x in row 14 (from 0), no", "x in row 15, no", 14)
    named = again.named("row 5 of 'a.npy'")
    assert named.in_file() == str(named) == "x in row 5 of 'a.npy', no"
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (np.zeros((3, 1)), "row 2 (from 0)"),
        ([[0]] * 3, "row 2 (from 0)"),
        (pa.table({"a": [0] * 3}), "row 2 (from 0)"),
        (pd.DataFrame({"a": [0] * 3}), "row 2 (from 0)"),
        (pd.DataFrame({"a": [0] * 6})[3:], "row labelled 5"),
        (pd.DataFrame({"a": [0] * 3}, index=["p", "q", "r s"]), "row labelled 'r s'"),
    ],
)
def test_rows_of_frames_have_labels_and_others_positions(X, expected):
    assert called(2, labels_of(X)) == expected


def test_refusals_of_frames_name_the_label():
    X = pd.DataFrame({"c": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])
    codec = TableCodec.fit(X, {"c": "count"})
    with pytest.raises(ValueError, match=r"column 'c' counts, but row labelled 'q' holds -1"):
        codec.encode(X.assign(c=[1.0, -1.0, 2.0]))
    with pytest.raises(ValueError, match=r"column 'c' is infinite in row labelled 'r'"):
        TableCodec.fit(X.assign(c=[1.0, 2.0, np.inf]))


def test_explanations_are_printed_by_label_or_position():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"], index=[f"n{i}" for i in range(60)])
    detector = AnomalyDetector(trainer=Trainer(epochs=1), members=2, random_state=0).fit(X)
    assert str(detector.explain(X[7:9])).startswith("row labelled 'n7': score ")
    assert str(detector.explain(X.reset_index(drop=True)[:2])).startswith("row 0 (from 0): score ")


def test_rows_of_numbers_that_lack_one_are_named():
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"], index=[f"n{i}" for i in range(40)]
    )
    model = Autoencoder(1, trainer=Trainer(epochs=1), random_state=0).fit(X)
    with pytest.raises(ValueError, match="'b' has 1 such cell, first in row labelled 'n3'; the model was fitted"):
        model.transform(X.mask((X.index == "n3")[:, None] & (X.columns == "b")))
    with pytest.raises(
        ValueError, match=r"'b' .* 1 of 40 values are no numbers, the first 'alt' in row labelled 'n5'; the"
    ):
        model.transform(X.assign(b=["alt" if i == 5 else f"{i}" for i in range(40)]))
