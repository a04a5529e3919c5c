"""A job: one method on one cohort, attribute, backbone and seed, known by a hash of all its results depend on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from everygroup import __version__
from everygroup.benchmark.cohorts import Facts, attributes_of
from everygroup.benchmark.recipe import CohortEntry
from everygroup.files import hash_json, slug
from everygroup.settings import TrainSettings

Stage = Literal["search", "final"]
_FORMAT = 1  # raise it when the same job gives other results, so that no old ones are served


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a benchmark.

    Attributes
    ----------
    stage : {'search', 'final'}
        A search job judges a draw on validation and never touches the test part.
    cohort : CohortEntry
    attribute : str
    facts : Facts
        Of the cohort by this attribute, for the first seed.
    method, label : str
        How the method is written, and what it is called in tables.
    hyperparameters : dict
    draw : int
        Which of the searched values these are.
    settings : TrainSettings
        With backbone and seed.
    networks : float
        Networks that the method trains, in multiples of ERM.
    code_hash : str
        Content of the file that a method of one's own comes from; empty for the package's.
    imports : tuple of (path, hash of the content)
        Files to import before it runs.
    """

    stage: Stage
    cohort: CohortEntry
    attribute: str
    facts: Facts
    method: str
    label: str
    hyperparameters: dict[str, Any]
    draw: int
    settings: TrainSettings
    networks: float
    code_hash: str = ""
    imports: tuple[tuple[str, str], ...] = ()

    @property
    def seed(self) -> int:
        """Of training; and of cohort and split where they are drawn for every seed."""
        return self.settings.seed

    @property
    def backbone(self) -> str:
        """As the recipe names it."""
        return self.settings.backbone

    @property
    def updates_per_network(self) -> int:
        """Planned updates of one network."""
        return self.settings.n_updates(self.facts.n_train)

    @property
    def updates(self) -> int:
        """Planned updates of all its networks, shared ones included."""
        return round(self.networks * self.updates_per_network)

    @property
    def passes(self) -> int:
        """Images passed forward and back in training."""
        return self.updates * self.settings.batch_size

    @cached_property
    def config(self) -> dict[str, Any]:
        """Everything the results depend on; JSON-able. Not the device."""
        rule = attributes_of(self.cohort)[self.attribute]
        return {
            "everygroup": __version__,
            "format": _FORMAT,
            "stage": self.stage,
            "cohort": self.cohort.model_dump(exclude={"attributes"}, exclude_defaults=True),
            "attribute": self.attribute,
            "attribute_rule": None if rule is None else rule.model_dump(),
            # what is generated is described by its settings
            "data_hash": self.facts.content_hash if self.cohort.kind == "files" else "",
            "backbone": self.backbone,
            "method": self.method,
            "label": self.label,
            "hyperparameters": self.hyperparameters,
            "draw": self.draw,
            "seed": self.seed,
            "settings": self.settings.model_dump(exclude={"device"}),
            **({"code_hash": self.code_hash} if self.code_hash else {}),
        }

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
        return f"{slug('-'.join([*self.cell, f'{draw}s{self.seed}']), most=100)}-{self.id[:10]}"

    def __str__(self) -> str:
        draw = f", draw {self.draw}" if self.stage == "search" else ""
        return f"{self.label} on {self.cohort.name} by {self.attribute} ({self.backbone}, seed {self.seed}{draw})"
