from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from everygroup.audit.flags import Flag
from everygroup.report import MAX_BYTES, write_report
from everygroup.report.blocks import FULL, LEAN
from everygroup.report.cells import intersections
from everygroup.report.criteria import criteria, sources
from everygroup.report.curves import curves
from everygroup.report.gaps import gaps, tradeoff
from everygroup.report.notes import method_notes
from everygroup.report.reading import Reading

from .synthetic import FullAudit, full_audit
from .test_report import Page


def reading(audit: FullAudit | None = None, *others: FullAudit, **question: Any) -> Reading:
    return Reading.of([*others, audit or full_audit()], question)


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "report.html"
    return write_report(path, title="Audit", question={"cohort": "made up"}, audit=full_audit())


def test_every_part_in_the_order_asked_for(page_path: Path) -> None:
    page = Page(page_path)
    assert [a["id"] for a in page.all("section")] == [
        *("answer", "groups", "changes", "cells", "intersections", "gaps", "tradeoff", "curves", "criteria"),
        *("sources", "heed", "asked", "method", "limits", "downloads"),
    ]
    assert page_path.stat().st_size < MAX_BYTES / 2
    assert "fair model" not in page.text.lower()


def test_the_first_screen_and_the_table_of_gaps_tell_one_p(page_path: Path) -> None:
    text = Page(page_path).text
    assert "unlikely to be chance (p = 0.004)" in text
    assert "reduces the measured gap; no group's point estimate got better (by 0.050" in text


def test_one_figure_a_question(page_path: Path) -> None:
    page = Page(page_path)
    wide = [a for a in page.all("div") if "drawing" in str(a.get("class")) and "narrow" not in str(a.get("class"))]
    assert len(wide) == 9  # brief, groups, changes, cells, intersections, gaps, tradeoff; ROC and calibration


def test_downloads_hold_the_points_of_the_curves(page_path: Path) -> None:
    page = Page(page_path)
    link = next(a for a in page.all("a") if a.get("download") == "roc-melanoma-by-sex.csv")
    rows = list(csv.DictReader(io.StringIO(unquote(str(link["href"]).split(",", 1)[1]))))
    assert {row["group"] for row in rows} == {"female", "male"}
    assert all(0 <= float(row["y"]) <= 1 for row in rows)
    names = [a["download"] for a in page.all("a") if "download" in a]
    assert {"model-card.md", "groups.tex", "groups.md", "gaps.tex", "measurements.csv", "intersections.csv"} <= set(
        names
    )


def test_intersections_come_smallest_first_and_are_corrected() -> None:
    section = intersections(reading(), FULL)
    assert section is not None
    behind = section.figures[0].table
    assert behind is not None
    n = [int(row[2]) for row in behind.rows]
    assert n == sorted(n) and n[0] == 40
    assert behind.header[4] == "shrunken value" and behind.rows[0][4] == "0.675"
    assert section.intro[1] == "1 of 6 differ from the others after correction: female, under 40 (n = 40)."
    audit = full_audit()
    audit.intersections["p_adjusted"] = np.nan
    audit.intersections.loc[audit.intersections["n"] == 40, ["value", "low", "high"]] = np.nan
    section = intersections(reading(audit), FULL)
    assert section is not None and "No subgroup's F1 (macro) differs" in section.intro[1]
    assert "Drawn are the 5 smallest of 6" in section.intro[2]


def test_intersections_of_another_metric_and_none_defined() -> None:
    audit = full_audit()
    audit.intersections = audit.intersections[audit.intersections["metric"] == "accuracy"].assign(value=np.nan)
    section = intersections(reading(audit), FULL)
    assert section is not None and not section.figures and len(section.tables) == 1 and not section.more


def test_criteria_are_told_apart_by_verdict() -> None:
    section = criteria(reading(), FULL)
    assert section is not None
    assert section.intro[1] == (
        "Over sex – within the interval: equalised odds; violated: demographic parity; undecided: predictive parity."
    )
    assert "Chouldechova 2017" in section.intro[0]
    audit = full_audit()
    audit.criteria["verdict"] = "other"
    section = criteria(reading(audit), FULL)
    assert section is not None and len(section.intro) == 1


def test_sources_stand_side_by_side_until_there_are_many_groups() -> None:
    section = sources(reading(), FULL)
    assert section is not None
    assert section.tables[0].header == ["source", "quantity", "female", "male"]
    assert section.tables[0].rows[0][2] == "0.100 (0.050 to 0.400), n = 300"
    assert dict(section.facts)["label noise"].startswith("labels that the model contradicts")
    many = full_audit(attributes={"site": ("source", *"bcdef")})
    section = sources(reading(many), FULL)
    assert section is not None and section.tables[0].header[:3] == ["source", "quantity", "group"]
    few = sources(reading(full_audit(attributes={"site": ("source", "quantity")})), FULL)
    assert few is not None and few.tables[0].header[2:] == ["source", "quantity"]


