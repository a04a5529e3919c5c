"""Domain-independent training: one trunk, one head per group."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.models import RoutedModel
from everygroup.networks import DomainHeads
from everygroup.training import Learner


@method(
    "Domain-independent training (DomainInd)",
    "Wang et al. Towards fairness in visual recognition: Effective strategies for bias mitigation. CVPR 2020",
    every_group=True,
    branch="parts by group",
)
class DomainIndependent(Learn):
    """min (1/n) sum_i CE(z(x_i)[a_i], y_i): the softmax runs inside the head of the sample's own group.

    Samples without a group are not trained on. The heads answer together: argmax_y sum_g z_gy (the paper's choice,
    needs no group); with 'known' the recorded group's head (where none is recorded, the mean of all logits);
    sum_g softmax(z_g); or the largest logit.
    """

    rule: Literal["sum_logits", "known", "sum_probabilities", "max"] = Field(
        "sum_logits", description="how the heads answer together"
    )

    def learner(self, lab: Lab) -> Learner:
        """Build the trunk and its heads."""
        return Heads(DomainHeads(lab.network(), n_groups=len(lab.groups), rule=self.rule))

    def model(self, lab: Lab) -> RoutedModel:
        """Train; the recorded group's head answers where the rule says so."""
        if self.rule != "known":
            return super().model(lab)
        trained = lab.train_network(self, self.info.name, where=lab.known)
        parts = {g: trained.answering(i) for i, g in enumerate(lab.groups)}
        return lab.model(
            self.info.name, {**parts, "pooled": trained.answering(None)}, {g: g for g in lab.groups}, pooled="pooled"
        )


class Heads(Learner):
    """Every sample is learnt by the head of its group."""

    net: DomainHeads

    def answering(self, group: int | None) -> DomainHeads:
        """Return what the rule makes of the heads."""
        return self.net.answering(group)  # type: ignore[return-value]
