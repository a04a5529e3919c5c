"""Options that every training command shares, and how flags, --config and --set become settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def resolve_settings(
    flags: Mapping[str, Any],
    *,
    preset: str | None,
    config: Path | None,
    assignments: Sequence[str] | None,
    method_defaults: Mapping[str, Any],
) -> tuple[TrainSettings, dict[str, Any], dict[str, Any]]:
    """Merge preset < --config < --set < flags.

    Parameters
    ----------
    flags : mapping
        Values given on the command line; None where not given.
    method_defaults : mapping
        The method's hyper-parameters; names among them go to the method.

    Returns
    -------
    settings, hyperparameters, others : TrainSettings, dict, dict
        `others` holds keys of the configuration file that are options of the command (cohort, method).

    Raises
    ------
    SettingsError
        For unknown keys or impossible values.
    """
    from everygroup.cli.fit import COHORT_KEYS

    values: dict[str, Any] = dict(read_config(config)) if config is not None else {}
    preset = preset or values.pop("preset", None) or "standard"
    nested = values.pop("hyperparameters", None) or {}
    if not isinstance(nested, dict):
        raise SettingsError("'hyperparameters' in the configuration is no mapping.", fix="indent its keys")
    others = {k: values.pop(k) for k in list(values) if k in COHORT_KEYS}
    values |= parse_assignments(assignments or ())
    values |= {k: v for k, v in flags.items() if v is not None}
    hyper = {**nested, **{k: values.pop(k) for k in list(values) if k in method_defaults}}
    unknown = [k for k in values if k not in TrainSettings.model_fields]
    if unknown:
        import difflib

        known = [*TrainSettings.model_fields, *method_defaults, *COHORT_KEYS]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(f"Unknown setting {unknown[0]!r}.", fix=f"{hint}See `everygroup list settings`")
    return TrainSettings.make(values, preset=preset), hyper, others
