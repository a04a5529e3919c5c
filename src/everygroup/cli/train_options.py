"""Options that every training command shares, and how flags, --config and --set become settings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from everygroup.errors import SettingsError
from everygroup.settings import PRESETS, TrainSettings, parse_assignments, read_config

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


COHORT_KEYS = (
    "label",
    "group",
    "bins",
    "split_by",
    "id_column",
    "image_column",
    "images",
    "image_size",
    "resize",
    "on_bad_image",
    "drop_unlabelled",
    "sample_limit",
)
DEFAULTS: dict[str, Any] = {"method": "spare", "compare": ["erm"], "n_boot": 1000, "split_seed": None}


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
    """

    settings: TrainSettings
    method: str
    hyperparameters: dict[str, Any]
    compare: list[str]
    cohort: dict[str, Any]
    split_seed: int
    n_boot: int

    def to_dict(self) -> dict[str, Any]:
        """Return what config.yaml holds: `fit --config config.yaml` repeats the run. The device is not part of it."""
        return {
            **self.cohort,
            "method": self.method,
            "hyperparameters": self.hyperparameters,
            "compare": self.compare or ["none"],
            "split_seed": self.split_seed,
            "n_boot": self.n_boot,
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
    from everygroup.methods import method_class

    values: dict[str, Any] = dict(read_config(config)) if config is not None else {}
    values.pop("source", None)
    preset = preset or values.pop("preset", None) or "standard"
    values.pop("preset", None)
    nested = values.pop("hyperparameters", None) or {}
    if not isinstance(nested, dict):
        raise SettingsError("'hyperparameters' in the configuration is no mapping.", fix="indent its keys")
    values |= parse_assignments(assignments or ())
    values |= {k: v for k, v in flags.items() if v is not None}
    run = {k: values.pop(k, default) for k, default in DEFAULTS.items()}
    cohort = {k: v for k in COHORT_KEYS if (v := values.pop(k, None)) is not None}
    known = method_class(run["method"]).defaults()
    hyper = {**nested, **{k: values.pop(k) for k in list(values) if k in known}}
    if unknown := [k for k in values if k not in TrainSettings.model_fields]:
        near = difflib.get_close_matches(
            unknown[0], [*TrainSettings.model_fields, *known, *COHORT_KEYS, *DEFAULTS], n=1
        )
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(f"Unknown setting {unknown[0]!r}.", fix=f"{hint}See `everygroup list settings`")
    settings = TrainSettings.make(values, preset=preset)
    compare = [run["compare"]] if isinstance(run["compare"], str) else list(run["compare"])
    return Plan(
        settings,
        run["method"],
        hyper,
        [m for m in compare if m not in (run["method"], "none")],
        cohort,
        settings.seed if run["split_seed"] is None else _whole("split_seed", run["split_seed"]),
        _whole("n_boot", run["n_boot"]),
    )


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SettingsError(f"{name} = {value!r} is no whole number.", fix=f"write {name}: 0 or more")
    return value
