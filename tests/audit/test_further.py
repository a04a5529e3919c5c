"""Sentences beside the gaps: since when a rate changed, what a mix explains, from version to version."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd
import pytest

from everygroup.audit.further import Changed, Mixed, period_words
from everygroup.audit.verdicts import verdicts

from .made_up import TWO_CLASSES, MadeUp

WOMEN = Changed("sex", "women", "sensitivity", "2025-08", 0.91, 0.54, 132, 50, 0.002)
MEN = Changed("sex", "men", "sensitivity", "2025-09", 0.90, 0.80, 200, 90, 0.03)
BETTER = Changed("race", "Black", "sensitivity", "2025-Q2", 0.5, 0.9, 40, 50, 0.001)


def mixed(crude_p: float, p: float, **other: Any) -> Mixed:
    numbers = {"crude": 0.18, "crude_low": 0.05, "value": 0.04, "low": 0.0, "high": 0.09, "covered": 1.0}
    return Mixed("race", "sensitivity", "site", crude_p=crude_p, p=p, **(numbers | other))


def test_a_change_is_told_in_frequencies_with_counts() -> None:
    assert WOMEN.sentence(TWO_CLASSES) == (
        "Since August 2025, missed cases rose from 9 to 46 of 100 in women (12 of 132 before, 23 of 50 since; p = "
        "0.002)."
    )
    assert WOMEN.worse and not BETTER.worse and "fell from 50 to 10 of 100" in BETTER.sentence(TWO_CLASSES)


def test_the_class_is_named_where_there_are_several() -> None:
    found = Changed("sex", "men", "recall[melanoma]", "2025", 0.9, 0.5, 30, 30, 0.01)
    assert "missed cases (recall of melanoma) rose from 10 to 50 of 100" in found.sentence({})


@pytest.mark.parametrize(
    ("crude_p", "p", "words"),
    [
        (0.01, 0.3, "site may explain it, as what is left of it cannot be told apart from chance (p = 0.300)"),
        (0.01, 0.01, "site does not explain it, as what is left of it is unlikely to be chance (p = 0.010)"),
        (0.3, 0.01, "at one mix of site it is unlikely to be chance (p = 0.010), as it is not"),
        (0.3, 0.4, "neither can be told apart from chance (p = 0.300 and p = 0.400)"),
        (0.01, float("nan"), "whether what is left of it is chance could not be tested"),
    ],
)
def test_what_a_mix_explains_follows_the_two_p(crude_p: float, p: float, words: str) -> None:
    low = float("nan") if p != p else 0.0
    found = mixed(crude_p, p, low=low)
    assert found.sentence(TWO_CLASSES).endswith(f": {words}.")
    assert found.explained == (words.startswith("site may"))
    assert "the gap in missed cases is 18 of 100 as it is, and 4 of 100" in found.sentence(TWO_CLASSES)


def test_cases_in_levels_without_a_group_are_told() -> None:
    assert "over 62% of the cases (elsewhere a group has none)" in mixed(0.01, 0.3, covered=0.62).sentence(TWO_CLASSES)


def test_the_gravest_change_leads_and_the_others_follow() -> None:
    audit = MadeUp().rates("sex", "sensitivity", {"women": (60, 100), "men": (85, 100)}, p=0.01)
    audit.settings |= {"changes": [asdict(c) for c in (BETTER, MEN, WOMEN)], "case_mix": [asdict(mixed(0.01, 0.3))]}
    said = verdicts(audit).further
    assert said.time.startswith("Since August 2025") and said.time.endswith(
        "Worse since September 2025, too: men. Better since quarter 2 of 2025, too: Black patients."
    )
    assert {c.sentence(audit.settings) for c in (WOMEN, MEN, BETTER)} < said.told and said.mix in said.told
    assert said.lines == (said.time, said.mix)


def versions(values: dict[str, list[float]]) -> list[dict[str, Any]]:
    common = {"over": "version", "attribute": "sex", "metric": "sensitivity", "n": 100, "note": ""}
    return [
        common | {"order": i, "period": name, "group": group, "value": value}
        for group, each in values.items()
        for i, (name, value) in enumerate(zip(["v1", "v2", "this"], each, strict=True))
    ]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ((0.7, 0.95), "missed cases clearly improved in both groups."),
        ((0.3, 0.5), "missed cases clearly got worse in both groups."),
        ((0.6, 0.5), "0 of 2 groups clearly improved, 1 clearly got worse."),
        ((0.6, 0.9), "no change is clear in any group."),
    ],
)
def test_versions_are_told_one_after_another(now: tuple[float, float], words: str) -> None:
    audit = MadeUp().rates("sex", "sensitivity", {"women": (60, 100), "men": (85, 100)}, p=0.01)
    audit.versions = versions({"women": [0.5, 0.6, now[0]], "men": [0.8, 0.9, now[1]], "gap": [0.3, 0.3, 0.2]})
    audit.change("sex", "sensitivity", {"women": (0.6, now[0]), "men": (0.9, now[1])})
    line = verdicts(audit).further.versions
    assert line.startswith("Missed cases over v1, v2 and this version: 50, 40 and ")
    assert f"{round(100 - 100 * now[0])} of 100 in women; 20, 10 and " in line and line.endswith(words)
    assert audit.settings["headline"] == "sensitivity" and isinstance(audit.series, pd.DataFrame)


def test_periods_in_words() -> None:
    assert [period_words(p) for p in ("2025-08", "2025-Q3", "2025-W07", "2025")] == [
        "August 2025", "quarter 3 of 2025", "week 7 of 2025", "2025",
    ]  # fmt: skip
