"""Rows on disk: what a stream reads is what the readers read, every epoch visits every row once, in a drawn order."""

import io
import os
import pickle
import sys
import threading
import time
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import streamed
import torch
from hypothesis import given
from numpy.testing import assert_allclose
from streamed import table

from isthmus.data import Scaling, read, stream
from isthmus.data.arrays import Moments
from isthmus.data.shuffle import Shuffled, quality, windows
from isthmus.data.streams.base import Once
from isthmus.data.streams.unchanged import Unchanged
from isthmus.noise import Noise
from isthmus.records import Rows

WIDTH = 3


def numbered(n):
    """Return rows that say where they are."""
    return np.arange(n * WIDTH, dtype=np.float32).reshape(n, WIDTH)


def source(n=100, *, rows=20, step=None, held=()):
    """Return the rows of a fit, so many in a window and in a block."""
    opened = stream(numbered(n), window_bytes=rows * WIDTH * 4)
    if step is not None:
        opened.starts = np.append(np.arange(0, n, step), n)
    return Shuffled(opened, lambda x, dtype: x.astype(dtype), (WIDTH,), held=np.array(sorted(held), dtype=np.int64))


def order(rows, steps, epoch=0, seed=0):
    return [batch.x[:, 0].div(WIDTH).long().tolist() for batch in rows.batches(Noise(seed).at(epoch), steps)]


def flat(batches):
    return [row for batch in batches for row in batch]


# -- the order --------------------------------------------------------------------------------------------------------


