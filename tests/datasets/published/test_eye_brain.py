"""What misleads in the sets of eyes and brains, each tried on its miniature; ODIR-5K itself where it is."""

from __future__ import annotations

import builtins
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image

from everygroup.cohort.groups import as_category
from everygroup.datasets.published import Published, adapter_of
from everygroup.datasets.published.odir_5k import eye_diagnosis
from everygroup.errors import CohortError
from everygroup.imaging import open_source

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[4] / "shared" / "data"))
Miniature = Callable[[str], Path]


def read(name: str, folder: Path, **options: Any) -> Published:
    return adapter_of(name).read(folder, **options)


def labels(name: str, found: Published, label_map: str | None = None) -> dict[str, str | None]:
    rule = adapter_of(name).label_map(label_map)
    return dict(zip(found.table["image_id"], rule.apply(found.table[rule.column], where=name), strict=True))


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


# --- codings ---------------------------------------------------------------------------------------------------------


def test_the_same_code_of_sex_means_different_things(miniature: Miniature) -> None:
    papila = read("papila", miniature("papila")).table.set_index("image_id")["sex"]
    assert (papila["RET002OD"], papila["RET004OD"]) == ("male", "female"), "0 is male, 1 female"
    gf = read("harvard_gf", miniature("harvard_gf")).table.set_index("image_id")["sex"]
    assert (gf["data_0001"], gf["data_0002"]) == ("female", "male"), "0 is female, 1 male"
    brset = read("brset", miniature("brset")).table.set_index("image_id")["sex"]
    assert (brset["img00001"], brset["img00003"]) == ("male", "female"), "1 is male, 2 female, presumably"
    assert adapter_of("brset").info.doubtful
    for name in ("papila", "harvard_gf", "harvard_fairvlmed", "harvard_fairseg", "brset"):
        assert any("Sex is" in defect for defect in adapter_of(name).info.defects), name


@pytest.mark.parametrize(
    ("name", "file", "column", "value"),
    [
        ("odir_5k", "full_df.csv", "Patient Sex", "Mail"),
        ("brset", "labels_brset.csv", "patient_sex", "3"),
        ("harvard_fairvlmed", "data_summary.csv", "race", "martian"),
        ("oasis1", "oasis_cross-sectional.csv", "M/F", "W"),
        ("adni", "my_collection_11_02_2020.csv", "Sex", "W"),
    ],
)
def test_an_unknown_code_is_named_with_its_row(
    miniature: Miniature, name: str, file: str, column: str, value: str
) -> None:
    folder = miniature(name)

    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[3, column] = value
        return table

    edit(folder / file, spoil)
    with pytest.raises(CohortError, match=rf"{file}: row 5: .*{value!r}"):
        read(name, folder)


def test_unknown_is_missing_and_counted(miniature: Miniature) -> None:
    found = read("harvard_gf", miniature("harvard_gf"))
    table = found.table.set_index("image_id")
    assert table["ethnicity"].isna().sum() == 2 and table["ethnicity"].isna()["data_0003"]
    assert set(table["ethnicity"].dropna()) == {"non-hispanic", "hispanic"}
    assert "2 values of ethnicity are -1 (unknown) and count as missing" in found.notes
    vlmed = read("harvard_fairvlmed", miniature("harvard_fairvlmed")).table
    assert Counter(vlmed["language"].dropna()) == {"english": 3, "spanish": 3, "other": 3}
    assert set(vlmed["marital_status"].dropna()) == {"married or partnered", "single", "divorced", "widowed"}
    seg = read("harvard_fairseg", miniature("harvard_fairseg")).table
    assert [as_category(v) for v in seg["ethnicity"][:4]] == ["non-hispanic", "hispanic", None, "hispanic"]
    assert list(seg["race"][:3]) == ["asian", "black", "white"]


