"""Downloads that are checked, resumed where they were cut, and tried at several mirrors."""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path

Progress = Callable[[str, int, "int | None"], None]

_CHUNK = 1 << 16


def fetch(
    name: str,
    mirrors: Sequence[str],
    folder: Path,
    md5: str,
    progress: Progress | None = None,
    *,
    attempts: int = 3,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download one file, and return its path once its MD5 sum is right.

    What has arrived is kept as ``NAME.part``; a later attempt, or a later run, asks for the rest only.

    Args:
        name: The file's name, here and at the mirrors.
        mirrors: Addresses of folders; the next one is tried where one fails.
        folder: Where the file goes; made if missing.
        md5: The sum that the whole file must have.
        progress: Called with the name, the bytes so far and their total (or None).
        attempts: How often a mirror that is cut or busy is asked.
        pause: Seconds before the second attempt; doubled for the next.
        timeout: Seconds without a byte after which an attempt is given up.

    Raises:
        ValueError: No mirror delivered the file, or the folder cannot be written.
    """
    part = folder / f"{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise ValueError(
            f"cannot download {name!r} into {str(folder)!r}: {error.strerror}; let ISTHMUS_DATA name a folder that "
            "can be written"
        ) from error
    report = progress or _silent
    reasons = []
    for mirror in mirrors:
        if _sum(part) != md5:
            reason = _pull(mirror + name, part, report, attempts, pause, timeout)
            if reason is not None:
                reasons.append(f"{mirror}: {reason}")
                continue
        if _sum(part) == md5:
            return part.replace(folder / name)
        part.unlink()
        reasons.append(f"{mirror}: the file's checksum is wrong")
    raise ValueError(
        f"cannot download {name!r} ({'; '.join(reasons)}); try again later, or put the file into {str(folder)!r}"
    )


def _pull(url: str, part: Path, report: Progress, attempts: int, pause: float, timeout: float) -> str | None:
    """Bring ``part`` to its full length; return None, or the reason why that failed."""
    reason = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _resume(url, part, report, timeout)
            return None
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"HTTP {error.code} {error.reason}"
            if error.code == 416:
                part.unlink()  # longer than the file at the mirror: no beginning of it
            elif error.code < 500:
                return reason
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", "") or error or type(error).__name__)
    return reason


def _resume(url: str, part: Path, report: Progress, timeout: float) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        # A server may ignore the wish for the rest and send the whole file.
        done = done if response.status == 206 and _starts(response, done) else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(part.name.removesuffix(".part"), done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _starts(response: HTTPResponse, done: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {done}-")


def _sum(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    if path.exists():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _silent(name: str, done: int, total: int | None) -> None:
    """Report nothing."""
