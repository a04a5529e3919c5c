"""`everygroup list` and `everygroup describe`: what there is, by name."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everygroup.cli.options import ImportOption
from everygroup.console import say
from everygroup.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from everygroup.datasets.published import LabelMap
    from everygroup.methods import Part

_OWN_DATASETS = {
    "simulated": "procedural dermatology cohort with a known truth",
    "toy": "vectors with rotating sectors",
}
KINDS = ("methods", "backbones", "metrics", "datasets", "settings", "selection", "presets")


def list_names(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    pattern: Annotated[str, typer.Argument(help="Wildcard, such as 'resnet*'.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    recommended: Annotated[
        bool, typer.Option("--recommended", help="A dozen backbones, with size, speed here, and pretrained weights.")
    ] = False,
    import_: ImportOption = None,
) -> None:
    """List methods, backbones, metrics, data sets, settings, selection rules or presets.

    Examples: `everygroup list methods` · `everygroup list backbones 'resnet*'` · `everygroup list settings --json`
    """
    _take(import_)
    if recommended and kind != "backbones":
        raise SettingsError(f"No {kind} are recommended.", fix="everygroup list backbones --recommended")
    entries = _recommended(pattern) if recommended else _entries(kind, pattern)
    names = {n: text for n, text in entries.items() if fnmatch.fnmatch(n, pattern)}
    if as_json:
        typer.echo(json.dumps(names if any(names.values()) else list(names), indent=2))
        return
    if not names:
        say(f"None of the {kind} is called like {pattern!r}.")
    width = max((len(n) for n in names), default=0)
    for name, text in names.items():
        typer.echo(f"{name:<{width}}  {text}".rstrip())


def describe(
    name: Annotated[str, typer.Argument(help="A method, metric, data set, setting or backbone.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    import_: ImportOption = None,
) -> None:
    """Describe a method, metric, data set, setting or backbone: what it is, its parameters, where it comes from.

    Examples: `everygroup describe spare` · `everygroup describe macro_f1` · `everygroup describe resnet18`
    """
    _take(import_)
    record = _record(name)
    if as_json:
        typer.echo(json.dumps(record, indent=2, default=str))
        return
    for key, value in record.items():
        if isinstance(value, dict):
            typer.echo(f"{key}:")
            for k, v in value.items():
                typer.echo(f"  {k} = {v}")
        elif isinstance(value, list):
            typer.echo(f"{key}:" if value else f"{key}: none")
            for item in value:
                typer.echo(f"  - {item}")
        elif "\n" in str(value):
            typer.echo(f"\n{value}\n")
        else:
            typer.echo(f"{key}: {value}")


def _take(files: Sequence[Path] | None) -> None:
    if files:
        from everygroup.methods import import_files

        import_files(files)


def _entries(kind: str, pattern: str) -> dict[str, str]:
    if kind == "methods":
        from everygroup.methods import list_methods, method_class

        infos = [method_class(n).info for n in list_methods(pattern)]
        return {i.name: f"{i.title} ({i.family}, {i.branch}; {', '.join(i.targets)})" for i in infos}
    if kind == "backbones":
        from everygroup.networks import OWN, list_backbones

        return {n: OWN.get(n, "") for n in list_backbones(pattern)}
    if kind == "metrics":
        from everygroup.metrics import list_metrics, metric_info

        return {n: metric_info(n).title for n in list_metrics()}
    if kind == "datasets":
        from everygroup.datasets.published import ADAPTERS

        titles = {n: f"{a.info.title}: {a.info.modality}, {a.info.task}" for n, a in sorted(ADAPTERS.items())}
        return {**_OWN_DATASETS, **titles}
    if kind == "settings":
        from everygroup.settings import TrainSettings

        return {n: f"{f.description} (default {f.default})" for n, f in TrainSettings.model_fields.items()}
    if kind == "selection":
        from everygroup.training import SELECTION

        return {n: r.help for n, r in SELECTION.items()}
    if kind == "presets":
        from everygroup.settings import PRESETS

        return {n: ", ".join(f"{k}={v}" for k, v in p.items()) or "the defaults" for n, p in PRESETS.items()}
    raise SettingsError(f"Nothing is called {kind!r}.", fix=f"list one of {', '.join(KINDS)}")


def _recommended(pattern: str) -> dict[str, str]:
    from everygroup.networks.recommended import RECOMMENDED, about

    records = {n: about(n) for n in RECOMMENDED if fnmatch.fnmatch(n, pattern)}
    return {
        n: f"{r['parameters']:>14} parameters  {r['images a second'].split()[0]:>5} images/s  {r['pretrained weights']}"
        for n, r in records.items()
    }


def _record(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from everygroup.datasets.published import ADAPTERS
    from everygroup.methods import list_methods, method_class
    from everygroup.metrics import list_metrics, metric_info
    from everygroup.settings import TrainSettings

    methods = list_methods()
    if name in methods:
        return _method(method_class(name))
    if name in list_metrics():
        metric = metric_info(name)
        record = {k: v for k, v in asdict(metric).items() if k != "function"}
        function = metric.function
        if isinstance(function, partial):  # one function measures many criteria; these make it this one
            record["fixed"], function = dict(function.keywords), function.func
        return {**record, "text": inspect.getdoc(function) or ""}
    if name in TrainSettings.model_fields:
        field = TrainSettings.model_fields[name]
        return {"setting": name, "default": field.default, "meaning": field.description}
    if name in ADAPTERS:
        return _data_set(name)
    if name in _OWN_DATASETS:
        return {"name": name, "title": _OWN_DATASETS[name]}
    options = {m: method_class(m).options() for m in methods}
    if owners := [m for m in methods if name in options[m]]:
        listed = ", ".join(f"{m} (default {options[m][name].default!r})" for m in owners)
        raise SettingsError(
            f"{name!r} is a hyper-parameter of {listed}.", fix=f"everygroup describe {owners[0]} says what it does"
        )
    from everygroup.networks import list_backbones

    if name in (backbones := list_backbones()):
        from everygroup.networks.recommended import about

        return about(name)
    known = [*methods, *list_metrics(), *TrainSettings.model_fields, *ADAPTERS, *backbones]
    near = [k for k in known if name in k][:4] or difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise SettingsError(
        f"Nothing is called {name!r}.",
        fix=f"{hint}See `everygroup list methods`, `metrics`, `datasets`, `settings` or `backbones`",
    )


def _method(method: type[Part]) -> dict[str, Any]:
    """Return what is known of a method; its hyper-parameters with their defaults, limits and meaning."""
    info = method.info.to_dict()
    cost = f"{info.pop('cost'):g} x ERM (two groups)"
    nested = method.nested()
    shown = {}
    for name, field in method.options().items():
        if name in nested:
            continue
        limits = [str(m) for m in field.metadata]
        what = f"{field.default!r}: {field.description or ''}"
        shown[name] = f"{what} [{', '.join(limits)}]" if limits else what
    return {**info, "cost": cost, "hyper-parameters": shown, "text": inspect.getdoc(method) or ""}


def _data_set(name: str) -> dict[str, Any]:
    from everygroup.datasets.published import adapter_of

    adapter = adapter_of(name)
    info = adapter.info
    record: dict[str, Any] = {
        "name": info.name,
        "title": info.title,
        "modality": info.modality,
        "task": info.task,
        "images": info.n_images if info.n_images is not None else "not stated",
        "unit": "the image (a patient has one, or none is known)" if info.unit == "image_id" else info.unit,
        "licence": info.licence,
        "access": info.access,
        "citation": info.citation,
        "attributes": dict(info.attributes) or "none",
        "files": list(info.files),
        "known defects": list(info.defects),
        "left out": dict(adapter.drops) or "no record",
        "label maps": dict(map(_label_map, adapter.label_maps)),
        "default label map": adapter.label_map().name,
        "published counts": {c: ", ".join(f"{v} {n}" for v, n in counts.items()) for c, counts in info.counts.items()},
    }
    if info.doubtful:
        record["column names"] = "not confirmed on the released files; rename yours with --column-map OLD=NEW"
    return {**record, "prepare": f"everygroup prepare {name} RAW_FOLDER --out COHORT"}


def _label_map(rule: LabelMap) -> tuple[str, str]:
    """Return the name with the version, and the classes with the note."""
    shown = ", ".join(rule.classes[:12])
    if len(rule.classes) > 12:
        shown += f" and {len(rule.classes) - 12} more"
    return f"{rule.name} (version {rule.version})", f"{shown} ({rule.note})" if rule.note else shown
