"""The numbers of the page "one name, many definitions": computed by the libraries, or derived again here."""

from __future__ import annotations

import logging
import re
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup import metrics as eg
from everygroup.metrics import metric_info

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "one-name-many-definitions.md"
Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = ["A"] * 6 + ["B"] * 6
MELANOMA = ([int(v == 0) for v in Y], [int(v == 0) for v in ANSWERS])
CORRECTED = [0 if i == 7 else v for i, v in enumerate(ANSWERS)]
CANDIDATES = [[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]]

Key = tuple[str, str]


def cells(line: str) -> list[str]:
    """Cells of a line of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def section(number: int) -> list[list[str]]:
    """Cells of the rows of a numbered section's table."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no section {number}"
    return [cells(line) for line in found[0].splitlines() if line[:1] == "|"][2:]


def shown(cell: str) -> float:
    return float(cell.replace("−", "-"))


def check(number: int, expected: dict[Key, tuple[float, float]]) -> None:
    """Every row of the page's table is computed here, and nothing else: theirs, then ours."""
    rows = {(row[0], row[1]): (shown(row[4]), shown(row[6])) for row in section(number)}
    assert rows.keys() == expected.keys()
    for key, values in expected.items():
        assert rows[key] == pytest.approx(values, abs=5e-7), key


def rates(answers: list[int], group: str, label: int) -> dict[str, float]:
    """Rates of one class against the rest in one group, by counting."""
    pairs = [(t, a) for t, a, g in zip(Y, answers, GROUP, strict=True) if g == group]
    ill, well = [a for t, a in pairs if t == label], [a for t, a in pairs if t != label]
    return {
        "tpr": ill.count(label) / len(ill),
        "fpr": well.count(label) / len(well),
        "tnr": 1 - well.count(label) / len(well),
        "selected": sum(a == label for _, a in pairs) / len(pairs),
        "right": sum((t == label) == (a == label) for t, a in pairs) / len(pairs),
    }


def differences(name: str, answers: list[int] = ANSWERS) -> list[float]:
    """A minus B for every class."""
    return [rates(answers, "A", k)[name] - rates(answers, "B", k)[name] for k in range(3)]


def ours(name: str, **options: object) -> float:
    """A float function of everygroup on melanoma against the rest, or on all classes."""
    y, answer = MELANOMA if options.pop("binary", True) else (Y, ANSWERS)
    return getattr(eg, name)(y, answer, sensitive_features=GROUP, **options)


def registered(name: str, answers: list[int] = ANSWERS) -> float:
    return metric_info(name).function(Y, answers, sensitive_features=GROUP).value


@pytest.fixture(scope="module")
def fairlearn():
    import fairlearn.metrics as library

    y, answer = MELANOMA
    return lambda name, **options: getattr(library, name)(y, answer, sensitive_features=GROUP, **options)


