"""The parts of the page over time, over versions, within levels, against one group; and labels one by one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import everygroup
from everygroup.audit import Audit
from everygroup.audit.verdicts import verdicts
from everygroup.figures import metric_over_time
from everygroup.report import write_brief, write_report
from everygroup.report.blocks import FULL
from everygroup.report.labels import labels_table

from ..audit.made_up import MadeUp


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Two classes over a year in two versions: from August on women are missed; Black patients come with mild cases."""
    folder, rng, n = tmp_path_factory.mktemp("beside"), np.random.default_rng(0), 1600
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
    sex, race, y = rng.choice(["f", "m"], n), rng.choice(["White", "Black"], n), rng.integers(0, 2, n)
    mild = rng.random(n) < np.where(race == "Black", 0.8, 0.2)
    late = (day >= pd.Timestamp("2025-08-01")) & (sex == "f") & (y == 1)
    share = np.where(mild, 0.7, 0.95) - np.where(late, 0.4, 0.0)
    rows = {"image_id": [f"i{k}" for k in range(n)], "y_true": y, "sex": sex, "race": race}
    rows |= {"severity": np.where(mild, "mild", "severe"), "study_date": day.strftime("%Y-%m-%d")}
    for name, worse in (("v1.csv", 0.25), ("v2.csv", 0.12), ("p.csv", 0.0)):
        right = rng.random(n) < share - worse
        pd.DataFrame(rows | {"y_pred": np.where(right, y, 1 - y)}).to_csv(folder / name, index=False)
    more = {"time": "study_date", "within": ["severity"], "reference": ["White"], "n_boot": 60}
    baseline = [folder / "v1.csv", folder / "v2.csv"]
    return everygroup.audit(folder / "p.csv", groups=["sex", "race"], baseline=baseline, **more)


def page(result: Audit, path: Path, *, brief: bool = False) -> str:
    write = write_brief if brief else write_report
    return write(path, title="t", question={}, audit=result).read_text(encoding="utf-8")


def section(text: str, name: str) -> str:
    return text.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def test_brief_terminal_and_flags_say_one_thing(result: Audit, tmp_path: Path) -> None:
    further = verdicts(result).further
    assert all((further.time, further.mix, further.versions))
    plain = page(result, tmp_path / "b.html", brief=True).replace("\u00a0", " ")
    for line in further.lines:
        assert plain.count(line) == 1, line
    assert "Since August 2025, missed cases rose from " in further.time
    assert "severity may explain it" in further.mix and further.mix in {str(f) for f in result.flags}
    assert further.mix in result.summary() and further.time in result.summary()
    assert plain.count("Since August 2025") == 1  # not again among the warnings


def test_over_time_has_one_drawing_with_the_change_marked(result: Audit, tmp_path: Path) -> None:
    text = section(page(result, tmp_path / "r.html"), "time")
    assert text.count("<figure>") == 1 and "since when a group" in text
    assert text.count('stroke-dasharray="5,4"') >= 1
    assert "2025-08" in text and "Since August 2025" in text


def test_versions_stand_in_order_with_their_intervals(result: Audit, tmp_path: Path) -> None:
    text = section(page(result, tmp_path / "r.html"), "versions")
    assert text.count("<figure>") == 1
    legend = re.findall(r">(v1\.csv|v2\.csv|this)</text>", text)
    assert legend[:3] == ["v1.csv", "v2.csv", "this"]


def test_strata_hold_the_counts_of_every_level_and_both_gaps(result: Audit, tmp_path: Path) -> None:
    text = section(page(result, tmp_path / "r.html"), "strata")
    rows = result.strata.query("metric == 'sensitivity' and attribute == 'race' and group == 'Black'").set_index(
        "level"
    )
    for level in ("mild", "severe"):
        one = rows.loc[level]
        assert f"({one['trials'] - one['successes']} of {one['trials']})" in text
    for level, frame in (
        ("all together", result.table),
        ("at one mix", result.strata.query("level == 'standardised'")),
    ):
        gap = frame.query("metric == 'sensitivity' and attribute == 'race' and group == 'gap'")["value"].item()
        assert re.search(rf">{level}<.*?>{100 * gap:.0f} \(", text, re.DOTALL), level


def test_the_reference_is_named_with_every_difference(result: Audit, tmp_path: Path) -> None:
    text = section(page(result, tmp_path / "r.html"), "reference")
    row = result.references.query("metric == 'sensitivity'").iloc[0]
    assert "race: White" in text and f"{row['difference']:+.3f}".replace("-", "−") in text


def test_nothing_stands_where_the_frames_are_empty(result: Audit, tmp_path: Path) -> None:
    empty = {name: getattr(result, name).iloc[:0] for name in ("series", "strata", "references")}
    settings = {k: v for k, v in result.settings.items() if k not in ("changes", "case_mix")}
    bare = Audit(result.table, result.comparison, result.cells, (), settings, **empty)
    text = page(bare, tmp_path / "r.html")
    for name in ("time", "versions", "strata", "reference"):
        assert f'id="{name}"' not in text
    assert verdicts(bare).further.lines == ()


def test_many_groups_get_a_panel_each_and_seven_at_most() -> None:
    made = [
        {"attribute": "site", "group": f"g{g}", "period": f"2025-{m:02d}", "order": m, "n": 10 + g}
        | {"value": 0.5, "low": 0.4, "high": None if m == 2 else 0.6}
        for g in range(9)
        for m in range(1, 4)
    ]
    chart = metric_over_time(pd.DataFrame(made), "Sensitivity", {("site", "g8"): "2025-02"}).to_dict()
    titles = [panel["title"] for panel in chart["concat"]]
    assert titles == [f"site · g{g}" for g in range(2, 9)]
    dashed = [p["title"] for p in chart["concat"] if any("strokeDash" in one["mark"] for one in p["layer"])]
    assert dashed == ["site · g8"]


def test_labels_stand_one_by_one_with_the_worst_group_and_the_best() -> None:
    audit = MadeUp({"headline": "label_macro_f1", "labels": ["edema", "mass"], "task": "multilabel"})
    audit.rates("sex", "recall[edema]", {"f": (60, 100), "m": (90, 100)}, p=0.001)
    audit.rates("sex", "recall[mass]", {"f": (40, 50), "m": (45, 60)}, p=0.6)
    audit.rates("sex", "specificity[edema]", {"f": (190, 200), "m": (150, 200)}, p=0.0001)
    made = labels_table(audit, "sex", FULL)
    assert made is not None and made.header == ["label", "missed, of 100 with it", "false alarms, of 100 without"]
    assert made.rows == [
        ["edema", "f 40 (40 of 100), m 10 (10 of 100); p = 0.001", "m 25 (50 of 200), f 5 (10 of 200); p < 0.001"],
        ["mass", "m 25 (15 of 60), f 20 (10 of 50); p = 0.600", "–"],
    ]
    assert labels_table(MadeUp().rates("sex", "sensitivity", {"f": (1, 2), "m": (2, 2)}), "sex", FULL) is None
