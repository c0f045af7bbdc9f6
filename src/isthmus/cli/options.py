"""Options that commands share, as cyclopts reads them: the field's name is the flag, its text the help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Repeated = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]
Folder = Annotated[Path, Parameter(name=["--out", "-o"])]
OnOutput = Annotated[Path | None, Parameter(name=["--out", "-o"])]
Flag = Annotated[bool, Parameter(negative=())]
Said = Annotated[str | None, Parameter(show_default=False)]


@Parameter(name="*", group="How DATA is read")
@dataclass(frozen=True)
class Reading:
    """How a source becomes rows."""

    label: str | None = None
    """Column (or npz array) with labels: kept out of the model, used to colour figures."""

    drop: Repeated = ()
    """Column to leave out; may be repeated. Those of the fit are left out by themselves."""

    limit: int | None = None
    """Read the first so many rows of DATA."""

    size: str | None = None
    """Stretch pictures to HEIGHTxWIDTH."""


STRETCH = "Stretch pictures to HEIGHTxWIDTH, as --size of the fit did; here --size is that of the page."


@Parameter(name="*", group="How DATA is read")
@dataclass(frozen=True)
class Stretched(Reading):
    """How a source becomes rows, of a command where ``--size`` has another meaning."""

    size: Annotated[str | None, Parameter(name="--stretch", help=STRETCH)] = None


@Parameter(name="*", group="Parts (see isthmus parts)")
@dataclass(frozen=True)
class Parts:
    """The parts of a model, each as NAME:FIELD=VALUE,... or as JSON."""

    architecture: str | None = None
    """The networks, for example dense:hidden=(164),dropout=0.3."""

    bottleneck: str | None = None
    """What a code may be, for example top_k:k=8."""

    corruption: Repeated = ()
    """Damage to the inputs while fitting, for example masking:rate=0.3; repeated ones follow each other."""

    likelihood: str | None = None
    """Distribution of the data given the code; chosen from the data where not given."""

    penalty: Repeated = ()
    """What is asked beside a good reconstruction, for example l1:weight=1e-3; may be repeated. It replaces the recipe's
    penalty of that name; none drops all of the recipe's."""


@Parameter(name="*", group="A model that predicts (--task classify or regress)")
@dataclass(frozen=True)
class Explaining:
    """How a self-explaining model predicts."""

    target: str | None = None
    """Column to predict; not needed where DATA has labels of its own."""

    robustness: float | None = None
    """The paper's lambda: how much neighbouring rows must be explained alike; 0.1 if not given."""

    reads: Literal["inputs", "code"] | None = None
    """What relevances see: the inputs, or the code alone, so that nothing passes by the concepts."""

    conciseness: float | None = None
    """How strongly few concepts are to decide: weight of a group lasso on relevances; 0 if not given."""

    fidelity: float | None = None
    """Weight of the autoencoder's objective beside the prediction; 0.1 if not given."""

    frozen: Flag = False
    """Leave the autoencoder as it is after its own fit."""

    balanced: Flag = False
    """Let each class count alike, however few rows it has."""


@Parameter(name="*", group="Training")
@dataclass(frozen=True)
class Training:
    """How the model is trained."""

    optimiser: str | None = None
    """How a gradient becomes a step, for example adam:learning_rate=1e-3."""

    pretraining: str | None = None
    """What happens to the layers before the whole net is trained, for example greedy:epochs=20,corruption=(masking)."""

    epochs: int | None = None
    """Passes over the training rows."""

    batch_size: int | None = None
    """Rows per step; 0 picks one from the number of rows."""

    micro_batch: int | None = None
    """The most rows that one pass holds in memory; a step adds up as many passes as it needs. 0 holds all."""

    validation: float | None = None
    """Share of rows held out to choose the best weights; 0 trains on all."""

    patience: int | None = None
    """Epochs without a better held-out loss before stopping; 0 never stops early."""

    clip: float | None = None
    """Largest norm of the gradient; 0 leaves it alone."""

    precision: Literal["float32", "float64", "bf16"] | None = None
    """Precision of the products."""

    device: str | None = None
    """auto, cpu, cuda, cuda:1, mps."""

    engine: Literal["auto", "native", "sparse", "explicit", "autograd", "compiled", "sharded"] | None = None
    """How a step is executed; sharded divides weights and moments among the processes of --devices."""
