"""From parameters and data to parts that are all named: the one place where defaults are chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isthmus.architecture import Architecture
from isthmus.architecture.dense import Dense
from isthmus.atrow import RowError
from isthmus.bottleneck import Bottleneck
from isthmus.bottleneck.plain import Undercomplete
from isthmus.corruption import Clean, Corruption
from isthmus.corruption.noise import Hiding
from isthmus.data.arrays import Scaling
from isthmus.estimators.inputs import BLOCK, blocks, hint_of_channels, tensor
from isthmus.likelihood import Likelihood
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.mixed import Mixed
from isthmus.likelihood.normal import Normal
from isthmus.measures.dimension import intrinsic_dimension
from isthmus.model import Autoencoder as Model
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty import Penalty
from isthmus.records import Shape, Spec
from isthmus.training.trainer import Trainer

DEFAULT_UNITS = 32
INIT = 5


class SizeWarning(UserWarning):
    """A size that was asked for was not reached."""


@dataclass(frozen=True)
class Parts:
    """Every choice of a model, named."""

    architecture: Architecture
    bottleneck: Bottleneck
    corruption: Corruption
    likelihood: Likelihood
    penalties: tuple[Penalty, ...]
    trainer: Trainer
    units: int

    @property
    def hides(self) -> bool:
        """Whether the encoder is told of entries that it may not see."""
        return "hidden entries" in self.corruption.provides

    def build(self, spec: Spec, noise: Noise) -> Objective:
        """Build the objective that these parts describe.

        Raises:
            ValueError: parts that do not fit together.
        """
        outputs = self.likelihood.outputs(spec)
        model = Model(spec, self.architecture, self.bottleneck, self.units, outputs, noise.branch(INIT))
        return Objective(model, self.likelihood, self.penalties, self.corruption)

    def __str__(self) -> str:
        """Write the parts in the formalism's words."""
        omega = "".join(f" + {penalty!r}" for penalty in self.penalties)
        corruption = "" if self.corruption == Clean() else f", {self.corruption!r}"
        return (
            f"{self.architecture!r} > {self.bottleneck!r}, {self.units} units | {self.likelihood!r}{omega}{corruption}"
        )


def pick_likelihood(x: np.ndarray[Any, Any], scaling: str) -> Likelihood:
    """Choose a likelihood from data, and from a scaling that was asked for: scaled numbers are no probabilities.

    Zeros and ones, or numbers in [0, 1] of which at least half lie within 0.05 of an end and some near each (ink on
    paper), are Bernoulli; everything else is Normal: what is near 0 alone may be small in its unit. Counts and
    categories must be named: a whole number may be a count, a level or a rounded measurement, and data cannot tell.
    """
    if scaling in ("auto", "none") and x.size and 0 <= x.min() <= 0.05 and 0.95 <= x.max() <= 1:
        extreme = sum(int(((rows <= 0.05) | (rows >= 0.95)).sum()) for rows in blocks(x))
        if 2 * extreme >= x.size:
            return Bernoulli()
    return Normal()


def pick_scaling(mode: str, likelihood: Likelihood) -> str:
    """Choose how numbers are scaled before the model: one common factor for the squared error, else not at all."""
    if mode != "auto":
        return mode
    identity = getattr(likelihood, "link", "identity") == "identity"
    return "common" if "numbers" in likelihood.requires and identity else "none"


def pick_shape(asked: Any, given: Shape, width: int) -> Shape:
    """Return the shape of a row for the model: what was asked for, else that of X, where a picture has one channel.

    Raises:
        ValueError: what was asked for is no shape, or not one of so many numbers.
    """
    if asked is None:
        hint_of_channels(given)
        return (1, *given) if len(given) == 2 else given
    shape = tuple(asked) if isinstance(asked, (tuple, list)) else ()
    if not shape or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise ValueError(f"shape={asked!r} is not the shape of a row; give whole numbers, as in (3, 32, 32)")
    if math.prod(shape) != width:
        raise ValueError(f"shape={shape} has {math.prod(shape)} numbers, but a row of X has {width}; correct shape")
    return tuple(int(n) for n in shape)


