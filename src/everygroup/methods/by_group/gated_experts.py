"""Gated experts: features pass through a few shared experts, which every group mixes with a router of its own."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.networks.gated import GatedExperts as Gated
from everygroup.training import Learner


@method(
    "Experts gated by the group (after dMoE)",
    "Oh et al. Distribution-aware fairness learning in medical image segmentation from a control-theoretic "
    "perspective. ICML 2025",
    family="group-specific",
    needs_group_at_test=True,
    every_group=True,
    branch="experts",
)
class GatedExperts(Learn):
    """h -> h + sum over e of r_e expert_e(h) for penultimate features h, with r from the router of the group, over the
    `top` experts it likes best. Experts learn from every group that calls them, a router from its group alone: a small
    group takes part in what is known of others and need not be answered as they are.

    As in the paper routers differ by group, experts are shared, and there is no loss that balances their load. Unlike
    it, experts stand behind the backbone once (there, in every block of a transformer for masks), and routing is
    without noise, so that one seed gives one model. Samples without a group are not trained on; they are answered by
    the mean of the groups' probabilities. `fair_moe` puts experts into every convolution and rewards specialisation.
    """

    answers: ClassVar[Literal["by group"]] = "by group"

    experts: int = Field(4, ge=0, description="experts; 0 is ERM")
    top: int = Field(2, ge=1, description="experts that a sample is mixed from")
    width: int = Field(32, ge=1, description="hidden units of an expert")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, more experts to be mixed than there are."""
        super().check(lab)
        if self.experts and self.top > self.experts:
            raise SettingsError(f"top={self.top} of {self.experts} experts.", fix=f"set top to {self.experts} or less")

    def learner(self, lab: Lab) -> Learner:
        """Build the network, then its experts."""
        network = lab.network()
        if not self.experts:
            return Learner(network)
        groups = len(lab.groups)
        return Gating(Gated(network, n_groups=groups, n_experts=self.experts, top=self.top, width=self.width))


class Gating(Learner):
    """Empirical risk minimisation of a network that knows the group."""

    net: Gated

    def answering(self, group: int | None) -> nn.Module:
        """Return the network with the group fixed."""
        return self.net.answering(group)
