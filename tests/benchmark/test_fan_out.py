"""Many jobs at once give what one after the other gives; lost processes and missing packages are answered kindly."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest
from joblib.parallel import SequentialBackend

from everygroup import console
from everygroup.benchmark import fan_out as room
from everygroup.benchmark import study as study_room
from everygroup.benchmark.collect import collect
from everygroup.benchmark.execute import Outcome, run_job
from everygroup.benchmark.fan_out import check_cluster, fan_out, watched
from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.plan import make_plan
from everygroup.benchmark.recipe import Recipe
from everygroup.benchmark.study import run_study
from everygroup.errors import SettingsError
from everygroup.files import read_json, write_json

Make = Callable[..., Recipe]
Read = Callable[[Path], dict[str, bytes]]


def test_two_at_once_give_the_same_bytes_as_one(recipe: Make, tmp_path: Path, read: Read) -> None:
    small = recipe(methods=["erm", "group_model", "multitask"])
    assert run_study(small, tmp_path / "one").finished == 6
    assert run_study(small, tmp_path / "two", n_jobs=2).finished == 6
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one == two and len(one) == 18
    timed = ("costs", "cost_multiples", "results", "report")  # these hold seconds
    names = ("one", "two")
    tables = [{p.name: p.read_bytes() for p in collect(tmp_path / n) if p.stem not in timed} for n in names]
    assert tables[0] == tables[1] and "differences.csv" in tables[0]


def breaking_pool(victim: Job, deaths: int) -> Any:
    """A pool that loses the process of one job a few times, as when memory runs out."""
    left = [deaths]

    @contextmanager
    def backend(*_: Any) -> Iterator[Any]:
        def run(jobs: Sequence[Job], out: Path) -> Iterator[Outcome]:
            for job in jobs:
                if job.id == victim.id and left[0]:
                    left[0] -= 1
                    write_json(JobFolder(job, out).path / "running.json", {"process": 0})
                    raise BrokenProcessPool("a worker was killed")
                yield run_job(job, out)

        yield run

    return backend


@pytest.mark.parametrize(("deaths", "states"), [(1, ["finished"] * 4), (2, ["failed", *["finished"] * 3])])
def test_a_lost_process_costs_an_attempt(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int, states: list[str]
) -> None:
    jobs = make_plan(recipe()).all
    monkeypatch.setattr(room, "_backend", breaking_pool(jobs[1], deaths))
    outcomes = list(fan_out(jobs, tmp_path, n_jobs=2))
    assert sorted(o.state for o in outcomes) == states and {o.id for o in outcomes} == {j.id for j in jobs}
    if deaths == 2:
        record = read_json(JobFolder(jobs[1], tmp_path).path / "failed.json")
        assert "died 2 times" in record["message"] and "--jobs" in record["fix"]


def test_a_job_that_kills_its_process_takes_no_neighbour_along(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_plan(recipe()).all
    killer = jobs[0]

    @contextmanager
    def backend(*_: Any) -> Iterator[Any]:
        def run(batch: Sequence[Job], out: Path) -> Iterator[Outcome]:
            for pair in (batch[i : i + 2] for i in range(0, len(batch), 2)):  # two at a time, as two workers do
                if killer in pair:
                    for job in pair:
                        write_json(JobFolder(job, out).path / "running.json", {"process": 0})
                    raise BrokenProcessPool("a worker was killed")
                yield from [run_job(job, out) for job in pair]

        yield run

    monkeypatch.setattr(room, "_backend", backend)
    for session in (1, 2):  # and not when it is run again either
        ended = {o.id: o.state for o in fan_out(jobs, tmp_path, n_jobs=2)}
        # a death counts over sessions, too: a choice among draws need not wait for this one for ever
        assert JobFolder(killer, tmp_path).failures == session
        assert ended.pop(killer.id) == "failed" and set(ended.values()) <= {"finished", "there"} and len(ended) == 3


def test_a_marker_of_a_killed_session_is_no_death(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_plan(recipe()).all
    write_json(JobFolder(jobs[3], tmp_path).path / "running.json", {"process": 0})
    monkeypatch.setattr(room, "_backend", breaking_pool(jobs[0], 1))
    assert [o.state for o in fan_out(jobs, tmp_path, n_jobs=2)] == ["finished"] * 4


def test_a_pool_that_always_breaks_ends(recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def backend(*_: Any) -> Iterator[Any]:
        def run(jobs: Sequence[Job], out: Path) -> Iterator[Outcome]:
            raise BrokenProcessPool
            yield

        yield run

    monkeypatch.setattr(room, "_backend", backend)
    assert [o.state for o in fan_out(make_plan(recipe()).all, tmp_path, n_jobs=2)] == ["failed"] * 4


def test_a_backend_that_reports_at_the_end_is_watched(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LOOK_SECONDS", 0.01)
    jobs = make_plan(recipe(methods=["erm", "fair_adabn"], seeds=[0])).all
    go_on = threading.Event()

    def call() -> list[Outcome]:
        outcomes = [run_job(job, tmp_path) for job in jobs]
        assert go_on.wait(30)
        return outcomes

    outcomes = watched(call, jobs, tmp_path)
    first = [next(outcomes), next(outcomes)]  # before the call has returned
    assert sorted(o.state for o in first) == ["failed", "finished"] and "batch norm" in " ".join(
        o.message for o in first
    )
    go_on.set()
    assert list(outcomes) == []


@pytest.mark.parametrize(
    ("cluster", "package"), [("ray", "ray.util.joblib"), ("dask", "distributed"), ("slurm", "submitit")]
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, cluster: str, package: str, recipe: Make, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError) as caught:
        run_study(recipe(), tmp_path / "out", cluster=cluster)
    assert f"everygroup[{cluster}]" in str(caught.value) and not (tmp_path / "out").exists()


def test_an_unknown_cluster_is_refused() -> None:
    check_cluster("local")
    with pytest.raises(SettingsError, match="local, ray, dask, slurm"):
        check_cluster("condor")


def test_slurm_jobs_go_through_submitit(recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Handle:
        def __init__(self, number: int, job: Job, out: Path) -> None:
            self.job_id, self.job, self.out = str(number), job, out

        def result(self) -> Outcome:
            if self.job_id == "1":
                raise RuntimeError("node failure")
            return run_job(self.job, self.out)

    class Executor:
        def __init__(self, folder: Path, cluster: str | None) -> None:
            seen.update(folder=folder, cluster=cluster)

        def update_parameters(self, **options: Any) -> None:
            seen.update(options)

        def map_array(self, function: Any, jobs: list[Job], outs: list[Path]) -> list[Handle]:
            assert function is run_job
            return [Handle(i, job, out) for i, (job, out) in enumerate(zip(jobs, outs, strict=True))]

    fake = types.ModuleType("submitit")
    fake.AutoExecutor = Executor  # type: ignore[attr-defined]
    fake.helpers = types.SimpleNamespace(as_completed=reversed)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "submitit", fake)
    study = run_study(
        recipe(), tmp_path, n_jobs=3, cluster="slurm", cluster_options={"executor": "local", "slurm_partition": "gpu"}
    )
    assert study.finished == 3 and "The Slurm job died" in next(iter(study.failed.values()))
    assert seen["cluster"] == "local" and seen["slurm_array_parallelism"] == 3 and seen["slurm_partition"] == "gpu"


def test_clusters_are_joblib_backends(recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    ray, ray_joblib, distributed = (types.ModuleType(n) for n in ("ray", "ray.util.joblib", "distributed"))
    ray.is_initialized = lambda: False  # type: ignore[attr-defined]
    ray.init = lambda **options: seen.append(options)  # type: ignore[attr-defined]
    ray.shutdown = lambda: seen.append("shutdown")  # type: ignore[attr-defined]
    ray_joblib.register_ray = lambda: joblib.register_parallel_backend("ray", SequentialBackend)  # type: ignore[attr-defined]

    @contextmanager
    def client(**options: Any) -> Iterator[None]:
        seen.append(options)
        joblib.register_parallel_backend("dask", SequentialBackend)
        yield

    distributed.Client = client  # type: ignore[attr-defined]
    for module in (ray, ray_joblib, distributed):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for cluster in ("ray", "dask"):
        study = run_study(recipe(), tmp_path / cluster, cluster=cluster, cluster_options={"address": cluster})
        assert study.finished == 4 and not study.failed
    assert seen == [{"address": "ray"}, "shutdown", {"address": "dask"}]


def test_without_a_terminal_the_parent_of_workers_says_now_and_then_how_many_jobs_have_ended(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "HEARTBEAT", 0.02)
    jobs = make_plan(recipe(seeds=[0])).all
    with study_room._live(jobs, "toy", 2) as report:
        time.sleep(0.2)
        report(jobs[0], Outcome(jobs[0].id, "finished", 0.0, ""))
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    n = len(jobs)
    assert f"toy: 0 of {n} jobs ended, 0 failed, 2 running, ? left" in lines
    assert lines[-1].startswith(f"toy: 1 of {n} jobs ended, 0 failed, {n - 1} running, ") and "?" not in lines[-1]


def test_progress_is_shown_on_a_terminal_and_not_in_ci(
    recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = recipe(methods=["erm", "fair_adabn"], seeds=[0])
    run_study(broken, tmp_path / "ci")
    assert "left" not in capsys.readouterr().err
    monkeypatch.delenv("CI")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(study_room, "is_quiet", lambda: False)
    run_study(broken, tmp_path / "terminal")
    shown = capsys.readouterr().err
    assert "1 failed" in shown and "running" in shown and "left" in shown and "failed: fair_adabn on toy" in shown
