"""Where rows lie: files and folders of this machine, patterns that name several, and objects of a store by URL."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

# Stores that pyarrow speaks to by itself; any other scheme is one of fsspec's.
OWN = frozenset(["file", "s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs"])
URL = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z0-9+.:-]+)?://", re.IGNORECASE)
PATTERN = re.compile(r"[*?\[]")
# What other programs leave beside rows: _SUCCESS, _metadata, .part-0.crc.
HIDDEN = ("_", ".")
ZARR = ("zarr.json", ".zarray", ".zgroup")
DENIED = re.compile(
    r"access.?denied|forbidden|unauthorized|invalid.?access.?key|signature.?does.?not.?match", re.IGNORECASE
)
GONE = re.compile(r"no.such.(key|bucket|file)|does not exist|\bnot found\b", re.IGNORECASE)
WAYS = "a file, a folder, a pattern of files, or a URL"
UNSEEN = ", or its store does not show it"
Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Place:
    """A file or folder, or what a store has like one.

    Attributes:
        filesystem: a file system of pyarrow; it can be pickled, so that workers open the place too.
        path: what the file system calls the place.
        name: what the user calls it; it holds no password.
    """

    filesystem: Any
    path: str
    name: str

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def here(self) -> Path | None:
        """The path on this machine; None for what lies elsewhere."""
        return Path(self.path) if self.filesystem.type_name == "local" else None

    @property
    def suffix(self) -> str:
        """The ending in small letters, without what a URL asks for after it."""
        path = self.path if self.here is not None else urlsplit(self.path).path
        return PurePosixPath(path).suffix.lower()

    @property
    def pattern(self) -> bool:
        """Whether the path stands for several; a query of a URL makes no pattern."""
        return PATTERN.search(self.path if self.here is not None else self.path.partition("?")[0]) is not None

    def asking(self) -> AbstractContextManager[None]:
        """Say what is wrong with the place, whatever its file system raises."""
        return asking(self.name)

    def info(self) -> Any:
        """Return what the file system says of the place."""
        with self.asking():
            return self.filesystem.get_file_info(self.path)

    def source(self) -> Any:
        """Return what pyarrow reads: a path, or an open object of which ranges are read as they are needed."""
        if self.here is not None:
            return self.path
        with self.asking():
            return self.filesystem.open_input_file(self.path)

    def zarr(self) -> bool:
        """Say whether a folder is an array or a group of zarr."""
        return any(found.is_file for found in self.filesystem.get_file_info([f"{self.path}/{name}" for name in ZARR]))

    def beside(self, path: str) -> Place:
        """Return another place of the same file system."""
        if self.here is not None:
            return Place(self.filesystem, path, str(Path(path)))
        scheme = f"{self.name.partition('://')[0]}://" if "://" in self.name else ""
        return Place(self.filesystem, path, f"{scheme}{path.lstrip('/')}" if scheme and "://" not in path else path)

    def resolved(self) -> Place:
        """Return the place under a name that means the same wherever a process stands."""
        return self if self.here is None else self.beside(self.here.absolute().as_posix())

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Give the file itself, or a copy on this machine for as long as it is used."""
        if self.here is not None:
            yield self.here
            return
        with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
            path = Path(folder) / PurePosixPath(urlsplit(self.path).path).name
            with self.asking(), self.filesystem.open_input_stream(self.path) as given, path.open("wb") as taken:
                shutil.copyfileobj(given, taken, 1 << 20)
            try:
                yield path
            except ValueError as error:  # it names the copy, which the user does not know
                raise ValueError(str(error).replace(str(path), self.name)) from error.__cause__


def is_url(source: Source) -> bool:
    """Tell a URL from a path."""
    return isinstance(source, str) and URL.match(source) is not None


def several(source: Source) -> bool:
    """Tell whether a source is a URL, or a pattern and no file of that very name."""
    return is_url(source) or bool(PATTERN.search(str(source)) and not Path(source).expanduser().exists())


