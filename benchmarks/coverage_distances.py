"""Coverage of the intervals of distances between groups (EOpp, EOdds) and of the worst group's value.

    python benchmarks/coverage_distances.py            # a section of docs/results/coverage.md, printed; about 6 minutes
    python benchmarks/coverage_distances.py --repeats 50

`benchmarks/coverage.py` puts the same section at the end of its page.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.engine import Plan
from everygroup.audit.measurement import measure
from everygroup.audit.partition import Partition
from everygroup.metrics import lineage_gap, one_vs_rest
from everygroup.metrics.classification import Classification
from everygroup.metrics.lineage import Name, Variant

N_BOOT, SKILL = 200, 0.75
SIZES: tuple[tuple[int, ...], ...] = ((50, 50), (40, 200), (50, 50, 50, 50))
DISTANCES: tuple[tuple[Name, Variant], ...] = (
    ("eopp0", "strict"),
    ("eopp1", "lab"),
    ("eodds", "lab"),
    ("eodds", "strict"),
)
WORST = ("accuracy", "macro_recall")

INTRO = """EOpp and EOdds are distances between groups, put together over classes, and the worst group's value is the
lowest of several: noise makes the one larger and the other smaller, and resampling adds noise. Each line is
{repeats} simulated cohorts with {boot} replicates and shuffles each (Monte-Carlo error near 95 %: {error:.1f}
points). Groups answer right in 75 % of cases down to 75 % less the gap, in equal steps, whatever the class;
wrong answers are spread evenly; class k of K has prevalence proportional to K - k. Cells are as above;
'library' is the default ('moved' for distances, 'simultaneous' for the worst group)."""


def confusion(skills: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """(G, K, K) probability of every answer by true class."""
    wrong = (1 - skills) / (n_classes - 1)
    return wrong[:, None, None] + (skills - wrong)[:, None, None] * np.eye(n_classes)


def situation(n_classes: int, sizes: tuple[int, ...], gap: float, repeats: int) -> list[tuple[str, ...]]:
    """Lines of one design: coverage and mean width of the percentile interval and of the library's."""
    groups, classes = len(sizes), [str(k) for k in range(n_classes)]
    prevalence = np.arange(n_classes, 0, -1.0) / np.arange(n_classes, 0, -1.0).sum()
    skills = SKILL - gap * np.linspace(0, 1, groups)
    answers = confusion(skills, n_classes)
    counts = one_vs_rest(prevalence[:, None] * answers * 1e6)
    truth = {f"{name}_{v}": float(lineage_gap(counts, name, variant=v)) for name, v in DISTANCES}
    truth |= {m: float(skills.min()) for m in WORST}
    found: dict[str, list[tuple[float, ...]]] = {m: [] for m in truth}
    group = np.repeat(np.arange(groups), sizes)
    rows = np.arange(group.size)
    part = Partition.of("site", [str(g) for g in range(groups)], group, rows, min_n=10)
    for r in range(repeats):
        rng = np.random.default_rng([r, n_classes, groups])
        y = rng.choice(n_classes, group.size, p=prevalence)
        chance = np.cumsum(answers[group, y], axis=1)
        answer = (rng.random((group.size, 1)) > chance).sum(axis=1).clip(0, n_classes - 1)
        family = Classification(y, answer, classes, metrics=WORST)
        limits = []
        for interval in ("percentile", "auto"):
            m = measure([family], part, rows, Plan(N_BOOT, seed=r, interval=interval), y)
            of_worst = {w: m.worst(w) for w in WORST}
            limits.append({**m.gap_limits, **{w: v[1:] for w, v in of_worst.items() if v is not None}})
        for name in truth:
            found[name].append((*limits[0][name], *limits[1][name]))
    said = f"{groups} x {sizes[0]}" if len(set(sizes)) == 1 else " + ".join(map(str, sizes))
    lines = []
    for name, true in truth.items():
        low, high, low2, high2 = np.array(found[name]).T
        cells = [
            f"{100 * np.mean((a <= true + 1e-9) & (true <= b + 1e-9)):.1f} ({np.mean(b - a):.2f})"
            for a, b in ((low, high), (low2, high2))
        ]
        shown = f"worst {name}" if name in WORST else name
        lines.append((shown, str(n_classes), said, f"{true:.3f}", cells[0], f"**{cells[1]}**"))
    return lines


def section(repeats: int) -> list[str]:
    """Lines of the page."""
    rows: list[tuple[str, ...]] = []
    for n_classes, sizes, gap in product((2, 7), SIZES, (0.0, 0.1, 0.2)):
        rows += situation(n_classes, sizes, gap, repeats)
    error = 100 * float(np.sqrt(0.95 * 0.05 / repeats))
    header = ("value", "classes", "n", "true value", "percentile", "library")
    return [
        "## Distances between groups, and the worst group",
        "",
        INTRO.format(repeats=repeats, boot=N_BOOT, error=error).replace("\n", " "),
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=500)
    print("\n".join(section(parser.parse_args().repeats)))
