"""The part of the page with curves: ROC and calibration by group, and the other kinds folded away."""

from __future__ import annotations

import pandas as pd

from everygroup.figures import curves_by_group, thinned
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Figure, Limits, Link, Section, csv_address, figure
from everygroup.report.reading import Reading
from everygroup.report.rows import slug

_KINDS = {
    "roc": "ROC curve",
    "calibration": "Calibration",
    "precision_recall": "Precision-recall curve",
    "risk_coverage": "Risk-coverage curve",
}


def curves(reading: Reading, limits: Limits) -> Section | None:
    """Curves by group: those of the first label in sight, those of other labels and kinds folded away."""
    rows = reading.frame("curves")
    if rows.empty:
        return None
    section = Section(
        "curves",
        "ROC and calibration by group",
        [
            "The ROC curve shows how well scores rank patients within a group, whatever the threshold. Calibration "
            "shows whether a predicted probability means the same in every group: points below the dotted line mean "
            "that risks are overstated, points above it that they are understated. Bars are 95 % intervals. At "
            "most seven groups, the largest, are drawn; the calibration of more than four lines in a panel each.",
        ],
    )
    found = [(kind, label) for kind in _KINDS for label in dict.fromkeys(rows[rows["kind"] == kind]["label"])]
    if not found:
        return None
    first = dict(reversed(found))
    room = limits.panels
    left_out = 0
    for kind, label in sorted(found, key=lambda key: first[key[0]] != key[1]):
        part = rows[(rows["kind"] == kind) & (rows["label"] == label)]
        drawn = [_figure(p, kind, limits) for _, p in part.groupby("attribute", sort=False)]
        if room < len(drawn):
            left_out += len(drawn)
            continue
        room -= len(drawn)
        if kind in ("roc", "calibration") and first[kind] == label:
            section.row += drawn
        else:
            words = f"{_KINDS[kind]} ({clean_text(label)})" if clean_text(label) else _KINDS[kind]
            section.more.append((words, drawn, []))
    if left_out:
        section.intro.append(f"{left_out} more curves are left out to keep the page small.")
    return section


def _figure(rows: pd.DataFrame, kind: str, limits: Limits) -> Figure:
    rows = rows.dropna(subset=["x", "y"])
    points = pd.concat([thinned(part, limits.curve_points) for _, part in rows.groupby("group", sort=False)])
    attribute, label = (clean_text(rows[column].iloc[0]) for column in ("attribute", "label"))
    of = f" ({label})" if label else ""
    caption = f"{_KINDS[kind]}{of} by {attribute}."
    name = f"{slug(f'{kind} {label} by {attribute}')}.csv"
    address = csv_address(points.dropna(axis=1, how="all").round(4), limits.csv_bytes)
    return figure(curves_by_group(points, kind), caption, link=Link(f"{_KINDS[kind]}{of}, points", name, address))
