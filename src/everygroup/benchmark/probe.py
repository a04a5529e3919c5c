"""How long a plan will take here: a few updates are timed, and the rest is multiplied."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from everygroup.benchmark.cohorts import open_split
from everygroup.benchmark.plan import Job, Plan
from everygroup.cohort import Split
from everygroup.methods import method_class
from everygroup.settings import TrainSettings

PROBE_UPDATES = 6
_SEARCHED = 32  # images whose boundary distance is timed


@dataclass(frozen=True)
class Speed:
    """Measured seconds of one update, of predicting one image, and of one image's boundary distance."""

    update: float
    predict: float
    distance: float


def probe(job: Job) -> Speed:
    """Train the job's plain network for a few updates on its own cohort, on one thread, and time it."""
    _, split = open_split(job.cohort, job.attribute, job.seed)
    return time_training(split, job.settings)


def time_training(split: Split, settings: TrainSettings) -> Speed:
    """Train a plain network for a few updates on the training part, on one thread, and time it."""
    import torch

    from everygroup.boundary import minimal_perturbation
    from everygroup.imaging.tensors import to_input
    from everygroup.training import Task, predict_logits, resolve_device, train

    device = resolve_device(settings.device)
    task = Task.diagnosis("probe", split.train, split.validation)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(task, settings.but(updates=1))  # what happens only once: kernels, caches
        started = time.perf_counter()
        trained = train(task, settings.but(updates=1 + PROBE_UPDATES, selection="last"))
        took = time.perf_counter() - started
        started = time.perf_counter()
        network = trained.network.to(device)
        predict_logits(network, split.validation, device=device)
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


def seconds_of(job: Job, speed: Speed, n_train: int, n_validation: int) -> float:
    """Return the expected seconds of a job that finds nothing ready: at most, since networks are shared."""
    networks = job.updates / max(1, job.updates_per_network)
    epochs = job.updates_per_network / job.settings.updates_per_epoch(n_train)
    seconds = job.updates * speed.update + networks * epochs * n_validation * speed.predict
    if "search_preset" in method_class(job.method).defaults():
        seconds += 2 * job.groups * n_train * speed.distance
    return seconds


def shared_seconds(jobs: Sequence[Job], speed: Speed) -> float:
    """Return what is saved because SPARE's first networks are those of the group models of the same seed."""
    own = {(*job.cell[:3], job.seed, job.stage) for job in jobs if job.method == "group_model"}
    users = [job for job in jobs if job.method == "spare" and (*job.cell[:3], job.seed, job.stage) in own]
    return sum(job.groups * job.updates_per_network * speed.update for job in users)


def expected_seconds(plan: Plan) -> tuple[float, float]:
    """Return the seconds of one core that a plan should and at most can take.

    One probe for every cohort, attribute and backbone. The upper value trains every network anew; the lower one leaves
    out those that are known to be shared.
    """
    high = saved = 0.0
    jobs = plan.all
    for key in dict.fromkeys(job.cell[:3] for job in jobs):
        here = [job for job in jobs if job.cell[:3] == key]
        facts, speed = plan.facts[key[:2]], probe(here[0])
        high += sum(seconds_of(job, speed, facts.n_train, facts.n_validation) for job in here)
        saved += shared_seconds(here, speed)
    return high - saved, high
