"""Options that every training command shares, and how flags, --config and --set become settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, BeforeValidator, ConfigDict

from everygroup.files import hash_json
from everygroup.reading import Names, Reading
from everygroup.settings import (
    PRESETS,
    TrainSettings,
    build,
    option,
    parse_assignments,
    read_config,
    unknown_settings,
)

_PANEL = "Training"

ConfigOption = Annotated[
    Path | None, typer.Option(help="YAML file of settings; flags win over it.", rich_help_panel=_PANEL)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any setting or hyper-parameter of the method.", rich_help_panel=_PANEL
    ),
]

ImportOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Python file of a method of your own; importing it runs its code. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]


def _one_line(value: Any) -> Any:
    """Write a chain that a file holds as a list in one line."""
    if not isinstance(value, list):
        return value
    from everygroup.benchmark.recipe import one_line

    return one_line(value)


Written = Annotated[str, BeforeValidator(_one_line)]


class RunKeys(BaseModel):
    """What flags, --config and --set may say of the run itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: Written = option(
        "spare", "method, or a chain such as 'resampling + group_dro'; see `everygroup list methods`"
    )
    compare: Names = option(("erm",), "methods or chains trained beside it; 'none' for none")
    hyperparameters: dict[str, Any] | None = None
    preset: str = option("standard", f"starting values: {', '.join(PRESETS)} (paper: Xu et al. 2026)")
    split_seed: int | None = option(None, "another seed for the split alone", ge=0, otherwise="that of --seed")
    n_boot: int = option(1000, "bootstrap replicates of the audit", ge=10)
    as_they_are: bool = option(False, "train although some values look like one in several spellings (F and f)")
    positive: str | None = option(
        None, "the positive one of two classes", metavar="CLASS", otherwise="told by its name, else the second"
    )
    imports: Names = option(
        (), "Python file of a method of your own; importing it runs its code", metavar="FILE", flag="--import"
    )


@dataclass(frozen=True)
class Plan:
    """What a `fit` does, from flags, --set, --config and preset together.

    Attributes
    ----------
    settings : TrainSettings
    method, hyperparameters : str, dict
    compare : list of str
        Methods trained beside it.
    reading : Reading
        Options of `everygroup.read_cohort`.
    split_seed, n_boot : int
    positive : str or None
        Of two classes, in the audit.
    as_they_are : bool
        Whether values that look like one in several spellings are trained on as they are.
    imports : tuple of (path, hash of the content)
        Imported files of methods.
    """

    settings: TrainSettings
    method: str
    hyperparameters: dict[str, Any]
    compare: list[str]
    reading: Reading
    split_seed: int
    n_boot: int
    as_they_are: bool = False
    imports: tuple[tuple[str, str], ...] = ()
    positive: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what config.yaml holds: `fit --config config.yaml` repeats the run. The device is not part of it."""
        return {
            **self.reading.given(),
            "method": self.method,
            "hyperparameters": self.hyperparameters,
            "compare": self.compare or ["none"],
            "split_seed": self.split_seed,
            "n_boot": self.n_boot,
            **({"positive": self.positive} if self.positive else {}),
            **({"as_they_are": True} if self.as_they_are else {}),
            **({"imports": [path for path, _ in self.imports]} if self.imports else {}),
            **({"imports_hash": hash_json([content for _, content in self.imports])} if self.imports else {}),
            **self.settings.model_dump(exclude={"device"}),
        }


def resolve(
    reading: Reading, run: RunKeys, training: TrainSettings, *, config: Path | None, assignments: Sequence[str] | None
) -> Plan:
    """Merge preset < --config < --set < flags.

    Parameters
    ----------
    reading, run, training : Reading, RunKeys, TrainSettings
        What was given on the command line.

    Raises
    ------
    SettingsError
        For unknown keys or impossible values.
    """
    from everygroup.benchmark.written import options_of
    from everygroup.methods import import_files

    values: dict[str, Any] = dict(read_config(config)) if config is not None else {}
    for key in ("source", "cohort_hash", "split_hash", "imports_hash"):  # of a run's config.yaml
        values.pop(key, None)
    if config is not None and values.get("imports"):
        files = values["imports"]
        values["imports"] = [config.parent / str(f) for f in (files if isinstance(files, list) else [files])]
        values["imports"] = [str(file.resolve()) for file in values["imports"]]
    values |= parse_assignments(assignments or ())
    for flags in (reading, run, training):
        values |= flags.model_dump(exclude_unset=True)
    run = build(RunKeys, {k: values.pop(k) for k in RunKeys.model_fields if k in values})
    reading = build(Reading, {k: values.pop(k) for k in Reading.model_fields if k in values})
    imports = import_files(run.imports)
    known = options_of(run.method)
    hyper = {**(run.hyperparameters or {}), **{k: values.pop(k) for k in list(values) if k in known}}
    if unknown := [k for k in values if k not in TrainSettings.model_fields]:
        names = [*TrainSettings.model_fields, *known, *Reading.model_fields, *RunKeys.model_fields]
        raise unknown_settings(unknown, names, fix="See `everygroup list settings`")
    settings = TrainSettings.make(values, preset=run.preset)
    return Plan(
        settings,
        run.method,
        hyper,
        [m for m in run.compare if m not in (run.method, "none")],
        reading,
        settings.seed if run.split_seed is None else run.split_seed,
        run.n_boot,
        run.as_they_are,
        imports,
        run.positive,
    )
