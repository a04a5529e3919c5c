from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import EverygroupError
from everygroup.figures import (
    calibration_by_group,
    change_against_baseline,
    curves_by_group,
    gaps_against_chance,
    inline_svg,
    intersections_forest,
    metric_by_group,
    pareto_front,
    roc_by_group,
    thinned,
    utility_against_disparity,
)

from .conftest import HOSTILE


def drawn(chart: Any) -> tuple[ET.Element, str]:
    root = ET.fromstring(inline_svg(chart))
    return root, " | ".join(root.itertext())


def curves(kind: str = "roc", n_groups: int = 3, n: int = 300) -> pd.DataFrame:
    x = np.linspace(0, 1, n)
    parts = [
        pd.DataFrame({"x": x, "y": x ** (0.2 * (g + 1)), "low": x * 0.5, "high": 1.0, "n": 100 - g}).assign(
            attribute="age", group=f"group {g}", kind=kind, label="mel"
        )
        for g in range(n_groups)
    ]
    return pd.concat(parts, ignore_index=True)


def subgroups() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attribute": "sex x age",
            "group": ["f, old", "m, old", HOSTILE],
            "metric": "accuracy",
            "value": [0.4, 0.6, np.nan],
            "low": [0.1, 0.5, np.nan],
            "high": [0.7, 0.7, np.nan],
            "n": [9, 40, 0],
            "shrunken": [0.55, 0.6, np.nan],
        }
    )


def gaps() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attribute": ["sex", "age"],
            "metric": "F1 (macro)",
            "value": [0.1, 0.2],
            "low": [0.0, 0.1],
            "high": [0.2, 0.3],
            "chance": [0.05, np.nan],
            "detectable": 0.15,
        }
    )


def test_roc_names_groups_with_their_counts() -> None:
    _, text = drawn(roc_by_group(curves()))
    assert "group 0 (n = 100)" in text and "age · mel" in text
    assert "false positive rate" in text and "true positive rate" in text


def test_only_the_seven_largest_groups_are_drawn() -> None:
    _, text = drawn(roc_by_group(curves(n_groups=9).drop(columns=["attribute", "label"])))
    assert "group 6 (n = 94)" in text and "group 7" not in text


def test_calibration_says_every_point() -> None:
    root, text = drawn(calibration_by_group(curves("calibration", n=5)))
    titles = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "group 0 (n = 500): 0.87 at 0.50" in titles
    assert "observed share" in text


def test_calibration_of_many_groups_has_a_panel_for_each() -> None:
    few, many = (drawn(calibration_by_group(curves("calibration", n_groups=g, n=5)))[1] for g in (4, 5))
    assert few.count("| observed share") == 1 and "age · mel" in few
    assert many.count("| observed share") == 5 and "group 4 (n = 480)" in many and "age · mel" not in many


@pytest.mark.parametrize("kind", ["precision_recall", "risk_coverage"])
def test_other_curves(kind: str) -> None:
    assert "group 2" in drawn(curves_by_group(curves(kind), kind))[1]


def test_curves_without_counts() -> None:
    _, text = drawn(roc_by_group(curves().drop(columns="n")))
    assert "group 0" in text and "n =" not in text


def test_curves_keep_their_ends_and_shape_when_thinned() -> None:
    curve = curves(n_groups=1, n=5000)
    few = thinned(curve, 40)
    assert len(few) <= 42
    assert few["x"].iloc[[0, -1]].tolist() == [0.0, 1.0]
    assert np.abs(np.interp(curve["x"], few["x"], few["y"]) - curve["y"]).max() < 0.05
    assert thinned(few, 100) is few


@pytest.mark.parametrize("narrow", [False, True])
def test_intersections_show_counts_and_shrunken_values(narrow: bool) -> None:
    root, text = drawn(intersections_forest(subgroups(), "accuracy", narrow=narrow))
    titles = " ".join(t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title"))
    assert "f, old (n = 9)" in " ".join(text.split()) and "0.400 (0.100 to 0.700)" in text
    assert "undefined" in text and "shrunken 0.550" in titles
    assert float(root.attrib["width"]) < 360 or not narrow
    plain = drawn(intersections_forest(subgroups().drop(columns="shrunken"), "accuracy", narrow=narrow))[1]
    assert "shrunken" not in plain


@pytest.mark.parametrize("narrow", [False, True])
def test_gaps_stand_beside_chance(narrow: bool) -> None:
    root, text = drawn(gaps_against_chance(gaps(), narrow=narrow))
    titles = " ".join(t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title"))
    assert "mean gap when groups are shuffled 0.050" in titles
    assert "smallest gap this n could have shown 0.150" in titles
    assert "95 % of shuffled gaps" not in text  # was not given
    both = pd.concat([gaps().assign(method="erm"), gaps().assign(method="spare")])
    assert "F1 (macro), spare" in drawn(gaps_against_chance(both, narrow=narrow))[1]


def test_narrow_forests_fit_a_phone(audit_rows: pd.DataFrame) -> None:
    for chart in (
        metric_by_group(audit_rows, "macro_f1", narrow=True),
        change_against_baseline(audit_rows, narrow=True),
    ):
        root, text = drawn(chart)
        assert float(root.attrib["width"]) < 360
        assert "0.800 (0.750 to 0.840)" in text.replace("+", "")
        assert text.count("young") >= 1 and "f  (n = 100)" in text


def test_pareto_front_by_hand() -> None:
    utility = [0.9, 0.8, 0.7, 0.9, np.nan]
    disparity = [0.3, 0.1, 0.2, 0.4, 0.0]
    assert pareto_front(utility, disparity).tolist() == [True, True, False, False, False]
    assert pareto_front([0.5, 0.5], [0.1, 0.1]).tolist() == [True, True]  # equal points do not beat each other


points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(points)
def test_everything_off_the_front_is_beaten_by_something_on_it(found: list[tuple[int, int]]) -> None:
    u, d = np.array(found, dtype=float).T
    front = pareto_front(u, d)
    assert front.any()
    for i in np.flatnonzero(~front):
        assert any(u[j] >= u[i] and d[j] <= d[i] for j in np.flatnonzero(front))


@pytest.mark.parametrize("lower", [False, True])
def test_utility_against_disparity(lower: bool) -> None:
    rows = pd.DataFrame({"method": ["erm", HOSTILE], "utility": [0.7, 0.8], "disparity": [0.1, 0.2]})
    rows = rows.assign(attribute="age", utility_low=0.6, utility_high=0.9)
    chart = utility_against_disparity(rows, utility="F1", lower_is_better=lower)
    root, text = drawn(chart)
    titles = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "erm: F1 0.700 (0.600 to 0.900), gap 0.100 (no interval)" in titles
    assert ("less is better" in text) and ("more is better" in text) != lower


@pytest.mark.parametrize(
    "draw",
    [
        roc_by_group,
        lambda t: intersections_forest(t, "accuracy"),
        gaps_against_chance,
        utility_against_disparity,
    ],
)
def test_tables_that_do_not_fit_raise_with_a_fix(draw: Callable[[pd.DataFrame], object]) -> None:
    with pytest.raises(EverygroupError, match="lacks the column") as error:
        draw(pd.DataFrame({"other": [1]}))
    assert error.value.fix


def test_curves_of_another_kind_raise() -> None:
    with pytest.raises(EverygroupError, match="no rows"):
        calibration_by_group(curves("roc"))
