"""One contract over every registered metric."""

import numpy as np
import pytest

from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, metric_info

K = 3


def _data(seed: int, *, perfect: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(K), np.arange(K), rng.integers(0, K, 40)])
    group = np.concatenate([np.zeros(K), np.ones(K), rng.integers(0, 2, 40)]).astype(int)
    score = np.eye(K)[y] if perfect else rng.dirichlet(np.ones(K), y.size)
    return y, score, group


def _measure(name: str, y: np.ndarray, score: np.ndarray, group: np.ndarray):
    info = metric_info(name)
    answer = score if info.requires == "y_score" else score.argmax(axis=1)
    return info.function(y, answer, sensitive_features=group, classes=list(range(K)))


@pytest.mark.parametrize("name", list_metrics())
def test_contract(name: str) -> None:
    info = metric_info(name)
    assert info.name == name and info.title and info.source
    for seed in range(4):
        y, score, group = _data(seed, perfect=False)
        measured = _measure(name, y, score, group)
        values = [measured.value, *(measured.per_group.values() if info.kind == "performance" else ())]
        assert all(info.low <= v <= info.high for v in values)
        swapped = _measure(name, y, score, 1 - group)
        assert swapped.value == pytest.approx(measured.value)
        assert swapped.per_group[0] == pytest.approx(measured.per_group[1])
        order = np.random.default_rng(seed).permutation(y.size)
        assert _measure(name, y[order], score[order], group[order]).value == pytest.approx(measured.value)
        with_missing = _measure(name, np.append(y, 0), np.vstack([score, score[:1]]), np.append(group, -1))
        assert with_missing.n_missing == 1
        assert dict(with_missing.per_group) == pytest.approx(dict(measured.per_group))
    y, score, group = _data(0, perfect=True)
    assert _measure(name, y, score, group).value == pytest.approx(info.optimum)
    assert info.higher_is_better == (info.optimum == info.high) or info.optimum == 0


@pytest.mark.parametrize("name", [n for n in list_metrics("performance") if n not in ("accuracy", "fpr", "tnr", "npv")])
def test_a_group_without_what_the_metric_needs_is_undefined(name: str) -> None:
    # group 1 has one class, never answered: no AUC, no precision; recall is defined
    y, score = np.array([0, 1, 2, 0]), np.eye(K)[[0, 1, 2, 1]]
    measured = _measure(name, y, score, np.array([0, 0, 0, 1]))
    assert np.isnan(measured.per_group[1]) == (name in ("auc", "macro_precision", "ppv"))
    assert measured.n_undefined > 0 or name == "accuracy"


def test_kinds_and_unknown_names() -> None:
    assert set(list_metrics("gap")) | set(list_metrics("performance")) == set(list_metrics())
    with pytest.raises(SettingsError, match="eopp1_lab"):
        metric_info("eopp1_labb")
    with pytest.raises(SettingsError, match="accuracy"):
        metric_info("zzzz")
