"""The page, table and heat maps of benchmarks/when_spare_helps.py, from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import write_result
from scipy.stats import spearmanr

from everygroup.advise.advice import WORTHWHILE
from everygroup.advise.verdict import OWN, POOLED, UNKNOWN, WEIGHTING
from everygroup.figures.export import save
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import BETTER, GRID, INK, SOFT, WORSE, estimate, number
from everygroup.files import atomic_path
from everygroup.statistics import paired_interval

VARIANTS = {
    "paper": "the paper's: alpha .5, raw distances",
    "median": "'median': alpha 0, distances over their median, temperature .3",
    "chosen": "alpha and temperature chosen on the group's validation samples",
}
CELL = ["n_in", "shift", "noise"]
FLAT = 0.02  # a mean rise of the curves' last epochs above this is not called flat
FOLLOWED = {POOLED: "erm", UNKNOWN: "erm", OWN: "group_model", WEIGHTING: "median"}
NETWORKS = {"erm": 1, "group_model": 2, "median": 3, "paper": 5}  # of two groups; alpha 0 needs no first networks


def cell_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell and variant: means, and paired differences with 95 % t-intervals over seeds."""
    found = []
    for cell, part in rows.groupby(CELL):
        for variant in (*VARIANTS, "everything"):
            record: dict[str, Any] = dict(zip(CELL, cell, strict=True)) | {"variant": variant, "seeds": len(part)}
            record |= {"macro_f1": part[variant].mean(), "erm_chosen": (part["baseline_name"] == "erm").mean()}
            for name in ("baseline", "erm", "group_model"):
                d = paired_interval(part[variant].to_numpy(), part[name].to_numpy())
                record |= {f"minus_{name}": d.mean, f"minus_{name}_low": d.low, f"minus_{name}_high": d.high}
            found.append(record)
    return pd.DataFrame(found)


def heat_maps(means: pd.DataFrame, path: Path, *, sizes: str, seeds: int) -> None:
    """Draw the gain over the chosen baseline: a panel for each variant and noise, a cell for size and shift.

    Cells whose interval holds 0 are grey, whatever their value.
    """
    limit = float(np.ceil(20 * means["minus_baseline"].abs().max()) / 20)
    scale = {"domain": [-limit, 0, limit], "range": [WORSE, "#f7f7f7", BETTER], "interpolate": "rgb"}
    legend = {"orient": "bottom", "direction": "horizontal", "gradientLength": 200, "gradientThickness": 10}
    legend |= {"titleLimit": 600}
    unknown = "the 95 % interval over seeds holds 0" if seeds > 1 else "one seed has no interval"
    colour = field(
        "gain:Q", scale=scale, legend=legend, title=f"gain in macro F1, mean of {seeds} seed(s); grey: {unknown}"
    )
    axis = {"ticks": False, "domain": False, "grid": False, "labelPadding": 6, "labelAngle": 0}
    noises = sorted(means["noise"].unique())
    panels: list[Spec] = []
    for variant in VARIANTS:
        for noise in noises:
            part = means[(means["variant"] == variant) & (means["noise"] == noise)]
            rows = pd.DataFrame(
                {
                    "size": [f"{n:g}" for n in part["n_in"]],
                    "shift": [f"{s:g}" for s in part["shift"]],
                    "gain": part["minus_baseline"].round(4),
                    "shown": [number(v, 3, signed=True) for v in part["minus_baseline"]],
                    "say": [
                        f"n = {r.n_in:g}, shift {r.shift:g}: "
                        + estimate(r.minus_baseline, r.minus_baseline_low, r.minus_baseline_high, signed=True)
                        for r in part.itertuples()
                    ],
                    # without an interval (one seed) nothing is known either
                    "null": ~((part["minus_baseline_low"] > 0) | (part["minus_baseline_high"] < 0)),
                    "strong": part["minus_baseline"].abs() > 0.6 * limit,
                }
            )
            place = {
                "x": field("size:N", sort=[f"{n:g}" for n in sorted(part["n_in"].unique())], title=sizes, axis=axis),
                "y": field(
                    "shift:N", sort=[f"{s:g}" for s in sorted(part["shift"].unique())], title="shift", axis=axis
                ),
            }
            null, known = rows[rows["null"]], rows[~rows["null"]]
            text = {"fontSize": 12, "aria": False}
            white = {"condition": {"test": "datum.strong", "value": "white"}, "value": INK}
            layers = [layer("rect", place | described("say:N"), null, fill=GRID)] if len(null) else []
            # the legend is the same for all panels, also for one without a coloured cell
            layers.append(layer("rect", place | described("say:N") | {"color": colour}, known))
            layers.append(layer("text", place | {"text": field("shown:N")}, null, color=SOFT, **text))
            bold = text | {"fontWeight": "bold"}
            layers.append(layer("text", place | {"text": field("shown:N"), "color": white}, known, **bold))
            width, height = 52 * rows["size"].nunique(), 30 * rows["shift"].nunique()
            title = {"text": f"{variant}, label noise {noise:g}"}
            panels.append({"layer": layers, "title": title, "width": width, "height": height})
    said = f"Gain of SPARE over the baseline chosen on validation, {seeds} seeds, by size, shift and label noise."
    save(finished(panels, said, columns=len(noises)), path)


