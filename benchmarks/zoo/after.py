"""Effects of the methods after training, each in a small made-up world where it must show."""

from __future__ import annotations

from functools import cache

import numpy as np

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.metrics.separability import separability
from everygroup.models import RoutedModel
from everygroup.networks import predict_features
from everygroup.settings import TrainSettings
from everygroup.targets.labels import mean_auc
from zoo.beside import HEADS, MLP, Measure, cohort, effect
from zoo.worlds import World, worst_cell

SHIFTED = "vectors; one diagnosis looks milder in group b, so that a common threshold misses it there"
NOISY = "vectors; in group b a quarter of the labels are wrong, so that a common model is too sure there"
THREE = "vectors of three classes; group b looks more like the second of them"
PREVALENT = "vectors; a diagnosis is rare in group a and frequent in group b"
SCANNERS = "images; those of group b, 2 % in training and half of the others, have little contrast and are bright"
CNN = TrainSettings.make({"backbone": "small_cnn", "augment": "none", "updates": 60, "batch_size": 32, "lr": 3e-3})
TAGGED = "images; those of group b have a tag in the corner and are mostly of one class, but not afterwards"
LEAKING = "vectors that tell the group; the diagnosis is more frequent in one group"


@cache
def shifted(seed: int) -> Split:
    """Vectors (n, 6) that do not tell the group; in group b every score is lower, and noisier."""
    rng = np.random.default_rng(seed)
    n = 3000
    group = (rng.random(n) < 0.35).astype(int)
    y = (rng.random(n) < 0.4).astype(int)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    x[:, 0] += 2.2 * y - 1.2 * group
    return split_cohort(cohort(x, y, group), (0.4, 0.3, 0.3), seed=seed)


@cache
def noisy(seed: int) -> Split:
    """Vectors (n, 6) that do not tell the group; in group b a quarter of the labels are wrong."""
    rng = np.random.default_rng(seed)
    n = 3000
    group, y = (rng.random(n) < 0.35).astype(int), rng.integers(0, 2, n)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    x[:, 0] += 2.5 * y
    wrong = (group == 1) & (rng.random(n) < 0.25)
    return split_cohort(cohort(x, np.where(wrong, 1 - y, y), group), (0.4, 0.3, 0.3), seed=seed)


@cache
def three(seed: int) -> Split:
    """Vectors (n, 6) of three classes; in group b one of them looks like the next."""
    rng = np.random.default_rng(seed)
    n = 3000
    group, y = (rng.random(n) < 0.35).astype(int), rng.integers(0, 3, n)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    x[np.arange(n), y] += 2.5
    x[:, 1] += 1.2 * group
    return split_cohort(cohort(x, y, group, 3), (0.4, 0.3, 0.3), seed=seed)


@cache
def prevalent(seed: int) -> Split:
    """Vectors (n, 6) that do not tell the group; the second class is rare in group a and frequent in group b."""
    rng = np.random.default_rng(seed)
    n = 3000
    group = (rng.random(n) < 0.35).astype(int)
    y = (rng.random(n) < np.where(group, 0.75, 0.15)).astype(int)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    x[:, 0] += 1.5 * y
    return split_cohort(cohort(x, y, group), (0.4, 0.3, 0.3), seed=seed)


@cache
def scanners(seed: int) -> World:
    """Images (n, 16, 16, 1) with a bright spot or none; those of group b, rare in training, have little contrast."""
    rng = np.random.default_rng(seed)

    def part(n: int, share: float, name: str) -> Cohort:
        group, y = (rng.random(n) < share).astype(int), rng.integers(0, 2, n)
        x = 90 + 25 * rng.standard_normal((n, 16, 16, 1))
        x[:, 5:11, 5:11] += 40 * y[:, None, None, None]
        b = group[:, None, None, None] == 1
        return cohort(np.where(b, 0.4 * x + 120, x).clip(0, 255).astype(np.uint8), y, group, name=name)

    return World(part(500, 0.02, "t"), part(300, 0.5, "v"), part(600, 0.5, "f"))


@cache
def tagged(seed: int) -> World:
    """Images (n, 16, 16, 1) with a faint spot or none, in group b with a tag in the corner; b is mostly ill first."""
    rng = np.random.default_rng(seed)

    def part(n: int, together: float, name: str) -> Cohort:
        y = rng.integers(0, 2, n)
        group = np.where(rng.random(n) < together, y, 1 - y)
        x = 90 + 30 * rng.standard_normal((n, 16, 16, 1))
        x[:, 5:11, 5:11] += 14 * y[:, None, None, None]
        x[:, :3, :5] += 60 * group[:, None, None, None]
        return cohort(x.clip(0, 255).astype(np.uint8), y, group, name=name)

    return World(part(400, 0.9, "t"), part(200, 0.9, "v"), part(600, 0.5, "f"))


@cache
def leaking(seed: int) -> Split:
    """Vectors (n, 8): a direction tells the group, another the diagnosis, which is more frequent in group b."""
    rng = np.random.default_rng(seed)
    n = 3000
    group = rng.integers(0, 2, n)
    y = (rng.random(n) < np.where(group, 0.7, 0.3)).astype(int)
    x = rng.standard_normal((n, 8)).astype(np.float32)
    x[:, 0] += 2.0 * group
    x[:, 1] += 1.8 * y + 0.5 * group
    return split_cohort(cohort(x, y, group), (0.4, 0.3, 0.3), seed=seed)


