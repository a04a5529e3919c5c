"""The training loop, one straight file. Methods give it a task and, if they must, an objective."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.console import progress as progress_bar
from everygroup.errors import OutputError, TrainingError
from everygroup.files import hash_json
from everygroup.imaging.augment import AUGMENTATIONS
from everygroup.networks import (
    Adapted,
    Classifier,
    NetworkSpec,
    adapter_record,
    build_network,
    logits_of,
    resolve_backbone,
)
from everygroup.settings import TrainSettings
from everygroup.training.batches import PixelSource, index_batches
from everygroup.training.checkpoint import (
    Progress,
    StateDict,
    copy_state,
    load_checkpoint,
    load_network,
    save_checkpoint,
    save_network,
)
from everygroup.training.device import repeatable, resolve_device, seed_torch
from everygroup.training.optimiser import build_optimiser, learning_rate
from everygroup.training.predict import predict_logits
from everygroup.training.selection import ValidationPredictions, non_dominated, selection_rule
from everygroup.training.task import Task

_ALGORITHM = 1  # raise it when the same task and settings train another network, so that no old one is served


@dataclass(frozen=True)
class Batch:
    """One update's samples: targets (B,), loss weights (B,) or (B, G), group (B,) and sample index (B,)."""

    y: torch.Tensor
    weight: torch.Tensor
    group: torch.Tensor
    index: np.ndarray


Objective = Callable[[nn.Module, torch.Tensor, Batch, TrainSettings], torch.Tensor]


