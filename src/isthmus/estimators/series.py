"""How an anomaly detector reads a series: through windows that overlap, with answers at points of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from isthmus.atrow import RowError, called
from isthmus.data.codec import TableCodec, facts_of
from isthmus.data.columns.facts import WORDS
from isthmus.data.columns.number import Number
from isthmus.data.frames import framed, refuse_twice
from isthmus.data.schema import declared
from isthmus.data.windows import Windows
from isthmus.estimators import plan
from isthmus.estimators.explanation import CENTRAL, deviations
from isthmus.estimators.forms import keep_columns, schema_of
from isthmus.estimators.inputs import Array
from isthmus.estimators.members import Members, bent
from isthmus.estimators.neighbours import nearest
from isthmus.estimators.reading import Reading
from isthmus.noise import Noise
from isthmus.records import Column, Spec

MOST, HELD, BLOCK, SEGMENTS, PER_WINDOW = 50_000, 4096, 8192, 8, 16

# Indices of pandas whose order is that of time.
TIMES = ("DatetimeIndex", "PeriodIndex", "TimedeltaIndex")

# How far out a value may be that is no anomaly for its level, in widths of what the fit has.
ROOM = 0.5


class Series(Reading):
    """A series of one channel or several: rows are points of time, and members see windows of them.

    A window is channels times points, read entry by entry, less its mean in each channel: a level that drifts is no
    anomaly, a jump of it is. (Of eleven series of NAB, every fifth, so read, the mean AUROC of points was 0.716 and 2.0
    % of normal points had p <= 0.01; with levels as they are 0.689 and 3.8 %.) An entry adds to the score of its point,
    which has the mean over the windows that cover it.

    A level is an anomaly where the fit has none near it: a value that is further out than the fit's by more than half
    of their range adds ``h(z)`` to its point, z by how much in units of the channel, h as in :class:`Members`. (Of the
    same series the labelled windows with an alarm became 0.83 instead of 0.71, and points that raise one 2.6 % instead
    of 0.8 %: those of levels that drift to where none was.)

    Args:
        codec: scales channels.
        windows: their size, and how many points lie between two that are scored.
        ranges: least and largest value of every channel in the fit of each member, (members, 2, channels); None knows
            no level.
    """

    by_row: ClassVar[bool] = False

    def __init__(self, codec: TableCodec, windows: Windows, ranges: Array | None = None) -> None:
        """Hold how channels are scaled and windows cut."""
        super().__init__(codec)
        self.windows, self.ranges = windows, ranges

    def begin(self, detector: Any, X: Any) -> Array:
        """Return the channels of a fit, (time, channels)."""
        keep_columns(detector, self.codec, channels(X))
        return self.codec.encode(in_numbers(X))

    def admit(self, detector: Any, X: Any) -> Array:
        """Return the channels of a series like that of the fit, (time, channels).

        Raises:
            ValueError: other channels, points that are not in order of time, or fewer than a window has.
        """
        refuse_disorder(X)
        x = self.codec.encode(in_numbers(X))
        self.windows.count(len(x))
        return x

    def spec(self, x: Array) -> Spec:
        """Describe the entries of windows, channel by channel."""
        columns = tuple(Column(f"{name}+{i}") for name in self.names for i in range(self.windows.size))
        words = frozenset({"kinds", "numbers", "continuous"})
        return Spec((len(columns),), columns, bool(np.isnan(x).any()), len(x), words, table=True)

    def values(self, X: Any) -> Array:
        """Return the numbers of a series as objects, (time, channels)."""
        return super().values(in_numbers(X))

    def _rows(self, x: Array, starts: Array) -> Array:
        """Return windows as rows, channel after channel."""
        found: Array = x[starts[:, None] + np.arange(self.windows.size)]
        return found.transpose(0, 2, 1).reshape(len(starts), -1)

    def _levels(self, rows: Array) -> Array:
        """Return the mean of every channel in every window, at each of its entries; 0 where nothing was seen."""
        apart = rows.reshape(len(rows), -1, self.windows.size)
        seen = np.maximum((~np.isnan(apart)).sum(2), 1)
        return np.repeat(np.nansum(apart, 2) / seen, self.windows.size, axis=1)

    def _read(self, x: Array, starts: Array) -> Array:
        """Return windows as members see them."""
        rows = self._rows(x, starts)
        return rows - self._levels(rows)

    # -- fitting ------------------------------------------------------------------------------------------------------

    def cut(self, x: Array, split: plan.Split) -> tuple[Array, list[Array], list[Array]]:
        """Return the windows of a fit, and by member those that lie within its points and within those held out."""
        size = self.windows.size
        starts = np.arange(0, len(x) - size + 1, 1 + len(x) // MOST)
        self.ranges = np.stack([_range(x[own]) for own in split.fits])
        fits = [_within(starts, own, len(x), size) for own in split.fits]
        held = [_within(starts, own, len(x), size) for own in split.held]
        # Equally many for all, so that they are trained at once.
        least = min(map(len, fits))
        fits = [_some(own, least) for own in fits]
        return self._read(x, starts), fits, [_some(own, HELD) for own in held]

    def doubt(self, members: Members, x: Array, split: plan.Split) -> None:
        """Measure in a block held out of the fit how far off expectations are, as they are asked of windows."""
        block, size = x[split.held[0]][:HELD], self.windows.size
        off = deviations(block - self._hidden(members, block), members.ends[:, ::size])
        members.deviations = np.repeat(off, size)

    def remember(self, members: Members, x: Array, split: plan.Split, noise: Noise) -> tuple[Array, Array]:
        """Return the middles and windows of some, among which those most like others are looked for.

        They do not overlap and are like most.
        """
        starts = _some(Windows(self.windows.size, self.windows.size).starts(len(x)), 2 * plan.REMEMBERED)
        rows = self._read(x, starts)
        low = plan.ordinary(members, rows)
        return starts[low] + self.windows.size // 2, rows[low]

    # -- use ----------------------------------------------------------------------------------------------------------

    def scored(self, members: Members, x: Array) -> tuple[Array, Array]:
        """Return what channels add at every point, (time, channels), and scores by each member alone, by point."""
        (added, alone) = self._over_windows(x, lambda rows: list(members.apart(rows)))
        if self.ranges is not None:
            beyond = np.stack([_beyond(x, own) for own in self.ranges])
            added, alone = added + beyond.mean(0), alone + beyond
        return added, alone.sum(-1)

    def alone(self, members: Members, m: int, x: Array) -> Array:
        """Return the scores of points by one member."""
        (added,) = self._over_windows(x, lambda rows: [members.alone(m, rows)])
        added = added if self.ranges is None else added + _beyond(x, self.ranges[m])
        return added.sum(-1)

    def _over_windows(self, x: Array, ask: Callable[[Array], list[Array]]) -> list[Array]:
        """Return answers about entries of windows, (..., windows, entries), by point, (..., time, channels)."""
        starts, (time, count) = self.windows.starts(len(x)), x.shape
        found: list[Array] = []
        cover = np.zeros(time)
        for start in range(0, len(starts), BLOCK):
            own = starts[start : start + BLOCK]
            answers = [a.reshape(*a.shape[:-1], count, -1) for a in ask(self._read(x, own))]
            found = found or [np.zeros((*a.shape[:-3], time, count)) for a in answers]
            # No two windows have the same point at the same place.
            for place in range(self.windows.size):
                cover[own + place] += 1
                for total, answer in zip(found, answers, strict=True):
                    total[..., own + place, :] += answer[..., place]
        return [total / cover[:, None] for total in found]

    def expected(self, members: Members, x: Array, wanted: Array) -> tuple[Array, Array, Array]:
        """Return what is expected at points where an eighth of a window is hidden there in one channel, and ranges."""
        found = self._hidden(members, x)
        if self.ranges is not None:  # a level that the fit never had is not what is expected
            low, high = self.ranges[:, 0].min(0), self.ranges[:, 1].max(0)
            found = np.where(_beyond(x, np.stack([low, high])) > 0, np.clip(found, low, high), found)
        spread = CENTRAL * members.deviations[:: self.windows.size]
        return found, found - spread, found + spread

    def _hidden(self, members: Members, x: Array) -> Array:
        size, count = self.windows.size, x.shape[1]
        starts = Windows(size, size).starts(len(x))
        rows, found = self._rows(x, starts), np.empty_like(x)
        for c in range(count):  # every segment of a window is hidden once
            for segment in np.array_split(np.arange(size), min(SEGMENTS, size)):
                hidden = rows.copy()
                hidden[:, c * size + segment] = np.nan
                levels = self._levels(hidden)
                told = levels + np.mean([answers.reconstructions(hidden - levels) for answers in members.filling], 0)
                found[starts[:, None] + segment, c] = told[:, c * size + segment]
        return found

    def nearest(self, x: Array, known: Array, numbers: Array) -> Array:
        """Return the middles of the windows of the fit most like the one that each point lies in, (time, 3)."""
        size = self.windows.size
        starts = Windows(size, size).starts(len(x))
        alike = nearest(self._read(x, starts), known, numbers)
        return alike[np.minimum(np.arange(len(x)) // size, len(starts) - 1)]


def series_of(detector: Any, X: Any, noise: Noise) -> tuple[Series, plan.Split]:
    """Return how a series is read, and its points of time divided in blocks.

    Raises:
        ValueError: settings of no meaning, something else than numbers in order of time, or too few points.
    """
    size = detector.window
    windows = Windows(size, 1 if detector.stride is None else detector.stride)
    if detector.stride is None:
        windows = replace(windows, stride=max(1, size // PER_WINDOW))
    if size == 1:
        raise ValueError(
            "window=1 is one point, which is read less its own mean, so that nothing is left; give more, as window=64"
        )
    if detector.shape is not None:
        raise ValueError(f"shape={detector.shape} is of rows, and window={size} of a series; give one of them")
    refuse_disorder(X)
    x = in_numbers(X)
    split = plan.split_in_time(x.shape[0], size, detector.calibration, detector.members, noise)
    # Points that calibrate leave no trace in what scores them, not even in its units.
    frame = framed(plan.without(x, split.calibration))
    schema = declared(frame.names, schema_of(detector))
    facts = facts_of(frame, schema)
    _refuse_words({name: known.type for name, known in facts.items() if name not in schema})
    kinds = {name: schema.get(name, Number()) for name in frame.names}
    codec = TableCodec.of(facts, framed(channels(X)).template(), kinds)  # as files with such points are read
    for column in codec.variables:
        if column.kind != "number":
            raise ValueError(f"column {column.name!r} is a {column.kind}, and series are read as numbers; drop it")
    return Series(codec, windows), split


def _refuse_words(types: Mapping[str, str]) -> None:
    """Refuse channels of something else than numbers.

    Raises:
        ValueError: the first of them, with what it holds.
    """
    for name, held in types.items():
        if held not in ("number", "none"):
            remedy = "points are told by their order: drop it" if held == "date" else "make numbers of it, or drop it"
            raise ValueError(f"a series is read as numbers, and column {name!r} holds {WORDS[held]}; {remedy}")


def in_numbers(X: Any) -> Any:
    """Return a series as a table of channels, truth values as 0 and 1."""
    import narwhals.stable.v2 as nw

    table = channels(X)
    refuse_twice(table)
    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return table
    truths = [column.cast(nw.Int8) for column in frame.iter_columns() if column.dtype == nw.Boolean]
    return frame.with_columns(*truths).to_native() if truths else table


def channels(X: Any) -> Any:
    """Return a series as a table of channels.

    Raises:
        ValueError: more axes than time and channels.
    """
    if len(X.shape) > 2:
        raise ValueError(f"a series of shape {tuple(X.shape)} has more axes than (time, channels); give one series")
    return np.asarray(X).reshape(-1, 1) if len(X.shape) == 1 else X


def refuse_disorder(X: Any) -> None:
    """Refuse a frame or series of pandas whose index has times that are not in order; such that are missing may be.

    Raises:
        ValueError: with the first point that is earlier than the one before.
    """
    index: Any = getattr(X, "index", None)
    if type(index).__name__ not in TIMES:
        return
    known = np.flatnonzero(index.notna())
    times = index[known]
    back = np.flatnonzero(times[1:] < times[:-1])
    if len(back):
        row = int(known[back[0] + 1])
        told = " is of an earlier time than the one before; sort by it: X.sort_index()"
        raise RowError("", row, told, called(row, index))


def _range(x: Array) -> Array:
    """Return the least and the largest value of every channel, (2, channels); of none that was seen no bounds."""
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
    return np.where(np.isnan([low, high]), [[-np.inf], [np.inf]], [low, high])


def _beyond(x: Array, ends: Array) -> Array:
    """Return what values add that are far outside of a range, (time, channels); nothing where one is missing."""
    low, high = ends
    room = ROOM * np.where(np.isfinite(high - low), high - low, 0.0)
    return bent(np.nan_to_num(np.maximum(np.maximum(x - high, low - x) - room, 0.0), posinf=0.0))


def _within(starts: Array, points: Array, length: int, size: int) -> Array:
    """Return the numbers of the windows that have all their points among some."""
    inside = np.zeros(length + 1, dtype=int)
    inside[points + 1] = 1
    total = np.cumsum(inside)
    return np.flatnonzero(total[starts + size] - total[starts] == size)


def _some(numbers: Array, most: int) -> Array:
    """Return at most so many of them, evenly."""
    return numbers if len(numbers) <= most else numbers[np.linspace(0, len(numbers) - 1, most).astype(int)]
