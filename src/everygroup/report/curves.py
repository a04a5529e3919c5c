"""The part of the page with curves: ROC and calibration by group, the points of all other curves as downloads."""

from __future__ import annotations

import pandas as pd

from everygroup.figures import curves_by_group, thinned
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Link, Section, csv_address, figure
from everygroup.report.reading import Reading
from everygroup.report.rows import slug

_KINDS = {
    "roc": "ROC curve",
    "calibration": "Calibration",
    "precision_recall": "Precision-recall curve",
    "risk_coverage": "Risk-coverage curve",
}
_DRAWN = ("roc", "calibration")


def curves(reading: Reading, limits: Limits, first: str) -> Section | None:
    """ROC and calibration of one class over the attribute that comes first; the others' points as downloads."""
    rows = reading.frame("curves")
    rows = rows[rows["kind"].isin(list(_KINDS))] if len(rows) else rows
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
    wanted = [first, *dict.fromkeys(rows["attribute"])]
    attribute = next(name for name in wanted if name in set(rows["attribute"]))
    classes = [str(reading.settings.get("positive", "")), *reading.settings.get("critical", ())]
    left_out = 0
    for kind in _KINDS:
        own = rows[rows["kind"] == kind]
        labels = list(dict.fromkeys(own["label"]))
        label = next((c for c in [*classes, *labels] if c in labels), None)
        for (over, of), part in own.groupby(["attribute", "label"], sort=False):
            drawn = kind in _DRAWN and over == attribute and of == label
            if not drawn and len(section.links) >= limits.panels:
                left_out += 1
                continue
            points = _points(part, limits)
            link = _link(points, kind, limits)
            if drawn:
                caption = f"{_title(kind, str(of))} by {clean_text(over)}."
                section.row.append(figure(curves_by_group(points, kind), caption, link=link))
            else:
                section.links.append(link)
    if left_out:
        section.intro.append(f"The points of {left_out} more curves are left out to keep the page small.")
    return section


def _points(rows: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    rows = rows.dropna(subset=["x", "y"])
    return pd.concat([thinned(part, limits.curve_points) for _, part in rows.groupby("group", sort=False)])


def _title(kind: str, label: str) -> str:
    return f"{_KINDS[kind]} ({clean_text(label)})" if clean_text(label) else _KINDS[kind]


def _link(points: pd.DataFrame, kind: str, limits: Limits) -> Link:
    attribute, label = (clean_text(points[column].iloc[0]) for column in ("attribute", "label"))
    name = f"{slug(f'{kind} {label} by {attribute}')}.csv"
    address = csv_address(points.dropna(axis=1, how="all").round(4), limits.csv_bytes)
    return Link(f"{_title(kind, label)} by {attribute}, points", name, address)