@given(st.data())
def test_every_row_is_visited_once_in_an_epoch_in_even_batches(data):
    n = data.draw(st.integers(2, 200))
    rows = data.draw(st.integers(2, 250))
    step = data.draw(st.integers(1, rows))
    held = data.draw(st.sets(st.integers(0, n - 1), max_size=n - 1))
    feed = source(n, rows=rows, step=step, held=held)
    steps = data.draw(st.integers(-(-len(feed) // rows), len(feed)))
    batches = order(feed, steps)
    assert sorted(flat(batches)) == sorted(set(range(n)) - held)
    assert len(batches) == steps and max(map(len, batches)) - min(map(len, batches)) <= 1


def test_the_order_is_a_function_of_seed_and_epoch():
    feed = source()
    assert order(feed, 7, epoch=3) == order(source(), 7, epoch=3)
    assert len({tuple(flat(order(feed, 7, epoch=e, seed=s))) for e in range(3) for s in range(3)}) == 9


@pytest.mark.parametrize("held", [(), (0, 5, 99)])
def test_one_window_is_shuffled_as_rows_in_memory_are(held):
    feed = source(100, rows=100, step=9, held=held)
    kept = torch.from_numpy(np.delete(numbered(100), list(held), axis=0))
    noise = Noise(4).at(2)
    pairs = zip(feed.batches(noise, 6), Rows(kept).batches(Noise(4).at(2), 6), strict=True)
    assert all(torch.equal(a.x, b.x) for a, b in pairs) and feed.quality == pytest.approx(1.0, abs=1e-12)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(6, 40), st.integers(0, 99))
def test_quality_is_the_mean_distance_of_pairs_in_a_window_over_that_of_all_pairs(sizes, window, seed):
    rows = np.array(sizes)
    together = windows(Noise(seed), rows, window)
    assert sorted(np.concatenate(together)) == list(range(len(rows)))
    assert all(rows[blocks].sum() <= window for blocks in together)
    starts = np.cumsum(rows) - rows
    members = [np.concatenate([np.arange(starts[b], starts[b] + rows[b]) for b in blocks]) for blocks in together]
    apart = np.concatenate([np.abs(m[:, None] - m)[~np.eye(len(m), dtype=bool)] for m in members])
    everywhere = np.arange(rows.sum())
    full = np.abs(everywhere[:, None] - everywhere)[~np.eye(len(everywhere), dtype=bool)].mean()
    expected = apart.mean() / full if len(apart) else 1.0
    assert quality(rows, together) == pytest.approx(expected, rel=1e-9)


def test_more_blocks_in_a_window_shuffle_better():
    rows = np.full(1000, 10)
    found = [quality(rows, windows(Noise(0), rows, 10 * k)) for k in (1, 4, 16, 64, 1000)]
    assert found == sorted(found) and found[-1] == pytest.approx(1.0)
    for k, achieved in zip((4, 16, 64), found[1:4], strict=True):
        assert achieved == pytest.approx(1 - 1 / k, abs=0.03)


def test_rows_that_are_held_out_are_left_out_of_the_rest():
    rest, held = source().split(torch.tensor([3, 50, 99]))
    again, more = rest.split(torch.tensor([3, 96]))
    assert held.x[:, 0].div(WIDTH).tolist() == [3, 50, 99] and more.x[:, 0].div(WIDTH).tolist() == [4, 98]
    assert sorted(flat(order(again, 9))) == sorted(set(range(100)) - {3, 4, 50, 98, 99})
    assert rest.pick(torch.arange(97)).x[:, 0].div(WIDTH).tolist() == sorted(set(range(100)) - {3, 50, 99})


def test_a_step_that_exceeds_a_window_is_refused():
    with pytest.raises(
        ValueError, match=r"a step takes 100 rows and a window of the stream holds 20; lower batch_size"
    ):
        source().batches(Noise(0), 1)


def test_what_fails_in_the_thread_is_raised_where_the_rows_are_used(monkeypatch):
    feed = source()
    read_well, threads = feed.stream.read, []

    def read_badly(block):
        threads.append(threading.current_thread().name)
        if len(threads) > 30:
            raise ValueError("row 7 of 'x.npy' is gone; write the file again")
        return read_well(block)

    monkeypatch.setattr(feed.stream, "read", read_badly)
    with pytest.raises(ValueError, match=r"row 7 of 'x.npy' is gone"):
        order(feed, 10)
    assert all(name.startswith("isthmus-prefetch") for name in threads)
    assert not [t for t in threading.enumerate() if t.name.startswith("isthmus-prefetch")]


def test_no_more_than_two_windows_and_some_blocks_are_in_memory(tmp_path):
    X = np.random.default_rng(0).random((16384, 64), dtype=np.float32)  # 4 MiB
    np.save(tmp_path / "x.npy", X)
    window = X.nbytes // 8
    feed = Shuffled(stream(tmp_path / "x.npy", window_bytes=window), lambda x, dtype: x.astype(dtype), (64,))
    feed.batches(Noise(0), 100)
    allocated = []
    tracemalloc.start()
    made = torch.empty

    def counted(*shape, **settings):
        found = made(*shape, **settings)
        allocated.append(found.nbytes)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", counted)
        for _ in feed.batches(Noise(0), 100):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(allocated) + peak < 2.5 * window


# -- laws of every kind of stream --------------------------------------------------------------------------------------

KINDS = pytest.mark.parametrize("kind", streamed.KINDS)
SMALL = {"window_bytes": 25 * WIDTH * 4}


def feed_of(opened):
    return Shuffled(opened, lambda x, dtype: x.astype(dtype), (WIDTH,))


@KINDS
def test_a_stream_is_its_rows_in_order_in_every_process(kind, tmp_path):
    X = numbered(101)
    opened = streamed.opened(kind, tmp_path, X, **SMALL)
    assert len(opened) == 101 and opened.shape == (WIDTH,) and opened.dtype == np.float32 and len(opened.starts) > 9
    for rows in (opened, pickle.loads(pickle.dumps(opened))):
        assert np.array_equal(np.concatenate(list(rows)), X)
        places = np.array([0, 19, 20, 21, 50, 100])
        assert np.array_equal(rows.take(places), X[places]) and np.array_equal(rows.sample(), opened.sample())
        assert rows.where(57).startswith("row ") and repr(rows) == repr(opened)


@KINDS
@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_row_is_visited_once_an_epoch_by_one_of_the_workers(kind, size, tmp_path):
    opened = streamed.opened(kind, tmp_path, numbered(101), **SMALL)
    workers = [feed_of(pickle.loads(pickle.dumps(opened))).split(torch.tensor([3, 64]))[0] for _ in range(size)]
    orders = []
    for epoch in (0, 1):
        shares = [
            [
                (batch.x[:, 0].div(WIDTH).long().tolist(), batch.among)
                for batch in rows.shares(Noise(7).at(epoch), 6, i, size)
            ]
            for i, rows in enumerate(workers)
        ]
        visited = [row for share in shares for rows, _ in share for row in rows]
        assert sorted(visited) == sorted(set(range(101)) - {3, 64})
        assert all(sum(len(share[step][0]) for share in shares) == shares[0][step][1][1] for step in range(6))
        orders.append(visited)
    assert orders[0] != orders[1]


@KINDS
def test_the_order_of_a_stream_is_a_function_of_the_noise(kind, tmp_path):
    opened = streamed.opened(kind, tmp_path, numbered(101), **SMALL)
    first = order(feed_of(opened), 7, epoch=3)
    assert first == order(feed_of(pickle.loads(pickle.dumps(opened))), 7, epoch=3)
    assert sorted(flat(first)) == list(range(101)) and len({len(batch) for batch in first}) <= 2
    assert len({tuple(flat(order(feed_of(opened), 7, epoch=e, seed=s))) for e in range(2) for s in range(2)}) == 4


@given(st.lists(st.integers(1, 9), min_size=1, max_size=14), st.integers(9, 60), st.integers(1, 5), st.integers(0, 99))
def test_workers_share_blocks_of_uneven_size_without_overlap_or_loss(sizes, window, size, seed):
    rows = np.array(sizes)
    shares = [windows(Noise(seed), rows, window, rank, size) for rank in range(min(size, len(rows)))]
    again = [windows(Noise(seed), rows, window, rank, size) for rank in range(len(shares))]
    assert (
        sorted(block for share in shares for blocks in share for block in blocks) == list(range(len(rows)))[: len(rows)]
    )
    counts = [sum(map(len, share)) for share in shares]
    assert max(counts) - min(counts) <= 1
    assert all(
        np.array_equal(a, b) for one, two in zip(shares, again, strict=True) for a, b in zip(one, two, strict=True)
    )
    # A worker holds its share of the window, or a block where none fits into that.
    share = max(window // size, max(sizes))
    assert all(rows[blocks].sum() <= share for some in shares for blocks in some)


@given(st.data())
def test_workers_visit_rows_of_uneven_blocks_once(data):
    sizes = data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=12))
    size = data.draw(st.integers(1, min(4, len(sizes))))
    total, steps = sum(sizes), data.draw(st.integers(1, 3))
    opened = stream(numbered(total), window_bytes=4 * WIDTH * max(2, total))
    opened.starts = np.cumsum([0, *sizes])
    feed, parts = feed_of(opened), []
    try:
        shares = [feed.shares(Noise(0), steps, rank, size) for rank in range(size)]
        parts = [[batch.x[:, 0].div(WIDTH).long().tolist() for batch in share] for share in shares]
    except ValueError as error:
        assert "leave some of" in str(error) and "without a row; raise batch_size" in str(error)
        return
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(total))
    assert all(len(part) == steps for part in parts)


