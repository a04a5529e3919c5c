"""A trunk that all groups share, and the rest of the network once for each."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier
from everygroup.networks.small import SmallCNN, VectorNetwork

SHARED = ("half", "mini")
_MEAN, _FEATURES = "mean over space", "features"  # steps without a module of their own


def network_steps(base: Classifier) -> list[str]:
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


def specific_steps(base: Classifier, sharing: str) -> list[str]:
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


@register_adapter
class SharedTrunk(Adapted):
    """One trunk, batch norm included, and a copy of the last layers for each group.

    All copies start as the backbone's. `heads` takes a sample through the trunk once and through every group's layers;
    the gradient that reaches the trunk is divided by the number of groups that are trained. A sample without a group is
    answered with the mean of the groups' probabilities.

    Parameters
    ----------
    base : Classifier
        The backbone; its last layers become those of group 0.
    n_groups : int
    sharing : {'half', 'mini'}
        What is group-specific, see `specific_steps`.
    blind : bool
        Answer everybody as if no group were known.
    trained : int, optional
        Number of groups with a loss; all by default.

    Raises
    ------
    SettingsError
        As in `specific_steps`.
    """

    name = "shared_trunk"

    def __init__(
        self, base: Classifier, *, n_groups: int, sharing: str, blind: bool = False, trained: int | None = None
    ) -> None:
        super().__init__(base, n_groups=n_groups, sharing=sharing, blind=blind, trained=trained)
        self._own = specific_steps(base, sharing)
        self._trunk = [step for step in network_steps(base) if step not in self._own]
        self.others = nn.ModuleList(
            nn.ModuleList(copy.deepcopy(base.body.get_submodule(step)) for step in self._own if step != _MEAN)
            for _ in range(n_groups - 1)
        )

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides."""
        return not self.options["blind"]

    def specific_modules(self, group: int) -> dict[str, nn.Module]:
        """Return one group's own modules by their names in the body."""
        names = [step for step in self._own if step != _MEAN]
        if group == 0:
            return {name: self.base.body.get_submodule(name) for name in names}
        own = self.others[group - 1]
        assert isinstance(own, nn.ModuleList)
        return dict(zip(names, own, strict=True))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, G, K) of all groups' layers."""
        n_groups = self.options["n_groups"]
        if self._trunk == [_FEATURES]:
            h = self.base.features(x)
        else:
            h = self.base._scale(x)
            for step in self._trunk:
                h = h.mean((2, 3)) if step == _MEAN else self.base.body.get_submodule(step)(h)
        n_trained = self.options["trained"] or n_groups
        if n_trained > 1 and h.requires_grad:
            h = h.detach() + (h - h.detach()) / n_trained  # the same values, a G-th of the gradient
        return torch.stack([self._finish(h, self.specific_modules(g)) for g in range(n_groups)], 1)

    def _finish(self, h: torch.Tensor, modules: dict[str, nn.Module]) -> torch.Tensor:
        for step in self._own:
            h = h.mean((2, 3)) if step == _MEAN else modules[step](h)
        return h

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); log-probabilities for samples without a group."""
        z = self.heads(x)
        mean = z.log_softmax(-1).logsumexp(1) - math.log(self.options["n_groups"])
        if not self.takes_group:
            return mean
        if group is None:
            raise ValueError("the group of every sample is needed")
        own = z[torch.arange(len(z), device=z.device), group.clamp_min(0)]
        return torch.where((group >= 0)[:, None], own, mean)

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return a group's plain network, or everybody's mean."""
        if group is None:
            return self.but(blind=True)
        plain = copy.deepcopy(self.base)
        for name, module in self.specific_modules(group).items():
            parent, _, last = name.rpartition(".")
            setattr(plain.body.get_submodule(parent), last, copy.deepcopy(module))
        return plain
