"""Kinds of columns: what is encoded comes back, slopes are derivatives, and facts of parts are those of the whole."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.catalogue import catalogue
from isthmus.data.columns import Kind
from isthmus.data.columns.date import parsed
from isthmus.data.columns.facts import Facts
from isthmus.parts import Binary, Category, Constant, Count, Date, Hashed, Number

SCALES = [Number(scale) for scale in ("standard", "robust", "log", "quantile")]
NUMBERS = np.concatenate([np.random.default_rng(0).normal(size=200) ** 3 * 50, [0.0] * 20, [np.nan] * 3])
TIMES = pa.array([dt.datetime(2020, 1, 1, 3, 4, 5) + dt.timedelta(hours=101 * i) for i in range(200)] + [None])
HELD = {
    "number": pa.array(NUMBERS, from_pandas=True),
    "count": pa.array([0, 3, None, 1, 1, 7]),
    "category": pa.array(["x", None, "y", "z", "x"]),
    "binary": pa.array([True, None, False, True]),
    "constant": pa.array(["x", None, "x"]),
    "hashed": pa.array(["x", None, "y", "z", "x"]),
    "date": TIMES,
}


def encoded(kind, values, codec=None):
    codec = codec or kind.codec("c", kind.facts("c", values))
    U = np.empty((len(values), len(codec.variables)))
    codec.encode(values, U)
    return codec, U


def plain(values):
    return [None if v is None or v != v else v for v in np.asarray(values, dtype=object).tolist()]


def everything():
    return [cls() for cls in catalogue(Kind).values()] + SCALES[1:]


def test_every_kind_that_ships_is_tested_here():
    assert HELD.keys() == catalogue(Kind).keys()


@pytest.mark.parametrize("kind", everything(), ids=repr)
def test_what_is_encoded_comes_back_and_what_is_missing_stays_so(kind):
    values = HELD[next(name for name, cls in catalogue(Kind).items() if cls is type(kind))]
    codec, U = encoded(kind, values)
    assert_array_equal(np.isnan(U).all(1), values.is_null().to_numpy(zero_copy_only=False))
    back = codec.decode(U)
    if isinstance(kind, Number):
        assert_allclose(back, NUMBERS, rtol=1e-12, atol=1e-12)
    elif isinstance(kind, Date):
        assert_array_equal(back, values.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    else:
        assert plain(back) == values.to_pylist()
    assert len(codec.told(back[0])) > 0


@pytest.mark.parametrize("kind", [*SCALES, Date()], ids=repr)
def test_the_log_slope_is_the_derivative(kind):
    values = TIMES if isinstance(kind, Date) else pa.array(NUMBERS[:-3])
    codec, U = encoded(kind, values)
    here = np.linspace(-2.97, 2.91, 41)[:, None].repeat(U.shape[1], 1)
    if isinstance(kind, Date):
        x = codec.centre + codec.factor * here[:, 0]
        slope = np.full(41, 1 / codec.factor)
    else:
        free = codec._unrounded
        x = free.decode(here)
        slope = 2e-6 / (free.decode(here + 1e-6) - free.decode(here - 1e-6))
    assert np.isfinite(x).all()
    found = np.broadcast_to(codec.log_slope(here), here.shape)
    assert_allclose(found[:, 0], np.log(slope), atol=1e-4)
    assert not found[:, 1:].any()  # angles are scored in radians


@pytest.mark.parametrize("kind", SCALES, ids=repr)
def test_a_spread_is_half_the_way_between_one_deviation_below_and_above(kind):
    codec, U = encoded(kind, pa.array(NUMBERS[:-3]))
    free = codec._unrounded
    either = [free.decode(U + sign * 0.01) for sign in (1, -1)]
    assert_allclose(codec.spread(U, np.array([0.01])), (either[0] - either[1]) / 2, rtol=1e-9)


@pytest.mark.parametrize("kind", SCALES, ids=repr)
@pytest.mark.parametrize("values", [[5.0] * 9, [0.0] * 999 + [7.0], [None, None], [0.0, 1.0]], ids=repr)
def test_degenerate_numbers_have_a_finite_scale(kind, values):
    column = pa.array(values, pa.float64())
    codec, U = encoded(kind, column)
    back, slope = codec.decode(U), np.broadcast_to(codec.log_slope(np.nan_to_num(U)), U.shape)
    assert_allclose(back, column.to_numpy(zero_copy_only=False), rtol=1e-9, atol=1e-9)
    assert np.isfinite(slope).all()
    assert_array_equal(U, encoded(kind, column, codec)[1])


def test_the_standard_scale_is_that_of_textbooks():
    codec, U = encoded(Number(), pa.array([2.0, 4.0, 6.0, 8.0, None]))
    assert_allclose(U[:4, 0].mean(), 0, atol=1e-15)
    assert_allclose(U[:4, 0].std(), 1)
    assert_allclose(codec.log_slope(U), -math.log(math.sqrt(5)))


def test_the_unit_of_the_logarithm_is_the_largest_magnitude_of_a_quartile():
    codec, _ = encoded(Number("log"), pa.array([-100.0] * 40 + [1.0] * 60))
    assert codec.unit == 100  # where the median of magnitudes is 1


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=20))
def test_whole_numbers_come_back_to_the_last_digit(values):
    codec, U = encoded(Number(), pa.array(values))
    assert codec.decode(U).astype(int).tolist() == values


def test_numbers_that_cannot_be_scaled_are_refused():
    with pytest.raises(ValueError, match=r"column 'c' is infinite in row 1 \(from 0\); give NaN"):
        Facts.of("c", np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match=r"column 'c' is 1e\+200 in row 0"):
        Facts.of("c", np.array([1e200, 1.0]))


# -- facts ------------------------------------------------------------------------------------------------------------

columns = st.one_of(
    st.lists(st.none() | st.floats(-1e6, 1e6), min_size=2, max_size=30),
    st.lists(st.none() | st.integers(-5, 5), min_size=2, max_size=30),
    st.lists(st.none() | st.sampled_from("abcd"), min_size=2, max_size=30),
    st.lists(st.none() | st.booleans(), min_size=2, max_size=30),
    st.lists(st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), min_size=2, max_size=30),
)


@given(columns, st.data(), st.sampled_from([2, 3, 1000]))
def test_facts_of_two_parts_are_those_of_the_whole(values, data, limit):
    at = data.draw(st.integers(0, len(values)))
    column = pa.array(values)
    whole = Facts.of("c", column, limit=limit)
    both = Facts.of("c", column[:at], limit=limit).joined(Facts.of("c", column[at:], limit=limit))
    for name in ("type", "rows", "missing", "low", "high", "step"):
        assert getattr(both, name) == getattr(whole, name), name
    assert both.levels == whole.levels
    assert_allclose([both.mean, both.deviation], [whole.mean, whole.deviation], rtol=1e-9, atol=1e-6)


def test_quantiles_of_two_parts_are_near_those_of_the_whole():
    x = np.random.default_rng(0).normal(size=20_000)
    parts = [Number("quantile").facts("c", part) for part in (x[:3000], x[3000:])]
    shares = np.linspace(0.05, 0.95, 19)
    ranks = np.searchsorted(np.sort(x), parts[0].joined(parts[1]).quantile(shares)) / len(x)
    assert np.abs(ranks - shares).max() < 0.02


def test_a_column_of_two_types_is_no_column():
    with pytest.raises(ValueError, match="holds numbers in some rows and dates in others; make them one"):
        Facts.of("c", pa.array([1.0])).joined(Facts.of("c", TIMES))


# -- levels -----------------------------------------------------------------------------------------------------------


def test_a_new_level_has_the_number_after_the_last_and_the_chance_of_good_and_turing():
    codec, _ = encoded(Category(), pa.array(["x", "x", "x", "y", "z"]))
    _, U = encoded(None, pa.array(["z", "new", None, "x"]), codec)
    assert_array_equal(U[:, 0], [2, 3, np.nan, 0])
    assert codec.decode(U) == ["z", None, None, "x"]
    [variable] = codec.variables
    assert (variable.levels, variable.unseen) == (3, 3 / 7)


@pytest.mark.parametrize(
    "values",
    [
        np.array([3.0, 1.0, np.nan, 2.0, 3.0]),
        pa.array([3, 1, None, 2, 3]),
        pa.array([3, 1, None, 2, 3]).dictionary_encode(),
        pa.array(["c", "a", None, "b", "c"], pa.large_string()),
        pa.array(["c", "a", None, "b", "c"], pa.string_view()),
    ],
    ids=["numpy", "integers", "dictionary", "large text", "views"],
)
@pytest.mark.parametrize("kind", [Category(), Hashed()], ids=repr)
def test_categories_may_be_numbers(kind, values):
    codec, U = encoded(kind, values)
    assert np.isnan(U[:, 0]).tolist() == [False, False, True, False, False]
    assert len({*U[[0, 1, 3], 0]}) == 3
    if kind == Hashed():
        known = values.tolist() if isinstance(values, np.ndarray) else values.to_pylist()
        back = codec.decode(U[[0, 1, 3]])
        assert [float(b) if b not in "abc" else b for b in back] == [known[i] for i in (0, 1, 3)]
    if kind == Category():
        assert plain(codec.decode(U)) == plain(values if isinstance(values, np.ndarray) else values.to_pylist())


def test_whole_numbers_beyond_float64_are_levels_too():
    _, U = encoded(Constant(), pa.array([2**60, 2**60 + 1]))
    assert U.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Category(), [str(i) for i in range(1001)], r"more than 1000 levels.* hash it, as schema={'c': 'hashed'}"),
        (Category(limit=3), [1, 2, 3, 4], "more than 3 levels"),
        (Category(), [dt.date(2020, 1, 1)], "declare it as date"),
        (Binary(), ["a", "b", "c"], "more than two levels"),
        (Constant(), ["a", "b"], "is declared as constant, but is not"),
        (Count(), [0.5, 1.0], "holds fractions; declare it as number"),
        (Count(), [-1, 1], "holds -1; declare it as number"),
        (
            Number(),
            ["a"],
            r"declared as number, but holds text: 1 of 1 values are no numbers, the first 'a' in row 0 \(from 0\)",
        ),
        (Number(), [dt.date(2020, 1, 1)], "declared as number, but holds dates"),
        (Date(), [1, 2], "declared as date, but holds int64"),
        (Date(), ["2020-01-01", "soon"], r"holds 'soon' in row 1 \(from 0\), which is no date like 2024-12-31"),
        (Date("%d.%m.%Y"), ["31.02.2020"], r"no date of the form '%d.%m.%Y'"),
    ],
)
def test_a_column_that_its_kind_cannot_hold_is_refused(kind, values, message):
    with pytest.raises(ValueError, match=message):
        kind.codec("c", kind.facts("c", pa.array(values)))


def test_more_levels_are_taken_where_they_are_asked_for():
    column = pa.array([str(i) for i in range(1500)])
    assert encoded(Category(limit=2000), column)[0].variables[0].levels == 1500


def test_a_bucket_comes_back_as_its_most_frequent_text_also_of_very_many():
    column = pa.array([f"user {i}" for i in range(20_000)] + ["often"] * 3)
    codec, U = encoded(Hashed(16), column)
    assert U.min() == 0 and U.max() == 15
    assert codec.decode(U)[-1] == "often" and None not in codec.decode(U)


@pytest.mark.parametrize(("value", "reason"), [(-1.0, "holds -1"), (0.5, r"holds 0\.5")])
def test_what_is_no_count_is_refused_in_use(value, reason):
    codec, _ = encoded(Count(), pa.array([1, 2, 3]))
    with pytest.raises(ValueError, match=rf"column 'c' counts, but row 1 \(from 0\) {reason}"):
        encoded(None, np.array([np.nan, value]), codec)


def test_iso_dates_are_read_beside_any_format_that_they_cannot_be_taken_for():
    texts = ["31.12.2024", "2024-12-31", "2024-12-31 23:59", "2024-12-31T23:59:59.5", None]
    seconds = parsed("x", pa.array(texts), "%d.%m.%Y").cast(pa.int64()).to_pylist()
    day = 1_735_603_200 * 10**6
    assert seconds == [day, day, day + 86_340 * 10**6, day + 86_399_500_000, None]
    for text, format in (("2024-02-31", "%d.%m.%Y"), ("2024-08-13", "%Y-%d-%m"), ("2024-8-1", "%d.%m.%Y")):
        with pytest.raises(ValueError, match=f"no date of the form '{format}'"):
            parsed("x", pa.array([text]), format)


# -- dates ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.dates(), min_size=1, max_size=9))
def test_days_of_any_year_come_back(days):
    codec, U = encoded(Date(), pa.array(days))
    assert codec.decode(U).astype("datetime64[D]").tolist() == days


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_resolution_is_read_as_seconds(unit):
    column = TIMES.cast(pa.timestamp(unit))
    assert_array_equal(encoded(Date(), column)[1], encoded(Date(), TIMES)[1])


def test_angles_are_those_of_the_clock_and_the_calendar():
    monday, sunday = dt.datetime(2024, 1, 1, 6), dt.datetime(2026, 3, 1, 18)
    codec, U = encoded(Date(), pa.array([monday, sunday]))
    assert [v.name for v in codec.variables] == ["c", "c in the year", "c in the week", "c in the day"]
    assert_allclose(U[:, 3], [-np.pi / 2, np.pi / 2], atol=1e-9)
    assert_allclose(U[:, 2], 2 * np.pi * np.array([0.25 / 7, 6.75 / 7]) - np.pi, atol=1e-9)


def test_days_have_no_angle_in_the_day_whatever_their_mean_is():
    halves = pa.array(
        [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 12), dt.datetime(2020, 1, 2, 12), dt.datetime(2020, 1, 3)]
    )
    assert len(encoded(Date(), halves)[0].variables) == 2
    assert len(encoded(Date(), pa.array([dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 4)]))[0].variables) == 1


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Date(), ["2020-01-31", None, "1999-12-01"]),
        (Date(), ["2020-01-31 23:59:58", None, "1999-12-01 00:00:00"]),
        (Date("%d.%m.%Y"), ["31.01.2020", None, "01.12.1999"]),
    ],
)
def test_dates_that_came_as_text_go_back_as_text(kind, texts):
    codec, U = encoded(kind, pa.array(texts))
    assert codec.decode(U) == texts


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_times_far_beyond_the_rows_are_the_last_that_there_are(unit):
    codec, _ = encoded(Date(), TIMES.cast(pa.timestamp(unit)))
    back = codec.decode(np.array([[1e300], [-1e300], [np.nan]]).repeat(len(codec.variables), 1))
    assert np.isnat(back[2])
    cast = pa.array(back, mask=np.isnat(back)).cast(pa.timestamp(unit))  # nothing overflows
    assert cast[0].as_py() > dt.datetime(2200, 1, 1) and cast[1].as_py() < dt.datetime(1700, 1, 1)
