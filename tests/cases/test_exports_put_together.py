"""Tables put together from several exports: two scales, two codings and marks that cannot be seen in one column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import Audit, audit_table
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import PredictionsError

N = 240
RNG = np.random.default_rng(4)
Y = RNG.integers(0, 2, N)
ANSWER = np.where(RNG.random(N) < 0.8, Y, 1 - Y)
SCORE = (1 / (1 + np.exp(-(2.2 * (Y - 0.5) + RNG.normal(0, 1, N))))).round(4)
SEX = np.where(np.arange(N) % 2, "f", "m")


@pytest.fixture(autouse=True)
def _no_warnings() -> None:
    clear_warnings()


def audit(tmp_path: Path, columns: dict[str, object], metric: str = "accuracy", sep: str = ",") -> dict[str, float]:
    path = tmp_path / "p.csv"
    pd.DataFrame({"image_id": [f"i{i}" for i in range(N)], "sex": SEX, **columns}).to_csv(path, index=False, sep=sep)
    chosen = {"metrics": [metric]} if metric else {}
    result: Audit = audit_table(path, groups=["sex"], n_boot=20, **chosen)
    found = result.table[result.table["metric"] == (metric or "mae")]
    return dict(found[["group", "value"]].itertuples(index=False, name=None))


def test_one_site_in_percent_and_one_in_fractions(tmp_path: Path) -> None:
    mixed = np.where(SEX == "f", (100 * SCORE).round(2), SCORE)
    with pytest.raises(PredictionsError, match=r"120 scores in 'y_score' are at most 1 and 120 are above"):
        audit(tmp_path, {"y_true": Y, "y_score": mixed}, "brier")
    rare = 100 / (1 + np.exp(-(RNG.normal(2.0 * Y, 1) - 4.5)))  # of percentages most may be small
    assert (rare < 1).sum() > 20
    found = audit(tmp_path, {"y_true": Y, "y_score": rare}, "brier")
    assert found["f"] == pytest.approx(((rare / 100 - Y)[SEX == "f"] ** 2).mean())


@pytest.mark.parametrize(("no", "yes"), [("FALSCH", "WAHR"), ("faux", "vrai"), ("нет", "да"), ("–", "+")])
def test_yes_and_no_of_other_languages(tmp_path: Path, no: str, yes: str) -> None:
    found = audit(tmp_path, {"y_true": np.where(Y, yes, no), "y_pred": ANSWER}, "sensitivity")
    assert found["m"] == pytest.approx(ANSWER[(SEX == "m") & (Y == 1)].mean())


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [("class_0", "class_1"), ("negatief", "positief"), ("absence", "presence"), ("low risk", "high risk")],
)
def test_the_positive_one_of_such_classes(tmp_path: Path, healthy: str, ill: str) -> None:
    found = audit(tmp_path, {"y_true": np.where(Y, ill, healthy), "y_pred": ANSWER}, "sensitivity")
    assert found["f"] == pytest.approx(ANSWER[(SEX == "f") & (Y == 1)].mean())


@pytest.mark.parametrize(("column", "words"), [("is_test", ("0", "1")), ("inTrain", ("True", "False"))])
def test_a_column_that_says_which_rows_are_test_rows(tmp_path: Path, column: str, words: tuple[str, str]) -> None:
    audit(tmp_path, {"y_true": Y, "y_pred": ANSWER, column: np.where(np.arange(N) % 4 == 0, *words[::-1])})
    assert any(f"column {column!r} holds" in w and "--split" in w for w in recorded_warnings())
    clear_warnings()
    audit(tmp_path, {"y_true": Y, "y_pred": ANSWER, "test_result": np.arange(N) % 4 // 3})
    assert not recorded_warnings()


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u200e", "\u00ad"])
def test_marks_that_cannot_be_seen(tmp_path: Path, mark: str) -> None:
    seen = [f"f{mark}" if s == "f" and i % 4 == 1 else s for i, s in enumerate(SEX)]
    found = audit(tmp_path, {"y_true": Y, "y_pred": ANSWER, "sex": seen})
    assert found["f"] == pytest.approx((Y == ANSWER)[SEX == "f"].mean())


def test_digits_beside_words_for_sex(tmp_path: Path) -> None:
    audit(tmp_path, {"y_true": Y, "y_pred": ANSWER, "sex": np.where(np.arange(N) % 3 == 0, "1", SEX)})
    assert any("'1' (80) stand beside words for sex" in w for w in recorded_warnings())


def test_whole_thousands_and_predictions_with_decimals(tmp_path: Path) -> None:
    truth = np.exp(RNG.normal(6.5, 1.2, N)).round()
    answer = (truth + RNG.normal(0, 15, N)).round().clip(0)
    written = [f"{v:,.0f}".replace(",", ".") for v in truth]
    comma = [f"{v:,.1f}".translate(str.maketrans(",.", ".,")) for v in answer]
    found = audit(tmp_path, {"y_true": written, "y_pred": comma}, "", ";")
    assert found["f"] == pytest.approx(np.abs(truth - answer)[SEX == "f"].mean())


@pytest.mark.parametrize("word", ["U", "uncertain", "99", "0.5", "-1"])
def test_a_third_value_of_a_label(tmp_path: Path, word: str) -> None:
    third = [word if i % 7 == 0 else str(v) for i, v in enumerate(Y)]
    columns = {"true_Edema": Y, "true_Mass": third, "score_Edema": SCORE, "score_Mass": SCORE}
    with pytest.raises(PredictionsError, match="not 0 and 1") as caught:
        audit(tmp_path, columns, "")
    assert f"--missing {word} leaves" in caught.value.fix or f"--missing '{word}' leaves" in caught.value.fix


def test_labels_left_blank_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blank = ["" if i % 7 == 0 else str(v) for i, v in enumerate(Y)]
    columns = {"true_Edema": Y, "true_Mass": blank, "score_Edema": SCORE, "score_Mass": SCORE}
    path = tmp_path / "p.csv"
    pd.DataFrame({"image_id": [f"i{i}" for i in range(N)], "sex": SEX, **columns}).to_csv(path, index=False)
    audit_table(path, groups=["sex"], n_boot=20)
    assert "labels are not known: 'Mass' in 35 of 240 rows" in " ".join(capsys.readouterr().err.split())


def test_an_answer_that_is_never_a_label(tmp_path: Path) -> None:
    audit(tmp_path, {"y_true": Y, "y_pred": np.where(np.arange(N) % 20, ANSWER.astype(str), "reject")})
    assert any("the answers 'reject' are never a label" in w for w in recorded_warnings())


def test_a_grade_called_none_in_two_spellings(tmp_path: Path) -> None:
    grade = np.array(["None", "Mild", "Severe"])[np.arange(N) % 3]
    answer = np.where(np.arange(N) % 5, grade, "Mild")
    found = audit(tmp_path, {"y_true": grade, "y_pred": [a.lower() for a in answer]})
    assert found["m"] == pytest.approx((grade == answer)[SEX == "m"].mean())


@pytest.mark.parametrize("unit", [" ml", "Y", " mm²"])
def test_numbers_with_a_unit(tmp_path: Path, unit: str) -> None:
    columns = {"y_true": [f"{v}{unit}" for v in range(N)], "y_pred": [f"{v + 1}{unit}" for v in range(N)]}
    with pytest.raises(PredictionsError, match="'y_true' holds numbers with a unit"):
        audit(tmp_path, columns, "")
