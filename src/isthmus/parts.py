"""Every part under one import: ``from isthmus.parts import Dense, TopK, Masking, Bernoulli, L1, Trainer``.

Names are looked up in the catalogue when they are asked for, so that a new part, a plug-in's too, is here at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.catalogue import catalogue
from isthmus.component import Part, Schedule, suggest
from isthmus.corruption import Corruption
from isthmus.data.columns import Kind
from isthmus.likelihood import Likelihood
from isthmus.penalty import Penalty
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import Optimiser
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:  # what editors and type checkers see; at run time the catalogue is asked
    from isthmus.architecture.conv import Conv as Conv
    from isthmus.architecture.dense import Dense as Dense
    from isthmus.architecture.dictionary import Dictionary as Dictionary
    from isthmus.architecture.given import Given as Given
    from isthmus.bottleneck.activated import Rectified as Rectified
    from isthmus.bottleneck.activated import Sigmoid as Sigmoid
    from isthmus.bottleneck.activated import Tanh as Tanh
    from isthmus.bottleneck.activated import UnitNorm as UnitNorm
    from isthmus.bottleneck.batch_top_k import BatchTopK as BatchTopK
    from isthmus.bottleneck.gated import Gated as Gated
    from isthmus.bottleneck.jump_relu import JumpReLU as JumpReLU
    from isthmus.bottleneck.plain import Overcomplete as Overcomplete
    from isthmus.bottleneck.plain import Undercomplete as Undercomplete
    from isthmus.bottleneck.top_k import TopK as TopK
    from isthmus.bottleneck.variational import Variational as Variational
    from isthmus.corruption import Clean as Clean
    from isthmus.corruption.noise import GaussianNoise as GaussianNoise
    from isthmus.corruption.noise import Hiding as Hiding
    from isthmus.corruption.noise import Masking as Masking
    from isthmus.corruption.noise import NoiseLevels as NoiseLevels
    from isthmus.corruption.noise import SaltAndPepper as SaltAndPepper
    from isthmus.corruption.noise import SwapNoise as SwapNoise
    from isthmus.corruption.wrapped import Clipped as Clipped
    from isthmus.corruption.wrapped import Compose as Compose
    from isthmus.corruption.wrapped import Emphasised as Emphasised
    from isthmus.corruption.wrapped import PerKind as PerKind
    from isthmus.data.columns.date import Date as Date
    from isthmus.data.columns.level import Binary as Binary
    from isthmus.data.columns.level import Category as Category
    from isthmus.data.columns.level import Constant as Constant
    from isthmus.data.columns.level import Hashed as Hashed
    from isthmus.data.columns.number import Count as Count
    from isthmus.data.columns.number import Number as Number
    from isthmus.likelihood.bernoulli import Bernoulli as Bernoulli
    from isthmus.likelihood.categorical import Categorical as Categorical
    from isthmus.likelihood.mixed import Mixed as Mixed
    from isthmus.likelihood.normal import Normal as Normal
    from isthmus.likelihood.normal import ScaledNormal as ScaledNormal
    from isthmus.likelihood.poisson import Poisson as Poisson
    from isthmus.likelihood.von_mises import VonMises as VonMises
    from isthmus.penalty.activation_rate import ActivationRate as ActivationRate
    from isthmus.penalty.atom_l1 import AtomL1 as AtomL1
    from isthmus.penalty.auxiliary import Auxiliary as Auxiliary
    from isthmus.penalty.contractive import Contractive as Contractive
    from isthmus.penalty.gate_loss import GateLoss as GateLoss
    from isthmus.penalty.hoyer import Hoyer as Hoyer
    from isthmus.penalty.kl import KL as KL
    from isthmus.penalty.l0 import L0 as L0
    from isthmus.penalty.l1 import L1 as L1
    from isthmus.penalty.l2 import L2 as L2
    from isthmus.penalty.lp import Lp as Lp
    from isthmus.penalty.nested import Nested as Nested
    from isthmus.penalty.orthogonality import Orthogonality as Orthogonality
    from isthmus.penalty.target_l0 import TargetL0 as TargetL0
    from isthmus.schedule import Cosine as Cosine
    from isthmus.schedule import Ramp as Ramp
    from isthmus.schedule import Steps as Steps
    from isthmus.training.greedy import Greedy as Greedy
    from isthmus.training.optimiser import LBFGS as LBFGS
    from isthmus.training.optimiser import SGD as SGD
    from isthmus.training.optimiser import Adadelta as Adadelta
    from isthmus.training.optimiser import Adam as Adam
    from isthmus.training.optimiser import AdamW as AdamW

KINDS: tuple[type[Part], ...] = (
    Architecture,
    Bottleneck,
    Corruption,
    Likelihood,
    Penalty,
    Optimiser,
    Greedy,
    Schedule,
    Kind,
)


def parts() -> list[type[Part]]:
    """Return the class of every part, those of training and the kinds of a table's columns too.

    >>> [part.__name__ for part in parts() if part.kind == "schedule"]
    ['Ramp', 'Steps', 'Cosine']
    """
    return [cls for kind in KINDS for cls in catalogue(kind).values()] + [Trainer]


_found: dict[str, list[type[Part]]] = {}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # so that a star brings every part
        return sorted(cls.__name__ for cls in parts())
    if name not in _found and not name.startswith("_"):
        _found.clear()
        for cls in parts():
            _found.setdefault(cls.__name__, []).append(cls)
    match _found.get(name, []):
        case [cls]:
            return cls
        case []:
            raise AttributeError(f"there is no part {name!r}; {suggest(name, list(_found))}")
        case several:
            raise AttributeError(f"several parts are called {name}: {', '.join(map(str, several))}; rename all but one")


def __dir__() -> list[str]:
    return ["parts", *__getattr__("__all__")]
