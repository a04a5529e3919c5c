"""The plan: a recipe expanded into jobs, each with an id that is a hash of all it depends on, and its cost counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import pandas as pd

from everygroup.benchmark.cohorts import Facts, attributes_of, facts_of
from everygroup.benchmark.job import Job, Stage
from everygroup.benchmark.recipe import MethodEntry, Recipe, drawn_of, hyperparameters_of
from everygroup.benchmark.written import code_of
from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.methods import create_method, import_files

_FIRST = ("erm", "group_model", "stratified_erm")  # their networks are used by others


@dataclass(frozen=True)
class Plan:
    """All jobs of a recipe.

    Attributes
    ----------
    recipe : Recipe
    searching : tuple of Job
        Draws, judged first.
    final : tuple of Job
        Results of methods without a search; those with one follow when their draw is chosen.
    facts : dict of (cohort, attribute) to Facts
        For the first seed.
    """

    recipe: Recipe
    searching: tuple[Job, ...]
    final: tuple[Job, ...]
    facts: Mapping[tuple[str, str], Facts] = field(default_factory=dict)

    @property
    def first(self) -> list[Job]:
        """The jobs that can run now, those whose networks others share in front."""
        return in_order([*self.searching, *self.final])

    def chosen(self, choices: Mapping[tuple[str, str, str, str], int]) -> list[Job]:
        """Return the final jobs of methods whose draw was chosen."""
        return in_order([job for job in _expand(self.recipe, self.facts, "final") if choices.get(job.cell) == job.draw])

    @property
    def awaited(self) -> list[Job]:
        """Final jobs that wait for a choice, with draw 0 standing for the chosen one."""
        return self.chosen({job.cell: 0 for job in self.searching})

    @property
    def all(self) -> list[Job]:
        """Every job that will run."""
        return [*self.first, *self.awaited]

    def table(self) -> pd.DataFrame:
        """One row a cohort, attribute, backbone and method: runs, updates and passes."""
        rows = [
            {
                **dict(zip(("cohort", "attribute", "backbone", "method"), job.cell, strict=True)),
                "search_runs": int(job.stage == "search"),
                "runs": int(job.stage == "final"),
                "updates_per_network": job.updates_per_network,
                "updates": job.updates,
                "passes": job.passes,
            }
            for job in self.all
        ]
        keys = ["cohort", "attribute", "backbone", "method", "updates_per_network"]
        return pd.DataFrame(rows).groupby(keys, sort=False).sum().reset_index()


def make_plan(recipe: Recipe) -> Plan:
    """Expand a recipe; reads every cohort once to know its size and its content.

    Raises
    ------
    EverygroupError
        If a cohort cannot be read, or a backbone does not take its samples.
    """
    from everygroup.networks import build_network
    from everygroup.targets import target_from
    from everygroup.training.plain import spec_of

    facts = {
        (entry.name, attribute): facts_of(entry, attribute, recipe.seeds[0])
        for entry in recipe.cohorts
        for attribute in attributes_of(entry)
    }
    for (name, _), known in facts.items():
        if known.target["name"] != "classes":
            raise SettingsError(
                f"Cohort {name!r} has target {known.target['name']!r}; benchmarks compare classifiers.",
                fix="compare methods for other targets with `everygroup fit --compare`",
            )
        for backbone in recipe.backbones:
            build_network(spec_of(target_from(known.target), known.sample_shape, recipe.training(backbone, 0)))
    searching = tuple(_expand(recipe, facts, "search"))
    waiting = {job.cell for job in searching}
    final = tuple(job for job in _expand(recipe, facts, "final") if job.cell not in waiting)
    return Plan(recipe, searching, final, facts)


def _expand(recipe: Recipe, facts: Mapping[tuple[str, str], Facts], stage: Stage) -> Iterator[Job]:
    """Yield all jobs of a stage; final jobs for every draw, of which one is chosen."""
    imports = import_files(recipe.imports)
    compared = [(entry, attribute) for entry in recipe.cohorts for attribute in attributes_of(entry)]
    for (entry, attribute), backbone, method in product(compared, recipe.backbones, recipe.methods):
        known = facts[entry.name, attribute]
        for draw in _draws(recipe, method, stage):
            built = create_method(recipe.written(method), hyperparameters_of(recipe, method, draw))
            for seed in recipe.search_seeds if stage == "search" else recipe.seeds:
                yield Job(
                    stage=stage,
                    cohort=entry,
                    attribute=attribute,
                    facts=known,
                    method=recipe.written(method),
                    label=method.title,
                    hyperparameters=hyperparameters_of(recipe, method, draw),
                    draw=draw,
                    settings=recipe.training(backbone, seed, drawn_of(recipe, method, draw)),
                    networks=max(1.0, built.cost(known.groups)),
                    code_hash=code_of(recipe.written(method)),
                    imports=imports,
                )


def _draws(recipe: Recipe, method: MethodEntry, stage: Stage) -> list[int]:
    """Return a method's draws that differ: a choice has few values, and one of equals is enough."""
    if stage == "search" and recipe.draws_of(method) == 1:
        return []
    differ: dict[str, int] = {}
    for draw in range(recipe.draws_of(method)):
        built = create_method(recipe.written(method), hyperparameters_of(recipe, method, draw))
        settings = {k: v for k, v in drawn_of(recipe, method, draw).items() if k in recipe.search}
        differ.setdefault(hash_json([built.hyperparameters, settings]), draw)
    return list(differ.values())


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Sort: methods whose networks others share first, then method by method, so that workers rarely need the same.

    Linear heads are solved faster than a cohort is opened: their jobs go split by split.
    """
    labels = list(dict.fromkeys(job.label for job in jobs))

    places = list(dict.fromkeys((job.cohort.name, job.attribute) for job in jobs))

    def rank(job: Job) -> tuple[int, ...]:
        name = job.method.rpartition(" + ")[2]
        first = _FIRST.index(name) if name in _FIRST else len(_FIRST)
        split = (places.index((job.cohort.name, job.attribute)), job.seed) if job.backbone == "linear" else ()
        return (*split, first, labels.index(job.label))

    return sorted(jobs, key=rank)
