"""Every choice of parts is either built, run and differentiated, or refused with culprit, reason and remedy.

Choices are data x architecture x bottleneck x corruption x likelihood x up to two penalties, whose pairs take turns.
Each is checked; of those that are valid, every choice without the corruption is run, with corruptions taking turns.
"""

import itertools
import math
import re
from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn.utils import skip_init

from isthmus.catalogue import catalogue
from isthmus.corruption import Corruption
from isthmus.likelihood import Likelihood
from isthmus.model import Autoencoder
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged, given_words
from isthmus.parts import (
    KL,
    L0,
    L2,
    ActivationRate,
    AtomL1,
    Auxiliary,
    BatchTopK,
    Bernoulli,
    Categorical,
    Clean,
    Conv,
    Dense,
    Dictionary,
    Gated,
    GateLoss,
    Given,
    Hiding,
    JumpReLU,
    Mixed,
    Nested,
    NoiseLevels,
    Normal,
    Orthogonality,
    Overcomplete,
    PerKind,
    Poisson,
    Rectified,
    ScaledNormal,
    Sigmoid,
    SwapNoise,
    Tanh,
    TargetL0,
    TopK,
    Trainer,
    Undercomplete,
    UnitNorm,
    Variational,
    VonMises,
)
from isthmus.penalty import Penalty
from isthmus.records import Batch, Column, Spec
from isthmus.stem import stem_of
from isthmus.vocabulary import check

ROWS, UNITS, LEVELS = 24, 4, 3
NUMBERS = frozenset({"numbers", "continuous"})


def shipped(kind):
    """Return the shipped parts of a kind, with their defaults."""
    return [cls() for cls in catalogue(kind).values() if cls.__module__.startswith("isthmus.")]


def data(name):
    """Return a description and rows."""
    shape = (1, 6, 6) if "image" in name else (7,)
    u = Noise(3).uniform(torch.empty(ROWS, *shape, dtype=torch.float64))
    if name == "levels":
        columns = tuple(Column(f"x{i}", "category", LEVELS) for i in range(math.prod(shape)))
        return Spec(shape, columns, rows=ROWS, provides=frozenset({"levels"})), (LEVELS * u).floor()
    if name == "table":
        kinds = ("number", "category", "binary", "count", "angle", "number", "category")
        columns = tuple(Column(f"x{i}", kind, LEVELS if kind == "category" else 0, 0.1) for i, kind in enumerate(kinds))
        most = torch.tensor([{"category": LEVELS, "binary": 2, "count": 4}.get(kind, 0) for kind in kinds])
        return Spec(shape, columns, rows=ROWS, provides=frozenset({"kinds"}), table=True), torch.where(
            most > 0, (most * u).floor(), 4 * u - 2
        )
    if name == "zeros and ones":
        return Spec(shape, rows=ROWS, provides=NUMBERS | {"unit interval", "counts"}), u.round()
    return Spec(shape, rows=ROWS, provides=NUMBERS), 4 * u - 2


DATA = ("zeros and ones", "levels", "table", "image of measurements")
ARCHITECTURES = {
    "linear": Dense(()),
    "linear, tied": Dense((), tied=True),
    "deep": Dense((6, 5), activation="softplus", dropout=0.2),
    "deep, tied": Dense((6,), activation="leaky_relu", tied=True),
    "deep, beside a linear path": Dense((6,), activation="tanh", shortcut=True),
    "deep, batch norm": Dense((6,), activation="relu", norm="batch"),
    "deep, layer norm, tied": Dense((6,), activation="gelu", norm="layer", tied=True),
    "convolutional, batch norm": Conv((3, 2), activation="tanh", norm="batch"),
    "convolutional map": Conv((3,), activation="elu", head="map"),
    "convolutional, tied": Conv((3,), activation="silu", head="direct", down="stride", tied=True),
    "dictionary": Dictionary(),
    "given": Given(nn.Identity(), nn.Identity()),
    "given, frozen": Given(nn.Identity(), nn.Identity(), trained=False),
}
PLAIN = (Undercomplete(), Overcomplete(), Sigmoid(), Tanh(), Rectified(0.1), TopK(2), UnitNorm(), Variational())
BOTTLENECKS = (*PLAIN, BatchTopK(2), JumpReLU(bandwidth=8.0), Gated())
LIKELIHOODS = (Normal(), ScaledNormal(), Bernoulli(), Poisson(), Categorical(LEVELS), VonMises(), Mixed())
CORRUPTIONS = tuple(shipped(Corruption))
PENALTIES = tuple(shipped(Penalty))
PAIRS = [pair for size in (0, 1, 2) for pair in itertools.combinations(PENALTIES, size)]
# Penalties add up and provide nothing to each other, so of their pairs every so many is looked at, in turn.
TURNS = 11


