"""Linear heads on vectors: solved exactly for every penalty and every candidate's weights, one chosen on validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from everygroup.networks import NetworkSpec
from everygroup.settings import TrainSettings
from everygroup.targets import Classes, Target
from everygroup.training.checkpoint import copy_state, save_network
from everygroup.training.convex import logistic_heads
from everygroup.training.learner import Learner
from everygroup.training.loop import Trained, read_back, weights_and_sampler
from everygroup.training.selection import ValidationPredictions, selection_rule
from everygroup.training.task import Task

_AT_ONCE = 1 << 24  # logits of one batch of fits


def solved(spec: NetworkSpec, target: Target, settings: TrainSettings) -> bool:
    """Tell whether a plain network is a linear head that is solved rather than trained."""
    return spec.backbone == "linear" and isinstance(target, Classes) and settings.optimiser == "auto"


def train_heads(
    task: Task,
    settings: TrainSettings,
    build: Callable[[], Learner],
    key: str,
    *,
    candidates: Mapping[str, np.ndarray] | None = None,
    folder: Path | None = None,
) -> Trained:
    """Solve a linear head for every candidate's weights and every penalty of `settings.l2`; validation chooses one.

    The penalty is that of features that are centred and divided by one number, the root of their mean variance: so it
    means the same whatever unit a backbone's features have, and their relative sizes stay as they are.

    Parameters
    ----------
    task : Task
        Its weights and drawing probabilities multiply those of the candidates.
    settings : TrainSettings
        `selection` chooses among penalties and candidates as among epochs, the strongest penalty first; the last of
        all is the weakest.
    build : callable
        Makes the learner of a plain linear network.
    key, folder
        As in `everygroup.training.train`.
    candidates : mapping of str to (n_train,)
        Sample weights by name; one candidate with equal weights if not given.

    Returns
    -------
    Trained
        Its log has a record for each fit: `l2`, and `candidate`, the name of the weights.
    """
    if folder is not None and (folder / "learner.safetensors").exists():
        return read_back(folder, build, task.target, settings, key)
    started = time.perf_counter()
    rule = selection_rule(settings.selection)
    rule.check(task.target)
    tried = candidates or {"": np.ones(len(task.train))}
    weight, probabilities = weights_and_sampler(task, settings)
    if probabilities is not None:
        weight = weight * probabilities
    if task.strata is not None:
        weight = weight * evened(task.strata)
    x, unseen = (part.batch(slice(None)).astype(np.float64) for part in (task.train, task.validation))
    centre = x.mean(0)
    unit = float(np.sqrt(((x - centre) ** 2).mean())) or 1.0
    penalties = sorted(settings.l2, reverse=True)
    columns = np.stack([weight * own for own in tried.values()], 1)
    n_classes = task.target.n_outputs
    truth = _smoothed(task.y_train[:], n_classes, settings.label_smoothing)
    heads, biases, losses = [], [], []
    step = max(1, _AT_ONCE // (len(x) * n_classes * len(penalties)))
    for start in range(0, columns.shape[1], step):
        part = np.repeat(columns[:, start : start + step], len(penalties), 1)
        l2 = np.tile(penalties, part.shape[1] // len(penalties))
        solution = logistic_heads((x - centre) / unit, truth, part, l2)
        heads.append(solution.weight / unit)
        biases.append(solution.bias - heads[-1] @ centre)
        losses.append(solution.loss)
    head, bias = np.concatenate(heads), np.concatenate(biases)
    train_loss, names = np.concatenate(losses), [name for name in tried for _ in penalties]
    history, log = [], []
    for i, name in enumerate(names):
        seen = _judged(unseen @ head[i].T + bias[i], task)
        history.append([float(i)] if rule.name == "last" else [float(v) for v in rule.values(seen)])
        log.append(
            {
                "model": task.name,
                "epoch": i + 1,
                "updates": 0,
                "lr": 0.0,
                "l2": penalties[i % len(penalties)],
                "candidate": name,
                "train_loss": float(train_loss[i]),
                "validation_loss": seen.loss,
                "validation_accuracy": seen.accuracy(),
                f"validation_{task.target.score}": seen.score(),
                f"validation_worst_group_{task.target.score}": seen.worst_group_score(),
                "seconds": 0.0,
            }
        )
    chosen = rule.choose(history)
    log[chosen]["seconds"] = round(time.perf_counter() - started, 3)
    with torch.random.fork_rng(devices=[]):
        learner = build()
    layer: Any = learner.net.head
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head[chosen]))
        layer.bias.copy_(torch.from_numpy(bias[chosen]))
    if folder is not None:
        header = {"log": log, "selected_epoch": chosen + 1, "updates": 0, "key": key}
        save_network(folder / "learner.safetensors", copy_state(learner), header)
    return Trained(learner.eval(), task.target, log, chosen + 1, 0, key)


def _smoothed(y: np.ndarray, n_classes: int, smoothing: float) -> np.ndarray:
    truth: np.ndarray = np.eye(n_classes)[y] * (1 - smoothing) + smoothing / n_classes
    return truth


def _judged(logits: np.ndarray, task: Task) -> ValidationPredictions:
    outputs, y = torch.from_numpy(logits), task.y_validation[:]
    loss = float(task.target.losses(outputs, torch.from_numpy(y)).mean())
    return ValidationPredictions(y, task.target.answers(outputs).numpy(), task.validation.group, loss, task.target)


def evened(strata: np.ndarray) -> np.ndarray:
    """Return weights (n,) under which all cells count alike, -1 with its share: what stratified batches do on
    average."""
    weight, known = np.ones(len(strata)), strata >= 0
    _, place = np.unique(strata[known], return_inverse=True)
    each = 1 / np.bincount(place)[place] if known.any() else np.ones(0)
    weight[known] = each / each.mean() if known.any() else each
    return weight
