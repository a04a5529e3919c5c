"""Put several runs on one cohort and split side by side: their test predictions are audited anew.

Run: python benchmarks/side_by_side.py runs/ham-erm runs/ham-group_model runs/ham --title HAM10000
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
import yaml
from common import describe_machine, write_result

from everygroup.audit import Audit, audit
from everygroup.predictions import read_predictions

METRICS = ("macro_f1", "macro_precision", "macro_recall", "accuracy", "auc")
GAPS = ("macro_f1", "eopp0_lab", "eopp1_lab", "eodds_lab", "eodds_strict")


def cell(row: pd.Series) -> str:
    """A value with its interval."""
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row["value"] == row["value"] else "undefined"


def audit_runs(runs: list[Path]) -> list[Audit]:
    """Audit the test predictions of every run; the first one that is of ERM is the baseline of the others."""
    found = [read_predictions(run / "predictions.csv").of_split("test") for run in runs]
    names = [yaml.safe_load((run / "config.yaml").read_text())["method"] for run in runs]
    erm = found[names.index("erm")] if "erm" in names else None
    return [
        audit(p, method=name, baseline=None if p is erm else erm, attributes=("group",))
        for p, name in zip(found, names, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--title", required=True)
    parser.add_argument("--note", default="", help="a reading of the figures, put at the top")
    parser.add_argument("--write", type=Path, help="page to write, below the repository")
    options = parser.parse_args()
    hashes = {pd.util.hash_pandas_object(pd.read_csv(run / "split.csv")).sum() for run in options.runs}
    if len(hashes) > 1:
        raise SystemExit("These runs were made on different splits.")
    configs = [yaml.safe_load((run / "config.yaml").read_text()) for run in options.runs]
    methods = [config["method"] for config in configs]
    audits = audit_runs(options.runs)
    summary = pd.concat([result.table for result in audits])
    rows = summary[(summary["attribute"] == "group") | (summary["group"] == "overall")]
    rows = rows[rows["method"].isin(methods)].drop_duplicates(["method", "group", "metric"])
    shared = {
        k: v
        for k, v in configs[0].items()
        if k in ("label", "group", "bins", "split_by", "image_size", "epochs", "seed")
    }
    lines = [options.note, ""] if options.note else []
    lines += [f"Settings: {', '.join(f'{k} {v}' for k, v in shared.items())}; the rest as by default.", ""]
    lines += ["Values on the test part with 95 % intervals (over patients or lesions).", ""]
    groups = [g for g in rows["group"].unique() if g not in ("gap", "worst")]
    for metric in METRICS:
        part = rows[rows["metric"] == metric].set_index(["method", "group"])
        lines += [f"| {metric} | " + " | ".join(f"{g} (n = {part.loc[(methods[0], g), 'n']})" for g in groups) + " |"]
        lines += ["|---" * (len(groups) + 1) + "|"]
        lines += [f"| {m} | " + " | ".join(cell(part.loc[(m, g)]) for g in groups) + " |" for m in methods] + [""]
    lines += ["Gaps between the groups, with the permutation p of a gap at least this large.", ""]
    lines += ["| gap | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    gaps = rows[rows["group"] == "gap"].set_index(["method", "metric"])
    for metric in GAPS:
        if (methods[0], metric) in gaps.index:
            lines += [
                f"| {metric} | "
                + " | ".join(f"{cell(gaps.loc[(m, metric)])}, p {gaps.loc[(m, metric), 'p']:.3f}" for m in methods)
                + " |"
            ]
    lines += [
        "",
        "Change of macro F1 against ERM, paired.",
        "",
        "| method | group | change | interval | n |",
        "|---|---|---|---|---|",
    ]
    for result, method in zip(audits, methods, strict=True):
        change = result.comparison
        if change.empty:
            continue
        change = change[
            (change["metric"] == "macro_f1") & change["attribute"].isin(["group", rows["attribute"].iloc[0]])
        ]
        change = change[change["group"] != "worst"].drop_duplicates("group")
        lines += [
            f"| {method} | {r.group} | {r.change:+.3f} | [{r.low:+.3f}, {r.high:+.3f}] | {r.n} |"
            for r in change.itertuples()
        ]
    for run in options.runs:
        path = run / "weights.csv"
        if path.exists():
            from everygroup.spare import weight_summary

            table = weight_summary(pd.read_csv(path, keep_default_na=False)).round(3)
            lines += [
                "",
                f"Weights of {run.name}.",
                "",
                "| " + " | ".join(table.columns) + " |",
                "|---" * len(table.columns) + "|",
            ]
            lines += ["| " + " | ".join(str(v) for v in row) + " |" for row in table.itertuples(index=False)]
    lines += ["", "The runs:", "", "```bash"]
    lines += [json.loads((run / "environment.json").read_text())["command"] for run in options.runs]
    lines += ["```", "", describe_machine()]
    print("\n".join(lines))
    if options.write:
        write_result(options.write, options.title, lines)


if __name__ == "__main__":
    main()