def counts(means: pd.DataFrame) -> list[str]:
    """Return a table of how many cells each variant wins, loses and leaves open."""
    lines = [
        "| variant | cells | surely better than the chosen baseline | surely worse | neither (or one seed) | "
        "surely better than both ERM and GroupModel |",
        "|---|---|---|---|---|---|",
    ]
    for variant, words in {**VARIANTS, "everything": "chosen on validation among ERM, GroupModel and SPARE"}.items():
        part = means[means["variant"] == variant]
        better, worse = (part["minus_baseline_low"] > 0).sum(), (part["minus_baseline_high"] < 0).sum()
        both = ((part["minus_erm_low"] > 0) & (part["minus_group_model_low"] > 0)).sum()
        lines.append(f"| {words} | {len(part)} | {better} | {worse} | {len(part) - better - worse} | {both} |")
    return lines


def table(means: pd.DataFrame) -> list[str]:
    """Return the gains with their intervals, a row a cell."""
    lines = ["| n_in, shift, noise | ERM chosen | " + " | ".join(VARIANTS) + " |", "|---" * (2 + len(VARIANTS)) + "|"]
    for cell, part in means.groupby(CELL):
        by = part.set_index("variant")
        texts = []
        for variant in VARIANTS:
            r = by.loc[variant]
            sure = r["minus_baseline_low"] > 0 or r["minus_baseline_high"] < 0
            text = estimate(r["minus_baseline"], r["minus_baseline_low"], r["minus_baseline_high"], signed=True)
            texts.append(f"**{text}**" if sure else text)
        name = ", ".join(f"{v:g}" for v in cell)
        lines.append(f"| {name} | {by.iloc[0]['erm_chosen']:.0%} | " + " | ".join(texts) + " |")
    return lines


def convergence(images: pd.DataFrame, twice: pd.DataFrame | None) -> list[str]:
    """Return how far the curves still rise at the end, and what twice the updates changed."""
    names = [c for c in images if c.startswith("curve ")]
    lines = ["| network | mean rise of macro F1, last three epochs against the three before | flat |", "|---|---|---|"]
    for name in names:
        d = paired_interval(images[name].to_numpy(), np.zeros(len(images)))
        lines.append(f"| {name[6:]} | {estimate(d.mean, d.low, d.high, signed=True)} | {flat(d.mean)} |")
    if twice is None or not len(twice):
        return [*lines, "", "The check with twice the updates has not been run."]
    usual = images.merge(twice[[*CELL, "seed"]], on=[*CELL, "seed"])
    cell = ", ".join(f"{k} {twice[k].iloc[0]:g}" for k in CELL)
    lines += ["", f"Twice the updates in one cell ({cell}), {len(usual)} seed(s), test macro F1:", ""]
    lines += ["| network | usual | twice |", "|---|---|---|"]
    for name in ("erm", "group_model", *VARIANTS):
        lines.append(f"| {name} | {usual[name].mean():.3f} | {twice[name].mean():.3f} |")
    return lines


def flat(rise: float) -> str:
    return "yes" if rise < FLAT else "no"


def advice_tables(rows: pd.DataFrame, advice: pd.DataFrame) -> list[str]:
    """Return what the advice was worth: how often right, and what following it would have given."""
    both = advice.merge(rows, on=[*CELL, "seed"])
    own, weighting = both["group_model"] - both["erm"], both["median"] - both["erm"]
    enough = (own < WORTHWHILE) & (weighting < WORTHWHILE)
    right = {POOLED: enough, OWN: own > 0, WEIGHTING: weighting > 0}
    meaning = {
        POOLED: f"neither GroupModel nor SPARE 'median' gained {WORTHWHILE:g} over ERM",
        OWN: "GroupModel beat ERM",
        WEIGHTING: "SPARE 'median' beat ERM",
    }
    lines = [
        f"{len(both)} cells and seeds. What was right is said by the training on the same samples; its test samples "
        "are many, so that chance plays a small part in it.",
        "",
        "| advice | given | it was right where | right | among all cells |",
        "|---|---|---|---|---|",
    ]
    for verdict, truth in right.items():
        given = both["verdict"] == verdict
        share = f"{truth[given].sum()} of {given.sum()}" if given.any() else "never given"
        lines.append(f"| {verdict} | {given.sum()} | {meaning[verdict]} | {share} | {truth.mean():.0%} |")
    open_ = both["verdict"] == UNKNOWN
    lines.append(
        f"| {UNKNOWN} | {open_.sum()} | – | pooled was enough in {enough[open_].sum()}, own data won in "
        f"{(own[open_] > 0).sum()}, weighting in {(weighting[open_] > 0).sum()} | – |"
    )
    paid = {
        "own only": (-both["everybody - own only f1"], own),
        "weighted": (both["weighted - everybody f1"], weighting),
    }
    said = [f"{name} {spearmanr(a, b).statistic:.2f}" for name, (a, b) in paid.items()]
    lines += ["", f"Rank correlation of the probe's difference to everybody with training's: {', '.join(said)}.", ""]
    lines += ["| rule | macro F1 | against ERM (95 % interval over cells and seeds) | networks |", "|---|---|---|---|"]
    followed = both["verdict"].map(FOLLOWED)
    taken = np.array([row[name] for name, (_, row) in zip(followed, both.iterrows(), strict=True)], dtype=float)
    rules = {
        "advice followed ('cannot be told': ERM)": (taken, followed.map(NETWORKS).mean()),
        "always ERM": (both["erm"].to_numpy(), 1.0),
        "always GroupModel": (both["group_model"].to_numpy(), 2.0),
        "ERM or GroupModel by validation": (both["baseline"].to_numpy(), 3.0),
        "always SPARE, the paper's": (both["paper"].to_numpy(), 5.0),
        "always SPARE, 'median'": (both["median"].to_numpy(), 3.0),
    }
    for name, (value, networks) in rules.items():
        d = paired_interval(value, both["erm"].to_numpy())
        gain = estimate(d.mean, d.low, d.high, signed=True) if name != "always ERM" else "–"
        lines.append(f"| {name} | {value.mean():.3f} | {gain} | {networks:.1f} |")
    return lines


