"""Metrics that are written once."""

import inspect
from types import ModuleType

import numpy as np
import pytest

from everygroup.audit import audit_arrays
from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, macro_f1, metric_info, registry
from everygroup.metrics.classification import count_metrics
from everygroup.metrics.define import of_counts, of_rows
from everygroup.metrics.own import adopt


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch):
    """A module to put metrics in, forgotten afterwards."""
    monkeypatch.setattr(registry, "_own", {})
    yield ModuleType("own")
    monkeypatch.undo()
    registry._metrics.cache_clear()


def test_a_proportion_of_ones_own_has_wilsons_interval(own: ModuleType) -> None:
    @of_counts("Error rate", best="low")
    def error_rate(counts):
        return counts.n[..., 0] - counts.tp.sum(axis=-1), counts.n[..., 0]

    own.error_rate = error_rate
    assert adopt(own) == ["error_rate"] and "error_rate" in list_metrics() and "error_rate" in count_metrics()
    y = np.arange(80) % 3
    pred = np.where(np.arange(80) % 7 == 0, 0, y)
    options = {"y_pred": pred, "sensitive_features": {"site": ["a"] * 40 + ["b"] * 40}, "n_boot": 40}
    found = audit_arrays(y, metrics=["error_rate", "accuracy"], **options).table.set_index(["group", "metric"])
    wrong, right = found.loc[("a", "error_rate")], found.loc[("a", "accuracy")]
    assert wrong["value"] == pytest.approx(1 - right["value"]) and wrong["low"] == pytest.approx(1 - right["high"])
    assert wrong["interval"] == "wilson" and (wrong["successes"], wrong["trials"]) == ((y != pred)[:40].sum(), 40)
    worst = found.loc[("worst", "error_rate"), "note"].removeprefix("worst group: ")
    assert worst == max("ab", key=lambda g: found.loc[(g, "error_rate"), "value"])
    assert "error_rate" in audit_arrays(y, metrics="all", **options).table["metric"].unique()


def test_a_loss_of_ones_own_is_audited(own: ModuleType) -> None:
    @of_rows("Mean probability of the truth", best="high", high=1.0)
    def mean_truth(y_true, y_score):
        return y_score[np.arange(y_true.size), y_true]

    own.mean_truth = mean_truth
    adopt(own)
    rng = np.random.default_rng(0)
    y, score, site = rng.integers(0, 3, 90), rng.dirichlet(np.ones(3), 90), np.array(["a", "b"])[np.arange(90) % 2]
    found = audit_arrays(y, y_score=score, sensitive_features={"site": site}, metrics=["mean_truth"], n_boot=40)
    expected = score[np.arange(90), y][site == "b"].mean()
    assert found.value("site", "b", "mean_truth") == pytest.approx(expected, abs=1e-12)
    assert mean_truth(y, score, sensitive_features=site).per_group["b"] == pytest.approx(expected, abs=1e-12)
    assert found.table["p"].notna().any() and np.isnan(mean_truth(y[:0], score[:0]).value)


def test_a_name_that_is_taken_is_refused(own: ModuleType) -> None:
    assert adopt(own) == []
    own.again = of_counts("Another", name="accuracy")(lambda counts: counts.n[..., 0])
    with pytest.raises(SettingsError, match="called accuracy already"):
        adopt(own)


def test_options_and_words_are_those_of_the_definition() -> None:
    assert list(inspect.signature(macro_f1).parameters)[:4] == ["y_true", "y_pred", "sensitive_features", "classes"]
    assert inspect.signature(macro_f1).parameters["absent"].default == "skip"
    assert macro_f1.__name__ == "macro_f1" and "2 TP" in (macro_f1.__doc__ or "")
    y = [0, 0, 1, 1]
    assert macro_f1(y, y, classes=[0, 1, 2], zero_division=0.0, absent="count").value == pytest.approx(2 / 3)
    assert metric_info("kappa").words == "Cohen's kappa" and metric_info("fpr").words == "false positive rate"
