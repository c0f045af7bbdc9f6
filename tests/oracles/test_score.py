"""A denoiser's step is the score: r(x) = x + sigma^2 d log p_sigma / dx (Alain & Bengio, 2014; Tweedie's formula)."""

import torch
from tiny import model_of

from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.parts import Adam, Cosine, Dense, GaussianNoise, Normal, Overcomplete, Trainer
from isthmus.records import Batch, Rows

CENTRES = torch.tensor([[-1.0, -0.5], [1.0, -0.5], [0.0, 1.2]])
SPREAD, SIGMA = 0.25, 0.3


def mixture(rows):
    """Draw from three equal normal distributions in the plane."""
    noise = Noise(0)
    which = (noise.uniform(torch.empty(rows)) * len(CENTRES)).long()
    return CENTRES[which] + SPREAD * noise.normal(torch.empty(rows, 2))


def smoothed(x):
    """Return the logarithm of the density of the mixture after noise, up to a constant."""
    squared = (x.unsqueeze(1) - CENTRES.to(x.dtype)).square().sum(2)
    return torch.logsumexp(-squared / (2 * (SPREAD**2 + SIGMA**2)), dim=1)


def test_the_step_of_a_denoiser_is_the_score_of_the_smoothed_density():
    x = mixture(20000)
    model = model_of(Dense((64, 64), activation="silu"), Overcomplete(), x, units=32).float()
    objective = Objective(model, Normal(), (), GaussianNoise(SIGMA))
    trainer = Trainer(epochs=12, batch_size=250, optimiser=Adam(Cosine(4e-3)), validation=0.0)
    trainer.fit(objective, Rows(x), Noise(1))
    probe = mixture(4000)[3000:] + SIGMA * Noise(2).normal(torch.empty(1000, 2))
    with torch.no_grad():
        step = objective.model(Batch(probe)).output - probe
    leaf = probe.double().requires_grad_()
    (score,) = torch.autograd.grad(smoothed(leaf).sum(), leaf)
    expected = (SIGMA**2 * score).float()
    cosine = torch.nn.functional.cosine_similarity(step.flatten(), expected.flatten(), dim=0)
    relative = (step - expected).norm() / expected.norm()
    assert cosine > 0.99, cosine
    assert relative < 0.1, relative
