"""Bias descent: a trained network goes down the gap between two groups, and nothing else."""

from __future__ import annotations

import copy
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.methods.after._bias import Judged, best, judged, settled
from everygroup.methods.after._rounds import only_network
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, predict_outputs
from everygroup.training.batches import index_batches
from everygroup.training.device import repeatable


@method(
    "Bias descent (gradient descent/ascent on a proxy of bias)",
    "Marcinkevics, Ozkan and Vogt. Debiasing deep chest X-ray classifiers using intra- and post-processing methods. "
    "MLHC 2022",
    groups=(2, 2),
    two_classes=True,
    branch="fine-tuning",
)
class BiasDescent(After):
    r"""Of two classes and groups: the network is trained on with the loss

    .. math:: \pm \left( \bar p_{first} - \bar p_{second} \right)

    \bar p the mean probability of the second class in a batch's part of a group, over its positives (TPR) or everybody
    (parity). The sign is that of the bias of decisions on validation before the first step, and stays. There is no
    cross-entropy, as in the public code: what keeps the network useful is when it stops. `evaluations` times a pass
    the threshold with the largest balanced accuracy is chosen over 101 values on validation; evaluations end when that
    accuracy falls below `stop`, and of those with at least `floor` the one with the smallest absolute bias is kept,
    which can be the network as it was, with its best threshold. Probabilities are then shifted so that it lies at .5.

    A batch without one of the groups is left out (the code's loss is undefined there, and its gradient one-sided).
    Batch norms keep their statistics; images are not augmented. Threshold and bias come from the same samples, so that
    the bias told is too small.
    """

    one_network: ClassVar[bool] = True

    bias: Literal["tpr", "parity"] = Field("tpr", description="difference of TPR, or of the share called positive")
    rate: float = Field(1e-5, gt=0, description="learning rate of Adam, the paper's")
    passes: int = Field(10, ge=0, description="passes over the training samples; 0 leaves the model as it is")
    batch_size: int = Field(32, ge=2, description="samples an update")
    evaluations: int = Field(5, ge=1, description="a pass")
    floor: float | None = Field(
        None,
        ge=0,
        le=1,
        description="least balanced accuracy of what is kept; the paper: .75; here 95 % of what it was",
    )
    stop: float = Field(0.52, ge=0, le=1, description="balanced accuracy that ends the descent")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Descend, and keep the fairest that is accurate enough."""
        network = only_network(model, self.info.name)
        if not self.passes:
            return model
        known = lab.validation.where(lab.validation.group >= 0)
        moving = copy.deepcopy(network).to(lab.device).eval()
        records, kept = [self._judged(moving, known, lab)], moving
        sign = 1.0 if records[0].bias > 0 else -1.0
        optimiser = torch.optim.Adam([p for p in moving.parameters() if p.requires_grad], self.rate)
        size = min(self.batch_size, len(lab.train))
        per_pass = -(-len(lab.train) // size)
        batches = index_batches(len(lab.train), size, lab.settings.seed, start=0, stop=self.passes * per_pass)
        every = max(1, per_pass // self.evaluations)
        with repeatable(lab.settings.deterministic):
            for update, index in enumerate(batches, start=1):
                proxy = self._proxy(moving, lab, index)
                if proxy is not None:
                    optimiser.zero_grad()
                    (sign * proxy).backward()
                    optimiser.step()
                if update % every:
                    continue
                records.append(self._judged(moving, known, lab))
                if records[-1].balanced_accuracy < self.stop or np.isnan(records[-1].bias):
                    break
                if best(records, self.floor) == len(records) - 1:
                    kept = copy.deepcopy(moving)
        return settled(model, self.info.name, "evaluation", records, kept.cpu().eval(), self.floor)

    def _judged(self, network: Classifier, known: Cohort, lab: Lab) -> Judged:
        score = predict_outputs(network, known, device=lab.device).softmax(1)[:, 1].double().numpy()
        return judged(score, known.y, known.group, self.bias)

    def _proxy(self, network: Classifier, lab: Lab, index: np.ndarray) -> torch.Tensor | None:
        """The first group's mean probability less the second's; None where the batch lacks one."""
        y, group = lab.train.y[index], lab.train.group[index]
        counted = y == 1 if self.bias == "tpr" else np.ones(len(y), bool)
        sides = [np.flatnonzero(counted & (group == g)) for g in (0, 1)]
        if not all(len(side) for side in sides):
            return None
        x = to_input(torch.from_numpy(np.ascontiguousarray(lab.train.batch(index)))).to(lab.device)
        p = network(x).float().softmax(1)[:, 1]
        first, second = (p[torch.from_numpy(side).to(p.device)].mean() for side in sides)
        return first - second
