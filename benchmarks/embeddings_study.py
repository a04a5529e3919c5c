"""Heads on pretrained features: from folders of `everygroup benchmark embeddings/main` to docs/results/embeddings.

    python benchmarks/embeddings_study.py RUNS... [--write]

What is compared is the AUC of every group on test samples, as a change against ERM on the same split, with the 95 %
interval over splits of Nadeau and Bengio (2003), since splits overlap.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from common import ROOT, describe_machine, write_result

from everygroup.benchmark.results import SETTING, Results
from everygroup.benchmark.standings import differences, gaps, values
from everygroup.files import safe_csv

OUT = ROOT / "docs" / "results" / "embeddings"
ESTIMATORS = ("ensemble", "own", "blend", "group_weight", "density_ratio", "partial_pooling", "mixture", "auto")
DISTANCES = ("spare_paper", "spare_median", "spare_similarity", "spare_utility", "spare_tuned", "spare_shuffled")
DISTANCES += ("spare_level",)
LIMIT = 0.002
REGIMES = ("one site, up to 350", "one site, 351 to 700", "one site, more than 700", "two sites", "placebo")


def measured(folders: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return differences and values of the AUC in every group, and of macro F1; only splits that all methods have."""
    rows = pd.concat([Results(folder).rows for folder in folders], ignore_index=True)
    rows = rows[rows["metric"].isin(["auc", "macro_f1"]) & ~rows["group"].isin(["overall", "missing"])]
    whole = rows.groupby([*SETTING, "seed"])["method"].transform("nunique")
    rows = rows[whole == rows["method"].nunique()]
    pieces = []
    for against in ("erm", "ensemble"):
        pieces.append(differences(rows, gaps(rows), against).assign(against=against))
    found = pd.concat(pieces, ignore_index=True)
    return found[found["group"] != "gap"], values(rows)


