"""The classical autoencoders as values: each recipe returns an ``Autoencoder`` whose ``repr`` shows its parts.

A recipe is a choice of parts and nothing more, so whatever it returns can be changed with ``set_params``. None for
``trainer`` is ``Trainer()``.
"""

from __future__ import annotations

from typing import Any

from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense
from isthmus.architecture.dictionary import Dictionary
from isthmus.bottleneck import Bottleneck
from isthmus.bottleneck.activated import Rectified, Sigmoid
from isthmus.bottleneck.batch_top_k import BatchTopK
from isthmus.bottleneck.gated import Gated
from isthmus.bottleneck.jump_relu import JumpReLU
from isthmus.bottleneck.plain import Overcomplete, Undercomplete
from isthmus.bottleneck.top_k import TopK
from isthmus.bottleneck.variational import Variational
from isthmus.component import Schedule, suggest
from isthmus.corruption import Clean, Corruption
from isthmus.corruption.noise import Hiding, Masking
from isthmus.corruption.wrapped import Emphasised
from isthmus.estimators import Autoencoder
from isthmus.likelihood import Likelihood
from isthmus.likelihood.normal import Normal
from isthmus.penalty import Penalty
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.auxiliary import Auxiliary
from isthmus.penalty.contractive import Contractive
from isthmus.penalty.gate_loss import GateLoss
from isthmus.penalty.kl import KL
from isthmus.penalty.l0 import L0
from isthmus.penalty.l1 import L1
from isthmus.penalty.l2 import L2
from isthmus.penalty.lp import Lp
from isthmus.penalty.nested import Nested
from isthmus.penalty.target_l0 import TargetL0
from isthmus.schedule import Cosine, Ramp
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import Adadelta, Adam
from isthmus.training.trainer import Trainer

Size = int | str | None


def plain(n_components: Size = None, *, trainer: Trainer | None = None, random_state: Any = None) -> Autoencoder:
    """Return the undercomplete autoencoder: a narrow code and nothing else.

    >>> plain(10)
    Autoencoder(bottleneck=Undercomplete(), n_components=10)
    """
    return Autoencoder(n_components, bottleneck=Undercomplete(), trainer=trainer, random_state=random_state)


def pca(n_components: Size = None, *, random_state: Any = None) -> Autoencoder:
    """Return the linear autoencoder, exactly at the principal components (Baldi & Hornik, 1989).

    No step is taken: the starting values are the minimum. Give it a trainer with epochs to see that they stay.
    """
    exact = Trainer(epochs=0, validation=0.0)
    linear = Dense(hidden=())
    return Autoencoder(n_components, architecture=linear, likelihood=Normal(), trainer=exact, random_state=random_state)


def tied(
    n_components: Size = None,
    *,
    hidden: tuple[int, ...] = (128,),
    weight: float | Schedule = 1e-4,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return an autoencoder whose decoder is the encoder transposed, with weight decay."""
    net, decay = Dense(hidden=hidden, tied=True), (L2(weight),)
    return Autoencoder(n_components, architecture=net, penalties=decay, trainer=trainer, random_state=random_state)


def stacked(
    n_components: Size = None,
    *,
    hidden: tuple[int, ...] = (256, 128),
    activation: str = "sigmoid",
    corruption: Corruption | None = None,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a deep net pretrained layer by layer, then fine-tuned (Bengio et al., 2007; Vincent et al., 2010).

    ``corruption`` makes every layer a denoising autoencoder.
    """
    trainer = trainer if trainer is not None else Trainer(pretraining=Greedy(corruption=corruption or Clean()))
    net = Dense(hidden=hidden, activation=activation)
    return Autoencoder(
        n_components, architecture=net, corruption=corruption, trainer=trainer, random_state=random_state
    )


def denoising(
    n_components: Size = None,
    *,
    corruption: Corruption = Masking(0.25),  # noqa: B008  (frozen)
    architecture: Dense | Conv | None = None,
    likelihood: Likelihood | None = None,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a denoising autoencoder: damaged rows in, clean rows out (Vincent et al., 2008).

    >>> denoising(10)
    Autoencoder(corruption=Masking(), n_components=10)
    """
    return Autoencoder(
        n_components,
        architecture=architecture,
        corruption=corruption,
        likelihood=likelihood,
        trainer=trainer,
        random_state=random_state,
    )


def imputing(n_components: Size = 64, *, trainer: Trainer | None = None, random_state: Any = None) -> Autoencoder:
    """Return what fills holes of tables: a wide code, three in ten cells hidden, and errors that count mostly there.

    As in masked language models; after Gondara & Wang (2018), "MIDA: Multiple imputation using denoising autoencoders".

    >>> imputing().impute  # doctest: +ELLIPSIS
    <bound method Autoencoder.impute of Autoencoder(...)>
    """
    return Autoencoder(
        n_components,
        bottleneck=Overcomplete(),
        corruption=Emphasised(Hiding(0.3), beta=0.1),
        trainer=trainer,
        random_state=random_state,
    )


def sparse(
    n_components: Size = None,
    *,
    rho: float = 0.05,
    weight: float | Schedule = 3.0,
    decay: float | Schedule = 1e-4,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return one hidden layer of logistic units that fire at the rate ``rho`` (Ng, 2011, CS294A lecture notes).

    ``weight`` is the notes' beta and ``decay`` their lambda.
    """
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=()),
        bottleneck=Sigmoid(),
        penalties=(ActivationRate(weight, rho=rho), L2(decay)),
        trainer=trainer,
        random_state=random_state,
    )


