"""What asks the service, and what is asked of it that is not as it should be."""

import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest

from benchmarks import drift, load, malformed, service

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def server():
    """Answer every request, but once only after half a second."""
    door = socket.create_server(("127.0.0.1", 0))
    stall = threading.Event()

    def talk(link):
        with link:
            while part := received(link):
                for _ in range(part.count(b"\r\n\r\n")):
                    if stall.is_set():
                        stall.clear()
                        time.sleep(0.5)
                    with contextlib.suppress(OSError):
                        link.sendall(ANSWER[:20])
                        link.sendall(ANSWER[20:])

    def received(link):
        try:
            return link.recv(1 << 16)
        except OSError:  # it went with an answer under way
            return b""

    def listen():
        while True:
            try:
                link, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(link,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    yield door.getsockname()[1], stall
    door.close()


def test_at_a_fixed_rate_time_counts_from_when_a_request_was_to_be_sent(server, monkeypatch):
    monkeypatch.setattr(load, "WARM", 0.0)
    port, stall = server
    stall.set()
    found, statuses, _ = load.opened(port, [load.request_of("/x", "{}")], 1, 1.0, 100)
    assert statuses == {200: 100}
    # One answer was late by half a second; whoever was to ask meanwhile waited for the only connection.
    assert sum(took > 0.1 for took in found) >= 35


def test_connections_that_are_never_idle(server, monkeypatch):
    monkeypatch.setattr(load, "WARM", 0.0)
    port, _ = server
    told = load.summary(*load.closed(port, [load.request_of("/x", "{}")], 3, 0.3))
    assert told["requests"] > 3
    assert told["failed"] == 0
    assert told["p50"] <= told["p99"] <= told["slowest"]


def test_servers_are_asked_about_the_same_rows():
    rows = service.drawn(3, 1)
    own, tensors, other = (json.loads(write(rows)) for write in (service.records, service.tensors, service.plain))
    assert own["rows"] == other["rows"] == np.reshape(tensors["inputs"][0]["data"], (3, service.WIDTH)).tolist()


def test_mutations_are_those_of_their_seed():
    value = {"rows": [{"age": 1, "town": "Bern"}], "reasons": 3}
    first, second = ([malformed.Mutations(seed).value(value, 3) for _ in range(1)] for seed in (1, 1))
    assert json.dumps(first) == json.dumps(second)
    assert value == {"rows": [{"age": 1, "town": "Bern"}], "reasons": 3}
    change, body = malformed.Mutations(0), json.dumps(value).encode()
    assert len({change.data(body, 1) for _ in range(50)}) > 30
    assert malformed.traced(b'File "/x/app.py"') and not malformed.traced(b'{"detail": "no"}')


@pytest.mark.filterwarnings("ignore")
def test_what_a_followed_stream_says(monkeypatch):
    monkeypatch.setattr(drift, "FIT", 400)
    told = drift.followed(1, 300, "shift", 900)
    assert told["named"] and not told["false"]
    assert 0 < told["rows"] < 600
    both = drift.summary([told, {"named": False, "false": True}], null=False)
    assert (both["named"], both["false"], both["rows_95"]) == (0.5, 0.5, None)
