"""The critical-difference diagram: everything is said and drawn, and nothing crosses."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.errors import EverygroupError
from everygroup.figures import critical_difference_diagram, inline_svg, save
from everygroup.statistics import cliques, critical_difference


def table(ranks: list[float], names: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"method": names or [f"m{i}" for i in range(len(ranks))], "mean_rank": ranks})


def rows_of(chart: object, mark: str) -> list[list[dict[str, object]]]:
    spec = chart.to_dict(validate=False)  # type: ignore[attr-defined]
    return [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"] if layer["mark"]["type"] == mark]


def test_names_ranks_and_the_critical_difference_are_shown(tmp_path: Path) -> None:
    ranks = [3.143, 2.0, 2.893, 1.964]
    cd = critical_difference(4, 14)
    chart = critical_difference_diagram(
        table(ranks, ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]), cd=cd, cliques=cliques(ranks, cd), n=14
    )
    svg = inline_svg(chart)
    text = " | ".join(ET.fromstring(svg).itertext())
    for words in ("C4.5: 3.14", "C4.5+m: 2.00", "C4.5+m+cf: 1.96", "critical difference 1.25", "14 rows", "level 0.05"):
        assert words in text
    assert "C4.5+m+cf 1.96, C4.5+m 2.00" in ET.fromstring(svg).attrib["aria-label"]
    assert "Not told apart: C4.5+m+cf, C4.5+m, C4.5+cf, C4.5" in ET.fromstring(svg).attrib["aria-label"]
    assert save(chart, tmp_path / "cd.png").stat().st_size > 10_000
    assert "NaN" not in svg


def test_lines_to_the_names_never_cross_and_bars_keep_apart() -> None:
    ranks = list(np.random.default_rng(0).uniform(1, 15, 15))
    chart = critical_difference_diagram(table(ranks), cd=3.4, cliques=cliques(ranks, 3.4))
    lines = rows_of(chart, "text")[0] + rows_of(chart, "text")[1]
    assert len(lines) == 15
    for one in lines:
        low, high = sorted((one["x"], one["end"]))  # type: ignore[type-var]
        for other in lines:
            if one is not other and low < other["x"] < high:  # type: ignore[operator]
                assert other["y"] < one["y"]  # type: ignore[operator]  # the other's fall has ended above
    bars = next(rows for rows in rows_of(chart, "rule") if "lane" in rows[0])
    assert len(bars) == len(cliques(ranks, 3.4))
    for one in bars:
        for other in bars:
            if one is not other and one["lane"] == other["lane"]:
                assert one["high"] < other["low"] or other["high"] < one["low"]  # type: ignore[operator]
        assert one["y"] < min(line["y"] for line in lines)  # type: ignore[operator,type-var]


def test_long_hostile_and_equal_names() -> None:
    names = ["<script>alert(1)</script>", "x" * 200 + "1", "x" * 200 + "2", "\u202e\x00"]
    svg = inline_svg(critical_difference_diagram(table([1, 2, 3, 4], names), cd=1.0, cliques=[]))
    text = " | ".join(ET.fromstring(svg).itertext())
    assert "<script>" not in svg and "alert(1)" in text
    assert "(empty): 4.00" in text
    assert len({words for words in text.split(" | ") if words.startswith("xxx")}) >= 2
    assert "All methods are told apart." in svg


def test_an_unknown_critical_difference_has_no_ruler() -> None:
    chart = critical_difference_diagram(table([1.5, 1.5]), cd=float("nan"), cliques=[(0, 1)])
    joined = critical_difference_diagram(table([1.5, 1.5]), cd=1.39, cliques=[(0, 1)])
    assert "critical difference undefined" in inline_svg(chart)
    assert len(rows_of(joined, "rule")) == len(rows_of(chart, "rule")) + 2


def test_what_cannot_be_drawn_is_said() -> None:
    for bad in (table([1.0]), table([1.0, float("nan")])):
        with pytest.raises(EverygroupError, match="two or more methods"):
            critical_difference_diagram(bad, cd=1.0, cliques=[])
    with pytest.raises(EverygroupError, match="mean_rank"):
        critical_difference_diagram(pd.DataFrame({"method": ["a"]}), cd=1.0, cliques=[])
