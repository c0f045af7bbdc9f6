"""``isthmus fit --task anomaly``: data in; a saved anomaly detector, figures and a summary out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import composing, remembered, results, rows, timeline
from isthmus.cli.options import Parts, Reading, Training

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators import AnomalyDetector

MOST = 5000
"""Rows of the fit that are scored for the summary."""


@dataclass(frozen=True)
class Asked:
    """What the options say of a detector."""

    contamination: str | None
    alarm_rate: float | None
    members: int | None
    window: int | None
    schema: tuple[str, ...]
    shape: str | None
    seed: int
    architecture: str | None
    training: Training


def refuse_foreign(
    recipe: str,
    units: str | None,
    scaling: str | None,
    test: str | None,
    checkpoint: Path | None,
    stream: bool,
    parts: Parts,
) -> None:
    """Refuse options that say nothing about a detector.

    Raises:
        ValueError: always with the options.
    """
    given = {
        "--recipe": recipe != "plain",
        "--units": units is not None,
        "--scaling": scaling is not None,
        "--test": test is not None,
        "--checkpoint": checkpoint is not None,
        "--stream": stream,
        **{f"--{name}": bool(value) for name, value in asdict(parts).items() if name != "architecture"},
    }
    wrong = [option for option, there in given.items() if there]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: a detector of anomalies has its own; leave out, or fit an autoencoder")


def fit(data: str, out: Path, asked: Asked, figures: Path | None, reading: Reading, *, quiet: bool) -> int:
    """Fit a detector, save it, and say what it is."""
    from isthmus.cli.progress import Members, Watch

    types = composing.text_columns(composing.schema(asked.schema))
    if asked.window is None:
        given, axis = rows.read(data, reading, types=types, quiet=quiet, colours=True), None
    else:
        given, axis = timeline.divided(timeline.read(data, reading, types, quiet=quiet))
    detector, training = detector_of(asked), composing.overrides(asked.training)
    watch, began = Watch(), time.monotonic()
    detector.fit(given.rows, callback=Members(watch, quiet=quiet), training=training)
    seconds = time.monotonic() - began
    remembered.remember(detector, reading, axis)
    detector.save(out)
    if watch.interrupted:
        return results.interrupted(out)
    text, tell = summary(detector, given, seconds), results.teller(quiet=quiet)
    tell(f"{'model':12} {out} ({sum(file.stat().st_size for file in out.iterdir()) / 1024:,.0f} kB)\n{text}")
    if figures is not None:
        drawn = _draw(detector, given, figures, text)
        tell(f"{'figures':12} {figures} ({', '.join(path.name for path in drawn)}, summary.txt)")
    tell(f"{'next':12} isthmus score {out} NEW_DATA -o scored.csv")
    if asked.window is None and (told := timeline.hint(given)) is not None:
        tell(f"{'hint':12} {told}")
    return 0


def detector_of(asked: Asked) -> AnomalyDetector:
    """Return the detector that the options describe.

    Raises:
        ValueError: a part that does not exist, or a setting out of its range.
    """
    from isthmus.architecture import Architecture
    from isthmus.estimators import AnomalyDetector, plan

    detector = AnomalyDetector(
        contamination=_contamination(asked.contamination),
        members=asked.members,
        window=asked.window,
        schema=composing.schema(asked.schema),
        shape=rows.sizes(asked.shape, "shape"),
        architecture=None if asked.architecture is None else composing.part(Architecture, asked.architecture),
        random_state=asked.seed,
    )
    if asked.alarm_rate is not None:
        detector.set_params(alarm_rate=float(asked.alarm_rate))
    plan.refuse_settings(detector)
    return detector


def _contamination(text: str | None) -> Any:
    """Read unknown, 0 or a share.

    Raises:
        ValueError: something else.
    """
    if text is None or text == "unknown":
        return "unknown"
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        raise ValueError(f"--contamination {text!r} is no share; give unknown, 0 or a number up to 0.5") from None


def summary(detector: AnomalyDetector, given: Data, seconds: float) -> str:
    """Say what a detector was fitted to, how it raises alarms, and what it says of the rows that it was fitted to."""
    calibration = sum(map(len, detector.calibration_))
    how = "held out of the fit" if len(detector.calibration_) == 1 else "each scored by the member not fitted on it"
    some = _few(detector, given)
    alarms = float((detector.predict(_rows(given, some)) < 0).mean())
    of = "of the rows" if len(some) == len(given) else f"of {len(some):,} of the rows"
    contamination, members = detector.contamination, detector.members_
    share = f"{100 * alarms:.3g} % {of} of the fit are above it"
    if contamination in ("unknown", 0):
        share = f"for false alarms on {100 * detector.alarm_rate:.3g} % of normal rows; {share}"
    filler = "filler" if len(members.fillers) == 1 else "fillers"
    nets = f"{len(members.denoisers)} denoisers and {len(members.fillers)} {filler} of cells, "
    nets += f"{members.recipe.denoiser.architecture!r}"
    points = "" if detector.window is None else f" points of time, read {detector.window} at once,"
    lines = {
        "rows": f"{len(given):,}{points} of {given.source}, {_told(contamination)}",
        "columns": columns(detector),
        "members": nets,
        "calibration": f"{calibration:,} rows, {how}; the smallest p-value is {1 / (calibration + 1):.2g}",
        "threshold": f"score {-detector.offset_:.4g}, {share}",
        "time": f"{seconds:.3g} s",
    }
    return "\n".join(f"{name:12} {line}" for name, line in lines.items())


def _told(contamination: Any) -> str:
    if contamination == "unknown":
        return "some of which may be anomalies"
    return f"{100 * contamination:.3g} % of them anomalies" if contamination else "all of them normal"


def columns(detector: AnomalyDetector) -> str:
    """Say how many columns there are, of what kinds, or of what shape a row is."""
    codec = getattr(detector.reading_, "codec", None)
    if codec is None:
        return f"{detector.n_features_in_:,}, each row a {'x'.join(map(str, detector.reading_.given))} array of numbers"
    kinds = Counter(codec.kinds)
    if set(kinds) == {"number"}:
        return f"{len(codec.kinds)}, all numbers"
    named = {kind: [n for n, k in zip(codec.names, codec.kinds, strict=True) if k == kind] for kind in kinds}
    told = [f"{len(names)} {kind} ({_some(names)})" for kind, names in named.items()]
    return f"{len(codec.kinds)}: {', '.join(told)}"


def _some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _few(detector: AnomalyDetector, given: Data) -> Any:
    """Return the numbers of rows that are scored for the summary, evenly; of a series its last points, in a row."""
    import numpy as np

    if detector.window is not None:
        return np.arange(max(0, len(given) - max(MOST, detector.window)), len(given))
    return np.linspace(0, len(given) - 1, min(len(given), MOST)).astype(int)


def _rows(given: Data, some: Any) -> Any:
    """Return some rows as the estimator takes them."""
    if len(some) == len(given):
        return given.rows
    return rows.some(given, some).rows


def _draw(detector: AnomalyDetector, given: Data, folder: Path, text: str) -> list[Path]:
    results.without_screen()
    from isthmus.displays import anomaly_figures

    some = _few(detector, given)
    drawn = anomaly_figures(detector, _rows(given, some), folder, rows=(some + 1).tolist())
    results.write_summary(folder, text)
    return drawn
