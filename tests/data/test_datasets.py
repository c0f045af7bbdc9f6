"""Built-in sets, and the way from a server to the user's folder."""

import contextlib
import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from isthmus.data import datasets, read
from isthmus.data.download import fetch

CONTENT = bytes(range(256)) * 2000
SUM = hashlib.md5(CONTENT).hexdigest()


def idx_file(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


class Server:
    """A small web server with the faults of large ones: it cuts, refuses, forgets ranges, sends rubbish."""

    def __init__(self):
        self.files = {}
        self.faults = []  # one per request, taken from the front
        self.asked = []  # (path, range) of every request
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request):
        wish = request.headers.get("Range")
        self.asked.append((request.path, wish))
        fault = self.faults.pop(0) if self.faults else None
        content = self.files.get(request.path[1:])
        if isinstance(fault, int) or content is None:
            request.send_error(fault or 404)
            return
        start = int(wish.removeprefix("bytes=").removesuffix("-")) if wish and fault != "no ranges" else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        body = content[start:]
        with contextlib.suppress(ConnectionError):
            request.wfile.write(body[: len(body) // 2] if fault == "cut" else body)


@pytest.fixture
def server():
    running = Server()
    running.files["file.gz"] = CONTENT
    yield running
    running.http.shutdown()
    running.http.server_close()


def get(server, folder, **options):
    mirrors = options.pop("mirrors", [server.address])
    return fetch("file.gz", mirrors, folder, options.pop("md5", SUM), pause=0, timeout=5, **options)


def test_a_download_is_whole_and_reported(server, tmp_path):
    seen = []
    path = get(server, tmp_path / "deep", progress=lambda *report: seen.append(report))
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file.gz"]
    assert seen[-1] == ("file.gz", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_cut_connection_is_resumed(server, tmp_path):
    server.faults = ["cut", "cut"]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [wish for _, wish in server.asked] == [None, "bytes=256000-", "bytes=384000-"]


def test_a_later_run_resumes_what_an_earlier_one_left(server, tmp_path):
    server.faults = ["cut"]
    with pytest.raises(ValueError, match=r"the connection ended after 256000 of 512000 bytes.*; try again later"):
        get(server, tmp_path, attempts=1)
    assert [p.name for p in tmp_path.iterdir()] == ["file.gz.part"]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=256000-"


def test_a_part_that_is_already_whole_needs_no_server(server, tmp_path):
    (tmp_path / "file.gz.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_server_without_ranges_sends_the_whole_file(server, tmp_path):
    server.faults = ["cut", "no ranges"]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_begun_again(server, tmp_path):
    (tmp_path / "file.gz.part").write_bytes(CONTENT + b"rubbish")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [wish for _, wish in server.asked] == ["bytes=512007-", None]


def test_a_wrong_checksum_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(ValueError, match=r"the file's checksum is wrong.*or put the file into"):
        get(server, tmp_path, md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, tmp_path):
    server.faults = [500, 503]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 3
    server.asked.clear()
    with pytest.raises(ValueError, match=r"cannot download 'none.gz' \(.*: HTTP 404 Not Found\)"):
        fetch("none.gz", [server.address], tmp_path, SUM, pause=0)
    assert len(server.asked) == 1


def test_the_next_mirror_is_tried(server, tmp_path):
    server.files["bad/file.gz"] = b"an error page"
    mirrors = [server.address + "none/", server.address + "bad/", server.address]
    assert get(server, tmp_path, mirrors=mirrors).read_bytes() == CONTENT


def test_without_a_network_every_mirror_is_named(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    mirrors = [f"http://127.0.0.1:{port}/a/", "http://no-such-host.invalid/b/"]
    with pytest.raises(ValueError, match=r"/a/: .*Connection refused; .*/b/: .*") as caught:
        fetch("file.gz", mirrors, tmp_path, SUM, pause=0, attempts=2)
    assert str(tmp_path) in str(caught.value)


def test_an_unwritable_folder_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="let ISTHMUS_DATA name a folder that can be written"):
        get(server, tmp_path / "file")


@pytest.fixture
def collection(server, tmp_path, monkeypatch):
    """MNIST in small: three training rows and two test rows, on the server only."""
    monkeypatch.setenv("ISTHMUS_DATA", str(tmp_path))
    rng, sums = np.random.default_rng(0), {}
    for stem, rows in (("train", 3), ("t10k", 2)):
        for name, array in (
            (f"{stem}-images-idx3-ubyte.gz", rng.integers(0, 256, size=(rows, 4, 5))),
            (f"{stem}-labels-idx1-ubyte.gz", np.arange(rows)),
        ):
            server.files[name] = idx_file(array)
            sums[name] = hashlib.md5(server.files[name]).hexdigest()
    monkeypatch.setitem(datasets.COLLECTIONS, "mnist", datasets.Collection((server.address,), sums))
    return server


def test_a_missing_set_is_downloaded_once(collection, tmp_path):
    seen = []
    data = read("mnist", progress=lambda *report: seen.append(report[0]))
    assert (data.X.shape, data.y.tolist(), data.source) == ((3, 1, 4, 5), [0, 1, 2], "mnist:train")
    assert sorted(set(seen)) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert (data.X[:2] == read("mnist:train", limit=2).X).all()
    assert len(collection.asked) == 2
    assert read("mnist:test").X.shape == (2, 1, 4, 5)
    assert len(collection.asked) == 4


def test_unpacked_files_are_found(collection, tmp_path):
    (tmp_path / "mnist").mkdir()
    for name, content in collection.files.items():
        if name != "file.gz":
            (tmp_path / "mnist" / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    assert read("mnist").X.shape == (3, 1, 4, 5)
    assert collection.asked == []


def test_a_file_called_like_a_set_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    assert len(read("digits").X) == 1797
    with pytest.raises(ValueError, match="has no pictures"):
        read("./digits")
    with pytest.raises(ValueError, match="has no pictures"):
        read(Path("digits"))


def test_digits_are_pictures_in_the_unit_interval():
    from sklearn.datasets import load_digits

    data, digits = read("digits"), load_digits()
    assert (data.shape, data.X.dtype, data.bytes_per_row) == ((1, 8, 8), np.float32, 64)
    assert (data.flat * 16 == digits.data).all()
    assert (data.y == digits.target).all()
    assert read("digits", limit=5).X.shape == (5, 1, 8, 8)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("mnits", {}, "no file or built-in set 'mnits'; did you mean 'mnist'"),
        ("Fashion_MNIST", {}, "did you mean 'fashion-mnist'"),
        ("mnits:test", {}, "did you mean 'mnist'"),
        ("digits:test", {}, "'digits' has no part 'test', it is one set"),
        ("mnist:valid", {}, "has no part 'valid'; write mnist:train or mnist:test"),
        ("digits", {"label": "kind"}, "label is for tables with columns, which 'digits' is not"),
        ("rows.csv", {}, "no file or built-in set 'rows.csv'; give csv"),
    ],
)
def test_unknown_names(source, options, message):
    with pytest.raises(ValueError, match=message):
        read(source, **options)


def test_wrong_paths_and_endings(tmp_path):
    (tmp_path / "sonar.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"there is no file .*sonr.csv'; did you mean .*sonar.csv'"):
        read(tmp_path / "sonr.csv")
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.xlsx' ends in '.xlsx', which is not readable; give csv"):
        read(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/cache"}, "/cache/isthmus"),
        ("linux", {"HOME": "/u/me"}, "/u/me/.cache/isthmus"),
        ("darwin", {"HOME": "/u/me"}, "/u/me/Library/Caches/isthmus"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/isthmus"),
        ("linux", {"ISTHMUS_DATA": "/sets", "XDG_CACHE_HOME": "/cache"}, "/sets"),
    ],
)
def test_the_folder_of_the_sets(monkeypatch, platform, variables, expected):
    for name in ("ISTHMUS_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert datasets.home() == Path(expected)


def test_the_published_sums_are_those_of_the_real_files():
    folder = datasets.home() / "mnist"
    found = [p for p in folder.glob("*.gz")] if folder.is_dir() else []
    if len(found) != 4:
        pytest.skip("the MNIST files are not on this machine")
    for path in found:
        assert hashlib.md5(path.read_bytes()).hexdigest() == datasets.COLLECTIONS["mnist"].sums[path.name]
