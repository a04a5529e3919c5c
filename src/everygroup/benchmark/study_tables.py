"""Tables laid out like the SPARE paper's: groups side by side, then criteria with FATE, then what was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.published import NOTE, published_cells, published_for
from everygroup.benchmark.results import SETTING, of_setting
from everygroup.benchmark.standings import CRITERIA, NOT_GROUPS
from everygroup.figures.theme import UNDEFINED, number
from everygroup.report.wide import WideTable

_HEADINGS = {"macro_precision": "P", "macro_recall": "R", "macro_f1": "F1", "auc": "AUC"}
_NAMES = {"eopp0_lab": "EOpp0", "eopp1_lab": "EOpp1", "eodds_lab": "EOdds"}
_SHORT = {"precision": "P", "recall": "R", "f1": "F1"}
_MANY = 3  # groups up to which all metrics stand side by side
_DASH = "–"

Cells = dict[tuple[str, str, str], str]


def with_half(value: float, low: float, high: float, digits: int = 3) -> str:
    """Return '0.743 ± 0.012', half the width of the interval; without one the value alone."""
    text = number(value, digits)
    if text == UNDEFINED or not np.isfinite(high - low):
        return text
    return f"{text} ± {(high - low) / 2:.{digits}f}"


def setting_tables(
    values: pd.DataFrame, gap_values: pd.DataFrame, fates: pd.DataFrame, weights: pd.DataFrame
) -> list[WideTable]:
    """Lay out one table for every cohort, attribute and backbone.

    Parameters
    ----------
    values, gap_values, fates : DataFrame
        Of `everygroup.benchmark.standings`, test part.
    weights : DataFrame
        weight_summary.csv of all jobs; may be empty.

    Returns
    -------
    list of WideTable
        A row a method: of every group precision, recall, F1 and AUC (F1 only with more than three groups) and metrics
        of one's own, EOpp0, EOpp1 and EOdds each with FATE, effective sample size and out-of-group share of the weights
        where samples were weighted, and the published figures where the setting is the paper's.
    """
    return [
        _one(setting, part, of_setting(gap_values, setting), of_setting(fates, setting), of_setting(weights, setting))
        for setting, part in values.groupby(SETTING, sort=False)
    ]


def _one(
    setting: Any, values: pd.DataFrame, gaps: pd.DataFrame, fates: pd.DataFrame, weights: pd.DataFrame
) -> WideTable:
    cohort, attribute, backbone = (str(v) for v in setting)
    groups = [g for g in dict.fromkeys(values["group"]) if g not in NOT_GROUPS]
    metrics = list(_HEADINGS) if len(groups) <= _MANY else ["macro_f1"]
    metrics += [m for m in dict.fromkeys(values["metric"]) if m not in _HEADINGS]  # of one's own
    methods = list(dict.fromkeys(values["method"]))
    sizes = values.drop_duplicates("group").set_index("group")["n"]
    columns: list[tuple[str, str]] = [("", "method"), ("", "seeds")]
    keys: list[tuple[str, str, str]] = []
    for group in groups:
        for metric in metrics:
            columns.append((f"{group} (n = {sizes[group]:.0f})", _HEADINGS.get(metric, metric)))
            keys.append(("value", group, metric))
    for criterion in CRITERIA:
        columns += [("gaps (lab variant)", _NAMES[criterion]), ("gaps (lab variant)", f"FATE {_NAMES[criterion]}")]
        keys += [("gap", "", criterion), ("fate", "", criterion)]
    if len(weights):
        for group in groups:
            columns.append(("effective n / out-of-group share of weight", group))
            keys.append(("weight", group, ""))
    cells = {
        method: _values(values, method) | _gaps(gaps, method) | _fates(fates, method) | _weights(weights, method)
        for method in methods
    }
    printed = published_for(cohort, attribute, backbone, len(groups))
    if len(printed):
        used = printed[printed["method"].isin(methods)]
        for group, block in used.groupby("group", sort=False):
            for metric in [m for m in (*_SHORT, "eopp0", "eopp1", "eodds") if block[m].notna().any()]:
                named = _SHORT.get(metric) or _NAMES[f"{metric}_lab"]
                block_name = "published" if group == "all" else "published, " + str(group)
                columns.append((block_name, named))
                keys.append(("published", str(group), metric))
                if f"fate_{metric}" in block and block[f"fate_{metric}"].notna().any():
                    columns.append(("published", f"FATE {named}"))
                    keys.append(("published", str(group), f"fate_{metric}"))
        for method in methods:
            cells[method] |= {("published", g, m): text for (g, m), text in published_cells(printed, method).items()}
    seeds = values.groupby("method")["seeds"].max()
    rows = [[m, str(seeds[m]), *(cells[m].get(key, _DASH) for key in keys)] for m in methods]
    note = "Means over seeds ± half of the 95 % t-interval over seeds; n: test samples of a seed."
    return WideTable(
        f"{cohort} by {attribute} ({backbone})",
        columns,
        rows,
        names=1,
        note=f"{note} {NOTE}" if len(printed) else note,
        file_name=f"{cohort}-{attribute}-{backbone}.csv",
    )


def _values(table: pd.DataFrame, method: str) -> Cells:
    mine = table[table["method"] == method]
    return {
        ("value", str(r["group"]), str(r["metric"])): with_half(r["value"], r["low"], r["high"])
        for r in mine.to_dict("records")
    }


def _gaps(table: pd.DataFrame, method: str) -> Cells:
    mine = table[(table["method"] == method) & table["metric"].isin(CRITERIA)]
    return {
        ("gap", "", str(r["metric"])): with_half(r["mean_of_gaps"], r["low"], r["high"])
        for r in mine.to_dict("records")
    }


def _fates(table: pd.DataFrame, method: str) -> Cells:
    mine = table[table["method"] == method]
    return {("fate", "", str(m)): number(v, signed=True) for m, v in mine[["metric", "value"]].to_numpy()}


def _weights(table: pd.DataFrame, method: str) -> Cells:
    if not len(table):
        return {}
    mine = table[table["method"] == method]
    found: Cells = {}
    for group, part in mine.groupby("target_group", sort=False):
        size, share = part["effective_sample_size"].mean(), part["out_of_group_share"].mean()
        found["weight", str(group), ""] = f"{size:,.0f} of {part['n'].mean():,.0f} / {share:.2f}"
    return found