# --- columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "column"),
    [
        ("odir_5k", "full_df.csv", "Patient Age"),
        ("brset", "labels_brset.csv", "DR_ICDR"),
        ("eyepacs", "trainLabels.csv", "level"),
        ("harvard_fairvlmed", "data_summary.csv", "race"),
        ("harvard_fairseg", "ReadMe/data_summary.csv", "gender"),
        ("oasis1", "oasis_cross-sectional.csv", "CDR"),
        ("adni", "my_collection_11_02_2020.csv", "Group"),
        ("tusc", "metadata.csv", "annot_id"),
    ],
)
def test_a_renamed_column_is_named_and_can_be_mapped(miniature: Miniature, name: str, file: str, column: str) -> None:
    folder = miniature(name)
    before = read(name, folder).table
    edit(folder / file, lambda table: table.rename(columns={column: f"{column} (new)"}))
    with pytest.raises(CohortError, match=column) as caught:
        read(name, folder)
    assert Path(file).name in caught.value.message and f"{column} (new)" in caught.value.fix
    after = read(name, folder, column_map={f"{column} (new)": column}).table
    pd.testing.assert_frame_equal(after[list(before.columns)], before)


def test_renamed_columns_of_sheets_and_json(miniature: Miniature) -> None:
    papila = miniature("papila")
    for side in ("od", "os"):
        path = papila / "ClinicalData" / f"patient_data_{side}.xlsx"
        book = openpyxl.load_workbook(path)
        book.active["D1"] = book.active["D3"] = "Diagnosis (0-2)"
        book.save(path)
    with pytest.raises(CohortError, match=r"No column 'Diagnosis' in .*patient_data_od\.xlsx"):
        read("papila", papila)
    found = read("papila", papila, column_map={"Diagnosis (0-2)": "Diagnosis"})
    assert set(found.table["diagnosis"]) == {"healthy", "glaucoma", "suspect"}

    kits = miniature("kits23")
    path = kits / "dataset" / "kits23.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"gender"', '"sex_at_birth"'), encoding="utf-8")
    with pytest.raises(CohortError, match="No column 'gender'"):
        read("kits23", kits)
    assert "female" in set(read("kits23", kits, column_map={"sex_at_birth": "gender"}).table["sex"])


# --- ODIR-5K ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "diagnosis"),
    [
        ("normal fundus", "normal"),
        ("lens dust，normal fundus", "normal"),
        ("normal fundus，drusen", "other"),
        ("Moderate Non Proliferative Retinopathy", "diabetes"),
        ("suspected glaucoma, cataract", "glaucoma"),
        ("drusen，cataract", "other"),
        ("hypertensive retinopathy，diabetic retinopathy", "hypertension"),
        ("wet age-related macular degeneration", "age-related macular degeneration"),
        ("myopia retinopathy", "pathological myopia"),
        ("low image quality", None),
        ("no fundus image，lens dust", None),
        ("", None),
        (None, None),
    ],
)
def test_an_eye_has_the_diagnosis_of_its_first_finding(keywords: str | None, diagnosis: str | None) -> None:
    assert eye_diagnosis(keywords) == diagnosis


def test_odir_eyes_have_their_own_labels_and_pictures(miniature: Miniature) -> None:
    found = read("odir_5k", miniature("odir_5k"))
    table = found.table.set_index("image_id")
    assert (table.loc["0_left", "diagnosis"], table.loc["0_right", "diagnosis"]) == ("cataract", "normal")
    assert (table.loc["0_left", "patient_C"], table.loc["0_right", "patient_C"]) == (1, 1), "of the patient"
    assert table.loc["0_right", "diagnostic_keywords"] == "normal fundus"
    assert table.loc["2_left":"2_right", "age"].isna().all() and table["age"].isna().sum() == 2
    assert found.notes == ("2 ages of 1 are placeholders and count as missing",)
    assert table["image"].str.startswith("preprocessed_images/").all(), "not the originals of the same names"
    assert table.groupby("patient_id")["eye"].nunique().to_dict() == {**dict.fromkeys("01234", 2), "5": 1}
    cataract = labels("odir_5k", found, "cataract")
    assert Counter(cataract.values()) == {"normal": 3, "cataract": 1, None: 7}
    assert labels("odir_5k", found, "disease")["2_right"] == "disease"


