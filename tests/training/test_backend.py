"""The library that multiplies matrices is chosen by a probe, kept, and never left set behind the caller's back."""

import json

import pytest
import torch

from isthmus.layers import HalfProducts, Products
from isthmus.noise import Noise
from isthmus.training import backend
from isthmus.training.backend import Probed

A, B = Noise(0).normal(torch.empty(256, 400)), Noise(1).normal(torch.empty(400, 300))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(backend, "_known", {})
    return tmp_path


def multiplied(products, a=A, b=B, bias=None):
    products.begin()
    try:
        out = a.new_empty(*a.shape[:-1], b.shape[-1])
        for call in products.calls(a, b, out, bias):
            call()
        return out
    finally:
        products.end()


@pytest.mark.parametrize("choice", [True, False])
def test_either_library_gives_the_product_and_leaves_no_trace(monkeypatch, choice):
    before = backend.precision()
    monkeypatch.setattr(backend, "faster", lambda a, b: choice)
    exact = A.double() @ B.double()
    torch.testing.assert_close(multiplied(Probed()).double(), exact, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(multiplied(Probed(), bias=B[0]).double(), exact + B[0], rtol=1e-4, atol=1e-3)
    assert backend.precision() == before


@pytest.mark.parametrize("choice", [True, False])
def test_several_models_at_once(monkeypatch, choice):
    """One call multiplies for all; it is worth a probe at smaller sizes, since it costs once what it costs."""
    monkeypatch.setattr(backend, "faster", lambda a, b: choice)
    a, b, bias = A[:, :60].reshape(2, 128, 60), B[:60].reshape(2, 30, 300), B[:2]
    a = a[..., :30]
    products, exact = Probed(), a.double() @ b.double()
    torch.testing.assert_close(multiplied(products, a, b).double(), exact, rtol=1e-4, atol=1e-3)
    with_bias = exact + bias.double().unsqueeze(1)
    torch.testing.assert_close(multiplied(products, a, b, bias).double(), with_bias, rtol=1e-4, atol=1e-3)
    assert products.state() == {"2x128x30x300": choice}


def test_the_probe_of_several_models_measures_both_libraries():
    assert backend.faster(A.reshape(4, 64, 400), B.expand(4, 400, 300)) in (True, False)


def test_a_probe_is_made_once_per_machine(monkeypatch, elsewhere):
    probed = []
    monkeypatch.setattr(backend, "faster", lambda a, b: (probed.append(a.shape), True)[1])
    for _ in range(2):
        products = Probed()
        multiplied(products)
        multiplied(products)
        assert products.state() == {"256x400x300": True}
        backend._known.clear()  # as a new process
    assert len(probed) == 1
    [choices] = json.loads((elsewhere / "isthmus" / "products.json").read_text()).values()
    assert choices == {f"256x400x300 {torch.get_num_threads()}": True}


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 3}'])
def test_a_damaged_memory_is_none(elsewhere, content):
    (elsewhere / "isthmus").mkdir()
    (elsewhere / "isthmus" / "products.json").write_text(content)
    assert backend.read() == {}
    multiplied(Probed())


def test_small_products_and_doubles_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(backend, "faster", lambda a, b: pytest.fail("probed"))
    multiplied(Probed(), A[:4], B)
    multiplied(Probed(), A.double(), B.double())


def test_a_probe_refuses_what_rounds(monkeypatch):
    monkeypatch.setattr(
        backend, "timed", lambda setting, a, b, out: {"none": 2.0, "bf16": 1.0}[setting] + 0 * out.zero_().sum()
    )
    assert not backend.faster(A, B)


def test_a_probe_takes_what_is_faster_and_exact(monkeypatch):
    def timed(setting, a, b, out):
        torch.mm(a, b, out=out)
        return {"none": 2.0, "bf16": 1.0}[setting]

    monkeypatch.setattr(backend, "timed", timed)
    assert backend.faster(A, B)
    monkeypatch.setattr(backend, "timed", lambda setting, *given: 3.0 - timed(setting, *given))
    assert not backend.faster(A, B)


def test_choices_are_taken_over():
    products = Probed()
    products.restore({"256x400x300": True})
    multiplied(products)
    assert products.state() == {"256x400x300": True}


def test_half_products_have_three_digits_and_see_new_values():
    products, a, exact, scale = HalfProducts(), A.clone(), A @ B, A.abs() @ B.abs()
    for factor in (1.0, -1.0):
        a.copy_(factor * A)
        found = multiplied(products, a, B, B[0])
        assert 1e-5 < ((found - factor * exact - B[0]).abs() / scale).max() < 1e-2
    turned = multiplied(products, B.t(), A.t())
    assert ((turned - exact.t()).abs() / scale.t()).max() < 1e-2
    assert multiplied(Products()).dtype == torch.float32