def test_the_lists_above_hold_every_part():
    assert {type(part) for part in BOTTLENECKS} == {type(part) for part in shipped(type(BOTTLENECKS[0]).__mro__[1])}
    assert {type(part) for part in LIKELIHOODS} == {type(part) for part in shipped(Likelihood)}


def network(shape, wanted):
    """Return a user's own module, with weights of zero."""
    sizes = math.prod(shape), math.prod(wanted)
    first, last = (skip_init(nn.Linear, a, b) for a, b in ((sizes[0], 6), (6, sizes[1])))
    module = nn.Sequential(nn.Flatten(), first, nn.Tanh(), last, nn.Unflatten(1, wanted))
    for p in module.parameters():
        p.data.zero_()
    return module


def model_of(architecture, bottleneck, likelihood, spec, x):
    """Build a model whose weights are moved from special starting values (zeros), and whose features are centred."""
    outputs = likelihood.outputs(spec)
    if isinstance(architecture, Given):
        nets = network(stem_of(spec).shape, bottleneck.features((UNITS,))), network((UNITS,), outputs)
        architecture = Given(*nets, trained=architecture.trained)
    model = Autoencoder(spec, architecture, bottleneck, UNITS, outputs, Noise(1)).double()
    for i, p in enumerate(model.parameters()):
        p.data += 0.3 * Noise(2, i).normal(p)
    for p in model.memory.parameters():  # thresholds above zero, near enough to features to hear of some
        p.data.abs_().mul_(0.05)
    with torch.no_grad():  # centred features, so that every unit is among the largest of some row
        features = model.encoder.eval()(model.stem(Batch(x)))
        *_, bias = (p for name, p in model.encoder.named_parameters() if name.endswith("bias"))
        bias -= features.movedim(1, -1).flatten(0, -2).mean(0)
    return model


def meaningless(name, architecture, bottleneck, corruption, likelihood, penalties, wide):
    """Say whether the formulas have no meaning for a choice: the reasons of docs/refusals.md, written anew."""
    fits = {
        Bernoulli: name == "zeros and ones",
        Poisson: name == "zeros and ones",
        Categorical: name == "levels",
        Mixed: name == "table",
    }
    numbers = name not in ("levels", "table")
    reasons = [
        not fits.get(type(likelihood), numbers),
        not numbers and not isinstance(corruption, (Clean, SwapNoise, Hiding, PerKind)),
        isinstance(bottleneck, Undercomplete) and wide,
        isinstance(likelihood, VonMises)
        and (getattr(architecture, "tied", False) or isinstance(architecture, Dictionary)),
        isinstance(architecture, Dictionary) and not isinstance(likelihood, (Normal, ScaledNormal)),
        isinstance(corruption, NoiseLevels) and not isinstance(likelihood, (Normal, ScaledNormal)),
    ]
    for penalty in penalties:
        match penalty:
            case KL():
                reasons.append(not isinstance(bottleneck, Variational))
            case ActivationRate():
                reasons.append(not isinstance(bottleneck, (Sigmoid, Tanh)))
            case Orthogonality():
                reasons.append(isinstance(architecture, Given))
            case L0() | TargetL0():
                reasons.append(not isinstance(bottleneck, (JumpReLU, Gated)))
            case Auxiliary():
                reasons.append(not isinstance(bottleneck, (TopK, BatchTopK, JumpReLU, Gated)))
            case GateLoss():
                reasons.append(not isinstance(bottleneck, Gated))
            case L2():
                reasons.append(isinstance(architecture, Given) and not architecture.trained)
        if isinstance(penalty, (AtomL1, Auxiliary, GateLoss, Nested)):
            reasons.append(architecture not in (Dense(()), Dense((), tied=True), Dictionary()))
            reasons.append(not (isinstance(likelihood, Normal) or isinstance(penalty, AtomL1)))
    return any(reasons)


