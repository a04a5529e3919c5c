"""What reads as missing is said with its count, and can be changed; labels are never dropped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import SettingsError, TableError
from everygroup.tables import Problems, Spelling, open_table, settle_labels
from everygroup.tables.codings import codings, in_words
from everygroup.tables.frame import read_table


@pytest.fixture(autouse=True)
def _no_warnings() -> None:
    clear_warnings()


def column(tmp_path: Path, cells: list[str], spelling: Spelling | None = None, **how: object) -> list[str]:
    (tmp_path / "t.csv").write_text("race,x\n" + "".join(f"{c},1\n" for c in cells))
    return open_table(tmp_path / "t.csv", spelling).read(["race"], **how)["race"].tolist()  # type: ignore[arg-type]


def test_a_word_that_may_be_a_value_is_said_with_its_count(tmp_path: Path) -> None:
    assert column(tmp_path, ["AS", "NA", "NA", "", "nan"]) == ["AS", "", "", "", ""]
    assert recorded_warnings() == [
        "race: 2 of 5 cells read 'NA', which counts as missing; --not-missing NA makes it a value."
    ]


def test_words_are_added_taken_away_and_mapped(tmp_path: Path) -> None:
    assert column(tmp_path, ["NA", "None"], Spelling.make(not_missing="NA")) == ["NA", ""]
    assert column(tmp_path, ["-", "unbekannt", "a"], Spelling.make("Unbekannt,-")) == ["", "", "a"]
    assert column(tmp_path, ["NA", "w"], Spelling.make(map=["race:NA,w=native"])) == ["native", "native"]
    assert column(tmp_path, ["NA", "a"], known={"race": ["NA"]}) == ["NA", "a"]
    assert column(tmp_path, ["NA", "None"], Spelling().as_written()) == ["NA", "None"]
    assert column(tmp_path, ["9", "a"], Spelling.make(map=["race:9="])) == ["", "a"]


def test_ids_are_never_missing_because_of_their_spelling(tmp_path: Path) -> None:
    assert column(tmp_path, ["NA", "None", "007"], texts=["race"]) == ["NA", "None", "007"]


@pytest.mark.parametrize("text", ["sex", "sex:m", "sex:=male", ":m=male"])
def test_maps_that_cannot_be_read(text: str) -> None:
    with pytest.raises(SettingsError, match="Cannot read the map"):
        Spelling.make(map=[text])


def test_contradictions() -> None:
    with pytest.raises(SettingsError, match="missing and not missing"):
        Spelling.make("NA", "na")
    with pytest.raises(SettingsError, match="two values"):
        Spelling.make(map=["sex:m=male", "sex:m=man"])


def settled(tmp_path: Path, rows: list[str], classes: list[str] | None = None, **words: str) -> list[list[str]]:
    (tmp_path / "t.csv").write_text("\n".join(["true,pred", *rows]) + "\n")
    source = open_table(tmp_path / "t.csv", Spelling.make(**words))  # type: ignore[arg-type]
    table = source.read(source.columns, labels=source.columns)
    problems = Problems(source.name)
    settle_labels(table, source.columns, classes or [], source.spelling, problems)
    problems.raise_if_any()
    return table.astype(str).to_numpy().tolist()


def test_none_among_labels_and_answers_is_a_class(tmp_path: Path) -> None:
    rows = ["None,None", "Mild,Mild", ",Mild"]
    assert settled(tmp_path, rows) == [["None", "None"], ["Mild", "Mild"], ["", "Mild"]]
    assert settled(tmp_path, ["None,Mild"], ["None", "Mild"]) == [["None", "Mild"]]


def test_none_among_labels_alone_is_a_question(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"column 'true': 2 of 3 cells read 'None'.*class of that name") as caught:
        settled(tmp_path, ["None,Mild", "None,Mild", "Mild,Mild"])
    assert "--not-missing None" in caught.value.fix and "--missing None" in caught.value.fix
    assert settled(tmp_path, ["None,Mild"], not_missing="None") == [["None", "Mild"]]
    assert settled(tmp_path, ["None,Mild"], missing="None") == [["", "Mild"]]


@pytest.mark.parametrize("word", ["None", "none", "NA", "null"])
def test_a_cohorts_label_is_a_question_too(tmp_path: Path, word: str) -> None:
    (tmp_path / "t.csv").write_text(f"image_id,grade\na,{word}\nb,Mild\nc,Severe\n")
    with pytest.raises(TableError, match=f"column 'grade': 1 of 3 cells read '{word}'"):
        read_table(tmp_path / "t.csv", label="grade")
    kept = read_table(tmp_path / "t.csv", label="grade", spelling=Spelling.make(not_missing=word))
    assert kept["grade"].tolist() == [word, "Mild", "Severe"]
    assert read_table(tmp_path / "t.csv", label="grade", spelling=Spelling.make(word))["grade"].isna().sum() == 1


@pytest.mark.parametrize(
    ("values", "alike"),
    [
        (["F", "f", "Female", "M", "m", "male"], [{"F", "f", "Female"}, {"M", "m", "male"}]),
        (["m", "männlich", "w", "weiblich", "divers"], [{"m", "männlich"}, {"w", "weiblich"}]),
        (["0", "1", "yes", "no", "True"], [{"0", "no"}, {"1", "yes", "True"}]),
        (["1", "2", "3", "II"], [{"2", "II"}]),
        (["1", "01", "2"], [{"1", "01"}]),
        (["Type I", "type-i", "other"], [{"Type I", "type-i"}]),
        (["m", "w", "d"], []),
        (["I", "II", "III"], []),
        (["0", "1", "2", "yes"], []),
        (["positive", "negative"], []),
    ],
)
def test_spellings_of_one_value(values: list[str], alike: list[set[str]]) -> None:
    found = codings(dict.fromkeys(values, 10))
    assert [set(c.counts) for c in found] == alike


def test_the_map_to_give_is_ready_to_paste(tmp_path: Path) -> None:
    found = codings({"F": 5, "f": 3, "M": 4})
    said = in_words("sex", found)
    assert "'F' (5) and 'f' (3)" in said and "--map sex:F,f=female" in said.replace("=F", "=female")
    option = found[0].map_option("sex").removeprefix("--map ")
    assert len(set(column(tmp_path, ["F", "f"], Spelling.make(map=[option.replace("sex", "race")])))) == 1
