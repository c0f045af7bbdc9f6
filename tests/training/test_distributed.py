"""A fit on several processes is the fit of one, survives the loss of a process, and says what went wrong in one."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import faults
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sharing
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data import stream
from isthmus.data.shuffle import Shuffled
from isthmus.noise import Noise
from isthmus.records import Rows
from isthmus.training import job, launch
from isthmus.training.distributed import Devices
from isthmus.training.group import Group

TESTS = Path(__file__).parents[1]
NUMBERED = 2003
# A loaded machine may keep a process waiting for a while.
PATIENT = Devices(2, timeout=60.0, restarts=5)


def identical(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def apart(a, b):
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


# -- what needs no other process ---------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), st.integers(1, 3), st.integers(0, 99))
def test_a_share_of_noise_is_a_slice_of_the_whole(rows, before, after, draws, seed):
    whole, like = before + rows + after, torch.zeros(draws * rows, 3, dtype=torch.float64)
    for draw in ("uniform", "normal"):
        expected = getattr(Noise(seed).branch(5).at(2), draw)(torch.zeros(draws * whole, 3, dtype=torch.float64))
        expected = expected.view(draws, whole, 3)[:, before : before + rows].reshape(-1, 3)
        assert torch.equal(getattr(Noise(seed).share(before, rows, whole).branch(5).at(2), draw)(like), expected)


def test_a_share_of_noise_draws_alike_for_what_is_no_row():
    one, other = Noise(0).share(0, 2, 5), Noise(0).share(2, 3, 5)
    assert torch.equal(one.uniform(torch.zeros(())), other.uniform(torch.zeros(())))
    assert torch.equal(one.permutation(7), other.permutation(7))


@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 40), st.integers(0, 9))
def test_shares_of_rows_make_the_batches_of_one_process(size, steps, more, seed):
    rows = Rows(torch.arange(steps * size + more, dtype=torch.float64)[:, None], weight=torch.rand(steps * size + more))
    parts = [[(b.x.clone(), b.weight, b.among) for b in rows.shares(Noise(seed), steps, r, size)] for r in range(size)]
    for i, batch in enumerate(rows.batches(Noise(seed), steps)):
        assert torch.equal(torch.cat([part[i][0] for part in parts]), batch.x)
        assert torch.equal(torch.cat([part[i][1] for part in parts]), batch.weight)
        ends = np.cumsum([0, *(len(part[i][0]) for part in parts)])
        assert [part[i][2] for part in parts] == [(first, len(batch.x)) for first in ends[:-1]]


@given(st.integers(1, 4), st.integers(3, 12), st.integers(0, 9), st.integers(1, 40))
def test_shares_of_a_stream_are_all_rows_once(size, steps, epoch, held):
    x = np.arange(600, dtype=np.float32)[:, None]
    source = Shuffled(stream(x, window_bytes=4 * 256), lambda rows, dtype: rows.astype(dtype), (1,))
    rest, _ = source.split(torch.arange(0, 600, 600 // held))
    parts = [[(b.x.clone(), b.among) for b in rest.shares(Noise(0).at(epoch), steps, r, size)] for r in range(size)]
    assert sorted(torch.cat([x for part in parts for x, _ in part]).flatten().tolist()) == sorted(
        set(range(600)) - set(rest.held.tolist())
    )
    for step in zip(*parts, strict=True):
        firsts = np.cumsum([0, *(len(x) for x, _ in step)])
        assert [among for _, among in step] == [(first, firsts[-1]) for first in firsts[:-1]]
    assert 0.5 < rest.quality <= 1.0


def test_a_stream_of_few_blocks_is_refused():
    source = Shuffled(stream(np.zeros((4, 2), np.float32), window_bytes=16), lambda rows, _: rows, (2,))
    with pytest.raises(ValueError, match=r"has 4 blocks, too few for 5 workers; write it with smaller row groups"):
        next(source.shares(Noise(0), 1, 0, 5))


def test_a_job_maps_what_is_large_and_lies_in_files(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40_000.0).reshape(-1, 4))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tensor = torch.arange(40_000.0)
    job.write(tmp_path / "job", [mapped[10:], tensor, [tensor, np.ones(3)], np.arange(40_000), mapped[:, 1]])
    part, mine, (same, small), array, column = job.read(tmp_path / "job")
    assert Path(part.filename) == tmp_path / "x.npy" and np.array_equal(part, mapped[10:])
    assert same is mine and torch.equal(mine, tensor) and np.array_equal(array, np.arange(40_000))
    assert np.array_equal(column, mapped[:, 1]) and np.array_equal(small, np.ones(3))
    assert (tmp_path / "job").stat().st_size < 2000
    mine += 1  # what a process writes is its own
    assert torch.equal(job.read(tmp_path / "job")[1], tensor)


def test_what_workers_cannot_be_given_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="use parts and callbacks that can be pickled"):
        job.write(tmp_path / "job", threading.Lock())
    monkeypatch.setattr(faults.Wrong, "__module__", "__main__")
    with pytest.raises(ValueError, match="Wrong is defined in the script that runs"):
        job.write(tmp_path / "job", faults.Wrong())


@pytest.mark.parametrize(
    ("settings", "told"), [({"count": 0}, "count=0"), ({"restarts": -1}, "restarts=-1"), ({"timeout": 0}, "timeout=0")]
)
def test_settings_without_meaning_are_refused(settings, told):
    with pytest.raises(ValueError, match=f"Devices: {told}"):
        Devices(**{"count": 2, **settings})


def test_a_process_alone_divides_nothing():
    with pytest.raises(ValueError, match="one process has nothing to divide with others; use engine='auto', or dev"):
        sharing.model(engine="sharded").fit(sharing.rows())


def test_a_process_alone_says_nothing_to_others():
    assert Group().either(True, torch.ones(())) and not Group().either(False, torch.ones(()))
    assert Group().told(3) == 3 and Group().gathered(3) == [3] and Group().ends(True, torch.ones(()))


def test_an_exception_of_a_worker_keeps_its_type_where_it_is_of_python():
    found = {"rank": 1, "message": "too hot", "traceback": "line 3"}
    error = launch.told({**found, "type": "ValueError"}, 2)
    assert type(error) is ValueError and str(error) == "too hot" and "worker 1 of 2" in error.__notes__[0]
    error = launch.told({**found, "type": "Odd"}, 2)
    assert type(error) is RuntimeError and str(error) == "worker 1 of 2 failed with Odd: too hot"


def test_one_device_is_this_process():
    a, b = sharing.model().fit(sharing.rows()), sharing.model().fit(sharing.rows(), devices=1)
    assert identical(sharing.found(a), sharing.found(b))


# -- two processes that somebody started -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return what two processes found that torchrun has started."""
    folder = tmp_path_factory.mktemp("both")
    x = np.arange(NUMBERED, dtype=np.float32)
    pq.write_table(pa.table({"a": x, "b": 0 * x}), folder / "numbered.parquet", row_group_size=37)
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run([*torchrun, TESTS / "sharing.py", folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.long
@pytest.mark.parametrize("name", sharing.FITS)
def test_two_processes_come_to_the_weights_of_one(both, name):
    assert apart(sharing.found(sharing.FITS[name]()), both[0][name]) < 1e-9


@pytest.mark.long
@pytest.mark.parametrize("name", sharing.IN_PARTS)
def test_shares_in_micro_batches_come_to_the_weights_of_one(both, name):
    assert apart(sharing.found(sharing.FITS[name]()), both[0][f"{name}, in parts"]) < 1e-9


@pytest.mark.long
@pytest.mark.parametrize("name", [*sharing.SHARDED, "in parts", "resumed", "now and then"])
def test_divided_weights_come_to_those_of_one(both, name):
    if name == "resumed":
        one = both[0]["sharded, uninterrupted"]
    elif name == "now and then":
        one = sharing.now_and_then("autograd")
    else:
        one = sharing.found(sharing.FITS["corruption" if name == "in parts" else name]())
    assert apart(one, both[0][f"{name}, sharded"]) < 1e-9


@pytest.mark.long
@pytest.mark.parametrize("name", ["single precision", "bf16"])
def test_divided_weights_of_fewer_digits_are_near_those_of_one(both, name):
    one = sharing.found(sharing.NEAR[name]())
    assert torch.allclose(both[0][f"{name}, sharded"]["loss"], one["loss"], rtol=0.01)
    assert identical(both[0][f"{name}, sharded"], both[1][f"{name}, sharded"])


@pytest.mark.long
def test_a_task_that_was_divided_has_no_trace_of_it(both):
    for found in both:
        assert found["engine, sharded"] == "sharded (asked for)" and found["traces"] == []
        assert identical(found["plain"], found["saved"])


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [*sharing.FITS, *sharing.NEAR, "unseeded", "stream", "rolled back", "rolled back, sharded"]
)
def test_all_processes_hold_the_same(both, name):
    assert identical(both[0][name], both[1][name])


@pytest.mark.long
@pytest.mark.parametrize("name", sharing.NEAR)
def test_a_repeated_fit_is_the_same_in_every_bit(both, name):
    assert identical(both[0][name], both[0][f"{name}, again"])
    one = sharing.found(sharing.NEAR[name]())
    assert torch.allclose(both[0][name]["loss"], one["loss"], rtol=0.1)


@pytest.mark.long
def test_every_row_of_a_stream_is_seen_once_an_epoch(both):
    for epoch in range(2):
        parts = []
        for found in both:
            ends = [-1, *found["seen"].isnan().nonzero().flatten().tolist()]
            parts.append(found["seen"][ends[epoch] + 1 : ends[epoch + 1]].tolist())
        seen = sorted(parts[0] + parts[1])
        assert len(seen) == len(set(seen)) and min(map(len, parts)) > 0.4 * len(seen)
        # Held out are a tenth, or what a quarter of a window holds.
        assert len(seen) == NUMBERED - 25


@pytest.mark.long
def test_processes_say_what_they_cannot_do_together(both):
    for found in both:
        told = found["refused"]
        assert "worker 1 has another fit than worker 0: rows.content" in told["unlike"]
        assert "the kernel is for one process; use engine='auto'" in told["kernel"]
        assert "raise batch_size, or use fewer devices" in told["crumbs"]
        assert "leave devices out and the fit joins them" in told["workers"]
        assert "keeps moments in pieces, which a callback asks to change (Resampling does)" in told["atoms"]
        assert "engine='sharded' cannot run this fit: LBFGS looks at all weights at once" in told["all at once"]
        assert found["engine"] == "explicit (the kernel is for one process)"
    assert not identical(both[0]["alone"], both[1]["alone"])
    for name in ("rolled back", "rolled back, sharded"):
        assert both[0][name]["times"].tolist() == [5, 5, 5]


# -- workers that a fit starts -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_workers_find_what_processes_started_otherwise_find(both, untouched_generators):
    before = signal.getsignal(signal.SIGTERM), dict(os.environ)
    fitted = sharing.model(corruption=sharing.GaussianNoise(0.2)).fit(sharing.rows(), devices=PATIENT)
    assert identical(sharing.found(fitted), both[0]["corruption"])
    assert (signal.getsignal(signal.SIGTERM), dict(os.environ)) == before
    one = sharing.FITS["corruption"]()
    assert np.allclose(one.transform(sharing.rows()), fitted.transform(sharing.rows()), atol=1e-9)
    assert fitted.n_iter_ == one.n_iter_ and fitted.parts_ == one.parts_


@pytest.mark.long
def test_callbacks_are_called_once_and_end_the_fit_of_all_which_goes_on_elsewhere(tmp_path):
    heard, begun = faults.Heard(tmp_path / "heard"), {"checkpoint": tmp_path / "checkpoint"}
    fitted = sharing.model(epochs=9).fit(sharing.rows(), devices=PATIENT, callbacks=[heard], **begun)
    assert (tmp_path / "heard").read_text().split("\n")[:-1] == ["0 1", "0 2"]
    assert fitted.n_iter_ == 2 and heard.epochs == [1, 2]
    on_one = sharing.model(epochs=9).fit(sharing.rows(), **begun)
    assert apart(sharing.found(on_one), sharing.found(sharing.model(epochs=9).fit(sharing.rows()))) < 1e-9


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "engine"),
    [
        (signal.SIGKILL, "auto"),
        (signal.SIGSTOP, "auto"),
        (signal.SIGKILL, "sharded"),
    ],
)
def test_a_lost_worker_costs_time_and_nothing_else(tmp_path, number, engine):
    flag, save_to = tmp_path / "flag", tmp_path / "checkpoint"

    def fit(engine, **settings):
        trainer = {"epochs": 4, "corruption": sharing.GaussianNoise(0.1), "engine": engine}
        fitted = sharing.model(**trainer).set_params(trainer__checkpoint_seconds=0.0)
        return sharing.found(fitted.fit(sharing.rows(), **settings))

    found = fit(engine, devices=PATIENT, callbacks=[faults.Fault(flag, number)], checkpoint=save_to)
    assert flag.exists() and apart(fit("auto"), found) < 1e-9


@pytest.mark.long
def test_what_fails_in_a_worker_is_raised_here(tmp_path):
    fitted = sharing.model()
    with pytest.raises(ValueError, match="the moon is full; wait for another one") as caught:
        fitted.fit(sharing.rows(), devices=PATIENT, callbacks=[faults.Wrong()])
    assert caught.value.__notes__[0].startswith("in worker 1 of 2:\nTraceback") and not hasattr(fitted, "objective_")