def l1_sparse(
    n_components: Size = None,
    *,
    weight: float | Schedule = 1e-2,
    hidden: tuple[int, ...] = (128,),
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return an autoencoder with a ReLU code whose sum of activations is paid for."""
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=hidden),
        bottleneck=Rectified(),
        penalties=(L1(weight),),
        trainer=trainer,
        random_state=random_state,
    )


def k_sparse(
    n_components: Size = None,
    *,
    k: int = 0,
    tied: bool = True,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a linear code of which the ``k`` largest units speak, an eighth by default (Makhzani & Frey, 2014)."""
    net, code = Dense(hidden=(), tied=tied), TopK(k)
    return Autoencoder(n_components, architecture=net, bottleneck=code, trainer=trainer, random_state=random_state)


MECHANISMS = ("top_k", "batch_top_k", "matryoshka", "jump_relu", "gated", "l1", "lp")


def dictionary(
    n_components: int = 256,
    *,
    l0: int | None = None,
    by: str = "batch_top_k",
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a sparse dictionary in which about ``l0`` of the units are active in a row, whatever the mechanism ``by``.

    For ``l0``, None is an eighth of the units, at least one.

    ``top_k`` keeps that many in every row, ``batch_top_k`` on average, ``matryoshka`` so that the first units alone say
    most; for ``jump_relu``, ``gated``, ``l1`` and ``lp`` a controller finds the penalty's coefficient. The learning
    rate is 2e-4 / sqrt(n_components / 2^14) (Gao et al., 2024, "Scaling and evaluating sparse autoencoders").

    >>> dictionary(64, l0=4, by="jump_relu")
    Autoencoder(architecture=Dictionary(), bottleneck=JumpReLU(rate=0.0625),
                likelihood=Normal(), n_components=64,
                penalties=(TargetL0(penalty=L0(), l0=4), Auxiliary()),
                trainer=Trainer(optimiser=Adam(learning_rate=Cosine(start=0.0032)), validation=0.2, patience=0))

    Raises:
        ValueError: an unknown mechanism, no number of active units, or more than there are.
    """
    count: Any = max(1, n_components // 8) if l0 is None else l0
    # The first three keep so many units, the others meet an average.
    if not isinstance(count, int) and (by in MECHANISMS[:3] or not isinstance(count, float)):
        raise ValueError(f"l0={count!r} is not a whole number of active units; give an integer")
    if not 1 <= count <= n_components:
        raise ValueError(f"l0={count} of {n_components} units cannot be active; give l0 from 1 to n_components")
    if trainer is None:
        rate = float(f"{2e-4 / (n_components / 2**14) ** 0.5:.2g}")
        # A fifth of the rows is held out: the number of active units is as exact as these can tell.
        trainer = Trainer(optimiser=Adam(Cosine(rate)), validation=0.2, patience=0)
    bottleneck, penalties = _mechanism(by, n_components, count, trainer.epochs)
    return Autoencoder(
        n_components,
        architecture=Dictionary(),
        bottleneck=bottleneck,
        likelihood=Normal(),
        penalties=penalties,
        trainer=trainer,
        random_state=random_state,
    )


def _mechanism(by: str, units: int, l0: Any, epochs: int) -> tuple[Bottleneck, tuple[Penalty, ...]]:
    """Return what makes a code sparse, and what it takes to meet a number of active units."""
    match by:
        case "top_k":
            return TopK(l0, rectified=True), (Auxiliary(),)
        case "batch_top_k":
            return BatchTopK(l0), (Auxiliary(),)
        case "matryoshka":
            # The sum over four groups and the whole, each as often as the square of its share of the units.
            return BatchTopK(l0), (Nested(4.0, power=2.0), Auxiliary())
        case "jump_relu":
            return JumpReLU(rate=l0 / units), (TargetL0(L0(), l0=l0), Auxiliary())
        case "gated":
            return Gated(), (TargetL0(L0(), l0=l0), GateLoss())
        case "l1":
            return Rectified(), (TargetL0(L1(0.1), l0=l0),)
        case "lp":
            # Lower powers silence units for good, of crowded features half of all at 0.2.
            return Rectified(), (TargetL0(Lp(0.1, power=Ramp(1.0, 0.8, max(1.0, epochs))), l0=l0),)
        case _:
            raise ValueError(f"by={by!r} is no way to a sparse code; {suggest(str(by), MECHANISMS)}")


def contractive(
    n_components: Size = None,
    *,
    weight: float | Schedule = 0.1,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return one tied layer of logistic units that resist small changes of the input (Rifai et al., 2011)."""
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=(), tied=True),
        bottleneck=Sigmoid(),
        penalties=(Contractive(weight),),
        trainer=trainer,
        random_state=random_state,
    )


