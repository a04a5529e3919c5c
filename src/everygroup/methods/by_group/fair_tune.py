"""FairTune: which parts of a network are fine-tuned is searched for, so that the worst-off group is served best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.console import say
from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.models import RoutedModel
from everygroup.targets.labels import mean_auc
from everygroup.training import Learner, Trained
from everygroup.training.finetune import stages

Objective = Literal["worst_auc", "worst_accuracy", "worst_loss", "auc_gap", "accuracy_gap"]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)
_FIRST, _SECOND = 0.25, 0.5  # updates of the rungs, as shares of a whole training
_TRIALS = 8


@method(
    "FairTune (a mask of what is fine-tuned, searched for)",
    "Dutt et al. FairTune: Optimizing parameter efficient fine tuning for fairness in medical image analysis. ICLR "
    "2024",
    family="group-specific",
    cost=_TRIALS / 2 + 1,
    needs="hidden layer",
    branch="search",
)
class FairTune(Learn):
    """One network for everybody. Below the last layer it has parts, (stage, kind) with kinds weight, bias and norm; a
    mask says which of them learn, while the rest and the statistics of held norms stay as they start. The last layer
    always learns. Mask and learning rate are those with which, after training, the objective on validation is best:

    - worst_auc, worst_accuracy, worst_loss: of the group that is served worst;
    - auc_gap, accuracy_gap: the largest less the smallest. A gap can be made small by serving all groups badly.

    `trials` pairs are tried: nothing, everything, and masks at random (each part with probability 1/2), with rates from
    a tenth of the training's up to it, at equal logarithms. All are trained for a quarter of the updates, the better
    half for half of them, the best at last for all (successive halving with the seed's draws; the paper lets Optuna
    choose 30 to 100 trials, and masks three or four parts of every transformer block). Groups that are not both in
    validation, or classes without which an AUC is undefined, are left out.

    Meant for pretrained weights: without them what is held is random. The validation samples are used often; what is
    told of the chosen mask there is too good. `info["fair_tune"]` has all trials. Without trials it is ERM.
    """

    trials: int = Field(_TRIALS, ge=0, description="masks that are tried; 0 is ERM")
    objective: Objective = Field("worst_auc", description="what is best on validation")

    def cost(self, groups: Sequence[str]) -> float:
        """Return the shares of trainings on both rungs, and the last training."""
        second = -(-self.trials // 2)
        return 1 + self.trials * _FIRST + second * _SECOND

    def model(self, lab: Lab) -> RoutedModel:
        """Search, and train with what was found."""
        if not self.trials:
            return lab.one_model(self.info.name, lab.erm())
        tried = self.candidates(lab)
        records = []
        for share, kept in ((_FIRST, -(-len(tried) // 2)), (_SECOND, 1)):
            values = [self.value(self._trained(lab, one, share), lab) for one in tried]
            records += [{**one.record, "updates": share, "value": v} for one, v in zip(tried, values, strict=True)]
            order = np.argsort([-np.inf if np.isnan(v) else v for v in values])[::-1]
            tried = [tried[i] for i in sorted(order[:kept])]
        chosen = self._trained(lab, tried[0], 1.0)
        sizes = [(p.numel(), p.requires_grad) for p in chosen.learner.parameters()]
        learns = sum(n for n, own in sizes if own) / sum(n for n, _ in sizes)
        said = f"{tried[0]}; {learns:.0%} of the weights learn"
        say(f"  {said}")
        facts = {"chosen": tried[0].record, "learning": learns, "trials": records}
        return lab.one_model(self.info.name, chosen, **{self.info.name: facts}).having_chosen(self.info.name, said)

    def candidates(self, lab: Lab) -> list[Tuning]:
        """Draw masks and rates."""
        with torch.random.fork_rng(devices=[]):
            parts = sorted(set(parts_of(lab.network()).values()))
        rng = np.random.default_rng([lab.settings.seed, 30])
        masks = [tuple(p for p in parts if rng.random() < 0.5) for _ in range(self.trials)]
        masks[: min(2, self.trials)] = [tuple(parts), ()][: self.trials]
        rates = [1.0 if i < 1 else float(10 ** -rng.random()) for i in range(self.trials)]
        return [Tuning(mask, rate) for mask, rate in zip(masks, rates, strict=True)]

    def _trained(self, lab: Lab, tuning: Tuning, share: float) -> Trained:
        updates = max(1, round(share * lab.n_updates))
        settings = lab.settings.but(updates=updates, lr=lab.settings.lr * tuning.rate)
        return lab.train_network(tuning, f"{self.info.name} {tuning}", settings=settings)

    def value(self, trained: Trained, lab: Lab) -> float:
        """Return the objective on validation, the larger the better; NaN where undefined."""
        model = lab.but(merged_from=None).one_model("trial", trained)
        p, y, group = lab.answers(model, lab.validation), lab.validation.y, lab.validation.group
        parts = [(p[group == g], y[group == g]) for g in range(len(lab.groups)) if (group == g).any()]
        _, what = self.objective.split("_")
        worst = self.objective.startswith("worst")
        values = [_MEASURES[what if worst else self.objective.split("_")[0]](*part) for part in parts]
        known = [v for v in values if not np.isnan(v)]
        if not known:
            return float("nan")
        return float(min(known) if worst else min(known) - max(known))


def parts_of(network: Any) -> dict[str, str]:
    """Return the part of every parameter below the last layer, by its name: 'stage-kind'."""
    below = stages(network)
    norms = {id(p) for m in network.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)}

    def kind(name: str, parameter: nn.Parameter) -> str:
        return "norm" if id(parameter) in norms else "bias" if name.endswith("bias") else "weight"

    return {n: f"{below[n]}-{kind(n, p)}" for n, p in network.named_parameters() if below.get(n, 0)}


@dataclass(frozen=True)
class Tuning:
    """What learns, and how fast.

    Attributes
    ----------
    mask : tuple of str
        Parts that learn, besides the last layer.
    rate : float
        Learning rate in multiples of the training's.
    """

    mask: tuple[str, ...]
    rate: float

    def __str__(self) -> str:
        return f"{', '.join(self.mask) or 'last layer alone'} at rate {self.rate:.2f}"

    @property
    def record(self) -> dict[str, Any]:
        """JSON-able."""
        return {"mask": list(self.mask), "rate": self.rate}

    @property
    def key(self) -> str:
        """Content hash; the rate is in the settings."""
        return hash_json(["fair_tune", self.mask])

    def learner(self, lab: Lab) -> Learner:
        """Build the network and hold the rest."""
        return PartlyHeld(lab.network(), self.mask)


class PartlyHeld(Learner):
    """Empirical risk minimisation over some parts of a network and its last layer."""

    def __init__(self, net: nn.Module, mask: Sequence[str]) -> None:
        super().__init__(net)
        for name, part in parts_of(net).items():
            net.get_parameter(name).requires_grad_(part in mask)

    def train(self, mode: bool = True) -> PartlyHeld:
        """Set the mode; norms that are held keep their statistics."""
        super().train(mode)
        for module in self.net.modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, _NORMS) and own and not any(p.requires_grad for p in own):
                module.eval()
        return self


def _accuracy(p: np.ndarray, y: np.ndarray) -> float:
    return float((p.argmax(1) == y).mean())


def _likelihood(p: np.ndarray, y: np.ndarray) -> float:
    return float(np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean())


def _area(p: np.ndarray, y: np.ndarray) -> float:
    return mean_auc(y, p)


_MEASURES = {"auc": _area, "accuracy": _accuracy, "loss": _likelihood}
