"""Tables of a benchmark: a pure function of the files that finished jobs left, made again at will."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.errors import OutputError
from everygroup.files import atomic_path, read_json, write_text
from everygroup.settings import read_config
from everygroup.statistics import paired_interval

BASELINE = "erm"
RUN = ["cohort", "attribute", "backbone", "method", "seed"]
SETTING = ["cohort", "attribute", "backbone"]
NOT_GROUPS = ("overall", "missing")


def read_results(out: Path | str) -> pd.DataFrame:
    """Read the metrics of all finished final jobs.

    Returns
    -------
    DataFrame
        Columns cohort, attribute, backbone, method, seed, part, group, metric, value, n, job; sorted.

    Raises
    ------
    OutputError
        If there are none, or one comparison was run under two settings.
    """
    tables = []
    for done in sorted(Path(out).glob("jobs/*/done")):
        folder = done.parent
        config = read_config(folder / "config.yaml")
        if config["stage"] != "final":
            continue
        table = pd.read_csv(folder / "metrics.csv", keep_default_na=False, na_values={"value": [""]})
        about = {
            "cohort": config["cohort"]["name"],
            "attribute": config["attribute"],
            "backbone": config["backbone"],
            "method": config["label"],
            "seed": config["seed"],
        }
        tables.append(table.drop(columns="attribute").assign(**about, job=folder.name))
    if not tables:
        raise OutputError(f"{out} holds no finished job of a benchmark.", fix="run everygroup benchmark first")
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[[*RUN, "part", "group", "metric", "value", "n", "job"]]
    per = rows.groupby(RUN, sort=False)["job"].nunique().reset_index()
    if len(twice := per[per["job"] > 1]):
        one = twice.iloc[0]
        raise OutputError(
            f"{out} holds two results of {one['method']} on {one['cohort']} by {one['attribute']} "
            f"({one['backbone']}, seed {one['seed']}).",
            fix="delete the job folder that is out of date",
        )
    return rows.sort_values([*RUN, "part"], kind="stable", ignore_index=True)


def read_costs(out: Path | str) -> pd.DataFrame:
    """Read what every finished job cost, search jobs included; one row a job."""
    rows: list[dict[str, Any]] = []
    for done in sorted(Path(out).glob("jobs/*/done")):
        config, cost = read_config(done.parent / "config.yaml"), read_json(done.parent / "cost.json")
        rows.append(
            {
                "cohort": config["cohort"]["name"],
                **{key: config[key] for key in ("attribute", "backbone")},
                "method": config["label"],
                **{key: config[key] for key in ("seed", "stage", "draw")},
                **{key: value for key, value in cost.items() if not isinstance(value, list)},
            }
        )
    return pd.DataFrame(rows)


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest minus smallest group value of every run; NaN if a group's value is undefined. `n`: the smallest group."""
    groups = rows[~rows["group"].isin(NOT_GROUPS)]
    by_run = groups.groupby([*RUN, "part", "metric"], sort=False)
    table = by_run.agg(
        low=("value", lambda v: v.min(skipna=False)),
        high=("value", lambda v: v.max(skipna=False)),
        groups=("group", "nunique"),
        n=("n", "min"),
    ).reset_index()
    table["value"] = (table["high"] - table["low"]).where(table["groups"] > 1)
    return table[[*RUN, "part", "metric", "value", "groups", "n"]]


