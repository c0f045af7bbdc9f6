"""Text that spells numbers or dates: read where it can be read in one way, else named with its row and a remedy."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus import Autoencoder, Trainer
from isthmus.atrow import RowError, RowWarning
from isthmus.data.codec import TableCodec
from isthmus.data.columns.exact import warn_of_inexact

DAYS = [f"{i % 28 + 1:02}.{i % 12 + 1:02}.{2000 + i % 20}" for i in range(40)]


@pytest.mark.parametrize(
    ("texts", "format"),
    [
        (DAYS, "%d.%m.%Y"),
        (["1/2/2020", "13/2/2020"], "%d/%m/%Y"),
        (["1/2/2020 7:05", "1/13/2020 23:59"], "%m/%d/%Y %H:%M"),
        (["13-2-2020 07:05:01"], "%d-%m-%Y %H:%M:%S"),
        (["1.2.2020", "3.4.2021"], None),
        (["13.2.2020", "2.13.2020"], None),
        (["13.2.2020", "14/2/2020"], None),
        (["13.2.2020", "31.2.2020"], None),
        (["13.2.20"], None),
        (["13.2.2020", "soon"], None),
    ],
)
def test_dates_are_recognised_where_a_day_is_above_12(texts, format):
    codec = TableCodec.fit(pa.table({"x": texts, "n": range(len(texts))}))
    assert getattr(codec.columns[0], "format", None) == format
    if format:
        times = [dt.datetime.strptime(text, format) for text in texts]
        back = codec.decode(codec.encode(pa.table({"x": texts, "n": range(len(texts))})))
        assert back["x"].to_pylist() == [time.strftime(format) for time in times]


def hints(X, schema=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TableCodec.fit(X, schema)
    return [warning.message for warning in caught]


NUMBERS = [f"{i}.5" for i in range(40)]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            [*NUMBERS, "-", "N/A?"],
            "'x' is taken for a category: 40 of its 42 values are numbers, but row 42 holds 'N/A?'; ",
        ),
        ([*NUMBERS, None, "-"], "40 of its 41 values are numbers, but row 42 holds '-'; "),
        (
            [*NUMBERS, "7,5"],
            "all its values look like numbers: row 41 holds '7,5', whose separators can mean two things",
        ),
        ([*DAYS, "soon"], "40 of its 41 values are dates, but row 41 holds 'soon'; "),
        (
            [f"{i % 12 + 1}/{i % 11 + 1}/2020" for i in range(99)],
            "look like dates: row 1 holds '1/1/2020'; say how they are",
        ),
        ([f"2020-01-{i % 28 + 1:02}" for i in range(40)], "say how they are written, as schema={'x': 'date'}"),
    ],
)
def test_a_column_of_numbers_or_dates_but_for_some_is_named_in_one_line(texts, words):
    (hint,) = hints(pa.table({"x": texts, "n": range(len(texts))}))
    assert isinstance(hint, RowWarning) and words in hint.in_file() and "schema={'x': " in str(hint)
    assert "(from 0) holds" in str(hint) and "\n" not in str(hint)
    assert not hints(pa.table({"x": texts, "n": range(len(texts))}), {"x": "category"})
    (hint,) = hints(pd.DataFrame({"x": texts}, index=[f"r{i}" for i in range(len(texts))]))
    assert "row labelled 'r" in str(hint)


@pytest.mark.parametrize(
    ("text", "form"),
    [("{:02}.01.20", "%d.%m.%y"), ("2020/01/{:02}", "%Y/%m/%d"), ("1-1-20{:02} 7:00", "%d-%m-%Y %H:%M")],
)
def test_a_hint_names_the_form_that_dates_may_have(text, form):
    (hint,) = hints(pa.table({"x": [text.format(i) for i in range(1, 29)]}))
    assert str(hint).endswith(f"as schema={{'x': 'date:format={form}'}}")


def test_frames_of_other_libraries_are_read_alike():
    pl = pytest.importorskip("polars")
    (hint,) = hints(pl.DataFrame({"x": [*NUMBERS, "-", "N/A?"]}))
    assert "row 41 (from 0) holds 'N/A?'" in str(hint)
    assert TableCodec.fit(pl.DataFrame({"x": DAYS})).kinds == ("date",)
    with pytest.raises(RowError, match="the first 'a' in row 1"):
        TableCodec.fit(pl.DataFrame({"x": ["1", "a"]}), {"x": "number"})
    large = pa.table({"x": pa.array([*NUMBERS, "N/A?"], pa.large_string())})
    assert len(hints(large)) == 1


@pytest.mark.parametrize(
    "texts",
    [
        [f"0{1000 + i}" for i in range(40)],  # zip codes
        [*(["36", "37", "38"] * 20), "36/37"],
        ["a", *NUMBERS[:8]],
        [f"n{i}" for i in range(40)],
        [None, *NUMBERS[:1]],
    ],
)
def test_names_raise_no_hint(texts):
    assert hints(pa.table({"x": texts, "n": range(len(texts))})) == []


@pytest.mark.parametrize("kind", ["number", "number:scale=log", "count"])
def test_text_that_is_declared_as_numbers_is_named_with_its_row(kind):
    message = r"column '% x' is declared as .*, but holds text: 2 of 4 values are no numbers, the first 'huch' in row 3"
    with pytest.raises(RowError, match=message) as caught:
        TableCodec.fit(pa.table({"% x": ["1", "-", "2.5", "huch", None]}), {"% x": kind})
    assert "in row 4; correct it" in caught.value.in_file()
    with pytest.raises(RowError, match="its numbers are written as text, the first '1' in row 1"):
        TableCodec.fit(pa.table({"% x": [None, "1", "2"]}), {"% x": kind})


def test_text_among_numbers_of_the_fit_is_named_with_its_row():
    codec = TableCodec.fit(pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": list("abc")}))
    with pytest.raises(
        RowError, match=r"'x' was numbers in the fit and is text now: 1 of 3 .* 'alt' in row labelled 9;"
    ):
        codec.encode(pd.DataFrame({"x": ["1", "alt", "3"], "y": list("abc")}, index=[8, 9, 10]))


def test_a_date_of_another_form_says_how_it_is_declared():
    codec = TableCodec.fit(pa.table({"% t": pa.array(["2020-01-01", "2021-02-03"]), "n": [1, 2]}), {"% t": "date"})
    told = r"no date like .*or fit with its form: schema={'% t': 'date:format=%d.%m.%Y'}$"
    with pytest.raises(RowError, match=told):
        codec.encode(pa.table({"% t": ["16.11.2017", "2020-01-01"], "n": [1, 2]}))
    codec = TableCodec.fit(pa.table({"t": DAYS, "n": range(40)}))
    with pytest.raises(
        RowError, match=r"'2017/11/16' in row 1 \(from 0\), which is no date of the form '%d.%m.%Y' nor"
    ):
        codec.encode(pa.table({"t": ["2017-11-16", "2017/11/16"], "n": [1, 2]}))


def test_a_search_names_a_row_once_by_its_number_among_all_rows():
    optuna = pytest.importorskip("optuna")
    from isthmus import Autoencoder, Trainer, tune

    assert optuna
    X = pa.table({"x": [*NUMBERS[:30], "huch", *NUMBERS[30:]], "n": [float(i % 7) for i in range(41)]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tune(Autoencoder(1, trainer=Trainer(epochs=1)), X, {"learning_rate": "1e-4:1e-2:log"}, trials=2)
    (hint,) = [warning.message for warning in caught if isinstance(warning.message, RowWarning)]
    assert "row 31 holds 'huch'" in hint.in_file()


KEYS, COUNTS = 2**60 + np.arange(60), np.arange(60)[::-1].copy()


@pytest.mark.parametrize(
    "X",
    [
        *(make({"id": KEYS, "n": n}) for make in (pd.DataFrame, pl.DataFrame, pa.table) for n in (COUNTS, COUNTS / 7)),
        np.column_stack((KEYS, COUNTS)),
    ],
    ids=lambda X: type(X).__module__,
)
def test_whole_numbers_that_a_model_cannot_tell_apart_are_named(X):
    words = r"beyond 2\*\*53, .* as 1152921504606846977 in row 1 .*; leave the column out"
    with pytest.warns(UserWarning, match=words):
        Autoencoder(1, trainer=Trainer(epochs=1)).fit(X)


def test_great_numbers_that_a_model_tells_apart_are_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_inexact(pd.DataFrame({"id": [2**53, -(2**53), 2**60]}))
