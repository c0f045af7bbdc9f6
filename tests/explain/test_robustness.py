"""The one-probe identity against Jacobians written out, and what it is for a linear model."""

import pytest
import torch
from tiny import model_of
from torch.autograd.functional import jacobian

from isthmus.explain.robustness import robustness
from isthmus.explain.self_explaining import SelfExplaining
from isthmus.noise import Noise
from isthmus.objective import Objective, averaged
from isthmus.parts import Conv, Dense, Normal, TopK, Undercomplete, Variational
from isthmus.records import Batch

X = Noise(0).normal(torch.empty(12, 6, dtype=torch.float64))
PICTURES = X[:, :4].reshape(-1, 1, 2, 2)
Y = torch.arange(12) % 4


def task_of(bottleneck=None, x=X, relevances=None, **settings):
    """Return a task whose relevances were moved from their start."""
    architecture = Dense((5,), "tanh") if x.dim() == 2 else Conv((3,), activation="tanh")
    model = model_of(architecture, bottleneck or Undercomplete(), x)
    relevances = relevances or Dense((7,), "tanh")
    task = SelfExplaining(Objective(model, Normal()), relevances, 4, Noise(1), **settings).double()
    task.start(Batch(x, y=Y))
    for i, p in enumerate(task.relevances.parameters()):
        p.data += 0.4 * Noise(2, i).normal(p)
    return task.eval()


def written_out(task, x):
    """Return ||J_f - theta^T J_h||^2 of every row, from whole Jacobians."""
    found = []
    for row in x:
        batch = Batch(row.unsqueeze(0))
        _, theta = task.parts(batch)
        j_f = jacobian(lambda r: task.logits(Batch(r.unsqueeze(0)))[0], row).flatten(1)
        j_h = jacobian(lambda r: task.concepts(task.model(Batch(r.unsqueeze(0))))[0], row).flatten(1)
        found.append((j_f - theta[0].detach().T @ j_h).square().sum())
    return torch.stack(found)


@pytest.mark.parametrize("bottleneck", [Undercomplete(), TopK(2), Variational()], ids=lambda b: type(b).__name__)
def test_it_is_the_exact_jacobian_form(bottleneck):
    task = task_of(bottleneck)
    torch.testing.assert_close(task.norm(Batch(X)), written_out(task, X), rtol=1e-10, atol=1e-12)


def test_it_is_exact_for_pictures_and_in_their_units():
    task = task_of(x=PICTURES, relevances=Conv((2,), activation="tanh"), unit=3.0)
    torch.testing.assert_close(task.norm(Batch(PICTURES)), written_out(task, PICTURES) / 9, rtol=1e-10, atol=1e-12)


def test_relevances_of_the_code_leave_the_jacobian_by_the_code():
    task = task_of(reads="code")
    codes = task.model(Batch(X)).code.detach()

    def logits(code):
        h = torch.cat([code, code.new_ones(1)])
        return h @ task.relevances(code.unsqueeze(0))[0]

    expected = []
    for code in codes:
        theta = task.relevances(code.unsqueeze(0))[0]
        expected.append((jacobian(logits, code) - theta[:-1].T.detach()).square().sum())
    torch.testing.assert_close(task.norm(Batch(X)), torch.stack(expected), rtol=1e-10, atol=1e-12)


def test_one_probe_is_right_on_average():
    task = task_of()
    p = task.model(Batch(X))
    concepts = task.concepts(p)
    inputs = task.looked_at(p, concepts)
    theta = task.relevances(inputs)
    draws = torch.stack([robustness(concepts, theta, inputs, Noise(i)).detach() for i in range(3000)])
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - task.norm(Batch(X))).abs() < 4.5 * error).all()


def test_it_is_zero_for_a_linear_model_on_the_concepts():
    """The public implementations differentiate log-probabilities, and find 1.25 here."""
    task = task_of()
    for p in task.relevances.network.parameters():
        p.data.zero_()
    assert task.norm(Batch(X)).max() == 0
    assert written_out(task, X).max() < 1e-28


def test_terms_add_up_and_leave_nothing_out():
    task = task_of(robustness=0.3, fidelity=0.5)
    batch = Batch(X, y=Y)
    terms, _ = task(batch, Noise(3), 0.0)
    assert set(terms) == {"cross_entropy", "robustness", "reconstruction"}
    own, _ = task.objective(batch, Noise(3), 0.0)
    torch.testing.assert_close(terms["reconstruction"], 0.5 * own["reconstruction"])
    torch.testing.assert_close(
        terms["cross_entropy"], torch.nn.functional.cross_entropy(task.logits(batch), Y, reduction="none")
    )
    loss = torch.stack(list(averaged(terms, None).values())).sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.trained())
    with torch.no_grad():
        again, _ = task(batch, Noise(3), 0.0)
    torch.testing.assert_close(again, {name: t.detach() for name, t in terms.items()})


def test_a_frozen_autoencoder_stays_as_it_was():
    task = task_of(frozen=True, robustness=0.1).train()
    terms, tallies = task(Batch(X, y=Y), Noise(0), 0.0)
    assert set(terms) == {"cross_entropy", "robustness"}
    assert not tallies
    torch.stack(list(averaged(terms, None).values())).sum().backward()
    assert all(p.grad is None for p in task.objective.parameters())


def test_labels_are_looked_at():
    task = task_of()
    with pytest.raises(ValueError, match="labels run from 0 to 4"):
        task.start(Batch(X, y=torch.arange(12) % 5))
    with pytest.raises(ValueError, match="needs labels"):
        task.start(Batch(X))
