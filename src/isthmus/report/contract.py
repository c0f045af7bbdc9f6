"""What the page is told: one tree of plain values, and arrays beside it; ``web/src/contract.ts`` is written from this.

Rows of the page are counted from 0 in ``Data.cells``; ``Data.numbers`` says which rows of the data they are. A *cell*
is one number per column of the data, as ONNX graphs take and give them: a number as it is, a level by its place among
the column's levels (as many as there are for one that the fit did not see), a date in seconds since 1970-01-01, NaN
where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FORMAT = 1


@dataclass(frozen=True)
class Packed:
    """An array beside the page: where its bytes are, and how they are read.

    Bytes are little-endian, C order, and compressed by gzip. Where ``step`` is given, one number per place of the last
    axis or one for all, a stored whole number s stands for ``low + step * s``; the largest that the type holds is NaN.
    """

    blob: str
    type: str  # uint8, uint16, int32, float32, float64
    shape: list[int]
    low: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """A column of the data: its kind, its levels, how its cells are written, and what values it has.

    Kinds are number, count, category, binary, constant, hashed and date. ``unseen`` is the cell of a level that is not
    among ``levels``. ``format`` and ``unit`` are those of the
    codec, ``step`` is a date's in seconds, 1 of whole numbers, else 0.
    """

    name: str
    kind: str
    levels: list[str | float | bool]
    low: float | None
    high: float | None
    step: float
    format: str
    buckets: int
    unseen: int


@dataclass(frozen=True)
class Labels:
    """What is known of the rows beside their cells: a class for each row, or a number."""

    name: str
    classes: list[str]  # empty where labels are numbers
    values: Packed  # (rows,) class numbers, -1 where there is none; or numbers


@dataclass(frozen=True)
class Data:
    """The rows that the page shows.

    ``kind`` is table, image, signal, series (rows are points of time) or numbers; ``shape`` is that of one row,
    (channels, height, width), (channels, length) or (columns,); pixels are drawn between ``low`` and ``high``.
    """

    name: str
    kind: str
    shape: list[int]
    columns: list[Column]
    rows: int  # of the data
    cells: Packed  # (rows of the page, columns)
    numbers: Packed  # (rows of the page,) which rows of the data these are
    low: float
    high: float
    note: str  # which rows are shown, where these are not all
    labels: Labels | None
    titles: list[str]  # of the rows of the page: files, times, labels of a frame; empty where rows have none


@dataclass(frozen=True)
class Graph:
    """An ONNX graph that the page runs: its bytes, and the width of its input."""

    blob: str
    width: int


@dataclass(frozen=True)
class Part:
    """One of the six parts in the formalism's words."""

    role: str
    text: str


@dataclass(frozen=True)
class Measure:
    """A measured number with its unit and what it stands beside."""

    name: str
    value: float | None
    unit: str
    beside: list[Beside]
    better: str  # low, high or nothing
    help: str


@dataclass(frozen=True)
class Beside:
    """A number that another is compared with."""

    name: str
    value: float | None


@dataclass(frozen=True)
class Verdict:
    """A sentence about the model: good, note or warning."""

    kind: str
    text: str


@dataclass(frozen=True)
class Curve:
    """A term of the loss by epoch, for training and held-out rows; members of an ensemble have one each."""

    name: str
    unit: str
    epochs: list[float]
    training: list[float | None]
    held_out: list[float | None]


@dataclass(frozen=True)
class Summary:
    """What was trained, on what, and how well."""

    model: str  # autoencoder, detector, classifier, regressor
    title: str
    trained_on: str
    parts: list[Part]
    measures: list[Measure]
    curves: list[Curve]
    best_epoch: float | None
    verdicts: list[Verdict]


@dataclass(frozen=True)
class Reconstructions:
    """Rows and what comes back: the best, some typical ones and the worst, and how well each row of the page does."""

    rows: list[int]
    groups: list[str]  # best, typical, worst: of each of rows
    corrupted: Packed | None  # (len(rows), columns)
    corruption: str
    reconstruction: Packed  # (len(rows), columns)
    surprise: Packed  # (len(rows), columns): nats, or squared error where unit says so
    unit: str
    usual: list[float]  # the median surprise of each column's known cells over all rows; empty where it is no nats
    error: Packed  # (rows of the page,)
    error_unit: str


@dataclass(frozen=True)
class Unit:
    """A number of the code: its name, quantiles 0, 0.01, 0.25, 0.5, 0.75, 0.99 and 1, and how often it is not 0."""

    number: int
    name: str
    quantiles: list[float]
    rate: float
    share: float  # of the variance of codes
    effect: (
        float  # mean absolute change of a reconstruction between the quantiles 0.01 and 0.99, in spreads of the data
    )


