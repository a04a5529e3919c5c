"""One job in its own folder: finished once and for all, or failed with its reason, while others go on."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from everygroup.benchmark.cohorts import open_split
from everygroup.benchmark.cost import count, measured
from everygroup.benchmark.job_gaps import gap_rows
from everygroup.benchmark.measure import long_rows
from everygroup.benchmark.plan import Job
from everygroup.benchmark.run_folder import environment
from everygroup.benchmark.shared_store import SharedStore, only_one
from everygroup.benchmark.weight_facts import write_weight_facts
from everygroup.console import clear_warnings, console, recorded_warnings
from everygroup.errors import EverygroupError
from everygroup.files import atomic_path, read_json, write_json, write_text
from everygroup.methods import create_method
from everygroup.methods.imported import import_again
from everygroup.networks import Classifier, NetworkSpec, build_network, resolve_backbone
from everygroup.settings import write_config
from everygroup.training import RunLog, resolve_device

State = Literal["finished", "failed", "there"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: 'finished' now, 'failed', or 'there' (finished before); the reason of a failure."""

    id: str
    state: State
    seconds: float
    message: str = ""


def folder_of(job: Job, out: Path) -> Path:
    """Return a job's folder."""
    return out / "jobs" / job.folder


def is_done(job: Job, out: Path) -> bool:
    """Tell whether a job's results are complete."""
    return (folder_of(job, out) / "done").exists()


def run_job(job: Job, out: Path) -> Outcome:
    """Run a job, unless it is finished; whatever goes wrong is written into its folder, and nothing is raised.

    The folder holds config.yaml, log.csv, predictions.csv (validation; and test if it is no search), metrics.csv,
    gaps.csv, where samples were weighted weight_summary.csv, weight_sources.csv and weight_tests.csv, cost.json,
    environment.json and, last, done; or failed.json. One thread: results do not depend on how many jobs run.
    """
    started = time.perf_counter()
    folder = folder_of(job, out)
    with _calm(), only_one(out / "store" / "locks" / f"job-{job.id}.lock"):
        if is_done(job, out):
            return Outcome(job.id, "there", 0.0)
        try:
            (folder / "failed.json").unlink(missing_ok=True)
            write_json(folder / "running.json", {"process": os.getpid(), "machine": socket.gethostname()})
            _run(job, folder, out)
            outcome = Outcome(job.id, "finished", time.perf_counter() - started)
        except Exception as error:
            record_failure(job, out, error)
            outcome = Outcome(job.id, "failed", time.perf_counter() - started, _first_line(error))
        (folder / "running.json").unlink(missing_ok=True)
    return outcome


def _run(job: Job, folder: Path, out: Path) -> None:
    import_again(job.imports)
    device = resolve_device(job.settings.device)
    write_config(folder / "config.yaml", {"id": job.id, **job.config})
    cohort, split = open_split(job.cohort, job.attribute, job.seed, out / "splits")
    store = SharedStore(out / "store", RunLog(folder))
    with measured(str(device)) as cost:
        method = create_method(job.method, job.hyperparameters)
        shape = split.train.sample_shape
        backbone = resolve_backbone(job.settings.backbone, shape)
        network = build_network(NetworkSpec(backbone, len(split.train.classes), shape, job.settings.small_stem))
        assert isinstance(network, Classifier)
        method.check_network(network)
        model = method.fit(split.train, split.validation, settings=job.settings, store=store)
        trained_seconds = time.perf_counter()
        parts = split.table["part"].to_numpy()
        wanted = parts == "validation" if job.stage == "search" else parts != "train"
        predictions = model.predict(cohort.where(np.asarray(wanted)), device=device, split=parts[wanted])
        cost["predict_seconds"] = round(time.perf_counter() - trained_seconds, 3)
    predictions.to_csv(folder / "predictions.csv")
    with atomic_path(folder / "metrics.csv") as temporary:
        long_rows(predictions, job.attribute).to_csv(temporary, index=False, lineterminator="\n")
    if job.stage == "final":
        with atomic_path(folder / "gaps.csv") as temporary:
            gap_rows(predictions).to_csv(temporary, index=False, lineterminator="\n")
        if model.weights is not None:
            write_weight_facts(model.weights, split.train, folder)
    planned = {"planned_updates_per_network": job.settings.n_updates(len(split.train))}
    write_json(folder / "cost.json", {**planned, **count(store, model), **cost})
    about = {"device": str(device), "split_hash": split.hash, "cohort_hash": cohort.content_hash}
    write_json(folder / "environment.json", {**environment(), **about, "warnings": recorded_warnings()})
    write_text(folder / "done", f"{job.id}\n")


def failures_of(job: Job, out: Path) -> int:
    """Return how often a job has failed or lost its process, over all sessions."""
    path = folder_of(job, out) / "failures.json"
    return int(read_json(path)["failures"]) if path.exists() else 0


def record_failure(job: Job, out: Path, error: BaseException) -> None:
    """Write failed.json: the message, what to do about it where that is known, and the traceback's text.

    The next attempt removes it; the number of failures stays in failures.json.
    """
    write_json(folder_of(job, out) / "failures.json", {"failures": failures_of(job, out) + 1})
    record: dict[str, Any] = {
        "job": str(job),
        "id": job.id,
        "error": type(error).__name__,
        "message": _first_line(error),
        "fix": error.fix if isinstance(error, EverygroupError) else "",
        "traceback": "".join(traceback.format_exception(error)),
    }
    write_json(folder_of(job, out) / "failed.json", record)


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, EverygroupError) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


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