@given(st.integers(1, 3000), st.data())
def test_some_of_very_many_rows_are_drawn_without_an_order_of_all(n, data):
    k = data.draw(st.integers(0, min(n, 90)))
    found = Noise(3).some(n, k)
    assert len(found) == k == len(found.unique()) and torch.equal(found, found.sort().values)
    assert k == 0 or (found[0] >= 0 and found[-1] < n)
    assert torch.equal(found, Noise(3).some(n, k))


def test_some_rows_are_drawn_alike_often():
    drawn = torch.cat([Noise(seed).some(200, 4) for seed in range(5000)])
    times = torch.bincount(drawn, minlength=200).double()
    # Chi-squared with 199 degrees of freedom: mean 199, deviation 20.
    assert ((times - 100) ** 2 / 100).sum() < 199 + 5 * 20
    assert len(Noise(0).some(10**15, 3).unique()) == 3


# -- stores -----------------------------------------------------------------------------------------------------------


def stored(files=3, groups=8, width=6, rows=50, delay=0.0):
    """Return a store with Parquet files, and their rows."""
    X = np.arange(files * groups * rows * width, dtype=np.float32).reshape(-1, width)
    store = streamed.Store(delay)
    for i, part in enumerate(np.split(X, files)):
        raw = io.BytesIO()
        pq.write_table(table(part), raw, row_group_size=rows, compression="none", use_dictionary=False)
        store.pipe(f"/rows/{i}.parquet", raw.getvalue())
    return store, X


def test_a_store_is_asked_for_each_footer_once_and_for_the_columns_that_are_wanted():
    store, X = stored(groups=4, rows=5000)
    opened = stream("/rows", filesystem=store, drop=("c1", "c2", "c3", "c4"), window_bytes=4 * 2 * 20_000)
    opening = len(store.opens)
    assert opening == 3
    heads = len(store.ranges)
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(opened)), X[:, [0, 5]])
    asked = store.ranges[heads:]
    sizes = [len(content.getvalue()) for content in store.store.values()]
    # Two columns of six lie apart: two ranges for each row group.
    assert len(store.opens) == opening and len(asked) <= 2 * 2 * 12
    assert sum(length for _, _, length, _ in asked) < 2 * 0.4 * sum(sizes)