def test_odir_spreadsheet_gives_two_eyes_a_row(tmp_path: Path, miniature: Miniature) -> None:
    copy = read("odir_5k", miniature("odir_5k")).table.set_index("image_id")
    table = pd.read_csv(tmp_path / "raw" / "odir_5k" / "full_df.csv").drop_duplicates("ID")
    folder = tmp_path / "challenge"
    (folder / "Training Images").mkdir(parents=True)
    sheet = table.drop(columns=["filepath", "labels", "target", "filename"])
    sheet.to_excel(folder / "ODIR-5K_Training_Annotations(Updated)_V2.xlsx", index=False)
    for name in (*sheet["Left-Fundus"], *sheet["Right-Fundus"]):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "Training Images" / name)
    found = read("odir_5k", folder)
    eyes = found.table.set_index("image_id")
    assert len(eyes) == 12 and list(eyes.index[:2]) == ["0_left", "0_right"]
    assert pd.isna(eyes.loc["5_right", "diagnosis"]), "the front of the eye shows no eye ground"
    assert any("1 eyes whose keywords tell only of the picture" in note for note in found.notes)
    shared = ["diagnosis", "age", "sex", "eye", "patient_id", "patient_G", "diagnostic_keywords"]
    pd.testing.assert_frame_equal(eyes.loc[copy.index, shared], copy[shared], check_dtype=False)
    source = open_source(found.images)
    assert all(source.find(image) for image in found.table["image"])

    sheet.loc[sheet.index[2], "Patient Sex"] = "x"
    sheet.to_excel(folder / "ODIR-5K_Training_Annotations(Updated)_V2.xlsx", index=False)
    with pytest.raises(CohortError, match="row 4: unknown sex 'x'"):
        read("odir_5k", folder)


