"""Group adapters: one frozen network for everybody, and a few weights of its own for each group."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from torch import nn

from everygroup.methods.by_group.group_model import too_small
from everygroup.methods.by_group.spare.adapters import AdaptersOn
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel
from everygroup.networks import FrozenTrunk
from everygroup.training import Trained
from everygroup.training.loop import judged

_SHARE = 0.5


@method(
    "Group adapters (LoRA, batch norm or head)",
    "Hu et al. LoRA: Low-rank adaptation of large language models. ICLR 2022; Rebuffi, Bilen and Vedaldi. Learning "
    "multiple visual domains with residual adapters. NeurIPS 2017",
    cost=lambda groups: 1 + groups * _SHARE,
    needs_group_at_test=True,
    targets=("classes", "labels", "number"),
    branch="adapters",
)
class GroupAdapters(ByGroup):
    """ERM's network is held, and every group trains on its own samples what is added to it or let go of it.

    - lora: W + B A in every convolution and linear layer, A (r, inputs) random, B 0 at first, so that a group starts as
      ERM; of r (inputs + outputs) weights a layer. B A counts once (alpha = r).
    - batchnorm: scale, shift and running statistics of every batch norm.
    - head: the last layer.

    A patient is routed by the recorded group; without one ERM answers. A group too small to learn from, and one whose
    validation loss does not fall below ERM's, is answered by ERM, as `info["group_adapters"]` says. Between one network
    for everybody, which a small group has little say in, and one of its own, which it has too few samples for.
    """

    parts: Literal["lora", "batchnorm", "head"] = Field("lora", description="what belongs to a group")
    rank: int = Field(4, ge=0, description="r of lora, or less where a layer is smaller; 0 is ERM")
    updates: float = Field(_SHARE, gt=0, le=1, description="updates of a group, as a share of a whole training")
    lr_scale: float = Field(1.0, gt=0, description="learning rate, as a share of the training's")

    def cost(self, groups: Sequence[str]) -> float:
        """Return ERM's training and the groups' shares of one."""
        return 1 + (len(groups) * self.updates if self._learns else 0)

    @property
    def _learns(self) -> bool:
        return self.parts != "lora" or self.rank > 0

    def check_network(self, network: nn.Module) -> None:
        """Refuse, besides, a backbone without such parts."""
        super().check_network(network)
        if self._learns:
            FrozenTrunk(copy.deepcopy(network), parts=self.parts, rank=self.rank)  # type: ignore[arg-type]

    def model(self, lab: Lab) -> RoutedModel:
        """Train the adapters."""
        trained = {"pooled": lab.erm()}
        facts: dict[str, Any] = {}
        for g in lab.groups:
            if not self._learns or (why := too_small(lab, g)):
                facts[g] = "ERM" if not self._learns else f"ERM: {why}"
                continue
            own, before = self._of_group(lab, g, trained["pooled"])
            after = own.chosen["validation_loss"]
            better = after < before
            if better:
                trained[g] = own
            weights = sum(p.numel() for p in own.learner.parameters() if p.requires_grad)
            facts[g] = {
                "answers": "adapter" if better else "ERM",
                "validation_loss": [before, after],
                "weights": weights,
            }
        route = {g: g if g in trained else "pooled" for g in lab.groups}
        return lab.model(self.info.name, trained, route, pooled="pooled", info={self.info.name: facts})

    def _of_group(self, lab: Lab, group: str, erm: Trained) -> tuple[Trained, float]:
        """Train one group's adapter; returns ERM's validation loss there as well."""
        checked = lab.validation.in_group(group)
        settings = lab.settings.but(
            updates=max(1, round(self.updates * lab.n_updates)), lr=lab.settings.lr * self.lr_scale, selection="loss"
        )
        own = lab.train_network(
            AdaptersOn(erm, self.parts, max(1, self.rank), False),
            f"{self.info.name}[{group}]",
            where=lab.train.group == lab.groups.index(group),
            validation=checked,
            settings=settings,
        )
        return own, judged(erm.network, lab.target, checked, lab.device).loss
