"""The kernel takes the steps of torch's calls, for every net that says so, and is never needed."""

import os
import platform
import shutil
import subprocess
import sys

import pytest
import torch
from fitting import WORDS, identical, linear, logistic, rows, state
from kernels import built, close, fitted

from isthmus import native
from isthmus.architecture.dense import Dense
from isthmus.bottleneck.activated import Rectified, Sigmoid, Tanh
from isthmus.bottleneck.plain import Overcomplete, Undercomplete
from isthmus.bottleneck.variational import Variational
from isthmus.catalogue import catalogue
from isthmus.likelihood.bernoulli import Bernoulli
from isthmus.likelihood.normal import Normal
from isthmus.model import Autoencoder
from isthmus.native.build import LIBRARY, build
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty.hoyer import Hoyer
from isthmus.penalty.kl import KL
from isthmus.penalty.l1 import L1
from isthmus.records import Rows, Spec
from isthmus.schedule import Cosine, Ramp
from isthmus.selected import above
from isthmus.training.optimiser import SGD, Adam, AdamW, Optimiser
from isthmus.training.trainer import Trainer

CPU = torch.device("cpu")
CODES = [Undercomplete(), Overcomplete(), Sigmoid(), Tanh(), Rectified(), Rectified(0.01)]
NETS = {
    "linear": Dense(()),
    "one layer": Dense((7,)),
    "deep": Dense((33, 16, 5), activation="leaky_relu"),
    "logistic": Dense((17,), activation="sigmoid"),
    "tanh": Dense((31, 9), activation="tanh", bias=False),
    "identity": Dense((6,), activation="identity"),
    "silu": Dense((17, 9), activation="silu"),
    "straight": Dense((17,), shortcut=True),
    "tied": Dense((17,), tied=True),
    "tied, straight": Dense((17, 9), tied=True, shortcut=True),
    "tied, deep": Dense((33, 16, 21), activation="tanh", tied=True, bias=False),
    "straight and deep": Dense((33, 16, 21), activation="tanh", shortcut=True),
}


@built
@pytest.mark.parametrize("likelihood", [Normal(), Normal(scale=0.3), Bernoulli()], ids=repr)
@pytest.mark.parametrize("code", CODES, ids=repr)
@pytest.mark.parametrize("net", NETS)
def test_gradients_are_those_of_autograd(net, code, likelihood):
    """A step of AdamW with eps so large that it is a multiple of the gradient: what Adam divides away is seen too."""
    data = Rows(rows(130).x)
    found = []
    for engine in ("native", "autograd"):
        task = linear(NETS[net], bottleneck=code, likelihood=likelihood)
        before = torch.cat([p.detach().flatten() for p in task.trained()])
        optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
        loop = Trainer(engine=engine, epochs=1, batch_size=130, validation=0.0, optimiser=optimiser).fit(
            task, data, Noise(0), start=False
        )
        found.append(before - torch.cat([p.detach().flatten() for p in task.trained()]))
        found.append(loop.history[-1]["train"]["reconstruction"])
    scale = float(found[2].norm())
    assert float((found[0] - found[2]).norm()) <= 2e-6 * scale
    assert found[1] == pytest.approx(found[3], rel=1e-6)


@built
@pytest.mark.parametrize("likelihood", [Normal(scale=0.3), Bernoulli()], ids=repr)
@pytest.mark.parametrize("penalties", [(KL(),), (KL(0.3),), ()], ids=repr)
@pytest.mark.parametrize("net", [name for name, net in NETS.items() if not net.tied])
def test_codes_that_are_drawn_have_the_gradients_of_autograd(net, penalties, likelihood):
    data, found = Rows(rows(131).x), []
    for engine in ("native", "autograd"):
        task = linear(NETS[net], units=3, bottleneck=Variational(), likelihood=likelihood, penalties=penalties)
        before = torch.cat([p.detach().flatten() for p in task.trained()])
        optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
        settings = {"epochs": 1, "batch_size": 131, "validation": 0.0, "optimiser": optimiser}
        loop = Trainer(engine=engine, **settings).fit(task, data, Noise(0), start=False)
        found.append(before - torch.cat([p.detach().flatten() for p in task.trained()]))
        found.append(loop.history[-1]["train"])
    assert float((found[0] - found[2]).norm()) <= 2e-6 * float(found[2].norm())
    assert found[1] == pytest.approx(found[3], rel=2e-6)


