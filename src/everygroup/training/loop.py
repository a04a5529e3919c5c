"""The training loop, one straight file. Methods give it a task and a learner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.console import progress as progress_bar
from everygroup.console import warn
from everygroup.errors import OutputError, SettingsError, TrainingError
from everygroup.files import hash_file, hash_json
from everygroup.imaging.augment import AUGMENTATIONS
from everygroup.networks.predict import output_batches
from everygroup.networks.weights import content_of
from everygroup.settings import TrainSettings
from everygroup.targets import Classes, Target, Truth
from everygroup.training.batches import PixelSource, TruthSource, index_batches
from everygroup.training.checkpoint import (
    Progress,
    copy_state,
    load_network,
    restore,
    save_checkpoint,
    save_network,
)
from everygroup.training.device import repeatable, resolve_device, seed_torch
from everygroup.training.distributed import (
    averaged_buffers,
    from_first,
    gathered,
    norms_of_whole_batches,
    rank,
    share,
    summed,
    world,
)
from everygroup.training.finetune import keep_statistics
from everygroup.training.learner import Batch, Learner
from everygroup.training.optimiser import Optimisers, learning_rate
from everygroup.training.selection import ValidationPredictions, non_dominated, selection_rule
from everygroup.training.task import Task

_ALGORITHM = 2  # raise it when the same task and settings train another network, so that no old one is served


@dataclass(frozen=True)
class Trained:
    """A trained learner and how it came about.

    Attributes
    ----------
    learner : Learner
        In eval mode, on the CPU, with the weights of the chosen epoch.
    target : Target
        What it answers.
    log : list of dict
        One record an epoch.
    selected_epoch : int
        Counted from 1.
    updates : int
        Updates made.
    key : str
        Content hash of task, settings and learner.
    """

    learner: Learner
    target: Target
    log: list[dict[str, Any]]
    selected_epoch: int
    updates: int
    key: str

    @property
    def network(self) -> nn.Module:
        """The network that answers where no group is known, or for everybody."""
        return self.learner.answering(None).eval()

    def answering(self, group: int | None) -> Trained:
        """Return this with the network that answers for a group (None: unknown), and no more."""
        return replace(self, learner=Learner(self.learner.answering(group)).eval())

    @property
    def chosen(self) -> dict[str, Any]:
        """The log's record of the chosen epoch."""
        return self.log[self.selected_epoch - 1]

    @property
    def score(self) -> float:
        """The validation score of the chosen epoch."""
        return float(self.chosen[f"validation_{self.target.score}"])

    def merit(self, selection: str) -> float:
        """What networks with the same validation samples are compared by; larger is better, -inf where undefined."""
        value = -float(self.chosen["validation_loss"]) if selection == "loss" else self.score
        return value if np.isfinite(value) else -np.inf


