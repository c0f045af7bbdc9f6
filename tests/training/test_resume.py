"""A fit that was cut off goes on to the weights of the fit that was not, bit for bit; files of no use are refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fitting import Crash, CrashAt, identical, linear, logistic, rows, state
from safetensors.torch import save_file

from isthmus.architecture.dense import Dense
from isthmus.bottleneck.variational import Variational
from isthmus.corruption.noise import GaussianNoise, Masking
from isthmus.noise import Noise
from isthmus.penalty.activation_rate import ActivationRate
from isthmus.penalty.kl import KL
from isthmus.schedule import Cosine, Ramp, Steps
from isthmus.training import checkpoint, statefile
from isthmus.training.callbacks import Callback
from isthmus.training.greedy import Greedy
from isthmus.training.optimiser import LBFGS, SGD, Adadelta, Adam, AdamW
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

HERE = Path(__file__).parent
# Every checkpoint is written, so that a cut-off fit has one of the epoch before.
PLAIN = Trainer(epochs=6, batch_size=32, checkpoint_seconds=0)
LEAP = Steps(0.1, factor=20.0, milestones=(2,))
NORMS = Dense((10,), activation="tanh", norm="batch", dropout=0.3)


def variational():
    return linear(bottleneck=Variational(), penalties=(KL(Ramp(0.0, 1.0, epochs=4)),))


def noisy():
    return logistic(
        Dense((10, 8), activation="sigmoid", dropout=0.2), corruption=Masking(0.25), penalties=(ActivationRate(),)
    )


FITS = {
    "plain": (logistic, PLAIN),
    "dropout, corruption, running rates": (noisy, PLAIN),
    "batch norm": (lambda: linear(NORMS), PLAIN),
    "draws and a warm-up": (variational, PLAIN),
    "momentum, clipping, cosine": (
        linear,
        Trainer(epochs=6, batch_size=32, clip=0.5, checkpoint_seconds=0, optimiser=SGD(Cosine(0.1))),
    ),
    "adadelta, all rows": (
        linear,
        Trainer(epochs=6, batch_size=32, validation=0, checkpoint_seconds=0, optimiser=Adadelta()),
    ),
    "decay, float64": (
        linear,
        Trainer(epochs=6, batch_size=32, precision="float64", checkpoint_seconds=0, optimiser=AdamW()),
    ),
    "bfloat16": (linear, Trainer(epochs=6, batch_size=32, precision="bf16", checkpoint_seconds=0)),
    "line search": (
        linear,
        Trainer(epochs=6, validation=0, checkpoint_seconds=0, optimiser=LBFGS(iterations=3, history=4)),
    ),
    "after a roll-back": (
        lambda: linear(Dense((10,), activation="identity")),
        Trainer(epochs=6, batch_size=8, checkpoint_seconds=0, optimiser=SGD(LEAP, momentum=0.0)),
    ),
    "layer by layer": (
        noisy,
        Trainer(
            epochs=6,
            batch_size=32,
            checkpoint_seconds=0,
            pretraining=Greedy(epochs=4, corruption=GaussianNoise(0.1), penalties=(ActivationRate(),)),
        ),
    ),
    "layer by layer, then labels": (
        lambda: FineTuning(noisy(), 3, corruption=Masking(0.1), l2=1e-4),
        Trainer(epochs=6, batch_size=32, checkpoint_seconds=0, pretraining=Greedy(epochs=4)),
    ),
}


class Told(Callback):
    """Remember, or print, the epochs that are trained."""

    def __init__(self, pause=None):
        self.epochs, self.pause = [], pause

    def epoch_end(self, loop, row):
        self.epochs.append(f"{row['phase']} {row['epoch']}")
        if self.pause is not None:
            print(self.epochs[-1], flush=True)
            time.sleep(self.pause)


def fit(make, trainer, path=None, callbacks=()):
    task = make()
    history = trainer.fit(task, rows(labels=True), Noise(7), save_to=path, callbacks=callbacks).history
    return state(task), [{k: v for k, v in row.items() if "second" not in k} for row in history]


@pytest.mark.parametrize("name", FITS)
def test_a_cut_off_fit_goes_on_to_the_same_weights(name, tmp_path, untouched_generators):
    make, trainer = FITS[name]
    whole, history = fit(make, trainer)
    phases = list(dict.fromkeys(row["phase"] for row in history))
    for phase in phases:
        path = tmp_path / f"{phase}.checkpoint"
        with pytest.raises(Crash):
            fit(make, trainer, path, [CrashAt(phase, 3)])
        assert path.exists() or phase == phases[0]
        resumed, again = fit(make, trainer, path)
        assert again == history
        assert identical(resumed, whole)


def test_a_fit_that_is_cut_off_again_and_again_comes_to_the_same_end(tmp_path):
    make, trainer = FITS["layer by layer"]
    cuts = [CrashAt(phase, epoch) for phase in ("layer 1", "layer 2", "layer 3", "fit") for epoch in (2, 3)]
    for cut in cuts:
        with pytest.raises(Crash):
            fit(make, trainer, tmp_path / "c", [cut])
    told = Told()
    resumed, history = fit(make, trainer, tmp_path / "c", [told])
    assert told.epochs == ["fit 3", "fit 4", "fit 5", "fit 6"]
    whole, uninterrupted = fit(make, trainer)
    assert identical(resumed, whole) and history == uninterrupted


def test_a_roll_back_happened_in_the_fit_that_was_resumed_after_one():
    _, history = fit(*FITS["after a roll-back"])
    assert [row["rollbacks"] for row in history] == [1, 1, 4, 4, 4, 4]


def test_a_crash_in_the_first_epoch_starts_anew(tmp_path):
    with pytest.raises(Crash):
        fit(logistic, PLAIN, tmp_path / "c", [CrashAt("fit", 1)])
    assert identical(fit(logistic, PLAIN, tmp_path / "c")[0], fit(logistic, PLAIN)[0])


def test_a_finished_fit_is_not_trained_again(tmp_path):
    first, history = fit(logistic, PLAIN, tmp_path / "c")
    second, again = fit(logistic, PLAIN, tmp_path / "c", [CrashAt("fit", 6)])
    assert identical(first, second) and again == history


def test_a_fit_that_ran_out_of_patience_stays_at_its_end(tmp_path):
    trainer = Trainer(epochs=200, patience=2, checkpoint_seconds=1e9, optimiser=Adam(0.3))
    first, history = fit(linear, trainer, tmp_path / "c")
    assert len(history) < 200
    assert identical(fit(linear, trainer, tmp_path / "c")[0], first)


def test_a_fit_may_be_prolonged(tmp_path):
    shorter, longer = (Trainer(epochs=n, batch_size=32, optimiser=Adam(1e-3)) for n in (6, 9))
    fit(logistic, shorter, tmp_path / "c")
    assert identical(fit(logistic, longer, tmp_path / "c")[0], fit(logistic, longer)[0])


PROGRAM = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from pathlib import Path
from test_resume import FITS, Told, fit
fit(*FITS[sys.argv[1]], Path(sys.argv[2]), [Told(pause=0.05)])
"""


