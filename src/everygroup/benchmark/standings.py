"""How methods stand: means over seeds, gaps, differences paired by seed, and the best baseline by validation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.results import RUN, SETTING, of_setting
from everygroup.metrics import fate
from everygroup.statistics import detectable_mean, holm, paired_interval

ERM = "erm"
OURS = ("spare", "auto", "distilled", "mixture", "specialise")
"""Registry names that are no baselines, however they are labelled."""
NOT_GROUPS = ("overall", "missing")
CRITERIA = ("eopp0_lab", "eopp1_lab", "eodds_lab")
FRONT = "macro_f1"
"""The metric that choices are made by."""


def values(rows: pd.DataFrame, part: str = "test") -> pd.DataFrame:
    """Return means over seeds with their 95 % t-interval.

    Parameters
    ----------
    rows : DataFrame
        `Results.rows`.

    Returns
    -------
    DataFrame
        `SETTING`, method, group, metric, value, low, high, sd, seeds, n (mean samples of a seed). An undefined value
        of any seed makes the mean undefined; one seed has no interval. Where seeds split the same samples anew the
        interval is widened by their overlap (see `everygroup.statistics.paired_interval`).
    """
    keys = [*SETTING, "method", "group", "metric"]
    return _means(rows[rows["part"] == part], keys)


def _means(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    by = _with_overlap(rows).groupby(keys, sort=False)
    table = by.agg(
        value=("value", "mean"),
        sd=("value", "std"),
        seeds=("value", "size"),
        n=("n", "mean"),
        overlap=("overlap", "max"),
    )
    known = by["value"].count() == table["seeds"]
    table[["value", "sd"]] = table[["value", "sd"]].where(known)
    half = np.array([_t(int(k)) for k in table["seeds"]]) * table["sd"] * np.sqrt(1 / table["seeds"] + table["overlap"])
    table = table.assign(low=table["value"] - half, high=table["value"] + half).reset_index()
    return table[[*keys, "value", "low", "high", "sd", "seeds", "n"]]


def _with_overlap(rows: pd.DataFrame) -> pd.DataFrame:
    """Tables made by hand may say nothing of it: their seeds are taken for independent draws."""
    return rows if "overlap" in rows else rows.assign(overlap=0.0)


@cache
def _t(n: int) -> float:
    """Quantile of the 95 % t-interval of a mean of n values; NaN for one."""
    from scipy import stats  # takes a second to import

    return float(stats.t.ppf(0.975, n - 1)) if n > 1 else float("nan")


@cache
def _detectable(n: int) -> float:
    """Smallest detectable mean of n paired differences, in their standard deviations."""
    return detectable_mean(1.0, n) if n > 1 else float("nan")


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest minus smallest group value of every run; NaN if a group's value is undefined. `n`: the smallest group."""
    groups = _with_overlap(rows[~rows["group"].isin(NOT_GROUPS)])
    by_run = groups.groupby([*RUN, "part", "metric"], sort=False)
    table = by_run.agg(
        low=("value", lambda v: v.min(skipna=False)),
        high=("value", lambda v: v.max(skipna=False)),
        groups=("group", "nunique"),
        n=("n", "min"),
        overlap=("overlap", "max"),
    ).reset_index()
    table["value"] = (table["high"] - table["low"]).where(table["groups"] > 1)
    return table[[*RUN, "part", "metric", "value", "groups", "n", "overlap"]]


