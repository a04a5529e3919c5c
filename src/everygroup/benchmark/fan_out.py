"""Many jobs at once: processes of this machine, or of a cluster through a joblib backend; Slurm through submitit."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from everygroup.benchmark.execute import Outcome, run_job
from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.orphans import end_with_parent
from everygroup.errors import EverygroupError, SettingsError, TrainingError

CLUSTERS = ("local", "ray", "dask", "slurm")
_LOOK_SECONDS = 0.5
DEATHS = 2  # how often a job may lose its process before it counts as failed


def check_cluster(cluster: str) -> None:
    """Refuse a cluster that is unknown or whose package is not installed, before anything is prepared.

    Raises
    ------
    SettingsError
        With the command that installs it.
    """
    if cluster not in CLUSTERS:
        raise SettingsError(f"--cluster {cluster}.", fix=f"choose one of {', '.join(CLUSTERS)}")
    needed = {"ray": "ray.util.joblib", "dask": "distributed", "slurm": "submitit"}.get(cluster)
    if needed is not None:
        _extra(needed, cluster)


def _extra(module: str, cluster: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"--cluster {cluster} needs the package {module.split('.')[0]} ({error}).",
            fix=f"pip install 'everygroup[{cluster}]'",
        ) from None


def fan_out(
    jobs: Sequence[Job],
    out: Path,
    *,
    n_jobs: int = 1,
    cluster: str = "local",
    options: Mapping[str, Any] | None = None,
) -> Iterator[Outcome]:
    """Run jobs, and yield how each ended as soon as it does.

    Parameters
    ----------
    jobs : sequence of Job
        Started in this order.
    out : Path
        The benchmark's folder; on a cluster, one that every machine sees under the same path.
    n_jobs : int
        Jobs at the same time; each has one thread. On one GPU they share the card.
    cluster : {'local', 'ray', 'dask', 'slurm'}
    options : mapping, optional
        Of ray.init, of distributed.Client, or of submitit's update_parameters.

    A process that dies (out of memory, a lost machine) costs its job an attempt, not the benchmark: those who ran
    beside it and the rest are started again, and a job that has lost its process twice while alone counts as failed.
    """
    if cluster == "slurm":
        yield from _slurm(jobs, out, n_jobs, dict(options or {}))
        return
    if cluster == "local" and n_jobs == 1:
        for job in jobs:
            yield run_job(job, out)
        return
    with _backend(cluster, n_jobs, dict(options or {})) as parallel:
        yield from _until_done(jobs, out, parallel)


def _until_done(
    jobs: Sequence[Job], out: Path, parallel: Callable[[Sequence[Job], Path], Iterator[Outcome]]
) -> Iterator[Outcome]:
    """Run jobs in parallel; when the pool breaks, find out by whom, and go on with the rest in a new one.

    Those who were running are tried again in halves, until the one whose process dies is alone: a death counts against
    nobody else.
    """
    deaths: dict[str, int] = {}
    for job in jobs:
        JobFolder(job, out).end()  # what a killed session left
    batches = [list(jobs)]
    while batches:
        batch = batches.pop(0)
        reported: set[str] = set()
        try:
            for outcome in parallel(batch, out):
                reported.add(outcome.id)
                yield outcome
        except EverygroupError:
            raise
        except Exception as error:
            left = [job for job in batch if job.id not in reported]
            hit = [job for job in left if (folder := JobFolder(job, out)).running and not folder.done]
            hit = hit or left[:1]  # a pool that breaks with nobody running must not break for ever
            for job in hit:
                JobFolder(job, out).end()
            if others := [job for job in left if job not in hit]:
                batches.append(others)
            if len(hit) > 1:
                half = len(hit) // 2
                batches[:0] = [hit[:half], hit[half:]]
                continue
            for job in hit:
                deaths[job.id] = deaths.get(job.id, 0) + 1
                if deaths[job.id] >= DEATHS:
                    yield _lost(job, out, error)
                else:
                    batches.insert(0, [job])


def _lost(job: Job, out: Path, error: Exception) -> Outcome:
    message = f"Its process died {DEATHS} times ({type(error).__name__}: {str(error).strip().splitlines()[:1]})."
    reason = TrainingError(message, fix="it may have run out of memory: use fewer --jobs")
    JobFolder(job, out).fail(reason)
    return Outcome(job.id, "failed", 0.0, message)


@contextmanager
def _backend(
    cluster: str, n_jobs: int, options: dict[str, Any]
) -> Iterator[Callable[[Sequence[Job], Path], Iterator[Outcome]]]:
    """Give a function that runs jobs on joblib with the backend of a cluster."""
    import joblib

    def run(jobs: Sequence[Job], out: Path) -> Iterator[Outcome]:
        pool = joblib.Parallel(n_jobs=n_jobs, batch_size=1, pre_dispatch="n_jobs", return_as="generator_unordered")
        yield from pool(joblib.delayed(run_job)(job, out) for job in jobs)

    def run_in_ray(jobs: Sequence[Job], out: Path) -> Iterator[Outcome]:
        pool = joblib.Parallel(n_jobs=n_jobs, batch_size=1, pre_dispatch="n_jobs", backend="ray")
        yield from watched(lambda: pool(joblib.delayed(run_job)(job, out) for job in jobs), jobs, out)

    if cluster == "ray":
        ray = _extra("ray", "ray")
        _extra("ray.util.joblib", "ray").register_ray()
        ours = not ray.is_initialized()
        if ours:
            ray.init(**options)
        try:
            yield run_in_ray
        finally:
            if ours:
                ray.shutdown()
    elif cluster == "dask":
        with _extra("distributed", "dask").Client(**options), joblib.parallel_config(backend="dask"):
            yield run
    else:
        watched_by = {"initializer": end_with_parent, "initargs": (os.getpid(),)}
        with one_thread_each(), joblib.parallel_config(backend="loky", inner_max_num_threads=1, **watched_by):
            yield run


def watched(call: Callable[[], list[Outcome]], jobs: Sequence[Job], out: Path) -> Iterator[Outcome]:
    """Yield outcomes as their files appear, for a backend that reports only when all are done, as Ray's."""
    for job in jobs:
        JobFolder(job, out).forget_failure()
    seen: set[str] = set()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call)
        while not wait([future], timeout=_LOOK_SECONDS).done:
            for job in [job for job in jobs if job.id not in seen]:
                folder = JobFolder(job, out)
                if not folder.running and (folder.done or folder.failure is not None):
                    seen.add(job.id)
                    message = "" if folder.done else folder.failure or ""
                    yield Outcome(job.id, "finished" if folder.done else "failed", 0.0, message)
        yield from [outcome for outcome in future.result() if outcome.id not in seen]


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let processes started in the block use one thread from their first import on."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _slurm(jobs: Sequence[Job], out: Path, n_jobs: int, options: dict[str, Any]) -> Iterator[Outcome]:
    """Submit an array of Slurm jobs; `executor=local` in the options runs them here, for a trial."""
    submitit = _extra("submitit", "slurm")
    executor = submitit.AutoExecutor(folder=out / "slurm", cluster=options.pop("executor", None))
    executor.update_parameters(slurm_array_parallelism=n_jobs, **options)
    handles = executor.map_array(run_job, list(jobs), [out] * len(jobs))
    by_handle = {handle.job_id: job for handle, job in zip(handles, jobs, strict=True)}
    for handle in submitit.helpers.as_completed(handles):
        job = by_handle[handle.job_id]
        try:
            yield handle.result()
        except Exception as error:  # the job's machine or time was lost
            JobFolder(job, out).fail(error)
            yield Outcome(job.id, "failed", 0.0, f"The Slurm job died: {type(error).__name__}")
