"""Partial pooling: a linear head that groups share, and an offset of each group's own, drawn towards nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from everygroup.console import say
from everygroup.methods.by_group._offsets import heads_with_offsets
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel


@method(
    "Partial pooling (regularised multi-task learning)",
    "Evgeniou and Pontil. Regularized multi-task learning. KDD 2004",
    cost=lambda groups: groups + 1,
    needs_group_at_test=True,
    needs="linear head",
    branch="parts by group",
)
class PartialPooling(ByGroup):
    """Head of group g: W + kappa D_g, b + kappa e_g, all of W, D and e under the same ridge penalty; for vectors.

    kappa = 0 is ERM; the larger it is, the cheaper are offsets, and the more are the groups apart. It is chosen on
    everybody's validation samples. Samples without a group are answered by W and b.
    """

    kappas: Sequence[Annotated[float, Field(ge=0)]] = Field(
        (0.0, 0.25, 0.5, 1.0), min_length=1, description="candidates of kappa; the first among equals is taken"
    )

    def model(self, lab: Lab) -> RoutedModel:
        """Solve for every kappa and choose."""
        tried = {
            kappa: heads_with_offsets(lab, f"partial_pooling kappa={kappa:g}", slopes=kappa, constants=kappa)
            for kappa in self.kappas
        }
        best = max(tried, key=lambda kappa: tried[kappa]["pooled"].merit(lab.settings.selection))
        say(f"  kappa = {best:g}")
        route = {g: g for g in lab.groups}
        return lab.model(self.info.name, tried[best], route, pooled="pooled", info={"kappa": best})
