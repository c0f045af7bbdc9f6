"""Reading and writing the folders in which other libraries keep a dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from isthmus.component import suggest
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.interchange.layouts import LAYOUTS, Layout
from isthmus.interchange.weights import estimator_of, weights_of


def load_dictionary(path: str | Path) -> Autoencoder:
    """Read a dictionary that SAELens, sparsify or dictionary_learning wrote, as a fitted ``Autoencoder``.

    The files say which: ``sae_weights.safetensors`` with ``cfg.json`` (SAELens), ``sae.safetensors`` with ``cfg.json``
    (sparsify), ``ae.safetensors`` with ``config.json`` (dictionary_learning, whose ``ae.pt`` is a pickle and is not
    opened). Atoms get length one, and codes as much larger; reconstructions stay as they are. Dictionaries by a
    threshold, BatchTopK's too, become JumpReLU. Nothing in the files is executed.

    Raises:
        ValueError: no such files, damaged ones, or settings under which the tensors mean something else.
    """
    path = Path(path)
    layout = _layout_of(path)
    try:
        settings: Any = json.loads((path / layout.settings).read_text(encoding="utf-8"))
        tensors = {name: t.double() for name, t in load_file(path / layout.tensors).items()}
        return estimator_of(layout.read(tensors, settings))
    except KeyError as error:
        raise ValueError(f"{path} lacks {error} of the layout {layout.name!r}; check who wrote it") from None
    except (
        SafetensorError,
        OSError,
        json.JSONDecodeError,
        AttributeError,
        TypeError,
        RuntimeError,
        IndexError,
    ) as error:
        raise ValueError(f"{path} is damaged ({error}); write it again") from None


def save_dictionary(model: Autoencoder, path: str | Path, layout: str = "sae_lens") -> Path:
    """Write a fitted dictionary to a folder, as another library reads it: in the units of its rows, scaling folded in.

    Args:
        model: a fitted ``recipes.dictionary()``, or another ``Autoencoder`` with the architecture ``Dictionary()``.
        path: the folder, made where it does not exist.
        layout: ``sae_lens``, ``sparsify`` or ``dictionary_learning``, whose own loader opens ``ae.pt``, a pickle: make
            it of the file written by ``torch.save(safetensors.torch.load_file("ae.safetensors"), "ae.pt")``.

    Raises:
        ValueError: an unknown layout, or a model that the other library cannot express.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r} is unknown; {suggest(layout, list(LAYOUTS))}")
    chosen = LAYOUTS[layout]
    tensors, settings = chosen.write(weights_of(model))
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    plain = {name: (t.float() if t.is_floating_point() else t).contiguous().clone() for name, t in tensors.items()}
    save_file(plain, path / chosen.tensors)
    (path / chosen.settings).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return path


def _layout_of(path: Path) -> Layout:
    """Return the layout whose files a folder has."""
    for layout in LAYOUTS.values():
        if (path / layout.tensors).is_file() and (path / layout.settings).is_file():
            return layout
    if (path / "ae.pt").is_file():
        remedy = "save_file(torch.load('ae.pt', weights_only=True), 'ae.safetensors')"
        raise ValueError(
            f"{path / 'ae.pt'} is a pickle, which could execute code; convert it where you trust it: {remedy}"
        )
    wanted = ", ".join(f"{layout.tensors} with {layout.settings}" for layout in LAYOUTS.values())
    raise ValueError(f"{path} holds no dictionary; give a folder with {wanted}")