def refused(parts, words):
    """Return whether a choice is refused, and check how."""
    try:
        check(parts, words)
    except ValueError as error:
        names = [type(part).__name__ for part in parts]
        told = re.fullmatch(r"(\w+) needs (.+), which (.+) lacks; (.+)", str(error))
        assert told and told[1] in names, error
        assert re.match(r"(use|lower|scale|give|leave) ", told[4]), error
        return True
    return False


def run(objective, x):
    """Pass forward and backward: finite terms, and a gradient on every parameter, also by what the parts declare."""
    weak = without_gradient(objective.train(), x)
    declared_is_autograd(objective, x)
    if weak and silent(objective, x):
        return  # a unit that a corruption silenced in every row hears of nothing
    if weak:
        # Batch normalisation takes away what shifts the whole batch, so that its parameters act in use only.
        assert getattr(objective.model.architecture, "norm", "") == "batch", (weak, objective.describe())
        weak = weak & without_gradient(objective.eval(), x)
    assert not weak, f"no gradient on {weak}"


def silent(objective, x):
    """Say whether some unit is silent in all rows."""
    with torch.no_grad():
        return bool((objective.train().run(Batch(x), Noise(4)).code == 0).movedim(1, 0).flatten(1).all(1).any())


def without_gradient(objective, x):
    """Return the parameters whose gradient is zero, after checking that all there is is finite."""
    terms, _ = objective(Batch(x), Noise(4), math.inf)
    means = averaged(terms, None)
    assert list(means) == ["reconstruction", *objective.penalties]
    loss = torch.stack(list(means.values())).sum()
    assert loss.isfinite(), means
    parameters = {n: p for n, p in objective.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True) if parameters else ()
    weak = set()
    for name, g in zip(parameters, gradients, strict=True):
        assert g is not None and g.isfinite().all(), f"{name} has no finite gradient"
        if g.reshape(len(g), -1).abs().amax(1).min() < 1e-12:  # any unit of it
            weak.add(name)
    return weak


def declared_is_autograd(objective, x):
    """Compare the gradients of the explicit engine with those of autograd."""
    if objective.needs_autograd or not objective.trained():
        return
    found = []
    for name in ("autograd", "explicit"):
        engine = Trainer(engine=name).bound(objective)
        engine.gradient(Batch(x), Noise(4), math.inf, valued=False)
        found.append(engine.flat.gradient)
        engine.release()
    assert (found[0] - found[1]).abs().max() <= 1e-12 * max(1.0, float(found[0].abs().max())), objective.describe()


@pytest.mark.parametrize("name", [DATA[0], *(pytest.param(name, marks=pytest.mark.long) for name in DATA[1:])])
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_every_choice_is_run_or_refused(architecture, name, record_property):
    counts, turn, turns = Counter(), itertools.count(), itertools.count()
    for bottleneck, likelihood in itertools.product(BOTTLENECKS, LIKELIHOODS):
        spec, x = data(name)
        model = model_of(architecture, bottleneck, likelihood, spec, x)
        words = given_words(model)
        for penalties in PAIRS:
            if len(penalties) == 2 and next(turns) % TURNS:
                continue
            valid = []
            for corruption in CORRUPTIONS:
                parts = [model.architecture, bottleneck, corruption, likelihood, *penalties]
                no = refused(parts, words)
                wide = math.prod(model.code_shape) > spec.size
                assert no == meaningless(name, architecture, bottleneck, corruption, likelihood, penalties, wide), parts
                counts["refused choices of parts"] += no
                valid += [] if no else [corruption]
            counts["valid choices of parts"] += len(valid)
            if valid:
                objective = Objective(model, likelihood, penalties, valid[next(turn) % len(valid)]).double()
                run(objective, x)
                counts["choices run forward and backward"] += 1
    for what, number in sorted(counts.items(), reverse=True):
        record_property(what, number)
    assert counts["choices run forward and backward"] > 0 or (
        architecture == Dictionary() and name in ("levels", "table")
    )
