"""Gaps within levels of a variable and at one mix of them; groups against a named one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import everygroup
from everygroup.errors import SettingsError


def table(n: int = 3000, *, by_site: bool, seed: int = 1) -> pd.DataFrame:
    """Two classes; errors hang on the site, where most Black patients are seen at site B, or on the group itself."""
    rng = np.random.default_rng(seed)
    race = rng.choice(["White", "Black", "Asian"], n, p=[0.6, 0.25, 0.15])
    site = np.where(rng.random(n) < np.where(race == "Black", 0.8, 0.2), "B", "A")
    y = (rng.random(n) < 0.4).astype(int)
    worse = site == "B" if by_site else race == "Black"
    right = rng.random(n) < np.where(worse, 0.7, 0.92)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "y_true": y,
            "y_pred": np.where(right, y, 1 - y),
            "race": race,
            "site": site,
            "severity": rng.integers(1, 10, n),
        }
    )


def test_case_mix_is_told_from_service(tmp_path: Path) -> None:
    for by_site, words in (
        (True, ": site may explain it, as what is left"),
        (False, ": site does not explain it, as what"),
    ):
        table(by_site=by_site).to_csv(tmp_path / "p.csv", index=False)
        result = everygroup.audit(tmp_path / "p.csv", groups=["race"], within=["site"], n_boot=200)
        assert [f.metric for f in result.flags if words in f.text] == ["sensitivity"], words
        assert result.table.query("group == 'gap' and metric == 'sensitivity'")["p"].item() < 0.05


def test_standardised_rates_are_those_of_the_formula(tmp_path: Path) -> None:
    rows = table(by_site=True)
    rows.to_csv(tmp_path / "p.csv", index=False)
    result = everygroup.audit(tmp_path / "p.csv", groups=["race"], within=["site"], n_boot=50)
    sick = rows[rows["y_true"] == 1]
    weight = sick["site"].value_counts(normalize=True)
    rate = sick.pivot_table(index="race", columns="site", values="y_pred", aggfunc="mean")
    expected = (rate * weight).sum(axis=1)
    found = result.strata.query("level == 'standardised' and metric == 'sensitivity'").set_index("group")
    for group in expected.index:
        assert found.loc[group, "value"] == pytest.approx(expected[group], abs=1e-12)
        assert found.loc[group, "low"] < expected[group] < found.loc[group, "high"]
    assert found.loc["gap", "value"] == pytest.approx(np.ptp(expected), abs=1e-12)
    at_b = result.strata.query("level == 'B' and metric == 'sensitivity' and group == 'Black'").iloc[0]
    black = sick[(sick["race"] == "Black") & (sick["site"] == "B")]
    assert at_b["value"] == pytest.approx(black["y_pred"].mean()) and at_b["trials"] == len(black)


def test_variables_are_binned_joined_and_kept_few(tmp_path: Path) -> None:
    table(600, by_site=True).to_csv(tmp_path / "p.csv", index=False)
    options = {"groups": ["race"], "n_boot": 20}
    result = everygroup.audit(tmp_path / "p.csv", within=["site,severity"], bins={"severity": "5"}, **options)
    assert set(result.strata["level"]) == {"A & <=5", "A & >5", "B & <=5", "B & >5", "standardised"}
    with pytest.raises(SettingsError, match="more than 24"):
        everygroup.audit(tmp_path / "p.csv", within=["image_id"], **options)


def test_groups_are_held_against_a_named_one(tmp_path: Path) -> None:
    table(900, by_site=True).to_csv(tmp_path / "p.csv", index=False)
    result = everygroup.audit(tmp_path / "p.csv", groups=["race"], reference=["White"], n_boot=50)
    rows = result.references.query("metric == 'sensitivity'").set_index("group")
    assert set(rows.index) == {"Black", "Asian"} and set(rows["reference"]) == {"White"}
    value = result.value
    for group in rows.index:
        expected = value("race", group, "sensitivity") - value("race", "White", "sensitivity")
        assert rows.loc[group, "difference"] == pytest.approx(expected)
        assert rows.loc[group, "low"] < expected < rows.loc[group, "high"]
    named = everygroup.audit(tmp_path / "p.csv", groups=["race"], reference=["race=White"], n_boot=50)
    pd.testing.assert_frame_equal(named.references, result.references)
    with pytest.raises(SettingsError, match="No group 'Martian'"):
        everygroup.audit(tmp_path / "p.csv", groups=["race"], reference=["Martian"], n_boot=50)