def sample_losses(network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
    """CE(f(x_i), y_i) of every sample of the batch, (B,)."""
    logits = logits_of(network, x, batch.group)
    return F.cross_entropy(logits, batch.y, reduction="none", label_smoothing=settings.label_smoothing)


def weighted_cross_entropy(network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
    """(1/B) sum_i w_i CE(f(x_i), y_i)."""
    losses = sample_losses(network, x, batch, settings)
    return (losses * batch.weight).mean()


def batch_normalised_cross_entropy(
    network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings
) -> torch.Tensor:
    """sum_i w_i CE(f(x_i), y_i) / sum_i w_i over the batch."""
    losses = sample_losses(network, x, batch, settings)
    return (losses * batch.weight).sum() / batch.weight.sum().clamp_min(1e-12)  # a batch may hold weights 0 only


@dataclass(frozen=True)
class Trained:
    """A trained network and how it came about.

    Attributes
    ----------
    network : Classifier or Adapted
        In eval mode, on the CPU, with the weights of the chosen epoch.
    spec : NetworkSpec
        How to build it again.
    log : list of dict
        One record an epoch.
    selected_epoch : int
        Counted from 1.
    updates : int
        Updates made.
    key : str
        Content hash of task, settings and initial weights.
    """

    network: Classifier | Adapted
    spec: NetworkSpec
    log: list[dict[str, Any]]
    selected_epoch: int
    updates: int
    key: str

    def answering(self, group: int | None = None) -> Trained:
        """Return the plain network that answers for a group (None: unknown), of a network that takes groups."""
        if not isinstance(self.network, Adapted):
            return self
        network = self.network.answering(group).eval()
        return replace(self, network=network, spec=replace(self.spec, adapter=adapter_record(network)))


def train(
    task: Task,
    settings: TrainSettings,
    *,
    folder: Path | None = None,
    n_budget: int | None = None,
    objective: Objective = weighted_cross_entropy,
    initial: StateDict | None = None,
    adapter: dict[str, Any] | None = None,
    on_epoch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Trained:
    """Train one network.

    Parameters
    ----------
    task : Task
        Samples, targets and weights.
    settings : TrainSettings
        Everything else.
    folder : Path, optional
        Where checkpoints and the result go, one folder a training. A finished result is read back; an unfinished one
        goes on from its last epoch, to bit-identical results on a CPU.
    n_budget : int, optional
        Number of training samples that sets the number of updates (default: the task's own). Methods pass the size of
        the whole training cohort, so that a model of one group gets the same number of updates.
    objective : callable
        (network, x, batch, settings) -> scalar loss. A function, or a frozen dataclass whose fields are its
        hyper-parameters.
    initial : state dict, optional
        Weights to start from (warm start) instead of the seed's.
    adapter : dict, optional
        Name and options of what is made of the backbone, see `everygroup.networks.Adapted`.
    on_epoch : callable, optional
        Called with the log after every epoch.

    Raises
    ------
    TrainingError
        If the loss stops being finite.
    OutputError
        If the folder holds another training, or cannot be written.
    """
    per_epoch = settings.updates_per_epoch(n_budget or len(task.train))
    n_updates = settings.n_updates(n_budget or len(task.train))
    n_epochs = -(-n_updates // per_epoch)
    spec = NetworkSpec(
        resolve_backbone(settings.backbone, task.train.sample_shape),
        len(task.outputs),
        task.train.sample_shape,
        settings.small_stem,
        adapter,
    )
    key = training_key(task, settings, n_updates, per_epoch, objective, initial, adapter)
    if folder is not None and (folder / "network.safetensors").exists():
        trained = load_trained(folder)
        _check_key(trained.key, key, folder)
        return trained

    device = resolve_device(settings.device)
    rule = selection_rule(settings.selection)
    augment = AUGMENTATIONS[settings.augment]
    with repeatable(settings.deterministic):
        seed_torch(settings.seed)
        network = build_network(spec, pretrained=settings.pretrained)
        if initial is not None:
            network.load_state_dict(initial)
        layout = (
            torch.channels_last if settings.channels_last and len(spec.sample_shape) == 3 else torch.preserve_format
        )
        network = network.to(device).to(memory_format=layout)  # type: ignore[call-overload]
        optimiser = build_optimiser(network, settings)
        scaler = torch.amp.GradScaler(device.type, enabled=settings.amp == "fp16" and device.type == "cuda")
        state = Progress(key)
        checkpoint = folder / "checkpoint.safetensors" if folder is not None else None
        if checkpoint is not None and checkpoint.exists():
            state, scaler_state = load_checkpoint(checkpoint, network, optimiser)
            _check_key(state.key, key, checkpoint.parent)
            scaler.load_state_dict(scaler_state)

        source = PixelSource(task.train, device)
        y = torch.from_numpy(task.y_train).to(device)
        group = torch.from_numpy(task.train.group).to(device)
        loss_weights, probabilities = weights_and_sampler(task, settings)
        weight = torch.tensor(loss_weights, dtype=torch.float32, device=device)
        amp = {"off": None, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.amp]

        with progress_bar(n_updates, task.name) as advance:
            advance(min(state.epoch * per_epoch, n_updates))
            for epoch in range(state.epoch, n_epochs):
                started = time.perf_counter()
                first, last = epoch * per_epoch, min((epoch + 1) * per_epoch, n_updates)
                seed_torch(settings.seed, epoch + 1)
                network.train()
                total = torch.zeros((), device=device)
                indices = index_batches(
                    len(task.train),
                    settings.batch_size,
                    settings.seed,
                    start=first,
                    stop=last,
                    probabilities=probabilities,
                )
                for update, (index, stored) in enumerate(source.stream(indices), start=first):
                    rate = learning_rate(update, n_updates, settings)
                    for part in optimiser.param_groups:
                        part["lr"] = rate * part.get("lr_scale", 1.0)
                    x = augment(source.floats(stored)).contiguous(memory_format=layout)
                    where = torch.from_numpy(index).to(device)
                    batch = Batch(y[where], weight[where], group[where], index)
                    with torch.autocast(device.type, dtype=amp, enabled=amp is not None):
                        loss = objective(network, x, batch, settings)
                    optimiser.zero_grad(set_to_none=True)
                    scaler.scale(loss).backward()
                    if settings.clip_norm is not None:
                        scaler.unscale_(optimiser)
                        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
                    scaler.step(optimiser)
                    scaler.update()
                    if isinstance(network, Adapted):
                        network.constrain()
                    total += loss.detach()
                    advance(1)

                train_loss = float(total) / (last - first)
                if not np.isfinite(train_loss):
                    raise TrainingError(
                        f"{task.name}: the training loss became {train_loss} in epoch {epoch + 1}.",
                        fix="lower --lr, or switch mixed precision off with --amp off",
                    )
                seen = validate(network, task, settings, device)
                values = [float(v) for v in rule.values(seen)]
                state.history.append([float(epoch)] if rule.name == "last" else values)
                keep = non_dominated(state.history)
                state.candidates = {e: s for e, s in state.candidates.items() if e in keep}
                if epoch in keep:
                    state.candidates[epoch] = copy_state(network)
                state.epoch = epoch + 1
                state.log.append(
                    {
                        "model": task.name,
                        "epoch": epoch + 1,
                        "updates": last,
                        "lr": optimiser.param_groups[0]["lr"],
                        "train_loss": train_loss,
                        "validation_loss": seen.loss,
                        "validation_accuracy": seen.accuracy(),
                        "validation_macro_f1": seen.macro_f1(),
                        "validation_worst_group_f1": float(seen.group_f1().min()),
                        "seconds": round(time.perf_counter() - started, 3),
                    }
                )
                if checkpoint is not None and state.epoch < n_epochs:
                    save_checkpoint(checkpoint, state, network, optimiser, scaler.state_dict())
                if on_epoch is not None:
                    on_epoch(state.log)

    chosen = rule.choose(state.history)
    weights = state.candidates[chosen]
    header = {
        "spec": spec.to_dict(),
        "outputs": list(task.outputs),
        "log": state.log,
        "selected_epoch": chosen + 1,
        "updates": n_updates,
        "key": key,
    }
    if folder is not None:
        save_network(folder / "network.safetensors", weights, header)
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    network = build_from(spec, weights)
    return Trained(network, spec, state.log, chosen + 1, n_updates, key)


def _check_key(found: str, key: str, folder: Path) -> None:
    """Refuse to go on with, or to return, what was trained from other data or with other settings."""
    if found != key:
        raise OutputError(
            f"{folder} holds a network of other data or settings.",
            fix="choose another --out folder, or delete this one",
        )


def load_trained(folder: Path) -> Trained:
    """Read a finished network back."""
    weights, header = load_network(folder / "network.safetensors")
    spec = NetworkSpec.from_dict(header["spec"])
    return Trained(
        build_from(spec, weights), spec, header["log"], header["selected_epoch"], header["updates"], header["key"]
    )


def build_from(spec: NetworkSpec, weights: StateDict) -> Classifier | Adapted:
    """Build a network in eval mode with given weights, leaving torch's random state alone."""
    with torch.random.fork_rng(devices=[]):
        network = build_network(spec)
    network.load_state_dict(weights)
    return network.eval()


def training_key(
    task: Task,
    settings: TrainSettings,
    n_updates: int,
    per_epoch: int,
    objective: Objective = weighted_cross_entropy,
    initial: StateDict | None = None,
    adapter: dict[str, Any] | None = None,
) -> str:
    """Hash everything the trained network depends on, and nothing else (not the device, not the name)."""
    values = settings.model_dump(exclude={"device", "epochs", "updates"})
    # a dataclass shows its hyper-parameters
    name = repr(objective) if is_dataclass(objective) else getattr(objective, "__qualname__", "")
    name = f"{objective.__module__}.{name}"
    start = None
    if initial is not None:
        from everygroup.files import hash_array

        start = [hash_array(v.numpy()) for v in initial.values()]
    more = [] if adapter is None else [adapter]
    return hash_json([_ALGORITHM, task.hash, values, n_updates, per_epoch, name, start, *more])


def weights_and_sampler(task: Task, settings: TrainSettings) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the loss weight of each training sample and, when batches are drawn, the drawing probabilities."""
    n = len(task.train)
    weights = np.ones(n) if task.weights is None else np.asarray(task.weights, dtype=float)
    count = np.bincount(task.y_train, minlength=len(task.outputs)).astype(float)[task.y_train]
    if settings.class_weighting != "none":
        by_class = 1 / count if settings.class_weighting == "balanced" else count**-0.5
        scale = by_class / by_class.mean()
        weights = weights * (scale if weights.ndim == 1 else scale[:, None])
    probabilities = {"shuffle": None, "replacement": np.ones(n), "class_balanced": 1 / count}[settings.sampler]
    if task.probabilities is not None:
        probabilities = task.probabilities * (1.0 if probabilities is None else probabilities)
    return weights, probabilities


def validate(network: nn.Module, task: Task, settings: TrainSettings, device: torch.device) -> ValidationPredictions:
    """Predict the validation cohort with the network as it stands."""
    logits = predict_logits(network, task.validation, device=device)
    y = torch.from_numpy(task.y_validation)
    loss = float(F.cross_entropy(logits, y))
    return ValidationPredictions(task.y_validation, logits.softmax(1).numpy(), task.validation.group, loss)
