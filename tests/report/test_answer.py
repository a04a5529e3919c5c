from __future__ import annotations

import numpy as np
import pytest

from everygroup.metrics.changes import clear_direction
from everygroup.report.answer import answer
from everygroup.report.reading import Reading, lower_is_better, title_of

from .conftest import FakeAudit, comparison, table


def said(audit: FakeAudit, **question: str) -> str:
    return " ".join(answer(Reading.of([audit], question)))


@pytest.mark.parametrize(
    ("gap", "changes", "verdict", "words"),
    [
        (-0.1, (0.05, 0.05), "improved all", "this method reduces the measured gap; every group improved)"),
        (-0.1, (0.05, 0.01), "improved all", "reduces the measured gap; no group's point estimate got worse)"),
        (-0.01, (0.05, 0.05), "improved all", "no clear change of the gap; no group's point estimate got worse)"),
        (-0.1, (0.05, -0.05), "trade", "this method reduces the measured gap; some groups gained and others lost)"),
        (-0.1, (0.01, -0.05), "trade", "reduces the measured gap; point estimates of some groups got better, of other"),
        (0.1, (0.05, -0.05), "trade", "this method increases the measured gap)"),
        (0.1, (-0.05, -0.05), "levelled down", "this method increases the measured gap)"),
        (0.0, (-0.05, -0.05), "levelled down", "no clear change of the gap)"),
        (-0.1, (-0.05, 0.0), "levelled down", "reduces the measured gap; levelled down: no group gained)"),
        (-0.1, (-0.01, 0.0), "levelled down", "reduces the measured gap; no group's point estimate got better)"),
        (-0.01, (-0.05, 0.0), "levelled down", "no clear change of the gap; no group's point estimate got better)"),
        (-0.1, (0.0, 0.0), "unchanged", "reduces the measured gap; no group's value changed)"),
        (0.01, (0.05, 0.05), "", "no clear change of the gap)"),
    ],
)
def test_gap_verdicts_claim_no_more_than_the_intervals(
    gap: float, changes: tuple[float, float], verdict: str, words: str
) -> None:
    rows = comparison(gap=gap, verdict=verdict)
    for group, change in zip(("young", "old"), changes, strict=True):
        rows.loc[rows["group"] == group, ["change", "low", "high"]] = [change, change - 0.02, change + 0.02]
    assert words in said(FakeAudit(table(), rows))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (0.05, "of 2 groups, 2 improved, 0 got worse and 0 showed"),
        (-0.05, "of 2 groups, 0 improved, 2 got worse"),
        (0.0, "0 got worse and 2 showed no clear change against erm."),
    ],
)
def test_groups_are_counted_by_their_intervals(change: float, words: str) -> None:
    assert words in said(FakeAudit(table(), comparison(change)))


def test_never_claims_more_than_a_measured_gap() -> None:
    text = said(FakeAudit(table(), comparison()))
    assert "fair" not in text and "unbiased" not in text


def test_groups_that_are_too_small_are_not_the_worst() -> None:
    rows = table()
    rows.loc[rows["group"] == "old", "note"] = "n too small"
    assert "among groups with n >= 10, the group with the lowest F1 (macro) is young (age," in said(FakeAudit(rows))


@pytest.mark.parametrize("note", ["n too small", "one patient or lesion"])
def test_groups_that_are_not_compared_do_not_count_as_improved(note: str) -> None:
    changes = comparison(0.05)
    changes.loc[changes["group"] == "old", "note"] = note
    assert "of 1 groups, 1 improved" in said(FakeAudit(table(), changes))


def test_nothing_defined() -> None:
    rows = table()
    rows[["value", "low", "high"]] = np.nan
    assert said(FakeAudit(rows)) == "spare: F1 (macro) cannot be given for any group."


def test_unnamed_model_and_unknown_n() -> None:
    rows = table("").drop(columns="n")
    assert said(FakeAudit(rows)).startswith(
        "With this model, the group with the lowest F1 (macro) is old (age, n unknown)"
    )


def test_metric_and_direction_can_be_chosen() -> None:
    rows = table().replace({"metric": {"accuracy": "fnr"}})
    assert "the highest False negative rate is young" in said(FakeAudit(rows), metric="fnr")
    assert "lowest F1 (macro)" in said(FakeAudit(rows), metric="unknown")


def test_the_first_of_several_methods_is_the_baseline() -> None:
    reading = Reading.of([FakeAudit(table("erm")), FakeAudit(table("spare"))], {})
    assert (reading.baseline, reading.method, reading.methods) == ("erm", "spare", ["erm", "spare"])


def test_direction_and_titles() -> None:
    assert clear_direction(0.1, 0.2) == 1 == clear_direction(-0.2, -0.1, lower=True)
    assert clear_direction(-0.1, 0.1) == 0 == clear_direction(float("nan"), 1.0)
    assert title_of("fate_eopp0_lab") == "FATE over EOpp0 (lab)"
    assert title_of("my_f1") == "my F1" and not lower_is_better("my_f1")


def test_a_metric_without_a_direction_only_rises_or_falls() -> None:
    rate = "selection_rate[melanoma]"
    rates = [f.replace({"metric": {"macro_f1": rate}}) for f in (table(), comparison(0.05))]
    text = " ".join(answer(Reading.of([FakeAudit(rates[0], rates[1])], {"metric": rate})))
    assert "rose" in text and "fell" in text
    assert "improved" not in text and "worse" not in text and "group with the" not in text
