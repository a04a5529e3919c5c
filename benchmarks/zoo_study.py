"""Every family of mitigation on one cohort: from a folder of `everygroup benchmark zoo` to docs/results/zoo.md.

    python benchmarks/zoo_study.py RUN [--write]

The change of every group's AUC against ERM on the same test samples, over seeds, at the methods' defaults: nothing was
searched for. A method may need another strength; one that costs more trained more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from common import describe_machine, write_result
from embeddings_study import measured

from everygroup.methods import create_method

READING = """ Read: with 45 test patients of the small group and three seeds no change is clear of chance, in either
direction, for any of 61 methods. What a network of the group's own, a mixture or batch norms by group add in the small
group (+.05) is what this cohort was made for (its groups differ in how a diagnosis looks), and is within the intervals,
too. Strengths that are right for one scale of features destroy another one: `fairness_penalty`, `orthogonal`,
`distribution_matching` and drawings instead of pictures cost .1 to .28 here. Search the strength on validation
(`draws`) before you believe a method, good or bad.

```bash
everygroup benchmark zoo --cohort sim --size small --jobs 2 --out runs/zoo    # about 20 minutes of one core
python benchmarks/zoo_study.py runs/zoo --write
```
""".strip().splitlines()


def rows(found: pd.DataFrame, groups: list[str]) -> Iterator[str]:
    """Yield a row a method, the best for its worse-off group first."""
    yield f"| method | kind | cost | {' | '.join(groups)} |"
    yield "|---" * (3 + len(groups)) + "|"
    table = found.pivot_table(index="method", columns="group", values=["difference", "low", "high", "p", "p_holm"])
    order = table["difference"].min(axis=1).sort_values(ascending=False).index
    written = found.drop_duplicates("method").set_index("method")["written"]
    for name in order:
        chain = create_method(str(written[name]))
        kinds = ", ".join(dict.fromkeys(f"{i.family}: {i.branch}" for i in chain.infos))
        cells = []
        for group in groups:
            low, high = (table[(v, group)][name] for v in ("low", "high"))
            p, holm = (table[(v, group)][name] for v in ("p", "p_holm"))
            star = "\\*\\*" if holm < 0.05 else "\\*" if p < 0.05 else ""
            cells.append(f"{table[('difference', group)][name]:+.3f} ± {(high - low) / 2:.3f}{star}")
        yield f"| `{name}` | {kinds} | {chain.cost(groups):.3g} | {' | '.join(cells)} |"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found, means = measured([options.run])
    erm = means[(means["method"] == "erm") & (means["metric"] == "auc")].set_index("group")
    found = found[(found["metric"] == "auc") & (found["against"] == "erm")]
    labels = {"group_dro on clusters": "group_dro", "merged group_model": "merge_groups + group_model"}
    found = found.assign(written=[labels.get(m, m) for m in found["method"]])
    groups = [g for g in erm.index if g in set(found["group"])]
    changed = found[found["p_holm"] < 0.05]
    lines = [
        *(__doc__ or "").strip().split("\n\n")[-1].splitlines(),
        "",
        *READING,
        "",
        "ERM: " + ", ".join(f"{g} {erm.loc[g, 'value']:.3f} (n = {erm.loc[g, 'n']:.0f})" for g in groups) + ".",
        f"{found['method'].nunique()} methods, {int(found['seeds'].min())} seeds, each with patients of its own.",
        "± is half the 95 % interval over seeds; \\* p < 0.05, \\*\\* after Holm's correction over the methods of a",
        f"group: {len(changed)} of {len(found)} changes.",
        "",
        *rows(found, groups),
        "",
        describe_machine(),
    ]
    print("\n".join(lines))
    if options.write:
        write_result(Path("docs/results/zoo.md"), "Every family of mitigation on the simulated cohort", lines)


if __name__ == "__main__":
    main()