def pick_units(n_components: Any, shape: Shape, places: int, x: np.ndarray[Any, Any], mode: str = "none") -> int:
    """Return the number of units (at each of ``places``); the default is lowered for narrow data, which ``Parts`` say.

    ``mode`` says how rows are scaled, and so in which units errors are measured.
    """
    size = math.prod(shape)
    if isinstance(n_components, str):
        if n_components != "auto":
            raise ValueError(f"n_components={n_components!r} is unknown; give a whole number, 'auto' or None")
        return intrinsic_dimension(Scaling.fit(x, mode).comparable(x))
    if n_components is not None:
        if isinstance(n_components, bool) or not isinstance(n_components, (int, np.integer)) or n_components < 1:
            raise ValueError(
                f"n_components={n_components!r} is not a size; give a whole number from 1 up, 'auto' or None"
            )
        return int(n_components)
    return min(DEFAULT_UNITS, max(1, size // (2 * places)))


def describe(
    x: np.ndarray[Any, Any],
    shape: Shape,
    parts: Parts,
    scaling: Scaling,
    names: Any,
    *,
    rows: int | None = None,
) -> Spec:
    """Describe data as the parts will see it, after scaling; ``rows`` is their number where ``x`` holds only some."""
    likelihood = parts.likelihood
    columns = tuple(likelihood.column(str(name)) for name in names) if names is not None else ()
    levels = likelihood.column("").kind == "category"
    if levels:
        columns = columns or tuple(likelihood.column(f"x{i}") for i in range(math.prod(shape)))
        words = {"levels"}
    else:
        words = {"numbers"}
        if x.size and scaling.mode == "none" and x.min() >= 0:
            words |= {"counts"} if all(bool(np.all(rows == np.floor(rows))) for rows in blocks(x)) else set()
            words |= {"unit interval"} if x.max() <= 1 else set()
        words |= {"continuous"}
    n = len(x) if rows is None else rows
    return Spec(shape, columns, parts.hides, n, frozenset(words), level=parts.corruption.level)


def refuse_too_little(x: np.ndarray[Any, Any]) -> None:
    """Refuse rows that do not differ: there is nothing that a code could say.

    Raises:
        ValueError: one row, or the same row again and again.
    """
    if len(x) < 2:
        raise ValueError("X has 1 sample, from which nothing can be learnt; give at least 2 rows to fit")
    if all(bool((rows == x[0]).all()) for rows in blocks(x)):
        raise ValueError(f"all {len(x)} rows of X are equal, so nothing can be learnt; check how X was read")


CHOSEN = ". It was chosen as all rows of the fit were in that range: MinMaxScaler(clip=True) keeps new ones there"


def refuse_unsupported(
    x: np.ndarray[Any, Any],
    likelihood: Likelihood,
    names: Any,
    *,
    chosen: bool = False,
    where: Callable[[int], str] | None = None,
) -> None:
    """Refuse data that cannot occur under the likelihood, naming the column; ``chosen`` says that data chose it.

    ``where`` says how a row of ``x`` is called, where that is no position.

    Raises:
        ValueError: an entry outside the support.
    """
    strange = (number for number, rows in enumerate(blocks(x)) if not likelihood.admits(tensor(rows)))
    start = BLOCK * next(strange, len(x))
    if start >= len(x):
        return
    row, column = np.argwhere(~likelihood.supports(tensor(x[start : start + BLOCK])).numpy())[0]
    row += start
    label = repr(str(names[column])) if names is not None else str(column)
    raise RowError(
        f"{type(likelihood).__name__} needs {likelihood.support}, but column {label} holds {x[row, column]:g} in ",
        int(row),
        f"; {likelihood.remedy}{CHOSEN if chosen else ''}",
        "" if where is None else where(int(row)),
    )


def resolve(estimator: Any, x: np.ndarray[Any, Any], shape: Shape) -> Parts:
    """Name every part that the user left open.

    Raises:
        ValueError: a parameter of the wrong kind.
    """
    bottleneck = part_of(estimator.bottleneck, Bottleneck, Undercomplete(), "bottleneck")
    likelihood = estimator.likelihood
    table = estimator.form_.table
    open_likelihood = Mixed() if table is not None else None
    likelihood = (
        (open_likelihood or pick_likelihood(x, estimator.scaling))
        if likelihood is None
        else part_of(likelihood, Likelihood, None, "likelihood")
    )
    likelihood = likelihood.suited(tensor(x))
    open_net = default_architecture(likelihood, bottleneck)
    architecture = part_of(estimator.architecture, Architecture, open_net, "architecture")
    places, mode = math.prod(architecture.code(shape, 1)), estimator.form_.scaling(estimator.scaling, likelihood)
    penalties = () if estimator.penalties is None else estimator.penalties
    if not isinstance(penalties, (tuple, list)):
        penalties = (penalties,)
    return Parts(
        architecture=architecture,
        bottleneck=bottleneck,
        corruption=part_of(estimator.corruption, Corruption, default_corruption(x, table), "corruption"),
        likelihood=likelihood,
        penalties=tuple(part_of(penalty, Penalty, None, "penalties") for penalty in penalties),
        trainer=part_of(estimator.trainer, Trainer, Trainer(), "trainer"),
        units=pick_units(estimator.n_components, shape, places, x if table is None else np.nan_to_num(x), mode),
    )


def default_corruption(x: np.ndarray[Any, Any], table: Any) -> Corruption:
    """Return the default: none, but for tables with holes, which a model learns to fill by hiding more."""
    return Hiding(0.2) if table is not None and bool(np.isnan(x).any()) else Clean()


def default_architecture(likelihood: Likelihood, bottleneck: Bottleneck) -> Architecture:
    """Return the default nets: two hidden layers, beside a linear path where that can start at PCA."""
    at_pca = "squared error" in likelihood.provides and "plain code" in bottleneck.provides
    return Dense(hidden=(256, 128)) if not at_pca else replace(Dense(hidden=(256, 128)), shortcut=True)


def part_of(value: Any, kind: type[Any], default: Any, name: str) -> Any:
    """Return a part of a kind, or the default where there is one and none was given.

    Raises:
        ValueError: something else.
    """
    if value is None and default is not None:
        return default
    if isinstance(value, kind):
        return value
    hint = f"{value.__name__}()" if isinstance(value, type) and issubclass(value, kind) else "a part from isthmus.parts"
    raise ValueError(f"{name}={value!r} is not {_article(kind.__name__)}; give {hint}")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word.lower()}"
