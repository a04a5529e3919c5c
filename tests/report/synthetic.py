"""A made-up audit with every frame an audit may have, in the shape of everygroup.audit.Audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

METRICS = ("macro_f1", "accuracy", "auc")
LABELS = ("melanoma", "nevus", "keratosis")


@dataclass
class FullAudit:
    table: pd.DataFrame
    comparison: pd.DataFrame
    cells: pd.DataFrame
    flags: tuple[str, ...]
    settings: dict[str, Any]
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    intersections: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    criteria: pd.DataFrame = field(default_factory=pd.DataFrame)
    sources: pd.DataFrame = field(default_factory=pd.DataFrame)

    def summary(self) -> str:
        return "The audit's own two sentences. They are said again here."


def full_audit(
    method: str = "spare",
    *,
    attributes: dict[str, Sequence[str]] | None = None,
    baseline: str = "erm",
    shift: float = 0.0,
) -> FullAudit:
    """Make an audit of made-up numbers; without a baseline's name nothing is compared."""
    attributes = attributes or {"sex": ("female", "male"), "age": ("under 40", "40 to 60", "over 60")}
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for attribute, groups in attributes.items():
        for metric in METRICS:
            common = {"attribute": attribute, "metric": metric, "note": "", "interval": "bca"}
            for g, group in enumerate((*groups, "missing", "overall")):
                n = 1200 // (g + 1)
                value, half = 0.82 - 0.06 * g + shift + rng.normal(0, 0.01), 1.0 / np.sqrt(n)
                rows.append(
                    common | {"group": group, "value": value, "low": value - half, "high": value + half, "n": n}
                )
                change = 0.03 - 0.02 * g
                ends = {"low": change - half, "high": change + half, "p": 0.04}
                moved.append(common | {"group": group, "value": value, "change": change, "n": n} | ends)
            gap = {"value": 0.12 + shift, "low": 0.03, "high": 0.2, "p": 0.004, "n": 3000, "interval": "simultaneous"}
            gap |= {"chance": 0.04, "chance_high": 0.08, "detectable": 0.1}
            rows.append(common | gap | {"group": "gap"})
            rows.append(common | gap | {"group": "worst", "note": f"worst group: {groups[-1]}"})
            ends = {"change": -0.05, "low": -0.09, "high": -0.01, "p": 0.01, "n": 3000}
            moved.append(common | ends | {"group": "gap", "value": 0.12, "note": "levelled down"})
            a, b = groups[0], groups[-1]
            pairs.append(
                {"attribute": attribute, "metric": metric, "group_a": a, "group_b": b, "difference": 0.12, "low": 0.03}
                | {"high": 0.2, "p": 0.01, "p_holm": 0.03, "n_a": 1200, "n_b": 300}
            )
        eodds = rows[-2] | {"metric": "eodds_lab", "p": 0.3}
        rows.append(eodds)
    table = pd.DataFrame(rows).assign(data_set="made up", method=method, seed=0)
    comparison = pd.DataFrame(moved).assign(data_set="made up", method=method, baseline=baseline, seed=0)
    comparison["baseline_value"] = comparison["value"] - comparison["change"]
    named = {"data_set": "made up", "method": method, "seed": 0}
    return FullAudit(
        table=table,
        comparison=comparison if baseline else comparison.head(0),
        cells=_cells(attributes).assign(**named),
        flags=("melanoma in over 60 rests on 9 patients.",),
        settings={"n_boot": 1000, "min_n": 20, "interval": {"proportions": "wilson", "gap": "simultaneous"}},
        differences=pd.DataFrame(pairs).assign(**named),
        intersections=_intersections(attributes).assign(**named),
        curves=_curves(attributes).assign(**named),
        criteria=_criteria(attributes).assign(**named),
        sources=_sources(attributes).assign(**named),
    )


