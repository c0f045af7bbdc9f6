"""Fits, scores and answers of a Ray cluster are those of one process, and the loss of a process costs time only.

All that needs a cluster is in this file, which starts one on this machine, once.
"""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import faults
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sharing
import torch
from shells import isthmus as shell

from isthmus import load
from isthmus.cli.progress import Watch
from isthmus.cluster import Ray, connection
from isthmus.cluster.scoring import score
from isthmus.cluster.serving import app, application
from isthmus.parts import Greedy
from isthmus.service.options import Options
from isthmus.training import distributed
from isthmus.training.distributed import Devices

if importlib.util.find_spec("ray") is None:
    pytest.skip("a cluster needs the extra isthmus[ray]", allow_module_level=True)

pytestmark = pytest.mark.long
# Ray's own modules use what their successors deprecate, and leave sockets to the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ON = Ray("auto", 2, timeout=60.0)
SMALL = ("--architecture", "dense:hidden=(16)", "--units", "4", "--epochs", "2", "--limit", "150")
# Columns of the rows that the plain model was not fitted to.
DROPS = ("--drop", "town", "--drop", "other")
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster that this process is connected to; return its address."""
    # Workers, and processes that connect as well, find the modules of the tests.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [before])])
    with connection.connected("local", 3) as started:
        yield started.get_runtime_context().gcs_address
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


def noisy():
    return sharing.model(corruption=sharing.GaussianNoise(0.2))


def same(a, b):
    a, b = sharing.found(a), sharing.found(b)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def together():
    """Return a fit on two workers that the fit starts, which is that of torchrun (tests/training)."""
    return noisy().fit(sharing.rows(), devices=Devices(2, timeout=60.0))


# -- fits --------------------------------------------------------------------------------------------------------------


def test_workers_of_a_cluster_come_to_the_same_bits_and_survive_the_loss_of_one(cluster, together, tmp_path, capfd):
    flag, storage = tmp_path / "flag", tmp_path / "shared"
    on = Ray("auto", 2, timeout=60.0, storage=storage)
    heard = faults.Heard(tmp_path / "heard", last=9)
    callbacks, model = [faults.Fault(flag, signal.SIGKILL), heard], noisy()
    model.set_params(trainer__checkpoint_seconds=0.0)
    fitted = model.fit(sharing.rows(), devices=on, callbacks=callbacks, checkpoint=storage / "checkpoint")
    assert flag.exists() and same(fitted, together)
    # Those that were started anew went on behind the second epoch.
    assert (tmp_path / "heard").read_text().split("\n")[:-1] == ["0 1", "0 2", "0 3"]
    assert heard.epochs[-1] == 3 and [path.name for path in storage.iterdir()] == ["checkpoint"]
    assert capfd.readouterr().out == ""


def test_what_fails_in_a_worker_is_raised_here(cluster):
    fitted = noisy()
    with pytest.raises(ValueError, match="the moon is full; wait for another one") as caught:
        fitted.fit(sharing.rows(), devices=ON, callbacks=[faults.Wrong()])
    assert caught.value.__notes__[0].startswith("in worker 1 of 2:\nTraceback") and not hasattr(fitted, "objective_")


def test_the_shell_fits_on_a_cluster_and_shows_its_own_lines_only(cluster, tmp_path, capfd):
    done = shell("fit", "digits", "-o", tmp_path / "far", *SMALL, "--ray", "auto", "--devices", 2)
    assert done.code == 0, done.err
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["fit", "fit"] and "epoch 2/2" in done.err
    near = shell("fit", "digits", "-o", tmp_path / "near", *SMALL, "--devices", 2, "--quiet")
    assert near.code == 0 and same(load(tmp_path / "far"), load(tmp_path / "near"))
    assert capfd.readouterr().out == ""


# -- scores ------------------------------------------------------------------------------------------------------------


def test_a_driver_and_a_worker_that_are_killed_lose_no_row_and_write_none_twice(cluster, folder, tmp_path):
    rows, far, near = folder / "rows", tmp_path / "far", tmp_path / "near"
    command = [sys.executable, "-m", "isthmus.cli", "score", folder / "detector", rows, "-o", far, "--ray", cluster]
    command += ["--drop", "other"]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: len(list(far.glob("part-*.parquet"))) >= 3 or driver.poll() is not None)
    driver.kill()
    _, errors = driver.communicate()
    first = len(list(far.glob("part-*.parquet")))
    assert 3 <= first < 30, errors.decode()
    killed: list[int] = []
    threading.Thread(target=kill_a_scorer, args=(killed, far, first), daemon=True).start()
    found = score(folder / "detector", rows, far, on=ON, drop=["other"])
    assert killed and first <= found.kept < 30 and (found.rows, found.parts) == (30 * 120, 30)
    again = score(folder / "detector", rows, near, drop=["other"])
    assert again.anomalies == found.anomalies
    a, b = pq.read_table(far), pq.read_table(near)
    assert a.drop_columns(["score", "p_value"]).equals(b.drop_columns(["score", "p_value"]))
    for name in ("score", "p_value"):
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6)
    assert sorted(p.name for p in far.iterdir()) == sorted(p.name for p in near.iterdir())


def until(true, seconds=90.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)


def kill_a_scorer(killed, out, before):
    """Kill a process that scores, once it has written something."""
    until(lambda: len(list(out.glob("part-*.parquet"))) > before + 2)
    until(lambda: killed or scorers_killed(killed))


def scorers_killed(killed):
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # A worker's title is what it is about.
            if (path / "cmdline").read_bytes().startswith(b"ray::") and b"score_parts" in (
                path / "cmdline"
            ).read_bytes():
                os.kill(int(path.name), signal.SIGKILL)
                killed.append(int(path.name))
                return True
    return False


def test_the_shell_scores_on_a_cluster_and_says_what_is_wrong_with_rows(cluster, folder, tmp_path):
    rows, out = tmp_path / "rows", tmp_path / "out"
    rows.mkdir()
    for i in range(2):
        (rows / f"{i}.parquet").symlink_to(folder / "rows" / "0" / f"{3 * i:02}.parquet")
    done = shell("score", folder / "plain", rows / "*.parquet", "-o", out, "--ray", "auto", *DROPS)
    assert (done.code, done.out) == (0, f"{out}: 240 rows in 2 parts\n"), done.err
    assert all(line.startswith("scoring: ") for line in done.err.splitlines()), done.err
    pq.write_table(
        pa.table({"a": ["much"], "b": [1.0], "town": ["Bern"], "c": [2.0], "other": ["n"]}), rows / "9.parquet"
    )
    done = shell("score", folder / "plain", rows, "-o", tmp_path / "other", "--ray", "auto", *DROPS)
    assert done.code == 2 and "9.parquet', rows 1 to 1: " in done.err and len(done.err.splitlines()) == 1


# -- the service -------------------------------------------------------------------------------------------------------


def test_replicas_answer_as_the_models_do(cluster, folder):
    from ray import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        made = application({"odd": folder / "detector", "plain": folder / "plain"}, Options(graphs=False, max_rows=5))
        serve.run(made, route_prefix="/", name="isthmus")
        rows = pq.read_table(folder / "rows" / "0" / "00.parquet").slice(0, 3).select(["a", "b", "town", "c"])
        status, found = asked(port, "/v1/score?model=odd", {"rows": rows.to_pylist()})
        assert status == 200
        np.testing.assert_allclose(found["scores"], load(folder / "detector").anomaly_score(rows), rtol=1e-6)
        numbers = rows.select(["a", "b", "c"])
        inputs = [
            {"name": name, "datatype": "FP64", "shape": [3], "data": numbers[name].to_pylist()}
            for name in numbers.column_names
        ]
        status, found = asked(port, "/v2/models/plain/infer", {"inputs": inputs, "outputs": [{"name": "score"}]})
        assert status == 200 and found["outputs"][0]["name"] == "score"
        expected = load(folder / "plain").score_samples(numbers)
        np.testing.assert_allclose(found["outputs"][0]["data"], expected, rtol=1e-6)
        status, found = asked(port, "/v1/score?model=odd", {"rows": 6 * rows.to_pylist()[:1]})
        assert status == 413 and asked(port, "/v2/health/ready")[1] == {"ready": True}
    finally:
        serve.shutdown()


def asked(port, path, body=None):
    """Return the status and the answer of a request."""
    content = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", content, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_another_cluster_than_the_one_that_is_there_is_refused(cluster):
    with pytest.raises(ValueError, match=f"is connected to the Ray cluster at {cluster}, not to 10.0.0.1:6379"):
        Ray("10.0.0.1:6379").launch(Path(), 1)


def test_applications_without_models_or_with_strange_options_are_refused(folder):
    for given, told in (
        ({}, "needs a model"),
        ({"models": str(folder / "plain"), "replicas": "two"}, "replicas='two' is no number"),
        ({"models": str(folder / "plain"), "replicas": "0"}, "replicas=0 answer nobody"),
        ({"models": str(folder / "plain"), "max_row": "5"}, "there is no option 'max_row'; did you mean 'max_rows'"),
        ({"models": str(folder / "plain"), "graphs": "never"}, "neither true nor false"),
        ({"models": str(folder / "rows")}, "is not a saved model"),
    ):
        with pytest.raises(ValueError, match=told):
            app(given)


def test_a_file_that_somebody_puts_there_interrupts_a_fit_behind_the_epoch(tmp_path):
    (tmp_path / distributed.STOP).touch()
    watch, model = Watch(), sharing.model(epochs=9, pretraining=Greedy(epochs=3))
    model.fit(sharing.rows(), callbacks=[distributed.Until(tmp_path / distributed.STOP), watch])
    assert watch.interrupted and [row["epoch"] for row in model.history_] == [1]
