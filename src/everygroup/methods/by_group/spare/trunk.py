"""A trunk that all groups share, and the rest of the network once for each (Table 6)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.networks.small import SmallCNN, VectorNetwork
from everygroup.training import Batch, Learner

SHARED = ("half", "mini")
_MEAN, _FEATURES = "mean over space", "features"  # steps without a module of their own


def network_steps(base: Any) -> list[str]:
    """Return the modules a sample passes one after the other, by name within the backbone's body.

    ResNets are cut between stages, VGGs and our own networks between layers; of any other backbone only the last layer
    is told apart from the rest.
    """
    body = base.body
    family = type(body).__module__
    if isinstance(body, SmallCNN | VectorNetwork):
        pooled = [_MEAN] if isinstance(body, SmallCNN) else []
        return [*(f"trunk.{name}" for name, _ in body.trunk.named_children()), *pooled, "head"]
    if family == "timm.models.resnet":
        stages = [f"layer{i}" for i in range(1, 5)]
        return ["conv1", "bn1", "act1", "maxpool", *stages, "global_pool", "fc"]
    if family == "timm.models.vgg":
        layers = [f"features.{name}" for name, _ in body.get_submodule("features").named_children()]
        return [*layers, "pre_logits", "head"]
    head = base.head
    return [_FEATURES, next(name for name, module in body.named_modules() if module is head)]


def weight_layers(module: nn.Module) -> int:
    """Count convolutions and linear layers, those of shortcuts left out."""
    return sum(
        isinstance(m, nn.Conv2d | nn.Linear)
        for name, m in module.named_modules()
        if "downsample" not in name.split(".")
    )


def specific_steps(base: Any, sharing: str) -> list[str]:
    """Return the last steps, which each group has for itself.

    'mini': the last layer. 'half': the fewest steps that hold half of the weight layers or more: layer3, layer4 and fc
    of a ResNet-18; the last three convolutions and the fully connected layers of a VGG-11; the last two convolutions
    and the head of small_cnn; the last layer of the perceptron and of the linear model.

    Raises
    ------
    SettingsError
        For an unknown sharing, or 'half' of a backbone of another family.
    """
    if sharing not in SHARED:
        raise SettingsError(f"sharing = {sharing!r}.", fix=f"choose one of {', '.join(SHARED)}")
    steps = network_steps(base)
    if sharing == "mini":
        return steps[-1:]
    if steps[0] == _FEATURES:
        raise SettingsError(
            f"Where a {type(base.body).__name__} has its half is not known.",
            fix="choose --backbone small_cnn, a ResNet or a VGG, or --set sharing=mini",
        )
    layers = [0 if step == _MEAN else weight_layers(base.body.get_submodule(step)) for step in steps]
    first = len(steps) - 1
    while 2 * sum(layers[first:]) < sum(layers):
        first -= 1
    return steps[first:]


@dataclass(frozen=True)
class TrunkOf:
    """How a network with a common trunk learns.

    Attributes
    ----------
    sharing : {'half', 'mini'}
    normalised : bool
        Divide each group's sum by the batch's weights instead of by B.
    trained : int
        Number of groups with a loss.
    """

    sharing: str
    normalised: bool
    trained: int

    @property
    def key(self) -> str:
        """Content hash."""
        return hash_json(["shared trunk", self.sharing, self.normalised, self.trained])

    def learner(self, lab: Lab) -> Learner:
        """Build it."""
        return SharedTrunk(lab.network(), len(lab.groups), self.sharing, self.normalised, self.trained)


class SharedTrunk(Learner):
    """One trunk, batch norm included, and a copy of the last layers for each group.

    All copies start as the network's. `heads` takes a sample through the trunk once and through every group's layers;
    the gradient that reaches the trunk is divided by the number of groups that are trained. A sample without a group is
    answered with the mean of the groups' probabilities.

    Parameters
    ----------
    net : Module
        Its last layers become those of group 0.
    n_groups : int
    sharing : {'half', 'mini'}
        What is group-specific, see `specific_steps`.
    normalised : bool
        Divide each group's sum by the batch's weights instead of by B.
    trained : int, optional
        Number of groups with a loss; all by default.

    Raises
    ------
    SettingsError
        As in `specific_steps`.
    """

    net: Any

    def __init__(
        self, net: nn.Module, n_groups: int, sharing: str, normalised: bool = False, trained: int | None = None
    ) -> None:
        super().__init__(net)
        self.n_groups, self.normalised, self.trained = n_groups, normalised, trained or n_groups
        self._own = specific_steps(net, sharing)
        self._trunk = [step for step in network_steps(net) if step not in self._own]
        self.others = nn.ModuleList(
            nn.ModuleList(copy.deepcopy(self.net.body.get_submodule(step)) for step in self._own if step != _MEAN)
            for _ in range(n_groups - 1)
        )

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """sum_t (1/B) sum_i w_i^t CE(f_t(x_i), y_i): every sample through every group's layers, weights (B, G)."""
        z = self.heads(x)
        y = batch.y[:, None].expand(z.shape[:2])
        losses = F.cross_entropy(z.transpose(1, 2), y, reduction="none", label_smoothing=batch.smoothing)
        total = (losses * batch.weight).sum(0)
        size = batch.weight.sum(0).clamp_min(1e-12) if self.normalised else len(x)
        return (total / size).sum()

    def specific_modules(self, group: int) -> dict[str, nn.Module]:
        """Return one group's own modules by their names in the body."""
        names = [step for step in self._own if step != _MEAN]
        if group == 0:
            return {name: self.net.body.get_submodule(name) for name in names}
        own = self.others[group - 1]
        assert isinstance(own, nn.ModuleList)
        return dict(zip(names, own, strict=True))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, G, K) of all groups' layers."""
        if self._trunk == [_FEATURES]:
            h = self.net.features(x)
        else:
            h = self.net._scale(x)
            for step in self._trunk:
                h = h.mean((2, 3)) if step == _MEAN else self.net.body.get_submodule(step)(h)
        n_trained = self.trained
        if n_trained > 1 and h.requires_grad:
            h = h.detach() + (h - h.detach()) / n_trained  # the same values, a G-th of the gradient
        return torch.stack([self._finish(h, self.specific_modules(g)) for g in range(self.n_groups)], 1)

    def _finish(self, h: torch.Tensor, modules: dict[str, nn.Module]) -> torch.Tensor:
        for step in self._own:
            h = h.mean((2, 3)) if step == _MEAN else modules[step](h)
        return h

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); log-probabilities for samples without a group."""
        z = self.heads(x)
        mean = z.log_softmax(-1).logsumexp(1) - math.log(self.n_groups)
        if group is None:
            return mean
        own = z[torch.arange(len(z), device=z.device), group.clamp_min(0)]
        return torch.where((group >= 0)[:, None], own, mean)

    def answering(self, group: int | None) -> nn.Module:
        """Return a group's plain network."""
        if group is None:
            raise ValueError("where no group is known, the mean of the groups' networks answers")
        plain: Any = copy.deepcopy(self.net)
        for name, module in self.specific_modules(group).items():
            parent, _, last = name.rpartition(".")
            setattr(plain.body.get_submodule(parent), last, copy.deepcopy(module))
        return plain  # type: ignore[no-any-return]
