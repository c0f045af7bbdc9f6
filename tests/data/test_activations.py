"""Activations of any module's layer as rows: as the layer computed them, with the module left as it was."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import isthmus
from isthmus import Trainer, recipes


def net():
    """Return a net with dropout and batch statistics, which differ between fitting and use."""
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU(), nn.Linear(6, 2))


X = torch.randn(25, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", ["tensor", "array", "tuple", "list", "loader"])
def test_rows_are_what_the_layer_says_in_use(form):
    module = net().train()
    module[1].eval()  # a mode of its own
    batches = {
        "tensor": [X[:10], X[10:]],
        "array": [X[:10].numpy(), X[10:].numpy()],
        "tuple": [(X, torch.zeros(25))],
        "list": [[X]],
        "loader": DataLoader(TensorDataset(X, torch.zeros(25)), batch_size=10),
    }[form]
    before = {name: t.clone() for name, t in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    found = isthmus.activations(module, "3", batches)
    assert modes == [part.training for part in module.modules()]
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items()), "running statistics moved"
    assert not module[3]._forward_hooks and all(p.grad is None for p in module.parameters())
    with torch.no_grad():
        expected = module.eval()[:4](X)
    assert found.dtype == np.float32 and np.allclose(found, expected)


def test_a_module_in_double_precision_is_asked_in_it():
    module = net().double()
    assert isthmus.activations(module, "0", [X]).dtype == np.float32
    assert isthmus.activations(module, "0", [X], limit=7).shape == (7, 6)


class Attention(nn.Module):
    """A layer that answers with several things, asked by name, behind which something must not be reached."""

    def __init__(self):
        super().__init__()
        self.embed, self.mix = nn.Embedding(9, 5), nn.MultiheadAttention(5, 1, batch_first=True)
        self.unused = nn.Linear(5, 5)

    def forward(self, tokens, scale):
        h = self.embed(tokens) * scale
        self.mix(h, h, h)
        raise AssertionError("what comes behind the layer is not needed")


def test_tokens_become_rows_or_keep_their_places():
    module, tokens = Attention(), torch.arange(8).reshape(2, 4)
    batches = [{"tokens": tokens, "scale": 2.0}]
    flat = isthmus.activations(module, "mix", batches)
    kept = isthmus.activations(module, "mix", batches, flatten=False)
    assert flat.shape == (8, 5) and kept.shape == (2, 4, 5) and np.array_equal(flat, kept.reshape(8, 5))
    assert np.array_equal(isthmus.activations(module, "embed", batches), module.embed.weight[:8].detach())


def test_every_place_of_a_convolution_is_a_row_of_channels():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    x = torch.randn(2, 1, 6, 5)
    for layer in ("0", "1"):
        flat, kept = (isthmus.activations(module, layer, [x], flatten=f) for f in (True, False))
        assert kept.shape == (2, 3, 4, 3) and np.array_equal(flat, kept.transpose(0, 2, 3, 1).reshape(-1, 3))
    signal = nn.Sequential(nn.Conv1d(2, 3, 2))
    assert isthmus.activations(signal, "0", [torch.randn(4, 2, 6)]).shape == (20, 3)


SIGNALS = nn.Sequential(
    nn.Conv1d(3, 8, 3),
    nn.AdaptiveAvgPool1d(6),
    nn.InstanceNorm1d(8),
    nn.AvgPool1d(2),
    nn.ReLU(),
    nn.GLU(dim=1),
    nn.Tanh(),
    nn.LPPool1d(2, 2, 1),
    nn.Dropout1d(),
    nn.Dropout(),
    nn.Upsample(scale_factor=2),
    nn.GroupNorm(2, 4),
    nn.Sequential(nn.Conv1d(4, 5, 1), nn.GELU()),
    nn.Identity(),
)
VOLUMES = nn.Sequential(
    nn.Conv3d(2, 5, 2),
    nn.ReLU(),
    nn.AdaptiveMaxPool3d((3, 2, 2)),
    nn.InstanceNorm3d(5),
    nn.MaxPool3d((2, 1, 1)),
    nn.Dropout3d(),
    nn.AvgPool3d(1),
)


@pytest.mark.parametrize(
    ("module", "x"), [(SIGNALS, torch.randn(7, 3, 12)), (VOLUMES, torch.randn(4, 2, 6, 5, 4))], ids=["1d", "3d"]
)
def test_what_follows_a_convolution_has_its_channels_as_units(module, x):
    for layer in range(len(module)):
        with torch.no_grad():
            expected = module.eval()[: layer + 1](x).movedim(1, -1)
        flat = isthmus.activations(module, str(layer), [x])
        assert np.array_equal(flat, expected.reshape(-1, expected.shape[-1])), module[layer]


class Patches(nn.Module):
    """A convolution whose answer is turned into tokens, as in a vision transformer, or has its channels last."""

    def __init__(self):
        super().__init__()
        self.cut, self.drop, self.norm, self.wide, self.act = (
            nn.Conv2d(1, 6, 2, 2),
            nn.Dropout(),
            nn.LayerNorm(6),
            nn.Linear(6, 7),
            nn.GELU(),
        )

    def forward(self, x, tokens):
        h = self.cut(x).movedim(1, -1)
        h = self.drop(h.flatten(1, 2) if tokens else h)
        return self.act(self.wide(self.norm(h)))


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize(("layer", "units"), [("cut", 6), ("norm", 6), ("wide", 7), ("act", 7)])
def test_layers_that_mix_units_have_them_last(layer, units, tokens):
    found = isthmus.activations(Patches(), layer, [{"x": torch.randn(2, 1, 6, 8), "tokens": tokens}])
    assert found.shape == (2 * 3 * 4, units)
    if tokens:
        dropped = isthmus.activations(Patches(), "drop", [{"x": torch.randn(2, 1, 6, 8), "tokens": tokens}])
        assert dropped.shape == (24, 6), "another number of axes is another layout"


def test_one_array_is_no_series_of_batches_and_a_limit_counts_rows():
    for loader in (X, X.numpy(), {"input": X}):
        with pytest.raises(ValueError, match=r"loader is a \w+, one batch and not a series of them; give it in a list"):
            isthmus.activations(net(), "3", loader)
    for limit in (0, -3, 2.5, True):
        with pytest.raises(ValueError, match=f"limit={limit!r} is no number of rows; give a whole number from 1 up"):
            isthmus.activations(net(), "3", [X], limit=limit)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"layer='33' is none of the module's; did you mean '3'\? known: 0, 1"):
        isthmus.activations(net(), "33", [X])
    with pytest.raises(ValueError, match="the loader gave no batch; give at least one"):
        isthmus.activations(net(), "3", [])
    batches = [{"tokens": torch.zeros(1, 2, dtype=torch.long), "scale": 1.0}]
    module = Attention()
    module.mix = nn.Identity()
    module.mix.forward = lambda *_: {"a": 1}
    with pytest.raises(ValueError, match="layer 'mix' answers with dict, not a tensor; name one inside it"):
        isthmus.activations(module, "mix", batches)
    module.forward = lambda tokens, scale: tokens
    with pytest.raises(ValueError, match="layer 'unused' was not reached by a batch"):
        isthmus.activations(module, "unused", batches)


def test_an_error_of_the_module_leaves_no_hook_behind():
    module = net().train()
    with pytest.raises(RuntimeError):
        isthmus.activations(module, "3", [X[:, :2]])
    assert not module[3]._forward_hooks and module.training and module[2].training


def test_a_dictionary_of_them():
    found = isthmus.activations(net(), "3", [X])
    model = recipes.dictionary(8, l0=2, by="top_k", trainer=Trainer(epochs=1), random_state=0).fit(found)
    assert ((model.transform(found) != 0).sum(1) <= 2).all()
