"""The SPARE study on real data: from folders of `everygroup benchmark` to pages under docs/results/spare.

Run from the repository root, after the commands that each page names:
`python benchmarks/spare_study.py --runs runs [--write]`. Every folder below RUNS that is named like a shipped recipe
(main, ablation, ...) becomes a page; what people read out of it is kept in benchmarks/spare_readings.yaml.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from common import ROOT, describe_machine, write_result

from everygroup.benchmark.patients import compare_patients
from everygroup.benchmark.results import SETTING, Results
from everygroup.benchmark.standings import OURS, all_gaps
from everygroup.benchmark.standings import differences as differences_to
from everygroup.benchmark.study_page import write_all
from everygroup.files import safe_csv

PAGES = (
    "main",
    "longer",
    "replication",
    "ablation",
    "weighting",
    "alpha",
    "sharing",
    "weights",
    "beyond",
    "many-groups",
    "training-subsets",
    "vgg11",
)
BEST, TO_ERM = "the best baseline on validation", "ERM"
CONTROLS = {
    "longer": [("spare", "erm_by_group")],
    "main": [("spare", "erm_by_group"), ("spare_paper_size", "erm_by_group")],
    "replication": [("spare", "erm_by_group"), ("spare", "shuffled")],
    "ablation": [("spare", "shuffled")],
    "beyond": [("spare", "erm_by_group"), ("paper_size", "erm_by_group"), ("warm_start", "warm_shuffled")],
}
CONTROLLED = """\
What a method gains beyond a control that shares everything but its idea: ERM with the epoch chosen on each group, or
the same weights shuffled within each group. Not corrected for the number of comparisons."""
GOAL = """\
The goal was written down before the runs: SPARE, or a named variant of it, above the best baseline in macro F1 in every
group of at least three settings, clearly so in one group each, and clearly below ERM nowhere."""
INTERVALS = """\
The interval over seeds is a paired t-interval: how training scatters on one split, or also the split where seeds have
their own; then it is widened for their overlap. The one over patients draws the test patients again and keeps the
networks. Detectable: the true difference that would have been seen with power 0.8."""
CONVERGED = """\
Means over the networks that answer (or, of auto, that were asked on validation) and over seeds. Where macro F1 still
rises, more updates could change the picture; where the loss rises, the networks have begun to overfit, which the choice
of the epoch on validation bounds."""
NOT_A_GROUP = ("overall", "missing", "gap")


def verdict(differences: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """Hold every setting and every method of ours against the goal that was set before the runs, as a Markdown table.

    A setting is won if a method is above the best baseline (chosen on validation) in macro F1 in every group, clearly
    so in one group at least (the 95 % interval over patients excludes 0 there, and so does the one over seeds), and
    clearly below ERM (by either interval) in none.
    """
    front = differences[(differences["metric"] == "macro_f1") & ~differences["group"].isin(NOT_A_GROUP)]
    lines = [
        "| setting | method | above the best baseline in | clearly, over patients | clearly, over seeds "
        "| clearly below ERM in | goal |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    ours = [label for label, name in names.items() if name in OURS]
    for setting, part in front.groupby(SETTING, sort=False):
        for label in ours:
            best = part[(part["method"] == label) & (part["against"] == BEST)]
            erm = part[(part["method"] == label) & (part["against"] == TO_ERM)]
            if best.empty:
                continue
            above = int((best["difference"] > 0).sum())
            patients, seeds = (int((best[f"low{s}"] > 0).sum()) for s in ("_patients", ""))
            clear = bool(((best["low_patients"] > 0) & (best["low"] > 0)).any())
            below = int(((erm["high_patients"] < 0) | (erm["high"] < 0)).sum())
            won = above == len(best) and clear and below == 0
            lines.append(
                f"| {setting[0]} by {setting[1]} | {label} | {above} of {len(best)} groups | {patients} | {seeds} "
                f"| {below} | {'reached' if won else 'not reached'} |"
            )
    return lines


def difference_table(differences: pd.DataFrame, methods: list[str]) -> list[str]:
    """Macro F1 against ERM and the best baseline, with both intervals and what could have been seen."""
    front = differences[(differences["metric"] == "macro_f1") & ~differences["group"].isin(("missing", "gap"))]
    front = front[front["method"].isin(methods)].drop_duplicates([*SETTING, "group", "method", "baseline"])
    lines = [
        "| setting | group | method | against | difference | over seeds | p (Holm) | over patients "
        "| detectable, seeds | detectable, patients |",
        "|---|---|---|---|---:|---|---:|---|---:|---:|",
    ]
    for row in front.sort_values([*SETTING, "group"], kind="stable").itertuples(index=False):
        lines.append(
            f"| {row.cohort} by {row.attribute} | {row.group} | {row.method} | {row.baseline} "
            f"| {row.difference:+.3f} | {interval(row.low, row.high)} | {text(row.p_holm)} "
            f"| {interval(row.low_patients, row.high_patients)} | "
            f"{text(row.detectable)} | {text(row.detectable_patients)} |"
        )
    return lines


def control_table(results: Results, pairs: list[tuple[str, str]]) -> list[str]:
    """Macro F1 of a method minus that of its control, paired by seed and over patients."""
    rows, every = results.rows, all_gaps(results.rows, results.gaps)
    lines = [
        "| setting | group | method | control | difference | over seeds | over patients |",
        "|---|---|---|---|---:|---|---|",
    ]
    for method, control in pairs:
        found = differences_to(rows, every, control)
        found = found[(found["metric"] == "macro_f1") & (found["method"] == method)]
        found = found[~found["group"].isin(("missing", "gap"))]
        against = {tuple(r): control for r in found[[*SETTING, "group"]].to_numpy().tolist()}
        errors, _ = compare_patients(results.final, against)
        found = found.merge(errors, on=[*SETTING, "group", "method", "baseline"], how="left")
        for row in found.itertuples(index=False):
            lines.append(
                f"| {row.cohort} by {row.attribute} | {row.group} | {method} | {control} | {row.difference:+.3f} "
                f"| {interval(row.low, row.high)} | {interval(row.low_patients, row.high_patients)} |"
            )
    return lines


def convergence(results: Results) -> list[str]:
    """Whether validation macro F1 still rose when the updates ran out: last quarter of the epochs against the third."""
    rows = []
    for job in results.final:
        log = job.table("log.csv")
        for model, part in log.groupby("model", sort=False):
            quarter = len(part) // 4
            # SPARE's group models serve to measure distances, and the predictor's F1 is of groups, not of diagnoses
            helper = job.config["method"] == "spare" and not str(model).startswith("spare")
            if quarter < 1 or helper or str(model) == "group_predictor":
                continue
            f1 = part["validation_macro_f1"].to_numpy(float)
            gain = f1[-quarter:].mean() - f1[-2 * quarter : -quarter].mean()
            loss = part["validation_loss"].to_numpy(float)
            rows.append(
                {
                    **{k: job.about[k] for k in ("cohort", "attribute", "method")},
                    "gain": gain,
                    "loss": loss[-quarter:].mean() - loss[-2 * quarter : -quarter].mean(),
                }
            )
    table = pd.DataFrame(rows).groupby(["cohort", "attribute", "method"], sort=False).agg(["mean", "size"])
    lines = [
        "| setting | method | networks | macro F1, last quarter minus third | loss, last quarter minus third |",
        "|---|---|---:|---:|---:|",
    ]
    for (cohort, attribute, method), row in table.iterrows():  # type: ignore[misc]
        lines.append(
            f"| {cohort} by {attribute} | {method} | {row['gain', 'size']:.0f} | {row['gain', 'mean']:+.3f} | "
            f"{row['loss', 'mean']:+.3f} |"
        )
    return lines


def interval(low: float, high: float) -> str:
    """An interval, or a dash where there is none."""
    return "–" if np.isnan(low) or np.isnan(high) else f"[{low:+.3f}, {high:+.3f}]"


def text(value: float) -> str:
    """Three digits, or a dash."""
    return "–" if np.isnan(value) else f"{value:.3f}"


def page(name: str, folder: Path, about: dict[str, Any], write: bool) -> None:
    """Collect one benchmark folder and write its page and summary."""
    results = Results(folder)
    write_all(results)
    differences = pd.read_csv(folder / "tables" / "differences.csv")
    body = (folder / "tables" / "results.md").read_text(encoding="utf-8").splitlines()
    title = about.get("title") or body[0].removeprefix("# ")
    ours = [label for label, kind in results.names.items() if kind in OURS]
    environment = results.environments[0]
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    lines = ["Reading:", "", *(f"- {' '.join(text.split())}" for text in about.get("reading", ["none yet."])), ""]
    lines += ["The runs:", "", "```bash", *about.get("commands", []), "```", "", *body[2:]]
    if name == "main":
        lines += ["## Against the goal", "", GOAL, "", *verdict(differences, results.names), ""]
    if pairs := CONTROLS.get(name):
        lines += ["## Against its control", "", CONTROLLED, "", *control_table(results, pairs), ""]
    shown_methods = ours if name == "main" else list(results.names)
    lines += ["## Differences in macro F1", "", INTERVALS, "", *difference_table(differences, shown_methods), ""]
    lines += ["## Did training converge?", "", CONVERGED, "", *convergence(results), ""]
    settings = results.final[0].config["settings"]
    shown = {k: settings[k] for k in ("updates", "batch_size", "lr", "optimiser", "augment", "amp", "selection")}
    lines += [f"Settings of every network: {', '.join(f'{k} {v}' for k, v in shown.items())}.", ""]
    torch = environment["packages"]["torch"]
    trained = f"Trained with torch {torch} on {environment.get('cpus')} cores; page of commit {commit}."
    lines += [f"{trained} {describe_machine()}"]
    if write:
        write_result(Path(f"docs/results/spare/{name}.md"), title, lines)
        summary = pd.read_csv(folder / "tables" / "summary.csv")
        kept = summary[summary["metric"].isin(("macro_f1", "auc", "eopp0_lab", "eopp1_lab", "eodds_lab"))]
        safe_csv(kept.round(5), ROOT / f"docs/results/spare/{name}-summary.csv")
    else:
        print("\n".join([f"# {title}", "", *lines]))


def main() -> None:
    """Make a page of every benchmark folder that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--only", nargs="*", choices=PAGES, default=PAGES)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    readings = yaml.safe_load((Path(__file__).parent / "spare_readings.yaml").read_text(encoding="utf-8")) or {}
    for name in options.only:
        if (options.runs / name / "recipe.yaml").exists():
            page(name, options.runs / name, readings.get(name, {}), options.write)


if __name__ == "__main__":
    main()