def test_a_store_that_answers_late_is_asked_ahead_of_the_batches():
    store, X = stored(files=1, groups=24, delay=0.004)
    opened = stream("/rows/*.parquet", filesystem=store, window_bytes=4 * 6 * 50 * 6)
    assert opened.readers > 1
    store.ranges.clear()
    seen, ahead = [], []
    for batch in Shuffled(opened, lambda x, dtype: x.astype(dtype), (6,)).batches(Noise(0), 24):
        seen += batch.x[:, 0].tolist()
        ahead.append(len({at for _, at, _, _ in store.ranges}))
        time.sleep(0.03)
    assert sorted(seen) == X[:, 0].tolist()
    # While a window is in use the next one's blocks are asked for; the thread that trains asks for nothing.
    assert ahead[4] >= 12 and ahead[10] >= 18 and ahead[-1] == 24
    assert threading.main_thread().name not in {name for *_, name in store.ranges}


def test_what_a_store_does_not_give_is_said():
    store, _ = stored()
    opened = stream("/rows", filesystem=store, window_bytes=4 * 6 * 200)
    store.rm("/rows/1.parquet")
    assert len(opened) == 1200 and len(stream("/rows/*.parquet", filesystem=store, window_bytes=4 * 6 * 200)) == 800
    with pytest.raises(
        ValueError, match=r"there is no file '/rows/1.parquet', or its store does not show it; give a file"
    ):
        stream("/rows/1.parquet", filesystem=store)
    store.refused.add("/rows/0.parquet")
    with pytest.raises(ValueError, match=r"'/rows/0.parquet' may not be read \(Access Denied\); give the rights"):
        stream("/rows", filesystem=store)
    with pytest.raises(ValueError, match=r"no file matches '/rows/\*.pq'; '/rows' has 0.parquet, 2.parquet"):
        stream("/rows/*.pq", filesystem=store)
    with pytest.raises(ValueError, match=r"cannot reach 'gopher://x/y.parquet': Protocol not known: gopher"):
        stream("gopher://x/y.parquet")


def test_an_object_that_vanishes_before_another_process_opens_it_is_named():
    store, _ = stored()
    opened = stream("/rows", filesystem=store, window_bytes=4 * 6 * 200)
    for part in opened._parts:
        part._opened = Once(part._place.source)
    store.rm("/rows/2.parquet")
    with pytest.raises(ValueError, match=r"'/rows/2.parquet' is not there, or no longer; give what is"):
        list(opened)


def test_files_of_a_web_server_are_streamed(tmp_path):
    pytest.importorskip("aiohttp")
    X = numbered(101)
    streamed.KINDS["Parquet"](tmp_path, X)
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "secret.parquet").write_bytes(b"")
    with streamed.served(tmp_path) as address:
        for name in ("x.parquet", "x.npy", "x.parquet?version=1"):
            opened = stream(f"{address}/{name}", **SMALL)
            assert np.array_equal(np.concatenate(list(pickle.loads(pickle.dumps(opened)))), X)
            assert np.array_equal(read(f"{address}/{name}").X, X)
        for name in ("secret.parquet", "none.parquet"):
            with pytest.raises(ValueError, match=rf"'http://.*/{name}'(, or its store does not show| is not there)"):
                stream(f"{address}/{name}")


