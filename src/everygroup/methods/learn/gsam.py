"""GSAM: sharpness-aware minimisation that also descends what tells the sharp from the flat."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn.sam import Sharp, norm_of
from everygroup.methods.parts import Learn, method
from everygroup.training import Learner, Optimisers


@method(
    "GSAM (surrogate gap guided sharpness-aware minimisation)",
    "Zhuang et al. Surrogate gap minimization improves sharpness-aware training. ICLR 2022",
    targets=("classes", "labels", "number"),
    cost=2,
    blind=True,
    branch="robust",
)
class GSAM(Learn):
    r"""SAM's gradient g_p at w + rho_t g / ||g||, less alpha times the part of g that is orthogonal to g_p:

    .. math:: g_p - \alpha\,(g - \cos(g, g_p)\, \|g\|\, g_p / \|g_p\|)

    rho_t follows the learning rate from `rho` (at its highest) to `rho_min`. With alpha=0 and rho_min=rho it is SAM.
    MEDFAIR's defaults for images of medicine are rho 2 and alpha 2; the paper's are .02 to .04 and .2 to .4.
    """

    rho: float = Field(0.05, ge=0, description="largest distance at which the gradient is taken; 0 is ERM")
    rho_min: float = Field(0.01, ge=0, description="distance where the learning rate is 0")
    alpha: float = Field(0.4, ge=0, description="weight of the orthogonal part")

    def learner(self, lab: Lab) -> Learner:
        """Build the network."""
        net = lab.network()
        return Gap(net, self.rho, self.rho_min, self.alpha, lab.settings.lr) if self.rho else Learner(net)


class Gap(Sharp):
    """An update makes two passes over its batch."""

    def __init__(self, net: nn.Module, rho: float, rho_min: float, alpha: float, lr: float) -> None:
        super().__init__(net, rho)
        self.rho_min, self.alpha, self.lr = rho_min, alpha, lr

    def radius(self, optimisers: Optimisers) -> float:
        """rho_t."""
        share = max(part["lr"] for part in optimisers["main"].param_groups) / self.lr
        return self.rho_min + (self.rho - self.rho_min) * min(1.0, share)

    def adjust(self, trained: list[nn.Parameter], first: list[torch.Tensor]) -> None:
        """Take away the orthogonal part of the first gradient."""
        second = [p.grad for p in trained if p.grad is not None]
        length = norm_of(second).clamp_min(1e-12)
        along = torch.stack([(g * p).sum() for g, p in zip(first, second, strict=True)]).sum() / length**2
        for gradient, there in zip(first, second, strict=True):
            there.sub_(self.alpha * (gradient - along * there.clone()))
