"""The command that writes a page on a model and rows, or its numbers as JSON or Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from isthmus.cli import remembered, rows, timeline
from isthmus.cli.options import OnOutput, Reading, Stretched

if TYPE_CHECKING:
    from isthmus.data import Data

Format = Literal["html", "json", "markdown"]


def of_page(kind: Any, tokens: Sequence[Token]) -> str:
    """Read the size of a page.

    Raises:
        ValueError: something else, such as the size of pictures, which --size is in other commands.
    """
    text, known = tokens[0].value, get_args(kind)
    if text in known:
        return text
    pictures = f"; to stretch pictures write --stretch {text}" if re.fullmatch(r"\d+x\d+", text) else ""
    raise ValueError(f"{text!r} is no size of a page; choose from {', '.join(known)}{pictures}")


Size = Annotated[Literal["auto", "small", "usual", "large"], Parameter(converter=of_page)]
Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))]


def report(
    model: Path,
    data: str,
    /,
    *,
    out: OnOutput = None,
    format: Format = "html",
    size: Size = "auto",
    shape: str | None = None,
    reading: Stretched = Stretched(),  # noqa: B008  (frozen)
) -> None:
    """Write one page that shows what MODEL does with the rows of DATA: a file to open in any browser, or to send.

    It holds the summary, rows and what comes back, the map of codes, the decoder to play with, concepts, predictions
    and their reasons, and anomalies, as far as the model has them. Nothing is loaded from elsewhere or sent anywhere.

    Args:
        model: folder of a saved model: an autoencoder, an anomaly detector or one that predicts.
        data: rows like those of the fit; with --label they are coloured by it.
        out: the page, report.html if not given; of json and markdown the standard output.
        format: html for the page, json or markdown for its summary alone.
        size: small pages weigh at most 1 MB and do not decode, usual ones 6 MB, large ones 20 MB; auto is usual, or
            large where the model needs it. Where not all rows fit, a sample is shown.
        shape: draw flat rows as pictures, CHANNELSxHEIGHTxWIDTH.
        reading: how DATA is read.
    """
    fitted = rows.fitted_at(model)
    X, y, about = read(fitted, data, reading)
    about |= {"shape": rows.sizes(shape, "shape")}
    if format == "html":
        from isthmus.report import report as made

        found = made(fitted, X, y, size=size, **about)
        path = found.write(out if out is not None else Path("report.html"))
        live = "" if not found.page.live else f"\n{found.page.live}"
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in a browser{live}")
        return
    from isthmus.report import given, markdown, summarise, to_dict

    summary = summarise(given(fitted, X, y, **about))
    text = markdown(summary) if format == "markdown" else json.dumps(to_dict(summary), indent=2)
    if out is None:
        print(text)
        return
    from isthmus.data import atomic

    with atomic(out) as beside:
        beside.write_text(text + "\n", encoding="utf-8")
    print(out)


def explore(
    model: Path,
    data: str,
    /,
    *,
    port: Port = 0,
    shape: str | None = None,
    reading: Reading = Reading(),  # noqa: B008
) -> None:
    """Show the page of MODEL and DATA in a browser, with all rows, and save the names that concepts are given there.

    The page is that of isthmus report without its limits; it answers to this machine only, until Ctrl-C.

    Args:
        model: folder of a saved model; names of concepts are saved into it.
        data: rows like those of the fit; with --label they are coloured by it.
        port: of the address; any that is free if not given.
        shape: draw flat rows as pictures, CHANNELSxHEIGHTxWIDTH.
        reading: how DATA is read.
    """
    from isthmus.service.explorer import Explorer, serve

    fitted = rows.fitted_at(model)
    X, y, about = read(fitted, data, reading)
    serve(Explorer(fitted, X, y, model, shape=rows.sizes(shape, "shape"), **about), port)


def read(fitted: Any, data: str, reading: Reading) -> tuple[Any, Any, dict[str, Any]]:
    """Return rows as a model takes them, their labels, and what a report is told of both.

    Raises:
        ValueError: labels that the model reads as a column, which would lack.
    """
    label = reading.label or ""
    if label in getattr(fitted, "feature_names_in_", ()):
        raise ValueError(f"--label {label} is a column of the fit, and the page colours by these too; leave it out")
    reading = remembered.reading_for(fitted, data, reading)
    types = rows.types_of(fitted)
    if getattr(fitted, "window", None) is not None:
        found, titles = timeline.timed(fitted, data, reading)
    else:
        colours = not rows.predicts(fitted)
        found = rows.read(data, reading, types=types if types is not None or colours else {}, colours=colours)
        titles = found.index
    about = {"name": Path(data).name or data, "label": label, "bytes_per_row": found.bytes_per_row, "titles": titles}
    return taken(fitted, found), found.y, about


def taken(fitted: Any, found: Data) -> Any:
    """Return rows as the model takes them: the columns of the fit, as it had them."""
    if rows.predicts(fitted):
        from isthmus.cli import explaining

        return explaining.taken(fitted, found)
    names = getattr(fitted, "feature_names_in_", None)
    if found.table is not None and names is not None and set(names) <= set(found.table.column_names):
        own = tuple(map(str, names))
        return replace(found, names=own, table=found.table.select(own)).rows
    return found.rows
