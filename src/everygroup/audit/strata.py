"""Gaps within levels of a clinical variable, and at one mix of them: case mix told from service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from everygroup.audit.attribute import attribute_rows, overall_values
from everygroup.audit.choice import proportions_of
from everygroup.audit.chosen import Both
from everygroup.audit.engine import Plan
from everygroup.audit.further import Mixed
from everygroup.audit.measurement import measure
from everygroup.audit.partition import Partition, partitions
from everygroup.audit.result import Audit
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.families import Array, Index, SumFamily, Sums
from everygroup.metrics.rates import ratio_of
from everygroup.predictions import Predictions

STANDARDISED = "standardised"
MOST_LEVELS = 24
_CRUDE = {"crude": "value", "crude_low": "low", "crude_p": "p"}
_KEPT = ("attribute", "group", "metric", "value", "low", "high", "n", "successes", "trials", "p", "note")


@dataclass(frozen=True)
class Levels:
    """The level of every row in one or several variables; a missing value is a level of its own.

    Attributes
    ----------
    within : names of the variables.
    names : such as 'A' or 'A & severe'; index : (n,) into them.
    """

    within: tuple[str, ...]
    names: tuple[str, ...]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, table: pd.DataFrame, within: Sequence[str]) -> Levels:
        """Read columns of a table.

        Raises
        ------
        SettingsError
            For more than `MOST_LEVELS` levels.
        """
        columns = [
            table[c].astype(object).where(table[c].notna(), "").astype(str).replace("", "missing") for c in within
        ]
        joint = pd.Series([" & ".join(row) for row in zip(*columns, strict=True)], dtype=object)
        index, names = pd.factorize(joint, sort=True)
        if len(names) > MOST_LEVELS:
            raise SettingsError(
                f"{' and '.join(within)} have {len(names)} levels together, more than {MOST_LEVELS}.",
                fix=f"make fewer of them: --bins {within[0]}=..., or name fewer variables",
            )
        return cls(tuple(within), tuple(map(str, names)), index.astype(np.int64))

    def __str__(self) -> str:
        return " & ".join(self.within)


class Standardised(SumFamily):
    """Rates of every group as they would be at one mix of the levels (direct standardisation).

    sum_l w_l rate(group, l), with w_l the share of level l among the trials of all groups that are compared. Levels in
    which one of them has no trial are left out. The null shuffles groups within levels.

    Parameters
    ----------
    rates : (n,) successes and trials of every row by metric.
    levels : of the rows.
    part : the groups; its comparable ones are those that must have trials.
    labels, answers : (n,) class index, which the nulls of rates keep fixed within the levels.

    References
    ----------
    Rothman, Greenland and Lash, Modern Epidemiology, 3rd edition 2008, chapter 3.
    """

    counts = True

    def __init__(
        self, rates: dict[str, tuple[Array, Array]], levels: Levels, part: Partition, labels: Index, answers: Index
    ) -> None:
        self.metrics, self.n_levels, self._level = tuple(rates), len(levels.names), levels.index
        self._held = {"label": labels, "answer": answers}
        rows = np.arange(levels.index.size)
        blocks, weights = [], []
        for success, trial in rates.values():
            shape = (rows.size, self.n_levels)
            blocks += [sparse.csr_matrix((v, (rows, levels.index)), shape=shape) for v in (success, trial)]
            trials = np.zeros((len(part.names), self.n_levels))
            np.add.at(trials, (part.slot, levels.index), trial)
            inside = trials[list(part.comparable)]
            weights.append(np.where((inside > 0).all(axis=0), inside.sum(axis=0), 0.0))
        self.features = sparse.csr_matrix(sparse.hstack(blocks))
        self.features.eliminate_zeros()
        whole = np.array(weights)
        self.weight = ratio_of(whole, whole.sum(axis=-1, keepdims=True))
        trials_of = np.array([float(trial[np.isin(part.slot, part.comparable)].sum()) for _, trial in rates.values()])
        self.covered = dict(zip(self.metrics, ratio_of(whole.sum(axis=-1), trials_of).tolist(), strict=True))

    def held(self, null: str) -> Index | None:
        """The level, with the label or answer that the null keeps fixed."""
        kept = self._held.get(null)
        return self._level if kept is None else self._level * (int(kept.max(initial=0)) + 1) + kept

    def values(self, sums: Array) -> Sums:
        """Standardised rates (...) from sums (..., 2 L M); NaN where a level that counts has no trial."""
        s = sums.reshape(*sums.shape[:-1], len(self.metrics), 2, self.n_levels)
        rate = ratio_of(s[..., 0, :], s[..., 1, :])
        parts = np.where(self.weight > 0, rate * self.weight, 0.0)
        out = np.where(np.isnan(self.weight).any(axis=-1), np.nan, parts.sum(axis=-1))
        return {m: out[..., i] for i, m in enumerate(self.metrics)}


def strata_rows(
    rows: Both, levels: Levels, result: Audit, plan: Plan, audit_of: Callable[[Both], Audit]
) -> tuple[list[dict[str, Any]], list[Mixed]]:
    """Rows of `Audit.strata`: every level by itself and, of classes, rates at one mix of them; the gaps at that mix.

    Parameters
    ----------
    rows : what is audited; result : its audit.
    plan : replicates and seed of the standardised rates.
    audit_of : gives the audit of some of the rows.
    """
    found: list[dict[str, Any]] = []
    for k, name in enumerate(levels.names):
        try:
            inside = audit_of(rows.where(levels.index == k))
        except PredictionsError:  # no label, or no group large enough, in this level
            continue
        found += _kept(inside.table.to_dict("records"), levels, name)
    if not isinstance(rows, Predictions):
        return found, []
    mixed: list[Mixed] = []
    known = np.flatnonzero(rows.y_true >= 0)
    used, inside_levels = rows.where(known), Levels(levels.within, levels.names, levels.index[known])
    shown = [m for m in result.settings["shown"] if m not in ("auc", "auprc")]
    rates = proportions_of(used, shown)
    attributes = tuple(dict.fromkeys(result.table["attribute"]))
    for part in partitions(used, attributes, used.unit_index, min_n=plan.min_n)[0]:
        if len(part.comparable) < 2 or not rates:
            continue
        family = Standardised(rates, inside_levels, part, used.y_true, used.y_pred)
        m = measure([family], part, used.unit_index, plan)
        made = attribute_rows(m, overall_values(m))
        found += _kept([row for row in made if row["group"] != "worst"], levels, STANDARDISED)
        if result.headline in rates:
            mixed += _mixed(result, part, levels, result.headline, made, family.covered[result.headline])
    return found, mixed


def _kept(records: Sequence[Mapping[Any, Any]], levels: Levels, name: str) -> list[dict[str, Any]]:
    of = {"within": str(levels), "level": name}
    return [of | {c: row.get(c) for c in _KEPT} for row in records if row["group"] != "worst"]


def _mixed(
    result: Audit, part: Partition, levels: Levels, metric: str, made: Sequence[dict[str, Any]], covered: float
) -> list[Mixed]:
    """The leading gap as it is and at one mix of the levels."""
    row = next((r for r in made if r["group"] == "gap" and r["metric"] == metric), None)
    crude = result.table.query("attribute == @part.attribute and group == 'gap' and metric == @metric")
    if row is None or crude.empty or np.isnan(row["value"]) or np.isnan(crude["value"].iloc[0]):
        return []
    numbers = {name: float(row[name]) for name in ("value", "low", "high", "p")}
    numbers |= {new: float(crude[old].iloc[0]) for new, old in _CRUDE.items()}
    return [Mixed(part.attribute, metric, str(levels), covered=covered, **numbers)]
