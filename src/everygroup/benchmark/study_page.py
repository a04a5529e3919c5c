"""The files of a collected benchmark: CSV tables, Markdown, LaTeX and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.patients import BY_PATIENTS, compare_patients
from everygroup.benchmark.rankings import Ranking, choices, cost_multiples, rank_methods, wins
from everygroup.benchmark.results import SETTING, Results
from everygroup.benchmark.silent_classes import silent_classes
from everygroup.benchmark.standings import (
    ERM,
    FRONT,
    NOT_GROUPS,
    OURS,
    all_gaps,
    best_baselines,
    differences,
    fates,
    gap_values,
    values,
)
from everygroup.benchmark.study_tables import setting_tables
from everygroup.figures.theme import number
from everygroup.files import safe_csv, write_text
from everygroup.report.study import FEW_SEEDS, StudyTables, write_study_page
from everygroup.report.tables import markdown_text
from everygroup.report.wide import wide_latex, wide_markdown

AGAINST = {ERM: "ERM", "best": "the best baseline on validation"}


def write_all(results: Results) -> list[Path]:
    """Write tables/*.csv, tables/results.md, tables/results.tex and report.html; returns the files."""
    rows, every = results.rows, all_gaps(results.rows, results.gaps)
    best = best_baselines(rows, results.names)
    errors, tests = compare_patients(results.final, best)
    against = []
    for name, which in ((ERM, ERM), ("best", best)):
        found = differences(rows, every, which).assign(against=AGAINST[name])
        found = found.merge(errors, on=[*SETTING, "group", "method", "baseline"], how="left")
        # resampled is macro F1 of groups only
        other = (found["metric"] != FRONT) | (found["group"] == "gap")
        found.loc[other, list(BY_PATIENTS)] = np.nan
        against.append(found)
    moved = pd.concat(against, ignore_index=True)
    won = (
        pd.concat(
            [wins(part).assign(against=name) for name, part in moved.groupby("against", sort=False)], ignore_index=True
        )
        if len(moved)
        else pd.DataFrame()
    )
    ranking = rank_methods(rows)
    means, spread, fate_rows = values(rows), gap_values(rows, every), fates(rows, every)
    summary_weights = results.weights("weight_summary.csv")
    wide = setting_tables(means, spread, fate_rows, summary_weights)
    tables: dict[str, pd.DataFrame] = {
        "summary": summary(means, spread, fate_rows, moved),
        "results": rows.drop(columns=["job", "overlap"]),
        "values": means,
        "gaps": spread,
        "differences": moved,
        "fate": fate_rows,
        "wins": won,
        "choices": choices(rows),
        "mcnemar": tests,
        "costs": results.costs,
        "cost_multiples": cost_multiples(results.costs, results.names),
    }
    if ranking is not None:
        tables["ranks"] = ranking.table
    for name in ("weight_summary", "weight_sources", "weight_tests"):
        if len(found := results.weights(f"{name}.csv")):
            tables[name] = found
    if len(results.chosen):
        tables["chosen"] = results.chosen
    folder = results.out / "tables"
    written = [safe_csv(table, folder / f"{name}.csv") for name, table in tables.items()]
    answer, flags = sentences(results, moved, ranking), heed(results, rows)
    texts = {
        "results.md": _markdown(results, wide, answer, flags),
        "results.tex": "\n".join(wide_latex(table) for table in wide),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
        written.append(folder / name)
    shown = StudyTables(
        standings=wide,
        values=means,
        differences=moved,
        wins=won,
        choices=tables["choices"],
        gaps=spread,
        costs=tables["cost_multiples"],
        tests=tests,
        points=points(means),
        ranking=None if ranking is None else ranking.table,
        cliques=() if ranking is None else ranking.cliques,
        cd=float("nan") if ranking is None else ranking.cd,
        ranked=0 if ranking is None else ranking.test.n,
        friedman="" if ranking is None else _friedman(ranking),
        weight_sources=_mean_sources(tables.get("weight_sources", pd.DataFrame())),
        weight_tests=tables.get("weight_tests", pd.DataFrame()),
        files={**texts, "summary.csv": (folder / "summary.csv").read_text(encoding="utf-8")},
    )
    page = write_study_page(
        results.out / "report.html",
        title=str(results.recipe.get("title", "Benchmark")),
        asked=_asked(results),
        answer=answer,
        flags=flags,
        tables=shown,
        environment=_environment(results),
        command=str(results.environments[0].get("command", "")),
    )
    return [*written, page]


def summary(means: pd.DataFrame, spread: pd.DataFrame, fate_rows: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """One long table of everything: `SETTING`, method, against, group, metric, measure, value, low, high, p, ..."""
    parts = [
        means.assign(measure="value"),
        spread.rename(columns={"mean_of_gaps": "value", "p_median": "p"}).assign(measure="mean of gaps", group="gap"),
        spread[[*SETTING, "method", "metric", "seeds", "n"]].assign(
            value=spread["gap_of_means"], measure="gap of means", group="gap"
        ),
        fate_rows.assign(measure="fate", group="gap"),
        moved.drop(columns="against")
        .rename(columns={"difference": "value", "baseline": "against"})
        .assign(
            measure=[
                "difference to ERM" if a == AGAINST[ERM] else "difference to best baseline" for a in moved["against"]
            ]
        ),
    ]
    columns = [*SETTING, "method", "against", "group", "metric", "measure", "value", "low", "high", "sd", "p", "p_holm"]
    columns += ["seeds", "n", "chance", "detectable", *BY_PATIENTS[1:]]
    return pd.concat([part for part in parts if len(part)], ignore_index=True).reindex(columns=columns)


def points(means: pd.DataFrame) -> pd.DataFrame:
    """Mean of the groups' macro F1 and the gap of their seed means, one row a setting and method."""
    inside = means[(means["metric"] == FRONT) & ~means["group"].isin(NOT_GROUPS)]
    by = inside.groupby([*SETTING, "method"], sort=False)["value"]
    found = pd.DataFrame(
        {"utility": by.mean(), "disparity": by.max() - by.min(), "groups": by.size(), "known": by.count()}
    )
    return found[(found["groups"] > 1) & (found["groups"] == found["known"])].reset_index()


def sentences(results: Results, moved: pd.DataFrame, ranking: Ranking | None) -> list[str]:
    """Say what the comparisons show: ours against ERM and the best baseline, or whatever is clear against ERM."""
    front = moved[(moved["metric"] == FRONT) & ~moved["group"].isin((*NOT_GROUPS, "gap"))]
    if front.empty:
        return ["There is no ERM to compare with, or nothing beside it."]
    ours = [label for label, name in results.names.items() if name in OURS]
    said = []
    for label in ours or list(results.names):
        for against, part in front[front["method"] == label].groupby("against", sort=False):
            if not ours and against != AGAINST[ERM]:
                continue
            mean = number(part["difference"].mean(), signed=True)
            over = f"mean difference in macro F1 {mean} over {_groups(len(part))}"
            said.append(f"{label} against {against}: {over}. {_clear(part)}")
    if front["seeds"].max() < FEW_SEEDS:
        return [*said, *([] if ranking is None else [_friedman(ranking)])]
    seeds, patients = front["detectable"].median(), front["detectable_patients"].median()
    said.append(
        f"What could have been shown with power 0.8 (median over comparisons): a difference of {number(seeds)} by the "
        f"scatter of these seeds, and of {number(patients)} by the number of test patients."
    )
    if ranking is not None:
        said.append(_friedman(ranking))
    return said


def _clear(part: pd.DataFrame) -> str:
    """Say in how many groups a method is clearly better or worse, over seeds and over patients."""
    better, worse = int((part["low"] > 0).sum()), int((part["high"] < 0).sum())
    above, below = int((part["low_patients"] > 0).sum()), int((part["high_patients"] < 0).sum())
    if few := part["seeds"].max() < FEW_SEEDS:
        better = worse = 0
    holm = part["p_holm"] < 0.05
    kept = int((holm & (part["difference"] > 0)).sum()), int((holm & (part["difference"] < 0)).sum())
    lead = "Two seeds or fewer cannot show anything. " if few else ""
    if not any((better, worse, above, below)):
        return f"{lead}No group is clearly better or worse" + (
            " over patients." if few else ", over seeds or patients."
        )
    said = []
    if not few:
        said.append(f"over seeds {_counts(better, worse)}")
        if better or worse:
            said[-1] += f" (after Holm's correction {_counts(*kept)})"
    said.append(f"over patients {_counts(above, below)}")
    return f"{lead}By 95 % intervals: {'; '.join(said)}."


def _counts(better: int, worse: int) -> str:
    if not better and not worse:
        return "no group is clearly better or worse"
    parts = [f"clearly {word} in {_groups(n)}" for n, word in ((better, "better"), (worse, "worse")) if n]
    return " and ".join(parts)


def _groups(n: int) -> str:
    return "1 group" if n == 1 else f"{n} groups"


def heed(results: Results, rows: pd.DataFrame) -> list[str]:
    """Say what is missing, failed, undefined, or too little."""
    flags = [f"Failed, and so in no table: {text}" for text in results.failed]
    flags += [f"Chosen among some of the draws only: {text}" for text in results.partly_searched]
    flags += [f"Not there yet: {text}" for text in results.missing]
    test = rows[rows["part"] == "test"]
    seeds = test.groupby([*SETTING, "method"])["seed"].nunique()
    if (seeds < 2).any():
        flags.append("Methods with one seed have no interval: nothing is said of how their results scatter.")
    elif (seeds < 5).any():
        few = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
        flags.append(f"Intervals rest on {few} seeds: they are wide, and rightly so.")
    if (silent := silent_classes(results.final)).cases:
        flags.append(
            f"In {silent.cases} of {silent.of} runs and groups some class was never answered. Macro precision leaves "
            "it out (0 of 0 is undefined) and so favours methods that shun rare classes; published precisions count it "
            f"as 0, which would lower ours by up to {number(silent.most)}. Macro F1 counts it as 0 in both."
        )
    for method, said in results.chosen.groupby("method", sort=False)["chosen"]:
        if idle := int(said.str.startswith("unchanged").sum()):
            flags.append(f"{method} changed nothing in {idle} of {len(said)} runs: nothing it tried was better.")
    if undefined := int(test["value"].isna().sum()):
        flags.append(f"{undefined} of {len(test)} test values are undefined (a group lacks a class) and stay so.")
    splits: dict[tuple[str, str], set[str]] = {}
    for job, environment in zip(results.final, results.environments, strict=True):
        key = (str(job.about["cohort"]), str(job.about["attribute"]))
        splits.setdefault(key, set()).add(str(environment.get("split_hash", "")))
    torn = dict.fromkeys((str(j.about["cohort"]), str(j.about["attribute"])) for j in results.final if j.overlap)
    for cohort, attribute in [key for key in torn if (seeds > 1).any()]:
        flags.append(
            f"{cohort} by {attribute}: every seed splits the same samples anew, so that test parts overlap; intervals "
            "over seeds are widened for it (Nadeau and Bengio 2003), and a patient counts once over all splits."
        )
    for cohort, attribute in [key for key, found in splits.items() if len(found) == 1 and (seeds > 1).any()]:
        flags.append(
            f"{cohort} by {attribute}: all seeds share one split, so that intervals over seeds tell how training "
            "scatters and not what other patients would give; see 'detectable, patients'."
        )
    return flags


def _friedman(ranking: Ranking) -> str:
    left = f" Left out, for lack of a value in some row: {', '.join(ranking.left_out)}." if ranking.left_out else ""
    p = "undefined" if np.isnan(ranking.test.f_p) else f"{ranking.test.f_p:.3f}"
    return (
        f"Friedman's test of equal ranks over {ranking.test.n} rows and {ranking.test.k} methods: p = {p} (Iman and "
        f"Davenport); two mean ranks differ if they lie {number(ranking.cd, 2)} apart (Nemenyi).{left}"
    )


def _mean_sources(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    keys = [*SETTING, "method", "level", "target_group", "source_group", "own"]
    mean = table.drop(columns="seed").groupby(keys, sort=False).mean().reset_index()
    return mean.assign(n=mean["n"].round().astype(int))


def _asked(results: Results) -> dict[str, Any]:
    recipe = results.recipe
    settings = [f"{c} by {a} ({b})" for c, a, b in results.rows[SETTING].drop_duplicates().to_numpy()]
    return {
        "question": recipe.get("question", ""),
        "after": recipe.get("paper", ""),
        "settings": settings,
        "methods": list(results.names),
        "seeds": sorted({job.about["seed"] for job in results.final}),
        "finished runs": len(results.final),
        "hyper-parameters chosen by": f"{recipe.get('choose_by', FRONT)} on validation",
        "draws": recipe.get("draws", 1),
        "training": _training(results.final[0].config["settings"]),
    }


def _training(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings worth showing; of epochs and updates only the one that decides."""
    idle = "updates" if settings.get("updates") is None else "epochs"
    # three digits would show a learning rate of 0.0003 as 0
    return {k: f"{v:g}" if isinstance(v, float) else v for k, v in settings.items() if k in _SHOWN and k != idle}


_SHOWN = ("epochs", "updates", "batch_size", "optimiser", "lr", "schedule", "augment", "selection")


def _environment(results: Results) -> dict[str, Any]:
    first = results.environments[0]
    kept: dict[str, Any] = {
        k: first[k] for k in ("python", "system", "cpus", "gpu", "device", "packages") if k in first
    }
    devices = sorted({str(e.get("device")) for e in results.environments})
    return {**kept, "device": devices}


def _markdown(results: Results, wide: list[Any], answer: list[str], flags: list[str]) -> str:
    recipe = results.recipe
    lines = [f"# {markdown_text(recipe.get('title', 'Benchmark'))}", "", markdown_text(recipe.get("question", "")), ""]
    lines += [*(f"- {markdown_text(text)}" for text in answer), ""]
    if flags:
        lines += ["To heed:", "", *(f"- {markdown_text(text)}" for text in flags), ""]
    return "\n".join([*lines, *(wide_markdown(table) for table in wide)])
