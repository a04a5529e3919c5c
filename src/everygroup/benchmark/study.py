"""A whole benchmark: plan, search, choice, results; in a folder that can be stopped and restarted at any moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from everygroup import __version__
from everygroup.benchmark.choices import choose_draws
from everygroup.benchmark.execute import Outcome
from everygroup.benchmark.fan_out import check_cluster, fan_out
from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.plan import Plan, make_plan
from everygroup.benchmark.recipe import GENERATED, Recipe
from everygroup.benchmark.run_folder import differing
from everygroup.benchmark.shared_store import only_one
from everygroup.benchmark.written import code_of
from everygroup.console import beating, is_quiet, say, time_left
from everygroup.errors import OutputError
from everygroup.files import atomic_path
from everygroup.settings import read_config, write_config

_GROWS = ("methods", "seeds", "cohorts", "imports")  # what a later call may add to
_WORDS = ("title", "question", "paper", "reports", "sizes")  # what changes no result


@dataclass
class Study:
    """What a benchmark left.

    Attributes
    ----------
    out : Path
    finished, there : int
        Jobs finished now, and those finished before.
    failed : dict of str to str
        Job -> reason.
    """

    out: Path
    finished: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def run_study(
    recipe: Recipe,
    out: Path | str,
    *,
    n_jobs: int = 1,
    cluster: str = "local",
    cluster_options: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
    store: Path | str | None = None,
) -> Study:
    """Run a recipe, or what is left of it.

    First every draw and every method without a search; then, for the methods that search, the draw that is best on
    validation, with fresh seeds. What is finished is not touched; what failed is tried again.

    Parameters
    ----------
    recipe : Recipe
        At its size; see `Recipe.at`.
    out : path
        New or empty, or the folder of the same protocol: methods, seeds, cohorts and their attributes may be added,
        settings may not change.
    n_jobs, cluster, cluster_options
        See `fan_out`.
    store : path, optional
        Folder of trained networks and distances that several benchmarks share; in `out` by default.

    Raises
    ------
    OutputError
        If the folder holds something else.
    """
    out = Path(out).resolve()
    check_cluster(cluster)
    plan = plan or make_plan(recipe)
    claim(out, recipe)
    if store is not None:
        _link_store(out / "store", Path(store).resolve())
    with atomic_path(out / "plan.csv") as temporary:
        plan.table().to_csv(temporary, index=False, lineterminator="\n")
    study = Study(out)
    how = {"n_jobs": n_jobs, "cluster": cluster, "options": cluster_options}
    _run_all(plan.first, study, "searching and training" if plan.searching else "training", how)
    if plan.searching:
        choices = choose_draws(plan.searching, out, recipe.choose_by)
        for cell in dict.fromkeys(job.cell for job in plan.searching if job.cell not in choices):
            study.failed[" / ".join(cell)] = (
                "no draw is chosen before all have finished or failed twice: no results yet"
            )
        _run_all(plan.chosen(choices), study, "chosen draws", how)
    return study


def _link_store(link: Path, store: Path) -> None:
    """Let a benchmark use a store that lies elsewhere; everything in it is known by its content."""
    if link.resolve() == store:
        return
    if link.exists() or link.is_symlink():
        raise OutputError(f"{link} is in use already.", fix="leave out --store, or choose another --out folder")
    store.mkdir(parents=True, exist_ok=True)
    link.symlink_to(store, target_is_directory=True)


def claim(out: Path, recipe: Recipe) -> None:
    """Take a folder for a recipe, and see that what it holds is of the same protocol; keeps recipe.yaml.

    Raises
    ------
    OutputError
        If it holds something else, or a benchmark with other settings.
    """
    held = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.is_dir() else []
    if out.is_file() or (held and "recipe.yaml" not in held):
        raise OutputError(f"{out} holds something else than a benchmark.", fix="choose another --out folder")
    with only_one(out / ".lock"):
        held = ["recipe.yaml"] if (out / "recipe.yaml").exists() else []
        wanted = {"everygroup": __version__, **recipe.model_dump(mode="json", exclude_none=True)}
        for entry in wanted["methods"]:
            if code := code_of(entry["name"]):
                entry["code_hash"] = code  # so that a method's file may not change under its results
        if held:
            before = read_config(out / "recipe.yaml")
            _check_same(before, wanted, out)
            for key in _GROWS:
                wanted[key] = _united(before.get(key, []), wanted[key])
        write_config(out / "recipe.yaml", wanted)


def _check_same(before: Mapping[str, Any], wanted: Mapping[str, Any], out: Path) -> None:
    plain = [k for k in wanted if k not in (*_GROWS, *_WORDS, "settings")]
    changed = [k for k in plain if before.get(k) != wanted[k]]
    different = differing({k: before.get(k) for k in changed}, {k: wanted[k] for k in changed})
    different += differing({**before["settings"], "device": None}, {**wanted["settings"], "device": None})
    for key in ("methods", "cohorts"):
        named = {_name(v): v for v in before[key]}
        for entry in wanted[key]:
            old = named.get(_name(entry), entry)
            shared = {n: a for n, a in old.get("attributes", {}).items() if n in entry.get("attributes", {})}
            same = all(a == entry["attributes"][n] for n, a in shared.items())
            different += [f"{_name(entry)}, {text}" for text in differing(_what(old), _what(entry))]
            if not same:
                different.append(f"{_name(entry)}, attributes")
    if different:
        raise OutputError(
            f"{out} holds a benchmark under another protocol ({'; '.join(different[:4])}; see its recipe.yaml).",
            fix="repeat its settings, or choose another --out folder",
        )


def _what(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry without its attributes, which may grow, and where its files lie: jobs know data by content."""
    files = entry.get("source", GENERATED[0]) not in GENERATED
    return {k: v for k, v in entry.items() if k != "attributes" and not (files and k in ("source", "images"))}


