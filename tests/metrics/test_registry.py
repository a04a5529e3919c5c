"""Finding metrics by name."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef, precision_score, roc_auc_score

import everygroup.metrics
from everygroup.errors import SettingsError
from everygroup.metrics import DISPARITIES, RATES, VARIANTS, accuracy, list_metrics, metric_info
from everygroup.metrics.calibration import expected_minus_observed
from everygroup.metrics.performance import ONE_CLASS
from everygroup.metrics.registry import MODULES, _metrics

Y = np.array(["mel", "nv", "nv", "bcc", "mel", "nv"])
ANSWERS = np.array(["mel", "nv", "mel", "nv", "nv", "nv"])
GROUP = np.array(["a", "a", "a", "b", "b", "b"])


def test_kinds_and_unknown_names() -> None:
    assert set(list_metrics("gap")) | set(list_metrics("performance")) == set(list_metrics())
    with pytest.raises(SettingsError, match="eopp1_lab"):
        metric_info("eopp1_labb")
    with pytest.raises(SettingsError, match="everygroup list metrics"):
        metric_info("zzzz")


def test_every_metric_file_is_collected() -> None:
    folder = Path(next(iter(everygroup.metrics.__path__)))
    holding = {p.stem for p in folder.glob("*.py") if "\nMETRICS" in p.read_text(encoding="utf-8")}
    assert holding <= set(MODULES)
    for name in holding:
        assert import_module(f"everygroup.metrics.{name}").METRICS


def test_two_metrics_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everygroup.metrics.registry.MODULES", ("performance", "performance"))
    with pytest.raises(RuntimeError, match="two metrics are named 'accuracy'"):
        _metrics.__wrapped__()


def test_rates_of_one_class() -> None:
    assert {info.name for info in ONE_CLASS} == set(RATES)
    info = metric_info("recall[mel]")
    assert (info.name, info.title, info.higher_is_better, info.null) == ("recall[mel]", "Recall of mel", True, "label")
    measured = info.function(Y, ANSWERS, sensitive_features=GROUP)
    assert measured.value == 0.5 and dict(measured.per_group) == {"a": 1.0, "b": 0.0}
    for rate, expected in (("precision", 0.5), ("specificity", 0.75), ("prevalence", 1 / 3), ("selection_rate", 1 / 3)):
        assert metric_info(f"{rate}[mel]").function(Y, ANSWERS).value == pytest.approx(expected)
    assert metric_info("prevalence[mel]").higher_is_better is None
    assert metric_info("fpr[mel]").optimum == 0.0
    assert metric_info("recall[1]").function([0, 1, 1], [0, 1, 0]).value == 0.5
    assert np.isnan(metric_info("recall[absent]").function(Y, ANSWERS).value)


def test_scores_of_one_class() -> None:
    score = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    info = metric_info("auc[mel]")
    assert info.title == "AUC of mel"
    expected = roc_auc_score(Y == "mel", score[:, 1])
    assert info.function(Y, score, classes=["bcc", "mel", "nv"]).value == pytest.approx(expected)
    assert info.function(Y, score).value == pytest.approx(expected)
    assert metric_info("auc[1]").function([0, 1, 1], [0.2, 0.9, 0.1]).value == 0.5
    expected = score[:, 1].mean() - 1 / 3
    assert metric_info("expected_minus_observed[mel]").function(Y, score).value == pytest.approx(expected)
    assert expected_minus_observed(Y, score, positive="mel").value == pytest.approx(expected)
    with pytest.raises(SettingsError, match="Unknown class 'scc'"):
        metric_info("auc[scc]").function(Y, score)


@pytest.mark.parametrize("name", ["eopp1_lab[mel]", "matthews[mel]", "mae[mel]"])
def test_what_has_no_form_for_one_class_says_so(name: str) -> None:
    with pytest.raises(SettingsError, match="has no form for one class"):
        metric_info(name)


def test_matthews_and_weighted_precision_equal_scikit_learn() -> None:
    y, answer = np.random.default_rng(1).integers(0, 4, (2, 80))
    assert metric_info("matthews").function(y, answer).value == pytest.approx(matthews_corrcoef(y, answer), abs=1e-12)
    weighted = metric_info("weighted_precision").function(y, answer).value
    assert weighted == pytest.approx(precision_score(y, answer, average="weighted"), abs=1e-12)
    assert np.isnan(metric_info("matthews").function([0, 1], [1, 1]).value)
    assert accuracy(y, y).value == 1


def test_every_metric_is_in_the_reference() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    lineage = {f"{name}_{variant}" for name in ("eopp0", "eopp1", "eodds") for variant in VARIANTS}
    assert [name for name in list_metrics() if f"`{name}`" not in page and name not in lineage] == []
    assert [info.name for info in ONE_CLASS if f"`{info.name}[class]`" not in page] == []
    assert [name for name in DISPARITIES if f"`{name}`" not in page] == []