def test_tradeoff_takes_the_baseline_from_the_comparison() -> None:
    section = tradeoff(reading(), FULL, "age")
    assert section is not None
    (drawn,) = section.figures
    assert drawn.table is not None and "over age" in drawn.caption
    rows = {(row[0], row[1]): row for row in drawn.table.rows}
    assert rows[("sex", "erm")][3] == "0.170 (no interval)" and rows[("sex", "spare")][3] == "0.120 (0.030 to 0.200)"
    assert rows[("sex", "spare")][4] == "yes"


def test_tradeoff_of_several_audits_and_of_one_alone() -> None:
    section = tradeoff(reading(full_audit(), full_audit("group_model", shift=-0.04)), FULL, "")
    assert section is not None and section.figures[0].table is not None
    assert {row[1] for row in section.figures[0].table.rows} == {"erm", "group_model", "spare"}
    assert tradeoff(reading(full_audit(baseline="")), FULL, "") is None


def test_the_table_behind_the_gaps_says_what_could_have_been_shown() -> None:
    section = gaps(reading(), FULL)
    assert section is not None and section.figures[0].table is not None
    assert "smallest detectable gap" in section.figures[0].table.header


def test_gaps_of_metrics_that_are_not_in_front_only() -> None:
    audit = full_audit(baseline="")
    audit.table = audit.table[
        ~((audit.table["group"] == "gap") & audit.table["metric"].isin(["macro_f1", "eodds_lab"]))
    ]
    section = gaps(reading(audit), LEAN)
    assert section is not None and not section.figures
    assert section.more[0][2][0].rows


def test_curves_are_drawn_of_one_class_over_the_attribute_in_front() -> None:
    section = curves(reading(), FULL, "age")
    assert section is not None
    assert [f.caption for f in section.row] == ["ROC curve (melanoma) by age.", "Calibration (melanoma) by age."]
    assert len(section.links) == FULL.panels and "more curves are left out" in section.intro[1]
    audit = full_audit()
    audit.settings["critical"] = ["nevus"]
    section = curves(reading(audit), FULL, "age")
    assert section is not None and section.row[0].caption == "ROC curve (nevus) by age."
    audit.curves = audit.curves[audit.curves["label"].isin(["", "nevus"])]
    section = curves(reading(audit), FULL, "sex")
    assert section is not None and len(section.intro) == 1
    assert "Risk-coverage curve by age, points" in [link.title for link in section.links]
    audit.curves = audit.curves.assign(kind="unknown")
    assert curves(reading(audit), FULL, "sex") is None


def test_frames_of_the_method_in_front_only() -> None:
    one, two = full_audit(), full_audit("group_model")
    two.criteria["criterion"] = "of another model"
    assert "of another model" not in set(Reading.of([two, one], {}).frame("criteria")["criterion"])
    one.criteria = one.criteria.drop(columns="method")
    assert len(Reading.of([one], {}).frame("criteria")) == 6


def test_method_notes_explain_the_intervals() -> None:
    section = method_notes(reading(), None, FULL)
    assert section is not None and "bias-corrected" in section.intro[0] and section.folded
    audit = full_audit()
    audit.table = audit.table.drop(columns="interval")
    audit.settings = {}
    assert method_notes(reading(audit), None, FULL) is None
    audit.flags = (Flag("note", "Rests on a part."),)
    section = method_notes(reading(audit), None, FULL)
    assert section is not None and section.intro == ["Rests on a part."]


def test_a_large_audit_stays_within_the_limit(tmp_path: Path) -> None:
    groups = {"site": [f"hospital number {i}" for i in range(45)], "age": [f"age {i}" for i in range(5)]}
    audit = full_audit(attributes=groups)
    audit.table = pd.concat([audit.table] * 8)
    path = write_report(tmp_path / "r.html", title="t", question={}, audit=audit)
    assert path.stat().st_size <= MAX_BYTES
    assert "Too large to download from this page" in Page(path).text


def test_a_real_audit_fills_the_page(tmp_path: Path) -> None:
    from everygroup.audit import audit_arrays

    rng = np.random.default_rng(0)
    n = 240
    y = rng.integers(0, 2, n)
    score = np.clip(0.5 + (y - 0.5) * 0.5 + rng.normal(0, 0.25, n), 0.01, 0.99)
    groups = {"sex": rng.choice(["female", "male"], n), "age": rng.choice(["old", "young"], n)}
    found = audit_arrays(y, y_score=np.column_stack([1 - score, score]), sensitive_features=groups, n_boot=30)
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=found))
    parts = {a["id"] for a in page.all("section")}
    assert {"groups", "curves", "cells", "criteria", "gaps"} <= parts
    assert "(empty)" not in page.text
