"""`everygroup audit` on anybody's tables: options, gates, exit codes, other tasks; bad input and its one message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Run = Callable[..., tuple[int, str]]
QUICK = ("--n-boot", "9", "--no-report")


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 120
    sick = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "image": [f"i{i}" for i in range(n)],
            "patient": np.arange(n) // 2,
            "label": np.where(sick, "sick", "well"),
            "risk": np.clip(0.3 * sick + rng.uniform(0.05, 0.65, n), 0, 1).round(4),
            "sex": rng.choice(["f", "m"], n),
            "age": rng.integers(20, 90, n),
            "split": ["val"] * 60 + ["test"] * 60,
        }
    )


@pytest.fixture
def audit(everygroup: Run, tmp_path: Path, frame: pd.DataFrame) -> Callable[..., tuple[int, str]]:
    """Write the frame (changed by `edit`) and audit it; returns exit code and output in one line."""

    def run(*options: object, edit: Callable[[pd.DataFrame], Any] | None = None, **csv: Any) -> tuple[int, str]:
        table = frame.copy()
        changed = None if edit is None else edit(table)
        (table if changed is None else changed).to_csv(tmp_path / "t.csv", index=False, **csv)
        code, output = everygroup("audit", tmp_path / "t.csv", "--out", tmp_path / "out", *QUICK, "-v", *options)
        assert "Traceback" not in output
        return code, " ".join(output.split())

    return run


BINARY = ("--y-score", "risk", "--positive", "sick")


def test_everything_at_once(audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: pd.DataFrame) -> None:
    frame[["image", "sex", "age"]].to_csv(tmp_path / "meta.csv", index=False, sep=";")
    code, text = audit(
        *(*BINARY, "--metadata", tmp_path / "meta.csv", "--groups", "sex,age", "--bins", "age=40,60"),
        *("--threshold", "validation:youden", "--intersections", 2, "--metrics", "accuracy,auc"),
        *("--fail-if", "gap(accuracy,sex)>=0", "--fail-if", "value(recall[sick],sex,f)<0"),
        edit=lambda t: t.drop(columns=["sex", "age"]),
    )
    assert code == 1
    assert "120 of 120 rows found" in text and "taken as the probability of 'sick'" in text
    assert "by youden, chosen on 60 rows of val" in text and "Auditing the rows of split 'test'" in text
    assert "Gate FAILED: gap(accuracy,sex)>=0: by sex, the gap in accuracy is" in text and "95 % interval" in text
    assert "Gate passed: value(recall[sick],sex,f)<0" in text
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert {"accuracy", "auc", "recall[sick]"} <= set(summary["metric"]) and "macro_f1" not in set(summary["metric"])
    assert summary["n"].max() == 60
    assert pd.read_csv(tmp_path / "out" / "gates.csv")["failed"].tolist() == [True, False]
    orders = set(pd.read_csv(tmp_path / "out" / "intersections.csv")["order"])
    assert orders == {1, 2}


def test_threshold_without_test_rows_leaves_validation_out(audit: Callable[..., tuple[int, str]]) -> None:
    code, text = audit(
        *(*BINARY, "--group", "sex", "--threshold", "f1"), edit=lambda t: t.replace({"split": {"test": "clinic"}})
    )
    assert code == 0 and "'val' chose the threshold and are left out" in text
    code, text = audit(*BINARY, "--group", "sex", "--threshold", "fixed:0.4", "--split", "all")
    assert code == 0 and "Threshold on the score of 'sick': 0.4 (fixed)" in text


def test_a_baseline_with_other_columns(audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: Any) -> None:
    frame[["image", "label", "risk"]].assign(risk=0.9).to_csv(tmp_path / "old.csv", index=False)
    code, text = audit(*BINARY, "--group", "sex", "--split", "all", "--baseline", tmp_path / "old.csv")
    assert code == 0 and "Change against the baseline" in text


def test_formulas_and_markup_in_groups(audit: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    evil = {"f": "<script>alert(1)</script>", "m": "=cmd|' /C calc'!A0"}
    code, _ = audit(*BINARY, "--group", "sex", edit=lambda t: t.replace({"sex": evil}))
    assert code == 0
    for path in (tmp_path / "out").glob("*.csv"):
        lines = path.read_text().splitlines()
        assert not any(cell.startswith(("=", '"=')) for line in lines for cell in line.split(","))
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert set(evil.values()) <= {row["group"] for row in found["table"]}


def test_skipped_attributes_are_listed(audit: Callable[..., tuple[int, str]]) -> None:
    code, text = audit(*BINARY, "--groups", "sex,image,flat,none", edit=lambda t: t.assign(flat="x", none=""))
    assert code == 0 and "By sex" in text
    assert "image is left out: it has 60 different values in 60 rows (is it an id?)" in text
    assert "flat is left out: all rows with a value are of one group" in text
    assert "none is left out: it has no value in any row" in text


@pytest.mark.parametrize(
    ("options", "edit", "words"),
    [
        ((), None, ["no sensitive attribute", "sex (f, m)", "age (numbers"]),
        (("--group", "image"), None, ["No sensitive attribute can be audited", "is it an id?", "--bins"]),
        (("--groups", "sex,,age"), None, ["--groups holds an empty name"]),
        (("--group", "tone"), None, ["No column 'tone'", "The columns are"]),
        (("--group", "sex", "--metrics", "accuracy,"), None, ["--metrics holds an empty name"]),
        (("--group", "sex", "--metrics", "acuracy"), None, ["acuracy", "accuracy"]),
        (("--group", "sex", "--fail-if", "gap(acuracy)>1"), None, ["Unknown metric 'acuracy'"]),
        (("--group", "sex", "--fail-if", "gap accuracy>1"), None, ["is no gate"]),
        (("--group", "sex", "--fail-if", "gap(accuracy,age)>1"), None, ["attribute 'age'", "It has: sex"]),
        (("--group", "sex", "--threshold", "best"), None, ["no threshold rule"]),
        (("--group", "sex", "--split", "trial"), None, ["No row has the split 'trial'", "test, val"]),
        (("--group", "sex"), lambda t: t.assign(label="sick"), ["class", "sick"]),
        (("--group", "sex"), lambda t: t.assign(risk=t["risk"] * 3), ["is not in [0, 1]"]),
        (("--group", "sex"), lambda t: t.assign(risk=""), ["a score is missing"]),
        (
            ("--group", "sex"),
            lambda t: t.assign(risk="-inf"),
            ["row 2, column 'risk': -inf is inf", "115 more"],
        ),
        (("--group", "sex"), lambda t: t.iloc[:0], ["no rows"]),
        (("--group", "sex"), lambda t: t.assign(label=""), ["class names"]),
        (("--group", "sex", "--id", "patient"), None, ["stands in several rows"]),
        (("--group", "age", "--bins", "age=old"), None, ["Cannot read the bins"]),
        (("--group", "sex", "--task", "regression", "--metrics", "mae"), None, ["--metrics is for classes"]),
    ],
    ids=lambda v: None if callable(v) else str(v),
)
def test_bad_input(
    audit: Callable[..., tuple[int, str]], options: tuple[str, ...], edit: Any, words: list[str]
) -> None:
    code, text = audit(*BINARY, *options, edit=edit)
    assert code == 2, text
    for word in [*words, "Fix:"]:
        assert word in text, text


def test_a_group_of_one_row(audit: Callable[..., tuple[int, str]]) -> None:
    def edit(t: pd.DataFrame) -> None:
        t.loc[100, "sex"] = "x"

    code, text = audit(*BINARY, "--group", "sex", edit=edit)
    assert code == 0 and "group x has 1 samples" in text


def test_out_that_is_a_file(everygroup: Run, tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "file").write_text("mine")
    code, text = everygroup("audit", tmp_path / "t.csv", *BINARY, "--group", "sex", "--out", tmp_path / "file", *QUICK)
    assert code == 2 and "is a file" in text and (tmp_path / "file").read_text() == "mine"


# ---- other tasks ----------------------------------------------------------------------------------------------------


def as_regression(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(target=t["age"] + 0.5, prediction=t["age"] + t["risk"]).drop(columns=["label", "risk"])


def as_segmentation(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(Dice=t["risk"], hd95=t["age"]).drop(columns=["label", "risk"])


def as_anomaly(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(label=(t["label"] == "sick").astype(int), anomaly_score=t["risk"] * 10 - 3).drop(columns="risk")


def as_labels(t: pd.DataFrame) -> pd.DataFrame:
    sick = (t["label"] == "sick").astype(int)
    scored = t.assign(true_mass=sick, true_edema=1 - sick, score_mass=t["risk"], score_edema=1 - t["risk"])
    return scored.drop(columns=["label", "risk"])


@pytest.mark.parametrize(
    ("edit", "task", "metric"),
    [
        (as_regression, "regression", "mae"),
        (as_segmentation, "segmentation", "dice"),
        (as_anomaly, "anomaly", "auc"),
        (as_labels, "multilabel", "label_macro_f1"),
    ],
)
def test_tasks(
    audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: pd.DataFrame, edit: Any, task: str, metric: str
) -> None:
    edit(frame).iloc[::-1].to_csv(tmp_path / "old.csv", index=False)
    code, text = audit(
        "--group", "sex", "--fail-if", f"gap({metric})>=0", "--baseline", tmp_path / "old.csv", edit=edit
    )
    assert code == 1, text
    assert f"taken as {task}" in text and "Change against the baseline" in text and "By sex" in text
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert metric in set(summary["metric"]) and summary["n"].max() == 60
    changes = pd.read_csv(tmp_path / "out" / "comparison.csv")["change"].dropna()
    assert (changes.abs() < 1e-9).all()
    again, same = audit("--task", task, "--group", "sex", "--split", "val", edit=edit)
    assert again == 0 and "taken as" not in same


def test_columns_of_tasks_can_be_named(audit: Callable[..., tuple[int, str]]) -> None:
    code, text = audit(
        *("--y-true", "age", "--y-pred", "risk", "--task", "regression", "--group", "sex", "--cluster", "patient")
    )
    assert code == 0 and "mae" in text
    code, text = audit(*BINARY, "--task", "anomaly", "--group", "sex")
    assert code == 0 and "auc" in text
    code, text = audit("--y-true", "true_*", "--y-score", "score_*", "--group", "sex", edit=as_labels)
    assert code == 0 and "names several labels" in text
    code, text = audit("--task", "multilabel", "--y-pred", "score_*", "--group", "sex", edit=answers)
    assert code == 0 and "label_macro_f1" in text


def answers(t: pd.DataFrame) -> pd.DataFrame:
    made = as_labels(t)
    return made.assign(score_mass=made["true_mass"], score_edema=made["true_mass"])


@pytest.mark.parametrize(
    ("options", "edit", "words"),
    [
        (
            ("--task", "regression", "--y-pred", "risk"),
            None,
            ["column 'label'", "none of its 2"],
        ),
        (("--task", "regression"), lambda t: t.rename(columns={"label": "finding"}), ["has no outcome", "--y-true"]),
        (("--task", "segmentation"), None, ["no column of values per image"]),
        (("--task", "segmentation", "--y-score", "risk"), None, ["no column of values per image"]),
        (
            ("--task", "anomaly", "--y-score", "risk"),
            lambda t: t.replace({"label": {"sick": "a", "well": "b"}}),
            ["not 0 and 1", "--positive"],
        ),
        (("--task", "multilabel"), None, ["has no columns of labels"]),
        (("--task", "multilabel"), lambda t: as_labels(t).drop(columns="score_mass"), ["has no columns of scores"]),
        (
            ("--task", "multilabel"),
            lambda t: as_labels(t).rename(columns={"score_mass": "score_other"}),
            ["the label 'mass'", "has no score column"],
        ),
        (("--threshold", "f1"), as_regression, ["--threshold is for classes"]),
        (
            (),
            lambda t: as_regression(t).assign(prediction=lambda u: u["prediction"].mask(u.index == 70)),
            ["rows have no number"],
        ),
        ((), lambda t: as_anomaly(t).assign(label=lambda u: u["label"].mask(u.index == 70)), ["is empty"]),
    ],
    ids=lambda v: None if callable(v) else str(v),
)
def test_bad_tasks(
    audit: Callable[..., tuple[int, str]], options: tuple[str, ...], edit: Any, words: list[str]
) -> None:
    code, text = audit("--group", "sex", *options, edit=edit)
    assert code == 2, text
    for word in [*words, "Fix:"]:
        assert word in text, text


def test_a_threshold_judged_on_the_rows_that_chose_it_is_flagged(
    audit: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    words = "The threshold was chosen on 60 of these"
    every_row = {"split": {"test": "val"}}
    chosen = (*BINARY, "--group", "sex", "--threshold", "youden")
    for options, edit in (
        (("--split", "val"), None),
        (("--split", "all"), None),
        ((), lambda t: t[t["split"] == "val"]),
    ):
        code, text = audit(*chosen, *options, edit=edit)
        assert code == 0 and words in text and "nothing about new patients" in text, options
    assert "chosen on 120 of these 120 rows" in audit(*chosen, edit=lambda t: t.replace(every_row))[1]
    assert "of these" not in audit(*chosen)[1]
    assert "of these" not in audit(*chosen[:-1], "fixed:0.4", "--split", "all")[1]
    settings = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))["settings"]
    assert settings["split"] == "test, val" and settings["threshold"] == "0.4 (fixed)"


def test_a_threshold_may_come_from_a_file_of_validation_rows(
    audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: pd.DataFrame
) -> None:
    rows = frame.drop(columns=["split"])
    rows[frame["split"] == "val"].to_csv(tmp_path / "val.csv", index=False)
    chosen = (*BINARY, "--group", "sex", "--threshold", "sens:0.9", "--threshold-from", tmp_path / "val.csv")
    code, text = audit(*chosen, edit=lambda t: t[t["split"] == "test"].drop(columns=["split"]))
    assert code == 0 and "by sens:0.9, chosen on 60 rows of val.csv" in text and "leak" not in text, text
    inside = audit(*BINARY, "--group", "sex", "--threshold", "sens:0.9")[1]
    cut = [said.split("Threshold on")[1].split(" (by")[0] for said in (text, inside)]
    assert len(set(cut)) == 1  # the same rows chose the same threshold
    code, text = audit(*chosen, edit=lambda t: t.drop(columns=["split"]))
    assert code == 0 and " patients or samples stand both in val.csv" in text, text
    code, text = audit(*BINARY, "--group", "sex", "--threshold-from", tmp_path / "val.csv")
    assert code == 2 and "needs a rule" in text


def test_pages_name_split_and_threshold(everygroup: Run, audit: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    audit(*BINARY, "--group", "sex")
    options = ("--out", tmp_path / "pages", "--n-boot", "9", "--group", "sex", "--threshold", "youden", *BINARY)
    assert everygroup("audit", tmp_path / "t.csv", *options)[0] == 0
    for page in ("report.html", "model-card.md"):
        text = (tmp_path / "pages" / page).read_text(encoding="utf-8").replace("\\", "")
        assert "by youden, chosen on 60 rows of val" in text, page
    card = (tmp_path / "pages" / "model-card.md").read_text(encoding="utf-8")
    training = card.split("### Training Data\n")[1].split("### Training Procedure")[0]
    assert "t.csv" not in training and training.strip().startswith("**Question for the team:**")
    assert "t.csv" in card.split("### Evaluation Data\n")[1].split("###")[0]
    assert "Every number has" not in card


def test_a_baseline_without_ids_is_not_paired_silently(
    audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: pd.DataFrame
) -> None:
    old = frame[["label", "risk"]]
    old.to_csv(tmp_path / "old.csv", index=False)
    pairing = (*BINARY, "--group", "sex", "--split", "all", "--baseline", tmp_path / "old.csv")
    code, text = audit(*pairing)
    assert code == 2 and "The baseline has no ids" in text and "--id-column" in text
    code, text = audit(*pairing, edit=lambda t: t.drop(columns="image"))
    assert code == 0 and "samples were paired by row" in text
    old[1:].to_csv(tmp_path / "old.csv", index=False)
    code, text = audit(*pairing, edit=lambda t: t.drop(columns="image"))
    assert code == 2 and "have 120 rows and the baseline 119" in text


def test_an_empty_cell_is_named_by_its_row_in_the_file(audit: Callable[..., tuple[int, str]]) -> None:
    def numbers(t: pd.DataFrame) -> pd.DataFrame:
        t["anomaly_score"], t["label"] = t["risk"], (t["label"] == "sick").astype(int)
        return t.drop(columns="risk")

    def no_score(t: pd.DataFrame) -> pd.DataFrame:
        t = numbers(t)
        t.loc[100, "anomaly_score"] = np.nan
        return t

    def no_label(t: pd.DataFrame) -> pd.DataFrame:
        t = numbers(t).astype({"label": str})
        t.loc[100, "label"] = ""
        return t

    for edit in (no_score, no_label):
        code, text = audit("--group", "sex", "--task", "anomaly", edit=edit)
        assert code == 2 and "row 102" in text, text


@pytest.mark.parametrize(
    ("gap", "second", "said"),
    [
        ((-0.2, -0.3, -0.1), (-0.2, -0.3, -0.1), "trade"),
        ((-0.2, -0.3, -0.1), (-0.2, -0.3, 0.1), "reduced"),
        ((-0.2, -0.3, 0.1), (-0.2, -0.3, -0.1), "no clear change"),
        ((0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), "increased"),
        ((0.2, float("nan"), float("nan")), (-0.2, -0.3, -0.1), "no clear change"),
    ],
)
def test_a_verdict_is_told_only_where_the_gap_and_groups_clearly_moved(
    gap: tuple[float, ...], second: tuple[float, ...], said: str
) -> None:
    from everygroup.cli.audit_tables import _change_cell, _judged

    rows = [("a", 0.2, 0.1, 0.3, ""), ("b", *second, ""), ("gap", *gap, "trade")]
    changes = pd.DataFrame(rows, columns=["group", "change", "low", "high", "note"])
    changes = changes.assign(attribute="sex", metric="accuracy", p=float("nan"))
    told = _change_cell(_judged(changes.iloc[2].to_dict(), changes))
    assert told.splitlines()[-1] == said


def test_measured_numbers_with_ids_on_one_side_are_not_paired(
    audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: pd.DataFrame
) -> None:
    frame.assign(y_true=frame["risk"], y_pred=0.5)[["y_true", "y_pred"]].to_csv(tmp_path / "old.csv", index=False)
    options = ("--task", "regression", "--group", "sex", "--split", "all", "--baseline", tmp_path / "old.csv")
    code, text = audit(*options, edit=lambda t: t.assign(y_true=t["risk"], y_pred=0.4).drop(columns="label"))
    assert code == 2 and "have no common id" in text


def test_an_undefined_fate_is_called_so(audit: Callable[..., tuple[int, str]], tmp_path: Path, frame: Any) -> None:
    frame.assign(risk=0.9)[["image", "label", "risk"]].to_csv(tmp_path / "old.csv", index=False)
    code, text = audit(*BINARY, "--group", "sex", "--baseline", tmp_path / "old.csv", "--metrics", "macro_f1")
    assert code == 0 and "fate_eopp1_lab: undefined (mean macro F1" in text and ": nan (" not in text


def test_metrics_asked_for_by_name_are_printed_by_name(everygroup: Run, tmp_path: Path) -> None:
    rows = pd.DataFrame({"y_true": [0, 1] * 30, "y_pred": [0, 1, 1] * 20, "sex": ["f"] * 30 + ["m"] * 30})
    rows.to_csv(tmp_path / "t.csv", index=False)
    options = ("audit", tmp_path / "t.csv", "--group", "sex", "--n-boot", "9", "--no-report")
    _, text = everygroup(*options, "--metrics", "accuracy,kappa")
    assert f"{(rows['y_true'] == rows['y_pred']).mean():.3f}" in text and "kappa" in text and "n = 30" in text
    assert "kappa" not in everygroup(*options)[1]
