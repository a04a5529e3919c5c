"""The audit's values are those of fairlearn and scikit-learn, and its resampling that of rows."""

import numpy as np
import pytest

from everygroup.audit import audit_arrays
from everygroup.audit.engine import Plan, Resampler
from everygroup.audit.partition import Partition
from everygroup.metrics.classification import Classification

sk = pytest.importorskip("sklearn.metrics")
fairlearn = pytest.importorskip("fairlearn.metrics")


def sample(n: int = 400, n_classes: int = 4):
    rng = np.random.default_rng(3)
    y, g = rng.integers(0, n_classes, n), rng.integers(0, 3, n)
    score = rng.dirichlet(np.ones(n_classes), n) + 0.6 * np.eye(n_classes)[y] * (rng.random(n) < 0.7)[:, None]
    return y, score / score.sum(axis=1, keepdims=True), np.array(["a", "b", "c"])[g]


def test_values_by_group_equal_fairlearn_and_scikit_learn() -> None:
    y, score, g = sample()
    pred = score.argmax(axis=1)
    names = ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "matthews", "recall[2]", "precision[2]"]
    names += ["specificity[2]", "selection_rate[2]", "prevalence[2]", "auc", "auprc", "nll"]
    result = audit_arrays(y, y_score=score, sensitive_features={"site": g}, n_boot=3, metrics=names)
    one = {"labels": [2], "average": "macro"}
    functions = {
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "macro_f1": lambda a, b: sk.f1_score(a, b, average="macro"),
        "weighted_f1": lambda a, b: sk.f1_score(a, b, average="weighted"),
        "matthews": sk.matthews_corrcoef,
        "recall[2]": lambda a, b: sk.recall_score(a, b, **one),
        "precision[2]": lambda a, b: sk.precision_score(a, b, **one),
        "specificity[2]": lambda a, b: sk.recall_score(a == 2, b == 2, pos_label=False),
        "selection_rate[2]": lambda a, b: fairlearn.selection_rate(a, b, pos_label=2),
        "prevalence[2]": lambda a, b: float((a == 2).mean()),
    }
    frame = fairlearn.MetricFrame(metrics=functions, y_true=y, y_pred=pred, sensitive_features=g)
    for metric in functions:
        for group in "abc":
            assert result.value("site", group, metric) == pytest.approx(frame.by_group.loc[group, metric], abs=1e-12)
        assert result.value("site", "overall", metric) == pytest.approx(frame.overall[metric], abs=1e-12)
        assert result.value("site", "gap", metric) == pytest.approx(frame.difference()[metric], abs=1e-12)
    inside = g == "b"
    assert result.value("site", "b", "auc") == pytest.approx(
        sk.roc_auc_score(y[inside], score[inside], multi_class="ovr"), abs=1e-12
    )
    assert result.value("site", "b", "nll") == pytest.approx(sk.log_loss(y[inside], score[inside]), abs=1e-12)
    each = [sk.average_precision_score(y[inside] == k, score[inside, k]) for k in range(4)]
    assert result.value("site", "b", "auprc") == pytest.approx(np.mean(each), abs=1e-12)
    assert result.table["metric"].drop_duplicates().tolist()[:7] == names[:7]


