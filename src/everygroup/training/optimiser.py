"""Optimisers and learning-rate schedules as functions of the update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.settings import TrainSettings
from everygroup.training.distributed import summed_gradients
from everygroup.training.finetune import Tuned, by_depth, hold

MAIN = "main"


class Optimisers:
    """The optimisers of a learner by name, 'main' first; most have one.

    Parameters
    ----------
    learner : Tuned
        A learner. Its `parameter_groups` say what belongs to which. The learning rate of a group is `lr_scale` (1 by
        default) times the schedule's.
    settings : TrainSettings
    scaled : bool
        Scale losses (half precision).
    """

    def __init__(self, learner: Tuned, settings: TrainSettings, *, scaled: str = "") -> None:
        self._learner, self._settings = learner, settings
        groups: dict[str, list[dict[str, Any]]] = {}
        hold(learner, settings)
        for part in by_depth(learner, learner.parameter_groups(), settings):
            entry = {"lr_scale": 1.0, **part, "params": [p for p in part["params"] if p.requires_grad]}
            groups.setdefault(entry.pop("optimiser", MAIN), []).append(entry)
        self.by_name = {name: _build(parts, settings) for name, parts in groups.items()}
        self.scaler = torch.amp.GradScaler(scaled or "cpu", enabled=bool(scaled))
        self.share = 1.0  # of the batch that this process sees

    def __getitem__(self, name: str) -> torch.optim.Optimizer:
        if name not in self.by_name:
            raise SettingsError(
                f"{type(self._learner).__name__} has no optimiser {name!r}.",
                fix=f"its parameter_groups name {', '.join(self.by_name)}",
            )
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def parameters(self, name: str) -> list[nn.Parameter]:
        """Return what an optimiser trains."""
        if len(self.by_name) == 1:
            return list(self._learner.parameters())
        return [p for part in self[name].param_groups for p in part["params"]]

    def set_rate(self, rate: float, *, head_alone: bool = False) -> None:
        """Set the schedule's learning rate; the backbone below its last layer may wait."""
        for optimiser in self.by_name.values():
            for part in optimiser.param_groups:
                waits = head_alone and part.get("trunk", False)
                part["lr"] = 0.0 if waits else rate * part.get("lr_scale", 1.0)

    def step(self, loss: torch.Tensor | Mapping[str, torch.Tensor], name: str = MAIN, *, again: bool = False) -> None:
        """Make the gradients of a loss, clip them by their norm, and make a step of one optimiser.

        Parameters
        ----------
        loss : Tensor, or mapping of an optimiser's name to a Tensor
            Of several losses all gradients are made before any step, each with respect to its optimiser's parameters.
        name : str
            Whose step, for a single loss.
        again : bool
            Keep the graph: another loss that shares it follows.
        """
        losses = {name: loss} if isinstance(loss, torch.Tensor) else dict(loss)
        for i, (key, value) in enumerate(losses.items()):
            self.backward(value, key, again=again or i < len(losses) - 1)
        for key in losses:
            self.apply(key)
        self.scaler.update()

    def backward(self, loss: torch.Tensor, name: str = MAIN, *, again: bool = False) -> None:
        """Make the gradients of an optimiser's parameters, and of no others."""
        self[name].zero_grad(set_to_none=True)
        only = None if len(self.by_name) == 1 else [p for p in self.parameters(name) if p.requires_grad]
        loss = loss if self.share == 1 else loss * self.share
        self.scaler.scale(loss).backward(inputs=only, retain_graph=again or None)
        summed_gradients(self.parameters(name))

    def apply(self, name: str = MAIN) -> None:
        """Clip the gradients and make the step."""
        if self._settings.clip_norm is not None:
            self.scaler.unscale_(self[name])
            nn.utils.clip_grad_norm_(self.parameters(name), self._settings.clip_norm)
        self.scaler.step(self[name])

    def state(self) -> dict[str, dict[str, Any]]:
        """Return what a checkpoint needs, by name."""
        return {name: optimiser.state_dict() for name, optimiser in self.by_name.items()}

    def load_state(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what a checkpoint holds."""
        for name, optimiser in self.by_name.items():
            optimiser.load_state_dict(dict(state[name]))


def _build(parameters: list[dict[str, Any]], settings: TrainSettings) -> torch.optim.Optimizer:
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
        )
    return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(update: int, n_updates: int, settings: TrainSettings) -> float:
    """Return the learning rate of update 0..n_updates-1.

    A linear warm-up over the first `warmup` share, then: cosine to 0, linear to 0, a tenth after 1/2 and a hundredth
    after 3/4 (step), or constant.
    """
    warm = int(settings.warmup * n_updates)
    if update < warm:
        return settings.lr * (update + 1) / (warm + 1)
    share = (update - warm) / max(1, n_updates - warm)
    factor = {
        "cosine": 0.5 * (1 + math.cos(math.pi * share)),
        "linear": 1 - share,
        "step": 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01,
        "constant": 1.0,
    }[settings.schedule]
    return settings.lr * factor
