"""Series over time and versions, and the search for a change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import everygroup
from everygroup.audit.series import Periods, largest_change
from everygroup.audit.verdicts import verdicts
from everygroup.errors import PredictionsError


def cohort(n: int = 1200, *, fall: float = 0.4, seed: int = 0) -> pd.DataFrame:
    """Two classes over a year; from August on the sensitivity of women falls."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
    sex, y = rng.choice(["f", "m"], n), rng.integers(0, 2, n)
    right = rng.random(n) < np.where((day >= pd.Timestamp("2025-08-01")) & (sex == "f") & (y == 1), 0.9 - fall, 0.9)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "y_true": y,
            "y_pred": np.where(right, y, 1 - y),
            "sex": sex,
            "study_date": day.strftime("%d.%m.%Y"),
        }
    )


def test_periods() -> None:
    days = pd.Series(["2025-01-31", "31.12.2024", None, "20250201"])
    assert Periods.of(days, "day", "month").names == ("2024-12", "2025-01", "2025-02")
    assert Periods.of(days, "day", "quarter").index.tolist() == [1, 0, -1, 1]
    assert Periods.of(days, "day", "week").names == ("2025-W01", "2025-W05")
    assert Periods.of(days, "day", "year").names == ("2024", "2025")
    with pytest.raises(PredictionsError, match="1 of 2 values of 'day' are no dates, the first 'soon'"):
        Periods.of(pd.Series(["2025-01-31", "soon"]), "day", "month")


def test_a_fall_of_one_group_is_found_with_its_date(tmp_path: Path) -> None:
    cohort().to_csv(tmp_path / "p.csv", index=False)
    result = everygroup.audit(tmp_path / "p.csv", groups=["sex"], time="study_date", every="month", n_boot=50)
    told = [f for f in result.flags if f.text.startswith("Since August 2025, missed cases rose from ")]
    assert [(f.attribute, f.metric) for f in told] == [("sex", "sensitivity")] and "in the group f (sex)" in told[
        0
    ].text
    sick = cohort().query("sex == 'f' and y_true == 1")
    late = sick["study_date"].str.slice(3, 5).astype(int) >= 8
    missed = [(sick.loc[part, "y_pred"] == 0) for part in (~late, late)]
    counts = [f"{part.sum()} of {len(part)}" for part in missed]
    assert f"({counts[0]} before, {counts[1]} since; p = " in told[0].text
    (found,) = result.settings["changes"]
    assert (found["group"], found["since"], found["n_after"]) == ("f", "2025-08", len(missed[1]))
    rows = result.series[(result.series["metric"] == "sensitivity") & (result.series["group"] == "f")]
    assert rows["period"].tolist() == [f"2025-{m:02d}" for m in range(1, 13)] and set(rows["over"]) == {"time"}
    by_hand = cohort().query("sex == 'f' and y_true == 1 and study_date.str.contains('.03.2025')")
    march = rows[rows["period"] == "2025-03"].iloc[0]
    assert march["value"] == pytest.approx((by_hand["y_pred"] == 1).mean()) and march["trials"] == len(by_hand)
    assert march["low"] < march["value"] <= march["high"]


def test_without_a_change_one_is_found_in_five_per_cent() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for seed in range(120):
        period, unit = rng.integers(0, 8, 200), np.arange(200) // 2
        skill = np.repeat(rng.beta(4, 1, 100), 2)  # patients differ, their images resemble each other
        right = (rng.random(200) < skill).astype(float)
        change = largest_change(right, np.ones(200), period[unit * 2], unit, seed=seed, shuffles=199)
        found += change is not None and change.p <= 0.05
    assert found <= 13  # 6 expected; 13 or more in 1 of 200 tries


def test_several_baselines_are_a_series_and_the_last_is_compared(tmp_path: Path) -> None:
    new = cohort(300)
    new.to_csv(tmp_path / "new.csv", index=False)
    for name, share in (("v1.csv", 0.4), ("v2.csv", 0.2)):
        wrong = np.random.default_rng(1).random(len(new)) < share
        old = new.assign(y_pred=np.where(wrong, 1 - new["y_pred"], new["y_pred"])).drop(columns=["sex", "study_date"])
        old.sample(frac=1, random_state=0).to_csv(tmp_path / name, index=False)
    files = [tmp_path / "v1.csv", tmp_path / "v2.csv"]
    result = everygroup.audit(tmp_path / "new.csv", groups=["sex"], baseline=files, n_boot=50)
    rows = result.series.query("metric == 'accuracy' and group == 'overall'")
    assert rows["period"].tolist() == ["v1.csv", "v2.csv", "this"] and rows["value"].is_monotonic_increasing
    alone = everygroup.audit(tmp_path / "new.csv", groups=["sex"], baseline=[files[1]], n_boot=50)
    pd.testing.assert_frame_equal(result.comparison, alone.comparison)
    assert alone.series.empty


def test_without_dates_or_several_baselines_nothing_is_said_of_them(tmp_path: Path) -> None:
    cohort(400).to_csv(tmp_path / "p.csv", index=False)
    result = everygroup.audit(tmp_path / "p.csv", groups=["sex"], n_boot=20)
    assert verdicts(result).further.lines == () and "changes" not in result.settings
