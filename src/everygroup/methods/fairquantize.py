"""FairQuantize: quantise first what the unprivileged groups can spare, and train the rest on."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from everygroup.cohort import Cohort
from everygroup.methods._rounds import fine_tune, updates_of_a_round
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
from everygroup.networks import Classifier, Masked
from everygroup.settings import TrainSettings

_ROUNDS, _UPDATES = 8, 0.05


def power_of_two(weight: torch.Tensor) -> torch.Tensor:
    """q(w) = sign(w) 2^round(log2 |w|), exactly a power of two; 0 stays 0."""
    mantissa, _ = torch.frexp(weight)  # |mantissa| in [1/2, 1); weight / mantissa is a power of two, free of rounding
    above = weight / torch.where(mantissa == 0, torch.ones_like(mantissa), mantissa)
    return weight.sign() * torch.where(mantissa.abs() >= 0.5**0.5, above, above / 2)


@register
class FairQuantize(Method):
    """Replace weights by powers of two, those with the smallest s_i = (H_ii^unpriv - beta H_ii^priv) dw_i^2 first.

    dw_i = q(w_i) - w_i is the change that quantisation makes, q(w) = sign(w) 2^round(log2 |w|). Starting from the ERM
    network, every round quantises so many more weights of every convolution (and of every linear layer but the last,
    where these hold more), by their rank in the layer; these are then held, and everything else is trained on. H_ii and
    the privileged group are as in FairPrune; H is measured anew in every round. The last round is taken.

    Cost: 1 + rounds * updates_per_round trainings, 1.4 by default, and in each round one forward and backward pass of
    at most `samples` training samples a group.

    Parameters
    ----------
    share : float
        Share of every layer's weights that is quantised in the end; 0 is ERM.
    beta : float
        Weight of the privileged group's curvature.
    rounds : int
        Number of equal steps towards the share.
    updates_per_round : float
        Updates of fine-tuning after each step, as a share of a whole training.
    lr_scale : float
        Learning rate of the fine-tuning, as a share of the training's; the schedule starts anew in every round.
    samples : int or None
        Training samples a group that H is averaged over, drawn at random; None for all.
    """

    info = MethodInfo(
        name="fairquantize",
        title="FairQuantize (quantisation by group saliency)",
        paper="Guo et al. FairQuantize: Achieving fairness through weight quantization for dermatological disease "
        "diagnosis. MICCAI 2024",
        family="post-processing",
        min_groups=2,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1 + _ROUNDS * _UPDATES,
    )

    def __init__(
        self,
        *,
        share: float = 0.8,
        beta: float = 0.75,
        rounds: int = _ROUNDS,
        updates_per_round: float = _UPDATES,
        lr_scale: float = 0.5,
        samples: int | None = 256,
    ) -> None:
        check_number("share", share, 0, 1)
        check_number("beta", beta, 0)
        check_number("rounds", rounds, 1, whole=True)
        check_number("updates_per_round", updates_per_round, 0, 1, above=True)
        check_number("lr_scale", lr_scale, 0, 1, above=True)
        check_number("samples", 1 if samples is None else samples, 1, whole=True)
        self.share, self.beta, self.rounds = share, beta, rounds
        self.updates_per_round, self.lr_scale, self.samples = updates_per_round, lr_scale, samples

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trainings: ERM's and the share of one that each round is."""
        return 1 + (self.rounds * self.updates_per_round if self.share else 0)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        trained = train_pooled(train, validation, settings, store)
        privileged = privileged_group(trained.network, train, validation, settings)
        updates = updates_of_a_round(settings, len(train), self.updates_per_round)
        base = trained.network
        assert isinstance(base, Classifier)
        network = Masked(copy.deepcopy(base), names=layer_weights(base))
        rounds = self.rounds if self.share else 0
        for number in range(1, rounds + 1):
            self._quantise(network, number, privileged, train, settings)
            trained = fine_tune(
                self.info.name,
                network,
                number,
                train,
                validation,
                settings,
                store,
                updates=updates,
                lr_scale=self.lr_scale,
            )
            assert isinstance(trained.network, Masked)
            network = copy.deepcopy(trained.network)
        model = self._one_network(train, trained.answering())
        model.info.update(privileged=train.groups[privileged], fine_tuning_updates=rounds * updates)
        return model

    def _quantise(self, network: Masked, number: int, privileged: int, train: Cohort, settings: TrainSettings) -> None:
        """Hold so many more weights of every layer at powers of two that `number` steps of `rounds` are done."""
        names: list[str] = network.options["names"]
        curvature = contrast(group_fishers(network.base, train, names, settings, self.samples), privileged, self.beta)
        for n in names:
            weight = network.base.get_parameter(n).detach()
            done, _ = network.held(n)
            quantised = power_of_two(weight)
            score = curvature[n] * (quantised - weight) ** 2
            goal = share_of(weight.numel(), self.share * number / self.rounds)
            network.hold(n, lowest(score, ~done, goal - int(done.sum())), quantised)
