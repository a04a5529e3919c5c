"""The rows of anybody's table: who they are, their groups and split; measured numbers beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everygroup.console import recorded_warnings
from everygroup.errors import PredictionsError
from everygroup.predictions import TableReading, read_predictions
from everygroup.predictions.row_reading import read_rows
from everygroup.predictions.rows import Rows

Save = Callable[[str], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(text: str) -> Path:
        (tmp_path / "t.csv").write_text(text)
        return tmp_path / "t.csv"

    return write


def rows_of(path: Path, need_groups: bool = False, **options: Any) -> Rows:
    reading = TableReading(**options)
    return read_rows(reading.open(path), reading, numbers=["dice"], need_groups=need_groups)


def test_numbers_with_ids_patients_groups_and_splits(save: Save) -> None:
    path = save("image;patient;dice;sex;age;split\na;1;0,5;f;40;test\nb;1;;m;50;train\nc;;1;f;;test\n")
    t = rows_of(path, groups=["sex", "age"], bins={"age": "45"})
    assert len(t) == 3 and t.has_ids and t.units.tolist() == ["1", "1", "no unit: c"]
    np.testing.assert_array_equal(t.numbers("dice"), [0.5, np.nan, 1.0])
    assert t.attribute("age")[1].tolist() == [0, 1, -1] and t.table["split"].tolist() == ["test", "train", "test"]
    test = t.where(t.table["split"] == "test")
    assert test.table["sex"].tolist() == ["f", "f"] and test.place(1).endswith("row 4")
    a, b = t.where([0, 1]).matching(t.where([2, 1]))
    assert a.table["id"].tolist() == b.table["id"].tolist() == ["b"]
    with pytest.raises(PredictionsError, match="No id of"):
        t.where([0]).matching(t.where([1]))


def test_rows_without_ids(save: Save) -> None:
    t = rows_of(save("dice,sex\n0.5,f\n0.25,m\n"), groups=["sex"])
    assert not t.has_ids and t.matching(t)[1] is t
    with pytest.raises(PredictionsError, match="no common id"):
        t.matching(t.where([0]))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("dice,sex\nx,f\n", {}, "'x'"),
        ("dice,sex\ninf,f\n", {}, "infinite"),
        ("dice,sex\n1,f\n1,m\n", {"need_groups": True}, "no sensitive attribute"),
        ("id,dice\na,1\na,1\n", {"id_column": "id"}, "the 'id' 'a' stands in several rows"),
        ("iou\n1\n", {}, "No column 'dice'"),
        ("dice,sex\n50%,f\n0.5,m\n", {}, "row 3: '0.5' in column 'dice', where other cells are percentages"),
    ],
)
def test_bad_rows(save: Save, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        rows_of(save(text), **options)


@pytest.mark.parametrize("at", [0, 5000])
def test_repeated_ids_are_clusters_wherever_in_the_file_they_repeat(save: Save, at: int) -> None:
    ids = [f"i{k}" for k in range(5000)]
    ids.insert(at, "i7" if at else "i4999")
    path = save("image_id,y_true,y_pred,sex\n" + "".join(f"{name},{k % 2},1,f\n" for k, name in enumerate(ids)))
    p = read_predictions(path, groups="sex")
    assert p.clustered and not p.has_ids and len(set(p.units)) == 5000
    assert any("stands in several rows" in text and "count as 5,000" in text for text in recorded_warnings())
    with pytest.raises(PredictionsError, match="stands in several rows") as caught:
        read_predictions(path, groups="sex", id_column="image_id")
    assert "--cluster image_id" in caught.value.fix


def test_repeated_ids_beside_patients_are_not_used(save: Save) -> None:
    path = save("image,patient,y_true,y_pred\na,1,0,0\na,1,0,1\nb,2,1,1\n")
    p = read_predictions(path)
    assert not p.has_ids and p.units.tolist() == ["1", "1", "2"]
    assert any("identifies no row" in text for text in recorded_warnings())


def test_an_id_may_stand_in_several_splits(save: Save) -> None:
    p = read_predictions(save("image,y_true,y_pred,split\na,0,0,val\na,0,1,test\nb,1,1,test\n"))
    assert p.has_ids and p.table["split"].tolist() == ["val", "test", "test"]


@pytest.mark.parametrize(
    ("column", "words", "found"),
    [
        ("split", ("Train", "TEST"), True),
        ("phase", ("training", "hold-out"), True),
        ("Datensatz", ("Validierung", "Testdaten"), True),
        ("note", ("test", "other"), False),
        ("part", ("arm", "leg"), False),
        ("split", ("A", "B"), True),
        ("fold", ("1", "2"), False),
    ],
)
def test_split_columns_are_found_by_their_words(save: Save, column: str, words: tuple[str, str], found: bool) -> None:
    text = f"y_true,y_pred,{column}\n" + "".join(f"{k % 2},1,{words[k // 10]}\n" for k in range(20))
    p = read_predictions(save(text))
    assert (p.table["split"].tolist() == [words[k // 10] for k in range(20)]) is found
    said = [t for t in recorded_warnings() if "which of them are test rows is not known" in t]
    assert bool(said) is (words == ("A", "B"))
