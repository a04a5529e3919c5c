"""Small predictions with a known gap."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from everygroup.predictions import Predictions

Make = Callable[..., Predictions]


@pytest.fixture
def make() -> Make:
    """Predictions of 240 samples of 120 patients; group 'old' is answered worse by `gap`."""

    def build(*, gap: float = 0.3, seed: int = 0, n_classes: int = 3, scores: bool = True, **changes) -> Predictions:
        rng = np.random.default_rng(7)
        n = 240
        y = rng.integers(0, n_classes, n)
        unit = np.repeat(np.arange(n // 2), 2)
        group = rng.integers(0, 2, n // 2)[unit]
        noise = np.random.default_rng(seed)
        right = noise.random(n) < 0.85 - gap * group
        answer = np.where(right, y, (y + 1 + noise.integers(0, n_classes - 1, n)) % n_classes)
        score = np.full((n, n_classes), 0.4 / n_classes) + 0.6 * np.eye(n_classes)[answer]
        score = 0.9 * score + 0.1 * noise.dirichlet(np.ones(n_classes), n)
        options = {
            "classes": [f"c{k}" for k in range(n_classes)],
            "group": group,
            "groups": ["young", "old"],
            "sensitive_features": {"sex": rng.choice(["f", "m"], n // 2)[unit]},
            "units": unit,
            "model": "erm",
            "split": "test",
        } | changes
        if scores:
            return Predictions.from_arrays(y, score, **options)
        return Predictions.from_arrays(y, y_pred=answer, **options)

    return build


@pytest.fixture
def changed() -> Callable[[Predictions, str, object], Predictions]:
    """The same predictions with another column."""

    def build(p: Predictions, column: str, values: object) -> Predictions:
        return replace(p, table=p.table.assign(**{column: values}))

    return build