@built
@pytest.mark.parametrize("threads", [1, 3])
def test_a_variational_fit_with_a_warm_up_is_that_of_torchs_calls(monkeypatch, threads):
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.NUMBERS", 3 * 13 * 5)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: threads)
    settings = {"epochs": 4, "batch_size": 13, "optimiser": Adam(Cosine(1e-2))}

    def make():
        return logistic(Dense((9,)), bottleneck=Variational(), penalties=(KL(Ramp(0.0, 1.0, epochs=2)),))

    (one, a), (other, b) = (fitted(engine, make, rows(163), **settings) for engine in ("native", "explicit"))
    close(one, other, by=2e-4)
    for ours, theirs in zip(a.history, b.history, strict=True):
        assert ours["train"] == pytest.approx(theirs["train"], rel=2e-5)


@built
@pytest.mark.parametrize("optimiser", [Adam(1e-3), AdamW(Cosine(1e-2, warmup=1.0), weight_decay=0.3)], ids=repr)
@pytest.mark.parametrize("n", [200, 7, 163])
def test_a_fit_is_that_of_torchs_calls(n, optimiser):
    """Batches that no block size divides, a rate that changes with every step, several epochs."""
    data, settings = rows(n), {"epochs": 4, "batch_size": 13, "optimiser": optimiser}
    (one, a), (other, b) = (fitted(e, lambda: logistic(Dense((9,))), data, **settings) for e in ("native", "explicit"))
    close(one, other, by=2e-4)
    assert a.history.curve() == pytest.approx(b.history.curve(), rel=1e-5)
    assert [row["learning_rate"] for row in a.history] == [row["learning_rate"] for row in b.history]


@built
def test_without_threads_one_does_it_and_without_memory_the_fit_says_so(monkeypatch):
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    monkeypatch.setattr("isthmus.training.native.given_threads", lambda: 3)
    steps, most = native.steps, [1]
    monkeypatch.setattr(native, "steps", lambda job: job.threads <= most[0] and steps(job))
    (one, a), (other, b) = (fitted(engine, logistic, rows(100), epochs=2) for engine in ("native", "explicit"))
    close(one, other, by=2e-4)
    assert a.history.curve() == pytest.approx(b.history.curve(), rel=1e-5)
    most[0] = 0
    with pytest.raises(MemoryError, match="use engine='explicit'"):
        fitted("native", logistic, rows(100))


@built
def test_steps_without_eps_leave_no_hole_where_layers_have_no_bias():
    settings = {"epochs": 3, "optimiser": Adam(1e-3, eps=0.0)}
    net = Dense((9,), activation="tanh", bias=False)
    (one, _), (other, _) = (fitted(e, lambda: logistic(net), rows(100), **settings) for e in ("native", "explicit"))
    close(one, other, by=2e-3)


@built
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_zeros_are_left_out_without_a_trace(share):
    """Whether columns are listed or not, sums are the same, in blocks of 8 rows and columns and beside them."""
    x = torch.rand(131, 83, generator=torch.Generator().manual_seed(0))
    x = x * (torch.rand(131, 83, generator=torch.Generator().manual_seed(1)) < share)
    x[:, :40] *= torch.arange(131)[:, None] % 16 < 8
    found = []
    for engine in ("native", "autograd"):
        spec = Spec((83,), rows=131, provides=WORDS)
        task = Objective(Autoencoder(spec, Dense((17,)), Sigmoid(), 5, (83,), Noise(0)), Bernoulli())
        before = torch.cat([p.detach().flatten() for p in task.trained()])
        optimiser = AdamW(learning_rate=1e4, eps=1e4, weight_decay=0.0, beta1=0.0, beta2=0.0)
        settings = {"epochs": 1, "batch_size": 131, "validation": 0.0, "optimiser": optimiser}
        Trainer(engine=engine, **settings).fit(task, Rows(x), Noise(0), start=False)
        found.append(before - torch.cat([p.detach().flatten() for p in task.trained()]))
    assert float((found[0] - found[1]).norm()) <= 2e-6 * float(found[1].norm())