def variational(
    n_components: Size = None,
    *,
    beta: float | Schedule = 1.0,
    draws: int = 1,
    hidden: tuple[int, ...] = (256, 128),
    likelihood: Likelihood | None = None,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a variational autoencoder (Kingma & Welling, 2014); ``beta`` weighs the divergence (Higgins et al., 2017).

    With several ``draws`` it is the importance-weighted one (Burda et al., 2016).

    >>> variational(8, beta=4.0)
    Autoencoder(architecture=Dense(hidden=(256, 128)), bottleneck=Variational(),
                n_components=8, penalties=(KL(weight=4.0),))
    """
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=hidden),
        bottleneck=Variational(draws),
        likelihood=likelihood,
        penalties=(KL(beta),),
        trainer=trainer,
        random_state=random_state,
    )


def convolutional(
    n_components: Size = None,
    *,
    channels: tuple[int, ...] = (16, 8, 8),
    shape: tuple[int, ...] | None = None,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return a convolutional autoencoder with a code vector; a plain row is read as a signal."""
    net = Conv(channels=channels)
    return Autoencoder(n_components, architecture=net, shape=shape, trainer=trainer, random_state=random_state)


# -- designs of the notebook of basis concepts ---------------------------------------------------------------------


def basis_concepts(n_components: Size = 10, *, trainer: Trainer | None = None, random_state: Any = None) -> Autoencoder:
    """Return 784-164-10 with dropout 0.3 behind the first layer and L1 on a ReLU code.

    The notebook's 2.5e-6 stands beside a cross-entropy averaged over 784 pixels; in nats per image it is
    2.5e-6 * 784 = 1.96e-3. Its optimiser is Adadelta, in batches of 256. Ink on paper is given the cross-entropy.
    """
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=(164,), dropout=0.3),
        bottleneck=Rectified(),
        penalties=(L1(1.96e-3),),
        trainer=trainer if trainer is not None else Trainer(batch_size=256, optimiser=Adadelta()),
        random_state=random_state,
    )


def basis_concepts_convolutional(
    n_components: Size = 10,
    *,
    shape: tuple[int, ...] | None = None,
    trainer: Trainer | None = None,
    random_state: Any = None,
) -> Autoencoder:
    """Return convolutions 16-8-8 with pooling and a 10-channel ReLU code at every place (4x4 of them for 28x28)."""
    return Autoencoder(
        n_components,
        architecture=Conv(channels=(16, 8, 8), head="map"),
        bottleneck=Rectified(),
        penalties=(L1(1.96e-3),),
        trainer=trainer if trainer is not None else Trainer(batch_size=128, optimiser=Adadelta()),
        shape=shape,
        random_state=random_state,
    )


def one_hidden_layer(
    n_components: Size = None, *, trainer: Trainer | None = None, random_state: Any = None
) -> Autoencoder:
    """Return one leaky-ReLU layer and a logistic output, weights from N(0, 0.1^2) and biases at zero."""
    return Autoencoder(
        n_components,
        architecture=Dense(hidden=(), init="normal"),
        bottleneck=Rectified(slope=0.01),
        trainer=trainer,
        random_state=random_state,
    )


NAMES = (
    "plain",
    "pca",
    "tied",
    "stacked",
    "denoising",
    "imputing",
    "sparse",
    "l1_sparse",
    "k_sparse",
    "dictionary",
    "contractive",
    "variational",
    "convolutional",
    "basis_concepts",
    "basis_concepts_convolutional",
    "one_hidden_layer",
)
