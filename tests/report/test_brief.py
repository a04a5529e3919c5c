from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from everygroup.audit.flags import Flag
from everygroup.report import write_brief
from everygroup.report.blocks import FULL
from everygroup.report.brief import MOST_CARDS, MOST_UNKNOWN, MOST_WARNINGS, Brief, brief_of

from ..audit.made_up import MadeUp
from .conftest import HOSTILE
from .test_report import Page

RACES = {"Black": (34, 43), "White": (164, 169)}
CLEAR = "Misses 21 of 100 cases of pneumothorax in Black patients (9 of 43), 3 of 100 in White patients (5 of 169)"


def brief(audit: MadeUp, *flags: Flag, **question: Any) -> Brief:
    return brief_of(audit, flags, question, FULL)[0]


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_finding_the_picture_and_the_card_tell_one_p() -> None:
    made = brief(MadeUp().rates("race", "sensitivity", RACES, p=0.034))
    assert plain(made.headline) == f"{CLEAR}; unlikely to be chance (p = 0.034)."
    assert plain(made.cards[0].sentences[0]) == plain(made.headline) and made.cards[0].level == "clear"
    assert made.picture is not None and plain(made.picture.caption).endswith("; unlikely to be chance (p = 0.034).")
    assert "9 of 43" in str(made.picture.svg) and "fares worst" in str(made.picture.svg)
    assert not made.stop


def test_no_line_breaks_within_a_number() -> None:
    made = brief(MadeUp().rates("race", "sensitivity", RACES, p=0.034))
    assert "21\u00a0of\u00a0100" in made.headline and "p\u00a0=\u00a00.034" in made.headline


def test_a_stop_is_the_headline() -> None:
    made = brief(MadeUp().rates("race", "sensitivity", RACES, p=0.034), Flag("stop", "Every answer is 'no'."))
    assert made.stop and made.headline == "Stop: Every answer is 'no'."
    assert plain(made.cards[0].sentences[0]).startswith(CLEAR)


def test_warnings_are_ranked_and_few() -> None:
    audit = MadeUp().rates("sex", "sensitivity", {"f": (80, 100), "m": (80, 100)}, p=0.9)
    audit.rates("race", "sensitivity", RACES, p=0.034)
    flags = [
        Flag("note", "how"),
        Flag("caution", "on sex", "sex"),
        Flag("caution", "on all"),
        Flag("caution", "on race", "race"),
        Flag("stop", "worst"),
    ]
    made = brief(audit, *flags)
    assert [str(flag) for flag in made.warnings] == ["worst", "on race", "on sex"]
    assert len(made.warnings) == MOST_WARNINGS and made.left_out == 1


def test_what_cannot_be_said_is_short_and_ends_with_the_number_of_looks() -> None:
    audit = MadeUp()
    for i in range(8):
        audit.rates(f"a{i}", "sensitivity", {"x": (80, 100), "y": (79, 100)}, p=0.9, detectable=0.2, small={"z": 3})
    made = brief(audit)
    assert len(made.cards) == MOST_CARDS and made.cards[-1].sentences == (
        "No gap can be told apart from chance by a5, a6 and a7.",
    )
    assert len(made.unknown) == MOST_UNKNOWN and made.unknown[-1].startswith("8 gaps were tested")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n": 2845, "n_clusters": 1400}, "2,845 rows of 1,400 patients"),
        ({"n": 60, "n_clusters": 60}, "60 rows"),
    ],
)
def test_what_was_measured(settings: dict[str, int], told: str) -> None:
    audit = MadeUp({"positive": "pneumothorax", **settings}).rates("race", "sensitivity", RACES, p=0.034)
    made = brief(audit, predictions="preds.csv", baseline="none", split_hash="abc", backbone="resnet18")
    assert made.facts == (("predictions", "preds.csv"), ("measured on", told), ("disease is", "pneumothorax"))


def test_a_regression_is_drawn_in_its_unit() -> None:
    audit = MadeUp({"headline": "mae", "unit": {"mae": "years"}}).values(
        "sex", "mae", {"men": 6.83, "women": 3.04}, p=0.001
    )
    made = brief(audit)
    assert plain(made.headline).startswith("Is off by 6.8 years in men (n = 360), 3.0 in women")
    assert made.picture is not None and "6.8 (6.7 to 6.9)" in str(made.picture.svg)


def test_nothing_to_compare_draws_nothing() -> None:
    made = brief(MadeUp().rates("site", "sensitivity", {"A": (3, 5)}, small={"B": 4}))
    assert made.picture is None and made.cards[0].level == "none"


def test_many_groups_show_the_worst_and_the_best() -> None:
    counts = {f"g{i:02d}": (50 + 2 * i, 100) for i in range(20)}
    made = brief(MadeUp().rates("site", "sensitivity", counts, p=0.001))
    assert made.picture is not None and made.picture.table is not None
    names = [row[0] for row in made.picture.table.rows]
    assert names[0] == "g00" and names[-1] == "g19" and len(names) == 12


def test_the_file_stands_alone_and_names_cannot_break_out(tmp_path: Path) -> None:
    audit = MadeUp({"positive": HOSTILE}).rates(
        HOSTILE, "sensitivity", {HOSTILE: (34, 43), "White": (164, 169)}, p=0.034
    )
    audit.flags = (Flag("stop", HOSTILE),)  # type: ignore[attr-defined]
    page = Page(write_brief(tmp_path / "brief.html", title=HOSTILE, question={}, audit=audit))  # type: ignore[arg-type]
    assert len(page.all("section")) == 1 and not page.all("nav")
    assert page.source.count("</script>") == 1 and 'alert("x")' in page.text
    assert "Measured by" in page.text and "Read by a clinician" in page.text and "Decided by" in page.text
    assert not re.search(r"\bnan\b|\bNone\b", page.text)


def test_no_page_speaks_of_a_fair_model(tmp_path: Path) -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.6)
    audit.change("race", "sensitivity", {"Black": (0.7, 0.79), "White": (0.9, 0.97)})
    audit.gap_change("race", "sensitivity", 0.2, 0.18, "improved all")
    audit.flags = ()  # type: ignore[attr-defined]
    page = Page(write_brief(tmp_path / "brief.html", title="t", question={}, audit=audit))  # type: ignore[arg-type]
    assert "reduces the measured gap" in page.text
    assert not re.search(r"\bfair|unbiased|significant", page.text)
