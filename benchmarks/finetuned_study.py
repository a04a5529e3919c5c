"""Fine-tuned networks, trained on for each group: from folders of `everygroup benchmark embeddings/finetuned` to
docs/results/embeddings/finetuned.md.

    python benchmarks/finetuned_study.py RUNS... [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from common import describe_machine, write_result
from embeddings_study import cases, measured, with_sizes

SPECIALISED = ("ensemble", "specialise", "specialise_auc", "specialise_unguarded", "own_from_erm")
CONTROLS = ("specialise_random", "specialise_everybody", "own", "spare_similarity", "mixture")
LIMIT = 0.002


def verdicts(table: pd.DataFrame) -> Iterator[str]:
    """Yield what was asked before the runs, and what came out."""
    to_erm, to_ensemble = (table[table["against"] == against] for against in ("erm", "ensemble"))
    for name in ("specialise", "specialise_auc", "specialise_unguarded"):
        own, rival = to_erm[to_erm["method"] == name], to_ensemble[to_ensemble["method"] == name]
        low = own.loc[own["difference"].idxmin()]
        reached = "within" if low["difference"] >= -LIMIT else "beyond"
        worst = f"the worst mean change {low['difference']:+.4f} ({low['cohort']}, {low['group']})"
        yield (
            f"- `{name}` in {len(own)} groups: against one ERM {own['difference'].mean():+.4f} AUC on average; {worst} "
            f"is {reached} the limit of {LIMIT}; against the ensemble {rival['difference'].mean():+.4f}, better in "
            f"{(rival['difference'] > 0).sum()}, worst {rival['difference'].min():+.4f}."
        )
    pairs = to_erm.pivot_table(index=["cohort", "attribute", "group"], columns="method", values="difference")
    for first, second in (
        ("specialise_unguarded", "specialise_random"),
        ("specialise_unguarded", "specialise_everybody"),
        ("own_from_erm", "own"),
        ("specialise", "mixture"),
    ):
        if {first, second} <= set(pairs):
            gap = (pairs[first] - pairs[second]).dropna()
            yield (
                f"- `{first}` minus `{second}`: {gap.mean():+.4f} on average over {len(gap)} groups, larger in "
                f"{(gap > 0).sum()}."
            )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = pd.concat([with_sizes(*measured([folder])) for folder in options.runs], ignore_index=True)
    area = table[table["metric"] == "auc"]
    to_erm = area[area["against"] == "erm"]
    lines = [
        "Reading: see [when training for a group helps](index.md).",
        "",
        "EfficientNet-lite0 from ImageNet weights, fine-tuned at 64 px with the preset `finetune` (four passes, "
        "batch-norm",
        f"statistics held); {int(to_erm['seeds'].min())} to {int(to_erm['seeds'].max())} splits 60/20/20 by patient or",
        "lesion, new for each seed. HAM10000 is cut down to 5,000 images, and has fewer methods, as has the pair of "
        "sites.",
        "`specialise`: an ensemble of three, each member trained on for at most two short passes over the group's "
        "samples",
        "at a third of the learning rate; guarded by likelihood, by AUC (`_auc`), not at all (`_unguarded`); on as "
        "many",
        "random samples (`_random`) and on everybody's for as many updates (`_everybody`), both unguarded.",
        "`own_from_erm`: one member, unguarded; `own`: a network of the group's own from ImageNet weights.",
        "",
        "```bash",
        "python benchmarks/embeddings_cohorts.py ../shared/data PICTURES --pixels 64",
        "export EVERYGROUP_DATA=PICTURES",
        "everygroup benchmark embeddings/finetuned --out runs/finetuned",
        "python benchmarks/finetuned_study.py runs/finetuned --write",
        "```",
        "",
        "## What was asked, and what came out",
        "",
        *verdicts(area),
        "",
        "## Every group",
        "",
        "Change of AUC against ERM ± half the 95 % interval over splits (three splits give very wide ones); \\* p < "
        "0.05,",
        "\\*\\* also after Holm's correction over the methods of a group.",
        "",
        *cases(to_erm, SPECIALISED),
        "",
        *cases(to_erm, CONTROLS),
        "",
        "Against the ensemble of three:",
        "",
        *cases(area[area["against"] == "ensemble"], SPECIALISED[1:]),
        "",
        describe_machine(),
    ]
    print("\n".join(lines))
    if options.write:
        title = "Fine-tuned networks, trained on for each group"
        write_result(Path("docs/results/embeddings/finetuned.md"), title, lines)


if __name__ == "__main__":
    main()
