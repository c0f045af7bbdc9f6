"""Rows on disk: what a stream reads is what the readers read, every epoch visits every row once, in a drawn order."""

import threading
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from numpy.testing import assert_allclose

from isthmus.data import Scaling, read, stream
from isthmus.data.arrays import Moments
from isthmus.data.shuffle import Shuffled, quality, windows
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


def table(X, names=None):
    return pa.table({name: X[:, i] for i, name in enumerate(names or [f"c{i}" for i in range(X.shape[1])])})


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


def test_a_file_that_is_cut_while_it_is_read_is_named(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, numbered(50))
    opened = stream(path, window_bytes=400)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"x.npy' became shorter while it was read; write it again"):
        list(opened)