def values(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean of the test values over seeds, with their standard deviation and the mean n of a seed."""
    test = rows[rows["part"] == "test"]
    keys = [*SETTING, "method", "group", "metric"]
    found = test.groupby(keys, sort=False).agg(
        value=("value", lambda v: v.mean(skipna=False)),
        sd=("value", lambda v: v.std(ddof=1, skipna=False)),
        seeds=("seed", "nunique"),
        n=("n", "mean"),
    )
    return found.reset_index()


def gap_values(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of the gap, and the gap of the seed-averaged group values: the former is biased upwards."""
    keys = [*SETTING, "method", "metric"]
    each = gaps(rows)
    mean = (
        each[each["part"] == "test"]
        .groupby(keys, sort=False)
        .agg(mean_of_gaps=("value", lambda v: v.mean(skipna=False)), seeds=("seed", "nunique"), n=("n", "min"))
    )
    means = values(rows)
    inside = means[~means["group"].isin(NOT_GROUPS)].groupby(keys, sort=False)["value"]
    spread = inside.max() - inside.min()
    return mean.assign(gap_of_means=spread.where(inside.size() > 1)).reset_index()


def differences(rows: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """Differences to a baseline, paired by seed, with their 95 % t-interval; group 'gap' is the gap's change.

    Positive is better for groups; for the gap negative is. An interval needs two seeds. Not corrected for the number of
    comparisons.
    """
    test = pd.concat([rows, gaps(rows).assign(group="gap")])
    test = test[test["part"] == "test"]
    records: list[dict[str, Any]] = []
    for key, part in test.groupby([*SETTING, "group", "metric"], sort=False):
        wide = part.pivot(index="seed", columns="method", values="value")  # noqa: PD010 - keeps undefined values
        if baseline not in wide:
            continue
        for method in [m for m in dict.fromkeys(part["method"]) if m != baseline]:
            pair = wide[[method, baseline]].dropna()
            d = paired_interval(pair[method].to_numpy(), pair[baseline].to_numpy())
            records.append(
                {
                    **dict(zip([*SETTING, "group", "metric"], key, strict=True)),
                    "method": method,
                    "baseline": baseline,
                    "difference": d.mean,
                    "low": d.low,
                    "high": d.high,
                    "p": d.p,
                    "seeds": d.n,
                }
            )
    columns = [*SETTING, "group", "metric", "method", "baseline", "difference", "low", "high", "p", "seeds"]
    return pd.DataFrame(records, columns=columns)


TABLES: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "values": ("Test values, mean over seeds", values),
    "gaps": ("Gaps between groups on the test part (largest minus smallest group)", gap_values),
    "differences": ("Difference to ERM, paired by seed, with its 95 % interval", differences),
}


def collect(out: Path | str) -> list[Path]:
    """Write the tables of a benchmark folder: results.csv (every value), one CSV a report, costs.csv and results.md.

    The same job folders give the same bytes.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        If there is nothing to collect.
    """
    out = Path(out)
    rows = read_results(out)
    recipe = read_config(out / "recipe.yaml") if (out / "recipe.yaml").exists() else {}
    tables = {"results": rows.drop(columns="job"), "costs": read_costs(out)}
    tables |= {name: TABLES[name][1](rows) for name in recipe.get("reports", list(TABLES))}
    written = []
    for name, table in tables.items():
        path = out / "tables" / f"{name}.csv"
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
        written.append(path)
    lines = [f"# {recipe.get('title', 'Benchmark')}", "", recipe.get("question", ""), ""]
    for name in [n for n in tables if n in TABLES]:
        lines += [f"## {TABLES[name][0]}", "", *_markdown(tables[name]), ""]
    failed = [str(read_json(p)["job"]) for p in sorted(out.glob("jobs/*/failed.json"))]
    if failed:
        lines += [f"Failed, and so in no table: {'; '.join(failed)}.", ""]
    path = out / "tables" / "results.md"
    write_text(path, "\n".join(lines))
    return [*written, path]


def _markdown(table: pd.DataFrame) -> list[str]:
    """Return a table's lines; undefined numbers are said to be so."""

    def shown(value: Any) -> str:
        if isinstance(value, float):
            return "undefined" if pd.isna(value) else f"{value:.3f}" if value % 1 else f"{value:.0f}"
        return str(value).replace("|", "\\|")

    lines = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    return lines + ["| " + " | ".join(shown(v) for v in row) + " |" for row in table.itertuples(index=False)]
