"""The hinge table: building, checking, reading anybody's CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.errors import CohortError, PredictionsError
from everygroup.predictions import Predictions, group_order, read_predictions

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.4, 0.35, 0.25]])


def make(**changes) -> Predictions:
    options = {
        "classes": ["mel", "nv", "bkl"],
        "sensitive_features": {"sex": ["f", "m", None, "f"], "age": [40, 60.0, 55.5, np.nan]},
        "group": np.array([0, 1, 1, -1]),
        "groups": ["<=50", ">50"],
        "ids": ["a", "b", "c", "d"],
        "units": [1, 1, 2, 3],
        "split": "test",
        "route": ["g0", "g1", "g1", "pooled"],
        "model": "erm",
    } | changes
    return Predictions.from_arrays(np.array([0, 1, 0, -1]), SCORES, **options)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_from_arrays_fills_the_table() -> None:
    p = make()
    assert list(p.table.columns) == [
        *("id", "unit", "y_true", "y_pred", "score_mel", "score_nv", "score_bkl"),
        *("sex", "age", "group", "split", "route", "model"),
    ]
    assert len(p) == 4
    assert p.y_true.tolist() == [0, 1, 0, -1] and p.y_pred.tolist() == [0, 1, 2, 0]
    assert p.group.tolist() == [0, 1, 1, -1] and p.groups == ("<=50", ">50")
    assert p.table["y_true"].tolist() == ["mel", "nv", "mel", ""]
    assert p.attribute("sex")[1].tolist() == [0, 1, -1, 0]
    assert p.attribute("group")[0] == ("<=50", ">50")
    assert p.attribute("age")[0] == ("40", "55.5", "60")
    assert p.units.tolist() == ["1", "1", "2", "3"]
    assert "3 classes; groups <=50, >50" in repr(p)
    np.testing.assert_array_equal(p.y_score, SCORES)


def test_round_trip(tmp_path: Path) -> None:
    p = make()
    q = read_predictions(p.to_csv(tmp_path / "p.csv"))
    pd.testing.assert_frame_equal(p.table, q.table)
    assert (q.classes, q.groups, q.sensitive) == (p.classes, p.groups, p.sensitive)


def test_round_trip_without_scores_and_truth(tmp_path: Path) -> None:
    p = Predictions.from_arrays(None, y_pred=["x", "y", "unknown"], classes=["x", "y", "unknown"])
    assert (p.y_true == -1).all() and not p.has_scores
    assert p.table["unit"].tolist() == p.table["id"].tolist() == ["0", "1", "2"]
    with pytest.raises(PredictionsError, match="no scores"):
        _ = p.y_score
    q = read_predictions(p.to_csv(tmp_path / "p.csv"), classes=["x", "y", "unknown"])
    assert q.y_pred.tolist() == [0, 1, 2]


def test_classes_and_groups_are_found() -> None:
    p = Predictions.from_arrays([2, 0], y_pred=[1, 0], group=["b", "a"])
    assert p.classes == ("0", "1", "2") and p.groups == ("a", "b") and p.group.tolist() == [1, 0]
    q = Predictions.from_arrays(["no", "yes"], [0.2, 0.9], sensitive_features=["f", "m"], group=[0, 1])
    assert q.classes == ("no", "yes") and q.y_pred.tolist() == [0, 1] and q.sensitive == ("attribute",)
    assert q.groups == ("0", "1")
    assert Predictions.from_arrays([0, 1], SCORES[:2]).classes == ("0", "1", "2")


def test_attributes_that_bear_a_layout_name_get_a_prefix() -> None:
    p = make(sensitive_features=pd.DataFrame({"model": list("abab"), "score_x": list("aabb"), "group": list("aabb")}))
    assert p.sensitive == ("attribute_model", "attribute_score_x")


def test_an_attribute_named_group_is_the_grouping(tmp_path: Path) -> None:
    p = Predictions.from_arrays([0, 1], y_pred=[0, 1], sensitive_features={"group": ["b", None]})
    assert p.groups == ("b",) and p.group.tolist() == [0, -1] and p.sensitive == ()
    path = write(tmp_path / "g.csv", "y_true,y_pred,group\n0,1,7\n1,1,50\n")
    assert read_predictions(path, groups="group", bins={"group": "10"}).groups == ("<=10", ">10")


def test_where_and_split() -> None:
    p = make(split=["train", "test", "test", "test"])
    assert len(p.of_split("test")) == 3
    assert p.where([3, 0]).ids.tolist() == ["d", "a"]
    with pytest.raises(PredictionsError, match="the splits are: test, train"):
        p.of_split("tset")


def test_group_order_is_that_of_the_bins() -> None:
    names = [">60", "II", "(40,60]", "I", "<=40", "10", "9"]
    assert sorted(names, key=group_order) == ["<=40", "(40,60]", ">60", "9", "10", "I", "II"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a", "b"]}, "shape"),
        ({"classes": ["a", "a", "b"]}, "not unique"),
        ({"ids": ["a"]}, "4 samples but 1 values of ids"),
        ({"group": [0, 1]}, "group has shape"),
        ({"group": [0, 1, 2, 0]}, "outside the 2 groups"),
        ({"group": ["<=50", "?", "", ""]}, r"Unknown group '\?'"),
        ({"y_pred": [0, 1, 7, 0]}, "Position 2: class index 7 in y_pred"),
        ({"y_pred": ["mel", "", "nv", "nv"]}, "Position 1: y_pred is empty"),
        ({"y_pred": ["mel", "nw", "nv", "nv"]}, "Position 1: unknown label 'nw' in y_pred"),
        ({"y_pred": ["mel"]}, "y_pred has shape"),
    ],
)
def test_mistakes_in_arrays_are_named(changes: dict, message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.5, np.nan], "Position 1: a score is missing"),
        ([1.5, -0.3, -0.2], "Position 1: the score 1.5 is not in"),
        ([0.5, 0.2, 0.1], "Position 1: the scores sum to 0.8"),
    ],
)
def test_scores_that_are_no_probabilities(row: list[float], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        Predictions.from_arrays([0, 1], [SCORES[0], row])


def test_something_must_be_predicted() -> None:
    with pytest.raises(PredictionsError, match="y_pred or y_score"):
        Predictions.from_arrays([0, 1])
    with pytest.raises(PredictionsError, match="No sensitive attribute 'seks'"):
        make().attribute("seks")


FOREIGN = """patient,dx,answer,p_mel,p_nv,Sex,Age
1,mel,mel,0.9,0.1,F,40
1,nv,mel,0.6,0.4,F,
2,,nv,0.2,0.8,,71
"""


def test_anybodys_csv(tmp_path: Path) -> None:
    p = read_predictions(
        write(tmp_path / "f.csv", FOREIGN),
        y_true="dx",
        y_pred="answer",
        y_score="p_*",
        groups=["Sex", "Age"],
        bins={"Age": "55"},
        cluster="patient",
        model="theirs",
    )
    assert p.classes == ("nv", "mel") and p.y_true.tolist() == [1, 0, -1]  # melanoma is the positive one
    assert p.attribute("Age")[0] == ("<=55", ">55") and p.attribute("Age")[1].tolist() == [0, -1, 1]
    assert p.groups == () and p.table["model"].unique().tolist() == ["theirs"]
    assert p.units.tolist() == ["1", "1", "2"] and p.ids.tolist() == ["0", "1", "2"]
    listed = read_predictions(tmp_path / "f.csv", y_true="dx", y_score=["p_mel", "p_nv"], groups="Sex")
    assert listed.classes == ("nv", "mel") and listed.y_pred.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("patients", "units"),
    [
        (("7", "", "7", "n/a"), ["7", "no unit: b", "7", "n/a"]),
        (("", "", "", ""), ["no unit: a", "no unit: b", "no unit: c", "no unit: d"]),
    ],
)
def test_a_missing_patient_is_a_unit_of_its_own(tmp_path: Path, patients: tuple[str, ...], units: list[str]) -> None:
    rows = "".join(f"{name},{patient},1,1\n" for name, patient in zip("abcd", patients, strict=True))
    path = write(tmp_path / "p.csv", f"image,patient,y_true,y_pred\n{rows}")
    p = read_predictions(path, id_column="image", cluster="patient", classes=["0", "1"])
    assert p.units.tolist() == units
    again = read_predictions(p.to_csv(tmp_path / "own.csv"))
    assert again.units.tolist() == units


def test_without_patient_and_id_every_row_is_a_unit() -> None:
    p = Predictions.from_arrays([0, 1], y_pred=[0, 1], ids=["", ""], units=[None, float("nan")])
    assert p.units.tolist() == ["no unit: row 1", "no unit: row 2"]


def test_one_score_column_is_that_of_the_second_class(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", "y_true,risk\n0,0.1\n1.0,0.7\n1,0.2\n")
    p = read_predictions(path, y_score="risk")
    assert p.classes == ("0", "1") and p.y_pred.tolist() == [0, 1, 0]
    turned = read_predictions(path, y_score="risk", classes=["1", "0"])
    assert turned.y_pred.tolist() == [0, 1, 0] and turned.y_true.tolist() == [1, 0, 0]


def test_only_answers(tmp_path: Path) -> None:
    path = write(tmp_path / "b.csv", "y_true,y_pred,site,set\nb,a,x,dev\na,a,y,test\n")
    p = read_predictions(path, split_column="set")
    assert p.classes == ("a", "b") and not p.has_scores and p.sensitive == ()
    assert p.table["split"].tolist() == ["dev", "test"]


@pytest.mark.parametrize(
    ("text", "options", "message", "fix"),
    [
        (FOREIGN, {"y_true": "dxx", "y_pred": "answer"}, "No column 'dxx'", "did you mean 'dx'"),
        ("dx,sex\na,f\n", {}, "no column 'y_pred'", "--y-pred"),
        ("finding,answer\na,b\n", {}, "no column 'y_true'", "--y-true"),
        (FOREIGN, {"y_true": "dx", "y_score": "q_*"}, "No column of f.csv matches 'q_*'", "the columns are"),
        (FOREIGN, {"y_true": "dx", "y_score": ["p_mel", "p_vn"]}, "No column 'p_vn'", "did you mean 'p_nv'"),
        (FOREIGN, {"y_true": "dx", "y_pred": "answer", "bins": {"Age": "5"}}, "Bins for 'Age'", "--group Age"),
        (FOREIGN, {"y_true": "dx", "y_pred": "answer", "groups": ["sex"]}, "No column 'sex'", "did you mean 'Sex'"),
        (
            FOREIGN.replace("1,nv", "1,bkl"),
            {"y_true": "dx", "y_score": "p_*"},
            "f.csv, row 3: unknown label 'bkl'",
            "mel",
        ),
        (FOREIGN.replace("0.6,", "0.9,"), {"y_true": "dx", "y_score": "p_*"}, "f.csv, row 3: the scores sum", ""),
        (FOREIGN.replace("0.6,", "2,"), {"y_true": "dx", "y_score": "p_*"}, "f.csv, row 3: the score 2", ""),
        (
            FOREIGN.replace("0.6,", "?,"),
            {"y_true": "dx", "y_score": "p_*"},
            "f.csv, row 3, column 'p_mel': '?'",
            "",
        ),
        ("", {}, "f.csv: the table is empty", "header"),
        ("y_true,y_pred\n", {}, "has no rows", ""),
        ("y_true,y_pred\n1,2,3\n", {}, "f.csv, row 2: 3 fields, where the header has 2", "quote"),
    ],
)
def test_mistakes_in_files_are_named(tmp_path: Path, text: str, options: dict, message: str, fix: str) -> None:
    with pytest.raises(PredictionsError) as caught:
        read_predictions(write(tmp_path / "f.csv", text), **options)
    assert message in caught.value.message
    assert fix in caught.value.fix


def test_missing_file_folder_and_unfit_bins(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="No file"):
        read_predictions(tmp_path / "none.csv")
    with pytest.raises(PredictionsError, match="it is a folder"):
        read_predictions(tmp_path)
    path = write(tmp_path / "f.csv", FOREIGN)
    with pytest.raises(CohortError, match="Column 'Sex' is to be cut, but 2 of 3 values are no numbers: 'F'"):
        read_predictions(path, y_true="dx", y_pred="answer", groups=["Sex"], bins={"Sex": "5"})
