"""Dates with a time zone: angles of local time, and no mixture with dates that have none."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import AnomalyDetector, Trainer
from isthmus.data.codec import TableCodec, facts_of, joined
from isthmus.data.columns.zones import shifts
from isthmus.data.frames import framed
from isthmus.export import Columns

N, ZONE = 300, "America/Los_Angeles"
LIBRARIES = {"pandas": lambda X: X, "polars": pl.from_pandas, "pyarrow": lambda X: pa.Table.from_pandas(X)}


def rows():
    """Return 300 minutes of two and a half years, as instants in a zone."""
    minutes = np.random.default_rng(0).integers(0, 900 * 24 * 60, N)
    when = pd.Series(pd.Timestamp("2021-01-01") + pd.to_timedelta(minutes, unit="m"))
    return pd.DataFrame({"when": when.dt.tz_localize("UTC").dt.tz_convert(ZONE)})


ZONED = rows()
LOCAL = ZONED.assign(when=ZONED.when.dt.tz_localize(None))


@pytest.mark.parametrize("zone", [ZONE, "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe", "UTC", "-03:30"])
def test_changes_of_local_time_are_those_of_the_zone(zone):
    times = np.random.default_rng(0).integers(-2_000_000_000, 4_000_000_000, 2000)
    turns, ahead = shifts(zone)
    local = None if zone[0] == "-" else ZoneInfo(zone)
    wanted = [datetime.fromtimestamp(time, local).utcoffset().total_seconds() if local else -12600 for time in times]
    assert_array_equal(np.asarray(ahead)[np.searchsorted(turns, times, side="right")], wanted)
    for turn in turns[-6:]:
        before, after = (datetime.fromtimestamp(turn - early, UTC).astimezone(local) for early in (1, 0))
        assert before.utcoffset() != after.utcoffset()


def test_a_zone_that_nobody_knows_is_named():
    with pytest.raises(ValueError, match="the time zone 'Mars/Base' is unknown here; name it as Europe/Berlin"):
        shifts("Mars/Base")


@pytest.mark.parametrize("library", LIBRARIES)
def test_angles_are_those_of_local_time_and_instants_come_back(library):
    made = LIBRARIES[library]
    codec, local = TableCodec.fit(made(ZONED)), TableCodec.fit(made(LOCAL))
    found = codec.encode(made(ZONED))
    assert len(codec.variables) == 4
    assert_allclose(found[:, 1:], local.encode(made(LOCAL))[:, 1:], atol=1e-9)
    back = codec.decode(found, made(ZONED))
    assert back.equals(made(ZONED))
    for zone in ("UTC", "Asia/Tokyo"):  # the same instants
        for other in LIBRARIES.values():
            assert_array_equal(codec.encode(other(ZONED.assign(when=ZONED.when.dt.tz_convert(zone)))), found)


@pytest.mark.parametrize("library", LIBRARIES)
def test_dates_with_a_zone_and_without_are_not_mixed(library):
    made = LIBRARIES[library]
    with pytest.raises(ValueError, match=r"'when' was dates without a time zone in the fit and has one \(America/L"):
        TableCodec.fit(made(LOCAL)).encode(made(ZONED))
    zoned = TableCodec.fit(made(ZONED))
    for ask in (zoned.encode, zoned.cells):
        with pytest.raises(
            ValueError, match=r"with a time zone \(America/Los_Angeles\) in the fit and has none now; say"
        ):
            ask(made(LOCAL))
    with pytest.raises(ValueError, match="'when' holds dates with a time zone in some rows and without in others"):
        joined(facts_of(framed(made(ZONED))), facts_of(framed(made(LOCAL))))
    text = LOCAL.assign(when=LOCAL.when.astype(str))
    with pytest.raises(ValueError, match="has none now"):
        zoned.encode(made(text))
    zoned.encode(made(ZONED.assign(when=None)))  # what is missing has no zone


def test_a_saved_codec_keeps_the_zone_and_an_older_one_reads_as_it_did():
    codec = TableCodec.fit(ZONED)
    saved = json.loads(json.dumps(codec.to_dict()))
    assert_array_equal(TableCodec.from_dict(saved).encode(ZONED), codec.encode(ZONED))
    for name in ("zone", "turns", "ahead"):
        del saved["columns"][0][name]
    older, utc = TableCodec.from_dict(saved), ZONED.assign(when=ZONED.when.dt.tz_convert("UTC").dt.tz_localize(None))
    for X in (ZONED, utc):
        assert_allclose(older.encode(X), TableCodec.fit(utc).encode(utc), atol=1e-9)


def test_graphs_know_local_time_too():
    X = ZONED.assign(other=ZONED.when.dt.tz_convert("Europe/Berlin"), plain=LOCAL.when)
    X.loc[3, "when"] = pd.NaT
    codec = TableCodec.fit(X)
    found = Columns(codec).variables(torch.from_numpy(codec.cells(X))).numpy()
    assert_allclose(found, codec.encode(X), atol=1e-9)


def test_explanations_tell_expected_dates_in_the_zone():
    detector = AnomalyDetector(members=2, trainer=Trainer(epochs=1), random_state=0).fit(ZONED)
    why = detector.explain(ZONED[:2])
    for told in (why.values, why.expected, why.low, why.high):
        assert told[0, 0].utcoffset() == told[0, 0].astimezone(ZoneInfo(ZONE)).utcoffset()
