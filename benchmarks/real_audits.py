"""Audit the predictions of the runs on real images, and write tables and drawings (no pictures of patients).

Run: python benchmarks/real_audits.py --write
It reads runs/ham and runs/fitz (made by the commands on the pages "HAM10000 by age" and "Fitzpatrick17k by skin type")
and the metadata of the two data sets, from which come the attributes that the runs did not group by.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from common import ROOT, data_folder, describe_machine, write_result

from everygroup.audit import Audit, audit
from everygroup.figures import cell_heatmap, intersections_forest, metric_by_group, save
from everygroup.predictions import Predictions, read_predictions
from everygroup.report import gaps_table, groups_table

FOLDER = Path("docs/results/audits")
RULE = "|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Case:
    """One audit: a run, the attributes and where their values come from."""

    name: str
    title: str
    run: str
    data: str
    attributes: tuple[str, ...]
    columns: dict[str, str]  # attribute -> column of the metadata
    intersections: int = 0
    bins: dict[str, str] | None = None


CASES = (
    Case(
        "ham10000-age-sex",
        "HAM10000 by age, by sex and by both",
        "ham",
        "ham10000",
        ("age", "sex"),
        {"age": "age", "sex": "sex"},
        intersections=2,
        bins={"age": "55"},
    ),
    Case(
        "fitzpatrick17k-two",
        "Fitzpatrick17k subset, skin types 1-3 and 4-6",
        "fitz",
        "fitzpatrick17k-subset-128",
        ("skin_type",),
        {"skin_type": "skin_type"},
        bins={"skin_type": "3"},
    ),
    Case(
        "fitzpatrick17k-six",
        "Fitzpatrick17k subset, six skin types",
        "fitz",
        "fitzpatrick17k-subset-128",
        ("skin_type",),
        {"skin_type": "skin_type"},
    ),
)


def read(case: Case, file: str) -> Predictions:
    """Read test predictions with the attributes of the metadata as they are there."""
    table = pd.read_csv(ROOT / "runs" / case.run / file, dtype=str, keep_default_na=False)
    facts = pd.read_csv(data_folder() / case.data / "metadata.csv", dtype=str, keep_default_na=False)
    facts = facts.set_index("image_id")
    table = table.drop(columns=[c for c in case.attributes if c in table.columns])
    for attribute, column in case.columns.items():
        table[attribute] = facts[column].reindex(table["id"]).to_numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        table.drop(columns="group").assign(group="").to_csv(path, index=False)
        return read_predictions(path, groups=list(case.attributes), bins=case.bins).of_split("test")


def draw(case: Case, result: Audit) -> list[str]:
    """Write the drawings and return the lines that show them."""
    charts = {
        "groups": (
            metric_by_group(result.table[~result.table["group"].isin(["gap", "worst"])], "macro_f1"),
            "Macro F1 by group.",
        ),
        "cells": (cell_heatmap(result.cells), "Recall and n of every cell of label and group."),
    }
    part = result.intersections
    if len(part):
        # the audit shrinks differences from the whole; the drawing shows values
        part = part.assign(shrunken=part["value"] - part["difference"] + part["shrunken"])
        charts["intersections"] = (
            intersections_forest(part, "macro_f1"),
            "Macro F1 of every subgroup, the smallest first.",
        )
    lines = []
    for name, (chart, caption) in charts.items():
        save(chart, ROOT / FOLDER / f"{case.name}-{name}.svg")
        lines += [f"![{caption}](audits/{case.name}-{name}.svg)", "", caption, ""]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/results/audits.md and docs/results/audits/")
    parser.add_argument("--note", default="", help="a reading of the figures, put at the top")
    options = parser.parse_args()
    lines = [options.note, ""] if options.note else []
    lines += ["Test predictions of SPARE, compared with ERM on the same samples. One split and one seed each.", ""]
    for case in CASES:
        started = time.perf_counter()
        result = audit(
            read(case, "predictions.csv"),
            baseline=read(case, "predictions-erm.csv"),
            attributes=case.attributes,
            intersections=case.intersections,
        )
        seconds = time.perf_counter() - started
        lines += [f"## {case.title}", "", f"> {result.summary()}", ""]
        lines += [groups_table(result), "", gaps_table(result), ""]
        change = result.comparison[result.comparison["metric"] == "macro_f1"]
        lines += [
            "| attribute | group | n | ERM | SPARE | change of macro F1 (95 % interval) |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r.attribute} | {r.group} | {r.n} | {r.baseline_value:.3f} | {r.value:.3f} "
            f"| {r.change:+.3f} ({r.low:+.3f} to {r.high:+.3f}) |"
            for r in change.itertuples()
        ]
        verdicts = result.criteria[["attribute", "criterion", "quantity", "gap", "low", "high", "p", "verdict"]]
        lines += [
            "",
            "| attribute | criterion | over | gap (95 % interval) | p | verdict |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r.attribute} | {r.criterion} | {r.quantity} | {r.gap:.3f} ({r.low:.3f} to {r.high:.3f}) | {r.p:.3f} "
            f"| {r.verdict} |"
            for r in verdicts.itertuples()
        ]
        lines += ["", "To heed:", ""]
        lines += [f"- {flag}" for flag in result.flags] + [""]
        if options.write:
            lines += draw(case, result)
        lines += [f"The audit took {seconds:.1f} s.", ""]
    lines += [describe_machine()]
    print("\n".join(lines))
    if options.write:
        write_result(Path("docs/results/audits.md"), "Audits of real predictions", lines)


if __name__ == "__main__":
    main()
