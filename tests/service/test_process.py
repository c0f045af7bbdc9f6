"""The service as a process: where it listens, and how it ends."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from quick import quick, rows

from isthmus.cli.serving import serve

pytest.importorskip("prometheus_client", reason="the service needs the extra isthmus[serve]")

BODY = json.dumps({"rows": [[5.0] * 8]}).encode()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return quick().fit(rows()).save(tmp_path_factory.mktemp("process") / "m")


@contextmanager
def serving(log, *arguments, **environment):
    """Start the service, and yield its process and port."""
    command = [sys.executable, "-m", "isthmus.cli", "serve", *map(str, arguments), "--port", "0", "--no-graphs"]
    settings = {"stdout": subprocess.PIPE, "stderr": log.open("w"), "text": True, "env": os.environ | environment}
    # A job in the background of a shell ignores Ctrl-C, and so would what it starts.
    settings["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, **settings) as process:
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            yield process, int(re.search(r"127\.0\.0\.1:(\d+)/", line)[1])
        finally:
            process.kill()
            settings["stderr"].close()


def caller(port, answers, lost):
    """Ask until the server accepts no more; what was sent has to be answered."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.connect()
        except OSError:
            return
        first = True
        try:
            while True:
                connection.request("POST", "/v1/score", BODY)
                answer = connection.getresponse()
                answers.append((answer.status, answer.read()))
                first = False
                if answer.headers.get("connection") == "close":
                    break
        except (OSError, http.client.HTTPException) as error:
            # One that still waited at the door when it was shut was never accepted: the log has no line of it.
            if not (first and isinstance(error, ConnectionResetError)):
                lost.append(repr(error))
            return
        finally:
            connection.close()


def test_a_stop_under_load_loses_no_request(model, tmp_path):
    with serving(tmp_path / "log", model) as (process, port):
        answers, lost = [], []
        callers = [threading.Thread(target=caller, args=(port, answers, lost)) for _ in range(8)]
        for one in callers:
            one.start()
        time.sleep(1.0)
        before = len(answers)
        process.send_signal(signal.SIGTERM)
        for one in callers:
            one.join()
        assert process.wait(20) == 0
        assert lost == []
        assert before > 20
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert sum(line["event"] == "request" for line in lines) == len(answers)


def test_models_are_swapped_and_damaged_under_load_without_an_error(tmp_path):
    first, second = quick().fit(rows()), quick(4, random_state=1).fit(rows(seed=1))
    model = first.save(tmp_path / "m")
    with serving(tmp_path / "log", model, "--reload", "0.05") as (process, port):
        answers, lost = [], []
        callers = [threading.Thread(target=caller, args=(port, answers, lost)) for _ in range(4)]
        for one in callers:
            one.start()
        for turn in range(6):
            (second, first)[turn % 2].save(model)
            time.sleep(0.3)
        weights = model / "weights.safetensors"
        whole = weights.read_bytes()
        for damage in (whole[:-20], whole[:100], whole[:-1] + bytes([whole[-1] ^ 1])):
            weights.write_bytes(damage)
            time.sleep(0.3)
        last = len(answers)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        for one in callers:
            one.join()
        assert process.wait(20) == 0
    assert lost == []
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 2  # each of one model or the other, never of both
    assert len({body for _, body in answers[last:]}) == 1
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events.count("model reloaded") >= 3
    assert events.count("model refused") >= 3  # a look between two files of a save is refused, too


def test_a_key_from_the_environment_and_several_models(model, tmp_path):
    with serving(tmp_path / "log", model, f"again={model}", ISTHMUS_API_KEY="sesame") as (process, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/v1/models")
            assert b"the key is missing" in connection.getresponse().read()
            connection.request("GET", "/v1/models", headers={"X-API-Key": "sesame"})
            names = [one["name"] for one in json.load(connection.getresponse())["models"]]
            assert names == ["m", "again"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_what_is_no_request_is_no_failure(model, tmp_path):
    with serving(tmp_path / "log", model, "--max-body", "1kB") as (_, port):
        for sent in (
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/9\r\n\r\n",
            b"POST /v1/score HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
                link.sendall(sent)
                answer = link.recv(4096)
                assert not answer or answer.split()[1].startswith(b"4")
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("POST", "/v1/score", BODY)
            with connection.getresponse() as answer:
                assert answer.status == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "needs a model"),
        (["nowhere"], "is not a saved model"),
        (["MODEL", "MODEL"], "two models are called 'm'"),
        (["MODEL", "--max-body", "much"], "write for example 10MB"),
        (["MODEL", "--port", "70000"], "from 0 to 65535"),
        (["MODEL", "--timeout", "0"], "give more than 0"),
        (["MODEL", "--timeout", "inf"], "--timeout inf is no time"),
        (["MODEL", "--reload", "inf"], "give seconds, 31,536,000 at most, or 0"),
        (["MODEL", "--reload", "-1"], "--reload -1.0 is no time"),
        (["MODEL", "--max-body", "²MB"], "write for example 10MB"),
        (["MODEL", "--host", "nobody.invalid"], "there is no host 'nobody.invalid'"),
        (["MODEL", "--host", "192.0.2.1"], "choose another --host"),
        (["a/b=MODEL"], "'a/b' of 'a/b=MODEL' is no name"),
        (["MODEL", "--api-key-file", "nowhere"], "'nowhere' cannot be read"),
        (["MODEL", "--api-key-file", "EMPTY"], "is empty"),
        (["MODEL", "--port", "TAKEN"], "choose another --port"),
    ],
)
def test_mistakes_are_told_in_one_line(model, tmp_path, capsys, arguments, words):
    from isthmus.cli.app import run

    (tmp_path / "empty").write_text("\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        known = {"MODEL": str(model), "EMPTY": str(tmp_path / "empty"), "TAKEN": str(taken.getsockname()[1])}
        assert run(["serve", *(known.get(one, one) for one in arguments)]) == 2
    assert words in capsys.readouterr().err


def test_a_terminal_is_told_that_models_are_loading(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for made, told in ((Terminal(), f"loading {tmp_path} ...\n"), (io.StringIO(), "")):
        monkeypatch.setattr("sys.stderr", made)
        with pytest.raises(ValueError, match="is not a saved model"):
            serve(str(tmp_path), port=0)
        assert made.getvalue().startswith(told) and (told or "loading" not in made.getvalue())
