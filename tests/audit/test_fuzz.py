"""Whatever the arrays hold, an audit gives numbers, says why there are none, or raises one of our own errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everygroup.audit import audit_arrays
from everygroup.errors import EverygroupError
from everygroup.predictions import Predictions


@st.composite
def samples(draw: st.DrawFn) -> dict[str, Any]:
    n = draw(st.integers(1, 40))
    k = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_groups = draw(st.integers(1, 5))
    group = rng.choice([f"g{i}" for i in range(n_groups)] + [None], n)
    given: dict[str, Any] = {
        "y_true": rng.integers(-1, k, n),
        "y_pred": rng.integers(0, k, n),
        "sensitive_features": {"a": group, "<script>": rng.choice(["=x", "gap", "overall", "missing"], n)},
        "cluster": rng.integers(0, max(1, n // draw(st.integers(1, 4))), n),
    }
    if draw(st.booleans()):
        score = rng.dirichlet(np.full(k, draw(st.sampled_from([0.01, 1.0, 50.0]))), n)
        given["y_score"] = score.round(draw(st.integers(0, 3))) if draw(st.booleans()) else score
        if draw(st.booleans()):
            del given["y_pred"]
    return given


def arrays(y: np.ndarray, given: dict[str, Any]) -> Predictions:
    """Another model's answers for the same samples: the first's in reverse."""
    swapped = {k: v[::-1] if k in ("y_pred", "y_score") else v for k, v in given.items()}
    cluster, score = swapped.pop("cluster"), swapped.pop("y_score", None)
    return Predictions.from_arrays(y, score, units=cluster, **swapped)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(samples(), st.sampled_from([1, 5]), st.sampled_from(["auto", "percentile"]), st.integers(0, 2), st.booleans())
def test_any_arrays(given: dict[str, Any], min_n: int, interval: Any, order: int, compared: bool) -> None:
    y = given.pop("y_true")
    options = {"n_boot": 8, "min_n": min_n, "metrics": "all", "interval": interval, "intersections": order, "seed": 1}
    try:
        if compared:
            options["baseline"] = arrays(y, given)
        result = audit_arrays(y, **given, **options)
    except EverygroupError as error:
        assert error.message
        return
    table = result.table
    for rows, column in ((table, "value"), (result.criteria, "gap"), (result.sources, "value")):
        silent = rows[rows[column].isna() & (rows["note"] == "")]
        assert silent.empty, silent.head(10).to_string()
    changes = result.comparison
    assert changes[changes["change"].isna() & (changes["note"] == "")].empty
    found = table.dropna(subset=["value", "low", "high"])
    assert (found["low"] <= found["high"] + 1e-9).all()
    assert np.isfinite(found["value"]).all()
    assert result.summary() and result.to_dict()
    if not result.intersections.empty:
        rows = result.intersections
        assert rows[rows["value"].isna() & (rows["note"] == "")].empty
