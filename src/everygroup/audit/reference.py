"""Every group against one that is named: differences beside the gap between the best and the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.audit.partition import RESERVED
from everygroup.errors import SettingsError
from everygroup.statistics import holm


def references(named: Sequence[str], table: pd.DataFrame) -> dict[str, str]:
    """Return the group that others are held against, by attribute.

    Parameters
    ----------
    named : 'race=White', or 'White' for every attribute that has this group.
    table : of an audit.

    Raises
    ------
    SettingsError
        That names all groups that are in no attribute.
    """
    groups = {
        str(attribute): [g for g in dict.fromkeys(rows["group"]) if g not in RESERVED]
        for attribute, rows in table.groupby("attribute", sort=False)
    }
    found: dict[str, str] = {}
    lost = []
    for text in named:
        attribute, equals, group = text.partition("=")
        wanted = (
            {attribute.strip(): group.strip()}
            if equals and attribute.strip() in groups
            else dict.fromkeys(groups, text)
        )
        here = {a: g for a, g in wanted.items() if g in groups[a]}
        found |= here
        lost += [] if here else [text]
    if lost:
        known = "; ".join(f"{attribute}: {', '.join(names)}" for attribute, names in groups.items())
        raise SettingsError(f"No group {', '.join(map(repr, lost))} to compare with.", fix=f"the groups are: {known}")
    return found


def reference_rows(differences: pd.DataFrame, chosen: dict[str, str]) -> list[dict[str, Any]]:
    """Rows of `Audit.references` from those of `Audit.differences`: group minus reference.

    The intervals hold together over all pairs of groups; Holm's p is over those held against the reference.
    """
    found: list[dict[str, Any]] = []
    for attribute, group in chosen.items():
        rows = differences[differences["attribute"] == attribute]
        rows = rows[(rows["group_a"] == group) | (rows["group_b"] == group)]
        for metric, pairs in rows.groupby("metric", sort=False):
            made = [_against(pair, str(metric), group) for pair in pairs.to_dict("records")]
            for row, adjusted in zip(made, holm([row["p"] for row in made]), strict=True):
                found.append(row | {"p_holm": float(adjusted)})
    return found


def _against(pair: Mapping[Any, Any], metric: str, reference: str) -> dict[str, Any]:
    turned = pair["group_a"] == reference
    sign = -1.0 if turned else 1.0
    limits = sorted(sign * pair[side] for side in ("low", "high"))
    return {
        "attribute": pair["attribute"],
        "metric": metric,
        "group": pair["group_b" if turned else "group_a"],
        "reference": reference,
        "difference": sign * pair["difference"],
        "low": limits[0],
        "high": limits[1],
        "p": pair["p"],
        "n": pair["n_b" if turned else "n_a"],
        "n_reference": pair["n_a" if turned else "n_b"],
    }
