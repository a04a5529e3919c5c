"""Distribution matching: every group's features or scores are drawn to those of everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner

Kind = Literal["mmd", "mean", "coral"]
Of = Literal["features", "scores"]
GAMMAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


def mmd(x: torch.Tensor, y: torch.Tensor, gammas: tuple[float, ...] = GAMMAS) -> torch.Tensor:
    """Return the squared maximum mean discrepancy (biased), the sum over RBF kernels exp(-gamma ||u - v||^2).

    Examples
    --------
    >>> mmd(torch.zeros(1, 1), torch.ones(1, 1), (1.0,))  # 2 - 2 / e
    tensor(1.2642)
    """

    def mean_kernel(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        apart = (u.square().sum(1)[:, None] + v.square().sum(1) - 2 * u @ v.T).clamp_min(0)
        return torch.stack([(-gamma * apart).exp().mean() for gamma in gammas]).sum()

    return mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)


def mean_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of the means."""
    return (x.mean(0) - y.mean(0)).square().mean()


def coral(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return ||cov(x) - cov(y)||_F^2 / (4 q^2), q values (Sun and Saenko 2016); 0 with fewer than two samples."""
    if min(len(x), len(y)) < 2:
        return (x.sum() + y.sum()) * 0
    apart = torch.cov(x.T) - torch.cov(y.T)
    return apart.square().sum() / (4 * x.shape[1] ** 2)


DISTANCES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mmd": mmd,
    "mean": mean_distance,
    "coral": coral,
}


@method(
    "Distribution matching (MMD, mean, CORAL)",
    "Pfohl et al. Net benefit, calibration, threshold selection, and training objectives for algorithmic fairness in "
    "healthcare. FAccT 2022; Gretton et al. A kernel two-sample test. JMLR 13 (2012); Sun and Saenko. Deep CORAL. ECCV "
    "Workshops 2016",
    branch="constraint",
)
class DistributionMatching(Learn):
    """CE(f(x), y) + lam times the mean distance between the samples of a group and all samples, within every class (as
    equalized odds asks) or of all classes together (demographic parity).

    Of `scores` (log-probabilities) or penultimate `features`; `mmd` sums RBF kernels with gamma .001 to 1,000, `mean`
    compares means, `coral` covariances. Groups with fewer than two samples of a class in the batch are left out, as are
    samples without a group.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    kind: Kind = Field("mmd", description="how two sets of samples are compared")
    of: Of = Field("scores", description="log-probabilities, or penultimate features")
    within_class: bool = Field(True, description="match within every class")

    def learner(self, lab: Lab) -> Learner:
        """Build the network."""
        net = lab.network()
        return Matched(net, len(lab.groups), lab.target.n_outputs, self) if self.lam else Learner(net)


class Matched(Learner):
    """The loss above."""

    net: Any

    def __init__(self, net: nn.Module, n_groups: int, n_classes: int, options: DistributionMatching) -> None:
        super().__init__(net)
        self.n_groups, self.n_classes, self.options = n_groups, n_classes, options

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h = self.net.features(x)
        outputs = self.net.head(h)
        values = h.float() if self.options.of == "features" else outputs.float().log_softmax(1)
        return batch.loss(outputs) + self.options.lam * self.distance(values, batch)

    def distance(self, values: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean distance of groups to everybody, 0 where there is nothing to compare."""
        known = batch.group >= 0
        compare = DISTANCES[self.options.kind]
        strata = [known & (batch.y == k) for k in range(self.n_classes)] if self.options.within_class else [known]
        found = []
        for inside in strata:
            members = [inside & (batch.group == g) for g in range(self.n_groups)]
            members = [m for m in members if int(m.sum()) >= 2]
            if len(members) >= 2:
                found += [compare(values[m], values[inside]) for m in members]
        return torch.stack(found).mean() if found else values.sum() * 0
