"""What a module holds is found where its parts keep it, as torch would find it by walking all of them."""

import pytest
import torch
from fitting import identical, logistic
from torch import nn

from isthmus.architecture.dense import Dense
from isthmus.training.held import Held, snapshot

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated")


class Deaf(nn.Module):
    """A part that is never in training."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 3)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.eval()

    def train(self, mode=True):
        return super().train(False)


class Talking(nn.Linear):
    """A part with more to say than tensors."""

    def get_extra_state(self):
        return torch.tensor(7.0)

    def set_extra_state(self, state):
        assert state == 7.0


def shared():
    one = nn.Linear(2, 2)
    return nn.Sequential(one, nn.BatchNorm1d(2), one)


MODULES = {
    "a task": logistic,
    "normalised": lambda: logistic(Dense((5,), norm="batch")),
    "tied": lambda: logistic(Dense((5,), tied=True)),
    "convolutional": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()),
    "shared": shared,
    "deaf": Deaf,
    "with extra state": lambda: nn.Sequential(Talking(2, 2)),
    "scripted": lambda: torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Dropout())),
}


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_copies_and_buffers_are_those_of_torch(make):
    module = make()
    held = Held(module)
    copies = held.copies()
    assert list(copies) == list(module.state_dict()) and identical(copies, snapshot(module))
    assert {id(b) for b in held.buffers()} == {id(b) for b in module.buffers()}
    for tensor in module.parameters():
        tensor.data.add_(1.0)
    assert not any(torch.equal(copies[name], tensor) for name, tensor in module.named_parameters())
    module.load_state_dict(copies)


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
@pytest.mark.parametrize("mode", [True, False])
def test_every_part_is_told_as_torch_tells_it(make, mode):
    module, other = make(), make()
    Held(module).train(mode)
    other.train(mode)
    assert [part.training for part in module.modules()] == [part.training for part in other.modules()]


def test_a_buffer_that_is_replaced_is_found():
    module = Deaf()
    held = Held(module)
    module.kept = torch.zeros(2)
    assert bool((held.copies()["kept"] == 0).all()) and any(b is module.kept for b in held.buffers())


def test_a_buffer_that_comes_later_is_found():
    module = Deaf()
    module.register_buffer("late", None)
    held = Held(module)
    assert "late" not in held.copies()
    module.late = torch.ones(3)
    assert identical(held.copies(), snapshot(module))
