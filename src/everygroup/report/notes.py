"""The end of the page: how the numbers were made, what they do not say, the words used, and everything as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.audit.flags import Flag
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Link, Section, csv_address, facts, table, text_address
from everygroup.report.reading import Reading

_LEAN = "There was more than fits into one page: figures show fewer points and groups, and some downloads are left out."
DEFINITIONS = (
    ("group", "One value of a sensitive attribute. Missing is its own value and takes no part in gaps."),
    ("cell", "A pair of label and group."),
    ("n", "The number of samples a number rests on. Small groups are shown and marked, not hidden."),
    (
        "interval",
        "Where the value plausibly lies, given the size of this sample (95 %; patients, not images, are resampled). "
        "Intervals are not corrected for the number of groups looked at.",
    ),
    ("gap", "The largest value of a metric over the groups minus the smallest, unless its name says otherwise."),
    ("chance level", "The gap that groups of these sizes show when patients are shuffled between them."),
    ("smallest detectable gap", "The gap that this many samples would have shown in four of five such studies."),
    ("shrunken estimate", "A subgroup's value pulled towards that of everybody, the more the fewer samples it has."),
    ("undefined", "No sample the rate could be computed from. It is not zero, and enters no average."),
    ("levelled down", "A gap fell and no group gained: fairness bought by harm."),
    ("sample weight", "How much a sample counts when the model of a target group is trained: exp(−distance)."),
    (
        "effective sample size",
        "(sum of weights)² / sum of squared weights: how many equally weighted samples the weights amount to.",
    ),
    ("out-of-group share", "The part of the total weight that samples of other groups carry."),
)
LIMITS = (
    "These numbers describe this cohort and this split. Other scanners, hospitals or populations may differ.",
    "Attributes that were not recorded, and groups that were not formed, were not examined.",
    "A gap that was not found is not shown to be absent: look at n and at the width of the intervals.",
    "The report measures predictions. It does not show that their use helps patients.",
)
# Settings that other parts of the page tell.
_TOLD = ("asked", "changes", "case_mix")
# How intervals are made, by the name an audit gives the method.
INTERVALS = {
    "wilson": "Wilson's interval for a proportion, with the effective number of patients",
    "bca": "bootstrap, bias-corrected and accelerated",
    "percentile": "bootstrap, percentiles",
    "expanded": "bootstrap, percentiles widened for small n",
    "simultaneous": "bootstrap, for all pairs of groups at once",
}


def heed(flags: Sequence[Flag]) -> Section | None:
    """Everything to heed: the page's first screen has the gravest only."""
    warned = [clean_text(flag) for flag in flags if flag.severity != "note"]
    return Section("heed", "Everything to heed", flags=warned) if warned else None


def asked(question: Mapping[str, Any], *, lean: bool) -> Section | None:
    """What was asked, word for word; and whether the page had to be shortened, which it then says."""
    section = Section("asked", "What was asked", facts=facts(question), folded=True)
    if lean:
        section.folded = False
        section.intro.append(_LEAN)
    return section if section.facts or section.intro else None


def method_notes(reading: Reading, methods: Sequence[Mapping[str, Any]] | None, limits: Limits) -> Section | None:
    """How the numbers were computed, and what the methods are."""
    section = Section("method", "Method notes", folded=True)
    section.intro += [clean_text(flag) for flag in reading.flags if flag.severity == "note"]
    if "interval" in reading.table:
        kinds = reading.table["interval"].dropna().astype(str)
        used = [f"{kind} ({INTERVALS[kind]})" for kind in dict.fromkeys(kinds) if kind in INTERVALS]
        if used:
            section.intro.append(f"Intervals: {'; '.join(used)}. Each measurement names its own in the table of all.")
    if methods:
        section.tables.append(table(pd.DataFrame(list(methods)), "Methods", limits, file_name="methods.csv"))
    if reading.settings:
        computed = pd.DataFrame(
            facts({k: v for k, v in reading.settings.items() if k not in _TOLD}), columns=["setting", "value"]
        )
        section.tables.append(table(computed, "How the numbers were computed", limits, file_name="audit-settings.csv"))
    return section if section.intro or section.tables else None


def limits_and_definitions() -> Section:
    """What the numbers do not say, and the words used."""
    return Section("limits", "Limits and definitions", list(LIMITS), facts=list(DEFINITIONS), folded=True)


def downloads(reading: Reading, texts: Mapping[str, tuple[str, str]], limits: Limits) -> Section:
    """Everything as files inside the page.

    Parameters
    ----------
    reading : the audit.
    texts : by file name, a title and a text (the model card, tables for papers).
    limits : bytes for each.
    """
    section = Section(
        "downloads",
        "Files to take along",
        ["The data behind every figure are beneath it. These hold everything; nothing is loaded from elsewhere."],
    )
    kinds = {"md": "text/markdown", "tex": "text/x-tex"}
    for name, (title, text) in texts.items():
        address = text_address(text, kinds[name.rpartition(".")[2]], limits.csv_bytes)
        section.links.append(Link(title, name, address))
    frames = {"measurements": reading.table, "comparison": reading.comparison, "cells": reading.cells}
    frames |= {name: rows for name, rows in reading.frames.items() if name != "curves"}  # the figures' data hold those
    for name, rows in frames.items():
        if len(rows):
            section.links.append(Link(f"{name}, CSV", f"{name}.csv", csv_address(rows, limits.csv_bytes)))
    return section