def test_odir_copy_with_wrong_labels_is_refused(miniature: Miniature) -> None:
    folder = miniature("odir_5k")

    def two(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[1, "labels"] = "['N', 'D']"
        return table

    edit(folder / "full_df.csv", two)
    with pytest.raises(CohortError, match=r"row 3: labels \"\['N', 'D'\]\" is not one of"):
        read("odir_5k", folder)


def test_odir_5k_itself() -> None:
    folder = DATA / "odir-5k-128"
    if not (folder / "metadata.csv").exists():
        pytest.skip("the data set odir-5k-128 is not here")
    info = adapter_of("odir_5k").info
    found = read("odir_5k", folder)
    table = found.table
    assert len(table) == info.n_images and table["patient_id"].nunique() == 3358
    for column, counts in info.counts.items():
        assert table[column].value_counts().to_dict() == counts, column
    assert table["age"].isna().sum() == 28 and found.notes == ("28 ages of 1 are placeholders and count as missing",)
    assert table["age"].max() == 91 and not table["sex"].isna().any()
    assert table.loc[table["age"].isna(), "patient_id"].nunique() == 15
    differs = table["diagnostic_keywords"].map(eye_diagnosis) != table["diagnosis"]
    assert differs.sum() == 3 and set(table.loc[differs, "diagnostic_keywords"]) == {"myopic maculopathy"}
    assert (table.loc[differs, "patient_M"] == 1).all()
    assert Counter(labels("odir_5k", found, "cataract").values()) == {None: 3226, "normal": 2873, "cataract": 293}
    with zipfile.ZipFile(folder / "images.zip") as archive:
        assert {f"{name}.jpg" for name in table["image"]} == set(archive.namelist())


# --- other eyes ------------------------------------------------------------------------------------------------------


def test_suspects_are_no_class_unless_asked_for(miniature: Miniature) -> None:
    found = read("papila", miniature("papila"))
    suspects = set(found.table.loc[found.table["diagnosis"] == "suspect", "image_id"])
    assert suspects
    assert {i for i, label in labels("papila", found).items() if label is None} == suspects
    assert set(labels("papila", found, "three").values()) == {"healthy", "glaucoma", "suspect"}
    referred = labels("papila", found, "glaucoma_or_suspect")
    assert {referred[i] for i in suspects} == {"glaucoma or suspect"}


def test_papila_headings_ids_and_eyes(miniature: Miniature) -> None:
    folder = miniature("papila")
    found = read("papila", folder)
    table = found.table.set_index("image_id")
    assert list(table.index[:4]) == ["RET002OD", "RET002OS", "RET004OD", "RET004OS"]
    assert table.loc["RET101OS", "patient_id"] == "101" and table.loc["RET002OS", "eye"] == "left"
    assert (table.groupby("patient_id").size() == 2).all()
    assert {"dioptre_1", "astigmatism", "Phakic/Pseudophakic", "Perkins"} <= set(table.columns)
    assert table.loc["RET010OD":"RET010OS", "age"].isna().all()
    path = folder / "ClinicalData" / "patient_data_os.xlsx"
    book = openpyxl.load_workbook(path)
    book.active["C5"] = 7  # the second patient; three rows of headings stand above
    book.save(path)
    with pytest.raises(CohortError, match=r"patient_data_os\.xlsx: row 5: unknown Gender '7'"):
        read("papila", folder)
    book.active["C5"], book.active["A6"] = 1, "mean"
    book.save(path)
    with pytest.raises(CohortError, match="row 6 begins with 'mean'"):
        read("papila", folder)


def test_spreadsheets_without_the_package_or_damaged(miniature: Miniature, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = miniature("papila")
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", absent)
        with pytest.raises(CohortError, match="openpyxl") as caught:
            read("papila", folder)
    assert "everygroup[excel]" in caught.value.fix
    (folder / "ClinicalData" / "patient_data_od.xlsx").write_bytes(b"PK\x03\x04 no sheet")
    with pytest.raises(CohortError, match="cannot be read as a spreadsheet"):
        read("papila", folder)


def test_retinopathy_grades(miniature: Miniature) -> None:
    found = read("brset", miniature("brset"))
    grades = dict(zip(found.table["image_id"], found.table["DR_ICDR"], strict=True))
    anyone, referable = labels("brset", found, "any"), labels("brset", found, "referable")
    for image, grade in grades.items():
        assert (anyone[image] == "retinopathy") == (grade >= 1)
        assert (referable[image] == "referable") == (grade >= 2)
    assert Counter(found.table["quality"]) == {"Adequate": 11, "Inadequate": 1}
    assert found.table["age"].isna().sum() == 2
    assert len(set(labels("brset", found, "grades").values())) == 5


def test_eyepacs_has_no_demographics_and_says_so(miniature: Miniature) -> None:
    found = read("eyepacs", miniature("eyepacs"))
    info = adapter_of("eyepacs").info
    assert set(info.attributes) == {"eye"} and "no demographics" in info.defects[0]
    table = found.table.set_index("image_id")
    assert (table.loc["10_left", "patient_id"], table.loc["10_left", "eye"]) == ("10", "left")
    assert table.loc["99", "patient_id"] == "99" and pd.isna(table.loc["99", "eye"])
    assert found.notes == ("1 images do not say which eye they show",)
    assert sum(info.counts["level"].values()) == info.n_images


# --- brains ----------------------------------------------------------------------------------------------------------


def test_a_blank_rating_is_not_zero(miniature: Miniature) -> None:
    found = read("oasis1", miniature("oasis1"))
    strict, young = labels("oasis1", found), labels("oasis1", found, "dementia_young_healthy")
    assert strict["OAS1_0004_MR1"] is None and young["OAS1_0004_MR1"] == "no dementia"
    assert strict["OAS1_0031_MR1"] is None and young["OAS1_0031_MR1"] is None, "88 years, not rated"
    assert strict["OAS1_0002_MR1"] == "no dementia", "rated 0 at 55"
    assert strict["OAS1_0003_MR1"] == "dementia", "0.5 counts"
    assert found.notes[0] == "5 scans have no CDR, 4 of them of people below 60 years"
    assert labels("oasis1", found, "cdr")["OAS1_0028_MR1"] == "mild or moderate"


def test_scans_of_one_person_and_their_files(miniature: Miniature) -> None:
    folder = miniature("oasis1")
    found = read("oasis1", folder)
    table = found.table.set_index("image_id")
    assert table.loc["OAS1_0061_MR1", "subject"] == table.loc["OAS1_0061_MR2", "subject"] == "OAS1_0061"
    assert table["image"].str.endswith("_t88_masked_gfc.img").all(), "neither the raw scan nor the segmentation"
    assert pd.isna(table.loc["OAS1_0028_MR1", "sex"])
    for number in (1, 2, 10, 11):
        name = f"OAS1_0001_MR1_{number}.png"
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / name)
    found = read("oasis1", folder)
    assert found.table["image"][0] == "OAS1_0001_MR1_10.png", "the third of four, by number"
    assert any(note.startswith("1 scans have several pictures") for note in found.notes)
    edit(folder / "oasis_cross-sectional.csv", lambda table: table.replace("OAS1_0002_MR1", "OAS2_0002_MR1"))
    with pytest.raises(CohortError, match="row 3: the ID 'OAS2_0002_MR1' is not one of OASIS-1"):
        read("oasis1", folder)


def test_oasis_table_as_a_spreadsheet(miniature: Miniature) -> None:
    folder = miniature("oasis1")
    before = read("oasis1", folder)
    table = pd.read_csv(before.path)
    before.path.unlink()
    path = folder / "oasis_cross-sectional-5708aa0a98d82080.xlsx"
    table.to_excel(path, index=False)
    after = read("oasis1", folder)
    shared = ["image_id", "image", "subject", "age", "sex", "hand", "cdr", "cdr_or_young"]
    pd.testing.assert_frame_equal(after.table[shared], before.table[shared])
    book = openpyxl.load_workbook(path)
    book.active["E1"] = "CDR"
    book.save(path)
    with pytest.raises(CohortError, match="'CDR' stands in the header twice"):
        read("oasis1", folder)


def test_groups_of_adni_collapse_by_name(miniature: Miniature) -> None:
    found = read("adni", miniature("adni"))
    groups = dict(zip(found.table["image_id"], found.table["Group"], strict=True))
    expected = {
        "three": {"CN": "CN", "SMC": None, "EMCI": "MCI", "MCI": "MCI", "LMCI": "MCI", "AD": "AD"},
        "three_with_smc": {"CN": "CN", "SMC": "CN", "EMCI": "MCI", "MCI": "MCI", "LMCI": "MCI", "AD": "AD"},
        "ad": {"CN": "CN", "SMC": None, "EMCI": None, "MCI": None, "LMCI": None, "AD": "AD"},
        "six": {name: name for name in ("CN", "SMC", "EMCI", "MCI", "LMCI", "AD")},
    }
    for name, rule in expected.items():
        assert labels("adni", found, name) == {image: rule[group] for image, group in groups.items()}
    assert (found.table.groupby("Subject").size() == 2).all()


def test_adni_files_and_tables(miniature: Miniature) -> None:
    folder = miniature("adni")
    found = read("adni", folder)
    assert found.table["image"].iloc[-1].endswith("_I20013_2.png"), "the middle of three slices"
    assert found.notes == ("1 images have several files, of which the middle one is taken",)
    (folder / "ADNIMERGE.csv").write_text("RID,PTID,AGE\n1,002_S_1000,70\n", encoding="utf-8")
    edit(found.path, lambda table: table.assign(**{"Image Data ID": table["Image Data ID"].str.removeprefix("I")}))
    again = read("adni", folder)
    assert again.path == found.path, "the table of the images, not the other one"
    pd.testing.assert_frame_equal(again.table, found.table)
    found.path.unlink()
    with pytest.raises(CohortError, match="no CSV file there has columns such as Image Data ID"):
        read("adni", folder)
