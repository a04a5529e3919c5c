"""Domain-independent training: one trunk, one head per group."""

from __future__ import annotations

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks.domain_heads import RULES
from everygroup.settings import TrainSettings
from everygroup.training import Task


@register
class DomainIndependent(Method):
    """min (1/n) sum_i CE(z(x_i)[a_i], y_i): the softmax runs inside the head of the sample's own group.

    Samples without a group are not trained on.

    Parameters
    ----------
    rule : {'sum_logits', 'known', 'sum_probabilities', 'max'}
        How the heads answer together: argmax_y sum_g z_gy (the paper's choice, needs no group), the recorded group's
        head (where none is recorded, the mean of all logits), sum_g softmax(z_g), or the largest logit.
    """

    learns_every_group = True
    info = MethodInfo(
        name="domain_independent",
        title="Domain-independent training (DomainInd)",
        paper="Wang et al. Towards fairness in visual recognition: Effective strategies for bias mitigation. CVPR 2020",
        family="in-processing",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(self, *, rule: str = "sum_logits") -> None:
        if rule not in RULES:
            raise SettingsError(f"rule = {rule!r}.", fix=f"choose one of {', '.join(RULES)}")
        self.rule = rule

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        task = Task.diagnosis(self.info.name, train.where(train.group >= 0), validation)
        adapter = {"name": "domain_heads", "n_groups": len(train.groups), "rule": self.rule}
        trained = store.network(task, settings, n_budget=len(train), adapter=adapter)
        if self.rule == "known":
            return self._network_per_group(train, trained, blind=True)
        return self._one_network(train, trained.answering())
