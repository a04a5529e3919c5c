"""SCP-FairPrune: prune the channels that tell the groups apart, and train the rest on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.imaging.tensors import to_input
from everygroup.methods.after._held import Held, fine_tuned, updates_of_a_round
from everygroup.methods.after._rounds import RoundRule, only_network, with_network
from everygroup.methods.after._saliency import layer_weights, lowest, share_of
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.training.device import repeatable

_ROUNDS, _UPDATES = 5, 0.1


def soft_nearest_neighbour(maps: torch.Tensor, group: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Soft-nearest-neighbour loss of every channel, (C,); low where samples lie together by group.

    -mean_i log( sum_{j != i, a_j = a_i} exp(-D_ij / T) / sum_{j != i} exp(-D_ij / T) ), D the cosine distance of the
    flattened maps. Both sums leave out j = i; the public code keeps it above, and its loss can be negative. A sample
    that is alone in its group has no neighbour and is left out; a map that is 0 everywhere is at distance 1 of all.

    Parameters
    ----------
    maps : (B, C, ...) feature maps
    group : (B,) group index
    temperature : T
    """
    u = F.normalize(maps.flatten(2).transpose(0, 1), dim=2)
    near = -(1 - u @ u.transpose(1, 2)) / temperature
    others = ~torch.eye(len(group), dtype=torch.bool, device=group.device)
    same = (group[:, None] == group[None]) & others
    rows = same.any(1)
    above = torch.where(same[rows], near[:, rows], -torch.inf).logsumexp(2)
    below = torch.where(others[rows], near[:, rows], -torch.inf).logsumexp(2)
    return (below - above).mean(1)


@dataclass(frozen=True)
class ChannelLayer:
    """A convolution and the batch norm that takes its output as it is, by name; the norm may be absent."""

    convolution: str
    norm: str | None

    @property
    def measured(self) -> str:
        """The module whose output are the layer's feature maps."""
        return self.norm or self.convolution

    def parameters(self, network: nn.Module) -> list[str]:
        """Name all parameters with an entry per channel of this layer."""
        names = [f"{m}.{p}" for m in (self.convolution, self.norm) if m for p in ("weight", "bias")]
        return [n for n in names if n in dict(network.named_parameters())]