def located(source: Source | Place, filesystem: Any = None) -> Place:
    """Return the place that a path, a pattern, a URL or a path in ``filesystem`` (of pyarrow or fsspec) stands for.

    Raises:
        ValueError: a scheme that nothing here speaks.
    """
    from pyarrow import fs

    if isinstance(source, Place):
        return source
    text = os.fspath(source)
    if filesystem is not None:
        if isinstance(filesystem, fs.FileSystem):
            return Place(filesystem, text, text)
        from isthmus.data.ranges import Ranges

        return Place(fs.PyFileSystem(Ranges(filesystem)), text, text)
    if not is_url(source):
        path = Path(source).expanduser()
        return Place(fs.LocalFileSystem(), path.as_posix(), str(path))
    scheme, name = text.partition("://")[0].lower(), re.sub(r"//[^/@]*@", "//", text)
    with asking(name):
        if scheme not in OWN:
            import fsspec

            from isthmus.data.ranges import Ranges

            given, path = fsspec.core.url_to_fs(text)
            return Place(fs.PyFileSystem(Ranges(given)), path, name)
        # A pattern is none of a URL's letters, so that what comes before it is asked for.
        bare, _, query = text.partition("?")
        base, rest = _split(bare)
        given, path = fs.FileSystem.from_uri(f"{base}?{query}" if query else base)
        place = Place(given, "/".join(part for part in (path, rest) if part), name.partition("?")[0])
        return place if place.here is None else place.beside(place.path)


def _split(path: str) -> tuple[str, str]:
    """Return what comes before the first part with a pattern, and the rest."""
    parts = path.split("/")
    first = next((i for i, part in enumerate(parts) if PATTERN.search(part)), len(parts))
    return "/".join(parts[:first]) or "/"[: path.startswith("/")], "/".join(parts[first:])


def found(place: Place, endings: Collection[str]) -> list[Place]:
    """Return the files that a place stands for, by name: itself, those that match it, or those in a folder and below.

    A folder gives files of these endings alone; one that is an array of zarr is a place itself. What begins with ``_``
    or ``.`` is left out.

    Raises:
        ValueError: nothing is there, or the store says no.
    """
    from pyarrow.fs import FileType

    kind = place.info().type
    if kind == FileType.NotFound:
        if not place.pattern:
            raise ValueError(f"there is no file {place.name!r}{'' if place.here is not None else UNSEEN}; give {WAYS}")
        return _matching(place)
    if kind != FileType.Directory or place.zarr():
        return [place]
    inside = [info for info, _ in _listed(place, place.path, deep=True) if info.is_file]
    return [beside for info in inside if (beside := place.beside(info.path)).suffix in endings]


def _matching(place: Place) -> list[Place]:
    from fsspec.utils import glob_translate

    base, rest = _split(place.path)
    match = re.compile(glob_translate(rest)).match
    listed = [(place.beside(info.path), info) for info, name in _listed(place, base, deep="/" in rest) if match(name)]
    matching = [beside for beside, info in listed if info.is_file or beside.zarr()]
    if not matching:
        there = place.beside(base or ".")
        names = [name for _, name in _listed(place, base, deep=False)]
        has = f"{there.name!r} has {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "nothing is there"
        raise ValueError(f"no file matches {place.name!r}; {has}")
    return matching


def _listed(place: Place, base: str, *, deep: bool) -> list[tuple[Any, str]]:
    """Return what is in a folder, with its path from there, in order; a folder that is not there has nothing."""
    from pyarrow.fs import FileSelector

    with asking(place.name):
        infos = place.filesystem.get_file_info(FileSelector(base or ".", allow_not_found=True, recursive=deep))
    root = PurePosixPath(base.lstrip("/"))
    named = [(info, PurePosixPath(info.path.lstrip("/")).relative_to(root)) for info in infos]
    kept = [(info, name.as_posix()) for info, name in named if not any(part.startswith(HIDDEN) for part in name.parts)]
    return sorted(kept, key=lambda pair: pair[1])


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Say what is wrong with a place, whatever its file system raises."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{name!r} needs what is not installed ({error}); pip install 'isthmus[remote]'") from error
    except Exception as error:  # every store has errors of its own
        raise trouble(name, error) from error


def trouble(name: str, error: Exception) -> ValueError:
    """Return what to say of an error: the place is gone, it may not be read, something is not installed, or else."""
    text = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    if isinstance(error, FileNotFoundError) or GONE.search(text):
        return ValueError(f"{name!r} is not there, or no longer; give what is, or write it again")
    if isinstance(error, PermissionError) or DENIED.search(text):
        return ValueError(
            f"{name!r} may not be read ({text}); give the rights, or the credentials where its store looks for them"
        )
    return ValueError(f"cannot reach {name!r}: {text}; correct the name, or try again where the store does not answer")


def refused(error: Exception) -> bool:
    """Tell an error that says nothing of what a file holds: it is gone, or it may not be read."""
    return isinstance(error, (FileNotFoundError, PermissionError)) or DENIED.search(str(error)) is not None
