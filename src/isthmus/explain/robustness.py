"""How far explanations of neighbouring rows may differ: the Jacobian of relevances at fixed concepts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import grad

from isthmus.noise import Noise
from isthmus.penalty.contractive import directions


def robustness(concepts: Tensor, relevances: Tensor, inputs: Tensor, noise: Noise | None) -> Tensor:
    r"""Return ``||J_f - theta^T J_h||_F^2`` per row, which is ``||h^T J_theta||_F^2`` (Alvarez-Melis & Jaakkola, 2018).

    f = theta^T h, so that J_f = theta^T J_h + h^T J_theta: what is left of the gradient of the logits once relevances
    are taken as constant is the gradient of ``f2 = sum_i sg(h_i) theta_i(x)``, and concepts need no derivative. With
    noise it is estimated without bias by one probe v of random signs, ``E ||grad_x <v, f2>||^2 = ||J_f2||_F^2``, at the
    cost of one backward pass whatever the number of classes; without noise it is exact, by one pass per class. It is
    zero where relevances are constant: for a linear model on the concepts.

    Args:
        concepts: (rows, concepts), the constant one included.
        relevances: (rows, concepts, outputs), a function of ``inputs``.
        inputs: (rows, ...), what the Jacobian is taken by.
        noise: where signs come from; None asks for the exact norm.

    References:
        Alvarez-Melis & Jaakkola (2018), "Towards robust interpretability with self-explaining neural networks";
        Hutchinson (1990), "A stochastic estimator of the trace of the influence matrix".
    """
    onward = torch.is_grad_enabled()
    f = (concepts.detach().unsqueeze(2) * relevances).sum(1)
    total = f.new_zeros(len(f))
    for v in directions(f, noise, 1):
        (slope,) = grad(f, inputs, v, create_graph=onward, retain_graph=True)
        total = total + slope.flatten(1).square().sum(1)
    return total
