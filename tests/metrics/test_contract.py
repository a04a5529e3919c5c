"""One contract over every registered metric: range, best value, order of samples and groups, undefined cells."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
import pytest

import everygroup.metrics
from everygroup.metrics import Measured, MetricInfo, list_metrics, metric_info
from everygroup.metrics.registry import MODULES

K, G = 3, 3
AGAINST_EVERYBODY = (
    "pairwise_fairness",
    "xauc",
    "dice_size_adjusted",
    "sub_auroc",
    "fpr_at_tpr",
    "tpr_at_tpr",
    "label_suspect_share",
)
"""Metrics that compare a group with samples outside it, among them those without a group."""
OF_NORMALS = ("normal_score_ks", "normal_score_wasserstein")
"""Metrics that count the normal samples only."""
NO_BEST = ("calibration_slope", "calibration_intercept", "calibration_in_the_large", "entropy_error_auc", "auprc_lift")
NO_BEST += ("prevalence", "selection_rate", "psnr")
"""Undefined for answers that are all certain and right, or with a best value that depends on the prevalence."""
Data = tuple[Any, Any, np.ndarray]
FILE_OF = {info.name: module for module in MODULES for info in import_module(f"everygroup.metrics.{module}").METRICS}
FILE_OF |= {name: "segmentation" for name in FILE_OF if "dice" in name}


def _groups(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.concatenate([np.repeat(np.arange(G), K), rng.integers(0, G, n - G * K)])


def _labels(rng: np.random.Generator, n: int) -> np.ndarray:
    """Every label in every group."""
    return np.concatenate([np.tile(np.arange(K), G), rng.integers(0, K, n - G * K)])


def classification(rng: np.random.Generator, n: int, perfect: bool, score: bool) -> Data:
    y = _labels(rng, n)
    values = np.eye(K)[y] if perfect else rng.dirichlet(np.ones(K), n)
    if not perfect:  # every class is answered in every group
        values[: G * K] = np.eye(K)[np.tile(np.arange(K)[::-1], G)] * 0.4 + 0.2
    return y, values if score else values.argmax(axis=1), _groups(rng, n)


def regression(rng: np.random.Generator, n: int, perfect: bool) -> Data:
    y = rng.normal(50, 10, n)
    return y, y.copy() if perfect else y + rng.normal(1, 5, n), _groups(rng, n)


def segmentation(rng: np.random.Generator, n: int, perfect: bool) -> Data:
    y = rng.random((n, 6, 6)) < rng.uniform(0.2, 0.8, (n, 1, 1))
    y[:, 0, 0], y[:, 0, 1] = True, False
    return y, y.copy() if perfect else y ^ (rng.random((n, 6, 6)) < 0.2), _groups(rng, n)


def reconstruction(rng: np.random.Generator, n: int, perfect: bool) -> Data:
    y = rng.integers(0, 256, (n, 12, 12)).astype(np.uint8)
    return y, y.copy() if perfect else (y // 2).astype(np.uint8), _groups(rng, n)


def two_classes(rng: np.random.Generator, n: int, perfect: bool) -> Data:
    y = (_labels(rng, n) > 0).astype(int)
    return y, y * 0.8 + 0.1 if perfect else rng.random(n), _groups(rng, n)


def several_labels(rng: np.random.Generator, n: int, perfect: bool) -> Data:
    y = np.stack([_labels(rng, n) > 0, _labels(rng, n) == 0], axis=1).astype(int)
    return y, y * 0.8 + 0.1 if perfect else rng.random(y.shape), _groups(rng, n)


def draw(info: MetricInfo, seed: int, *, perfect: bool = False, n: int = 60) -> Data:
    """Data that the metric can be measured on."""
    rng = np.random.default_rng(seed)
    special: dict[str, Callable[[np.random.Generator, int, bool], Data]] = {
        "regression": regression,
        "segmentation": segmentation,
        "surface": segmentation,
        "reconstruction": reconstruction,
        "anomaly": two_classes,
        "multilabel": several_labels,
    }
    if FILE_OF[info.name] in special:
        y, answer, group = special[FILE_OF[info.name]](rng, n, perfect)
        thresholded = FILE_OF[info.name] == "multilabel" and info.name != "label_macro_auc"
        return y, (answer > 0.5).astype(int) if thresholded else answer, group
    return classification(rng, n, perfect, info.requires == "y_score")


def measure(info: MetricInfo, data: Data, **options: Any) -> Measured:
    if FILE_OF[info.name] == "surface":
        options["spacing"] = [1.0, 1.0]
    elif info.name.startswith("normals_"):
        options["normals"] = np.linspace(0, 0.5, 40)
    elif FILE_OF[info.name] not in ("regression", "segmentation", "reconstruction", "anomaly", "multilabel"):
        options["classes"] = list(range(K))
    y, answer, group = data
    return info.function(y, answer, sensitive_features=group, **options)


def same(a: Measured, b: Measured) -> bool:
    return a.value == pytest.approx(b.value, nan_ok=True) and dict(a.per_group) == pytest.approx(
        dict(b.per_group), nan_ok=True
    )


@pytest.mark.parametrize("name", list_metrics())
def test_record(name: str) -> None:
    info = metric_info(name)
    assert info.name == name and info.title and info.source
    # neither more nor less of a prevalence is better
    assert np.isnan(info.optimum) or info.low <= info.optimum <= info.high
    if info.higher_is_better is not None and info.optimum in (info.low, info.high):
        assert info.higher_is_better == (info.optimum == info.high)


@pytest.mark.parametrize("name", list_metrics())
def test_range_and_order_of_samples_and_groups(name: str) -> None:
    info = metric_info(name)
    for seed in range(3):
        data = draw(info, seed)
        measured = measure(info, data)
        values = [measured.value, *(measured.per_group.values() if info.kind == "performance" else ())]
        assert all(info.low <= v <= info.high for v in values), values
        counted = data[2][data[0] == 0] if name in OF_NORMALS else data[2]
        assert measured.n_per_group == {g: int((counted == g).sum()) for g in range(G)}
        order = np.random.default_rng(seed).permutation(len(data[2]))
        assert same(measure(info, tuple(part[order] for part in data)), measured)  # type: ignore[arg-type]
        renamed = measure(info, (data[0], data[1], (data[2] + 1) % G))
        assert renamed.value == pytest.approx(measured.value)
        for g in measured.per_group:
            assert renamed.per_group[(g + 1) % G] == pytest.approx(measured.per_group[g], nan_ok=True)


@pytest.mark.parametrize("name", list_metrics())
def test_missing_groups_never_enter_a_group(name: str) -> None:
    info = metric_info(name)
    y, answer, group = draw(info, 0)
    some = np.array([-1 if i % 7 == 0 and i > G * K else g for i, g in enumerate(group)])
    measured = measure(info, (y, answer, some))
    counted = some[y == 0] if name in OF_NORMALS else some
    assert measured.n_missing == (counted < 0).sum() and set(measured.per_group) <= set(range(G))
    if info.kind == "performance" and name not in AGAINST_EVERYBODY:
        inside = some >= 0
        assert dict(measured.per_group) == pytest.approx(
            dict(measure(info, (y[inside], answer[inside], some[inside])).per_group), nan_ok=True
        )


@pytest.mark.parametrize("name", list_metrics())
def test_best_value(name: str) -> None:
    """A perfect model has the best performance; groups with the same samples have no gap."""
    info = metric_info(name)
    y, answer, _ = draw(info, 0, perfect=True)
    found = []
    for values in (answer, draw(info, 0)[1]):
        twice = tuple(np.concatenate([part, part]) for part in (y, values))
        measured = measure(info, (*twice, np.repeat([0, 1], len(y))))  # type: ignore[arg-type]
        found.append(measured.value)
        if measured.per_group:
            assert measured.per_group[0] == pytest.approx(measured.per_group[1], nan_ok=True)
    if info.kind == "gap":
        assert any(v == pytest.approx(info.optimum, abs=1e-9) for v in found), found
    elif name not in NO_BEST:
        assert found[0] == pytest.approx(info.optimum, abs=1e-9)


def test_an_empty_cell_is_undefined_not_zero() -> None:
    """Group 1 has one class only, which is never answered there: what cannot be measured is NaN, and is counted."""
    y, answer, group = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 1]), np.array([0, 0, 0, 1])
    undefined = {"auc", "macro_precision", "ppv", "matthews"}
    for name in undefined | {"macro_recall", "accuracy"}:
        info = metric_info(name)
        given = np.eye(K)[answer] if info.requires == "y_score" else answer
        measured = measure(info, (y, given, group))
        assert np.isnan(measured.per_group[1]) == (name in undefined), name
    for name in ("equal_opportunity_difference", "eopp1_strict"):
        measured = measure(metric_info(name), (y, answer, group))
        assert measured.n_undefined > 0 and measured.value == 1.0
    for name in list_metrics("gap"):
        info = metric_info(name)
        y_all, values, _ = draw(info, 0)
        assert np.isnan(measure(info, (y_all, values, np.zeros(len(y_all), dtype=int))).value), name


MODULES_WITH_EXAMPLES = [m.name for m in iter_modules(everygroup.metrics.__path__, "everygroup.metrics.")]


@pytest.mark.parametrize("module", MODULES_WITH_EXAMPLES)
def test_examples_run(module: str) -> None:
    result = doctest.testmod(import_module(module))
    assert result.failed == 0