def all_gaps(rows: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Gaps of every run: the measured ones with their null, and those of metrics (AUC) that have none."""
    known = set(measured["metric"])
    plain = gaps(rows[~rows["metric"].isin(known)])
    return pd.concat([measured, plain] if len(plain) else [measured], ignore_index=True)


def gap_values(rows: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """Return every gap twice: the mean over seeds of the gap, and the gap of the seed-averaged group values.

    The former is biased upwards, since noise moves groups apart. Criteria over classes (EOpp, EOdds) are no spread of
    group values and have the former only.

    Returns
    -------
    DataFrame
        `SETTING`, method, metric, mean_of_gaps, low, high, gap_of_means, chance (mean over seeds of the mean gap of
        shuffled groups), chance_high, seeds_beyond_chance (permutation p < 0.05), p_median, seeds, n.
    """
    keys = [*SETTING, "method", "metric"]
    test = every[every["part"] == "test"]
    table = _means(test, keys).drop(columns="sd").rename(columns={"value": "mean_of_gaps"})
    means = values(rows)
    inside = means[~means["group"].isin(NOT_GROUPS)].groupby(keys, sort=False)["value"]
    spread = inside.apply(lambda v: v.max(skipna=False) - v.min(skipna=False) if len(v) > 1 else np.nan)
    table = table.merge(spread.rename("gap_of_means").reset_index(), on=keys, how="left")
    if "p" not in test:
        return table
    null = test.groupby(keys, sort=False).agg(
        chance=("chance", "mean"),
        chance_high=("chance_high", "mean"),
        seeds_beyond_chance=("p", lambda p: float((p < 0.05).sum()) if p.notna().any() else np.nan),
        p_median=("p", "median"),
    )
    return table.merge(null.reset_index(), on=keys, how="left")


def baselines(names: Mapping[str, str]) -> list[str]:
    """Return the labels that are baselines: every method but ours and its variants."""
    return [label for label, name in names.items() if not {p.split("(")[0] for p in name.split(" + ")} & set(OURS)]


def best_baselines(rows: pd.DataFrame, names: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Choose the best baseline of every setting and group by its mean validation macro F1; the test part is not seen.

    Only methods with all seeds that any method has there are asked: one lucky seed makes no baseline.

    Returns
    -------
    dict
        (cohort, attribute, backbone, group) -> label; group 'gap' stands for the mean over groups.
    """
    means = values(rows, part="validation")
    means = means[(means["metric"] == FRONT) & means["method"].isin(baselines(names)) & (means["group"] != "missing")]
    means = means[means["seeds"] == means.groupby([*SETTING, "group"], sort=False)["seeds"].transform("max")]
    inside = means[means["group"] != "overall"]
    over = inside.groupby([*SETTING, "method"], sort=False)["value"].mean().reset_index().assign(group="gap")
    every = pd.concat([means, over]).dropna(subset=["value"]).reset_index(drop=True)
    best = every.loc[every.groupby([*SETTING, "group"], sort=False)["value"].idxmax()] if len(every) else every
    return {tuple(str(v) for v in row[:-1]): str(row[-1]) for row in best[[*SETTING, "group", "method"]].to_numpy()}


def differences(
    rows: pd.DataFrame, every: pd.DataFrame, against: Mapping[tuple[str, ...], str] | str = ERM
) -> pd.DataFrame:
    """Differences to a baseline, paired by seed, with their 95 % t-interval; group 'gap' is the gap's change.

    Parameters
    ----------
    rows, every : DataFrame
        `Results.rows` and `all_gaps`.
    against : str or mapping
        A label, or (cohort, attribute, backbone, group) -> label.

    Returns
    -------
    DataFrame
        `SETTING`, group, metric, method, baseline, difference, low, high, p, p_holm, sd, seeds, detectable (the mean
        difference these seeds would show with power 0.8). Positive is better for groups; for gaps negative is. Holm's
        correction is over the methods of one setting, group and metric. An interval needs two seeds; where they split
        the same samples anew it is widened by the overlap (Nadeau and Bengio 2003), and so is what is detectable.
    """
    test = pd.concat([_with_overlap(rows), _with_overlap(every).assign(group="gap")])
    test = test[test["part"] == "test"]
    records: list[dict[str, Any]] = []
    for key, part in test.groupby([*SETTING, "group", "metric"], sort=False):
        baseline = against if isinstance(against, str) else against.get(tuple(str(v) for v in key[:4]))
        wide = part.pivot(index="seed", columns="method", values="value").sort_index()  # noqa: PD010 - keeps NaN
        if baseline not in wide:
            continue
        found = []
        for method in [m for m in dict.fromkeys(part["method"]) if m != baseline]:
            pair = wide[[method, baseline]].dropna()
            a, b = pair[method].to_numpy(), pair[baseline].to_numpy()
            overlap = float(part["overlap"].max())
            d = paired_interval(a, b, overlap=overlap)
            sd = float((a - b).std(ddof=1)) if d.n > 1 else np.nan
            found.append(
                {
                    **dict(zip([*SETTING, "group", "metric"], key, strict=True)),
                    **{"method": method, "baseline": baseline, "difference": d.mean, "low": d.low, "high": d.high},
                    **{"p": d.p, "sd": sd, "seeds": d.n},
                    # methods that answered alike (auto, where it chose ERM) tell nothing of how seeds scatter
                    "detectable": sd * _detectable(d.n) * np.sqrt(1 + d.n * overlap) if sd > 0 else np.nan,
                }
            )
        if found:
            records += [f | {"p_holm": p} for f, p in zip(found, holm([f["p"] for f in found]), strict=True)]
    columns = [*SETTING, "group", "metric", "method", "baseline", "difference", "low", "high", "p", "p_holm", "sd"]
    return pd.DataFrame(records, columns=[*columns, "seeds", "detectable"])


def fates(rows: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """FATE of every method by each criterion, from seed means: ACC is the unweighted mean of the groups' macro F1.

    Returns
    -------
    DataFrame
        `SETTING`, method, metric (the criterion), value, seeds. Undefined without ERM, or where ERM's value is 0.
    """
    means = values(rows)
    inside = means[(means["metric"] == FRONT) & ~means["group"].isin(NOT_GROUPS)]
    keys = [*SETTING, "method"]
    accuracy = inside.groupby(keys, sort=False)["value"].agg(lambda v: v.mean(skipna=False))
    criteria = _means(every[(every["part"] == "test") & every["metric"].isin(CRITERIA)], [*keys, "metric"])
    records = []
    for row in criteria.to_dict("records"):
        setting = tuple(row[k] for k in SETTING)
        base = of_setting(criteria, setting)
        base = base[(base["method"] == ERM) & (base["metric"] == row["metric"])]
        own, erm = accuracy.get((*setting, row["method"])), accuracy.get((*setting, ERM))
        if len(base) == 1 and own is not None and erm is not None:
            value = fate(float(own), float(erm), row["value"], float(base["value"].iloc[0]))
        else:
            value = np.nan
        records.append({**{k: row[k] for k in (*keys, "metric", "seeds")}, "value": value})
    return pd.DataFrame(records, columns=[*keys, "metric", "value", "seeds"])
