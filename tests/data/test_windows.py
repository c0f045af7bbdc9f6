"""Windows of a series as a loop would cut them, and their values back at the points that they came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import Autoencoder, Trainer
from isthmus.architecture.conv import Conv
from isthmus.data import Windows

RNG = np.random.default_rng(0)


@st.composite
def cases(draw):
    """Draw windows and the length of a series that has at least one."""
    size = draw(st.integers(1, 12))
    return Windows(size, draw(st.integers(1, size))), draw(st.integers(size, 60))


def starts(windows, length):
    """Walk along the series; what is left in the end gets a window of its own."""
    found, start = [], 0
    while start + windows.size <= length:
        found.append(start)
        start += windows.stride
    return found if found[-1] + windows.size == length else [*found, length - windows.size]


@given(cases(), st.integers(1, 3), st.sampled_from([np.float32, np.float64, np.int16]))
def test_windows_are_those_of_a_loop(case, channels, dtype):
    windows, length = case
    series = RNG.integers(-1000, 1000, size=(length, channels)).astype(dtype)
    expected = np.array([series[start : start + windows.size].T for start in starts(windows, length)])
    found = windows.cut(series)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(windows.cut(series[:, 0]), expected[:, :1])
    np.testing.assert_array_equal(series[windows.points(length)].swapaxes(1, 2), expected)
    assert windows.count(length) == len(windows.starts(length)) == len(expected)


@given(cases(), st.sampled_from([(), (1,), (3,)]))
def test_spread_is_the_mean_over_the_windows_that_cover_a_point(case, channels):
    windows, length = case
    first = starts(windows, length)
    values = RNG.normal(size=(len(first), *channels, windows.size))
    found = windows.spread(values, length)
    assert found.shape == (length, *channels)
    for point in range(length):
        covering = [values[w, ..., point - s] for w, s in enumerate(first) if s <= point < s + windows.size]
        np.testing.assert_allclose(found[point], np.mean(covering, axis=0), rtol=1e-12, atol=1e-12)
    per_window = values[..., 0].reshape(len(first), -1)[:, 0]
    everywhere = np.repeat(per_window[:, None], windows.size, axis=1)
    np.testing.assert_array_equal(windows.spread(per_window, length), windows.spread(everywhere, length))


@given(cases(), st.integers(1, 3))
def test_what_is_cut_spreads_to_the_series(case, channels):
    windows, length = case
    series = RNG.normal(size=(length, channels))
    np.testing.assert_allclose(windows.spread(windows.cut(series), length), series, rtol=1e-12)


@pytest.mark.parametrize(("length", "view"), [(10, True), (13, True), (12, False), (4, True)])
def test_windows_are_a_view_where_the_last_is_not_moved_back(length, view):
    series = RNG.normal(size=(length, 2))
    found = Windows(size=4, stride=3).cut(series)
    assert np.shares_memory(found, series) == view
    assert not (view and found.flags.writeable)


def test_missing_values_stay_in_their_windows_and_points():
    series = np.arange(10.0)
    series[4] = np.nan
    windows = Windows(size=3, stride=3)
    cut = windows.cut(series)
    assert np.isnan(cut).any(axis=(1, 2)).tolist() == [False, True, False, False]
    np.testing.assert_array_equal(windows.spread(cut[:, 0], 10), series)
    assert np.flatnonzero(np.isnan(windows.spread(cut.mean(axis=(1, 2)), 10))).tolist() == [3, 4, 5]


def test_a_convolutional_net_takes_the_windows_as_they_are():
    series = np.sin(np.arange(200)[:, None] / [5.0, 9.0])
    windows = Windows(size=16, stride=4)
    net = Conv(channels=(4,))
    model = Autoencoder(3, architecture=net, trainer=Trainer(epochs=1), random_state=0).fit(windows.cut(series))
    assert windows.spread(model.reconstruct(windows.cut(series)), 200).shape == (200, 2)


def test_windows_are_a_value():
    assert Windows(8) == Windows(size=8, stride=1)
    assert repr(Windows(8, 2)) == "Windows(size=8, stride=2)"
    assert len({Windows(8), Windows(8)}) == 1


def test_refusals():
    for size in (0, -1, 2.5, None, "8", True):
        with pytest.raises(ValueError, match=f"size={size!r} is no number of points; give a whole number from 1 on"):
            Windows(size)
    with pytest.raises(ValueError, match="stride=0 is no number of points"):
        Windows(3, 0)
    with pytest.raises(ValueError, match="stride=4 skips points between windows of size=3; lower it to that"):
        Windows(3, 4)
    windows = Windows(3)
    for refused in (windows.count, windows.starts, windows.points, lambda n: windows.cut(np.ones(n))):
        with pytest.raises(ValueError, match="a series of 2 points is shorter than a window of size=3; give a longer"):
            refused(2)
    with pytest.raises(ValueError, match=r"a series of shape \(9, 1, 1\) has no one axis of time"):
        windows.cut(np.ones((9, 1, 1)))
    for shape in ((), (6,), (7, 4), (3, 7), (7, 1, 1, 3)):
        with pytest.raises(ValueError, match="do not fit the 7 windows of 9 points; give"):
            windows.spread(np.ones(shape), 9)
