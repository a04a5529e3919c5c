"""Anybody's tables: encodings, separators, parquet, guessed columns, metadata joined by id."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everygroup.console import console, recorded_warnings
from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions, TableReading, read_predictions
from everygroup.predictions.reading import read_classes
from everygroup.tables import open_table

TABLE = """Bild,Patient,truth,p_gut,p_böse,sex,age,fold
a,1,gut,0.9,0.1,w,40,1
b,1,böse,0.25,0.75,m,50,2
c,2,gut,0.6,0.4,,61,1
"""


def read(path: Path, **options: Any) -> tuple[Predictions, str]:
    with console.capture() as capture:
        found = read_predictions(path, **options)
    return found, " ".join(capture.get().split())


def save(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "read as UTF-16"),
        ("utf-16-le", "UTF-16 without a mark"),
        ("utf-16-be", "UTF-16 without a mark"),
        ("latin-1", "read as Windows-1252"),
    ],
)
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, said: str, mark: str) -> None:
    p, text = read(save(tmp_path / "t.csv", TABLE.replace(",", mark), encoding), groups="sex")
    assert p.classes == ("gut", "böse") and p.y_true.tolist() == [0, 1, 0] and p.units.tolist() == ["1", "1", "2"]
    assert p.attribute("sex")[0] == ("m", "w") and p.table["split"].tolist() == ["", "", ""]
    assert said in text and ("separated by" in text) == (mark != ",")
    assert "label: column 'truth'" in text and "patient or lesion: column 'Patient'" in text and "p_böse" in text


def test_a_late_foreign_letter(tmp_path: Path) -> None:
    rows = "".join(f"{i},a,a,x\n" for i in range(200_000))
    path = save(tmp_path / "t.csv", f"id,y_true,y_pred,site\n{rows}", "utf-8")
    path.write_bytes(path.read_bytes() + "last,a,a,Zürich\n".encode("latin-1"))
    p, text = read(path, groups="site", classes=["a", "b"])
    assert p.attribute("site")[0] == ("Zürich", "x") and "line 200002 is not UTF-8" in text


def test_every_cell_is_taken_as_it_is_written(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", "nr,y_true,y_pred,site\n007,01,1e3,0x1\n08,1e3,01,NaN\n009,01,01,1_0\n")
    p, _ = read(path, id_column="nr", groups="site")
    assert p.ids.tolist() == ["007", "08", "009"] and p.classes == ("01", "1e3")
    assert p.attribute("site")[0] == ("0x1", "1_0") and p.attribute("site")[1].tolist() == [0, -1, 1]


def test_decimal_comma(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", "y_true;risk;age\n0;0,25;40,5\n1;0,75;60\n1;1;\n")
    p, text = read(path, y_score="risk", groups="age", bins={"age": "50"})
    assert p.y_score[:, 1].tolist() == [0.25, 0.75, 1.0] and "decimal comma" in text
    assert p.attribute("age")[0] == ("<=50", ">50") and p.attribute("age")[1].tolist() == [0, 1, -1]


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "image": ["a", "b", "c"],
            "patient": [1, 1, None],
            "label": pd.Categorical(["x", None, "y"]),
            "score_x": [0.5, 0.25, 1.0],
            "score_y": np.array([0.5, 0.75, 0.0], dtype=np.float32),
            "age": [30, 55, 70],
            "ok": [True, False, True],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    p, text = read(tmp_path / "t.parquet", groups=["age", "ok"], bins={"age": "50"})
    assert p.y_true.tolist() == [0, -1, 1] and p.units.tolist() == ["1.0", "1.0", "no unit: c"]
    assert p.attribute("age")[1].tolist() == [0, 1, 1] and p.attribute("ok")[0] == ("False", "True")
    assert "sample id: column 'image'" in text


def test_parquet_that_is_broken_or_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "t.parquet", "PAR1 and no more")
    with pytest.raises(PredictionsError, match=r"Cannot read t\.parquet"):
        read_predictions(tmp_path / "t.parquet")
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PredictionsError, match="needs pyarrow") as caught:
        read_predictions(tmp_path / "t.parquet")
    assert "everygroup[parquet]" in caught.value.fix


def test_parquet_columns_that_are_no_scores(tmp_path: Path) -> None:
    pd.DataFrame({"y_true": ["a", "b"], "p_a": ["0.5", "x"], "p_b": [0.5, 0.5]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(PredictionsError, match="row 2, column 'p_a': 'x' is no number"):
        read_predictions(tmp_path / "t.parquet", y_score="p_*")


def test_run_folder(tmp_path: Path) -> None:
    p = Predictions.from_arrays([0, 1], y_pred=[0, 1], group=["a", "b"])
    p.to_csv(tmp_path / "run" / "predictions.csv")
    q, text = read(tmp_path / "run")
    assert q.groups == ("a", "b") and text == ""


def test_groups_are_not_guessed(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", TABLE)
    assert read(path)[0].sensitive == ()
    with pytest.raises(PredictionsError, match="no sensitive attribute") as caught:
        read_classes(TableReading().open(path), TableReading(), need_groups=True)
    assert "sex (m, w)" in caught.value.fix and "truth" not in caught.value.fix
    many = "".join(f"{i % 2},{i % 2},{20 + i % 60},{i}\n" for i in range(300))
    save(path, f"y_true,y_pred,age,nr\n{many}")
    with pytest.raises(PredictionsError) as caught:
        read_classes(TableReading().open(path), TableReading(), need_groups=True)
    assert "age (numbers 20 to 79: give --bins age=...)" in caught.value.fix and "nr" not in caught.value.fix


@pytest.mark.parametrize(
    ("text", "label", "answer", "classes"),
    [
        ("target,prediction\nx,y\ny,y\n", "target", "prediction", ("x", "y")),
        ("Ground-Truth,Predicted Label\n1,-1\n-1,-1\n", "Ground-Truth", "Predicted Label", ("-1", "1")),
        ("DX,y_hat\n10,9\n9,9\n", "DX", "y_hat", ("9", "10")),
    ],
)
def test_guessed_labels(tmp_path: Path, text: str, label: str, answer: str, classes: tuple[str, ...]) -> None:
    p, said = read(save(tmp_path / "t.csv", text))
    assert p.classes == classes and f"label: column {label!r}" in said and f"answer: column {answer!r}" in said


def test_scores_are_guessed_only_where_their_names_are_the_labels(tmp_path: Path) -> None:
    text = "dx,y_pred,p_value,p_adjusted\na,a,0.1,0.2\nb,b,0.3,0.4\n"
    assert not read(save(tmp_path / "t.csv", text))[0].has_scores
    p, said = read(save(tmp_path / "t.csv", "label,Probability\n0,0.2\n1,0.7\n"))
    assert p.has_scores and "'Probability' is taken as the probability of '1'" in said


def test_a_label_in_another_case_does_not_drop_the_scores(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ["benign,benign,0.9,0.1", "Benign,benign,0.8,0.2", "malignant,malignant,0.3,0.7"]
    path.write_text("\n".join(["truth,answer,p_benign,p_malignant", *rows]))
    p = read_predictions(path)
    assert p.classes == ("benign", "malignant") and p.y_true.tolist() == [0, 0, 1] and p.has_scores
    assert any("'Benign' as 'benign'" in text for text in recorded_warnings())
    path.write_text("\n".join(["truth,answer", *(row.rsplit(",", 2)[0] for row in rows)]))
    assert read_predictions(path).classes == ("benign", "malignant")


def test_the_positive_class_comes_last(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", "dx,risk\nmel,0.9\nnv,0.2\n")
    p, said = read(path, y_score="risk", positive="mel")
    assert p.classes == ("nv", "mel") and p.y_pred.tolist() == [1, 0] and "probability of 'mel'" in said
    two = save(tmp_path / "u.csv", "dx,score_mel,score_nv\nmel,0.9,0.1\nnv,0.2,0.8\n")
    p, _ = read(two, positive="mel")
    assert p.classes == ("nv", "mel") and p.y_score[0].tolist() == [0.1, 0.9]
    with pytest.raises(PredictionsError, match="'bkl' is not one of two classes"):
        read_predictions(path, y_score="risk", positive="bkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"\xff\xfe\n\0\n\0", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "binary data"),
        (b"PK\x03\x04xlsx", "spreadsheet"),
        (b"y_true,y_pred,y_true\n1,1,1\n", "'y_true' stands in the header twice"),
        (b"y_true,sex,y_pred\n1,f,1\n1,f\n", "row 3: 2 fields, where the header has 3"),
        (b'y_true,y_pred\n"1,1\n', "row 2: 1 field, where"),
        (b"id,y_true,y_pred\na,0,0\na,1,1\n", r"the 'id' 'a' stands in several rows \(2, 3\)"),
        (b"y_true,y_pred\n,\n,\n", "are empty"),
        (b"y_true,y_pred,score_0,score_1\n0,0,inf,0\n1,1,0,1\n", "row 2, column 'score_0': inf is infinite"),
        (b"y_true,score_0,score_1\n0,0.5,\n1,0,1\n", "row 2: a score is missing"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(tmp_path / "t.csv", id_column="id" if b"id," in content else None)
    assert caught.value.fix


def test_other_bad_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PredictionsError, match=r"holds no predictions\.csv"):
        read_predictions(tmp_path)
    path = save(tmp_path / "t.csv", TABLE)

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PredictionsError, match=r"cannot be read \(Permission denied\)"):
        read_predictions(path)


def test_too_many_classes_and_minus_one() -> None:
    with pytest.raises(PredictionsError, match="5000 classes"):
        Predictions.from_arrays(np.arange(5000), y_pred=np.arange(5000))
    with pytest.raises(PredictionsError, match="-1 and 1 and never 0"):
        Predictions.from_arrays([-1, 1], y_pred=[-1, 1])
    with pytest.raises(PredictionsError, match="shape"):
        Predictions.from_arrays(np.zeros((2, 3), dtype=int), y_pred=[0, 1])


# ---- metadata -------------------------------------------------------------------------------------------------------

META = "image;sex;age;label\na;f;40;9\nb;m;55;9\nz;f;1;9\n"


def test_metadata(tmp_path: Path) -> None:
    first = save(tmp_path / "p.csv", "image,label,y_pred\na,0,0\nb,1,1\nc,1,0\n")
    p, text = read(first, metadata=save(tmp_path / "m.csv", META), groups=["sex", "age"], bins={"age": "50"})
    assert p.attribute("sex")[1].tolist() == [0, 1, -1] and p.attribute("age")[1].tolist() == [0, 1, -1]
    assert p.y_true.tolist() == [0, 1, 1]  # its own label, not that of the metadata
    assert "2 of 3 rows found" in text and "1 id is not in p.csv and is not used" in text
    assert "label stands in both tables; that of p.csv is used" in text
    assert any("1 of 3 rows of p.csv are not in m.csv" in w for w in recorded_warnings())


def test_metadata_of_patients_and_other_names(tmp_path: Path) -> None:
    first = save(tmp_path / "p.csv", "image,patient,label,y_pred\na,1,0,0\nb,1,1,1\nc,2,1,0\n")
    second = save(tmp_path / "m.csv", "patient,sex\n1,f\n2,m\n")
    p, _ = read(first, metadata=second, metadata_id="patient", groups="sex")
    assert p.attribute("sex")[1].tolist() == [0, 0, 1] and p.units.tolist() == ["1", "1", "2"]
    second = save(tmp_path / "m.csv", "isic,sex,score_0,score_1\na,f,1,0\nb,m,0,1\nc,m,0,1\n")
    p, said = read(first, metadata=second, metadata_id="isic", id_column="image", groups="sex")
    assert "joined by 'isic' = 'image'" in said and p.has_scores and p.y_score[:, 1].tolist() == [0, 1, 1]
    assert p.y_pred.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("meta", "options", "message"),
    [
        ("image,sex\na,f\na,m\n", {}, "the id 'a' stands in several rows of 'image'"),
        ("image,sex\n1.0,f\n1,m\n", {}, "the id '1' stands in several rows"),
        ("image,sex\nq,f\n", {}, "No id of p.csv"),
        ("nr,sex\na,f\n", {"metadata_id": "number"}, "No column 'number' in m.csv"),
        ("nr,sex\na,f\n", {}, "no column named like an id"),
        ("nr,sex\na,f\n", {"metadata_id": "nr", "id_column": "bild"}, "No column 'bild' in p.csv"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path: Path, meta: str, options: dict[str, Any], message: str) -> None:
    first = save(tmp_path / "p.csv", "image,label,y_pred\na,0,0\nb,1,1\n")
    with pytest.raises(PredictionsError, match=message):
        read_predictions(first, metadata=save(tmp_path / "m.csv", meta), groups="sex", **options)


def test_metadata_id_needs_metadata(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="without --metadata"):
        read_predictions(save(tmp_path / "p.csv", TABLE), metadata_id="x")


def test_open_table_reads_no_more_than_it_needs(tmp_path: Path) -> None:
    source = open_table(save(tmp_path / "t.csv", TABLE))
    assert list(source.read(["sex"]).columns) == ["sex"] and source.columns[2] == "truth"


# ---- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "row", "fields"),
    [
        ("a,b,c\n1,2,3\n1,2\n", 3, "2 fields"),
        ("a,b,c\n\n1,2,3\n  \n1\n", 5, "1 field,"),
        ('a,b,c\n"1\nx",2,3\n1,2\n', 4, "2 fields"),
        ("a;b;c\r\n1;2;3\r\n1;2", 3, "2 fields"),
        ("a,b,c\r1,2,3\r1,2\r", 3, "2 fields"),
    ],
)
def test_short_rows_are_named(tmp_path: Path, text: str, row: int, fields: str) -> None:
    with pytest.raises(PredictionsError, match=rf"p\.csv, row {row}: {fields}.*header has 3") as caught:
        open_table(save(tmp_path / "p.csv", text))
    assert "as many fields" in caught.value.fix


def test_short_rows_beyond_the_first_chunk_and_in_utf_16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everygroup.tables.lines._CHUNK", 16)
    with pytest.raises(PredictionsError, match=r"row 42: 1 field,"):
        open_table(save(tmp_path / "p.csv", "a,b\n" + "1,2\n" * 40 + "7\n1,2\n"))
    with pytest.raises(PredictionsError, match=r"row 3: 1 field,"):
        open_table(save(tmp_path / "u.csv", "a,b\n1,2\n7\n", "utf-16"))
    assert len(open_table(save(tmp_path / "ok.csv", "a,b\n\n1,2\n\n")).sample) == 1


def test_row_numbers_count_blank_lines_and_quoted_line_breaks(tmp_path: Path) -> None:
    text = 'id,y_true,y_pred,score_a,score_b,note\n\n1,a,a,0.9,0.1,"two\nlines"\n\n2,b,b,0.2,x,\n'
    with pytest.raises(PredictionsError, match=r"p\.csv, row 6, column 'score_b': 'x'"):
        read(save(tmp_path / "p.csv", text))
    with pytest.raises(PredictionsError, match=r"row 6: .*sum to"):
        read(save(tmp_path / "q.csv", text.replace(",x,", ",0.1,")))
    with pytest.raises(PredictionsError, match=r"several rows \(3, 6\)"):
        read(save(tmp_path / "r.csv", text.replace("2,b", "1,b").replace(",x,", ",0.8,")), id_column="id")