def train(
    task: Task,
    settings: TrainSettings,
    build: Callable[[], Learner],
    key: str,
    *,
    folder: Path | None = None,
    n_budget: int | None = None,
    on_epoch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> Trained:
    """Train one learner.

    Parameters
    ----------
    task : Task
        Samples, targets and weights.
    settings : TrainSettings
        Everything else.
    build : callable
        Makes the learner with its initial weights; called with torch seeded.
    key : str
        Content hash of all the result depends on, see `training_key`.
    folder : Path, optional
        Where checkpoints and the result go, one folder a training. A finished result is read back; an unfinished one
        goes on from its last epoch, to bit-identical results on a CPU.
    n_budget : int, optional
        Number of training samples that sets the number of updates (default: the task's own). Methods pass the size of
        the whole training cohort, so that a model of one group gets the same number of updates.
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
    if from_first(lambda: folder is not None and (folder / "learner.safetensors").exists()):
        return read_back(folder, build, task.target, settings, key)

    device = resolve_device(settings.device)
    rule = selection_rule(settings.selection)
    rule.check(task.target)
    augment = AUGMENTATIONS[settings.augment]
    image = len(task.train.sample_shape) == 3
    with repeatable(settings.deterministic):
        seed_torch(settings.seed)
        learner = build()
        layout = torch.channels_last if settings.channels_last and image else torch.preserve_format
        learner = learner.to(device).to(memory_format=layout)  # type: ignore[call-overload]
        half = settings.amp == "fp16" and device.type == "cuda"
        optimisers = Optimisers(learner, settings, scaled=device.type if half else "")
        state = Progress(key)
        checkpoint = folder / "checkpoint.safetensors" if folder is not None else None
        if from_first(lambda: checkpoint is not None and checkpoint.exists()):
            state = restore(*from_first(lambda: load_network(Path(str(checkpoint)))), learner, optimisers)
            _check_key(state.key, key, folder)

        source, truth = PixelSource(task.train, device), TruthSource(task.y_train, device)
        group = torch.from_numpy(task.train.group).to(device)
        loss_weights, probabilities = weights_and_sampler(task, settings)
        weight = torch.tensor(loss_weights, dtype=torch.float32, device=device)
        amp = {"off": None, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.amp]

        optimisers.share = 1 / world()
        there = min(state.epoch * per_epoch, n_updates)
        norms = norms_of_whole_batches(learner if learner.shared else None)
        with norms, progress_bar(n_updates, task.name, done=there) as advance:
            for epoch in range(state.epoch, n_epochs):
                started = time.perf_counter()
                first, last = epoch * per_epoch, min((epoch + 1) * per_epoch, n_updates)
                seed_torch(settings.seed, epoch + 1)
                learner.train()
                keep_statistics(learner, settings)
                total = torch.zeros((), device=device)
                indices = index_batches(
                    len(task.train),
                    settings.batch_size,
                    settings.seed,
                    start=first,
                    stop=last,
                    probabilities=probabilities,
                    strata=task.strata,
                )
                for update, (index, stored) in enumerate(source.stream(indices), start=first):
                    alone = update < settings.head_warmup * n_updates
                    optimisers.set_rate(learning_rate(update, n_updates, settings), head_alone=alone)
                    x, y = task.target.augmented(augment, source.floats(stored), truth[index])
                    x = x.contiguous(memory_format=layout)
                    partner = None
                    if learner.views != 1:
                        x, partner = _views(learner, x, index, source, augment, settings.seed, update)
                    if world() > 1 and learner.shared:
                        part = share(len(index))
                        optimisers.share = len(index[part]) / len(index)
                        x, y, index = x[part], y[part], index[part]
                    where = torch.from_numpy(index).to(device)
                    batch = Batch(
                        y,
                        weight[where],
                        group[where],
                        index,
                        task.target,
                        task.train,
                        settings.label_smoothing,
                        partner,
                    )
                    learner.before_update(batch)
                    with torch.autocast(device.type, dtype=amp, enabled=amp is not None):
                        loss = learner.loss(x, batch)
                    learner.update(loss, optimisers)
                    learner.after_update(batch)
                    averaged_buffers(learner)
                    first_loss = loss if isinstance(loss, torch.Tensor) else next(iter(loss.values()))
                    total += first_loss.detach() * optimisers.share
                    advance(1)

                summed([total])
                train_loss = float(total) / (last - first)
                if not np.isfinite(train_loss):
                    raise TrainingError(
                        f"{task.name}: the training loss became {train_loss} in epoch {epoch + 1}.",
                        fix="lower --lr, or switch mixed precision off with --amp off",
                    )
                seen = judged(learner, task.target, task.validation, device, task.y_validation)
                learner.after_epoch(seen.loss)
                values = [float(v) for v in rule.values(seen)]
                state.history.append([float(epoch)] if rule.name == "last" else values)
                keep = non_dominated(state.history)
                state.candidates = {e: s for e, s in state.candidates.items() if e in keep}
                if epoch in keep:
                    state.candidates[epoch] = copy_state(learner)
                state.epoch = epoch + 1
                state.log.append(
                    {
                        "model": task.name,
                        "epoch": epoch + 1,
                        "updates": last,
                        "lr": optimisers["main"].param_groups[0]["lr"],
                        "train_loss": train_loss,
                        "validation_loss": seen.loss,
                        **({"validation_accuracy": seen.accuracy()} if isinstance(task.target, Classes) else {}),
                        f"validation_{task.target.score}": seen.score(),
                        f"validation_worst_group_{task.target.score}": seen.worst_group_score(),
                        "seconds": round(time.perf_counter() - started, 3),
                    }
                )
                if checkpoint is not None and state.epoch < n_epochs and rank() == 0:
                    save_checkpoint(checkpoint, state, learner, optimisers)
                if on_epoch is not None:
                    on_epoch(state.log)

    chosen = rule.choose(state.history)
    if rule.by_score and np.isnan(state.log[chosen][f"validation_{task.target.score}"]):
        warn(f"{task.name}: {task.target.score} is undefined on its validation samples; their loss chose the epoch.")
    learner = learner.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    learner.load_state_dict(state.candidates[chosen])
    if folder is not None and rank() == 0:
        header = {"log": state.log, "selected_epoch": chosen + 1, "updates": n_updates, "key": key}
        save_network(folder / "learner.safetensors", state.candidates[chosen], header)
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return Trained(learner.eval(), task.target, state.log, chosen + 1, n_updates, key)


def _views(
    learner: Learner,
    x: torch.Tensor,
    index: np.ndarray,
    source: PixelSource,
    augment: Callable[[torch.Tensor], torch.Tensor],
    seed: int,
    update: int,
) -> tuple[torch.Tensor, np.ndarray | None]:
    """Return (views, B, ...) images; of pairs, also who the partners are."""

    def more() -> Iterator[torch.Tensor]:
        for _ in range(int(learner.views) - 1):
            yield augment(source.floats(source.stored(index)))

    if learner.views == "pairs":
        partner = learner.partners(index, np.random.default_rng([seed, 6, update]))
        return torch.stack([x, augment(source.floats(source.stored(partner)))]), partner
    return torch.stack([x, *more()]), None


def _check_key(found: str, key: str, folder: Path | None) -> None:
    """Refuse to go on with, or to return, what was trained from other data or with other settings."""
    if found != key:
        raise OutputError(
            f"{folder} holds a network of other data or settings.",
            fix="choose another --out folder, or delete this one",
        )


def read_back(
    folder: Path | None, build: Callable[[], Learner], target: Target, settings: TrainSettings, key: str
) -> Trained:
    """Read a finished learner back, leaving torch's random state alone."""
    weights, header = from_first(lambda: load_network(Path(str(folder)) / "learner.safetensors"))
    _check_key(header["key"], key, folder)
    with torch.random.fork_rng(devices=[]):
        seed_torch(settings.seed)
        learner = build()
    learner.load_state_dict(weights)
    return Trained(learner.eval(), target, header["log"], header["selected_epoch"], header["updates"], header["key"])


def training_key(task: Task, settings: TrainSettings, n_budget: int, learner: Any) -> str:
    """Hash everything a trained learner depends on, and nothing else (not the device, not the name).

    `learner` says how it is built, JSON-able: its method and hyper-parameters.
    """
    values = settings.model_dump(exclude={"device", "epochs", "updates", "weights"})
    if settings.weights is not None:  # what is in the file counts, not where it lies
        values["weights"] = hash_file(settings.weights)
    elif settings.pretrained and (content := content_of(settings.backbone)):
        values["weights"] = content  # another version of the package has other weights
    budget = [settings.n_updates(n_budget), settings.updates_per_epoch(n_budget)]
    return hash_json([_ALGORITHM, task.hash, values, *budget, learner])


def weights_and_sampler(task: Task, settings: TrainSettings) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the loss weight of each training sample and, when batches are drawn, the drawing probabilities."""
    n = len(task.train)
    weights = np.ones(n) if task.weights is None else np.asarray(task.weights, dtype=float)
    strata = task.target.strata(task.y_train)
    if settings.label_smoothing and not task.target.smooths:
        raise SettingsError(f"Target {task.target.name!r} has no labels to smooth.", fix="use label_smoothing=0")
    if strata is None and (settings.class_weighting != "none" or settings.sampler == "class_balanced"):
        raise SettingsError(
            f"Target {task.target.name!r} has no classes to weigh or to draw by.",
            fix="use class_weighting=none and another sampler",
        )
    count = np.ones(n) if strata is None else np.bincount(strata).astype(float)[strata]
    if settings.class_weighting != "none":
        by_class = 1 / count if settings.class_weighting == "balanced" else count**-0.5
        scale = by_class / by_class.mean()
        weights = weights * (scale if weights.ndim == 1 else scale[:, None])
    probabilities = {"shuffle": None, "replacement": np.ones(n), "class_balanced": 1 / count}[settings.sampler]
    if task.probabilities is not None:
        probabilities = task.probabilities * (1.0 if probabilities is None else probabilities)
    return weights, probabilities


def judged(
    network: nn.Module, target: Target, cohort: Cohort, device: torch.device | str = "cpu", truth: Truth | None = None
) -> ValidationPredictions:
    """Predict a cohort with a network as it stands, batch by batch: pictures are not kept.

    `truth` holds the samples' targets, by default those of the cohort. Under torchrun every process takes a part.
    """
    truth = target.truth(cohort) if truth is None else truth
    first = share(len(cohort)).start
    part = cohort if world() == 1 else cohort.where(np.arange(len(cohort))[share(len(cohort))])
    losses, seen = [], []
    for piece, outputs in output_batches(network, part, device=device, batch_size=target.at_once):
        y = np.ascontiguousarray(truth[slice(piece.start + first, piece.start + first + len(outputs))])
        losses.append(target.losses(outputs, torch.from_numpy(y)))
        seen.append(target.seen(y, target.answers(outputs).numpy()))
    each = torch.cat([one for some in gathered(losses) for one in some])
    used = target.used(cohort)
    loss = float((each if used is None else each[torch.from_numpy(used)]).mean())
    known = truth if isinstance(truth, np.ndarray) else np.zeros(len(truth))
    answers = np.concatenate([one for some in gathered(seen) for one in some])
    return ValidationPredictions(known, answers, cohort.group, loss, target)
