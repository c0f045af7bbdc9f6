"""``isthmus concepts``: what a saved model has learnt, as figures and files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isthmus.cli import remembered, rows
from isthmus.cli.options import Folder, Reading, Repeated

if TYPE_CHECKING:
    from isthmus.estimators import Autoencoder
    from isthmus.estimators.self_explaining_base import SelfExplainingEstimator

Order = Literal["rate", "unit", "name", "lift", "stability", "likeness"]


def concepts(
    model: Path,
    data: str,
    /,
    *,
    out: Folder,
    name: Repeated = (),
    other: Annotated[tuple[Path, ...], Parameter(negative=(), show_default=False)] = (),
    by: Order = "rate",
    pages: int = 50,
    shape: str | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> None:
    """Write a passport for every concept, a unit of the code: when it speaks, what it writes, which labels it lifts.

    The folder gets gallery.png, a page for each concept, concepts.csv with a line per concept, and concepts.json.

    Args:
        model: folder of a saved model.
        data: rows like those of the fit; with labels, concepts are compared with them.
        out: folder for figures and files.
        name: call a concept by a name, as 3=loop, which is saved with the model; may be repeated.
        other: folder of the same model fitted with another seed, to see which concepts come back; may be repeated.
        by: order of the concepts.
        pages: how many pages at most.
        shape: draw flat rows as pictures, CHANNELSxHEIGHTxWIDTH.
        reading: how DATA is read.
    """
    from isthmus.displays import concept_figures
    from isthmus.explain import passports

    whole = rows.fitted_at(model)
    fitted = rows.autoencoder_of(whole, model)
    if name:
        named(whole, name).save(model)
    given = rows.read(data, remembered.reading_for(whole, data, reading), types=rows.types_of(fitted))
    book = passports(fitted, given.rows, given.y, others=[rows.model_at(path) for path in other])
    drawn = concept_figures(book, out, by=by, pages=pages, shape=rows.sizes(shape, "shape"))
    import pyarrow as pa

    from isthmus.data import atomic

    rows.write(out / "concepts.csv", pa.table(book.table()))
    with atomic(out / "concepts.json") as path:
        path.write_text(json.dumps(book.to_dict(), allow_nan=False) + "\n", encoding="utf-8")
    print(book)
    print(f"{out}: gallery.png, {len(drawn) - 1} pages, concepts.csv, concepts.json")


def named(fitted: Autoencoder | SelfExplainingEstimator, names: Sequence[str]) -> Any:
    """Give concepts their names, NUMBER=NAME each.

    Raises:
        ValueError: something else, or a unit that the code does not have.
    """
    for text in names:
        unit, equals, name = text.partition("=")
        if not equals or not unit.strip().isdigit():
            raise ValueError(f"--name {text!r} is not NUMBER=NAME; write for example --name 3=loop")
        fitted.name_concept(int(unit), name or None)
    return fitted
