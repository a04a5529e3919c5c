"""One run: a cohort, a method and what it is compared with, from training to report, in one folder."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.audit import Audit, audit
from everygroup.audit.called import called
from everygroup.benchmark.pictures import weight_strips
from everygroup.benchmark.run_folder import RunFolder
from everygroup.check import cautions, fingerprint
from everygroup.cohort import Cohort, Split
from everygroup.console import recorded_warnings, say, warn
from everygroup.errors import SettingsError
from everygroup.files import safe_csv
from everygroup.methods import Method, RoutedModel, Store, create_method, method_class
from everygroup.networks import Classifier, NetworkSpec, build_network, resolve_backbone
from everygroup.predictions import Predictions
from everygroup.predictions.polarity import positive_of
from everygroup.settings import TrainSettings
from everygroup.spare import weight_summary
from everygroup.training import RunLog, resolve_device, selection_rule, trained_briefly


@dataclass(frozen=True)
class Run:
    """What a finished run left.

    Attributes
    ----------
    folder : Path
    model : RoutedModel
        Of the main method.
    predictions : dict of str to Predictions
        By method name; validation and test samples.
    audits : dict of str to Audit
        By method name; test samples only, compared with ERM where it was trained.
    """

    folder: Path
    model: RoutedModel
    predictions: dict[str, Predictions]
    audits: dict[str, Audit]

    @property
    def summary(self) -> pd.DataFrame:
        """Long rows of all methods."""
        return pd.concat([a.table for a in self.audits.values()], ignore_index=True)


def _build(name: str, main: str, hyperparameters: Mapping[str, Any] | None) -> Method:
    """Build the main method, or one compared with it: that has its defaults, but treats small groups like the main."""
    if name == main:
        return create_method(name, hyperparameters)
    shared = {"small_groups"} & set(hyperparameters or {}) & set(method_class(name).defaults())
    return create_method(name, {k: v for k, v in (hyperparameters or {}).items() if k in shared})


def _taken_as_positive(classes: Sequence[str], positive: str | None) -> list[str]:
    """Say which of two classes the audit takes as the disease, where neither was named and the names do not tell."""
    if len(classes) != 2 or positive is not None or positive_of(classes) is not None:
        return []
    first, second = classes
    return [
        f"Which of the classes {first!r} and {second!r} is the disease is not known: {second!r} is taken as the "
        f"positive one, whose cases the audit counts as missed (--positive {shlex.quote(first)} names the other)."
    ]


def preflight(
    split: Split,
    *,
    method: str,
    hyperparameters: Mapping[str, Any] | None = None,
    compare: Sequence[str] = (),
    settings: TrainSettings,
    positive: str | None = None,
) -> None:
    """Find what would stop a run before anything is written or trained.

    Raises
    ------
    EverygroupError
        For wrong names or values, a device or backbone that does not work, or groups a method cannot be trained on.
    """
    classes = split.train.classes
    if positive is not None and (len(classes) != 2 or positive not in classes):
        raise SettingsError(
            f"The positive class {positive!r} is not one of two classes.", fix=f"the classes are: {', '.join(classes)}"
        )
    resolve_device(settings.device)
    selection_rule(settings.selection)
    shape = split.train.sample_shape
    backbone = resolve_backbone(settings.backbone, shape)
    network = build_network(NetworkSpec(backbone, len(classes), shape, settings.small_stem))
    assert isinstance(network, Classifier)
    for name in (*compare, method):
        built = _build(name, method, hyperparameters)
        built.check_cohorts(split.train, split.validation)
        built.check_network(network)


def run(
    cohort: Cohort,
    folder: RunFolder,
    *,
    method: str,
    hyperparameters: Mapping[str, Any] | None = None,
    compare: Sequence[str] = ("erm",),
    settings: TrainSettings,
    split: Split,
    store: Path | None = None,
    n_boot: int = 1000,
    routing: Mapping[str, Any] | None = None,
    positive: str | None = None,
) -> Run:
    """Train a method and those it is compared with, predict, audit and report.

    Parameters
    ----------
    cohort, split : Cohort, Split
        The cohort and its parts; the test part is predicted once, after everything is trained and chosen.
    folder : RunFolder
        Where the run's files go.
    method, hyperparameters : str, mapping
        The main method.
    compare : sequence of str
        Methods trained beside it with their defaults, the same settings and the same split. What the main method does
        about groups too small for a network (`small_groups`), they do too.
    store : Path, optional
        Folder of trained networks and distances, to be shared between runs; inside the run folder by default.
    n_boot : int
        Bootstrap replicates.
    routing : mapping, optional
        Options of `RoutedModel.predict`.
    positive : str, optional
        The positive one of two classes; see `Predictions.with_positive`.
    """
    device = resolve_device(settings.device)
    say(str(cohort))
    first = cautions(cohort) + _taken_as_positive(split.train.classes, positive)
    for text in first:
        warn(text)
    found = fingerprint(cohort, split)
    split.save(folder / "split.csv")
    log = RunLog(folder.path)
    keep = Store(store or folder / "store", log)
    started = time.perf_counter()
    models: dict[str, RoutedModel] = {}
    seconds: dict[str, float] = {}
    for name in dict.fromkeys([*compare, method]):
        say(f"Training {name}")
        begun = time.perf_counter()
        built = _build(name, method, hyperparameters)
        models[name] = built.fit(split.train, split.validation, settings=settings, store=keep)
        seconds[name] = round(time.perf_counter() - begun, 1)
    log.draw()
    if brief := trained_briefly(log.table, rule=settings.selection):
        warn(brief)

    model = models[method]
    model.save(folder / "model")
    if model.weights is not None:
        folder.write_table("weights.csv", model.weights)
    predictions: dict[str, Predictions] = {}
    held = (split.table["part"] != "train").to_numpy()
    unseen, parts = cohort.where(held), split.table["part"].to_numpy()[held]
    for name, trained in models.items():
        answers = trained.predict(unseen, device=device, split=parts, **(routing or {}))
        predictions[name] = answers.with_positive(positive)
        suffix = "" if name == method else f"-{name}"
        predictions[name].to_csv(folder / f"predictions{suffix}.csv")

    say("Auditing the test predictions")
    baseline = predictions["erm"].of_split("test") if "erm" in predictions else None
    audits = {
        name: audit(
            p.of_split("test"),
            baseline=baseline if name != "erm" else None,
            n_boot=n_boot,
            seed=settings.seed,
            data_set=str(cohort.provenance.get("name", "")),
            method=name,
            run_seed=settings.seed,
            label=cohort.label or "",
        )
        for name, p in predictions.items()
    }
    result = Run(folder.path, model, predictions, audits)
    audits[method].write(folder.path)
    safe_csv(result.summary, folder / "summary.csv")  # of all methods, in place of the main one's alone
    environment = folder.write_environment({"seconds": seconds, "device": str(device)})
    _report(result, folder, method, split, log, environment, found.to_dict(), settings, first)
    folder.finish()
    say(f"Finished in {time.perf_counter() - started:.0f} s.")
    return result


def _report(
    result: Run,
    folder: RunFolder,
    method: str,
    split: Split,
    log: RunLog,
    environment: dict[str, Any],
    fingerprint: dict[str, Any],
    settings: TrainSettings,
    first: Sequence[str],
) -> None:
    from everygroup.report import write_brief, write_model_card, write_report
    from everygroup.report.data_set import data_set_facts

    train, weights = split.train, result.model.weights
    audits = dict(result.audits)
    main = audits[method].flags
    audits = {
        m: replace(a, flags=tuple(replace(f, text=f"{m}: {f}") for f in a.flags if f not in main))
        for m, a in audits.items()
    }
    audits[method] = audits[method].heeding(recorded_warnings())
    top = next(iter(audits))  # the page lists the flags of all methods in this order
    audits[top] = audits[top].heeding(first)
    title = f"{method} on {train.provenance.get('name', 'the cohort')}"
    question = {
        "cohort": train.provenance.get("name", ""),
        **data_set_facts(train.provenance, train.label),
        "label": train.label,
        "classes": ", ".join(called(train.classes, train.label or "").get(c, c) for c in train.classes),
        "groups": f"{', '.join(train.groups)} (by {train.rule.name})",
        "method": method,
        "baseline": "erm" if "erm" in audits else "",
        "compared with": ", ".join(m for m in audits if m != method) or "nothing",
        "samples (train / validation / test)": f"{len(train)} / {len(split.validation)} / {len(split.test)}",
        "split hash": split.hash,
        "seed": settings.seed,
        "backbone": next(iter(result.model.specs.values())).backbone,
        "updates per network": settings.n_updates(len(train)),
    }
    methods = [method_class(m).info.to_dict() for m in audits]
    both: dict[str, Any] = {"title": title, "question": question, "fingerprint": fingerprint, "methods": methods}
    both["environment"] = environment
    write_model_card(folder / "model-card.md", list(audits.values()), **both)
    write_brief(folder / "brief.html", title=title, question=question, audit=list(audits.values()))
    write_report(
        folder / "report.html",
        audit=list(audits.values()),
        log=log.table,
        weights=weights,
        weight_summary=weight_summary(weights) if weights is not None else None,
        image_strips=weight_strips(train, weights) if weights is not None else None,
        of_patients=not train.provenance.get("simulated", False),
        **both,
    )
