"""Differences, ratios and extremes of every metric."""

from pathlib import Path

import numpy as np
import pytest

from everygroup.errors import SettingsError
from everygroup.metrics import derived

fairlearn = pytest.importorskip("fairlearn.metrics")

STUB = '''"""Generated names of `derived.py`; `tests/metrics/test_derived.py` keeps them in step."""

from typing import Any, Protocol

from numpy.typing import ArrayLike

from everygroup.metrics.info import MetricInfo

class Derived(Protocol):
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike,
        method: str = ...,
        **options: Any,
    ) -> float: ...

FORMS: dict[str, Any]

def derivable() -> list[MetricInfo]: ...

'''


def test_the_stub_names_every_function() -> None:
    """When it fails, write what it expects into the stub."""
    expected = STUB + "".join(f"{name}: Derived\n" for name in derived.__all__)
    assert Path(derived.__file__).with_suffix(".pyi").read_text(encoding="utf-8") == expected
    assert all(callable(getattr(derived, name)) for name in derived.__all__)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("accuracy", "accuracy_score"),
        ("sensitivity", "true_positive_rate"),
        ("specificity", "true_negative_rate"),
        ("fpr", "false_positive_rate"),
        ("fnr", "false_negative_rate"),
        ("selection_rate", "selection_rate"),
        ("balanced_accuracy", "balanced_accuracy_score"),
        ("mae", "mean_absolute_error"),
        ("f1", "f1_score"),
    ],
)
def test_values_are_fairlearns(ours: str, theirs: str) -> None:
    rng = np.random.default_rng(0)
    y, pred, group = rng.integers(0, 2, 300), rng.integers(0, 2, 300), rng.integers(0, 4, 300)
    compared = 0
    for form in derived.FORMS:
        reference = getattr(fairlearn, f"{theirs}_{form}", None)
        if reference is None:
            continue
        for method in derived.FORMS[form]:
            option = {"method": method} if len(derived.FORMS[form]) > 1 else {}
            found = getattr(derived, f"{ours}_{form}")(y, pred, sensitive_features=group, **option)
            assert found == pytest.approx(reference(y, pred, sensitive_features=group, **option), abs=1e-12)
            compared += 1
    assert compared


def test_scores_undefined_groups_and_unknown_methods() -> None:
    y, score, group = [0, 1, 0, 1, 1], [0.1, 0.9, 0.8, 0.3, 0.5], ["a", "a", "b", "b", "b"]
    assert derived.auc_group_min(y, score, sensitive_features=group) == 0.0
    assert derived.auc_difference(y, score, sensitive_features=group) == 1.0
    assert np.isnan(derived.sensitivity_difference([0, 0, 1], [0, 0, 1], sensitive_features=["a", "a", "b"]))
    assert np.isnan(derived.accuracy_ratio([0, 1], [0, 1], sensitive_features=["a", "a"]))
    assert np.isnan(derived.accuracy_group_max([0, 1], [0, 1], sensitive_features=["", ""]))
    with pytest.raises(SettingsError, match="Unknown method 'overall'"):
        derived.auc_ratio(y, score, sensitive_features=group, method="overall")
    assert derived.macro_f1_ratio.__name__ == "macro_f1_ratio" and "`macro_f1`" in (
        derived.macro_f1_ratio.__doc__ or ""
    )
