"""Families of score metrics give the values of the plain metrics, and plug into the engine."""

import numpy as np
import pytest

from everygroup.audit.engine import Plan
from everygroup.audit.measurement import measure
from everygroup.audit.partition import Partition
from everygroup.audit.sources import SUMMED
from everygroup.errors import SettingsError
from everygroup.metrics import metric_info
from everygroup.metrics.scores import RANKED, Ranks, losses
from everygroup.statistics import cluster_index


@pytest.mark.parametrize("n_classes", [2, 3])
def test_measured_values_equal_the_plain_metrics_in_every_group(make, n_classes: int) -> None:
    p = make(n_classes=n_classes)
    names, index = p.attribute("sex")
    cluster = cluster_index(p.units)
    part = Partition.of("sex", names, index, cluster, min_n=10)
    one = ("auc[c1]", "auprc[c0]")
    families = [
        losses(p.y_true, p.y_score, SUMMED),
        Ranks(p.y_true, p.y_score, p.classes, metrics=(*RANKED, *one)),
    ]
    m = measure(families, part, cluster, Plan(n_boot=60), label=p.y_true)
    for name in (*SUMMED, *RANKED, *one):
        options = {"classes": list(p.classes)} if "[" in name else {}
        labels = np.array(p.classes)[p.y_true] if "[" in name else p.y_true
        plain = metric_info(name).function(labels, p.y_score, sensitive_features=p.table["sex"], **options)
        values = m.point.performance[name][0]
        assert values[-1] == pytest.approx(plain.value, abs=1e-6)
        for s, group in enumerate(part.names):
            assert values[s] == pytest.approx(plain.per_group[group], abs=1e-6)
        low, high = m.limits[name]
        assert (low <= high).all() and np.isfinite(low).all()
        assert 0 < m.p[name] <= 1


def test_replicates_of_sums_equal_the_metric_of_the_drawn_rows(make) -> None:
    p = make()
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, (len(p), 4)).astype(np.float64)
    family = losses(p.y_true, p.y_score, SUMMED)
    values = family.values((family.features.T @ weights).T)
    for r in range(4):
        drawn = np.repeat(np.arange(len(p)), weights[:, r].astype(int))
        for name in SUMMED:
            plain = metric_info(name).function(p.y_true[drawn], p.y_score[drawn])
            assert values[name][r] == pytest.approx(plain.value, abs=1e-10)
    assert np.isnan(family.values(np.zeros(19))["ece"])


def test_other_names_are_refused(make) -> None:
    p = make()
    with pytest.raises(SettingsError, match="accuracy"):
        losses(p.y_true, p.y_score, ["accuracy"])
    with pytest.raises(SettingsError, match="brier"):
        Ranks(p.y_true, p.y_score, p.classes, metrics=["brier"])