def write_page(folder: Path, updates: int, machine: str, note: str) -> None:
    """Write docs/results/when-spare-helps.md and .csv, and the heat maps into `folder`."""

    def read(name: str) -> pd.DataFrame | None:
        path = folder / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else None

    lines: list[str] = [note, ""] if note else []
    summary = []
    parts: Sequence[tuple[str, str, str, str]] = (
        ("vectors", "Vectors, linear models", "in-group training samples", _VECTORS),
        ("images", "Simulated images, a small network", "dark training images", _IMAGES.format(updates=updates)),
    )
    lines += [*_HOW, ""]
    for part, title, sizes, about in parts:
        rows = read(part)
        if rows is None:
            continue
        seeds = rows.groupby(CELL)["seed"].nunique()
        means = cell_means(rows)
        summary.append(means.assign(part=part))
        heat_maps(means, folder / f"{part}.svg", sizes=sizes, seeds=int(seeds.min()))
        lines += [f"## {title}", "", about, f"Seeds a cell: {seeds.min()} to {seeds.max()}.", ""]
        lines += [f"![Gain of SPARE over the baseline chosen on validation, {part}](when-spare-helps/{part}.svg)", ""]
        lines += [*counts(means), "", *table(means), ""]
        if part == "images":
            lines += ["### Convergence", "", _CURVES, "", *convergence(rows, read("images-twice")), ""]
        advice = read(f"advice-{part}")
        if advice is not None:
            lines += [f"### Was the advice worth anything: {part}", "", *advice_tables(rows, advice), ""]
    with atomic_path(folder.parent / "when-spare-helps.csv") as temporary:
        pd.concat(summary).round(5).to_csv(temporary, index=False)
    write_result(Path("docs/results/when-spare-helps.md"), "When SPARE helps", [*lines, machine])


_HOW = (
    "Gain is the test macro F1 of the target group with SPARE's network for it, minus that with the better of ERM and "
    "GroupModel. Which of the two is better is chosen on the group's validation samples, a third as many as it has for "
    "training, with labels as noisy; where they are few the choice is often wrong (column *ERM chosen*), and part of a "
    "gain is then the baseline's bad luck. The last column of the first table needs no choice: both baselines are "
    "beaten. Test labels are clean. Intervals are 95 % t-intervals over seeds, paired within a seed, and not corrected "
    "for the number of cells: of 60 cells without any effect, three would be expected to exclude 0. Seeds are the same "
    "in all cells, so that cells differ by their dials and not by luck, and are not independent. Bold: the interval "
    "excludes 0.",
)
_VECTORS = (
    "The [rotating sectors](toy.md): 1,500 out-of-group samples, 4,000 test samples of the target group; the label "
    "rule turns by up to *shift* radians; a share *noise* of training and validation labels is replaced. Linear "
    "models, 400 steps each. The group predictor gets 1,600: after 400 it puts hardly any sample of a group of 20 or "
    "40 into that group. *chosen* has 21 candidates: the paper's, and alpha 0, .25, .5, .75, 1 with temperature .1, "
    ".3, 1, 3 on median distances. Temperature .3 was found on this toy, see there."
)
_IMAGES = (
    "The [simulated cohort](simulated.md) at 16 px: 800 light training images, and dark ones as the target group, 800 "
    "fresh dark test images; small_cnn, {updates} updates of 32 images for every network, the last one counts. "
    "*chosen* has three candidates: the paper's, 'median', and alpha .5 with temperature .3."
)
_CURVES = (
    "Each network's macro F1 on 200 further dark images, which choose nothing, is followed from epoch to epoch. *Flat* "
    f"means that its mean over cells and seeds rises by less than {FLAT:g} from the epochs -6 to -4 to the last three. "
    "The learning rate falls to 0, which flattens any curve; so one cell was also trained with twice the updates."
)