def answered(model: RoutedModel, test: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers (n,) and which of them were given (n,)."""
    told = model.predict(test)
    gave = ~told.table["abstained"].to_numpy() if "abstained" in told.table else np.ones(len(test), bool)
    return np.asarray(told.y_pred), gave


def odds_gap(model: RoutedModel, test: Cohort) -> float:
    """The larger of the differences between the groups' TPR and FPR (TPR of every class for several)."""
    pred, gave = answered(model, test)
    rates = [
        [(pred[gave & (test.group == g) & (test.y == k)] == k).mean() for k in range(len(test.classes))] for g in (0, 1)
    ]
    return float(np.abs(np.diff(rates, axis=0)).max())


def rate_gap(rate: str) -> Measure:
    """Return what measures the difference between the groups in TPR, FPR or PPV."""

    def measure(model: RoutedModel, test: Cohort) -> float:
        pred, _ = answered(model, test)
        of = {"tpr": test.y == 1, "fpr": test.y == 0, "ppv": pred == 1}[rate]
        hit = test.y == 1 if rate == "ppv" else pred == 1
        a, b = (hit[of & (test.group == g)].mean() for g in (0, 1))
        return float(abs(a - b))

    return measure


_RATES = {"tpr": "TPR", "fpr": "FPR", "ppv": "PPV", "benefit": "TPR"}
_ODDS = "difference of the groups' TPR or FPR, the larger"


def miscalibration(model: RoutedModel, test: Cohort) -> float:
    """Mean over groups of the difference of mean probability and share of the second class, over five equal bins."""
    p, found = model.predict_proba(test)[:, 1], []
    for g in (0, 1):
        own, hit = p[test.group == g], test.y[test.group == g] == 1
        found += [abs(own[b].mean() - hit[b].mean()) for b in np.array_split(own.argsort(), 5)]
    return float(np.mean(found))


def loss(model: RoutedModel, test: Cohort) -> float:
    """Cross-entropy, mean of the groups."""
    p = -np.log(model.predict_proba(test)[np.arange(len(test)), test.y].clip(1e-6))
    return float(np.mean([p[test.group == g].mean() for g in (0, 1)]))


def features(model: RoutedModel, test: Cohort) -> np.ndarray:
    """Return the penultimate features (n, q) of a model's only network."""
    for transform in model.transforms:
        test = test.seen_through(transform)
    return predict_features(model.networks[str(model.pooled)], test)


def tells_group(model: RoutedModel, test: Cohort) -> float:
    """AUC of a cross-fitted linear probe of the features for the group."""
    return separability(features(model, test), test.group, n_boot=2).auc


def mean_of_groups_auc(model: RoutedModel, test: Cohort) -> float:
    """AUC of the answers within each group, averaged."""
    p = model.predict_proba(test)
    return float(np.mean([mean_auc(test.y[test.group == g], p[test.group == g]) for g in (0, 1)]))


EFFECTS = [
    *(
        effect(f"thresholds(equal={e})", shifted, SHIFTED, rate_gap(r.lower()), f"difference of the groups' {r}")
        for e, r in _RATES.items()
    ),
    *(effect(f"thresholds(equal={e})", shifted, SHIFTED, odds_gap, _ODDS) for e in ("odds", "vertex")),
    effect("reject_option(then=favour,favourable=c1)", shifted, SHIFTED, odds_gap, _ODDS),
    effect("reject_option(favourable=c1)", shifted, SHIFTED, odds_gap, f"{_ODDS}, of those answered"),
    effect("logit_offsets", three, THREE, odds_gap, "largest difference of the groups' TPR of a class"),
    effect("group_calibration(kind=temperature)", noisy, NOISY, miscalibration, "calibration error by group"),
    *(
        effect(f"group_calibration(kind={k})", shifted, SHIFTED, miscalibration, "calibration error by group")
        for k in ("platt", "isotonic")
    ),
    *(
        effect(f"feature_edit(keep={k})", leaking, LEAKING, tells_group, "AUC of a probe for the group", settings=MLP)
        for k in ("nothing", "label")
    ),
    effect(
        "feature_edit(keep=label)",
        leaking,
        LEAKING,
        mean_of_groups_auc,
        "AUC of the answers within a group, against keep=nothing",
        without="feature_edit",
        settings=MLP,
        better="larger",
    ),
    effect("label_shift", prevalent, PREVALENT, loss, "cross-entropy, mean of the groups", settings=HEADS),
    effect("adabn", scanners, SCANNERS, loss, "cross-entropy, mean of the groups", settings=CNN),
    *(
        effect(f"input_edit(access={a})", tagged, TAGGED, m, said, settings=CNN.but(updates=40), better=better)
        for a, m, said, better in (
            ("white", odds_gap, _ODDS, "smaller"),
            ("white", worst_cell, "accuracy of the worst group and class", "larger"),
            ("black", worst_cell, "accuracy of the worst group and class", "larger"),
        )
    ),
    *(
        effect(f"bias_pruning(importance={i})", leaking, LEAKING, rate_gap("tpr"), "difference of TPR", settings=MLP)
        for i in ("gradient", "activation")
    ),
    effect("bias_descent(rate=0.001)", leaking, LEAKING, rate_gap("tpr"), "difference of TPR", settings=MLP),
]
