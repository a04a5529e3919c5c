"""SPARE's cost in multiples of ERM, by number of groups and by what groups share: counted and timed.

Run from the repository root: `python benchmarks/cost.py [--write]`. With --write the result page
docs/results/cost.md is replaced. Minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from common import describe_machine, write_result

from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.benchmark.plan import make_plan
from everygroup.benchmark.recipe import Recipe, build_recipe
from everygroup.benchmark.study import run_study
from everygroup.files import read_json

GROUPINGS: dict[int, dict[str, Any]] = {
    2: {"group": "skin_type", "bins": {"skin_type": 3}},
    3: {"group": "skin_type", "bins": {"skin_type": [2, 4]}},
    6: {"group": "skin_type"},
}
SHARINGS = ("none", "half", "mini", "full")


def recipe_of(groups: int, options: argparse.Namespace) -> Recipe:
    """ERM, the group models, and SPARE with every level of sharing, on one simulated cohort."""
    spare = [
        {"name": "spare", "label": f"spare, {s} shared", "hyperparameters": {"sharing": s, "min_group": 0}}
        for s in SHARINGS
    ]
    return build_recipe(
        {
            "title": "cost",
            "cohorts": [
                {
                    **{"name": "sim", "source": "sim", "n": options.n, "image_size": options.image_size},
                    "options": {"tone_fractions": [1, 1, 1, 1, 1, 1]},
                    "attributes": {f"{groups} groups": GROUPINGS[groups]},
                }
            ],
            "methods": ["erm", "group_model", *spare],
            "seeds": list(range(options.seeds)),
            "settings": {"updates": options.updates, "batch_size": 32, "device": "cpu"},
        },
        where="benchmarks/cost.py",
    )


def cost_of(job: Job, out: Path) -> dict[str, float]:
    """What a job cost alone, and what it cost beside the methods that ran before it."""
    cost = read_json(JobFolder(job, out).path / "cost.json")
    new = [n for n in cost["networks"] if not n["reused"]]
    distances = cost["distance_gradient_passes"] + cost["distance_forward_passes"] / 3
    searched = [s for s in cost["searches"] if not s["reused"]]
    return {
        "networks": cost["networks_trained"],
        "new networks": len(new),
        "updates": cost["updates"],
        "passes": cost["passes"] + distances,
        "distances": distances,
        "seconds": cost["wall_seconds"] + cost["seconds_alone_reused"],
        "new updates": sum(n["updates"] for n in new),
        "new passes": sum(n["passes"] for n in new)
        + sum(s["gradient_passes"] + s["forward_passes"] / 3 for s in searched),
        "new seconds": cost["wall_seconds"],
        "memory": cost["peak_memory_mb"],
        "parameters": cost["parameters_answering"],
    }


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Mean cost of every method over seeds, one row a number of groups and method."""
    rows = []
    warm = argparse.Namespace(**{**vars(options), "updates": 2, "seeds": 1, "n": 200})
    with tempfile.TemporaryDirectory() as folder:  # imports and first calls are nobody's cost
        run_study(recipe_of(2, warm), folder)
    for groups in options.groups:
        recipe = recipe_of(groups, options)
        with tempfile.TemporaryDirectory() as folder:
            study = run_study(recipe, folder)
            if study.failed:
                raise SystemExit(f"failed: {study.failed}")
            for job in make_plan(recipe).all:
                rows.append({"groups": groups, "method": job.label, **cost_of(job, Path(folder))})
    return pd.DataFrame(rows).groupby(["groups", "method"], sort=False).mean().reset_index()


def tables(found: pd.DataFrame) -> list[str]:
    """Multiples of ERM, as Markdown."""
    lines = [
        "| groups | method | networks trained | updates | images passed | of these boundary searches | seconds "
        "| memory | parameters that answer |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    beside = [
        "| groups | method | networks trained | updates | images passed | seconds | goal | met (updates) "
        "| met (images) | met (seconds) |",
        "|---:|---|---:|---:|---:|---:|---:|---|---|---|",
    ]
    for groups, part in found.groupby("groups", sort=False):
        erm = part[part["method"] == "erm"].iloc[0]
        for row in part.to_dict("records"):
            x = {k: row[k] / erm[k] for k in ("updates", "passes", "seconds", "memory", "parameters")}
            lines.append(
                f"| {groups} | {row['method']} | {row['networks']:.0f} | {x['updates']:.1f} | {x['passes']:.1f} "
                f"| {row['distances'] / erm['passes']:.1f} | {x['seconds']:.1f} | {x['memory']:.2f} "
                f"| {x['parameters']:.2f} |"
            )
            goal = {"spare, none shared": groups + 2, "spare, half shared": 2}.get(row["method"])
            if goal is None:
                continue
            updates, passes = row["new updates"] / erm["updates"], row["new passes"] / erm["passes"]
            seconds = row["new seconds"] / erm["seconds"]
            met = ["yes" if value <= goal + 1e-9 else "no" for value in (updates, passes, seconds)]
            beside.append(
                f"| {groups} | {row['method']} | {row['new networks']:.0f} | {updates:.1f} | {passes:.1f} "
                f"| {seconds:.1f} | {goal} | {' | '.join(met)} |"
            )
    return [
        "Everything in multiples of ERM under the same number of updates for every network.",
        "",
        "## Alone",
        "",
        "What a method costs when nothing is there before it. SPARE without sharing trains 2 G + 1 networks: a model "
        "of each group, the group predictor, and the weighted model of each group. An image of a boundary search "
        "counts one for a gradient and a third for an answer.",
        "",
        *lines,
        "",
        "## Beside other methods",
        "",
        "What is added when ERM and the group models are there already, as in every benchmark, and (for shared levels) "
        "the group predictor and the distances of the level before; goals: at most G + 2 without sharing, at most 2 "
        "with half the layers shared. A shared trunk passes every image once through the trunk and once through each "
        "group's layers, which the seconds show and the count of images does not.",
        "",
        *beside,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, nargs="+", default=list(GROUPINGS), choices=list(GROUPINGS))
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--image-size", type=int, default=24)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write docs/results/cost.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = tables(measure(options))
    print("\n".join(lines))
    if options.write:
        setting = (
            f"{options.n} simulated images of {options.image_size} px, small_cnn, {options.updates} updates of 32 "
            f"images a network, mean of {options.seeds} seed(s). Boundary searches are once per training sample and "
            "network, so their part shrinks as training grows longer: here a network sees each training image "
            f"{options.updates * 32 / (0.6 * options.n):.0f} times."
        )
        write_result(Path("docs/results/cost.md"), "What SPARE costs", [setting, "", *lines, "", describe_machine()])


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