@built
def test_pictures_are_rows_of_their_numbers():
    """The net reads a picture as a row: so does the kernel, whatever axes the rows have."""
    x = rows(90).x.reshape(90, 1, 3, 4)
    spec = Spec((1, 3, 4), rows=90, provides=WORDS)
    found = []
    for engine in ("native", "explicit"):
        model = Autoencoder(spec, Dense((6,)), Undercomplete(), 5, (1, 3, 4), Noise(0))
        task, loop = fitted(engine, lambda model=model: Objective(model, Bernoulli()), Rows(x), epochs=3)
        found.append((task, loop.history.curve()))
    close(found[0][0], found[1][0], by=2e-4)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


@built
def test_threads_share_the_rows_of_a_step(monkeypatch):
    monkeypatch.setattr("isthmus.training.native.ALONE", 0)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("isthmus.training.native.given_threads", lambda threads=threads: threads)
        found += [fitted("native", lambda: logistic(Dense((9,))), rows(200), epochs=3) for _ in range(2)]
    for one, again in zip(found[::2], found[1::2], strict=True):
        assert identical(state(one[0]), state(again[0]))
    for other in found[2::2]:
        close(found[0][0], other[0], by=1e-4)
        assert other[1].history.curve() == pytest.approx(found[0][1].history.curve(), rel=1e-5)


@built
def test_a_fit_goes_on_from_its_moments():
    whole, _ = fitted("native", logistic, rows(200), epochs=4, optimiser=Adam(1e-3))
    task, previous = logistic(), None
    trainer = Trainer(engine="native", epochs=4, batch_size=50, optimiser=Adam(1e-3))
    for _ in range(4):
        previous = trainer.partial(task, rows(200), Noise(0), previous)
    assert identical(state(task), state(whole))


@built
def test_a_loss_that_explodes_is_rolled_back(caplog):
    task, loop = fitted("native", lambda: linear(Dense((9,))), Rows(1e18 * rows(100).x), optimiser=Adam(1e18), epochs=2)
    assert loop.rollbacks and all(bool(p.isfinite().all()) for p in task.parameters())


@built
def test_the_kernel_is_taken_where_every_part_says_that_it_is_known():
    assert Trainer().runs(logistic()) == Trainer(engine="native").runs(linear()) == "native"
    reasons = {
        "hoyer": (logistic(penalties=(Hoyer(),)), {}),
        "a layer": (logistic(Dense((5,), activation="gelu")), {}),
        "SGD": (logistic(), {"optimiser": SGD()}),
        "Adam with these settings": (logistic(), {"optimiser": Adam(beta1=Ramp(0.8, 0.9))}),
        "float32": (logistic().double(), {}),
        "clip": (logistic(), {"clip": 1.0}),
    }
    for culprit, (task, settings) in reasons.items():
        assert culprit in Trainer(**settings).runs(task) and Trainer(**settings).runs(task).startswith("explicit")
        with pytest.raises(ValueError, match=r"engine='native' cannot run this fit: .*use engine='auto'"):
            Trainer(engine="native", **settings).runs(task)
    assert "a layer" in Trainer().runs(logistic(Dense((5,), norm="batch")))
    assert Trainer().runs(linear(bottleneck=Variational(), penalties=(KL(),))) == "native"
    assert "a layer" in Trainer().runs(linear(bottleneck=Variational(draws=5)))
    assert "l1" in Trainer().runs(linear(bottleneck=Variational(), penalties=(KL(), L1())))
    frozen = logistic()
    frozen.model.decoder.requires_grad_(False)
    assert "a layer" in Trainer().runs(frozen)
    assert Trainer().runs(logistic(), rows(labels=True)) == "explicit (the kernel reads rows in memory without labels)"
    assert Trainer().runs(logistic(Dense((2100, 2000)))).startswith("explicit (8,")


