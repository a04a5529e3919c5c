"""The parts of the page that do not come from the audit: SPARE, training, cohort, environment."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.audit.called import named
from everygroup.figures import training_curves, utility_against_similarity, weight_quantiles, weights_by_source_group
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Section, Table, facts, figure, table

# What the parts of a cohort's fingerprint are called.
_CAPTIONS = {
    "cells": "Samples by label and group",
    "prevalence": "Share of each label within a group",
    "missing": "Missing values",
    "missing_by_label": "Missing values by label",
    "implausible": "Implausible values",
    "ages": "Patients by age and sex",
    "units": "Images and patients",
    "duplicates": "byte-identical images",
}
_LONG = 24  # longer tables are folded away


def spare(
    weights: pd.DataFrame | None,
    summary: pd.DataFrame | None,
    limits: Limits,
) -> Section | None:
    """How SPARE weighted the training samples; strips of patients' pictures ask for care."""
    section = Section(
        "weights",
        "What each group-specific model learned from",
        [
            "SPARE trains one model per target group on everybody's images and weights each image: near 1 if it lies "
            "close to the diagnosis boundary (utility) and looks like the target group (similarity), near 0 if neither."
        ],
    )
    if summary is not None and len(summary):
        section.lead.append(table(summary, "Weights by target group", limits, file_name="weight-summary.csv"))
    if weights is not None and len(weights):
        quantiles = weight_quantiles(weights)
        if len(quantiles):
            behind = table(quantiles, "Sample weight by source group", limits, file_name="weights-by-source.csv")
            caption = (
                "Sample weight by source group, for the model of each target group. Boxes: middle half; line: median; "
                "whiskers: 5th to 95th percentile."
            )
            section.figures.append(figure(weights_by_source_group(weights), caption, behind))
        known = {"utility", "similarity", "weight"} <= set(weights.columns)
        if known and len(weights[["utility", "similarity", "weight"]].dropna()):
            chart = utility_against_similarity(weights, limit=limits.points)
            medians = weights.groupby("target_group", sort=False)[["utility", "similarity", "weight"]].median()
            behind = table(medians.reset_index(), "Medians by target group", limits, file_name="distances.csv")
            caption = "Utility distance against similarity distance of the training samples, coloured by weight."
            section.figures.append(figure(chart, caption, behind))
    return section if section.lead or section.figures else None


def strips(pictures: Sequence[tuple[str, bytes]] | None, limits: Limits, *, of_patients: bool) -> Section | None:
    """Most and least weighted images of SPARE."""
    if not pictures:
        return None
    section = Section("pictures", "What each group's model learned most and least from")
    room = limits.picture_bytes
    for caption, png in pictures:
        room -= len(png)
        if room >= 0:
            address = "data:image/png;base64," + base64.b64encode(png).decode()
            section.pictures.append((clean_text(caption), address))
    if len(section.pictures) < len(pictures):
        left_out = len(pictures) - len(section.pictures)
        section.flags.append(f"{left_out} rows of pictures are left out to keep the page small.")
    if section.pictures and of_patients:
        section.flags.append("This page shows patients' images: keep it where those may be kept.")
    return section


def training(log: pd.DataFrame | None, limits: Limits) -> Section | None:
    """Curves of loss and scores."""
    if log is None or log.empty:
        return None
    intro = ["A dotted line marks the epoch that was kept, chosen on validation samples only."]
    rows = log[log["selected"].astype(str).str.lower().isin(["true", "1", "1.0"])] if "selected" in log else log.tail(0)
    behind = table(rows, "The selected epochs", limits, file_name="selected-epochs.csv") if len(rows) else None
    whole = table(log, "Every epoch", limits, file_name="log.csv")
    section = Section("training", "Training", intro if len(rows) else [])
    section.figures.append(figure(training_curves(log), "Loss and validation scores by epoch.", behind))
    section.more.append(("Every epoch, as a table", [], [whole]))
    return section


def cohort(fingerprint: Mapping[str, Any] | None, limits: Limits, names: Mapping[str, str]) -> Section | None:
    """Who was in the cohort; `names` is what classes are called."""
    if not fingerprint:
        return None
    section = Section("cohort", "Cohort", folded=True)
    plain: dict[str, Any] = {}
    for name, value in fingerprint.items():
        if isinstance(value, list) and not value:  # nothing of the kind was found
            continue
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
            value = named(pd.DataFrame(value), names)
        caption = _CAPTIONS.get(str(name), clean_text(name).replace("_", " "))
        found = _as_table(value, caption, limits)
        if name == "warnings":
            section.flags += [clean_text(text) for text in value]
        elif found is not None and len(found.rows) > _LONG:
            section.more.append((caption, [], [found]))
        elif found is not None:
            section.tables.append(found)
        else:
            plain[str(name)] = value
    section.facts = facts(plain)
    return section


def environment(values: Mapping[str, Any] | None, command: str) -> Section | None:
    """Where it ran and how to run it again."""
    if not values and not command:
        return None
    section = Section("environment", "Environment and how to reproduce this", folded=True)
    section.facts = facts({k: v for k, v in (values or {}).items() if k != "command"})
    section.code = "".join(ch for ch in command if ch.isprintable() or ch == "\n")
    return section


def _as_table(value: Any, caption: str, limits: Limits) -> Table | None:
    """Make a table of what holds rows: a data frame, a list of mappings, a mapping of mappings."""
    name = "".join(ch if ch.isascii() and ch.isalnum() else "-" for ch in caption)[:40]
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        value = pd.DataFrame(value)
    elif isinstance(value, Mapping) and value and all(isinstance(row, Mapping) for row in value.values()):
        value = pd.DataFrame.from_dict(dict(value), orient="index").rename_axis("").reset_index()
    if not isinstance(value, pd.DataFrame):
        return None
    if set(value.columns) == {"part", "label", "group", "n"}:  # easier to read with one column per group
        wide = value.pivot_table(index=["part", "label"], columns="group", values="n", aggfunc="sum", sort=False)
        value = wide.fillna(0).astype(int).rename_axis(columns=None).reset_index()
    return table(value, caption, limits, file_name=f"{name}.csv")
