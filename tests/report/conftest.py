"""A small made-up audit, in the shape of everygroup.audit.Audit, with room for hostile names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>\' "quoted" & \u202eäöü🙂\x00' + "long " * 40


@dataclass
class FakeAudit:
    table: pd.DataFrame
    comparison: pd.DataFrame | None = None
    cells: pd.DataFrame | None = None
    flags: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=lambda: {"n_boot": 1000, "min_n": 10})

    def summary(self) -> str:
        return "The audit's own two sentences."


def table(method: str = "spare", *, groups: tuple[str, ...] = ("young", "old"), better: float = 0.0) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for metric in ("accuracy", "macro_f1"):
        common = {"attribute": "age", "metric": metric, "note": "", "p": np.nan, "n": 100, "n_positive": 30}
        for g, group in enumerate((*groups, "missing", "overall")):
            value = 0.8 - 0.1 * min(g, 3) + better
            rows.append(common | {"group": group, "value": value, "low": value - 0.05, "high": value + 0.04})
        gap = {"value": 0.1, "low": 0.02, "high": 0.2}
        rows.append(common | gap | {"group": "gap", "p": 0.0004})
        rows.append(common | gap | {"group": "worst", "note": f"worst group: {groups[-1]}"})
    rows.append(rows[-2] | {"metric": "eodds_lab", "p": 0.2})
    return pd.DataFrame(rows).assign(method=method, data_set="", seed=0)


def comparison(
    change: float = 0.05,
    *,
    groups: tuple[str, ...] = ("young", "old"),
    gap: float = -0.1,
    verdict: str = "improved all",
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for group in (*groups, "overall"):
        rows.append(
            {"group": group, "value": 0.8, "baseline_value": 0.8 - change, "change": change, "note": "", "n": 100}
        )
    rows.append({"group": "gap", "value": 0.1, "baseline_value": 0.1 - gap, "change": gap, "note": verdict, "n": 200})
    frame = pd.DataFrame(rows).assign(metric="macro_f1", attribute="age", method="spare", baseline="erm", p=0.03)
    frame["low"], frame["high"] = frame["change"] - 0.02, frame["change"] + 0.02
    return frame


@pytest.fixture
def make_audit() -> type[FakeAudit]:
    return FakeAudit