def _cells(attributes: dict[str, Sequence[str]]) -> pd.DataFrame:
    rows = [
        (attribute, label, group, "recall", 0.9 - 0.15 * i - 0.05 * g, 0.3, 0.95, 400 // (i + g + 1))
        for attribute, groups in attributes.items()
        for i, label in enumerate(LABELS)
        for g, group in enumerate(groups)
    ]
    columns = ["attribute", "label", "group", "metric", "value", "low", "high", "n"]
    cells = pd.DataFrame(rows, columns=columns)
    cells.loc[2, ["value", "low", "high", "n"]] = [np.nan, np.nan, np.nan, 0]
    return cells


def _intersections(attributes: dict[str, Sequence[str]]) -> pd.DataFrame:
    names = list(attributes)
    rows = []
    for metric in METRICS[:2]:
        for i, a in enumerate(attributes[names[0]]):
            for j, b in enumerate(attributes[names[-1]]):
                n = 40 * (1 + i + 3 * j)
                value = 0.6 + 0.04 * (i + 2 * j)
                rows.append(
                    {"attribute": f"{names[0]} x {names[-1]}", "order": 2, "group": f"{a}, {b}", "metric": metric}
                    | {"value": value, "low": value - 2 / np.sqrt(n), "high": value + 1 / np.sqrt(n), "n": n}
                    | {"n_positive": n // 3, "difference": value - 0.75, "difference_low": value - 0.85}
                    | {"difference_high": value - 0.65, "p": 0.01, "p_adjusted": 0.04 if n < 60 else 0.3}
                    | {"shrunken": 0.5 * (value - 0.75), "violation": 0.01, "note": ""}
                )
    return pd.DataFrame(rows).sort_values("n", kind="stable", ignore_index=True)


def _curves(attributes: dict[str, Sequence[str]]) -> pd.DataFrame:
    parts = []
    x = np.linspace(0, 1, 200)
    bins = np.linspace(0.05, 0.95, 10)
    for attribute, groups in attributes.items():
        for label in LABELS:
            for g, group in enumerate(groups):
                common = {"attribute": attribute, "group": group, "label": label, "n": 900 // (g + 1)}
                roc = x ** (0.15 + 0.1 * g)
                parts.append(pd.DataFrame({"kind": "roc", "x": x, "y": roc, "low": np.nan, "high": np.nan} | common))
                y = np.clip(bins + 0.07 * g, 0, 1)
                ends = {"low": np.clip(y - 0.1, 0, 1), "high": np.clip(y + 0.1, 0, 1)}
                parts.append(pd.DataFrame({"kind": "calibration", "x": bins, "y": y} | ends | common))
        for g, group in enumerate(groups):
            common = {"attribute": attribute, "group": group, "label": "", "n": 900}
            risk = 0.02 + (0.1 + 0.05 * g) * x
            parts.append(
                pd.DataFrame({"kind": "risk_coverage", "x": x, "y": risk, "low": np.nan, "high": np.nan} | common)
            )
    return pd.concat(parts, ignore_index=True)


def _criteria(attributes: dict[str, Sequence[str]]) -> pd.DataFrame:
    verdicts = {
        "demographic parity": "violated",
        "equalised odds": "holds within the interval",
        "predictive parity": "undecided",
    }
    rows = [
        {"attribute": attribute, "criterion": criterion, "quantity": "largest difference", "gap": 0.1, "low": 0.0}
        | {"high": 0.2, "p": 0.02, "verdict": verdict, "note": "prevalence differs between the groups"}
        for attribute in attributes
        for criterion, verdict in verdicts.items()
    ]
    return pd.DataFrame(rows)


def _sources(attributes: dict[str, Sequence[str]]) -> pd.DataFrame:
    quantities = {
        "representation": "share of the samples",
        "prevalence": "prevalence of melanoma",
        "separability": "AUC of telling the group apart",
        "uncertainty": "mean entropy",
        "calibration": "ECE",
        "label noise": "share of suspects",
    }
    rows = [
        {"attribute": attribute, "source": source, "group": group, "quantity": quantity, "value": 0.1 * (g + 1)}
        | {"low": 0.05, "high": 0.4, "n": 300, "note": ""}
        for attribute, groups in attributes.items()
        for source, quantity in quantities.items()
        for g, group in enumerate(groups)
    ]
    return pd.DataFrame(rows)
