"""What training for a group gains with few samples of it: docs/results/embeddings/learning-curves.md.

    EVERYGROUP_DATA=EMB python benchmarks/learning_curves.py RUNS [--seeds 10] [--write]

EMB is what benchmarks/embeddings_cohorts.py makes. Of the smallest group as many training samples are kept as is said
(`few_samples`); everybody else stays, and so does whatever is tested.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from common import describe_machine, write_result
from embeddings_study import measured, with_sizes

from everygroup.settings import write_config

SIZES = (50, 100, 200, 500)
COHORTS = {"fitzpatrick17k": "tone", "pad_ufes_20-fitzpatrick17k": "site"}
SMALLEST = {"fitzpatrick17k": "above", "pad_ufes_20-fitzpatrick17k": "pad_ufes_20"}
METHODS = ("ensemble", "own", "blend", "group_weight", "density_ratio", "partial_pooling", "mixture")


def recipe(n: int, seeds: int) -> dict[str, object]:
    """Return the recipe with n samples of the smallest group."""
    own = {"name": "group_model", "label": "own", "hyperparameters": {"small_groups": "erm"}}
    methods = ["erm", *(own if name == "own" else name for name in METHODS)]
    cohorts = [
        {"name": name, "source": name, "label": "malignant", "split_seed": "each", "attributes": {by: {"group": by}}}
        for name, by in COHORTS.items()
    ]
    return {
        "title": f"Learning curves, {n} samples of the smallest group",
        "before": f"few_samples(n={n}) + pca(n=128)",
        "cohorts": cohorts,
        "methods": methods,
        "backbones": "linear",
        "settings": {"selection": "loss", "device": "cpu"},
        "seeds": list(range(seeds)),
    }


def rows(found: dict[int, pd.DataFrame]) -> Iterator[str]:
    """Yield a row for each cohort and size."""
    yield f"| data | group | n in training | ERM | {' | '.join(METHODS)} |"
    yield "|---" * (4 + len(METHODS)) + "|"
    for cohort, group in SMALLEST.items():
        for n, table in found.items():
            part = table[(table["cohort"] == cohort) & (table["group"] == group)].set_index("method")
            half = (part["high"] - part["low"]) / 2
            cells = [f"{part.loc[m, 'difference']:+.3f} ± {half[m]:.3f}" for m in METHODS]
            yield f"| {cohort} | {group} | {n} | {part['erm'].iloc[0]:.3f} | {' | '.join(cells)} |"


def main() -> None:
    """Run from the command line; a stopped call goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = {}
    for n in SIZES:
        file, out = options.runs / f"curve{n}.yaml", options.runs / f"curve{n}"
        options.runs.mkdir(parents=True, exist_ok=True)
        write_config(file, recipe(n, options.seeds))
        subprocess.run([sys.executable, "-m", "everygroup", "benchmark", str(file), "--out", str(out)], check=True)
        table = with_sizes(*measured([out]))
        found[n] = table[(table["metric"] == "auc") & (table["against"] == "erm")]
    lines = [
        *(__doc__ or "").strip().split("\n\n")[-1].splitlines(),
        "",
        f"Change of AUC against ERM on the same samples ± half the 95 % interval over {options.seeds} splits (Nadeau",
        "and Bengio 2003); linear heads on 128 principal components of EfficientNet-lite0 features. `fitzpatrick17k`:",
        "dark skin; `pad_ufes_20` is a site of smartphone photographs beside an atlas. Both have 500 to 600 in all.",
        "",
        *rows(found),
        "",
        describe_machine(),
    ]
    print("\n".join(lines))
    if options.write:
        write_result(Path("docs/results/embeddings/learning-curves.md"), "Learning curves of a group", lines)


if __name__ == "__main__":
    main()
