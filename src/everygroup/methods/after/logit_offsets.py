"""Logit offsets: a shift of every class for every group, chosen so that groups are found equally often."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import minimize

from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.steps.affine_logits import AffineLogits
from everygroup.targets.base import log_of


@method(
    "Logit offsets by group",
    "everygroup's own; adjusts as Menon et al. Long-tail learning via logit adjustment. ICLR 2021, by group, for equal "
    "opportunity of several classes (Hardt, Price and Srebro. NeurIPS 2016)",
    groups=(2, None),
    needs_group_at_test=True,
    branch="decision rule",
)
class LogitOffsets(After):
    r"""p -> softmax(log p + b_g), b_g (K,) fitted on validation samples: what `thresholds` is for two classes.

    .. math:: \min_b \frac{1}{G} \sum_g CE_g + \lambda \sum_k \sum_g (r_{gk} - \bar r_k)^2 + \frac{\rho}{2} \|b\|^2

    r_gk is the mean over samples of group g and class k of the softmax of (log p + b_g) / sharpness at k: a soft count
    of those that are found, the nearer to the count the smaller `sharpness` is. With odds it is also held equal how
    often a class is answered wrongly. Cells with fewer than `min_cases` samples are left out of the penalty. Samples
    without a group are answered as before.

    The probabilities are bent towards equal decisions, and are calibrated worse; `group_calibration` is the opposite
    trade. lam=0 leaves the model as it is.
    """

    lam: float = Field(10.0, ge=0, description="weight of the unequal rates; 0 is the model as it was")
    odds: bool = Field(False, description="also equalise how often a class is answered wrongly")
    sharpness: float = Field(0.5, gt=0, description="temperature of the soft counts")
    ridge: float = Field(0.01, ge=0, description="rho, which holds offsets that nothing tells near 0")
    min_cases: int = Field(5, ge=1, description="samples of a group and class that count in the penalty")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Fit the offsets."""
        if not self.lam:
            return model
        known = lab.validation.group >= 0
        log_p = log_of(lab.answers(model, lab.validation))[known]
        offsets = self.offsets(log_p, lab.validation.y[known], lab.validation.group[known], len(lab.groups))
        shifts = offsets.tolist()
        step = AffineLogits([1.0] * len(shifts), shifts, 1.0, [0.0] * log_p.shape[1])
        return model.answering_by(step, logit_offsets=dict(zip(lab.groups, shifts, strict=True)))

    def offsets(self, log_p: np.ndarray, y: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
        """Return b, (G, K).

        Parameters
        ----------
        log_p : (n, K)
        y, group : (n,) int, none missing
        """
        n_classes = log_p.shape[1]
        logits, member = torch.from_numpy(log_p), torch.from_numpy(group)
        own = torch.nn.functional.one_hot(torch.from_numpy(y), n_classes).double()
        of = torch.nn.functional.one_hot(member, n_groups).double()
        size = of.sum(0)
        weight = (of / size.clamp_min(1)).sum(1) / (size > 0).sum()

        def unequal(soft: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
            """Squared distances of a class's mean in every group from the mean over the groups; `cell` is (n, K)."""
            count = of.T @ cell
            rate, counts = (of.T @ (cell * soft)) / count.clamp_min(1), (count >= self.min_cases).double()
            mean = (rate * counts).sum(0) / counts.sum(0).clamp_min(1)
            return ((rate - mean) ** 2 * counts).sum()

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            b = torch.tensor(flat.reshape(n_groups, n_classes), requires_grad=True)
            z = logits + b[member]
            soft = (z / self.sharpness).softmax(1)
            apart = unequal(soft, own) + (unequal(soft, 1 - own) if self.odds else 0.0)
            loss = -(weight * (own * z.log_softmax(1)).sum(1)).sum() + self.lam * apart + self.ridge / 2 * (b**2).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            assert b.grad is not None
            return float(loss.detach()), b.grad.numpy().ravel()

        start = np.zeros(n_groups * n_classes)
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
        shifts: np.ndarray = found.reshape(n_groups, n_classes)
        return shifts - shifts.mean(1, keepdims=True)