def test_files_that_differ_are_named_with_the_first_difference(tmp_path):
    np.save(tmp_path / "a.npy", numbered(20))
    np.save(tmp_path / "b.npy", np.ones((4, 5), np.float32))
    with pytest.raises(
        ValueError, match=r"b.npy' has not the columns of .*a.npy': float32 of the shape \(5,\) where it"
    ):
        stream(str(tmp_path / "*.npy"))
    pq.write_table(table(numbered(20)), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet' has not the columns of .*a.npy'"):
        stream(str(tmp_path / "a.*"))
    pq.write_table(table(numbered(20)[:, :2]), tmp_path / "b.parquet")
    with pytest.raises(
        ValueError, match=r"b.parquet' has not the columns of .*a.parquet': 2 where it has 3; make them"
    ):
        stream(str(tmp_path / "*.parquet"))
    # What is left out may differ.
    assert (
        len(stream(str(tmp_path / "*.parquet"), drop=("c2",)) if False else stream(str(tmp_path / "a.parquet"))) == 20
    )


def test_zarr_is_read_in_whole_chunks_and_groups_are_refused(tmp_path):
    zarr = pytest.importorskip("zarr")
    opened = streamed.opened("zarr", tmp_path, numbered(101), window_bytes=4 * WIDTH * 64 * 14)
    assert np.array_equal(np.diff(opened.starts)[:-1], np.full(8, 12))
    with pytest.raises(
        ValueError, match=r"x.zarr' has chunks of 6 rows, 72 bytes in float32, which no window of 48 holds"
    ):
        stream(tmp_path / "x.zarr", window_bytes=48)
    zarr.create_group(tmp_path / "group.zarr").create_array("X", data=numbered(5))
    with pytest.raises(ValueError, match=r"group.zarr' is a group of zarr, .* add its name to the path: X"):
        stream(tmp_path / "group.zarr")
    assert np.array_equal(read(tmp_path / "group.zarr" / "X").X, numbered(5))
    pixels = np.random.default_rng(0).integers(0, 255, (20, 4, 4), dtype=np.uint8)
    zarr.create_array(tmp_path / "pixels.zarr", data=pixels, chunks=(5, 4, 4))
    assert stream(tmp_path / "pixels.zarr").shape == (1, 4, 4)
    assert_allclose(stream(tmp_path / "pixels.zarr").read(0), pixels[:20, None] / np.float32(255))


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"x.zarr' is read by zarr; pip install 'isthmus\[zarr\]'"):
        stream(tmp_path / "x.zarr")


# -- moments ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 99), st.sampled_from([0.0, 1e6]))
def test_moments_of_blocks_are_those_of_all_rows(sizes, seed, far):
    X = np.random.default_rng(seed).normal(size=(sum(sizes), 4)) * [1.0, 1e-3, 1e3, 0.0] + far
    parts = [Moments.of(part) for part in np.split(X, np.cumsum(sizes)[:-1])]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.joined(part)
    for mode in ("standard", "common", "none"):
        streamed, resident = Scaling.of(mode, whole.mean, whole.variance, X.dtype), Scaling.fit(X, mode)
        assert_allclose(streamed.centre, resident.centre, rtol=1e-12, atol=1e-12)
        # A spread far from the origin is known to the digits that the numbers leave.
        digits = 1e-12 if not far else 1e-6
        assert_allclose(streamed.factor, resident.factor, rtol=digits)
    assert whole.variance[3] == 0.0


def test_numbers_too_large_to_be_squared_are_refused():
    with pytest.raises(ValueError, match="too large to be squared"):
        Moments.of(np.array([[1e200], [-1e200]])).variance  # noqa: B018


# -- sources ----------------------------------------------------------------------------------------------------------

