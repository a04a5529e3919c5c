"""FairPrune: prune what matters to the privileged group and not to the others."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from everygroup.cohort import Cohort
from everygroup.files import hash_json
from everygroup.methods._rounds import RoundRule
from everygroup.methods._saliency import (
    check_number,
    contrast,
    group_fishers,
    layer_weights,
    lowest,
    privileged_group,
    share_of,
)
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.erm import train_pooled
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Trained


def saliency(weight: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
    """0.5 theta^2 (H^unprivileged - beta H^privileged), with the bracket given as `curvature`."""
    return 0.5 * weight**2 * curvature


@register
class FairPrune(Method):
    """Prune the weights with the smallest s_i = 0.5 theta_i^2 (H_ii^unpriv - beta H_ii^priv) from the ERM network.

    To remove theta_i changes a group's loss by about 0.5 H_ii theta_i^2; a small s_i hurts the privileged group and
    not the others. H_ii is the empirical Fisher information of the group's training samples, measured again on the
    pruned network in every round. Weights of convolutions are ranked together over the whole network (and of linear
    layers but the last, where these hold more, as in transformers); nothing is trained again. The privileged group is
    the one with the highest validation accuracy under ERM; with more groups, H^unpriv is the mean over all others, each
    group counting the same.

    The smallest s_i are the most negative ones: weights on which the privileged group depends most, for which a second-
    order estimate is no longer valid. In networks with batch norm a dozen of them can cost most of the accuracy. So
    weights are pruned only from the share `candidates` whose effect on every group, 0.5 H_ii theta_i^2, is smallest;
    the paper has no such limit (candidates = 1).

    A round is taken by `RoundRule`: smallest EOdds on validation within the tolerated loss of accuracy, and
    that can be round 0, which is ERM.

    Cost: no updates beyond ERM's; in each round one forward and backward pass of at most `samples` training samples a
    group, and one prediction of the validation cohort.

    Parameters
    ----------
    beta : float
        Weight of the privileged group's curvature; 0 is optimal brain damage for the others.
    share : float
        Share of all prunable weights that a round prunes; 0 is ERM.
    candidates : float
        Share of the weights, those with the smallest effect on every group, that may be pruned; 1 is the paper's rule.
    rounds : int
        Largest number of rounds; they also end when the candidates do.
    tolerance : float
        Loss of validation accuracy that ends the rounds.
    patience : int
        Rounds without a smaller EOdds that end the rounds.
    samples : int or None
        Training samples a group that H is averaged over, drawn at random; None for all.
    """

    info = MethodInfo(
        name="fairprune",
        title="FairPrune (pruning by group saliency)",
        paper="Wu et al. FairPrune: Achieving fairness through pruning for dermatological disease diagnosis. "
        "MICCAI 2022",
        family="post-processing",
        min_groups=2,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(
        self,
        *,
        beta: float = 0.33,
        share: float = 0.05,
        candidates: float = 0.8,
        rounds: int = 10,
        tolerance: float = 0.02,
        patience: int = 2,
        samples: int | None = 256,
    ) -> None:
        check_number("beta", beta, 0)
        check_number("share", share, 0, 1)
        check_number("candidates", candidates, 0, 1, above=True)
        check_number("tolerance", tolerance, 0, 1)
        for name, count in (("rounds", rounds), ("patience", patience), ("samples", 1 if samples is None else samples)):
            check_number(name, count, 1, whole=True)
        self.beta, self.share, self.candidates, self.rounds = beta, share, candidates, rounds
        self.tolerance, self.patience, self.samples = tolerance, patience, samples

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        trained = train_pooled(train, validation, settings, store)
        privileged = privileged_group(trained.network, train, validation, settings)
        rule = RoundRule(trained, validation, settings, tolerance=self.tolerance, patience=self.patience)
        free: dict[str, torch.Tensor] = {}
        for number in range(1, self.rounds + 1 if self.share else 1):
            trained, free = self._pruned(trained, number, privileged, free, train, settings)
            pruned = sum(int((~f).sum()) for f in free.values())
            if not rule.take(trained, pruned=pruned) or number * self.share >= self.candidates:
                break
        facts = {"privileged": train.groups[privileged], "rounds": rule.records, "chosen_round": rule.chosen}
        model = self._one_network(train, rule.best)
        model.info.update(facts)
        return model

    def _pruned(
        self,
        trained: Trained,
        number: int,
        privileged: int,
        free: dict[str, torch.Tensor],
        train: Cohort,
        settings: TrainSettings,
    ) -> tuple[Trained, dict[str, torch.Tensor]]:
        """Prune up to `number` shares; returns the network and which weights are left."""
        network = copy.deepcopy(trained.network)
        names = layer_weights(network)
        weights = {n: network.get_parameter(n) for n in names}
        free = free or {n: torch.ones_like(w, dtype=torch.bool) for n, w in weights.items()}
        fishers = group_fishers(network, train, names, settings, self.samples)
        curvature = contrast(fishers, privileged, self.beta)
        largest = {n: torch.stack([h[n] for h in fishers.values()]).amax(0) for n in names}
        score, effect = (
            torch.cat([saliency(weights[n].detach(), c[n]).flatten() for n in names]) for c in (curvature, largest)
        )
        left = torch.cat([free[n].flatten() for n in names])
        limit = share_of(left.numel(), self.candidates)  # those pruned already have no effect, and are among them
        may = left & lowest(effect, torch.ones_like(left), limit)
        goal = share_of(left.numel(), number * self.share)
        marked = lowest(score, may, goal - int((~left).sum())).split([w.numel() for w in weights.values()])
        free = {n: free[n] & ~m.view_as(free[n]) for n, m in zip(names, marked, strict=True)}
        with torch.no_grad():
            for n, weight in weights.items():
                weight.mul_(free[n])
        facts = [trained.key, self.info.name, self.hyperparameters, privileged]
        if (
            len({weight.ndim for weight in weights.values()}) > 1
        ):  # transformers were once pruned in their embedding only
            facts.append(names)
        key = hash_json(facts)
        return replace(trained, network=network, key=key), free
