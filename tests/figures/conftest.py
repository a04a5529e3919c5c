"""Small made-up tables, some with names that try to break out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

HOSTILE = '</script><script>alert("x")</script>\' "quoted" & \u202eäöü🙂\x00\x07' + "long " * 40


@pytest.fixture
def audit_rows() -> pd.DataFrame:
    rows = []
    for m, method in enumerate(("erm", "spare")):
        for attribute, groups in (("age", ("young", "old", HOSTILE)), ("sex", ("f", "m"))):
            for g, group in enumerate(groups):
                value = 0.8 - 0.1 * g + 0.02 * m
                rows.append(
                    {"method": method, "attribute": attribute, "group": group, "metric": "macro_f1", "value": value}
                    | {"low": value - 0.05, "high": value + 0.04, "n": 100 + g}
                )
    return pd.DataFrame(rows)


@pytest.fixture
def log() -> pd.DataFrame:
    epochs = np.arange(1, 201)
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "epoch": epochs,
                "train_loss": 1 / epochs,
                "validation_loss": 1.1 / epochs,
                "validation_macro_f1": 1 - 1 / epochs,
                "validation_worst_group_macro_f1": np.where(epochs == 7, np.nan, 0.9 - 1 / epochs),
                "lr": 0.1,
                "selected": epochs == 123,
            }
        )
        for model in ("erm", HOSTILE)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def weights() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    groups = ["young", "old", HOSTILE]
    rows = []
    for target in groups[:2]:
        for i in range(90):
            utility, similarity = rng.gamma(1.5, 0.3), rng.gamma(1.5, 0.5)
            rows.append((target, groups[i % 3], utility, similarity, np.exp(-(utility + similarity) / 2)))
    table = pd.DataFrame(rows, columns=["target_group", "source_group", "utility", "similarity", "weight"])
    table.loc[3, "source_group"] = None
    table.loc[4, "weight"] = np.nan
    return table
