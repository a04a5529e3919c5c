"""Bias pruning: hidden units whose activation raises the gap between two groups are silenced, step by step."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.imaging.tensors import to_input
from everygroup.methods.after._bias import best, judged, settled
from everygroup.methods.after._rounds import only_network
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.networks import Classifier
from everygroup.networks.masked import MaskedUnits
from everygroup.training.device import repeatable


@method(
    "Bias pruning (Marcinkevics; Huang)",
    "Marcinkevics, Ozkan and Vogt. Debiasing deep chest X-ray classifiers using intra- and post-processing methods. "
    "MLHC 2022; importance=activation is our reading of the extension by Huang et al., of which no code was found",
    groups=(2, 2),
    two_classes=True,
    needs="hidden layer",
    branch="pruning",
)
class BiasPruning(After):
    r"""Of two classes and groups, on validation samples: units are ranked by the mean over samples of

    .. math:: \frac{\partial}{\partial h} \left( \bar p_{first} - \bar p_{second} \right)

    \bar p the mean probability of the second class in a group, over its positives (TPR) or everybody (parity). While
    the bias is positive those with the largest derivative are silenced, else those with the smallest, `share` of all
    units a step, and the ranking is made anew. After every step the threshold with the largest balanced accuracy is
    chosen over 101 values, one for both groups. Steps end when balanced accuracy falls below `stop`; of those with at
    least `floor` the one with the smallest absolute bias of decisions is kept, and that can be the network as it was,
    with its best threshold. Probabilities are then shifted so that the threshold lies at .5.

    As the public code does it, and not as written: the derivative is not multiplied by the activation, which
    importance=activation does; a unit of a convolution is one place of one channel, so that the mask fits one size of
    images; bias, ranking and threshold come from the same samples, so that the bias told is too small: judge it on
    others. Units are the outputs of convolutions and of linear layers but the last.
    """

    one_network: ClassVar[bool] = True

    bias: Literal["tpr", "parity"] = Field("tpr", description="difference of TPR, or of the share called positive")
    importance: Literal["gradient", "activation"] = Field(
        "gradient", description="rank by the derivative alone, or times the mean activation"
    )
    share: float = Field(0.05, gt=0, le=1, description="share of all units that a step silences")
    steps: int = Field(10, ge=0, description="most steps; 0 leaves the model as it is")
    floor: float | None = Field(
        None,
        ge=0,
        le=1,
        description="balanced accuracy on validation that the network kept must have; .65 in the public code, here 95 %"
        " of what there was",
    )
    stop: float = Field(0.52, ge=0, le=1, description="balanced accuracy that ends the steps")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Silence step by step and keep the fairest."""
        network = only_network(model, self.info.name)
        if not self.steps:
            return model
        known = lab.validation.where(lab.validation.group >= 0)
        x = to_input(torch.from_numpy(np.ascontiguousarray(known.batch(slice(None))))).to(lab.device)
        masked = MaskedUnits(copy.deepcopy(network), layers=unit_shapes(network, x[:1].cpu())).to(lab.device).eval()
        counted = torch.from_numpy(known.y == 1 if self.bias == "tpr" else np.ones(len(known), bool)).to(lab.device)
        sides = [counted & torch.from_numpy(known.group == g).to(lab.device) for g in (0, 1)]
        records, kept = [], masked
        with repeatable(lab.settings.deterministic):
            for step in range(self.steps + 1):
                score, gradient = self._ranking(masked, x, sides)
                record = judged(score, known.y, known.group, self.bias)
                records.append(record)
                if record.balanced_accuracy < self.stop or np.isnan(record.bias):
                    break
                if step == best(records, self.floor):
                    kept = copy.deepcopy(masked)
                if step < self.steps:
                    self._silence(masked, gradient if record.bias > 0 else -gradient)
        return settled(model, self.info.name, "step", records, kept.cpu().eval(), self.floor)

    def _ranking(
        self, masked: MaskedUnits, x: torch.Tensor, sides: list[torch.Tensor]
    ) -> tuple[np.ndarray, torch.Tensor]:
        """Return probabilities (n,) and every unit's importance, flat over the layers."""
        total: Any = 0.0
        scores = []
        for rows in torch.arange(len(x), device=x.device).split(256):
            part = x[rows].requires_grad_()
            logits, outputs = masked.watching(part)
            p = logits.softmax(1)[:, 1]
            weight = sum(s * side[rows] / side.sum().clamp_min(1) for s, side in zip((1.0, -1.0), sides, strict=True))
            gradients = torch.autograd.grad((weight * p).sum(), outputs)
            if self.importance == "activation":
                gradients = tuple(g * o.detach() for g, o in zip(gradients, outputs, strict=True))
            total = total + torch.cat([g.sum(0).flatten() for g in gradients])
            scores.append(p.detach().double().cpu().numpy())
        return np.concatenate(scores), total

    def _silence(self, masked: MaskedUnits, score: torch.Tensor) -> None:
        """Silence the units that are not yet, with the largest scores."""
        masks = torch.cat([m.mask.flatten() for m in masked.masked])
        count = max(1, round(self.share * masks.numel()))
        worst = score.masked_fill(masks == 0, -torch.inf).argsort(descending=True, stable=True)[:count]
        masks[worst] = 0
        for m, own in zip(masked.masked, masks.split([m.mask.numel() for m in masked.masked]), strict=True):
            m.mask.copy_(own.view_as(m.mask))


def unit_shapes(network: Classifier, x: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Return the shape of the output for one sample (1, ...) of every convolution and linear layer but the last."""
    network, found = copy.deepcopy(network).cpu().eval(), {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not network.head:
            found[name] = module
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in found.items():
        module.register_forward_hook(lambda m, i, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    with torch.no_grad():
        network(x)
    return shapes