@dataclass(frozen=True)
class Plane:
    """A way to see codes in two dimensions: the places of rows, and what the axes are."""

    name: str
    places: Packed  # (rows of the page, 2)
    axes: list[str]


@dataclass(frozen=True)
class CodeMap:
    """Every row as a point: its code, and planes to look at it in."""

    code: Packed  # (rows of the page, units)
    planes: list[Plane]
    score: Packed | None  # (rows of the page,): log-likelihood, or anomaly score
    score_name: str


@dataclass(frozen=True)
class Decoder:
    """The decoder to play with; frames were decoded beforehand, for pages that cannot decode.

    ``frames``, (units, steps, columns), decode the mean code with one unit at each of its ``steps``, (units, steps).
    """

    units: list[Unit]
    mean: list[float]
    steps: Packed
    frames: Packed | None
    samples: Packed | None  # (samples, units): codes drawn from their distribution
    sampled_from: str
    whole: bool  # units only take 0 and more, so that sliders start at 0


@dataclass(frozen=True)
class Label:
    """A label that a concept lifts: how much likelier it is where the concept is active."""

    label: str
    lift: float
    low: float
    high: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Near:
    """A concept like another: by the direction that it writes, and by its values."""

    unit: int
    cosine: float
    correlation: float


@dataclass(frozen=True)
class Band:
    """Examples between two quantiles of a concept's values: rows of the page."""

    name: str
    low: float
    high: float
    rows: list[int]


@dataclass(frozen=True)
class Concept:
    """The passport of a unit. Its atom, traversal and places are rows of the arrays beside it."""

    unit: int
    name: str
    rate: float
    quantiles: list[float]  # 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1
    bands: list[Band]  # the strongest first
    contrast: list[int]  # rows of the page in which it speaks and others hardly do
    labels: list[Label]
    nearest: list[Near]
    flags: list[str]  # dead, dense, duplicate of 3, absorbed by 5
    stability: float | None  # cosine to the closest concept of other fits
    sentence: str


@dataclass(frozen=True)
class Concepts:
    """The gallery of concepts."""

    concepts: list[Concept]
    atoms: Packed  # (units, columns): what one step of the unit writes
    atom_unit: str
    where: Packed  # (units, columns): mean change when the unit is taken away, over rows in which it is active
    steps: Packed  # (units, steps)
    traversal: Packed  # (units, steps, columns)


@dataclass(frozen=True)
class Prediction:
    """A self-explaining model: what it predicts, and what the page needs to show why.

    Without graphs, the rows of ``rows`` have their contributions, (rows, outputs, concepts + 1); the last concept is
    the constant. ``low``, ``high`` and ``spread`` are of each concept in the rows of the fit: the ends between which
    counterfactuals stay (quantiles 0.005 and 0.995), and the standard deviation that a change is measured in.
    """

    target: str
    classes: list[str]  # empty for a regressor
    outputs: list[str]  # one per column of logits: a binary classifier has one
    unit: str
    rows: list[int]
    relevances: Packed
    contributions: Packed
    predicted: Packed  # (rows of the page,) class numbers or numbers
    confidence: Packed | None  # (rows of the page,)
    low: list[float]
    high: list[float]
    spread: list[float]
    reads: str  # inputs or code


@dataclass(frozen=True)
class Anomalies:
    """Scores of all rows of the page and reasons for the strangest ones."""

    score: Packed  # (rows of the page,)
    p_value: Packed  # (rows of the page,)
    rows: list[int]  # those with reasons, the strangest first
    contributions: Packed  # (len(rows), columns)
    expected: Packed  # (len(rows), columns)
    low: Packed | None
    high: Packed | None
    neighbours: Packed | None  # (len(rows), 3): rows of the page
    calibration: Packed  # scores of normal rows, ascending
    threshold: float
    alarm_rate: float
    note: str  # how p-values were calibrated, and what that promises
    of_fit: bool  # the rows are those of the fit, which members know


@dataclass(frozen=True)
class Page:
    """All that the page shows; a section is null where the model or the data have none."""

    format: int
    version: str
    title: str
    data: Data
    summary: Summary
    graphs: dict[str, Graph]
    live: str  # empty where the page decodes; else why it does not
    editable: bool  # names can be saved into the model
    reconstructions: Reconstructions | None
    code_map: CodeMap | None
    decoder: Decoder | None
    concepts: Concepts | None
    prediction: Prediction | None
    anomalies: Anomalies | None