@pytest.fixture(scope="module")
def aif360():
    """Difference B minus A of AIF360, which speaks of the unprivileged minus the privileged group."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it names the optional packages that it did not find
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from aif360.datasets import BinaryLabelDataset
            from aif360.metrics import ClassificationMetric

            def table(column: list[int]) -> BinaryLabelDataset:
                return BinaryLabelDataset(
                    df=pd.DataFrame({"ill": column, "group": [float(g == "B") for g in GROUP]}).astype(float),
                    label_names=["ill"],
                    protected_attribute_names=["group"],
                    favorable_label=1.0,
                    unfavorable_label=0.0,
                )

            y, answer = MELANOMA
            metric = ClassificationMetric(
                table(y), table(answer), unprivileged_groups=[{"group": 1.0}], privileged_groups=[{"group": 0.0}]
            )
            yield lambda name: float(getattr(metric, name)())
    finally:
        logging.disable(disabled)


def test_the_example_is_that_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"y = {[0, 0, 1, 1, 2, 2]} * 2" in text and f"y_pred = {ANSWERS}" in text
    found = {
        int(row[1]): [shown(c) for c in row[2:]]
        for row in (cells(line) for line in text.splitlines() if line[:3] == "| r")
    }
    for k in range(3):
        a, b = rates(ANSWERS, "A", k), rates(ANSWERS, "B", k)
        assert found[k] == pytest.approx(
            [a["tpr"], b["tpr"], a["fpr"], b["fpr"], a["selected"], b["selected"]], abs=5e-7
        )


def test_equal_opportunity(fairlearn, aif360) -> None:
    d = {name: differences(name) for name in ("tpr", "fpr", "tnr")}
    binary = ours("equal_opportunity_difference")
    check(
        1,
        {
            ("equal opportunity difference", "fairlearn"): (fairlearn("equal_opportunity_difference"), binary),
            ("equal opportunity difference", "AIF360"): (
                aif360("equal_opportunity_difference"),
                -eg.disparity_of("recall[1]", "signed_difference")(*MELANOMA, sensitive_features=GROUP).value,
            ),
            ("EqOpp0", "MEDFAIR, code"): (1 - abs(d["tpr"][0]), binary),
            ("EqOpp1", "MEDFAIR, code"): (
                1 - abs(d["fpr"][0]),
                ours("underdiagnosis_difference", positive=None),
            ),
            ("EO", "FairMedFM, code"): (abs(d["tpr"][0]), binary),
            ("EOpp0", "FairPrune, paper"): (sum(map(abs, d["tnr"])), registered("eopp0_sum")),
            ("EOpp0", "lineage code"): (sum(map(abs, d["tnr"])) / 3, registered("eopp0_lab")),
            ("EOpp1", "FairPrune, paper"): (sum(map(abs, d["tpr"])), registered("eopp1_sum")),
            ("EOpp1", "lineage code"): (sum(map(abs, d["tpr"])) / 3, registered("eopp1_lab")),
            ("EOM", "FairDisCo"): (
                sum(
                    min(x, y) / max(x, y)
                    for x, y in ((rates(ANSWERS, "A", k)["tpr"], rates(ANSWERS, "B", k)["tpr"]) for k in range(3))
                )
                / 3,
                registered("eom"),
            ),
        },
    )


def test_equalized_odds(fairlearn, aif360) -> None:
    tpr, fpr, tnr = (differences(name) for name in ("tpr", "fpr", "tnr"))
    worst, mean = ours("equalized_odds_difference"), ours("equalized_odds_difference", agg="mean")
    signed = [
        eg.disparity_of(f"{rate}[1]", "signed_difference")(*MELANOMA, sensitive_features=GROUP).value
        for rate in ("recall", "fpr")
    ]
    check(
        2,
        {
            ("equalized odds difference", "fairlearn"): (fairlearn("equalized_odds_difference"), worst),
            ("equalized odds difference, mean", "fairlearn"): (
                fairlearn("equalized_odds_difference", agg="mean"),
                mean,
            ),
            ("equalized odds difference", "AIF360"): (aif360("equalized_odds_difference"), worst),
            ("average odds difference", "AIF360"): (aif360("average_odds_difference"), -sum(signed) / 2),
            ("average absolute odds difference", "AIF360"): (aif360("average_abs_odds_difference"), mean),
            ("EqOdd", "MEDFAIR, code"): (1 - (abs(tpr[0]) + abs(fpr[0])) / 2, mean),
            ("EOD", "FairMedFM, code"): (1 - (abs(tpr[0]) + abs(tnr[0])) / 2, mean),
            ("EOdds", "FairPrune, paper"): (
                sum(abs(t + f) for t, f in zip(tpr, fpr, strict=True)),
                registered("eodds_sum"),
            ),
            ("EOdds", "lineage code"): (
                sum(abs(t + f) for t, f in zip(tpr, fpr, strict=True)) / 6,
                registered("eodds_lab"),
            ),
            ("EOdds", "FairAdaBN, code"): (
                sum(abs(t + n) for t, n in zip(tpr, tnr, strict=True)) / 3,
                registered("eodds_fairadabn"),
            ),
            ("EOdds without cancelling", "everygroup"): (
                sum(abs(t) + abs(f) for t, f in zip(tpr, fpr, strict=True)) / 6,
                registered("eodds_strict"),
            ),
        },
    )


def test_demographic_parity_and_spd(fairlearn, aif360) -> None:
    selected, right = differences("selected"), differences("right")
    a, b = ([rates(ANSWERS, g, k)["selected"] for k in range(3)] for g in "AB")
    check(
        3,
        {
            ("demographic parity difference", "fairlearn"): (
                fairlearn("demographic_parity_difference"),
                ours("demographic_parity_difference"),
            ),
            ("demographic parity ratio", "fairlearn"): (
                fairlearn("demographic_parity_ratio"),
                ours("demographic_parity_ratio"),
            ),
            ("SPD (statistical parity difference)", "AIF360"): (
                aif360("statistical_parity_difference"),
                ours("demographic_parity_difference"),
            ),
            ("disparate impact", "AIF360"): (aif360("disparate_impact"), ours("demographic_parity_ratio")),
            ("DP", "MEDFAIR, code"): (1 - abs(selected[0]), ours("demographic_parity_difference")),
            ("DP", "lineage code"): (
                sum(map(abs, selected)),
                ours("demographic_parity_difference", binary=False, over_classes="sum"),
            ),
            ("SPD", "FairQuantize, code"): (sum(map(abs, right)) / 3, registered("ovr_accuracy_gap")),
            ("DPM", "FairDisCo"): (
                sum(min(x, y) / max(x, y) for x, y in zip(a, b, strict=True)) / 3,
                registered("dpm"),
            ),
            ("worst class", "everygroup"): (
                max(map(abs, selected)),
                ours("demographic_parity_difference", binary=False),
            ),
        },
    )


def test_ranges_of_accuracy_and_equity_scaling() -> None:
    groups = [sum(y == a for y, a in list(zip(Y, ANSWERS, strict=True))[i : i + 6]) / 6 for i in (0, 6)]
    overall = sum(y == a for y, a in zip(Y, ANSWERS, strict=True)) / 12
    mean = sum(groups) / 2
    sd = (sum((g - mean) ** 2 for g in groups)) ** 0.5  # two groups: G - 1 = 1
    low, high = min(groups), max(groups)
    check(
        4,
        {
            ("NAR", "CIRCLe"): ((high - low) / mean, registered("nar")),
            ("PQD", "FairDisCo"): (low / high, registered("pqd")),
            ("SER", "Puyol-Anton et al."): ((1 - low) / (1 - high), float(eg.skewed_error_ratio(groups))),
            ("scaled range", "FairSeg, code"): ((high - low) / overall, registered("accuracy_scaled_range")),
            ("scaled sd", "FairSeg, code"): (sd / overall, registered("accuracy_scaled_sd")),
            ("ES-accuracy", "Harvard-GF, FairCLIP"): (
                overall / (1 + sum(abs(g - overall) for g in groups)),
                registered("es_accuracy"),
            ),
            ("ES-accuracy", "FairSeg, code"): (overall / (1 + sd), registered("es_accuracy_sd")),
            ("ES-accuracy", "FairMedFM, code"): (mean / (1 + sd / 2**0.5), registered("es_accuracy_group_mean")),
        },
    )


def f1_mean(answers: list[int]) -> float:
    """Unweighted mean over the groups of the macro F1."""
    values = []
    for g, k in product("AB", range(3)):
        pairs = [(t == k, a == k) for t, a, h in zip(Y, answers, GROUP, strict=True) if h == g]
        both = sum(t and a for t, a in pairs)
        values.append(2 * both / (sum(t for t, _ in pairs) + sum(a for _, a in pairs)))
    return sum(values) / len(values)


def our_f1_mean(answers: list[int]) -> float:
    return float(np.mean(list(eg.macro_f1(Y, answers, sensitive_features=GROUP).per_group.values())))


def test_fate_of_one_corrected_answer() -> None:
    def terms(answers: list[int]) -> dict[str, float]:
        tpr, fpr, tnr = (differences(name, answers) for name in ("tpr", "fpr", "tnr"))
        return {
            "EOpp0": sum(map(abs, tnr)) / 3,
            "EOpp1": sum(map(abs, tpr)) / 3,
            "EOdds": sum(abs(t + f) for t, f in zip(tpr, fpr, strict=True)) / 6,
        }

    def right(answers: list[int]) -> float:
        return sum(y == a for y, a in zip(Y, answers, strict=True)) / 12

    before, after = terms(ANSWERS), terms(CORRECTED)
    expected = {}
    for acc, measure in (("accuracy", right), ("mean F1 of the groups", f1_mean)):
        for fc in before:
            theirs = measure(CORRECTED) / measure(ANSWERS) - 1 - (after[fc] / before[fc] - 1)
            performance = [
                eg.accuracy(Y, answers).value if acc == "accuracy" else our_f1_mean(answers)
                for answers in (CORRECTED, ANSWERS)
            ]
            gaps = [registered(f"{fc.lower()}_lab", answers) for answers in (CORRECTED, ANSWERS)]
            expected[f"FATE with {fc}", acc] = (theirs, eg.fate(*performance, *gaps))
    check(5, expected)


def test_dto_of_three_candidates() -> None:
    def distance(points: list[list[float]], j: int) -> float:
        best = [max(column) for column in zip(*points, strict=True)]
        return sum((v / b - 1) ** 2 for v, b in zip(points[j], best, strict=True)) ** 0.5

    other = [[sum(c) / 2, 1 - abs(c[0] - c[1])] for c in CANDIDATES]
    expected = {}
    for j, word in enumerate(("first", "second", "third")):
        expected[f"DTO of the {word}", "MEDFAIR"] = (distance(CANDIDATES, j), float(eg.dto(CANDIDATES)[j]))
        expected[f"DTO of the {word}", "Han et al."] = (
            distance(other, j),
            float(eg.dto(other, coords="perf_fair")[j]),
        )
    check(6, expected)