def test_declarations_are_words_of_the_kernel():
    for likelihood in (Normal(), Bernoulli()):
        assert likelihood.native.name in native.LOSSES
    assert Normal(link="logistic").native is None
    assert {code.native for code in CODES} <= set(native.RISING) < set(native.ACTIVATIONS) and Rectified(
        0.5
    ).native is None
    assert [name for name, part in catalogue(Optimiser).items() if part.native] == ["adam", "adam_w"]


def test_without_the_kernel_fits_are_made_of_torchs_calls(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    assert Trainer().runs(logistic()) == "explicit (the kernel was not built)"
    _, loop = fitted("auto", logistic, rows(100))
    assert len(loop.history) == 1


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_kernel_builds_where_there_is_a_compiler_and_only_there(tmp_path, monkeypatch):
    assert LIBRARY == native.LIBRARY
    made = build(tmp_path / "kernel.so")
    assert made is not None and made.stat().st_size > 10_000
    assert build(tmp_path / "other.so", compiler="false") is None
    assert build(tmp_path / "other.so", compiler="no-such-compiler") is None
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert build(tmp_path / "other.so") is None and not (tmp_path / "other.so").exists()


@pytest.mark.skipif(shutil.which("cc") is None or platform.machine() != "x86_64", reason="no C compiler for x86")
@pytest.mark.long
@pytest.mark.parametrize("without", ["-mavx2", "-mavx512vl"])
def test_compilers_that_make_no_versions_make_one_for_this_processor(tmp_path, monkeypatch, without):
    """An old compiler knows options, but nothing of versions; where it fails with one set, the next is tried."""
    old = tmp_path / "old"
    refused = "" if without == "-mavx2" else f"*{without}*) exit 1;; "
    old.write_text(f'#!/bin/sh\ncase "$*" in {refused}*-mavx2*) exec cc "$@";; *) exit 1;; esac\n')
    old.chmod(0o755)
    made = build(tmp_path / "kernel.so", compiler=str(old))
    if made is None:
        pytest.skip("this processor has no AVX2")
    monkeypatch.setattr(native, "LIBRARY", made)
    native.library.cache_clear()
    try:
        assert native.library() is not None and not native.halves()
        test_gradients_are_those_of_autograd("deep", Undercomplete(), Bernoulli())
    finally:
        native.library.cache_clear()


@pytest.mark.parametrize("net", NETS)
def test_registers_of_every_size_hold_the_sums(registers, net):
    test_gradients_are_those_of_autograd(net, Undercomplete(), Bernoulli())


@pytest.mark.parametrize("columns", [5, 60, 300])
def test_registers_of_every_size_hold_the_sums_of_few(registers, columns):
    torch.manual_seed(0)
    code, matrix, left = above(torch.randn(40, 90), 1.0), torch.randn(90, columns), torch.randn(40, columns)
    torch.testing.assert_close(code.product(matrix), code.dense() @ matrix)
    torch.testing.assert_close(code.dots(left, matrix), (left @ matrix.T)[code.rows, code.units], atol=1e-5, rtol=1e-5)


@built
def test_loading_the_kernel_leaves_the_rounding_of_small_numbers_alone():
    """A library that is linked with -ffast-math sets the processor to flush them to zero, for everybody."""
    code = "import numpy as np; from isthmus import native; native.library(); print(np.float32(1e-45) * 1.0 > 0)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert told.stdout.strip() == "True"


@built
def test_fits_of_the_kernel_run_side_by_side_and_are_those_alone():
    trainer, data = Trainer(epochs=3, batch_size=50, validation=0.2), rows(200)
    threads = torch.get_num_threads()
    alone, together = ([logistic(seed=seed) for seed in range(5)] for _ in range(2))
    for seed, task in enumerate(alone):
        trainer.fit(task, data, Noise(seed))
    noises = [Noise(seed) for seed in range(5)]
    loops = trainer.fit_many(together, [data] * 5, noises)
    assert torch.get_num_threads() == threads and [loop.epoch for loop in loops] == [3] * 5
    for one, other in zip(alone, together, strict=True):
        assert identical(state(one), state(other))
