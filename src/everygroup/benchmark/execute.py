"""One job in its own folder: finished once and for all, or failed with its reason, while others go on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from everygroup.benchmark.cohorts import open_split
from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder, first_line
from everygroup.benchmark.job_gaps import gap_rows
from everygroup.benchmark.measure import long_rows
from everygroup.benchmark.run_folder import environment
from everygroup.benchmark.shared_store import only_one
from everygroup.benchmark.trial import Trial
from everygroup.benchmark.weight_facts import write_weight_facts
from everygroup.console import clear_warnings, console, recorded_warnings
from everygroup.files import atomic_path, write_json
from everygroup.methods import create_method
from everygroup.methods.imported import import_again
from everygroup.predictions import Predictions
from everygroup.settings import write_config
from everygroup.training import RunLog

State = Literal["finished", "failed", "there"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: 'finished' now, 'failed', or 'there' (finished before); the reason of a failure."""

    id: str
    state: State
    seconds: float
    message: str = ""


def run_job(job: Job, out: Path) -> Outcome:
    """Run a job, unless it is finished; whatever goes wrong is written into its folder, and nothing is raised.

    The folder holds config.yaml, log.csv, predictions.csv (validation; and test if it is no search), metrics.csv,
    gaps.csv, where samples were weighted weight_summary.csv, weight_sources.csv and weight_tests.csv, cost.json,
    environment.json and, last, done; or failed.json. One thread: results do not depend on how many jobs run.
    """
    started = time.perf_counter()
    folder = JobFolder(job, out)
    with _calm(), only_one(out / "store" / "locks" / f"job-{job.id}.lock"):
        if folder.done:
            return Outcome(job.id, "there", 0.0)
        try:
            folder.begin()
            _run(folder)
            folder.finish()
            outcome = Outcome(job.id, "finished", time.perf_counter() - started)
        except Exception as error:
            folder.fail(error)
            outcome = Outcome(job.id, "failed", time.perf_counter() - started, first_line(error))
        folder.end()
    return outcome


def _run(folder: JobFolder) -> None:
    """Run the job's trial, and write what it left."""
    job, path, out = folder.job, folder.path, folder.out
    import_again(job.imports)
    write_config(path / "config.yaml", {"id": job.id, **job.config})
    cohort, split = open_split(job.cohort, job.attribute, job.seed, out / "splits")
    trial = Trial(cohort, split, create_method(job.method, job.hyperparameters), job.settings)
    parts = ("validation",) if job.stage == "search" else ("validation", "test")
    fitted = trial.run(out / "store", RunLog(path), parts=parts)
    answers = fitted.predictions
    assert isinstance(answers, Predictions)  # `make_plan` takes no other target
    answers.to_csv(path / "predictions.csv")
    _write_rows(long_rows(answers, job.attribute), path / "metrics.csv")
    if job.stage == "final":
        _write_rows(gap_rows(answers), path / "gaps.csv")
        if fitted.model.weights is not None:
            write_weight_facts(fitted.model.weights, split.train, path)
    if chosen := fitted.model.info.get("chosen"):
        write_json(path / "chosen.json", chosen)
    write_json(path / "cost.json", fitted.cost)
    write_json(path / "environment.json", {**environment(), **trial.about, "warnings": recorded_warnings()})


def _write_rows(table: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


@contextmanager
def _calm() -> Iterator[None]:
    """One torch thread, a silent console and no progress bars, as a worker beside others should be."""
    import torch

    threads, quiet, ci = torch.get_num_threads(), console.quiet, os.environ.get("CI")
    torch.set_num_threads(1)
    console.quiet, os.environ["CI"] = True, "1"
    clear_warnings()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        console.quiet = quiet
        clear_warnings()
        if ci is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = ci
