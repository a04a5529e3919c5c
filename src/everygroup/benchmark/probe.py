"""How long a plan will take here: a few updates are timed, and the rest is multiplied."""

from __future__ import annotations

from collections.abc import Sequence

from everygroup.benchmark.cohorts import open_split
from everygroup.benchmark.job import Job
from everygroup.benchmark.plan import Plan
from everygroup.benchmark.written import measures_distances
from everygroup.training.speed import Speed, time_training


def probe(job: Job) -> Speed:
    """Train the job's plain network for a few updates on its own cohort, on one thread, and time it."""
    _, split = open_split(job.cohort, job.attribute, job.seed)
    return time_training(split, job.settings)


def seconds_of(job: Job, speed: Speed) -> float:
    """Return the expected seconds of a job that finds nothing ready: at most, since networks are shared."""
    networks = job.updates / max(1, job.updates_per_network)
    epochs = job.updates_per_network / job.settings.updates_per_epoch(job.facts.n_train)
    seconds = job.updates * speed.update + networks * epochs * job.facts.n_validation * speed.predict
    if measures_distances(job.method):
        seconds += 2 * len(job.facts.groups) * job.facts.n_train * speed.distance
    return seconds


def shared_seconds(jobs: Sequence[Job], speed: Speed) -> float:
    """Return what is saved because SPARE's first networks are those of the group models of the same seed."""
    own = {(*job.cell[:3], job.seed, job.stage) for job in jobs if job.method == "group_model"}
    users = [job for job in jobs if job.method == "spare" and (*job.cell[:3], job.seed, job.stage) in own]
    return sum(len(job.facts.groups) * job.updates_per_network * speed.update for job in users)


def expected_seconds(plan: Plan) -> tuple[float, float]:
    """Return the seconds of one core that a plan should and at most can take.

    One probe for every cohort, attribute and backbone. The upper value trains every network anew; the lower one leaves
    out those that are known to be shared.
    """
    high = saved = 0.0
    jobs = plan.all
    for key in dict.fromkeys(job.cell[:3] for job in jobs):
        here = [job for job in jobs if job.cell[:3] == key]
        speed = probe(here[0])
        high += sum(seconds_of(job, speed) for job in here)
        saved += shared_seconds(here, speed)
    return high - saved, high
