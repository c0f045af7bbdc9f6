"""Every kind of stream, so that a law is stated once; stores that answer late and count what they are asked."""

import contextlib
import functools
import io
import re
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.memory import MemoryFileSystem

from isthmus.data import stream

BUCKET = "memory://bucket"


def table(X, names=None):
    return pa.table({name: X[:, i] for i, name in enumerate(names or [f"c{i}" for i in range(X.shape[1])])})


def _put(path, name):
    """Copy a file into the store of this process."""
    url = f"{BUCKET}/{name}"
    with fsspec.open(url, "wb") as file:
        file.write(path.read_bytes())
    return url


def _npy(folder, X, name="x.npy"):
    np.save(folder / name, X)
    return folder / name


def _parquet(folder, X, name="x.parquet", group=8):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(X), path, row_group_size=group)
    return path


def _folder(folder, X):
    """Write files of uneven size in folders of folders, beside what other programs leave there."""
    ends = np.cumsum([len(X) // 5, len(X) // 2 - len(X) // 5, 3])
    for i, part in enumerate(np.split(X, ends)):
        _parquet(folder, part, f"rows/year={2020 + i}/part-{i}.parquet", group=(8, 5, 3, 7)[i])
    (folder / "rows" / "_SUCCESS").touch()
    (folder / "rows" / "year=2020" / ".part-0.parquet").write_bytes(b"half")
    return folder / "rows"


def _zarr(folder, X, name="x.zarr"):
    import zarr

    array = zarr.create_array(folder / name, shape=X.shape, chunks=(6, X.shape[1]), dtype=X.dtype)
    array[:] = X
    return folder / name


def _stored(folder, X):
    return f"{BUCKET}/{_put_all(_folder(folder, X))}/**/*.parquet"


def _put_all(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _put(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return folder.name


def _npy_files(folder, X):
    for i, part in enumerate(np.split(X, [len(X) // 3, len(X) // 2])):
        _npy(folder, part, f"part{i}.npy")
    return str(folder / "part*.npy")


# What opens the rows X of a kind, which it writes into a folder or a store.
KINDS = {
    "array": lambda folder, X: X,
    "npy": _npy,
    "npy files": _npy_files,
    "Parquet": _parquet,
    "folder": _folder,
    "pattern": lambda folder, X: f"{_folder(folder, X)}/**/part-*.parquet",
    "file URL": lambda folder, X: _parquet(folder, X).as_uri(),
    "zarr": _zarr,
    "store": _stored,
    "npy of a store": lambda folder, X: _put(_npy(folder, X), "x.npy"),
    "zarr of a store": lambda folder, X: f"{BUCKET}/{_put_all(_zarr(folder, X))}",
}


def opened(kind, folder, X, **settings):
    """Return the rows as a stream of a kind."""
    fsspec.filesystem("memory").store.clear()
    folder.mkdir(exist_ok=True)
    return stream(KINDS[kind](folder, X), **settings)


class Ranges(SimpleHTTPRequestHandler):
    """A server of files that gives ranges of them, and nothing that is called secret."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.name.startswith("secret") or not path.is_file():
            return self.send_error(403 if path.is_file() else 404)
        content, asked = path.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), int(asked[2] or len(content) - 1) + 1) if asked else (0, len(content))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{min(end, len(content)) - 1}/{len(content)}")
        self.send_header("Content-Length", str(min(end, len(content)) - start))
        self.end_headers()
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve the files of a folder over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Ranges, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Asked(io.BytesIO):
    """An object of a store that notes the ranges it is asked for."""

    def __init__(self, store, path, content):
        super().__init__(content)
        self.store_, self.path = store, path

    def read(self, size=-1):
        with self.store_.busy:
            at, found = self.tell(), super().read(size)
        self.store_.ranges.append((self.path, at, len(found), threading.current_thread().name))
        time.sleep(self.store_.delay)
        return found


class Store(MemoryFileSystem):
    """A store that answers late, notes what it is asked, and loses or refuses objects."""

    protocol = "asked"
    cachable = False

    def __init__(self, delay=0.0):
        super().__init__()
        self.store, self.pseudo_dirs = {}, [""]
        self.delay, self.ranges, self.opens, self.refused, self.busy = delay, [], [], set(), threading.Lock()

    def _open(self, path, mode="rb", **settings):
        if mode != "rb":
            return super()._open(path, mode, **settings)
        if path in self.refused:
            raise PermissionError("Access Denied")
        self.opens.append(path)
        return Asked(self, path, super()._open(path, mode).getvalue())
