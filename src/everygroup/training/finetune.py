"""Fine-tuning of networks that start from trained weights: what is held, and how fast each part learns.

Of a network, and of what a method makes of it, the last layer is the head; what a method adds beside the backbone
counts as the head, what it puts into it (a batch norm for each group) as the stage it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.vision_library import timm
from everygroup.settings import TrainSettings

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Tuned(Protocol):
    """What is needed of a learner."""

    net: nn.Module

    def of_network(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def parameter_groups(self) -> list[dict[str, Any]]: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


def stages(network: nn.Module) -> dict[str, int]:
    """Return how many stages below the head every parameter of the backbone lies, by its name; 0 is the head.

    Stages are timm's where the backbone is; of others all below the head is one. Empty where there is no head.
    """
    prefix = ""
    while isinstance(base := getattr(network, "base", None), nn.Module):
        network, prefix = base, f"{prefix}base."
    head, body = getattr(network, "head", None), getattr(network, "body", None)
    if not isinstance(head, nn.Module):
        return {}
    if isinstance(body, nn.Module) and hasattr(body, "group_matcher"):
        matcher = body.group_matcher(coarse=True)  # type: ignore[operator]
        layers = timm().models.group_parameters(body, matcher, reverse=True)
        last = max(layers.values())
        return {f"{prefix}body.{name}": last - layer for name, layer in layers.items()}
    of_head = {id(p) for p in head.parameters()}
    return {f"{prefix}{name}": int(id(p) not in of_head) for name, p in network.named_parameters()}


def check(network: nn.Module, settings: TrainSettings) -> None:
    """Refuse settings that need to know the head of a network that has none.

    Raises
    ------
    SettingsError
    """
    asked = [
        name
        for name, off in (("freeze", "none"), ("layer_decay", 1), ("head_warmup", 0))
        if getattr(settings, name) != off
    ]
    if asked and not stages(network):
        raise SettingsError(
            f"{' and '.join(asked)}: this backbone has no last layer that could learn apart.",
            fix=f"leave out {', '.join(asked)}, or choose another --backbone",
        )


def hold(learner: Tuned, settings: TrainSettings) -> None:
    """Hold what `freeze` names: its parameters get no gradient, and nothing is computed for them."""
    if settings.freeze == "none":
        return
    below = stages(learner.net)
    last = 0 if settings.freeze == "trunk" else max(below.values()) - settings.freeze
    for name, parameter in learner.of_network():
        if below.get(name, 0) > max(last, 0):
            parameter.requires_grad_(False)


def keep_statistics(learner: nn.Module, settings: TrainSettings) -> None:
    """Put batch norms into eval mode where their running statistics are held, or all that they learn.

    Of frozen batch norms scale and shift go on learning.
    """
    for module in learner.modules():
        if isinstance(module, _NORMS):
            held = not any(p.requires_grad for p in module.parameters(recurse=False))
            if settings.batch_norm == "frozen" or (settings.freeze != "none" and held):
                module.eval()


def by_depth(learner: Tuned, groups: Sequence[Mapping[str, Any]], settings: TrainSettings) -> list[dict[str, Any]]:
    """Split parameter groups by depth: the learning rate is `layer_decay` times smaller with every stage from the head.

    Parameters below the head are marked 'trunk', so that the head can learn alone at first.
    """
    if settings.layer_decay == 1 and settings.head_warmup == 0:
        return [dict(group) for group in groups]
    below = stages(learner.net)
    depth = {id(parameter): below.get(name, 0) for name, parameter in learner.of_network()}
    split: list[dict[str, Any]] = []
    for group in groups:
        parts: dict[int, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            parts.setdefault(depth.get(id(parameter), 0), []).append(parameter)
        for far, parameters in sorted(parts.items()):
            scale = group.get("lr_scale", 1.0) * settings.layer_decay**far
            split.append({**group, "params": parameters, "lr_scale": scale, "trunk": far > 0})
    return split
