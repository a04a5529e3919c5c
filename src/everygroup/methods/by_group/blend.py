"""Blend: the mean of ERM's and the group's own network's answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from everygroup.methods.by_group.group_model import pooled_groups
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel


@method(
    "Blend of ERM and group models",
    "the simplest linear opinion pool: Stone. The opinion pool. Annals of Mathematical Statistics 32 (1961) 1339-1342",
    cost=lambda groups: groups + 1,
    needs_group_at_test=True,
    targets=("classes", "labels", "number", "mask"),
    branch="mixtures",
)
class Blend(ByGroup):
    """(1 - share) p_ERM + share p_own, p_own of GroupModel; nothing is chosen."""

    share: float = Field(0.5, ge=0, le=1, description="share of the group's own network")
    small_groups: Literal["error", "erm"] = Field("erm", description="as in group_model")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, groups too small for a network of their own."""
        super().check(lab)
        pooled_groups(lab, self.small_groups)

    def model(self, lab: Lab) -> RoutedModel:
        """Train ERM and one network per group."""
        own = [g for g in lab.groups if g not in pooled_groups(lab, self.small_groups)]
        trained = {"pooled": lab.erm(), **{g: lab.group_model(g) for g in own}}
        mixtures = {f"blend[{g}]": {"pooled": 1 - self.share, g: self.share} for g in own}
        route = {g: f"blend[{g}]" if g in own else "pooled" for g in lab.groups}
        return lab.model(self.info.name, trained, route, pooled="pooled", mixtures=mixtures)