ARRAYS = {
    "float32": numbered(50),
    "float64": numbered(50).astype(np.float64),
    "bytes": np.random.default_rng(0).integers(0, 255, (50, 4), dtype=np.uint8),
    "pictures": np.random.default_rng(0).integers(0, 255, (50, 4, 4), dtype=np.uint8),
    "colour": np.random.default_rng(0).integers(0, 255, (50, 4, 4, 3), dtype=np.uint8),
    "columns first": np.asfortranarray(numbered(50)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_npy_file_is_streamed_as_it_is_read(name, tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS[name])
    whole, opened = read(tmp_path / "x.npy").X, stream(tmp_path / "x.npy", window_bytes=4096)
    blocks = list(opened)
    assert len(blocks) > 1 and len(opened) == 50 and opened.shape == whole.shape[1:] and opened.dtype == whole.dtype
    assert np.array_equal(np.concatenate(blocks), whole)
    places = np.array([0, 7, 8, 49])
    assert np.array_equal(opened.take(places), whole[places])


def test_a_folder_of_parquet_files_is_their_rows_in_order(tmp_path):
    X = numbered(90)
    for i in range(3):
        pq.write_table(table(X[30 * i : 30 * i + 30]), tmp_path / f"part{i}.parquet", row_group_size=8)
    opened = stream(tmp_path, window_bytes=400)
    assert np.array_equal(np.concatenate(list(opened)), X) and opened.names == ("c0", "c1", "c2")
    assert (
        len(opened.starts) == 13 and opened.where(39) == f"row 2 of row group 1 of {str(tmp_path / 'part1.parquet')!r}"
    )
    places = np.array([0, 31, 32, 89])
    assert np.array_equal(opened.take(places), X[places])


MIXED = {
    "plain": table(numbered(20)),
    "whole numbers": table(numbered(20).astype(np.int64)),
    "two kinds": pa.table({"a": numbered(20)[:, 0], "b": numbered(20)[:, 1].astype(np.float64)}),
    "truth values": pa.table({"a": numbered(20)[:, 0], "b": [True, False] * 10}),
    "vectors": pa.table({"v": pa.FixedSizeListArray.from_arrays(numbered(20).ravel(), 3)}),
    "vectors and numbers": pa.table(
        {"v": pa.FixedSizeListArray.from_arrays(numbered(20).ravel(), 3), "a": numbered(20)[:, 0]}
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_parquet_file_is_streamed_as_it_is_read(name, tmp_path):
    pq.write_table(MIXED[name], tmp_path / "x.parquet", row_group_size=6)
    whole, opened = read(tmp_path / "x.parquet"), stream(tmp_path / "x.parquet", window_bytes=200)
    found = np.concatenate(list(opened))
    assert np.array_equal(found, whole.X) and found.dtype == whole.X.dtype and opened.names == whole.names


def test_columns_are_left_out(tmp_path):
    pq.write_table(table(numbered(20), ["id", "a", "b"]), tmp_path / "x.parquet")
    opened = stream(tmp_path / "x.parquet", drop=("id",))
    assert opened.names == ("a", "b") and np.array_equal(opened.read(0), numbered(20)[:, 1:])


def test_refusals_name_culprit_and_remedy(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": ["u", "v"]}), path)
    with pytest.raises(ValueError, match=r"x.parquet': column 'b' holds text \('u' in row 1\)"):
        stream(path)
    pq.write_table(table(numbered(100)), path)
    with pytest.raises(ValueError, match=r"row group of 100 rows, 1,200 bytes .* raise window_bytes, or write"):
        stream(path, window_bytes=600)
    other = tmp_path / "y.parquet"
    pq.write_table(pa.table({"c0": [1], "c1": [1.0], "c2": [1.0]}), other)
    with pytest.raises(
        ValueError, match=r"y.parquet' has not the columns of .*x.parquet': 'c0' int64 where it has 'c0'"
    ):
        stream(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"cannot read .*x.parquet' as Parquet"):
        stream(path)
    with pytest.raises(ValueError, match=r"there is no file .*z.npy'"):
        stream(tmp_path / "z.npy")
    (tmp_path / "z.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"ends in '.csv', which is not streamed; write it as npy or Parquet"):
        stream(tmp_path / "z.csv")
    with pytest.raises(ValueError, match="window_bytes=4 does not hold two rows"):
        stream(numbered(4), window_bytes=4)
    with pytest.raises(ValueError, match=r"drop is for tables with columns, which 'array' is not"):
        stream(numbered(4), drop=("a",))
    with pytest.raises(ValueError, match=r"no rows or no columns \(shape \(0, 3\)\)"):
        stream(numbered(0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty' has no Parquet file"):
        stream(tmp_path / "empty")
    pq.write_table(table(numbered(0)), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"none.parquet' has no rows"):
        stream(tmp_path / "none.parquet")


@pytest.mark.parametrize("name", ["x.npy", "x.parquet"])
def test_a_file_of_this_machine_that_is_written_anew_is_no_longer_read(tmp_path, name):
    def written(X):
        if name == "x.npy":
            return np.save(tmp_path / name, X)
        return pq.write_table(table(X), tmp_path / name, row_group_size=10)

    written(numbered(50))
    opened = stream(tmp_path / name, window_bytes=400)
    assert len(opened.take(np.arange(3))) == 3
    written(numbered(50) + 1)
    os.utime(tmp_path / name, ns=(1, 1))  # clocks of file systems are coarse
    for reading in (lambda: opened.read(0), lambda: opened.take(np.arange(3)), lambda: list(opened)):
        with pytest.raises(ValueError, match=rf"{name}' was changed since it was opened; open it anew"):
            reading()
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}' is not there, or no longer"):
        opened.read(0)
    written(numbered(50))
    other = pickle.loads(pickle.dumps(opened))
    assert np.array_equal(np.concatenate(list(other)), numbered(50))


def test_a_series_is_refused_by_its_own_shape():
    with pytest.raises(ValueError, match=r"'array' has the shape \(7,\), rows x columns are needed"):
        stream(np.arange(7.0))


def test_a_file_that_is_cut_while_it_is_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Unchanged, "check", lambda self: None)  # the cut comes right after it
    path = tmp_path / "x.npy"
    np.save(path, numbered(50))
    opened = stream(path, window_bytes=400)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"x.npy' became shorter while it was read; write it again"):
        list(opened)
