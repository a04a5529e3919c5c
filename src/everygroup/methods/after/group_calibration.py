"""Calibration by group: a temperature and a bias of the classes, drawn towards those of everybody."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import log_softmax

from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.steps.affine_logits import AffineLogits
from everygroup.targets.base import log_of


def affine_calibration(
    log_p: np.ndarray, y: np.ndarray, *, towards: np.ndarray, shrinkage: float, bias: bool = True
) -> np.ndarray:
    r"""Return log a and b, (1 + K,), that minimise

    .. math:: \sum_i CE(softmax(a \log p_i + b), y_i) + \frac{\kappa}{2} \|(\log a, b) - towards\|^2

    Parameters
    ----------
    log_p : (n, K)
    y : (n,) int
    towards : (1 + K,)
    shrinkage : float
        kappa.
    bias : bool
        Whether b may move from `towards`.
    """

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, apart = np.exp(parameters[0]), parameters - towards
        log_q = log_softmax(slope * log_p + parameters[1:], axis=1)
        excess = np.exp(log_q)
        excess[np.arange(len(y)), y] -= 1
        gradient = np.concatenate([[slope * (excess * log_p).sum()], excess.sum(0) * bias]) + shrinkage * apart
        return -float(log_q[np.arange(len(y)), y].sum()) + shrinkage / 2 * float(apart @ apart), gradient

    found: np.ndarray = minimize(objective, towards, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found


@method(
    "Calibration by group (temperature and class bias)",
    "Alexandari, Kundaje and Shrikumar. Maximum likelihood with bias-corrected calibration is hard-to-beat at label "
    "shift adaptation. ICML 2020",
    needs_group_at_test=True,
)
class GroupCalibration(After):
    """p -> softmax(a_g log p + b_g), fitted to the group's validation samples and shrunk to the fit of everybody.

    That of everybody is shrunk to no change. A small group, or one without validation samples, is so calibrated as
    everybody is; so are patients without a group. About half of what a network of a group's own gains in likelihood at
    another site is the other prevalence, which this recovers.
    """

    shrinkage: float = Field(
        10.0, gt=0, description="strength of the shrinkage; the larger, the nearer is every group to everybody"
    )
    bias: bool = Field(True, description="also shift the classes; without it only the temperature is the group's own")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Fit everybody's, then each group's."""
        log_p, y, group = log_of(lab.answers(model, lab.validation)), lab.validation.y, lab.validation.group
        none = np.zeros(1 + log_p.shape[1])
        everybody = affine_calibration(log_p, y, towards=none, shrinkage=self.shrinkage, bias=self.bias)
        own = [
            affine_calibration(
                log_p[group == g], y[group == g], towards=everybody, shrinkage=self.shrinkage, bias=self.bias
            )
            for g in range(len(lab.groups))
        ]
        slopes, shifts = [float(np.exp(p[0])) for p in own], [p[1:].tolist() for p in own]
        return model.answering_by(AffineLogits(slopes, shifts, float(np.exp(everybody[0])), everybody[1:].tolist()))
