"""The page of a benchmark: standings, differences, ranks, choices, gaps, cost and weights, from tidy tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.console import warn
from everygroup.figures import critical_difference_diagram, utility_against_disparity, weights_by_source_group
from everygroup.figures.theme import clean_text, estimate, metric_words, number
from everygroup.files import write_text
from everygroup.report.blocks import (
    FULL,
    LEAN,
    Limits,
    Link,
    Section,
    Table,
    facts,
    figure,
    p_value,
    table,
    text_address,
)
from everygroup.report.page import render_page
from everygroup.report.wide import WideTable, wide_block
from everygroup.report.write import MAX_BYTES

FEW_SEEDS = 3
"""With fewer, a t-interval over seeds is wider than the scale and shows nothing."""
SETTING = ["cohort", "attribute", "backbone"]
_NAMES = {"eopp0_lab": "EOpp0 (lab)", "eopp1_lab": "EOpp1 (lab)", "eodds_lab": "EOdds (lab)"}


@dataclass(frozen=True)
class StudyTables:
    """What the page shows; see `everygroup.benchmark.standings`, `rankings` and `patients` for the columns.

    `differences` holds the rows against ERM and against the best baseline together, `wins` likewise with a column
    `against`; `ranking` has method, mean_rank and p_against_erm, with `cliques`, `cd` and `ranked` rows.
    """

    standings: Sequence[WideTable]
    values: pd.DataFrame
    differences: pd.DataFrame
    wins: pd.DataFrame
    choices: pd.DataFrame
    gaps: pd.DataFrame
    costs: pd.DataFrame
    tests: pd.DataFrame
    points: pd.DataFrame
    ranking: pd.DataFrame | None = None
    cliques: Sequence[Sequence[int]] = ()
    cd: float = float("nan")
    ranked: int = 0
    friedman: str = ""
    weight_sources: pd.DataFrame = field(default_factory=pd.DataFrame)
    weight_tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: Mapping[str, str] = field(default_factory=dict)


def write_study_page(
    path: Path | str,
    *,
    title: str,
    asked: Mapping[str, Any],
    answer: Sequence[str],
    flags: Sequence[str],
    tables: StudyTables,
    environment: Mapping[str, Any],
    command: str = "",
) -> Path:
    """Write a benchmark as one self-contained HTML file of at most 2 MB; see `write_report` for what that means."""
    for limits in (FULL, LEAN):
        page = render_page(
            title,
            asked=facts(asked),
            answer=[clean_text(text) for text in answer],
            flags=[clean_text(text) for text in flags],
            parts=_parts(tables, environment, command, limits),
            lean=limits is LEAN,
        )
        if len(page.encode()) <= MAX_BYTES:
            break
    else:
        warn(f"The page {Path(path).name} is larger than {MAX_BYTES / 1e6:.0f} MB.")
    write_text(path, page)
    return Path(path)


def _parts(tables: StudyTables, environment: Mapping[str, Any], command: str, limits: Limits) -> list[Section]:
    parts = [
        _standings(tables, limits),
        _differences(tables, limits),
        _ranks(tables, limits),
        _choices(tables, limits),
        _gaps(tables, limits),
        _weights(tables, limits),
        _costs(tables, limits),
        _files(tables, limits),
        Section("environment", "Environment and how to reproduce this", facts=facts(environment), code=command),
    ]
    return [part for part in parts if part is not None]


def _standings(tables: StudyTables, limits: Limits) -> Section:
    section = Section(
        "results",
        "Every method in every group",
        [
            "Macro precision (P), recall (R), F1 and AUC of every group on test samples, then gaps with their FATE "
            "(relative gain of the mean F1 over ERM minus relative change of the gap). EOpp0, EOpp1 and EOdds are in "
            "the variant of the code behind the SPARE tables: EOdds is signed, so opposite gaps cancel."
        ],
    )
    section.lead = [wide_block(wide, limits) for wide in tables.standings]
    return section


def _differences(tables: StudyTables, limits: Limits) -> Section | None:
    rows = tables.differences
    if rows.empty:
        return None
    section = Section(
        "differences",
        "Differences, paired by seed",
        [
            "Every method minus ERM, and minus the best baseline: the method that is best for that group on validation "
            "samples, ours left out; the test part is not asked. p by the paired t-test, corrected after Holm over the "
            "methods. The interval over patients keeps the networks and draws the test patients again, and is not "
            "corrected. The last columns say what could have been shown with power 0.8, by these "
            "seeds and by these test patients. A smaller true difference stays unseen."
        ],
    )
    if (rows["seeds"] < FEW_SEEDS).any():
        section.intro.append(
            "Two seeds or fewer cannot show anything: differences over them have no interval and no p."
        )
    front = rows[(rows["metric"] == "macro_f1") & (rows["group"] != "missing")]
    for against, part in front.groupby("against", sort=False):
        caption = f"Macro F1: difference to {against}; positive is better, for the gap negative is"
        section.lead.append(_difference_table(part, caption, limits, f"differences-{_slug(str(against))}.csv"))
    if len(tables.wins):
        shown = {"against": [f"difference to {a}" for a in tables.wins["against"]]}
        headings = {
            **{"method": "method", "against": "against", "wins": "wins", "ties": "ties", "losses": "losses"},
            **{"wins_after_holm": "wins after Holm", "losses_after_holm": "losses after Holm"},
            **{"higher": "differences above 0", "rows": "groups compared"},
        }
        caption = "Wins, ties and losses in macro F1 over all groups: a win is an interval over seeds that excludes 0"
        section.lead.append(table(tables.wins, caption, limits, headings=headings, shown=shown, file_name="wins.csv"))
    every = _difference_table(rows, "All differences", limits, "all-differences.csv")
    section.more.append(("Differences in all metrics and gaps, as one table", [], [every]))
    if len(tables.tests):
        shown = {"p": [p_value(p) for p in tables.tests["p"]]}
        headings = _place(tables.tests) | {"group": "group", "method": "method", "baseline": "against"}
        headings |= {"only_method": "only method right", "only_baseline": "only the other right"}
        headings |= {"accuracy_difference": "difference in accuracy", "n": "answers", "patients": "patients"}
        headings |= {"p": "p", "test": "test"}
        caption = "Answers of two methods to the same test samples, all seeds; p not corrected"
        found = table(tables.tests, caption, limits, headings=headings, shown=shown, file_name="mcnemar.csv")
        section.more.append(("McNemar: who answers right where the other does not", [], [found]))
    return section


def _difference_table(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    enough = rows["seeds"] >= FEW_SEEDS
    shown = {
        "estimate": [
            estimate(*v, signed=True) if seeds >= FEW_SEEDS else f"{number(v[0], signed=True)} (no interval)"
            for v, seeds in zip(rows[["difference", "low", "high"]].to_numpy(), rows["seeds"], strict=True)
        ],
        "patients": [
            "–" if pd.isna(low) else f"[{number(low, signed=True)}, {number(high, signed=True)}]"
            for low, high in rows[["low_patients", "high_patients"]].to_numpy()
        ],
        "metric": [_metric(m) for m in rows["metric"]],
        **{key: [p_value(p) for p in rows[key].where(enough)] for key in ("p", "p_holm")},
        "detectable": [_dash(v) for v in rows["detectable"].where(enough)],
        "detectable_patients": [_dash(v) for v in rows["detectable_patients"]],
    }
    headings = _place(rows) | {"group": "group", "method": "method", "baseline": "against"}
    if len(set(rows["metric"])) > 1:
        headings |= {"metric": "metric"}
    headings |= {"estimate": "difference (95 % interval over seeds)", "p": "p", "p_holm": "p (Holm)", "seeds": "seeds"}
    headings |= {"patients": "95 % interval over patients"}
    headings |= {"detectable": "detectable, seeds", "detectable_patients": "detectable, patients"}
    return table(rows, caption, limits, headings=headings, shown=shown, file_name=file_name)


def _ranks(tables: StudyTables, limits: Limits) -> Section | None:
    if tables.ranking is None:
        return None
    section = Section(
        "ranks",
        "Average ranks",
        [
            f"Methods ranked by macro F1 in each of {tables.ranked} rows (cohort, attribute, backbone and group). "
            "Groups of one cohort are answered by the same networks and are no independent data sets, so p is rather "
            "too small.",
            tables.friedman,
        ],
    )
    shown = {"p_against_erm": [p_value(p) for p in tables.ranking["p_against_erm"]]}
    headings = {"method": "method", "mean_rank": "mean rank (1 is best)", "p_against_erm": "p against ERM (Nemenyi)"}
    behind = table(tables.ranking, "Mean ranks", limits, headings=headings, shown=shown, file_name="ranks.csv")
    if tables.ranking["mean_rank"].notna().all():
        chart = critical_difference_diagram(tables.ranking, cd=tables.cd, cliques=tables.cliques, n=tables.ranked)
        section.figures.append(figure(chart, "Critical-difference diagram of the mean ranks.", behind))
    else:
        section.tables.append(behind)
    return section


def _choices(tables: StudyTables, limits: Limits) -> Section | None:
    if tables.choices.empty:
        return None
    section = Section(
        "choices",
        "What one would choose",
        [
            "On the front are methods that no other equals for every group and beats for one, on validation samples. "
            "DTO is the distance to the best value of every group, Pareto minimax the best worst group of the front. "
            "The test columns were not asked for the choice."
        ],
    )
    for setting, part in tables.points.groupby(SETTING, sort=False):
        if len(part) > 1:
            place = "{} by {} ({})".format(*setting)
            chart = utility_against_disparity(part, utility="mean macro F1 of groups", disparity="gap in macro F1")
            section.row.append(
                figure(chart, f"Mean of the groups' test macro F1 against the gap of their means: {place}.")
            )
    headings = _place(tables.choices) | {
        "method": "method",
        "on_front": "on the front",
        "dto": "DTO",
        "chosen_by": "chosen by",
    }
    headings |= {"test_mean": "test: mean of groups", "test_worst": "test: worst group", "against_erm": "against ERM"}
    section.tables.append(
        table(tables.choices, "Choices by macro F1", limits, headings=headings, file_name="choices.csv")
    )
    return section


def _gaps(tables: StudyTables, limits: Limits) -> Section:
    rows = tables.gaps
    section = Section(
        "gaps",
        "Gaps between groups",
        [
            "A gap is never negative, so noise alone makes one. The mean over seeds of the gap is biased upwards; the "
            "gap of the seed-averaged group values less so. Chance is the mean gap when patients exchange their "
            "groups: a gap that is not above it is no finding."
        ],
    )
    shown = {
        "metric": [_metric(m) for m in rows["metric"]],
        "estimate": [estimate(*v) for v in rows[["mean_of_gaps", "low", "high"]].to_numpy()],
        "gap_of_means": [_dash(v) for v in rows["gap_of_means"]],
        **{c: [_dash(v) for v in rows[c]] for c in ("chance", "chance_high") if c in rows},
        "beyond": [
            "–" if pd.isna(a) else f"{a:.0f} of {b:.0f}"
            for a, b in zip(rows.get("seeds_beyond_chance", [np.nan] * len(rows)), rows["seeds"], strict=True)
        ],
    }
    headings = _place(rows) | {"metric": "gap in", "method": "method", "estimate": "mean of gaps (95 % interval)"}
    headings |= {"gap_of_means": "gap of means", "chance": "by chance", "chance_high": "95 % of chance below"}
    headings |= {"beyond": "seeds beyond chance (p < 0.05)", "n": "n of the smallest group"}
    front = rows["metric"].isin(["macro_f1", "eopp0_lab", "eopp1_lab", "eodds_lab"])
    pick = {k: [t for t, keep in zip(v, front, strict=True) if keep] for k, v in shown.items()}
    section.tables.append(table(rows[front], "Gaps", limits, headings=headings, shown=pick, file_name="gaps.csv"))
    whole = table(rows, "All gaps", limits, headings=headings, shown=shown, file_name="all-gaps.csv")
    section.more.append(("Gaps in all metrics", [], [whole]))
    return section


def _weights(tables: StudyTables, limits: Limits) -> Section | None:
    rows = tables.weight_sources
    if rows.empty:
        return None
    section = Section(
        "weights",
        "What each group's model learned from",
        [
            "Sample weights by source group, quantiles averaged over seeds. An out-of-group share near the groups' "
            "share of the samples and an effective size near n mean that nearly everything counts alike, as in ERM."
        ],
    )
    keys = [*SETTING, "method", "level"]
    for i, (key, part) in enumerate(rows.groupby(keys, sort=False)):
        named = "{3} on {0} by {1} ({2}), samples by {4}".format(*key)
        behind = table(part.drop(columns=keys), named, limits, file_name="weights.csv")
        if i <= limits.panels:
            section.figures.append(figure(weights_by_source_group(part), f"Sample weight by source: {named}.", behind))
        else:
            section.more.append((named, [], [behind]))
    if len(tables.weight_tests):
        found = tables.weight_tests
        headings = _place(rows) | {
            "method": "method",
            "seed": "seed",
            "target_a": "model for",
            "target_b": "against model for",
        }
        headings |= {"cliffs_delta": "Cliff's delta", "size": "size", "p": "p (Mann-Whitney)", "n_a": "n", "n_b": "n "}
        caption = "Out-of-group weights of two group models; with many samples p is small for nothing, read delta"
        shown = {"p": [p_value(p) for p in found["p"]]}
        section.tables.append(
            table(found, caption, limits, headings=headings, shown=shown, file_name="weight-tests.csv")
        )
    return section


def _costs(tables: StudyTables, limits: Limits) -> Section:
    rows = tables.costs
    section = Section(
        "cost",
        "Cost",
        [
            "Mean of a run, each method counted as if it were run alone, in multiples of ERM in the same setting. "
            "Images passed include boundary searches. Time and memory were measured, and jobs may have shared cores."
        ],
    )
    headings = _place(rows) | {
        "method": "method",
        "runs": "runs",
        "search_runs": "search runs",
        "networks_trained": "networks",
    }
    headings |= {"updates": "updates", "updates_x": "× ERM"}
    headings |= {"passes_with_distances": "images passed", "passes_with_distances_x": "× ERM "}
    headings |= {"seconds_alone": "seconds", "seconds_alone_x": "× ERM  "}
    headings |= {"peak_memory_mb": "memory (MB)", "peak_memory_mb_x": "× ERM   "}
    headings |= {"parameters_answering": "parameters that answer", "parameters_answering_x": "× ERM    "}
    shown = {str(c): [_dash(v, 2) for v in rows[c]] for c in rows if str(c).endswith("_x")}
    shown |= {c: [f"{v:,.0f}" for v in rows[c]] for c in ("updates", "passes_with_distances", "parameters_answering")}
    shown |= {c: [f"{v:,.1f}" for v in rows[c]] for c in ("seconds_alone", "peak_memory_mb")}
    section.tables.append(table(rows, "Cost of a run", limits, headings=headings, shown=shown, file_name="costs.csv"))
    return section


def _files(tables: StudyTables, limits: Limits) -> Section | None:
    if not tables.files:
        return None
    kinds = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
    links = [
        Link(name, name, text_address(text, kinds[name.rpartition(".")[2]], 4 * limits.csv_bytes))
        for name, text in tables.files.items()
    ]
    return Section("files", "Tables to take away", ["The same numbers as files."], links=links)


def _place(rows: pd.DataFrame) -> dict[str, str]:
    """Name the columns that say which setting a row is of; none if there is only one."""
    return {name: name for name in SETTING if len(set(rows[name])) > 1}


def _metric(name: object) -> str:
    return _NAMES.get(str(name)) or metric_words(str(name))


def _dash(value: float, digits: int = 3) -> str:
    return number(value, digits) if np.isfinite(value) else "–"


def _slug(text: str) -> str:
    return "-".join("".join(ch if ch.isalnum() else " " for ch in text.lower()).split())
