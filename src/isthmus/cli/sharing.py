"""``isthmus push`` and ``isthmus pull``: saved models to the Hugging Face Hub, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus.cli import rows
from isthmus.cli.options import Flag, Folder, Reading, Repeated, Said


def push(
    model: Path,
    repo: str,
    /,
    *,
    data: Said = None,
    license: Said = None,
    tag: Repeated = (),
    private: Flag = False,
    with_rows: Flag = False,
    revision: Said = None,
    message: Said = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> None:
    """Put MODEL on the Hugging Face Hub as REPO, USER/NAME, with a card in words, and print its address.

    Sign in first: hf auth login, or HF_TOKEN in the environment.

    Args:
        model: folder of a saved model.
        repo: USER/NAME; made where it is not there.
        data: rows to measure the model on, for the card; the rows themselves stay here.
        license: the Hub's name of a license, as mit; without one nobody may use the model.
        tag: a word by which the model is found; may be repeated.
        private: let only your account see a repository that is made.
        with_rows: keep what the model holds of the rows of its fit: rows that a detector compares with, codes.
        revision: branch to write to.
        message: of the commit.
        reading: how DATA is read.
    """
    from isthmus.cli.reporting import read
    from isthmus.sharing.hub import push_to_hub

    fitted = rows.fitted_at(model)
    X, y, about = (None, None, {"name": "data"}) if data is None else read(fitted, data, reading)
    about = {name: told for name, told in about.items() if name not in ("label", "titles")}  # a card shows no rows
    settings: dict[str, Any] = {
        "license": license,
        "tags": tag,
        "rows": with_rows,
        "revision": revision,
        "message": message,
    }
    print(push_to_hub(fitted, repo, X, y, **about, private=private or None, **settings))


def pull(repo: str, /, *, out: Folder, revision: Said = None) -> None:
    """Fetch a model from the Hugging Face Hub into a folder, which all commands take.

    Its files are checked as those of any model are; nothing in them is run.

    Args:
        repo: USER/NAME.
        out: folder for the model; an older model there is replaced.
        revision: branch, tag or commit; a commit is what cannot change.
    """
    from isthmus.persistence import refuse_unusable
    from isthmus.sharing.hub import from_hub

    refuse_unusable(out)
    found = from_hub(repo, revision=revision)
    found.save(out)
    print(f"{out}: {type(found).__name__}")