def channel_layers(network: nn.Module, x: torch.Tensor) -> list[ChannelLayer]:
    """Return the convolutions in the order of the forward pass, those with maps of a single pixel left out.

    What follows a convolution is seen from a pass of the images x, not guessed from names.
    """
    modules = dict(network.named_modules())
    weights = set(layer_weights(network))
    outputs: dict[str, torch.Tensor] = {}
    norms: dict[str, str] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def see(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                outputs[name] = output
            else:
                norms.update({n: name for n, o in outputs.items() if o is inputs[0]})

        return modules[name].register_forward_hook(see)

    handles = [
        watch(n)
        for n, m in modules.items()
        if isinstance(m, nn.BatchNorm2d) or (isinstance(m, nn.Conv2d) and f"{n}.weight" in weights)
    ]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return [ChannelLayer(n, norms.get(n)) for n, o in outputs.items() if o.shape[2] * o.shape[3] > 1]


def group_batches(train: Cohort, batch_size: int, batches: int, seed: int) -> Iterator[np.ndarray]:
    """Yield index batches with equally many samples of every group, at least 2, none of them twice.

    A group with fewer samples than its part of a batch gives all it has; one with a single sample is left out.

    Raises
    ------
    TrainingError
        If fewer than two groups have two samples.
    """
    members = [np.flatnonzero(train.group == g) for g in range(len(train.groups))]
    members = [m for m in members if len(m) >= 2]
    if len(members) < 2:
        raise TrainingError(
            f"Only {len(members)} groups have two training samples or more; two such groups are needed.",
            fix="use a larger cohort, or other --bins",
        )
    each = max(2, batch_size // len(members))
    for number in range(batches):
        rng = np.random.default_rng([seed, 4, number])
        yield np.sort(np.concatenate([rng.choice(m, min(each, len(m)), replace=False) for m in members]))


@method(
    "SCP-FairPrune (sensitive channel pruning)",
    "Kong et al. Achieving fairness through channel pruning for dermatological disease diagnosis. MICCAI 2024",
    groups=(2, None),
    cost=1 + _ROUNDS * _UPDATES,
    needs="convolutions",
    branch="pruning",
)
class SCPFairPrune(After):
    """Prune the channels with the lowest soft-nearest-neighbour loss (SNNL) over groups, fine-tune, and repeat.

    A channel whose maps lie together by group encodes the group. Starting from the trained network, every round removes
    a share of the channels of every convolution, those with the lowest SNNL in their layer: filter, batch-norm scale
    and shift are 0 and stay 0 while everything else is trained on. The maps are those after the batch norm that follows
    the convolution, if one does. SNNL is the mean over batches of training samples, with equally many of every group.
    A round is taken by `RoundRule`: smallest EOdds on validation within the tolerated loss of accuracy, and that can
    be round 0, the network as it was.

    Cost: up to rounds * updates_per_round trainings, 0.5 by default, and `batches` forward passes a round.
    """

    one_network: ClassVar[bool] = True

    share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of a layer's channels that a round prunes, to the nearest channel over all rounds so far; 0 "
        "for none. One channel of each layer always stays",
    )
    rounds: int = Field(_ROUNDS, ge=1, description="largest number of rounds")
    updates_per_round: float = Field(
        _UPDATES, gt=0, le=1, description="updates of fine-tuning after each round, as a share of a whole training"
    )
    lr_scale: float = Field(
        0.5,
        gt=0,
        le=1,
        description="learning rate of the fine-tuning, as a share of the training's; the schedule starts anew in every "
        "round",
    )
    layers: Literal["all", "last"] = Field(
        "all", description="every convolution, or the last one only, as in the public code"
    )
    temperature: float = Field(1.0, gt=0, description="T of the SNNL")
    batches: int = Field(10, ge=1, description="batches that the SNNL is averaged over")
    tolerance: float = Field(0.02, ge=0, le=1, description="loss of validation accuracy that ends the rounds")
    patience: int = Field(2, ge=1, description="rounds without a smaller EOdds that end the rounds")

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trainings: that of the network and at most the share of one that each round is."""
        return 1 + (self.rounds * self.updates_per_round if self.share else 0)

    def check_network(self, network: nn.Module) -> None:
        """Refuse, besides, a backbone all of whose feature maps are a single pixel."""
        super().check_network(network)
        self._layers(copy.deepcopy(network).eval())

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Prune and train on, round by round; the rounds are in the model's `info`."""
        network = only_network(model, self.info.name)
        self.check_network(network)
        layers = self._layers(network)
        held = Held(copy.deepcopy(network), [p for layer in layers for p in layer.parameters(network)])
        rule = RoundRule(network, lab, tolerance=self.tolerance, patience=self.patience)
        updates = updates_of_a_round(lab, self.updates_per_round)
        for number in range(1, self.rounds + 1 if self.share else 1):
            pruned = self._prune(held, number, layers, lab)
            held = fine_tuned(lab, self.info.name, held, number, updates=updates, lr_scale=self.lr_scale)
            if not rule.take(copy.deepcopy(held.net), pruned=pruned):
                break
        return with_network(
            model,
            rule.best,
            rounds=rule.records,
            chosen_round=rule.chosen,
            fine_tuning_updates=(len(rule.records) - 1) * updates,
        ).having_chosen(self.info.name, rule.said(model.method))

    def _layers(self, network: nn.Module) -> list[ChannelLayer]:
        """Return the layers to prune of a network in eval mode."""
        spec: Any = network.spec
        layers = channel_layers(network, to_input(torch.zeros((1, *spec.sample_shape))))
        if not layers:
            raise SettingsError(
                "Every feature map of this backbone is a single pixel: channels cannot be compared.",
                fix="read the cohort with a larger --image-size, or choose --backbone small_cnn",
            )
        return layers if self.layers == "all" else layers[-1:]

    def _prune(self, held: Held, number: int, layers: list[ChannelLayer], lab: Lab) -> int:
        """Hold so many more channels of every layer at 0 that `number` shares are gone; returns how many are."""
        losses = self._losses(held.net, layers, lab)
        total = 0
        for layer in layers:
            mask, _ = held.held(f"{layer.convolution}.weight")
            done = mask.flatten(1).all(1)
            goal = min(share_of(len(done), number * self.share), len(done) - 1)
            gone = done | lowest(losses[layer], ~done, goal - int(done.sum()))
            total += int(gone.sum())
            for name in layer.parameters(held.net):
                shape = held.net.get_parameter(name).shape
                held.hold(name, gone.view(-1, *[1] * (len(shape) - 1)).expand(shape), 0.0)
        return total

    def _losses(self, network: nn.Module, layers: list[ChannelLayer], lab: Lab) -> dict[ChannelLayer, torch.Tensor]:
        """Return the SNNL of every channel of every layer, on the CPU."""
        train, settings = lab.train, lab.settings
        network = copy.deepcopy(network).eval().to(lab.device)
        group = torch.zeros(0)
        total: dict[ChannelLayer, torch.Tensor] = {}

        def watch(layer: ChannelLayer) -> None:
            def add(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
                loss = soft_nearest_neighbour(output, group, self.temperature).cpu() / self.batches
                total[layer] = total[layer] + loss if layer in total else loss

            network.get_submodule(layer.measured).register_forward_hook(add)

        for layer in layers:
            watch(layer)
        with torch.no_grad(), repeatable(settings.deterministic):
            for index in group_batches(train, settings.batch_size, self.batches, settings.seed):
                group = torch.from_numpy(train.group[index]).to(lab.device)
                network(to_input(torch.from_numpy(np.ascontiguousarray(train.batch(index))).to(lab.device)))
        return total
