"""SPARE against its baselines on the simulated cohort, over seeds, and its weights against the known truth.

Every method makes the same number of updates on the same split with the same settings. Each seed draws a new cohort,
split and initial weights. Results are kept per seed in --out, so that a stopped benchmark goes on.

Run: python benchmarks/simulated.py --write
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from common import describe_machine, write_result
from scipy.stats import spearmanr

from everygroup import __version__
from everygroup.audit import audit
from everygroup.cohort import split_cohort
from everygroup.datasets import simulated
from everygroup.files import atomic_path, hash_json, read_json, write_json
from everygroup.methods import Store, create_method
from everygroup.settings import TrainSettings
from everygroup.spare import effective_sample_size, out_of_group_share
from everygroup.statistics import paired_interval
from everygroup.training import RunLog

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "erm": ("erm", {}),
    "group_model": ("group_model", {}),
    "spare": ("spare", {}),
    "spare, accurate distances": ("spare", {"search_preset": "accurate"}),
}
ACCURATE = "spare, accurate distances"
METRICS = ("macro_f1", "accuracy")


def one_seed(seed: int, options: argparse.Namespace, epochs: int) -> dict[str, Any]:
    """Train and measure every variant for one seed."""
    torch.set_num_threads(1)
    variants = {
        n: v
        for n, v in VARIANTS.items()
        if n != ACCURATE or (seed < options.accurate_seeds and epochs == options.epochs)
    }
    values = {"epochs": epochs, "lr": options.lr, "batch_size": options.batch_size, "seed": seed}
    tag = hash_json([options.n, options.image_size, values, variants, __version__])[:8]
    path = Path(options.out) / f"seed-{seed}-{tag}.json"
    if path.exists():
        return dict(read_json(path))
    world = simulated.dermatology(options.n, image_size=options.image_size, seed=seed)
    split = split_cohort(world.cohort, seed=seed)
    truth = world.truth_of(split.train)
    store = Store(Path(options.out) / f"store-{seed}-{tag}")
    settings = TrainSettings.make(values)
    scores, weights, tones, logs, by_variant = [], [], [], [], {}
    for name, (method, hyper) in variants.items():
        store.log = RunLog()  # variants share names of networks
        model = create_method(method, hyper).fit(split.train, split.validation, settings=settings, store=store)
        logs.append(store.log.table.assign(variant=name))
        table = audit(model.predict(split.test), n_boot=10, attributes=["group"], method=name).table
        kept = table[table["metric"].isin(METRICS) & table["group"].isin([*split.train.groups, "overall", "gap"])]
        scores += kept[["method", "group", "metric", "value", "n"]].to_dict("records")
        if model.weights is None:
            continue
        by_variant[name] = model.weights
        for target, part in model.weights.groupby("target_group"):
            inside = (part["source_group"] == target).to_numpy()
            w, useful = part["weight"].to_numpy(), truth[f"usefulness_{target}"].to_numpy()
            helpful = truth[f"helpful_{target}"].to_numpy()
            weights.append(
                {
                    "variant": name,
                    "target": target,
                    "rank correlation with usefulness, out-of-group": spearmanr(w[~inside], useful[~inside]).statistic,
                    "rank correlation with usefulness, all": spearmanr(w, useful).statistic,
                    "mean weight of helpful, out-of-group": w[~inside & helpful].mean(),
                    "mean weight of misleading, out-of-group": w[~inside & ~helpful].mean(),
                    "in-group mean": w[inside].mean(),
                    "effective sample size": effective_sample_size(w),
                    "n": len(w),
                    "out-of-group share": out_of_group_share(w, inside),
                }
            )
            by_type = part.assign(skin_type=split.train.table["skin_type"].to_numpy()).groupby("skin_type")["weight"]
            for skin_type, value in by_type.mean().items():
                tones.append({"variant": name, "target": target, "skin_type": int(str(skin_type)), "weight": value})
    late = pd.concat(logs).groupby(["variant", "model"], sort=False)
    convergence = late.agg(
        updates=("updates", "last"),
        first_loss=("train_loss", "first"),
        last_loss=("train_loss", "last"),
        previous=("validation_macro_f1", lambda v: v.iloc[-6:-3].mean()),
        last=("validation_macro_f1", lambda v: v.iloc[-3:].mean()),
    )
    result = {
        "seed": seed,
        "presets": compare_presets(by_variant["spare"], by_variant[ACCURATE]) if ACCURATE in by_variant else [],
        "scores": scores,
        "weights": weights,
        "tones": tones,
        "convergence": convergence.reset_index().to_dict("records"),
    }
    write_json(path, result)
    return result


def compare_presets(fast: pd.DataFrame, accurate: pd.DataFrame) -> list[dict[str, Any]]:
    """How far the weights of the fast boundary search are from those of the accurate one."""
    return [
        {
            "target": target,
            "rank correlation of weights": spearmanr(fast["weight"][rows], accurate["weight"][rows]).statistic,
            "mean absolute difference of weights": (fast["weight"] - accurate["weight"])[rows].abs().mean(),
            "median ratio of utility distances": (fast["utility"] / accurate["utility"])[rows].median(),
        }
        for target, rows in fast.groupby("target_group").groups.items()
    ]


def tables(results: list[dict[str, Any]], n_seeds: int) -> list[str]:
    """Return the result page's lines."""
    scores = pd.DataFrame([{**s, "seed": r["seed"]} for r in results for s in r["scores"]])
    lines = [f"## Scores on the test part, mean over {n_seeds} seeds", ""]
    seeds = scores.groupby("method")["seed"].nunique()
    named = {m: m if k == n_seeds else f"{m} ({k} of the seeds)" for m, k in seeds.items()}
    for metric in METRICS:
        wide = scores[scores["metric"] == metric].pivot_table(
            index="method", columns="group", values="value", sort=False
        )
        n = scores[scores["metric"] == metric].groupby("group")["n"].mean()
        lines += [f"| {metric} | " + " | ".join(f"{g} (n = {n[g]:.0f} a seed)" for g in wide.columns) + " |"]
        lines += ["|---" * (len(wide.columns) + 1) + "|"]
        lines += [
            f"| {named[m]} | " + " | ".join(f"{v:.3f}" for v in row) + " |"
            for m, row in zip(wide.index, wide.to_numpy(), strict=True)
        ]
        lines += [""]
    lines += ["## Paired differences in macro F1 (95 % t-interval over seeds)", ""]
    lines += ["| method minus baseline | group | difference | interval | p | seeds won |", "|---|---|---|---|---|---|"]
    f1 = scores[scores["metric"] == "macro_f1"].pivot_table(index="seed", columns=["method", "group"], values="value")
    for method in [m for m in VARIANTS if m in set(scores["method"])]:
        for baseline in ("erm", "group_model"):
            if method in ("erm", baseline):
                continue
            for group in dict.fromkeys(scores["group"]):
                pair = f1[[(method, group), (baseline, group)]].dropna()
                a, b = pair.iloc[:, 0].to_numpy(), pair.iloc[:, 1].to_numpy()
                d = paired_interval(a, b)
                if d.n < 2:  # one seed has no interval
                    continue
                won = f"{(a > b).sum()} of {len(a)}" if group != "gap" else f"{(a < b).sum()} of {len(a)} smaller"
                interval = f"[{d.low:+.4f}, {d.high:+.4f}] | {d.p:.3f}"
                lines.append(f"| {method} - {baseline} | {group} | {d.mean:+.4f} | {interval} | {won} |")
    means = f1.mean()
    lines += ["", "The gap of the seed-averaged group values (a mean of gaps is biased upwards): "]
    for method in dict.fromkeys(scores["method"]):
        by_group = means[method].drop(["gap", "overall"])
        lines[-1] += f"{method} {by_group.max() - by_group.min():.3f}; "
    lines[-1] += "the p-values above are not corrected for their number."
    weights = pd.DataFrame([w for r in results for w in r["weights"]])
    lines += ["", "## Weights against the truth, mean (sd) over seeds", ""]
    lines += [
        "| quantity | " + " | ".join(f"{v}, {t}" for v, t in weights.groupby(["variant", "target"]).groups) + " |"
    ]
    lines += ["|---" * (weights.groupby(["variant", "target"]).ngroups + 1) + "|"]
    grouped = weights.groupby(["variant", "target"])
    for column in weights.columns[2:]:
        lines.append(
            f"| {column} | " + " | ".join(f"{p[column].mean():.3f} ({p[column].std():.3f})" for _, p in grouped) + " |"
        )
    tones = pd.DataFrame([t for r in results for t in r["tones"]])
    lines += ["", "## Mean weight by skin type of the source sample", ""]
    wide = tones.pivot_table(index=["variant", "target"], columns="skin_type", values="weight")
    lines += [
        "| variant, target | " + " | ".join(f"type {c}" for c in wide.columns) + " |",
        "|---" * (len(wide.columns) + 1) + "|",
    ]
    lines += [
        f"| {v}, {t} | " + " | ".join(f"{x:.3f}" for x in row) + " |"
        for (v, t), row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    presets = pd.DataFrame([p for r in results for p in r["presets"]]).groupby("target").mean()
    lines += [
        "",
        f"## Fast against accurate distances, mean over {sum(bool(r['presets']) for r in results)} seed(s)",
        "",
    ]
    lines += ["| target | " + " | ".join(presets.columns) + " |", "|---" * (len(presets.columns) + 1) + "|"]
    lines += [
        f"| {t} | " + " | ".join(f"{v:.4f}" for v in row) + " |"
        for t, row in zip(presets.index, presets.to_numpy(), strict=True)
    ]
    late = pd.DataFrame([c for r in results for c in r["convergence"]]).groupby(["variant", "model"], sort=False).mean()
    lines += [
        "",
        "## Convergence",
        "",
        "Mean validation macro F1 of the last three epochs against the three before.",
        "",
    ]
    lines += ["| variant | network | updates | train loss, first epoch | last | F1, epochs -6 to -4 | F1, -3 to -1 |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [
        f"| {v} | {m} | {r.updates:.0f} | {r.first_loss:.3f} | {r.last_loss:.3f} | {r.previous:.3f} | {r.last:.3f} |"
        for (v, m), r in late.iterrows()
    ]
    return lines


def longer(short: list[dict[str, Any]], long: list[dict[str, Any]]) -> list[str]:
    """Compare test scores after the usual and after twice the updates, same seeds."""
    frames = []
    for name, results in (("usual", short[: len(long)]), ("twice", long)):
        frame = pd.DataFrame([{**s, "seed": r["seed"]} for r in results for s in r["scores"]])
        frames.append(frame[frame["metric"] == "macro_f1"].assign(budget=name))
    wide = pd.concat(frames).pivot_table(index=["method", "group"], columns="budget", values="value", sort=False)
    lines = ["", f"Twice the updates, {len(long)} seed(s): test macro F1.", "", "| method | group | usual | twice |"]
    lines += ["|---|---|---|---|"]
    return lines + [f"| {m} | {g} | {r.usual:.3f} | {r.twice:.3f} |" for (m, g), r in wide.dropna().iterrows()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n", type=int, default=2400)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch-size", type=int, default=32, help="small, so that updates are many")
    parser.add_argument("--double-seeds", type=int, default=1, help="seeds that are repeated with twice the epochs")
    parser.add_argument("--accurate-seeds", type=int, default=1, help="seeds that also train on accurate distances")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="runs/benchmark-simulated")
    parser.add_argument("--note", default="", help="a reading of the figures, put at the top of the page")
    parser.add_argument("--write", action="store_true", help="write docs/results/simulated.md and .csv")
    options = parser.parse_args()
    jobs = [(s, options.epochs) for s in range(options.seeds)] + [
        (s, 2 * options.epochs) for s in range(options.double_seeds)
    ]
    results = list(joblib.Parallel(n_jobs=options.jobs)(joblib.delayed(one_seed)(s, options, e) for s, e in jobs))
    lines = tables(results[: options.seeds], options.seeds)
    if options.double_seeds:
        lines += longer(results[: options.seeds], results[options.seeds :])
    print("\n".join(lines))
    if options.write:
        intro = (
            f"{options.n} simulated images of {options.image_size} px a seed, split 6:2:2 by patient, small_cnn, "
            f"{options.epochs} passes' worth of updates for every network (AdamW, lr {options.lr:g}, "
            f"batch {options.batch_size}), epoch chosen by validation macro F1."
        )
        write_result(
            Path("docs/results/simulated.md"),
            "SPARE on the simulated cohort",
            [options.note, "", intro, "", *lines, "", describe_machine()],
        )
        rows = pd.DataFrame([{**s, "seed": r["seed"]} for r in results for s in r["scores"]])
        with atomic_path(Path("docs/results/simulated.csv")) as temporary:
            rows.to_csv(temporary, index=False)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
