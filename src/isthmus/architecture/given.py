"""A user's own torch modules as encoder and decoder."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from isthmus.architecture import Architecture
from isthmus.layers import Chain, Layer, weights
from isthmus.noise import Noise
from isthmus.records import Shape

# No buffer can have a name with a dot that leads nowhere.
CALLS = ".calls"


class Foreign(Layer):
    """A module that knows nothing of noise, made to obey the rules of layers.

    What it draws comes from the noise it is given, and buffers that it moves while fitting (running moments of a batch
    normalisation) are moved by :meth:`learn`, once per step.
    """

    def __init__(self, module: nn.Module, *, trained: bool) -> None:
        """Keep the module; one that is not trained stays as it is in use."""
        super().__init__()
        self.module, self.trained = module if trained else module.requires_grad_(False), trained
        # Layers of this package note what they learn by themselves.
        foreign = [(name, part) for name, part in self.module.named_modules() if not isinstance(part, Layer)]
        self.moving = [name for at, part in foreign for name, _ in part.named_buffers(at, recurse=False)]
        self._noted: dict[str, Tensor] = {}

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Call the module, in training mode only while it is fitted with noise."""
        fitting = self.training and self.trained and noise is not None
        if self.module.training != fitting:
            self.module.train(fitting)
        arguments = (x, noise) if isinstance(self.module, (Chain, Layer)) else (x,)
        with lent(noise, x.device):
            if not (fitting and self.moving):
                y: Tensor = self.module(*arguments)
                return y
            own = dict(self.module.named_buffers())
            buffers = {name: own[name].clone() for name in self.moving}
            y = functional_call(self.module, buffers, arguments)
        self._noted = {name: buffer.detach() for name, buffer in buffers.items()} | {CALLS: x.new_ones(())}
        return y

    def tally(self) -> dict[str, Tensor]:
        """Return the buffers as the last pass left them, and one call."""
        return self._noted

    def learn(self, tallies: dict[str, Tensor]) -> None:
        """Set buffers to their mean over the calls of a step."""
        for name, buffer in self.module.named_buffers():
            if name in tallies:
                buffer.copy_(tallies[name] / tallies[CALLS])


@contextmanager
def lent(noise: Noise | None, device: torch.device) -> Iterator[None]:
    """Let code that draws from torch's global generators draw from ``noise``; they come back as they were."""
    seed = 0 if noise is None else int(noise.uniform(torch.empty((), dtype=torch.float64)) * 2**53)
    kind = "cuda" if device.type == "cpu" else device.type
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=kind):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.default_generators[device.index].manual_seed(seed)
        elif device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        yield