def test_rates_of_the_positive_class_equal_scikit_learn() -> None:
    y, score, g = sample(n_classes=2)
    pred = score.argmax(axis=1)
    result = audit_arrays(y, y_score=score, sensitive_features={"site": g}, n_boot=3, classes=["no", "yes"])
    shown = ["sensitivity", "specificity", "ppv", "npv", "auc", "accuracy", "brier", "nll", "ece"]
    assert result.settings["shown"] == shown and result.settings["headline"] == "sensitivity"
    assert (result.settings["task"], result.settings["positive"]) == ("classification", "yes")
    functions = {
        "sensitivity": lambda a, b: sk.recall_score(a, b),
        "specificity": lambda a, b: sk.recall_score(a, b, pos_label=0),
        "ppv": lambda a, b: sk.precision_score(a, b),
        "npv": lambda a, b: sk.precision_score(a, b, pos_label=0),
        "kappa": sk.cohen_kappa_score,
        "f1": sk.f1_score,
    }
    frame = fairlearn.MetricFrame(metrics=functions, y_true=y, y_pred=pred, sensitive_features=g)
    more = audit_arrays(
        y, y_score=score, sensitive_features={"site": g}, n_boot=3, metrics=["tpr", "tnr", "ppv", "npv", "kappa", "f1"]
    )
    for metric in functions:
        for group in "abc":
            assert more.value("site", group, metric) == pytest.approx(frame.by_group.loc[group, metric], abs=1e-12)
    rows = result.table.set_index(["group", "metric"])
    inside = (g == "a") & (y == 1)
    assert rows.loc[("a", "sensitivity"), "trials"] == inside.sum()
    assert rows.loc[("a", "sensitivity"), "successes"] == (pred[inside] == 1).sum()
    assert rows.loc[("a", "sensitivity"), "n"] == (g == "a").sum()
    assert rows.loc[("overall", "ppv"), "trials"] == (pred == 1).sum()
    assert rows.loc[("gap", "sensitivity"), ["successes", "trials"]].isna().all()
    assert rows.loc[("a", "brier"), ["successes", "trials"]].isna().all()


@pytest.mark.parametrize("per_cluster", [1, 3])
def test_replicates_are_those_of_resampled_rows(per_cluster: int) -> None:
    y, score, g = sample(300)
    pred, group = score.argmax(axis=1), np.searchsorted(["a", "b", "c"], g)
    cluster = np.arange(300) // per_cluster
    part = Partition.of("site", ["a", "b", "c"], group, cluster, min_n=1)
    family = Classification(y, pred, [str(k) for k in range(4)], metrics=("accuracy", "macro_f1"))
    resampler = Resampler([family], part, cluster, Plan(n_boot=2000, stratify=False))
    ours = resampler.replicates()[0].performance
    rng, brute = np.random.default_rng(0), np.empty((600, 2, 4))
    for r in range(600):
        drawn = rng.integers(0, 300 // per_cluster, 300 // per_cluster)
        rows = (drawn[:, None] * per_cluster + np.arange(per_cluster)).reshape(-1)
        for s, at in enumerate([*(rows[group[rows] == k] for k in range(3)), rows]):
            support, answered, right = (
                np.bincount(v, minlength=4) for v in (y[at], pred[at], y[at][y[at] == pred[at]])
            )
            brute[r, :, s] = right.sum() / at.size, np.mean(2 * right / (support + answered))
    for i, metric in enumerate(("accuracy", "macro_f1")):
        sd = brute[:, i].std(axis=0)
        assert (
            np.abs(ours[metric].mean(axis=0) - brute[:, i].mean(axis=0)) < 4 * sd * np.sqrt(1 / 600 + 1 / 2000)
        ).all()
        assert ours[metric].std(axis=0) == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize("per_cluster", [1, 3])
def test_jackknife_is_leaving_out_each_cluster(per_cluster: int) -> None:
    y, score, g = sample(60)
    pred, group, cluster = score.argmax(axis=1), np.searchsorted(["a", "b", "c"], g), np.arange(60) // per_cluster
    part = Partition.of("site", ["a", "b", "c"], group, cluster, min_n=1)
    family = Classification(y, pred, [str(k) for k in range(4)], metrics=("accuracy",))
    found = Resampler([family], part, cluster, Plan()).jackknife()[0]
    for s in range(4):
        kept = found.weight[:, s] > 0
        ours = np.repeat(found.performance["accuracy"][kept, s], found.weight[kept, s].astype(int))
        inside = np.ones(60, dtype=bool) if s == 3 else group == s
        brute = [
            (y == pred)[inside & (cluster != c)].mean()
            for c in np.unique(cluster[inside])
            if (inside & (cluster != c)).any()
        ]
        assert np.sort(ours) == pytest.approx(np.sort(brute))