def with_sizes(found: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Add ERM's value, the test samples of a group, and the regime (training parts are three times test parts)."""
    erm = means[means["method"] == "erm"][[*SETTING, "group", "metric", "value", "n"]]
    table = found.merge(erm.rename(columns={"value": "erm"}), on=[*SETTING, "group", "metric"])
    trained = 3 * table["n"]
    regime = np.select([trained <= 350, trained <= 700], REGIMES[:2], REGIMES[2])
    regime = np.where(table["attribute"] == "site", REGIMES[3], regime)
    return table.assign(regime=np.where(table["attribute"] == "placebo", REGIMES[4], regime), trained=trained)


def cases(table: pd.DataFrame, methods: tuple[str, ...]) -> Iterator[str]:
    """Yield a row a setting and group: ERM's AUC, and every method's change."""
    yield f"| data | by | group (n in training, about) | ERM | {' | '.join(methods)} |"
    yield "|---" * (4 + len(methods)) + "|"
    for (cohort, attribute, group), part in table.groupby(["cohort", "attribute", "group"], sort=False):
        by = part.set_index("method")
        cells = [_change(by.loc[m]) if m in by.index else "" for m in methods]
        first = part.iloc[0]
        who = f"{group} ({first['trained']:.0f})"
        yield f"| {cohort} | {attribute} | {who} | {first['erm']:.3f} | {' | '.join(cells)} |"


def _change(row: pd.Series) -> str:
    star = "\\*\\*" if row["p_holm"] < 0.05 else "\\*" if row["p"] < 0.05 else ""
    return f"{row['difference']:+.3f} ± {(row['high'] - row['low']) / 2:.3f}{star}"


def regimes(table: pd.DataFrame, methods: tuple[str, ...]) -> Iterator[str]:
    """Yield a row a regime: mean change, in brackets the worst."""
    yield f"| regime (groups) | {' | '.join(methods)} |"
    yield "|---" * (1 + len(methods)) + "|"
    for regime in REGIMES:
        part = table[table["regime"] == regime]
        if part.empty:
            continue
        by = part.groupby("method")["difference"].agg(["mean", "min"])
        cells = [f"{by.loc[m, 'mean']:+.4f} ({by.loc[m, 'min']:+.3f})" for m in methods]
        n = part.groupby(["cohort", "attribute", "group"]).ngroups
        yield f"| {regime} ({n}) | {' | '.join(cells)} |"


def verdicts(table: pd.DataFrame, f1: pd.DataFrame) -> Iterator[str]:
    """Yield what was asked before the runs, and what came out."""
    own = table[table["against"] == "erm"]
    real, placebo = own[own["regime"] != REGIMES[4]], own[own["regime"] == REGIMES[4]]
    for name in ("mixture", "auto", "group_weight", "own"):
        part, none = real[real["method"] == name], placebo[placebo["method"] == name]
        low = part.loc[part["difference"].idxmin()]
        better, worse = (part["p_holm"] < 0.05) & (part["difference"] > 0), (part["low"] < 0) & (part["high"] < 0)
        reached = "is within" if low["difference"] >= -LIMIT else "is beyond"
        scores = f1[(f1["method"] == name) & (f1["attribute"] != "placebo") & (f1["against"] == "erm")]["difference"]
        where = f"{low['cohort']} by {low['attribute']}, {low['group']}"
        yield (
            f"- `{name}` against ERM over {len(part)} groups: mean change of AUC {part['difference'].mean():+.4f}, "
            f"better in {(part['difference'] > 0).sum()}; the worst mean change, {low['difference']:+.4f} ({where}), "
            f"{reached} the limit of {LIMIT}. Clearly better (Holm over methods) in {better.sum()}, worse by an "
            f"uncorrected interval in {worse.sum()}. Placebo groups: mean {none['difference'].mean():+.4f}, worst "
            f"{none['difference'].min():+.4f}. Macro F1: mean {scores.mean():+.4f}, worst {scores.min():+.4f}."
        )
    rival = table[(table["against"] == "ensemble") & (table["method"] == "mixture")]
    sites, rest = rival[rival["regime"] == REGIMES[3]], rival[rival["regime"].isin(REGIMES[:3])]
    yield (
        f"- `mixture` against the same-budget ensemble of bagged heads: {sites['difference'].mean():+.4f} in the "
        f"{len(sites)} groups of two sites, {rest['difference'].mean():+.4f} in the {len(rest)} of one site."
    )
    pairs = real.pivot_table(index=["cohort", "attribute", "group"], columns="method", values="difference")
    for first, second in (
        ("spare_similarity", "spare_shuffled"),
        ("spare_similarity", "spare_utility"),
        ("spare_tuned", "group_weight"),
        ("spare_level", "spare_similarity"),
        ("density_ratio", "group_weight"),
    ):
        gap = pairs[first] - pairs[second]
        yield f"- `{first}` minus `{second}`: {gap.mean():+.4f} on average, larger in {(gap > 0).sum()} of {len(gap)}."


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found, means = measured(options.runs)
    table = with_sizes(found, means)
    area, f1 = table[table["metric"] == "auc"], table[table["metric"] == "macro_f1"]
    to_erm = area[area["against"] == "erm"]
    seeds = f"{int(to_erm['seeds'].min())} to {int(to_erm['seeds'].max())}"
    lines = [
        "Reading: see [when training for a group helps](index.md).",
        "",
        "Linear heads (solved, penalty by validation loss) on 128 principal components of EfficientNet-lite0 features;",
        f"{seeds} splits 60/20/20 by patient or lesion, new for each seed. Every choice is made on the target group's",
        "validation samples.",
        "Placebo groups have the sizes of real ones and nothing in common. Not reached: 20 splits, ODIR-5K, the 21",
        "labels, MLP heads.",
        "",
        "```bash",
        "python benchmarks/embeddings_cohorts.py ../shared/data EMB",
        "export EVERYGROUP_DATA=EMB",
        "everygroup benchmark embeddings/main --seeds 0,1,2,3,4,5,6,7,8,9 --jobs 2 --out runs/embeddings",
        "python benchmarks/embeddings_study.py runs/embeddings --write",
        "```",
        "",
        "## What was asked, and what came out",
        "",
        *verdicts(area, f1),
        "",
        "## Mean change of AUC by regime (in brackets the worst)",
        "",
        *regimes(to_erm, ESTIMATORS),
        "",
        *regimes(to_erm, DISTANCES),
        "",
        "## Every group",
        "",
        "Change of AUC against ERM ± half the 95 % interval over splits; \\* p < 0.05, \\*\\* also after Holm's",
        "correction over the methods of a group. Nothing is corrected for the number of groups.",
        "",
        *cases(to_erm, ESTIMATORS),
        "",
        *cases(to_erm, DISTANCES),
        "",
        describe_machine(),
    ]
    print("\n".join(lines))
    if options.write:
        OUT.mkdir(parents=True, exist_ok=True)
        write_result(OUT / "main.md", "Group-specific heads on pretrained features", lines)
        safe_csv(table, OUT / "main.csv")


if __name__ == "__main__":
    main()
