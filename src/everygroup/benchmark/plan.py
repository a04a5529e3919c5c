"""The plan: a recipe expanded into jobs, each with an id that is a hash of all it depends on, and its cost counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from everygroup import __version__
from everygroup.benchmark.cohorts import Facts, attributes_of, facts_of
from everygroup.benchmark.recipe import CohortEntry, MethodEntry, Recipe, drawn_of, hyperparameters_of
from everygroup.files import hash_json
from everygroup.methods.imported import code_hash, import_files
from everygroup.methods.registry import method_class
from everygroup.settings import TrainSettings

Stage = Literal["search", "final"]
_FORMAT = 1  # raise it when the same job gives other results, so that no old ones are served
_FIRST = ("erm", "group_model", "stratified_erm")  # their networks are used by others


@dataclass(frozen=True)
class Job:
    """One run: one method on one cohort, attribute, backbone and seed.

    Attributes
    ----------
    stage : {'search', 'final'}
        A search job judges a draw on validation and never touches the test part.
    cohort : CohortEntry
    attribute, backbone, method, label : str
    hyperparameters : dict
    settings : TrainSettings
    seed, draw : int
    data_hash : str
        Content of files; empty for generated cohorts, which their settings describe.
    code_hash : str
        Content of the file that a method of one's own comes from; empty for the package's.
    imports : tuple of (path, hash of the content)
        Files to import before it runs.
    updates, passes : int
        Planned: updates of all its networks, shared ones included, and images passed forward and back in them.
    updates_per_network : int
    """

    stage: Stage
    cohort: CohortEntry
    attribute: str
    backbone: str
    method: str
    label: str
    hyperparameters: dict[str, Any]
    settings: TrainSettings
    seed: int
    draw: int
    data_hash: str
    code_hash: str = ""
    imports: tuple[tuple[str, str], ...] = ()
    updates: int = 0
    updates_per_network: int = 0
    groups: int = 0

    @property
    def passes(self) -> int:
        """Images passed forward and back in training."""
        return self.updates * self.settings.batch_size

    @cached_property
    def config(self) -> dict[str, Any]:
        """Everything the results depend on; JSON-able. Not the device."""
        own_code = {"code_hash": self.code_hash} if self.code_hash else {}
        return {
            "everygroup": __version__,
            "format": _FORMAT,
            "stage": self.stage,
            "cohort": self.cohort.model_dump(exclude={"attributes"}, exclude_defaults=True),
            "attribute": self.attribute,
            "attribute_rule": self._rule(),
            "data_hash": self.data_hash,
            "backbone": self.backbone,
            "method": self.method,
            "label": self.label,
            "hyperparameters": self.hyperparameters,
            "draw": self.draw,
            "seed": self.seed,
            "settings": self.settings.model_dump(exclude={"device"}),
            **own_code,
        }

    def _rule(self) -> dict[str, Any] | None:
        rule = attributes_of(self.cohort)[self.attribute]
        return None if rule is None else rule.model_dump()

    @cached_property
    def id(self) -> str:
        """Content hash of all the results depend on: not of where the data lies, nor of the device."""
        values = {**self.config, "label": None, "draw": None}
        if self.cohort.kind == "files":
            values["cohort"] = {**values["cohort"], "source": None, "images": None}
        return hash_json(values)

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """Cohort, attribute, backbone and label: what draws and seeds are repeated for."""
        return self.cohort.name, self.attribute, self.backbone, self.label

    @property
    def folder(self) -> str:
        """A readable and unique folder name."""
        draw = f"d{self.draw}-" if self.stage == "search" else ""
        words = "-".join([self.cohort.name, self.attribute, self.backbone, self.label, f"{draw}s{self.seed}"])
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', words)[:100]}-{self.id[:10]}"

    def __str__(self) -> str:
        draw = f", draw {self.draw}" if self.stage == "search" else ""
        return f"{self.label} on {self.cohort.name} by {self.attribute} ({self.backbone}, seed {self.seed}{draw})"


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
        jobs = [job for job in self._jobs("final") if job.cell in choices and job.draw == choices[job.cell]]
        return in_order(jobs)

    @property
    def awaited(self) -> list[Job]:
        """Final jobs that wait for a choice, with draw 0 standing for the chosen one."""
        waiting = {job.cell for job in self.searching}
        return [job for job in self._jobs("final") if job.cell in waiting and job.draw == 0]

    @property
    def all(self) -> list[Job]:
        """Every job that will run."""
        return [*self.first, *self.awaited]

    def _jobs(self, stage: Stage) -> Iterable[Job]:
        return _expand(self.recipe, self.facts, stage)

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
    from everygroup.networks import NetworkSpec, build_network, resolve_backbone

    facts = {
        (entry.name, attribute): facts_of(entry, attribute, recipe.seeds[0])
        for entry in recipe.cohorts
        for attribute in attributes_of(entry)
    }
    for known in facts.values():
        for backbone in recipe.backbones:
            settings = recipe.training(backbone, 0)
            name = resolve_backbone(settings.backbone, known.sample_shape)
            build_network(NetworkSpec(name, len(known.classes), known.sample_shape, settings.small_stem))
    searching = tuple(_expand(recipe, facts, "search"))
    waiting = {job.cell for job in searching}
    final = tuple(job for job in _expand(recipe, facts, "final") if job.cell not in waiting)
    return Plan(recipe, searching, final, facts)


def _expand(recipe: Recipe, facts: Mapping[tuple[str, str], Facts], stage: Stage) -> Iterable[Job]:
    """Yield all jobs of a stage; final jobs for every draw, of which one is chosen."""
    from everygroup.methods import create_method

    seeds = recipe.search_seeds if stage == "search" else recipe.seeds
    for entry in recipe.cohorts:
        for attribute in attributes_of(entry):
            known = facts[entry.name, attribute]
            for backbone in recipe.backbones:
                for method in recipe.methods:
                    draws = recipe.draws_of(method)
                    if stage == "search" and draws == 1:
                        continue
                    tried: set[str] = set()
                    for draw in range(draws):
                        built = create_method(method.name, hyperparameters_of(recipe, method, draw))
                        settings = {k: v for k, v in drawn_of(recipe, method, draw).items() if k in recipe.search}
                        twin = hash_json([built.hyperparameters, settings])
                        if twin in tried:  # a choice has few values; one of equals is enough
                            continue
                        tried.add(twin)
                        networks = built.cost(known.groups) if known.groups else built.info.cost(0)
                        job = _job(recipe, stage, entry, attribute, backbone, method, draw, known)
                        each = job.settings.n_updates(known.n_train)
                        job = replace(
                            job, updates=round(networks * each), updates_per_network=each, groups=len(known.groups)
                        )
                        for seed in seeds:
                            yield replace(job, seed=seed, settings=job.settings.but(seed=seed))


def _job(
    recipe: Recipe,
    stage: Stage,
    entry: CohortEntry,
    attribute: str,
    backbone: str,
    method: MethodEntry,
    draw: int,
    known: Facts,
) -> Job:
    return Job(
        stage,
        entry,
        attribute,
        backbone,
        method.name,
        method.title,
        hyperparameters_of(recipe, method, draw),
        recipe.training(backbone, 0, drawn_of(recipe, method, draw)),
        0,
        draw,
        known.content_hash if entry.kind == "files" else "",
        code_hash(method_class(method.name)),
        import_files(recipe.imports),
    )


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Sort: methods whose networks others share first, then method by method, so that workers rarely need the same."""
    labels = list(dict.fromkeys(job.label for job in jobs))

    def rank(job: Job) -> tuple[int, int]:
        first = _FIRST.index(job.method) if job.method in _FIRST else len(_FIRST)
        return first, labels.index(job.label)

    return sorted(jobs, key=rank)
