"""What callbacks are told, what the progress bar shows, what TensorBoard reads; the history as rows."""

import builtins
import io
import json

import pytest
from fitting import Crash, CrashAt, logistic, rows
from rich.console import Console

from isthmus.noise import Noise
from isthmus.penalty.l1 import L1
from isthmus.training.callbacks import Callback, Progress, TensorBoard
from isthmus.training.greedy import Greedy
from isthmus.training.history import History
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

TRAINER = Trainer(epochs=2, pretraining=Greedy(epochs=1))


def test_they_are_told_of_every_phase_in_order():
    told = []

    class Tell(Callback):
        def fit_start(self, loop):
            told.append(("start", loop.phase, loop.epoch))

        def epoch_end(self, loop, row):
            told.append(("epoch", row["phase"], loop.epoch))

        def fit_end(self, loop):
            told.append(("end", loop.phase, loop.epoch))

    TRAINER.fit(logistic(), rows(), Noise(0), callbacks=[Callback(), Tell()])
    layers = [(what, f"layer {i}", e) for i in (1, 2, 3) for what, e in (("start", 0), ("epoch", 1), ("end", 1))]
    assert told == [*layers, ("start", "fit", 0), ("epoch", "fit", 1), ("epoch", "fit", 2), ("end", "fit", 2)]


def test_the_end_is_told_to_those_that_began(tmp_path):
    told = []

    class Tell(Callback):
        def __init__(self, name, bad=False):
            self.name, self.bad = name, bad

        def fit_start(self, loop):
            if self.bad:
                raise Crash

        def fit_end(self, loop):
            told.append(self.name)

    with pytest.raises(Crash):
        TRAINER.fit(logistic(), rows(), Noise(0), callbacks=[Tell("first"), Tell("second", bad=True), Tell("third")])
    assert told == ["first"]
    with pytest.raises(Crash):
        TRAINER.fit(logistic(), rows(), Noise(0), callbacks=[Tell("fourth"), CrashAt("fit", 1)])
    assert told == ["first", "fourth", "fourth", "fourth", "fourth"]


def drawn(trainer, **settings):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)

    class Slow(Callback):
        """Look at the bar after every epoch, as an eye would."""

        def epoch_end(self, loop, row):
            progress.bar.refresh()

    progress = Progress(console)
    trainer.fit(logistic(), rows(), Noise(0), callbacks=[progress, Slow()], **settings)
    return screen.getvalue()


def test_the_bar_shows_phase_epochs_losses_rate_and_time():
    text = drawn(Trainer(epochs=3, pretraining=Greedy(epochs=2)))
    for expected in ("layer 1", "layer 3", "fit", "2/2", "3/3", "loss 7.", "held out", "rows/s", "0:00:0"):
        assert expected in text
    assert "held out" not in drawn(Trainer(epochs=1, validation=0))


def test_the_bar_goes_on_where_a_checkpoint_ended(tmp_path):
    trainer = Trainer(epochs=3, checkpoint_seconds=0)
    with pytest.raises(Crash):
        trainer.fit(logistic(), rows(), Noise(0), callbacks=[CrashAt("fit", 3)], save_to=tmp_path / "c")
    text = drawn(trainer, save_to=tmp_path / "c")
    assert "3/3" in text and "1/3" not in text


def test_the_bar_is_silent_where_there_is_no_terminal(capsys):
    Trainer(epochs=1).fit(logistic(), rows(), Noise(0), callbacks=[Progress(Console(file=io.StringIO()))])
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_every_number(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    task = FineTuning(logistic(penalties=(L1(),)), 3)
    history = TRAINER.fit(task, rows(labels=True), Noise(0), callbacks=[TensorBoard(tmp_path / "log")]).history
    # Every phase has a writer of its own, hence files of its own.
    found = {}
    for file in sorted((tmp_path / "log").iterdir()):
        events = EventAccumulator(str(file))
        events.Reload()
        found |= {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    expected = {}
    for row in history:
        parts = {f"{part}/{name}": v for part in ("train", "held_out", "measured") for name, v in row[part].items()}
        for tag, value in (parts | {"learning_rate": row["learning_rate"]}).items():
            expected.setdefault(f"{row['phase']}/{tag}", []).append((row["epoch"], pytest.approx(value, rel=1e-6)))
    assert found == expected and "fit/measured/error" in found


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **settings):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'isthmus\[tensorboard\]'"):
        Trainer(epochs=1).fit(logistic(), rows(), Noise(0), callbacks=[TensorBoard(tmp_path)])


def test_a_history_is_rows_of_plain_values():
    history = TRAINER.fit(logistic(penalties=(L1(),)), rows(), Noise(0)).history
    again = History(json.loads(json.dumps(history.rows)))
    assert again.rows == history.rows and repr(again) == repr(history)
    assert history.phases == ["layer 1", "layer 2", "layer 3", "fit"]
    assert len(history) == 5 and len(history.curve()) == 2 and len(history.curve(phase="layer 1")) == 1
    assert history.curve("l1", part="held_out") == [row["held_out"]["l1"] for row in history if row["phase"] == "fit"]
    assert history.curve("no such") == [] and history.terms == ["reconstruction", "l1"]
    assert repr(history).startswith("History(5 epochs, held_out loss ")


def test_an_empty_history_has_nothing():
    history = History()
    assert (len(history), history.terms, history.phases, history.curve()) == (0, [], [], [])
