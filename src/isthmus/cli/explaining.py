"""The commands on a saved self-explaining model: explain a row, score files of any size, and its audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import remembered, results, rows
from isthmus.cli.options import OnOutput, Reading

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators.concept_explanation import ConceptExplanation

SHOWN = 10


def explain(
    model: Path,
    data: str,
    /,
    *,
    row: int = 1,
    against: str | None = None,
    out: OnOutput = None,
    train: str | None = None,
    shape: str | None = None,
    reading: Reading = Reading(),  # noqa: B008  (frozen)
) -> None:
    """Say what every concept adds to the prediction for one row of DATA.

    Args:
        model: folder of a saved self-explaining model (isthmus fit --task classify or regress).
        data: rows like those of the fit, with the target or without.
        row: number of the row, from 1 up.
        against: the class that it is explained against; the one that comes next where not given.
        out: PNG file with the row, a bar for each concept, and what these concepts look like.
        train: rows of the fit: those in which each concept is strongest are drawn beside its bar.
        shape: draw flat rows as pictures, CHANNELSxHEIGHTxWIDTH.
        reading: how DATA is read.
    """
    if out is not None and out.suffix.lower() != ".png":
        raise ValueError(f"{str(out)!r} is no name of a picture; write for example -o row.png")
    if row < 1:
        raise ValueError(f"--row {row} is no row: rows count from 1, and the first one is --row 1")
    fitted = self_explaining(model)
    given = read(fitted, data, replace(reading, limit=row if reading.limit is None else reading.limit))
    if row > len(given):
        many = f"{len(given):,} {'row' if len(given) == 1 else 'rows'}"
        raise ValueError(f"{data} has {many}, and --row {row} is none of them; count from 1")
    X = taken(fitted, rows.some(given, [row - 1]))
    label = None if against is None else class_of(fitted, against)
    told = fitted.explain(X, label).gap()
    name = str(row) if given.index is None else f"{row} ({given.index[row - 1]})"
    print("\n".join(lines(told, 0, name, len(told.names))))
    if told.stability[0] == told.stability[0]:  # a number
        print(f"local Lipschitz number {told.stability[0]:.3g}")
    if out is not None:
        known = None if train is None else of_fit(fitted, train, replace(reading, limit=None))
        y = None if given.y is None else given.y[[row - 1]]
        draw(fitted, X, out, y=y, against=label, train=known, rows=[name], shape=rows.sizes(shape, "shape"))
        print(f"{out}")


def lines(told: ConceptExplanation, row: int, name: Any, most: int = 3) -> list[str]:
    """Say what is predicted of a row that goes by a name, and the concepts that add most."""
    return [f"row {name}: {told.total(row)}", *(f"  {reason}" for reason in told.reasons(row, most))]


def draw(fitted: Any, X: Any, out: Path, **settings: Any) -> None:
    """Write the picture of an explanation."""
    results.without_screen()
    from isthmus.displays import ConceptContributionsDisplay
    from isthmus.displays.folder import write

    write(ConceptContributionsDisplay.from_estimator(fitted, X, **settings), out)


def self_explaining(path: Path) -> Any:
    """Load a saved self-explaining model.

    Raises:
        ValueError: something else is there.
    """
    fitted = rows.fitted_at(path)
    if not rows.predicts(fitted):
        raise ValueError(
            f"{path} holds {rows.described(fitted)}, which predicts no target and has nothing to explain by concepts; "
            "fit a model that does: isthmus fit DATA --task classify --target COLUMN -o MODEL"
        )
    return fitted


def read(fitted: Any, data: str, reading: Reading) -> Data:
    """Return rows of a source, as a table where it has columns; the target apart where it is there."""
    return rows.read(data, remembered.reading_for(fitted, data, reading), types=rows.types_of(fitted) or {})


def taken(fitted: Any, given: Data) -> Any:
    """Return rows as the model takes them: the columns of the fit."""
    from isthmus.estimators.scoring import admitted

    return given.rows if given.table is None else admitted(fitted, given.table)


def of_fit(fitted: Any, data: str, reading: Reading) -> Any:
    """Return the rows of the fit.

    Raises:
        ValueError: there are too few to be these.
    """
    X = taken(fitted, given := read(fitted, data, reading))
    last = int(max(fitted.known_, default=-1)) + 1
    if last > len(given):
        raise ValueError(
            f"--train {data} has {len(given):,} rows, and the fit had {last:,} or more; give those of the fit"
        )
    return X


def class_of(fitted: Any, text: str) -> Any:
    """Return the class that is written so.

    Raises:
        ValueError: there is none, or no class at all.
    """
    from isthmus.component import suggest

    if not hasattr(fitted, "classes_"):
        raise ValueError("--against names a class, and the model predicts numbers; leave it out")
    known = {str(label): label for label in fitted.classes_}
    if text not in known:
        raise ValueError(f"--against {text!r} is no class of the fit; {suggest(text, list(known)[:40])}")
    return known[text]


def score(fitted: Any, data: str, out: Path | None, reading: Reading, *, per_column: bool) -> None:
    """Predict the rows of a source in blocks, and write or show what was found.

    Raises:
        ValueError: a file that holds no text, or no row.
    """
    from isthmus.cli.answers import append
    from isthmus.cli.scoring import named_rows, refuse_wordless
    from isthmus.explain.words import plain

    refuse_wordless(out)
    reading = remembered.reading_for(fitted, data, reading)
    answers = predicted(fitted, data, reading, per_column)
    if out is not None:
        count = append(out, (named_rows(found, block, out) for found, block in answers))
        print(f"{out}: {count:,} rows")
        return
    found, block = next(answers)
    for i, row in enumerate(found.slice(0, SHOWN).to_pylist()):
        own = "" if block.index is None else f" ({block.index[i]})"
        sure = f", probability {row['probability']:.3g}" if "probability" in row else ""
        value = row["prediction"]
        said = plain(value, 6) if isinstance(value, float) else value
        print(f"row {i + 1}{own}: {said}{sure}")
        print("\n".join(f"  {reason}" for name, reason in row.items() if name.startswith("reason_") and reason))
    if found.num_rows > SHOWN:
        print("...\nisthmus score MODEL DATA -o FILE writes all rows")


def predicted(fitted: Any, data: str, reading: Reading, per_column: bool) -> Iterator[tuple[Any, Data]]:
    """Give every block's answers, and the block."""
    from isthmus.cli.answers import answered
    from isthmus.estimators import predict_batches

    def answer(block: Data) -> Any:
        return predict_batches(fitted, block.arrow, per_concept=per_column)

    return answered(data, reading, rows.types_of(fitted) or {}, "scoring", answer)


def evaluate(fitted: Any, data: str, reading: Reading, train: str | None, refits: int, json_file: Path | None) -> None:
    """Print the audit of a model on rows with labels, and write it as JSON if asked to.

    Raises:
        ValueError: there are no labels.
    """
    given = read(fitted, data, reading)
    if given.y is None:
        target = fitted.target_name_
        hint = f"the target of the fit was {target!r}, which is not there; " if target else ""
        raise ValueError(f"{data} has no labels to compare predictions with; {hint}name their column: --label COLUMN")
    known = None
    if train is not None:
        of_fit = read(fitted, train, replace(reading, limit=None))
        known = (taken(fitted, of_fit), of_fit.y)
    audit = fitted.audit(taken(fitted, given), given.y, train=known, refits=refits)
    if json_file is not None:
        results.write_json(json_file, audit.to_dict())
    print(audit)
