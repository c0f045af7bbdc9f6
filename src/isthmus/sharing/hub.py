"""The Hugging Face Hub: a fitted model goes there with a card, and comes back as untrusted as any other file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.architecture import Architecture
from isthmus.estimators.saving import load
from isthmus.estimators.without_rows import without_rows
from isthmus.persistence import MANIFEST, WEIGHTS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"


def save_pretrained(
    model: Any,
    folder: str | Path,
    X: Any = None,
    y: Any = None,
    *,
    repo_id: str | None = None,
    name: str = "data",
    license: str | None = None,
    tags: Sequence[str] = (),
    rows: bool = False,
    bytes_per_row: float | None = None,
) -> Path:
    """Write to a folder what :func:`push_to_hub` puts on the Hub: the saved model and its card, README.md.

    Args:
        model: a fitted autoencoder, anomaly detector or self-explaining model.
        folder: as for ``save``.
        X: rows to measure the model on, of which only the measures go into the card; None leaves them out.
        y: a label per row of X.
        repo_id: ``user/name``, as the card calls the model; None is the folder's name.
        name: what the rows are called.
        license: the Hub's name of a license, such as ``mit``; without one nobody may use the model.
        tags: words by which it is found.
        rows: keep what the model holds of the rows of its fit; see :func:`isthmus.estimators.without_rows`.
        bytes_per_row: what a row of X takes at its source, where that is not what X takes.

    Raises:
        ImportError: the extra ``isthmus[hub]`` is not installed.
        ValueError: a model that is not fitted or cannot be saved, rows unlike its own, or a folder that is taken.
    """
    _extra()
    from isthmus.report import alone, given, summarise
    from isthmus.sharing.card import card

    model = _fitted(model)
    summary = alone(model) if X is None else summarise(given(model, X, y, name=name, bytes_per_row=bytes_per_row))
    repo_id = Path(folder).name if repo_id is None else repo_id
    found = model if rows else without_rows(model)
    text = card(model, repo_id, summary, data=name, license=license, tags=tags, rows=rows)
    path = Path(found.save(folder))
    (path / CARD).write_text(text, encoding="utf-8")
    return path


def push_to_hub(
    model: Any,
    repo_id: str,
    X: Any = None,
    y: Any = None,
    *,
    name: str = "data",
    license: str | None = None,
    tags: Sequence[str] = (),
    rows: bool = False,
    bytes_per_row: float | None = None,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> str:
    """Put a fitted model on the Hugging Face Hub, with a card written from its own summary; return its address.

    Nothing but ``model.json``, ``weights.safetensors`` and ``README.md`` is sent. Rows of the fit are not among that
    unless ``rows`` says so.

    Args:
        model: see :func:`save_pretrained`, as for X, y, name, license, tags and rows.
        repo_id: ``user/name``; made where it is not there.
        X: rows to measure the model on, or None.
        y: a label per row.
        name: what the rows are called.
        license: the Hub's name of a license.
        tags: words by which it is found.
        rows: keep what the model holds of the rows of its fit.
        bytes_per_row: of X at its source.
        private: whether only you see a repository that is made; None is what your account says.
        revision: branch to write to.
        message: of the commit.
        token: None is that of ``hf auth login`` or HF_TOKEN.

    Raises:
        ImportError: the extra ``isthmus[hub]`` is not installed.
        ValueError: as :func:`save_pretrained`, or the Hub refuses or is not reached.
    """
    _extra()
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder, _told(repo_id, "written to"):
        path = save_pretrained(
            model,
            Path(folder) / "model",
            X,
            y,
            repo_id=repo_id,
            name=name,
            license=license,
            tags=tags,
            rows=rows,
            bytes_per_row=bytes_per_row,
        )
        api: HfApi = HfApi(token=token)
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=path,
            allow_patterns=[MANIFEST, WEIGHTS, CARD],
            revision=revision,
            commit_message=message or "Add a model with isthmus",
        )
    return str(address)


def from_hub(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    folder: str | Path | None = None,
    architecture: Architecture | None = None,
) -> Any:
    """Return a model from the Hugging Face Hub.

    Only its two files are fetched, and they are read as ``isthmus.load`` reads any: checked, and without running
    anything of theirs.

    Args:
        repo_id: ``user/name``.
        revision: a branch, tag or commit; a commit is what cannot change.
        token: for repositories that are not public; None is that of ``hf auth login`` or HF_TOKEN.
        folder: where the files are put, too; None keeps them in the Hub's cache alone.
        architecture: for models of one's own torch modules, as for ``isthmus.load``.

    Raises:
        ImportError: the extra ``isthmus[hub]`` is not installed.
        ValueError: no such repository or no model in it, or all that ``isthmus.load`` refuses.
    """
    _extra()
    from huggingface_hub import snapshot_download

    with _told(repo_id, "read from"):
        path = Path(
            snapshot_download(
                repo_id, revision=revision, token=token, local_dir=folder, allow_patterns=[MANIFEST, WEIGHTS]
            )
        )
    if not (path / MANIFEST).is_file():
        raise ValueError(f"{repo_id!r} on the Hub has no {MANIFEST}: it is no model of isthmus; give another name")
    return load(path, architecture=architecture)


def _extra() -> None:
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise ImportError("the Hugging Face Hub needs huggingface_hub; pip install 'isthmus[hub]'") from None


def _fitted(model: Any) -> Any:
    """Return a fitted model that can be saved.

    Raises:
        ValueError: something else.
    """
    if not hasattr(model, "save"):
        raise ValueError(f"{type(model).__name__} cannot be saved, and so not shared; give its autoencoder_")
    if not any(hasattr(model, name) for name in ("objective_", "members_", "task_")):
        raise ValueError(f"this {type(model).__name__} is not fitted, so there is nothing to share; call fit first")
    return model


@contextmanager
def _told(repo_id: str, what: str) -> Iterator[None]:
    """Say in one line what the Hub said in many."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise ValueError(f"{repo_id!r} is no name of a repository ({_first(error)}); write user/name") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, ConnectionError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        remedy = {
            401: "check the name, and sign in by hf auth login or HF_TOKEN",
            403: "use a token that may write there",
            404: "check the name and the revision, and sign in by hf auth login if it is private",
        }.get(status or 0, "check the connection, HF_ENDPOINT and HF_HUB_OFFLINE, and try again")
        raise ValueError(f"{repo_id!r} cannot be {what} the Hub ({_first(error)}); {remedy}") from error


def _first(error: BaseException) -> str:
    """Return the first line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
