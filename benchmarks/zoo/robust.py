"""Robust optimisation: the worst cell gains without groups, and minima are flatter."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort
from everygroup.models import RoutedModel
from zoo.adversarial import WORLD, compared
from zoo.effect import Effect
from zoo.worlds import PERCEPTRON, minority, right_in_b


def sharpness(model: RoutedModel, cohort: Cohort, away: float = 0.5) -> float:
    """How much the loss rises on fresh samples where the weights move `away` along its gradient."""
    (network,) = {id(n): n for n in model.networks.values()}.values()
    network = copy.deepcopy(network).train()
    x, y = torch.from_numpy(cohort.batch(slice(None))), torch.from_numpy(cohort.y)
    loss = F.cross_entropy(network(x), y)
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    length = torch.stack([g.norm() for g in gradients]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.add_(gradient * (away / length))
        return float(F.cross_entropy(network(x), y) - loss)


RISE = "rise of the loss where the weights move by 0.5"
MINORITY = "a tenth of the samples are of a group in which the diagnosis shows the other way round"
RIGHT = "right answers in that group"
STEADY = PERCEPTRON.but(schedule="constant", lr=0.03, updates=400)
EFFECTS = [
    *(
        Effect(m, MINORITY, RIGHT, compared(m, right_in_b, made=minority), "larger")
        for m in ("jtt(up=5)", "arl(lam=3)")
    ),
    *(Effect(m, WORLD, RISE, compared(m, sharpness)) for m in ("sam(rho=0.2)", "gsam(rho=0.2)")),
    Effect("swad", WORLD + ", a constant learning rate", RISE, compared("swad", sharpness, STEADY)),
]
