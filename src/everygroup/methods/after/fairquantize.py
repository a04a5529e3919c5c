"""FairQuantize: quantise first what the unprivileged groups can spare, and train the rest on."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field

from everygroup.methods.after._held import Held, fine_tuned, updates_of_a_round
from everygroup.methods.after._rounds import only_network, with_network
from everygroup.methods.after._saliency import (
    contrast,
    group_fishers,
    layer_weights,
    lowest,
    privileged_group,
    share_of,
)
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel

_ROUNDS, _UPDATES = 8, 0.05


def power_of_two(weight: torch.Tensor) -> torch.Tensor:
    """q(w) = sign(w) 2^round(log2 |w|), exactly a power of two; 0 stays 0."""
    mantissa, _ = torch.frexp(weight)  # |mantissa| in [1/2, 1); weight / mantissa is a power of two, free of rounding
    above = weight / torch.where(mantissa == 0, torch.ones_like(mantissa), mantissa)
    return weight.sign() * torch.where(mantissa.abs() >= 0.5**0.5, above, above / 2)


@method(
    "FairQuantize (quantisation by group saliency)",
    "Guo et al. FairQuantize: Achieving fairness through weight quantization for dermatological disease diagnosis. "
    "MICCAI 2024",
    groups=(2, None),
    cost=1 + _ROUNDS * _UPDATES,
    branch="pruning",
)
class FairQuantize(After):
    """Replace weights by powers of two, those with the smallest s_i = (H_ii^unpriv - beta H_ii^priv) dw_i^2 first.

    dw_i = q(w_i) - w_i is the change that quantisation makes, q(w) = sign(w) 2^round(log2 |w|). Starting from the
    trained network, every round quantises so many more weights of every convolution (and of every linear layer but the
    last, where these hold more), by their rank in the layer; these are then held, and everything else is trained on.
    H_ii and the privileged group are as in FairPrune; H is measured anew in every round. The last round is taken.

    Cost: rounds * updates_per_round trainings, 0.4 by default, and in each round one forward and backward pass of at
    most `samples` training samples a group.
    """

    one_network: ClassVar[bool] = True

    share: float = Field(
        0.8, ge=0, le=1, description="share of every layer's weights that is quantised in the end; 0 for none"
    )
    beta: float = Field(0.75, ge=0, description="weight of the privileged group's curvature")
    rounds: int = Field(_ROUNDS, ge=1, description="number of equal steps towards the share")
    updates_per_round: float = Field(
        _UPDATES, gt=0, le=1, description="updates of fine-tuning after each step, as a share of a whole training"
    )
    lr_scale: float = Field(
        0.5,
        gt=0,
        le=1,
        description="learning rate of the fine-tuning, as a share of the training's; the schedule starts anew in every "
        "round",
    )
    samples: int | None = Field(
        256, ge=1, description="training samples a group that H is averaged over, drawn at random; null for all"
    )

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trainings: that of the network and the share of one that each round is."""
        return 1 + (self.rounds * self.updates_per_round if self.share else 0)

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Quantise and train on, round by round."""
        network = only_network(model, self.info.name)
        privileged, updates = privileged_group(network, lab), updates_of_a_round(lab, self.updates_per_round)
        rounds = self.rounds if self.share else 0
        held = Held(copy.deepcopy(network), layer_weights(network))
        for number in range(1, rounds + 1):
            self._quantise(held, number, privileged, lab)
            held = fine_tuned(lab, self.info.name, held, number, updates=updates, lr_scale=self.lr_scale)
        refined = held.net if rounds else network
        facts = {"privileged": lab.groups[privileged], "fine_tuning_updates": rounds * updates}
        said = (
            f"{self.share:.0%} of the weights quantised in {rounds} rounds" if rounds else f"unchanged: {model.method}"
        )
        return with_network(model, refined, **facts).having_chosen(self.info.name, said)

    def _quantise(self, held: Held, number: int, privileged: int, lab: Lab) -> None:
        """Hold so many more weights of every layer at powers of two that `number` steps of `rounds` are done."""
        curvature = contrast(group_fishers(held.net, lab, held.names, self.samples), privileged, self.beta)
        for n in held.names:
            weight = held.net.get_parameter(n).detach()
            done, _ = held.held(n)
            quantised = power_of_two(weight)
            score = curvature[n] * (quantised - weight) ** 2
            goal = share_of(weight.numel(), self.share * number / self.rounds)
            held.hold(n, lowest(score, ~done, goal - int(done.sum())), quantised)
