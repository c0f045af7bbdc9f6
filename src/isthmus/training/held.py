"""What a module holds, without walking all of its parts again."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

# Parameters and buffers by name.
Weights = dict[str, Tensor]


def snapshot(module: nn.Module) -> Weights:
    """Copy every parameter and buffer."""
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


class Held:
    """What a module holds, looked up where its parts keep it: walking all of them again takes a small fit's time."""

    def __init__(self, module: nn.Module) -> None:
        """Look at the parts of a module."""
        self.module, self.count = module, -1
        self.parts = list(module.modules())
        self.own = all(isinstance(part._parameters, dict) for part in self.parts)  # a script's are elsewhere
        self.plain = all(type(part).train is nn.Module.train and "training" in vars(part) for part in self.parts)

    def _look(self) -> None:
        """Find the place of everything that has a name in the module's state; what is none keeps the long way."""
        parts = dict(self.module.named_modules(remove_duplicate=False))
        places = ((name, *name.rpartition(".")) for name in self.module.state_dict())
        self.places = [(name, parts.get(owner), key) for name, owner, _, key in places]
        self.known = all(self._held(part, key) is not None for _, part, key in self.places)
        self.count = self._count()

    def copies(self) -> Weights:
        """Copy every parameter and buffer, by its name."""
        if not self.own:
            return snapshot(self.module)
        if self._count() != self.count:  # at first, and where a buffer that was none has become one
            self._look()
        if not self.known:
            return snapshot(self.module)
        return {name: self._held(part, key).detach().clone() for name, part, key in self.places}

    def _count(self) -> int:
        return sum(t is not None for part in self.parts for t in (*part._parameters.values(), *part._buffers.values()))

    @staticmethod
    def _held(part: nn.Module | None, key: str) -> Any:
        found = getattr(part, "_parameters", {}).get(key)
        return getattr(part, "_buffers", {}).get(key) if found is None else found

    def buffers(self) -> list[Tensor]:
        """Return every buffer."""
        if not self.own:
            return list(self.module.buffers())
        return [b for part in self.parts for b in part._buffers.values() if b is not None]

    def train(self, mode: bool) -> None:
        """Tell every part whether a fit is under way."""
        if not self.plain:
            self.module.train(mode)
            return
        for part in self.parts:
            part.__dict__["training"] = mode