@dataclass(frozen=True, repr=False)
class Given(Architecture):
    """Your own encoder and decoder, with the weights that they have.

    The encoder turns rows into features: as many numbers as the code has units, twice as many for ``Variational()``
    (means first, then log-variances), or maps ``(units, *places)``. The decoder turns codes into what the likelihood
    reads, shaped as the rows: with ``Bernoulli()`` these are logits, so leave a last sigmoid out.

    Both are copied when the model is built, so fits never change yours. While they are trained, their dropout draws
    from the model's noise and not from the global generator, and running moments move once per step. A saved model
    holds their weights but not their code: ``load(path, architecture=Given(encoder, decoder))``.

    Args:
        encoder: a module from a batch of rows to a batch of features.
        decoder: a module from a batch of codes to a batch of outputs.
        trained: fit their weights, but for those that you have frozen; False keeps all of them, in evaluation mode.

    Raises:
        ValueError: no torch module, one with lazy layers that has not seen a row yet; when the model is built, shapes
            that do not fit.

    >>> Given(nn.Linear(64, 8), nn.Linear(8, 64), trained=False)
    Given(Linear(...), Linear(...), trained=False)
    """

    encoder: nn.Module | None = field(default=None, metadata={"saved": False})
    decoder: nn.Module | None = field(default=None, metadata={"saved": False})
    trained: bool = True

    def __post_init__(self) -> None:
        """Refuse what is not a module."""
        super().__post_init__()
        modules: dict[str, Any] = {"encoder": self.encoder, "decoder": self.decoder}
        for name, module in modules.items():
            if module is not None and not isinstance(module, nn.Module):
                raise ValueError(f"Given: {name}={module!r} is not a torch module; give an instance of torch.nn.Module")
            if module is not None and any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
                raise ValueError(
                    f"Given: the {name} has lazy layers of unknown shape; call it once on a batch of rows first"
                )

    def __repr__(self) -> str:
        """Name the modules without their layers."""
        names = [f"{type(m).__name__}(...)" for m in (self.encoder, self.decoder) if m is not None]
        return f"Given({', '.join(names if self.trained else [*names, 'trained=False'])})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Share the modules among clones, so that these stay equal; a model copies them when it is built."""
        return self

    @property
    def provides(self) -> frozenset[str]:
        """Modules can be differentiated; they have weights to train unless all are frozen."""
        modules = [m for m in (self.encoder, self.decoder) if m is not None and self.trained]
        return frozenset({"input gradient"} | ({"trainable weights"} if any(weights(m) for m in modules) else set()))

    def code(self, inputs: Shape, units: int) -> Shape:
        """Return ``(units,)``, or ``(units, *places)`` where the encoder returns maps."""
        encoder, _ = self._copies()
        return (units, *_shape("encoder", encoder, inputs)[1:])

    def build(self, inputs: Shape, features: Shape, code: Shape, outputs: Shape) -> tuple[Chain, Chain]:
        """Copy the modules and try them on a batch of zeros.

        Raises:
            ValueError: a shape that does not fit, with the one that is needed.
        """
        encoder, decoder = self._copies()
        for name, module, entry, wanted, reader in (
            ("encoder", encoder, inputs, features, f"the bottleneck needs {features} for a code of shape {code}"),
            ("decoder", decoder, code, outputs, f"the likelihood needs {outputs}"),
        ):
            found = _shape(name, module, entry)
            if found != wanted:
                raise ValueError(
                    f"Given: the {name} returns {found} for rows of shape {entry}, but {reader}; "
                    "change its last layer, or n_components"
                )
        return Chain(encoder), Chain(decoder)

    def reset(self, encoder: Chain, decoder: Chain, noise: Noise) -> None:
        """Keep the weights as they are."""

    def output_bias(self, decoder: Chain) -> nn.Parameter | None:
        """Offer none: no weight of the user's is set before training."""
        return None

    def _copies(self) -> tuple[Foreign, Foreign]:
        if self.encoder is None or self.decoder is None:
            raise ValueError(
                "Given has no modules; use Given(encoder, decoder), and to read a saved model "
                "load(path, architecture=Given(encoder, decoder))"
            )
        # Copied together, so that weights which both share stay shared.
        encoder, decoder = copy.deepcopy((self.encoder, self.decoder))
        return Foreign(encoder, trained=self.trained), Foreign(decoder, trained=self.trained)


def _shape(name: str, module: Foreign, row: Shape) -> Shape:
    """Return the shape of what a module returns for one row, tried on two rows of zeros."""
    tensor = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    trial = torch.zeros(2, *row, dtype=tensor.dtype, device=tensor.device)
    try:
        with torch.no_grad():
            found: Any = module.eval()(trial)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"Given: the {name} cannot read rows of shape {row} ({reason}); "
            "change its first layer, or say what a row is: shape=(channels, height, width)"
        ) from error
    module.train()
    if not isinstance(found, Tensor):
        raise ValueError(f"Given: the {name} returns a {type(found).__name__}; it must return one tensor")
    if found.dim() < 2 or len(found) != 2:
        raise ValueError(
            f"Given: the {name} returns shape {tuple(found.shape)} for 2 rows of shape {row}; "
            "it must return (rows, numbers) or (rows, units, *places)"
        )
    return tuple(found.shape[1:])
