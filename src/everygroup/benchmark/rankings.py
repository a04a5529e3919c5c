"""Methods against each other over all settings: ranks, wins, choices on validation, cost in multiples of ERM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.results import SETTING, of_setting
from everygroup.benchmark.standings import ERM, FRONT, NOT_GROUPS, values
from everygroup.errors import SettingsError
from everygroup.metrics import dto, levelling_down, pareto_front, pareto_minimax
from everygroup.statistics import Friedman, cliques, critical_difference, friedman, nemenyi


@dataclass(frozen=True)
class Ranking:
    """Average ranks over (cohort, attribute, backbone, group).

    Attributes
    ----------
    table : DataFrame
        method, mean_rank, p_against_erm (Nemenyi); best first is not implied.
    test : Friedman
    cd : float
        Critical difference at 0.05.
    cliques : list of tuples
        Rows of `table` that the ranks do not tell apart.
    left_out : list of str
        Methods without a value in every row.
    """

    table: pd.DataFrame
    test: Friedman
    cd: float
    cliques: list[tuple[int, ...]]
    left_out: list[str]


def rank_methods(rows: pd.DataFrame, metric: str = FRONT) -> Ranking | None:
    """Rank methods by their test values, means over seeds; None with fewer than two methods in every row.

    Rows of one cohort share patients, so that they are no independent data sets and p is too small.
    """
    means = values(rows)
    means = means[(means["metric"] == metric) & ~means["group"].isin(NOT_GROUPS)]
    wide = means.pivot(index=[*SETTING, "group"], columns="method", values="value")  # noqa: PD010 - keeps NaN
    wide = wide[list(dict.fromkeys(means["method"]))].dropna(how="all")
    complete = wide.columns[wide.notna().all()]
    left_out = [str(m) for m in wide.columns if m not in complete]
    wide = wide[complete]
    if len(complete) < 2 or wide.empty:
        return None
    test = friedman(wide.to_numpy())
    p = nemenyi(wide.to_numpy())
    at = list(complete).index(ERM) if ERM in complete else None
    table = pd.DataFrame({"method": list(complete), "mean_rank": test.mean_ranks})
    table["p_against_erm"] = np.nan if at is None else p[at]
    if at is not None:
        table.loc[at, "p_against_erm"] = np.nan
    cd = critical_difference(test.k, test.n)
    return Ranking(table, test, cd, cliques(test.mean_ranks, cd), left_out)


def wins(differences: pd.DataFrame, metric: str = FRONT) -> pd.DataFrame:
    """Count for every method in how many (setting, group) it wins, ties and loses against a baseline.

    A win or a loss is a 95 % interval over seeds that excludes 0; everything else is a tie.

    Returns
    -------
    DataFrame
        method, wins, ties, losses, wins_after_holm, losses_after_holm, higher (differences above 0, however
        uncertain), rows.
    """
    rows = differences[(differences["metric"] == metric) & ~differences["group"].isin((*NOT_GROUPS, "gap"))]
    records: list[dict[str, Any]] = []
    for method, part in rows.groupby("method", sort=False):
        won, lost = int((part["low"] > 0).sum()), int((part["high"] < 0).sum())
        clear = part["p_holm"] < 0.05
        records.append(
            {
                **{"method": method, "wins": won, "ties": len(part) - won - lost, "losses": lost},
                "wins_after_holm": (clear & (part["difference"] > 0)).sum(),
                "losses_after_holm": (clear & (part["difference"] < 0)).sum(),
                **{"higher": (part["difference"] > 0).sum(), "rows": len(part)},
            }
        )
    columns = ["method", "wins", "ties", "losses", "wins_after_holm", "losses_after_holm", "higher", "rows"]
    return pd.DataFrame(records, columns=columns)


def choices(rows: pd.DataFrame, metric: str = FRONT) -> pd.DataFrame:
    """Say which method each criterion would choose in a setting, on validation, and what that gives on test.

    Returns
    -------
    DataFrame
        `SETTING`, method, on_front (no other method is as good for every group and better for one), dto (distance to
        the best of every group), chosen_by ('DTO', 'Pareto minimax'), all on validation; test_mean, test_worst and
        against_erm ('improved all', 'trade', 'levelled down', ...) on test.
    """
    on = {part: values(rows, part=part) for part in ("validation", "test")}
    records = []
    for setting, _ in on["validation"].groupby(SETTING, sort=False):
        wide = {part: _groups(table, setting, metric) for part, table in on.items()}
        seen = wide["validation"].dropna()
        if seen.empty or not seen.shape[1]:
            continue
        v = seen.to_numpy()
        distance, front = dto(v), pareto_front(v)
        chosen = {"DTO": int(np.nanargmin(distance)) if np.isfinite(distance).any() else None}
        try:
            chosen["Pareto minimax"] = pareto_minimax(v)
        except SettingsError:
            chosen["Pareto minimax"] = None
        for i, method in enumerate(seen.index):
            test = wide["test"].loc[method].to_numpy() if method in wide["test"].index else np.full(v.shape[1], np.nan)
            erm = wide["test"].loc[ERM].to_numpy() if ERM in wide["test"].index else None
            records.append(
                {
                    **dict(zip(SETTING, setting, strict=True)),
                    **{"method": method, "on_front": bool(front[i]), "dto": float(distance[i])},
                    "chosen_by": ", ".join(name for name, at in chosen.items() if at == i),
                    **{"test_mean": float(test.mean()), "test_worst": float(test.min())},
                    "against_erm": "" if erm is None or method == ERM else levelling_down(erm, test),
                }
            )
    columns = [*SETTING, "method", "on_front", "dto", "chosen_by", "test_mean", "test_worst", "against_erm"]
    return pd.DataFrame(records, columns=columns)


def _groups(means: pd.DataFrame, setting: Any, metric: str) -> pd.DataFrame:
    here = of_setting(means, setting)
    here = here[(here["metric"] == metric) & ~here["group"].isin(NOT_GROUPS)]
    wide = here.pivot(index="method", columns="group", values="value")  # noqa: PD010 - keeps NaN
    return wide.reindex(index=list(dict.fromkeys(here["method"])), columns=list(dict.fromkeys(here["group"])))


def _waited(costs: pd.DataFrame) -> pd.Series:
    waited = costs["seconds_waited"] if "seconds_waited" in costs else pd.Series(0.0, index=costs.index)
    return waited.fillna(0.0)  # folders of earlier versions


_COUNTED = ("updates", "passes", "passes_with_distances", "seconds_alone", "peak_memory_mb", "parameters_answering")


def cost_multiples(costs: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Mean cost of every method's final runs, each counted as if run alone, and in multiples of ERM (`..._x`).

    A pass of a boundary search that needs a gradient costs about as much as one of training, one without a third.

    Returns
    -------
    DataFrame
        `SETTING`, method, runs, networks_trained, updates, passes, passes_with_distances, seconds_alone,
        peak_memory_mb, parameters_answering, and of each but the first two its multiple; search_runs.
    """
    table = costs.assign(
        passes_with_distances=costs["passes"]
        + costs["distance_gradient_passes"]
        + costs["distance_forward_passes"] / 3,
        # a part that another process was just making is counted once: by its own seconds, not by the wait for it
        seconds_alone=costs["wall_seconds"] + costs["seconds_alone_reused"] - _waited(costs),
    )
    keys = [*SETTING, "method"]
    final = table[(table["stage"] == "final") & table["method"].isin(list(names))]
    mean = final.groupby(keys, sort=False)[["networks_trained", *_COUNTED]].mean()
    mean.insert(0, "runs", final.groupby(keys, sort=False).size())
    mean = mean.reset_index()
    base = mean[mean["method"] == ERM].set_index(SETTING)[list(_COUNTED)]
    base = base.where(base > 0)  # heads that are solved make no updates
    erm = base.reindex(pd.MultiIndex.from_frame(mean[SETTING]))
    for column in _COUNTED:
        mean[f"{column}_x"] = mean[column].to_numpy() / erm[column].to_numpy()
    searched = table[table["stage"] == "search"].groupby(keys).size().rename("search_runs").reset_index()
    mean = mean.merge(searched, on=keys, how="left")
    mean["search_runs"] = mean["search_runs"].fillna(0).astype(int)
    order = {label: i for i, label in enumerate(names)}
    return mean.sort_values(
        [*SETTING, "method"], key=lambda c: c.map(order) if c.name == "method" else c, kind="stable"
    )
