"""The door: from a table of predictions to its audit in one call, whatever was predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from everygroup.audit.beside import beside, numbered
from everygroup.audit.choice import choose
from everygroup.audit.chosen import (
    Both,
    absent_groups,
    answered_as,
    calibration_flags,
    choose_for,
    in_words,
    rows_of_split,
    rows_that_chose,
    splits_in_words,
    usable,
)
from everygroup.audit.engine import Plan
from everygroup.audit.flags import Flag, split_flags
from everygroup.audit.further import Changed, Mixed
from everygroup.audit.gates import meanings
from everygroup.audit.how_read import in_full, in_lines
from everygroup.audit.kinds import KINDS, Table
from everygroup.audit.leaks import leak_flags
from everygroup.audit.patients import patient_flags
from everygroup.audit.reference import reference_rows, references
from everygroup.audit.result import Audit, frame_of
from everygroup.audit.series import Periods, by_period, changes, series_rows
from everygroup.audit.strata import Levels, strata_rows
from everygroup.audit.words import units
from everygroup.console import detail, gathering, say
from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, metric_info
from everygroup.metrics.thresholds import Rule, Threshold, apply_threshold
from everygroup.predictions import Predictions
from everygroup.predictions.audit_options import AuditOptions
from everygroup.predictions.table_reading import TableReading
from everygroup.predictions.task import guess_task
from everygroup.settings import build, unknown_settings

WELL_COVERED = 0.8
"""A gap at one mix of cases is a caution where fewer of them are in levels that every group has."""
QUICK = 200
"""Replicates of the audits of periods and versions, whose gaps are not tested."""


def audit_table(file: Path | str, *, also: Sequence[str] = (), **options: Any) -> Audit:
    """Audit a table of predictions: what `everygroup audit` does, as one call.

    Parameters
    ----------
    file : CSV, spreadsheet or parquet of predictions, or a run folder that holds them.
    also : metrics wanted besides those that are shown, such as those of gates.
    **options : fields of `everygroup.predictions.TableReading` (which columns and groups) and of
        `everygroup.predictions.AuditOptions` (which rows, figures and statistics). What is not named is guessed, and
        said; sensitive attributes are never guessed.

    Returns
    -------
    Audit
        `settings["asked"]` tells which file, rows and columns it is of.

    Raises
    ------
    PredictionsError, CohortError, TableError
        Naming file, row or column, and what to do.
    SettingsError
        For an unknown option, metric or threshold rule.
    """
    names = {*TableReading.model_fields, *AuditOptions.model_fields}
    if unknown := [key for key in options if key not in names]:
        raise unknown_settings(unknown, names, fix=f"The names are: {', '.join(sorted(names))}")
    how = build(AuditOptions, {k: v for k, v in options.items() if k in AuditOptions.model_fields})
    asked = build(TableReading, {k: v for k, v in options.items() if k in TableReading.model_fields})
    within = tuple(dict.fromkeys(part.strip() for text in how.within for part in text.split(",")))
    asked = asked.but(beside=tuple(c for c in (*asked.beside, how.time, *within) if c is not None))
    with gathering() as details:
        source = asked.open(file)
        task = how.task
        if task == "auto":
            task, why = guess_task(source, asked)
            told_so = f"taken as {task}, as {why}"
            detail(source.name, f"{told_so} (--task to name another).", told_so)
        rule = None if how.threshold is None else Rule.parse(how.threshold)
        _check_options(task, how, rule)
        table = KINDS[task](source, asked)
        if isinstance(table.rows, Predictions) and how.embeddings is not None:
            table = replace(table, rows=numbered(table.rows))
        chose = how.threshold_from
        elsewhere = None if chose is None else _chosen_elsewhere(table, asked, rule, Path(chose))
        sizes: dict[str, Both] = {source.name: table.rows}
        rows, cut, cautions = _audited(table.rows, rule, how.split, elsewhere)
        heed: list[Flag | str] = [*absent_groups(table.rows, rows), *cautions]
        heed += patient_flags(source, asked, table.columns)
        rows = usable(rows)
        others: list[Both] = []
        told: dict[str, Any] = {"threshold": in_words(cut)}
        for path in how.baseline:
            read = table.again(asked.open_baseline(path))
            sizes.setdefault(Path(path).name, read)
            other, their_cut, theirs = _audited(read, rule, how.split, elsewhere)
            others.append(other)
            name = "Baseline" if len(how.baseline) == 1 else Path(path).name
            heed += [replace(flag, text=f"{name}: {flag}") for flag in theirs]
            if their_cut is not None:
                told["threshold of the baseline"] = in_words(their_cut)
        files, leaks = beside(how, rows, table, source, asked)
        heed += leaks
        told |= {name: Path(str(getattr(how, name))).name for name in files}
    for line in in_lines(details, sizes):
        say(line)
    more: dict[str, Any] = {"n_boot": how.n_boot, "seed": how.seed, "min_n": how.min_n, "interval": how.interval}
    if isinstance(rows, Predictions):
        heed += calibration_flags(rows, table.columns["label"])
        more |= {"metrics": wanted_metrics(how.metrics, also, rows, how.critical)}
        more |= {"intersections": how.intersections, "critical": how.critical}
    else:
        heed += split_flags(rows.table["split"], rows.table["unit"])
    result = table.audit(rows, others[-1] if others else None, more | files)
    quick = more | {"n_boot": min(how.n_boot, QUICK)} | ({"intersections": 0} if "intersections" in more else {})

    def of(part: Both) -> Audit:
        return table.audit(part, None, quick)

    versions: list[tuple[str, Both]] = []
    if len(others) > 1:
        pairs = zip(how.baseline, others, strict=True)
        versions = [(Path(path).name, answered_as(rows, other, table.predicted)) for path, other in pairs]
    series, changed, undated = _series(rows, versions, how, of, result)
    strata: list[dict[str, Any]] = []
    mixed: list[Mixed] = []
    if within:
        plan = Plan(how.n_boot, how.seed, how.min_n, interval=how.interval)
        strata, mixed = strata_rows(rows, Levels.of(rows.table, within), result, plan, of)
    heed += [*undated, *(Flag("caution", c.sentence(result.settings), c.attribute, c.metric) for c in changed)]
    for m in mixed:
        grave = m.explained or m.covered < WELL_COVERED
        heed.append(Flag("caution" if grave else "note", m.sentence(result.settings), m.attribute, m.metric))
    against = reference_rows(result.differences, references(how.reference, result.table))
    told = _told(source.name, table, rows, asked, result) | told
    told["baseline"] = Path(how.baseline[-1]).name if how.baseline else "none"
    if len(how.baseline) > 1:
        told["earlier versions"] = ", ".join(Path(path).name for path in how.baseline[:-1])
    told["how it was read"] = in_full(details)
    settings = result.settings | {"split": told["split"], "threshold": told["threshold"], "asked": told}
    settings["label"] = table.columns.get("label") or ""
    settings |= {"unit": units(how.unit)} if how.unit else {}
    settings |= {"changes": [asdict(c) for c in changed]} if changed else {}
    settings |= {"case_mix": [asdict(m) for m in mixed]} if mixed else {}
    run = {name: result.table[name].iloc[0] for name in ("data_set", "method", "seed")}
    frames = {"series": series, "strata": strata, "references": against}
    made: dict[str, Any] = {name: frame_of(name, found, **run) for name, found in frames.items()}
    return replace(result.heeding(heed), settings=settings, **made)


def _series(
    rows: Both, versions: Sequence[tuple[str, Both]], how: AuditOptions, of: Callable[[Both], Audit], result: Audit
) -> tuple[list[dict[str, Any]], list[Changed], list[Flag]]:
    """Rows of `Audit.series` over versions of the model and over time; where a rate changed; rows without a date."""
    found: list[dict[str, Any]] = []
    if len(versions) > 1:
        found += series_rows("version", [*((name, of(part)) for name, part in versions), ("this", result)])
    if how.time is None:
        return found, [], []
    periods = Periods.of(rows.table[how.time], how.time, how.every)
    found += series_rows("time", by_period(rows, periods, of))
    attributes = list(dict.fromkeys(result.table["attribute"]))
    flags: list[Flag] = []
    if (undated := int((periods.index < 0).sum())) > 0:
        flags.append(Flag("caution", f"{undated} of {len(rows)} rows have no {how.time}: they are in no period."))
    changed = changes(rows, periods, attributes, result.headline, how.seed) if isinstance(rows, Predictions) else []
    return found, changed, flags


def _check_options(task: str, how: AuditOptions, rule: Rule | None) -> None:
    if units(how.unit) and task not in ("regression", "segmentation"):
        raise SettingsError("--unit is for measured numbers.", fix=f"leave it out for the task {task!r}")
    if task == "classification":
        return
    if rule is not None:
        raise SettingsError("--threshold is for classes.", fix=f"leave it out for the task {task!r}")
    ours = ("metrics", "critical", "intersections", "embeddings", "calibration")
    if given := [f"--{name}" for name in ours if getattr(how, name)]:
        verb = "are" if len(given) > 1 else "is"
        raise SettingsError(f"{' and '.join(given)} {verb} for classes.", fix=f"leave that out for the task {task!r}")


def _chosen_elsewhere(
    table: Table, asked: TableReading, rule: Rule | None, path: Path
) -> tuple[Threshold, Predictions]:
    """The threshold that is chosen in a file of validation rows, and those rows."""
    if rule is None:
        raise SettingsError(f"--threshold-from {path.name} needs a rule.", fix="add --threshold sens:0.9, or another")
    rows = table.again(asked.open_baseline(path))
    assert isinstance(rows, Predictions)  # thresholds are refused for other tasks
    return choose_for(rows, rule, own_file=path.name), rows


def _audited(
    everything: Both, rule: Rule | None, split: str | None, elsewhere: tuple[Threshold, Predictions] | None = None
) -> tuple[Both, Threshold | None, list[Flag]]:
    """The rows that are audited, the threshold that answered them, and what to heed about it."""
    cut, heed = None, []
    if rule is not None and isinstance(everything, Predictions):
        if elsewhere is None:
            cut = choose_for(everything, rule)
        else:
            cut, _ = elsewhere
        everything = apply_threshold(everything, cut)
    inside = rule is not None and rule.name != "fixed" and elsewhere is None
    mask = rows_of_split(everything.table["split"].to_numpy(dtype=object), split, chosen_on_validation=inside)
    rows = everything if mask is None else everything.where(mask)
    if elsewhere is not None and cut is not None and isinstance(rows, Predictions) and not cut.rule.startswith("fixed"):
        heed += leak_flags(rows, elsewhere[1], f"{cut.split}, which chose the threshold,")
    if inside and isinstance(rows, Predictions) and (n := rows_that_chose(rows, cut)):
        text = f"The threshold was chosen on {n} of these {len(rows)} rows: the numbers say nothing about new patients."
        heed.append(Flag("stop", text))
    return rows, cut, heed


def wanted_metrics(
    metrics: Sequence[str], also: Sequence[str], predictions: Predictions, critical: Sequence[str] = ()
) -> Any:
    """The metrics asked for, and those wanted besides; 'standard' and 'all' stand alone."""
    listed = [part.strip() for text in metrics or ("standard",) for part in text.split(",")]
    if "" in listed:
        raise SettingsError("--metrics holds an empty name.", fix="write --metrics accuracy,macro_f1")
    asked: Any = listed[0] if len(listed) == 1 and listed[0] in ("standard", "all") else listed
    shown = choose(asked, predictions.classes, scores=predictions.has_scores, critical=critical).shown
    more = []
    for metric in dict.fromkeys(also):
        known = [name for name in meanings(metric) if name in list_metrics()]
        if set(meanings(metric)) & set(shown) or (known and metric_info(known[0]).kind == "gap"):
            continue
        # of more than two classes a bare rate is their average
        averages = [name for name in known if name.startswith("macro_") and len(predictions.classes) > 2]
        more.append(averages[0] if averages else metric)
    return [*shown, *more] if more else asked


def _told(name: str, table: Table, rows: Both, asked: TableReading, result: Audit) -> dict[str, Any]:
    """File, rows, patients, attributes and columns, as the page says them."""
    titles = result.settings.get("titles", {})
    patients: Any = result.settings.get("n_clusters", "")
    return {
        "predictions": name,
        "samples": len(rows),
        "patients or lesions": patients if "patient" in table.columns else "not named: every sample counts as one",
        "attributes": list(dict.fromkeys(titles.get(a, a) for a in result.table["attribute"])),
        "bins": [f"{column} at {rule}" for column, rule in asked.bins.items()] or None,
        "columns": "; ".join(f"{word}: {column}" for word, column in table.columns.items() if column),
        "split": splits_in_words(rows.table["split"]),
    }
