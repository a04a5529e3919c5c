"""How fast a plain network trains, answers and is searched here: a few updates are timed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from everygroup.boundary import minimal_perturbation
from everygroup.cohort import Split
from everygroup.imaging.tensors import to_input
from everygroup.networks import predict_outputs
from everygroup.settings import TrainSettings
from everygroup.targets import target_of
from everygroup.training.device import resolve_device
from everygroup.training.plain import train_plain
from everygroup.training.task import Task

PROBE_UPDATES = 6
_SEARCHED = 32  # images whose boundary distance is timed


@dataclass(frozen=True)
class Speed:
    """Measured seconds of one update, of predicting one image, and of one image's boundary distance."""

    update: float
    predict: float
    distance: float


def time_training(split: Split, settings: TrainSettings) -> Speed:
    """Train a plain network for a few updates on the training part, on one thread, and time it."""
    device = resolve_device(settings.device)
    task = Task.diagnosis("probe", target_of(split.train), split.train, split.validation)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_plain(task, settings.but(updates=1))  # what happens only once: kernels, caches
        started = time.perf_counter()
        trained = train_plain(task, settings.but(updates=1 + PROBE_UPDATES, selection="last"))
        took = time.perf_counter() - started
        started = time.perf_counter()
        network = trained.network.to(device)
        predict_outputs(network, split.validation, device=device)
        predicting = (time.perf_counter() - started) / len(split.validation)
        first = split.train.where(range(min(_SEARCHED, len(split.train))))
        images = to_input(torch.from_numpy(first.batch(slice(None)).copy())).to(device)
        started = time.perf_counter()
        minimal_perturbation(network, images)
        searching = (time.perf_counter() - started) / len(first)
    finally:
        torch.set_num_threads(threads)
    epochs = -(-(1 + PROBE_UPDATES) // settings.updates_per_epoch(len(split.train)))
    update = max(1e-6, took - epochs * predicting * len(split.validation)) / (1 + PROBE_UPDATES)
    return Speed(update, predicting, searching)