@pytest.mark.slow
def test_kill_nine_and_resume(tmp_path):
    name, path = "layer by layer, then labels", tmp_path / "c"
    fitting = subprocess.Popen([sys.executable, "-c", PROGRAM, name, path], stdout=subprocess.PIPE, text=True)
    with fitting.stdout as lines:
        assert "layer 2 3\n" in lines
        os.kill(fitting.pid, signal.SIGKILL)
    assert fitting.wait() == -signal.SIGKILL
    told = Told()
    resumed, history = fit(*FITS[name], path, [told])
    assert told.epochs[0] in ("layer 2 3", "layer 2 4") and told.epochs[-1] == "fit 6"
    whole, uninterrupted = fit(*FITS[name])
    assert identical(resumed, whole) and history == uninterrupted


# -- files of no use ------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "some.checkpoint"
    fit(logistic, PLAIN, path)
    return path


OTHERS = {
    "another seed": (lambda p: PLAIN.fit(logistic(), rows(), Noise(8), save_to=p), "seed was 7 and is 8"),
    "other rows": (lambda p: PLAIN.fit(logistic(), rows(seed=1), Noise(7), save_to=p), "rows.content was"),
    "more rows": (lambda p: PLAIN.fit(logistic(), rows(170), Noise(7), save_to=p), "rows.number was 144 and is 153"),
    "other sizes": (lambda p: PLAIN.fit(logistic(units=4), rows(), Noise(7), save_to=p), r"shapes\.\S+ was"),
    "another part": (
        lambda p: PLAIN.fit(logistic(corruption=Masking(0.3)), rows(), Noise(7), save_to=p),
        "task.parts.corruption.type was 'clean' and is 'masking'",
    ),
    "another batch size": (
        lambda p: Trainer(epochs=6, batch_size=16).fit(logistic(), rows(), Noise(7), save_to=p),
        "trainer.batch_size was 32 and is 16",
    ),
    "other layers first": (
        lambda p: Trainer(epochs=6, batch_size=32, pretraining=Greedy()).fit(logistic(), rows(), Noise(7), save_to=p),
        "trainer.pretraining was None and is",
    ),
    "another task": (
        lambda p: PLAIN.fit(FineTuning(logistic(), 3), rows(labels=True), Noise(7), save_to=p),
        "fine_tuning was None",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_fit_is_refused(name, tmp_path):
    path = tmp_path / "c"
    PLAIN.fit(logistic(), rows(), Noise(7), save_to=path)
    other, reason = OTHERS[name]
    with pytest.raises(ValueError, match=reason) as refusal:
        other(path)
    assert "delete it or name another file" in str(refusal.value)


def test_a_cosine_that_spans_the_fit_makes_its_length_count(tmp_path):
    def trainer(epochs):
        return Trainer(epochs=epochs, optimiser=Adam(Cosine(1e-3)))

    fit(logistic, trainer(3), tmp_path / "c")
    with pytest.raises(ValueError, match=r"optimiser\.learning_rate\.epochs was 3 and is 4"):
        fit(logistic, trainer(4), tmp_path / "c")


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_torn_file_is_refused(written, kept):
    written.write_bytes(written.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"not a readable checkpoint .*; name another file, or delete it if"):
        fit(logistic, PLAIN, written)


def test_a_changed_number_is_noticed(written):
    data = bytearray(written.read_bytes())
    data[-5] ^= 1
    written.write_bytes(data)
    with pytest.raises(ValueError, match="damaged: its content does not match its checksum"):
        fit(logistic, PLAIN, written)


def test_weights_are_not_a_checkpoint(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "c")
    with pytest.raises(ValueError, match="not a checkpoint; name another file"):
        fit(logistic, PLAIN, tmp_path / "c")


def test_another_version_is_refused(written, monkeypatch):
    monkeypatch.setattr(statefile, "VERSION", 3)
    with pytest.raises(ValueError, match="version 2, this release reads 3"):
        fit(logistic, PLAIN, written)


def test_a_folder_is_not_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        fit(logistic, PLAIN, tmp_path)


def test_a_file_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written .*; name a file in another folder"):
        fit(logistic, PLAIN, tmp_path / "file" / "c", [CrashAt("fit", 1)])


def test_a_full_disk_costs_the_checkpoint_and_not_the_fit(tmp_path, monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    path = tmp_path / "c"
    trainer = Trainer(epochs=3, batch_size=32, checkpoint_seconds=0)
    with pytest.raises(Crash):
        fit(logistic, trainer, path, [CrashAt("fit", 2)])
    before = path.read_bytes()
    monkeypatch.setattr(statefile, "save_file", full)
    trained, _ = fit(logistic, trainer, path)
    assert identical(trained, fit(logistic, trainer)[0])
    assert "No space left on device" in caplog.text and "training goes on" in caplog.text
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_checkpoints_keep_their_distance(tmp_path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(statefile, "write", lambda path, state: written.append(state["state"]["epoch"]))

    class Clock(CrashAt):
        def epoch_end(self, loop, row):
            now[0] += 4.0

    trainer = Trainer(epochs=8, batch_size=32, checkpoint_seconds=10)
    fit(logistic, trainer, tmp_path / "c", [Clock("", 0)])
    assert written == [3, 6, 8]


def test_any_state_comes_back_as_it_was(tmp_path):
    tree = {
        "numbers": [1, 2.5, float("inf"), None, True, "text"],
        3: {"nested": torch.arange(6).reshape(2, 3).T, "scalar": torch.tensor(1.5, dtype=torch.bfloat16)},
        "empty": torch.zeros(0, 2),
    }
    statefile.write(tmp_path / "c", tree)
    back = statefile.read(tmp_path / "c")
    assert back["numbers"] == tree["numbers"]
    assert torch.equal(back[3]["nested"], tree[3]["nested"])
    assert back[3]["scalar"].dtype == torch.bfloat16 and back[3]["scalar"] == 1.5
    assert back["empty"].shape == (0, 2)