def _name(entry: Mapping[str, Any]) -> str:
    """Return a method's label or name, or a cohort's name: its label is a column."""
    return str(entry["name"] if "source" in entry else entry.get("label") or entry["name"])


def _united(before: Sequence[Any], now: Sequence[Any]) -> list[Any]:
    """Put what was run before and what is asked for now together; of two of one name, the one of now."""
    united: dict[Any, Any] = {}
    for value in [*before, *now]:
        old = united.get(_key(value))
        if isinstance(value, Mapping) and (value.get("attributes") or {}):
            value = {**value, "attributes": {**(old or {}).get("attributes", {}), **value["attributes"]}}
        united[_key(value)] = value
    return list(united.values())


def _key(value: Any) -> Any:
    return _name(value) if isinstance(value, Mapping) else value


def _run_all(jobs: Sequence[Job], study: Study, words: str, how: Mapping[str, Any]) -> None:
    folders = {job.id: JobFolder(job, study.out) for job in jobs}
    todo = [job for job in jobs if not folders[job.id].done]
    for folder in folders.values():
        if folder.done:  # one that was killed when it had just finished
            folder.end()
    study.there += len(jobs) - len(todo)
    if study.there and todo:
        say(f"{study.there} jobs are finished already.")
    with _live(todo, words, how["n_jobs"]) as report:
        for outcome in fan_out(todo, study.out, **how):
            folder = folders[outcome.id]
            if outcome.state == "failed":
                study.failed[str(folder.job)] = f"{outcome.message} ({folder.path / 'failed.json'})"
            elif outcome.state == "there":
                study.there += 1
            else:
                study.finished += 1
            report(folder.job, outcome)


@contextmanager
def _live(jobs: Sequence[Job], words: str, n_jobs: int) -> Iterator[Any]:
    """Show finished, failed and running jobs and the time left, weighed by planned updates.

    A bar on a terminal; without one, and in CI, a line now and then.
    """
    started, total = time.monotonic(), sum(job.updates for job in jobs)
    ended: list[Outcome] = []
    spent = 0

    def counts() -> str:
        failed = sum(o.state == "failed" for o in ended)
        running = min(n_jobs, len(jobs) - len(ended))
        left = time_left(time.monotonic() - started, spent, total) or "? left"
        return f"{failed} failed, {running} running, {left}"

    def line(_: float) -> str:
        return f"{words}: {len(ended)} of {len(jobs)} jobs ended, {counts()}"

    # A console of its own: that of the program is silent while a job runs in this process.
    own = Console(stderr=True, highlight=False)
    quiet = is_quiet()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[counts]}"))
    bar = Progress(*columns, TimeElapsedColumn(), console=own, transient=True, disable=quiet)
    with beating(line, out=own) if quiet else bar:
        task = bar.add_task(words, total=len(jobs), counts=counts())

        def report(job: Job, outcome: Outcome) -> None:
            nonlocal spent
            ended.append(outcome)
            spent += job.updates
            bar.update(task, advance=1, counts=counts())
            if outcome.state == "failed":
                bar.console.print(f"failed: {job}: {outcome.message}", markup=False, soft_wrap=True)

        yield report
