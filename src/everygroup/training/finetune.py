"""Fine-tuning of networks that start from trained weights: what is held, and how fast each part learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from everygroup.networks.vision_library import timm
from everygroup.settings import TrainSettings

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def hold(learner: nn.Module, settings: TrainSettings) -> None:
    """Hold what `freeze` names: its parameters get no gradient, and nothing is computed for them."""
    if settings.freeze == "none":
        return
    heads = {id(p) for p in _head(learner)}
    for parameter in _body(learner):
        if id(parameter) not in heads:
            parameter.requires_grad_(False)


def keep_statistics(learner: nn.Module, settings: TrainSettings) -> None:
    """Put batch norms into eval mode where their running statistics are held; scale and shift go on learning."""
    if settings.batch_norm == "frozen" or settings.freeze == "trunk":
        for module in learner.modules():
            if isinstance(module, _NORMS):
                module.eval()


def by_depth(learner: nn.Module, groups: Sequence[Mapping[str, Any]], settings: TrainSettings) -> list[dict[str, Any]]:
    """Split parameter groups by depth: the learning rate is `layer_decay` times smaller with every stage from the head.

    Parameters of the backbone below the head are marked 'trunk', so that the head can learn alone at first; what a
    method adds to the network counts as the head.
    """
    if settings.layer_decay == 1 and settings.head_warmup == 0:
        return [dict(group) for group in groups]
    depth = dict(_depths(learner))
    split: list[dict[str, Any]] = []
    for group in groups:
        parts: dict[int, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            parts.setdefault(depth.get(id(parameter), 0), []).append(parameter)
        for stages, parameters in sorted(parts.items()):
            scale = group.get("lr_scale", 1.0) * settings.layer_decay**stages
            split.append({**group, "params": parameters, "lr_scale": scale, "trunk": stages > 0})
    return split


def _depths(learner: nn.Module) -> Iterator[tuple[int, int]]:
    """Yield the identity of every parameter of the backbone, and how many stages it lies below the head."""
    body = getattr(getattr(learner, "net", None), "body", None)
    if body is None or not hasattr(body, "group_matcher"):
        return
    layers = timm().models.group_parameters(body, body.group_matcher(coarse=True), reverse=True)
    last = max(layers.values())
    for name, parameter in body.named_parameters():
        yield id(parameter), last - layers[name]


def _body(learner: nn.Module) -> list[nn.Parameter]:
    body = getattr(getattr(learner, "net", None), "body", None)
    return [] if body is None else list(body.parameters())


def _head(learner: nn.Module) -> list[nn.Parameter]:
    head = getattr(getattr(learner, "net", None), "head", None)
    return [] if head is None else list(head.parameters())
