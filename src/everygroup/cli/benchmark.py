"""`everygroup benchmark`: many methods on the same cohorts under one protocol, from a recipe."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from everygroup.cli.options import ImportOption


class Cluster(StrEnum):
    """Where jobs run."""

    local = "local"
    ray = "ray"
    dask = "dask"
    slurm = "slurm"


_ONE_COHORT = ("n", "image_size", "sample_limit")


def benchmark(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe (spare/main) or a YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the benchmark.")],
    cohort: Annotated[
        list[str] | None,
        typer.Option(
            "--cohort",
            metavar="NAME[=FOLDER]",
            help="Cohort of the recipe, and where it lies; repeatable.",
            show_default="all of the recipe",
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="NAME", help="Only these comparisons of the cohorts; repeatable."),
    ] = None,
    size: Annotated[str | None, typer.Option(help="Named size of the recipe.", show_default="its first")] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option("--methods", metavar="LABEL", help="Only these methods; repeatable, or separated by commas."),
    ] = None,
    seeds: Annotated[
        list[str] | None, typer.Option("--seeds", metavar="N", help="Other seeds; repeatable, or separated by commas.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A training setting, draws, n, image_size or sample_limit; or METHOD.KEY for a hyper-parameter.",
        ),
    ] = None,
    import_: ImportOption = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Runs at the same time, one thread each.")] = 1,
    cluster: Annotated[Cluster, typer.Option(help="Where they run; all but local need an extra.")] = Cluster.local,
    cluster_set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Of ray.init, dask's Client, or Slurm (partition, time, ...)."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Share trained networks and distances with other benchmarks, here."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and its expected time only.")] = False,
) -> None:
    """Compare methods under one protocol: same budget, same splits, several seeds, choices on validation only.

    Stopped and called again, it goes on where it was. Then `everygroup collect OUT` makes the tables again at will.

    Example:

        everygroup benchmark spare/main --cohort sim --size small --out runs/main --jobs 2
    """
    from everygroup.benchmark.chosen_part import choose_attributes, choose_cohorts
    from everygroup.benchmark.collect import collect
    from everygroup.benchmark.fan_out import check_cluster
    from everygroup.benchmark.plan import make_plan
    from everygroup.benchmark.recipe import read_recipe
    from everygroup.benchmark.results import any_result
    from everygroup.benchmark.study import run_study
    from everygroup.console import clear_warnings, console, say
    from everygroup.settings import parse_assignments

    clear_warnings()
    check_cluster(cluster.value)
    whole = read_recipe(recipe, import_ or ()).at(size)
    if cohort:
        whole = choose_cohorts(whole, cohort)
    if attribute:
        whole = choose_attributes(whole, _listed(attribute))
    chosen = _changed(whole, _listed(methods), _listed(seeds), parse_assignments(set_ or ()), device)
    plan = make_plan(chosen)
    _show(plan, jobs, probed=dry_run)
    if dry_run:
        return
    options = parse_assignments(cluster_set or ())
    study = run_study(chosen, out, n_jobs=jobs, cluster=cluster.value, cluster_options=options, plan=plan, store=store)
    say(f"{study.finished} jobs finished, {study.there} were finished before, {len(study.failed)} failed.")
    if any_result(out):
        say("\n".join(f"wrote {path}" for path in collect(out)))
    if study.failed:
        for job, reason in study.failed.items():
            console.print(f"failed: {job}: {reason}", markup=False, style="red", soft_wrap=True)
        say("The same command tries them again.")
        raise typer.Exit(1)


def _listed(texts: list[str] | None) -> list[str]:
    """Split at commas, but not inside the brackets of a method's options."""
    return [name.strip() for text in texts or [] for name in re.split(r",(?![^()]*\))", text) if name.strip()]


def _changed(recipe: Any, methods: list[str], seeds: list[str], values: dict[str, Any], device: str | None) -> Any:
    """Apply --methods, --seeds, --set and --device."""
    from everygroup.errors import SettingsError

    changes = recipe.model_dump(exclude_unset=True)
    if methods:
        titles = [m.title for m in recipe.methods]
        if unknown := [m for m in methods if m not in titles]:
            raise SettingsError(
                f"The recipe has no method {unknown[0]!r}.", fix=f"choose from {', '.join(titles)}; or add it to a copy"
            )
        changes["methods"] = [
            entry for title, entry in zip(titles, changes["methods"], strict=True) if title in methods
        ]
    if seeds:
        if wrong := [s for s in seeds if not s.isdecimal()]:
            raise SettingsError(f"--seeds {wrong[0]}.", fix="write whole numbers, such as --seeds 0,1,2")
        changes["seeds"] = [int(s) for s in seeds]
    changes["settings"] = {**recipe.settings, **({"device": device} if device else {})}
    for key, value in values.items():
        label, dot, parameter = key.rpartition(".")
        if dot:
            named = [e for e, m in zip(changes["methods"], recipe.methods, strict=False) if _title(e) == label]
            if not named:
                raise SettingsError(f"--set {key}: no method {label!r} in this benchmark.", fix="see --methods")
            named[0]["hyperparameters"] = {**named[0].get("hyperparameters", {}), parameter: value}
        elif key == "draws":
            changes["draws"] = value
        elif key in _ONE_COHORT:
            for entry in changes["cohorts"]:
                entry[key] = value
        else:
            changes["settings"][key] = value
    return recipe.but(**changes)


def _title(entry: dict[str, Any]) -> str:
    return str(entry.get("label") or entry["name"])


def _show(plan: Any, jobs: int, *, probed: bool) -> None:
    """Print what will run: per method, and in total; with `probed`, how long it may take."""
    from everygroup.console import say

    table = plan.table()
    columns = ["method", "search_runs", "runs", "updates_per_network", "updates", "passes"]
    for key, part in table.groupby(["cohort", "attribute", "backbone"], sort=False):
        say("{} by {} ({})".format(*key))
        say(part[columns].to_string(index=False))
    total = table[["search_runs", "runs", "updates", "passes"]].sum()
    say(
        f"Together {total['search_runs'] + total['runs']} runs ({total['search_runs']} of them to choose "
        f"hyper-parameters), at most {total['updates']:,} updates and {total['passes']:,} images passed forward and "
        "back; networks that several methods need are trained once."
    )
    if probed:
        from everygroup.benchmark.probe import expected_seconds

        low, high = expected_seconds(plan)
        say(
            f"Expected time, from a few updates timed on one thread: {_minutes(low)} to {_minutes(high)} of one core"
            + (f", so {_minutes(low / jobs)} to {_minutes(high / jobs)} with {jobs} jobs at once." if jobs > 1 else ".")
        )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
