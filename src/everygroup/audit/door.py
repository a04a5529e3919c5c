"""The door: from a table of predictions to its audit in one call, whatever was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from everygroup.audit.choice import choose
from everygroup.audit.chosen import (
    Both,
    absent_groups,
    choose_for,
    in_words,
    rows_of_split,
    rows_that_chose,
    shared_flags,
    splits_in_words,
    usable,
)
from everygroup.audit.flags import Flag, split_flags
from everygroup.audit.gates import meanings
from everygroup.audit.kinds import KINDS, Table
from everygroup.audit.patients import patient_flags
from everygroup.audit.result import Audit
from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, metric_info
from everygroup.metrics.thresholds import Rule, Threshold, apply_threshold
from everygroup.predictions import Predictions
from everygroup.predictions.rows import TableReading
from everygroup.predictions.task import Task, guess_task


def audit_table(
    file: Path | str,
    *,
    task: Task | Literal["auto"] = "auto",
    split: str | None = None,
    threshold: str | Rule | None = None,
    threshold_from: Path | str | None = None,
    baseline: Path | str | None = None,
    metrics: str | Sequence[str] | None = None,
    also: Sequence[str] = (),
    critical: Sequence[str] = (),
    intersections: int = 0,
    n_boot: int = 1000,
    seed: int = 0,
    min_n: int = 10,
    interval: Literal["auto", "percentile"] = "auto",
    **reading: Any,
) -> Audit:
    """Audit a table of predictions: what `everygroup audit` does, as one call.

    Parameters
    ----------
    file : CSV or parquet of predictions, or a run folder that holds them.
    task : what was predicted; guessed from the columns, and said, with 'auto'.
    split : audit the rows of this split; the test rows where the file names some, 'all' for everything.
    threshold : answer anew, for two classes: 'fixed:0.4', or chosen on the validation rows: 'sens:0.9', 'spec:0.9',
        'youden' or 'f1' (see `everygroup.metrics.thresholds`).
    threshold_from : the file of validation rows that it is chosen on, where they are not in `file`; a baseline without
        validation rows of its own is answered by the same threshold.
    baseline : predictions of another model for the same samples.
    metrics : for classes 'standard', 'all', or names; also : metrics wanted besides, such as those of gates.
    critical : classes whose recall matters most, of more than two.
    intersections, n_boot, seed, min_n, interval : of `everygroup.audit.audit`.
    **reading : of `everygroup.predictions.Reading`: groups, bins, y_true, y_pred, y_score, positive, classes,
        id_column, cluster, split_column, metadata, metadata_id. What is not named is guessed, and said; sensitive
        attributes are never guessed.

    Returns
    -------
    Audit
        `settings["asked"]` tells which file, rows and columns it is of.

    Raises
    ------
    PredictionsError, CohortError, TableError
        Naming file, row or column, and what to do.
    SettingsError
        For an unknown metric or threshold rule.
    """
    asked = TableReading(**reading)
    source = asked.open(file)
    if task == "auto":
        task, why = guess_task(source, asked)
        say(f"{source.name}: taken as {task}, as {why} (--task to name another).")
    rule = Rule.parse(threshold) if isinstance(threshold, str) else threshold
    _check_options(task, metrics or critical, intersections, rule)
    table = KINDS[task](source, asked)
    elsewhere = None if threshold_from is None else _chosen_elsewhere(table, asked, rule, Path(threshold_from))
    rows, cut, cautions = _audited(table.rows, rule, split, elsewhere)
    heed: list[Flag | str] = [*absent_groups(table.rows, rows), *cautions, *patient_flags(source, asked, table.columns)]
    rows = usable(rows)
    other, their_cut = None, None
    if baseline is not None:
        other, their_cut, theirs = _audited(table.again(asked.open_baseline(baseline)), rule, split, elsewhere)
        heed += [replace(flag, text=f"Baseline: {flag}") for flag in theirs]
    options: dict[str, Any] = {"n_boot": n_boot, "seed": seed, "min_n": min_n, "interval": interval}
    if isinstance(rows, Predictions):
        options |= {"metrics": wanted_metrics(metrics, also, rows, critical)}
        options |= {"intersections": intersections, "critical": critical}
    else:
        heed += split_flags(rows.table["split"], rows.table["unit"])
    result = table.audit(rows, other, options)
    told = _told(source.name, table, rows, asked, result) | {"threshold": in_words(cut)}
    if their_cut is not None:
        told["threshold of the baseline"] = in_words(their_cut)
    told["baseline"] = Path(baseline).name if baseline is not None else "none"
    settings = result.settings | {"split": told["split"], "threshold": told["threshold"], "asked": told}
    settings["label"] = table.columns.get("label") or ""
    return replace(result.heeding(heed), settings=settings)


def _check_options(task: str, metrics: str | Sequence[str] | None, intersections: int, rule: Rule | None) -> None:
    if task == "classification":
        return
    if rule is not None:
        raise SettingsError("--threshold is for classes.", fix=f"leave it out for the task {task!r}")
    if metrics or intersections:
        raise SettingsError(
            "--metrics, --critical and --intersections are for classes.", fix=f"leave them out for the task {task!r}"
        )


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
            cut, chose = elsewhere
            heed += shared_flags(everything, chose, cut)
        everything = apply_threshold(everything, cut)
    inside = rule is not None and rule.name != "fixed" and elsewhere is None
    mask = rows_of_split(everything.table["split"].to_numpy(dtype=object), split, chosen_on_validation=inside)
    rows = everything if mask is None else everything.where(mask)
    if inside and isinstance(rows, Predictions) and (n := rows_that_chose(rows, cut)):
        text = f"The threshold was chosen on {n} of these {len(rows)} rows: the numbers say nothing about new patients."
        heed.append(Flag("stop", text))
    return rows, cut, heed


def wanted_metrics(
    metrics: str | Sequence[str] | None, also: Sequence[str], predictions: Predictions, critical: Sequence[str] = ()
) -> Any:
    """The metrics asked for, and those wanted besides; 'standard' and 'all' stand alone."""
    given = [metrics] if isinstance(metrics, str) else list(metrics or ("standard",))
    listed = [part.strip() for text in given for part in text.split(",")]
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
