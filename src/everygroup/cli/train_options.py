"""Options that every training command shares, and how flags, --config and --set become settings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.settings import PRESETS, TrainSettings, build, parse_assignments, read_config

_PANEL = "Training"

BackboneOption = Annotated[
    str | None, typer.Option(help="Network, see `everygroup list backbones`.", rich_help_panel=_PANEL)
]
EpochsOption = Annotated[
    int | None, typer.Option(help="Passes over the whole training cohort, for every network.", rich_help_panel=_PANEL)
]
BatchSizeOption = Annotated[int | None, typer.Option(help="Samples an update.", rich_help_panel=_PANEL)]
LrOption = Annotated[float | None, typer.Option(help="Learning rate.", rich_help_panel=_PANEL)]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=_PANEL)]
AmpOption = Annotated[str | None, typer.Option(help="Mixed precision: off, bf16, fp16.", rich_help_panel=_PANEL)]
SelectionOption = Annotated[
    str | None, typer.Option(help="Rule that chooses the epoch on validation data.", rich_help_panel=_PANEL)
]
PresetOption = Annotated[
    str | None,
    typer.Option(help=f"Starting values: {', '.join(PRESETS)} (paper: Xu et al. 2026).", rich_help_panel=_PANEL),
]
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


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _readable_bins(value: Any) -> Any:
    """Refuse what no rule can be; numbers and sets themselves are read by `everygroup.cohort.Binning`."""
    rules = list(value.values()) if isinstance(value, dict) else [None]
    sets = [members for rule in rules if isinstance(rule, dict) for members in rule.values()]
    if any(rule is None for rule in rules) or not all(isinstance(members, list) for members in sets):
        raise PydanticCustomError(
            "bins", "give each column its rule, such as age: 40,60 on a line of its own below bins:"
        )
    return value


Names = Annotated[list[str], BeforeValidator(_listed)]
Whole = Annotated[int, Field(ge=1)]


class CohortKeys(BaseModel):
    """What --config and --set may say of the cohort; see `everygroup.read_cohort`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: str | None = None
    group: Names | None = None
    bins: Annotated[dict[str, Any], BeforeValidator(_readable_bins)] | None = None
    split_by: str | None = None
    id_column: str | None = None
    image_column: str | None = None
    images: str | None = None
    image_size: Whole | None = None
    resize: Literal["crop", "pad", "stretch"] | None = None
    on_bad_image: Literal["error", "skip"] | None = None
    drop_unlabelled: bool | None = None
    sample_limit: Whole | None = None
    units_with_duplicates: bool | None = None


class RunKeys(BaseModel):
    """What --config and --set may say of the run itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: str = "spare"
    compare: Names = ["erm"]
    hyperparameters: dict[str, Any] | None = None
    preset: str = "standard"
    split_seed: int | None = Field(None, ge=0)
    n_boot: int = Field(1000, ge=10)
    imports: Names = []


@dataclass(frozen=True)
class Plan:
    """What a `fit` does, from flags, --set, --config and preset together.

    Attributes
    ----------
    settings : TrainSettings
    method, hyperparameters : str, dict
    compare : list of str
        Methods trained beside it.
    cohort : dict
        Arguments of `everygroup.read_cohort`.
    split_seed, n_boot : int
    imports : tuple of (path, hash of the content)
        Imported files of methods.
    """

    settings: TrainSettings
    method: str
    hyperparameters: dict[str, Any]
    compare: list[str]
    cohort: dict[str, Any]
    split_seed: int
    n_boot: int
    imports: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what config.yaml holds: `fit --config config.yaml` repeats the run. The device is not part of it."""
        return {
            **self.cohort,
            "method": self.method,
            "hyperparameters": self.hyperparameters,
            "compare": self.compare or ["none"],
            "split_seed": self.split_seed,
            "n_boot": self.n_boot,
            **({"imports": [path for path, _ in self.imports]} if self.imports else {}),
            **({"imports_hash": hash_json([content for _, content in self.imports])} if self.imports else {}),
            **self.settings.model_dump(exclude={"device"}),
        }


def resolve(
    flags: Mapping[str, Any], *, preset: str | None, config: Path | None, assignments: Sequence[str] | None
) -> Plan:
    """Merge preset < --config < --set < flags.

    Parameters
    ----------
    flags : mapping
        Values given on the command line; None where not given.

    Raises
    ------
    SettingsError
        For unknown keys or impossible values.
    """
    from everygroup.methods import import_files, method_class

    values: dict[str, Any] = dict(read_config(config)) if config is not None else {}
    for key in ("source", "imports_hash"):  # of a run's config.yaml
        values.pop(key, None)
    if config is not None and isinstance(files := _listed(values.get("imports")), list):
        values["imports"] = [str((config.parent / str(file)).resolve()) for file in files]
    values |= parse_assignments(assignments or ())
    values |= {k: v for k, v in {**flags, "preset": preset}.items() if v is not None}
    run = build(RunKeys, {k: values.pop(k) for k in RunKeys.model_fields if k in values})
    cohort = build(CohortKeys, {k: values.pop(k) for k in CohortKeys.model_fields if k in values})
    imports = import_files(run.imports)
    known = method_class(run.method).defaults()
    hyper = {**(run.hyperparameters or {}), **{k: values.pop(k) for k in list(values) if k in known}}
    if unknown := [k for k in values if k not in TrainSettings.model_fields]:
        names = [*TrainSettings.model_fields, *known, *CohortKeys.model_fields, *RunKeys.model_fields]
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(f"Unknown setting {unknown[0]!r}.", fix=f"{hint}See `everygroup list settings`")
    settings = TrainSettings.make(values, preset=run.preset)
    return Plan(
        settings,
        run.method,
        hyper,
        [m for m in run.compare if m not in (run.method, "none")],
        cohort.model_dump(exclude_none=True),
        settings.seed if run.split_seed is None else run.split_seed,
        run.n_boot,
        imports,
    )
