"""Group calibration: temperature, Platt's line or an isotonic curve for each group, drawn towards everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import log_softmax

from everygroup.methods.after._isotonic import IDENTITY, isotonic_curve
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.steps.affine_logits import AffineLogits
from everygroup.models.steps.curves import Curves
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
    "Calibration by group (temperature, Platt, isotonic)",
    "Guo et al. On calibration of modern neural networks. ICML 2017 (temperature); Platt 1999, as Alexandari, Kundaje "
    "and Shrikumar. Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation. ICML "
    "2020; Zadrozny and Elkan. Transforming classifier scores into accurate multiclass probability estimates. KDD 2002",
    needs_group_at_test=True,
    branch="calibration",
)
class GroupCalibration(After):
    """Probabilities changed so that in every group they are as often right as they say, fitted on validation samples.

    - platt: p -> softmax(a_g log p + b_g). Of two classes it is Platt's line; of several, one slope and a shift a class
      (bias-corrected temperature). Where Platt smooths the labels, this shrinks a and b.
    - temperature: the same with b = 0. Within a group it changes no decision.
    - isotonic: for each class a rising curve of p_k, and what comes out divided by its sum. Needs about a thousand
      samples of a group to be better than a line (Niculescu-Mizil and Caruana. ICML 2005).

    A group's fit is shrunk to that of everybody, and that to no change: a, b by a ridge of strength `shrinkage`; curves
    as the mean with the weight n / (n + `pseudo_samples`). A small group, or one without validation samples, is so
    calibrated as everybody is, and so are patients without a group. About half of what a network of a group's own gains
    in likelihood at another site is the other prevalence, which this recovers. Where base rates differ, calibration by
    group and equal odds exclude each other.
    """

    kind: Literal["platt", "temperature", "isotonic"] = Field("platt", description="what is fitted")
    shrinkage: float = Field(
        10.0, gt=0, description="strength of the shrinkage; the larger, the nearer is every group to everybody"
    )
    pseudo_samples: float = Field(100.0, gt=0, description="samples that an isotonic curve is outweighed by")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Fit everybody's, then each group's."""
        p, y, group = lab.answers(model, lab.validation), lab.validation.y, lab.validation.group
        members = [group == g for g in range(len(lab.groups))]
        if self.kind == "isotonic":
            return model.answering_by(self._curves(p, y, members))
        return model.answering_by(self._lines(log_of(p), y, members))

    def _lines(self, log_p: np.ndarray, y: np.ndarray, members: Sequence[np.ndarray]) -> AffineLogits:
        how: dict[str, Any] = {"shrinkage": self.shrinkage, "bias": self.kind == "platt"}
        everybody = affine_calibration(log_p, y, towards=np.zeros(1 + log_p.shape[1]), **how)
        own = [affine_calibration(log_p[m], y[m], towards=everybody, **how) for m in members]
        slopes, shifts = [float(np.exp(p[0])) for p in own], [p[1:].tolist() for p in own]
        return AffineLogits(slopes, shifts, float(np.exp(everybody[0])), everybody[1:].tolist())

    def _curves(self, p: np.ndarray, y: np.ndarray, members: Sequence[np.ndarray]) -> Curves:
        def curve(k: int, where: np.ndarray, towards: np.ndarray) -> np.ndarray:
            hit = (y[where] == k).astype(float)
            return isotonic_curve(p[where, k], hit, towards=towards, pseudo_samples=self.pseudo_samples)

        everybody = [curve(k, np.ones(len(y), bool), IDENTITY) for k in range(p.shape[1])]
        own = [[curve(k, m, shared).tolist() for k, shared in enumerate(everybody)] for m in members]
        return Curves(own, [shared.tolist() for shared in everybody])
