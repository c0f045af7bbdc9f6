"""Fine-tuning with labels: a task like any other."""

import math

import pytest
import torch
from fitting import finite, identical, linear, logistic, rows, state
from torch.nn import functional as F

from isthmus.architecture.dense import Dense
from isthmus.bottleneck.variational import Variational
from isthmus.corruption.noise import Masking, SaltAndPepper
from isthmus.noise import Noise
from isthmus.objective import averaged
from isthmus.records import Batch, Rows
from isthmus.training.greedy import Greedy
from isthmus.training.loop import Loop
from isthmus.training.optimiser import LBFGS, SGD, Adam
from isthmus.training.phase import Phase
from isthmus.training.supervised import FineTuning
from isthmus.training.trainer import Trainer

NET = Dense((10, 8), activation="sigmoid")


def test_the_terms_are_cross_entropy_and_decay():
    task, batch = FineTuning(logistic(), 3, l2=0.3), rows(labels=True).all()
    with torch.no_grad():
        task.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    terms, tallies = task(batch, None, math.inf)
    code = task.model.encode(batch.x).mean
    expected = -torch.log_softmax(code @ task.head.weight.T, 1).gather(1, batch.y.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(terms["cross_entropy"], expected)
    squares = [layer.layers[0].weight.square().sum() for layer in task.model.encoder.layers[1]]
    torch.testing.assert_close(terms["l2"], 0.15 * (sum(squares) + task.head.weight.square().sum()))
    assert list(terms) == ["cross_entropy", "l2"] and tallies == {}
    assert list(FineTuning(logistic(), 3)(batch, None, 0.0)[0]) == ["cross_entropy"]


def test_a_classifier_of_zero_weights_is_undecided():
    terms = averaged(FineTuning(logistic(), 3)(rows(labels=True).all(), None, math.inf)[0], None)
    assert terms["cross_entropy"].item() == pytest.approx(math.log(3), rel=1e-6)


def test_it_learns_labels_through_the_encoder_and_leaves_the_decoder():
    task = FineTuning(logistic(Dense((10,), activation="tanh")), 3)
    before = state(task)
    loop = Trainer(epochs=25, batch_size=16, optimiser=Adam(0.02)).fit(task, rows(labels=True), Noise(0))
    changed = {name for name, tensor in state(task).items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if ".encoder." in name or name.startswith("head.")}
    test = rows(300, seed=8, labels=True)
    error = (task.logits(test.all()).argmax(1) != test.y).float().mean()
    assert error < 0.05 and loop.history[-1]["measured"]["error"] < 0.05
    assert loop.history.terms == ["cross_entropy"]


def test_a_frozen_encoder_stays_as_it_is_and_in_use():
    objective = logistic(Dense((10, 8), activation="sigmoid", norm="batch", dropout=0.5))
    task = FineTuning(objective, 3, frozen=True, l2=1e-6)
    before = state(objective)
    trainer = Trainer(epochs=5, validation=0, optimiser=LBFGS(), precision="float64")
    loop = trainer.fit(task, rows(labels=True), Noise(0))
    assert {p.shape for p in task.trained()} == {(3, 5), (3,)}
    task.train()
    assert task.head.training and not objective.model.training
    with torch.no_grad():
        codes = objective.model.encode(loop.rows.x).mean
    weight = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def regression():
        solver.zero_grad()
        loss = F.cross_entropy(codes @ weight.T + bias, loop.rows.y) + 0.5e-6 * weight.square().sum()
        loss.backward()
        return loss

    solver.step(regression)
    assert loop.history.curve()[-1] == pytest.approx(regression().item(), rel=1e-3)
    after = state(objective)
    assert all(torch.equal(after[name], tensor.double()) for name, tensor in before.items())


def test_the_held_out_error_chooses_the_weights():
    task = FineTuning(logistic(), 3)
    loop = Loop(Phase("fit", Trainer(), task, rows(), rows(), Noise(0)))
    verdicts = []
    for epoch, (error, loss) in enumerate([(0.2, 1.0), (0.1, 2.0), (0.1, 1.5), (0.15, 0.1), (0.1, 1.5)], start=1):
        loop.epoch = epoch
        loop._judge({"loss": loss}, {"error": error})
        verdicts.append(loop.best_epoch)
    assert verdicts == [1, 2, 3, 3, 3] and loop.stale == 2


def test_the_measured_error_is_that_of_the_held_out_rows():
    task = FineTuning(logistic(), 3)
    loop = Trainer(epochs=4, batch_size=16, optimiser=Adam(0.02)).fit(task, rows(labels=True), Noise(0))
    with torch.no_grad():
        wrong = task.logits(loop.held_out.all()).argmax(1) != loop.held_out.y
    found = [(row["measured"]["error"], row["held_out"]["loss"]) for row in loop.history]
    assert found[loop.best_epoch - 1] == min(found)
    assert wrong.double().mean().item() == pytest.approx(min(found)[0])


@pytest.mark.parametrize("corruption", [Masking(0.9), SaltAndPepper(0.9)], ids=repr)
def test_inputs_are_corrupted_while_fitting_only(corruption):
    task, batch, noise = FineTuning(logistic(), 3, corruption=corruption), rows(labels=True).all(), Noise(0)
    task.start(batch)
    with torch.no_grad():
        task.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    clean = task.logits(batch)
    task.eval()
    used = task(batch, noise, math.inf)[0]["cross_entropy"]
    torch.testing.assert_close(used, F.cross_entropy(clean, batch.y, reduction="none"))
    task.train()
    assert not torch.allclose(task(batch, noise.at(1), 0.0)[0]["cross_entropy"], used)


def test_batch_norm_of_the_encoder_learns_its_moments():
    task = FineTuning(linear(Dense((10,), activation="tanh", norm="batch")), 3)
    layer = task.model.encoder.layers[1].layers[0].layers[1]
    Trainer(epochs=8, batch_size=16, patience=0, validation=0).fit(task, rows(labels=True), Noise(0))
    assert finite(task) and not torch.equal(layer.mean, torch.zeros(10))
    other = task.model.decoder.layers[1].layers[0].layers[1]
    assert torch.equal(other.mean, torch.zeros(10))


def test_a_variational_code_is_its_mean():
    task, batch = FineTuning(linear(bottleneck=Variational()), 3), rows(labels=True).all()
    task.train()
    assert torch.equal(task.logits(batch, Noise(0)), task.logits(batch, Noise(1)))
    assert task.head.weight.shape == (3, 5)


def test_pretrained_layers_and_labels_in_one_fit():
    def fit(pretraining):
        task = FineTuning(logistic(NET), 3, l2=1e-5)
        trainer = Trainer(epochs=4, batch_size=16, optimiser=Adam(5e-3), pretraining=pretraining)
        return task, trainer.fit(task, rows(labels=True), Noise(0)).history

    plain, without = fit(None)
    stacked, with_ = fit(Greedy(epochs=15, corruption=Masking(0.1)))
    assert with_.phases == ["layer 1", "layer 2", "layer 3", "fit"]
    assert with_.curve(part="held_out")[-1] < without.curve(part="held_out")[-1]
    assert not identical(state(plain), state(stacked))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: FineTuning(logistic(), 1), "classes=1 leaves nothing to tell apart"),
        (lambda: Trainer().fit(FineTuning(logistic(), 3), rows(), Noise(0)), "fine-tuning needs labels"),
        (
            lambda: Trainer(epochs=1).fit(FineTuning(logistic(), 3), rows(), Noise(0), start=False),
            "fine-tuning needs labels",
        ),
        (
            lambda: Trainer().fit(FineTuning(logistic(), 2), rows(labels=True), Noise(0)),
            "labels run from 0 to 2, but classes=2; number them from 0 up",
        ),
        (
            lambda: Trainer(validation=0).fit(
                FineTuning(logistic(), 3), Rows(rows(4).x, y=torch.tensor([-1, 0, 1, 2])), Noise(0)
            ),
            "labels run from -1 to 2",
        ),
    ],
)
def test_labels_that_cannot_be_are_refused(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()


def test_a_task_without_an_autoencoder_cannot_be_pretrained():
    from isthmus.objective import Task

    class Other(Task):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(()))

    with pytest.raises(ValueError, match="Other holds no autoencoder to pretrain"):
        Trainer(pretraining=Greedy(), optimiser=SGD()).fit(Other(), rows(), Noise(0))
    assert Other().describe() == {"type": "Other"} and Other().measure(Batch(rows().x)) == {}
