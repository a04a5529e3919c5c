"""Pitfalls of the chest X-ray, mammography and CT sets: each is in the files as distributed, and has misled people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everygroup.cohort.groups import as_category
from everygroup.datasets.published import Published, adapter_of
from everygroup.datasets.published._findings import statements
from everygroup.datasets.published._race import by_majority, ethnicity_of, race_of
from everygroup.errors import CohortError
from everygroup.imaging import open_source

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[4] / "shared" / "data"))
Miniature = Callable[[str], Path]


def read(name: str, folder: Path, **options: Any) -> pd.DataFrame:
    return adapter_of(name).read(folder, **options).table


def labels(name: str, found: Published | pd.DataFrame, rule: str) -> list[str | None]:
    chosen = adapter_of(name).label_map(rule)
    table = found.table if isinstance(found, Published) else found
    return chosen.apply(table[chosen.column], where=name)


def edit(path: Path, **columns: Any) -> None:
    """Rewrite a table with other values; None drops a column."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column, value in columns.items():
        table = table.drop(columns=column) if value is None else table.assign(**{column: value})
    table.to_csv(path, index=False)


# ---- tables that are not as documented ------------------------------------------------------------------------------

TABLES = {
    "nih_chestxray14": ("Data_Entry_2017_v2020.csv", "Finding Labels"),
    "padchest": ("PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", "PatientBirth"),
    "chexpert": ("train.csv", "Pneumothorax"),
    "mimic_cxr_jpg": ("mimic-cxr-2.0.0-chexpert.csv.gz", "Edema"),
    "cbis_ddsm": ("mass_case_description_train_set.csv", "pathology"),
    "embed": ("tables/EMBED_OpenData_clinical.csv", "age_at_study"),
    "covid_ct_md": ("Clinical-data.csv", "Patient Age"),
    "ol3i": ("clinical_data.csv", "label_1y"),
    "vindr_cxr": ("annotations/image_labels_train.csv", "Pneumonia"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_lacking_column_is_named_with_its_file(name: str, miniature: Miniature) -> None:
    folder, (table, column) = miniature(name), TABLES[name]
    edit(folder / table, **{column: None})
    with pytest.raises(CohortError, match=column) as told:
        adapter_of(name).read(folder)
    assert Path(table).name in str(told.value)


@pytest.mark.parametrize("name", TABLES)
def test_a_renamed_column_is_found_by_the_column_map(name: str, miniature: Miniature) -> None:
    folder, (table, column) = miniature(name), TABLES[name]
    as_distributed = read(name, folder)
    frame = pd.read_csv(folder / table, dtype=str, keep_default_na=False).rename(columns={column: "my column"})
    frame.to_csv(folder / table, index=False)
    pd.testing.assert_frame_equal(read(name, folder, column_map={"my column": column}), as_distributed)


@pytest.mark.parametrize(
    ("name", "table", "column", "value"),
    [
        ("nih_chestxray14", "Data_Entry_2017_v2020.csv", "Finding Labels", "Mass|Gout"),
        ("padchest", "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", "Labels", "__import__('os')"),
        ("padchest", "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", "Labels", "['nodule'"),
        ("chexpert", "train.csv", "Edema", "2.0"),
        ("chexpert", "train.csv", "Path", "somewhere/image.jpg"),
        ("mimic_cxr_jpg", "mimic-cxr-2.0.0-chexpert.csv.gz", "study_id", "50000000"),
        ("vindr_cxr", "annotations/image_labels_train.csv", "Pneumonia", "2"),
        ("cbis_ddsm", "calc_case_description_test_set.csv", "image file path", "P_00001/000000.dcm"),
        ("cbis_ddsm", "calc_case_description_test_set.csv", "pathology", "UNPROVEN"),
        ("embed", "tables/EMBED_OpenData_clinical.csv", "side", "LEFT"),
        ("covid_ct_md", "Clinical-data.csv", "Folder", "P001"),
        ("covid_ct_md", "Clinical-data.csv", "Diagnosis", "flu"),
        ("ol3i", "clinical_data.csv", "sex", "7"),
    ],
)
def test_a_value_out_of_place_is_told_with_its_row(
    name: str, table: str, column: str, value: str, miniature: Miniature
) -> None:
    folder = miniature(name)
    frame = pd.read_csv(folder / table, dtype=str, keep_default_na=False)
    if name in ("mimic_cxr_jpg", "covid_ct_md") and column in ("study_id", "Folder"):
        frame = frame.assign(subject_id="10000032") if column == "study_id" else frame
        frame[column] = value  # every row the same: twice
    else:
        frame.loc[2, column] = value
    frame.to_csv(folder / table, index=False)
    with pytest.raises(CohortError, match=r"row 4|row 3|rows \(2, 3") as told:
        adapter_of(name).read(folder)
    assert Path(table).name in str(told.value)


# ---- ChestX-ray14 ---------------------------------------------------------------------------------------------------


def test_nih_release_of_2017_has_ages_as_text_and_a_trailing_comma(tmp_path: Path) -> None:
    (tmp_path / "Data_Entry_2017.csv").write_text(
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        "00000001_000.png,Cardiomegaly|Effusion,0,1,058Y,M,PA,2682,2749,0.143,0.171,\n"
        "00000002_000.png,No Finding,0,2,411Y,F,AP,2500,2048,0.168,0.168,\n"
        "00000003_000.png,Hernia,0,3,009M,F,PA,2500,2048,0.168,0.168,\n",
        encoding="utf-8",
    )
    found = adapter_of("nih_chestxray14").read(tmp_path)
    np.testing.assert_allclose(found.table["age"], [58, np.nan, 0.75])
    assert any("1 age" in note for note in found.notes)
    assert found.table["OriginalImage.Height"].tolist() == [2749, 2048, 2048]
    assert found.table["OriginalImagePixelSpacing.y"].tolist() == [0.171, 0.168, 0.168]
    assert not any(c.startswith("Unnamed") for c in found.table.columns)
    assert labels("nih_chestxray14", found, "effusion") == ["present", "absent", "absent"]
    assert labels("nih_chestxray14", found, "finding") == ["finding", "no finding", "finding"]


def test_nih_sex_goes_by_either_name_and_the_newer_table_is_preferred(miniature: Miniature) -> None:
    folder = miniature("nih_chestxray14")
    before = read("nih_chestxray14", folder)
    newer = folder / "Data_Entry_2017_v2020.csv"
    (folder / "Data_Entry_2017.csv").write_text(newer.read_text("utf-8").replace("Mass", "Hernia"), encoding="utf-8")
    newer.write_text(newer.read_text("utf-8").replace("Patient Gender", "Patient Sex"), encoding="utf-8")
    after = read("nih_chestxray14", folder)
    assert after["sex"].tolist() == before["sex"].tolist()
    assert after["mass"].tolist() == before["mass"].tolist()
    assert set(after["split"]) == {"train_val", "test"}
    assert after.groupby("patient_id")["split"].nunique().max() == 1


def test_nih_copy_with_metadata_and_npz_is_coded_alike() -> None:
    folder = DATA / "nih-chestxray14-subset-64"
    if not (folder / "metadata.csv").exists():
        pytest.skip("the data set nih-chestxray14-subset-64 is not here")
    found = adapter_of("nih_chestxray14").read(folder)
    assert found.table["patient_id"].nunique() == 264
    assert found.table["sex"].value_counts().to_dict() == {"female": 509, "male": 491}
    assert found.table["view"].value_counts().to_dict() == {"PA": 637, "AP": 363}
    said = labels("nih_chestxray14", found, "finding")
    assert said.count("finding") == 501
    assert (pd.Series(said) == found.table["label_of_copy"]).all()


# ---- CheXpert -------------------------------------------------------------------------------------------------------


def test_chexpert_policies_differ_in_the_uncertain_and_the_unmentioned_only(miniature: Miniature) -> None:
    table = read("chexpert", miniature("chexpert"))
    source = [as_category(v) for v in table["Pleural Effusion"]]
    expected = {
        "pleural_effusion": {"1": "present", "0": "absent", "-1": None, None: "absent"},
        "pleural_effusion_zeros": {"1": "present", "0": "absent", "-1": "absent", None: "absent"},
        "pleural_effusion_ones": {"1": "present", "0": "absent", "-1": "present", None: "absent"},
        "pleural_effusion_mentioned": {"1": "present", "0": "absent", "-1": None, None: None},
    }
    assert set(source) == {"1", "0", "-1", None}
    for rule, meaning in expected.items():
        assert labels("chexpert", table, rule) == [meaning[value] for value in source], rule


def test_chexpert_no_finding_means_healthy(miniature: Miniature) -> None:
    table = read("chexpert", miniature("chexpert"))
    said = labels("chexpert", table, "finding")
    assert [s == "no finding" for s in said] == [as_category(v) == "1" for v in table["No Finding"]]


def test_chexpert_patients_views_and_unknown_people(miniature: Miniature) -> None:
    folder = miniature("chexpert")
    found = adapter_of("chexpert").read(folder)
    table = found.table
    assert table["patient_id"].str.fullmatch(r"patient\d+").all()
    assert table["split"].value_counts().to_dict() == {"train": 20, "valid": 2}
    assert set(table["view"]) == {"Frontal", "Lateral"}
    unknown = table[table["Sex"] == "Unknown"]
    assert unknown["sex"].isna().all() and unknown["age"].isna().all()
    assert any("1 age" in note for note in found.notes)
    by_patient = table.drop_duplicates("patient_id").set_index("patient_id")
    assert by_patient.loc[
        ["patient00001", "patient00002", "patient00003", "patient00004", "patient00005"], "race"
    ].tolist() == [
        "white",
        "white",
        "black",
        "asian",
        "other",
    ]
    assert by_patient.loc[["patient00006", "patient00007", "patient64541"], "race"].isna().all()
    assert by_patient.loc["patient00001", "ethnicity"] == "not hispanic"
    assert by_patient.loc["patient00002", "ethnicity"] == "hispanic"


def test_chexpert_supplement_as_spreadsheet_or_absent(miniature: Miniature) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    folder = miniature("chexpert")
    as_text = read("chexpert", folder)
    book = openpyxl.Workbook()
    for row in [line.split(",") for line in (folder / "CHEXPERT DEMO.csv").read_text("utf-8").splitlines()]:
        # 'White, non-Hispanic' holds the separator: it is one cell in the sheet
        book.active.append(row if len(row) == 5 else [*row[:3], ",".join(row[3:-1]).strip('"'), row[-1]])
    (folder / "CHEXPERT DEMO.csv").unlink()
    absent = adapter_of("chexpert").read(folder)
    assert absent.table[["race", "ethnicity"]].isna().all(axis=None)
    assert any("CHEXPERT DEMO.xlsx" in note for note in absent.notes)
    book.save(folder / "CHEXPERT DEMO.xlsx")
    pd.testing.assert_frame_equal(read("chexpert", folder), as_text)


def test_an_absent_image_is_not_answered_by_another_of_its_name(miniature: Miniature) -> None:
    folder = miniature("chexpert")
    table = read("chexpert", folder)
    frontal = table[table["image"].str.endswith("view1_frontal.jpg")]
    for name in frontal["image"].iloc[1:]:
        (folder / name).unlink()
    after = read("chexpert", folder)
    source = open_source(folder)
    said = [source.find(name) for name in after.loc[frontal.index, "image"]]
    assert said[0] == frontal["image"].iloc[0] and set(said[1:]) == {None}
    assert after["image"].is_unique and (after["image_id"] == table["image_id"]).all()

    folder = miniature("cbis_ddsm")
    for path in sorted((folder / "CBIS-DDSM").rglob("*.png"))[1:]:
        path.unlink()
    source = open_source(folder)
    said = [source.find(name) for name in read("cbis_ddsm", folder)["image"]]
    assert sum(name is not None for name in said) == 1


def test_chexpert_may_be_called_anything(miniature: Miniature) -> None:
    folder = miniature("chexpert")
    before = read("chexpert", folder)
    path = folder / "train.csv"
    path.write_text(path.read_text("utf-8").replace("CheXpert-v1.0-small/", "data\\"), encoding="utf-8")
    pd.testing.assert_frame_equal(read("chexpert", folder).drop(columns="Path"), before.drop(columns="Path"))
    assert (read("chexpert", folder.parent)["image"] == before["image"]).all(), "the folder above will do"


# ---- MIMIC-CXR-JPG --------------------------------------------------------------------------------------------------


def test_mimic_age_is_that_of_the_study(miniature: Miniature) -> None:
    table = read("mimic_cxr_jpg", miniature("mimic_cxr_jpg"))
    # patient p was 40 + 10 p years old in 2180 + p, and had a second study three years later
    ages = table.drop_duplicates("study_id")["age"].tolist()
    assert ages[:10] == [40, 43, 50, 53, 60, 63, 70, 73, 80, 83] and np.isnan(ages[10:]).all()


def test_mimic_race_by_majority_with_conflicts_missing_and_counted(miniature: Miniature) -> None:
    found = adapter_of("mimic_cxr_jpg").read(miniature("mimic_cxr_jpg"))
    race = found.table.drop_duplicates("patient_id")["race"].tolist()
    assert [None if r is None or r != r else r for r in race] == ["white", "black", None, None, "hispanic", None]
    assert any("race of 1 patients" in note for note in found.notes)
    assert any("1 patients are not in patients.csv" in note for note in found.notes)


def test_mimic_studies_without_labels_are_not_called_healthy_or_ill(miniature: Miniature) -> None:
    found = adapter_of("mimic_cxr_jpg").read(miniature("mimic_cxr_jpg"))
    lacking = (found.table["study_id"] == "50000011").to_numpy()
    assert lacking.sum() == 2 and any("2 images are of studies without labels" in note for note in found.notes)
    for rule in ("finding", "edema", "edema_zeros", "edema_ones"):
        said = labels("mimic_cxr_jpg", found, rule)
        assert {said[k] for k in np.flatnonzero(lacking)} == {None}


def test_mimic_without_the_tables_of_people_or_split(miniature: Miniature) -> None:
    folder = miniature("mimic_cxr_jpg")
    complete = read("mimic_cxr_jpg", folder)
    for path in (folder / "mimiciv" / "hosp").iterdir():
        path.unlink()
    (folder / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    labels_path = folder / "mimic-cxr-2.0.0-chexpert.csv.gz"
    pd.read_csv(labels_path).to_csv(folder / "mimic-cxr-2.0.0-negbio.csv", index=False)
    labels_path.unlink()
    found = adapter_of("mimic_cxr_jpg").read(folder)
    assert found.table[["sex", "age", "race"]].isna().all(axis=None)
    said = " ".join(found.notes)
    assert all(word in said for word in ("patients.csv", "admissions.csv", "split", "NegBio"))
    assert found.table["edema"].equals(complete["edema"])


def test_mimic_first_version_calls_race_ethnicity(miniature: Miniature) -> None:
    folder = miniature("mimic_cxr_jpg")
    before = read("mimic_cxr_jpg", folder)
    path = folder / "mimiciv" / "hosp" / "admissions.csv.gz"
    pd.read_csv(path).rename(columns={"race": "ethnicity"}).to_csv(path, index=False)
    assert read("mimic_cxr_jpg", folder)["race"].equals(before["race"])


def test_a_damaged_packed_table_is_told(miniature: Miniature) -> None:
    folder = miniature("mimic_cxr_jpg")
    path = folder / "mimic-cxr-2.0.0-metadata.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CohortError, match=r"metadata\.csv\.gz: cannot be unpacked"):
        adapter_of("mimic_cxr_jpg").read(folder)
    path.write_bytes(b"dicom_id,subject_id\n")
    with pytest.raises(CohortError, match=r"metadata\.csv\.gz: cannot be unpacked"):
        adapter_of("mimic_cxr_jpg").read(folder)


# ---- PadChest -------------------------------------------------------------------------------------------------------


def test_padchest_lists_as_text(miniature: Miniature) -> None:
    table = read("padchest", miniature("padchest"))
    by_labels = dict(zip(table["Labels"].fillna(""), table["finding"], strict=True))
    assert by_labels["['normal']"] == "no finding"
    assert by_labels["['normal', 'pacemaker']"] == "finding", "normal with something else is no healthy image"
    assert by_labels["['unchanged']"] == "unclear" and by_labels[""] is None
    effusion = table["Labels"] == "['pneumonia', ' pleural effusion', 'nodule']"
    assert set(table.loc[effusion, "pleural_effusion"]) == {"present"}, "blanks before a label are no part of it"
    assert set(labels("padchest", table[table["finding"] == "unclear"], "finding")) == {None}


def test_padchest_age_and_sex(miniature: Miniature) -> None:
    found = adapter_of("padchest").read(miniature("padchest"))
    table = found.table
    assert table.loc[0, "age"] == 2010 - 1930 and table.loc[6, "age"] == 2011 - 1954
    assert np.isnan(table.loc[5, "age"])
    assert set(table.loc[table["PatientSex_DICOM"] == "O", "sex"]) == {"other"}
    assert table.loc[table["PatientSex_DICOM"].isna() | (table["PatientSex_DICOM"] == ""), "sex"].isna().all()
    assert table.loc[table["Projection"] == "UNK", "view"].isna().all()
    assert any("2 images have no labels" in note for note in found.notes)
    assert len(table.loc[0, "patient_id"]) == 36, "a long number stays a text"


# ---- VinDr-CXR ------------------------------------------------------------------------------------------------------


def test_vindr_readers_are_counted_and_the_majority_decides(miniature: Miniature) -> None:
    folder = miniature("vindr_cxr")
    table = read("vindr_cxr", folder)
    readers = pd.read_csv(folder / "annotations" / "image_labels_train.csv", dtype={"image_id": str})
    source = readers.groupby("image_id")["Pneumonia"].sum()
    train = table[table["split"] == "train"].set_index("image_id")
    assert train["pneumonia"].tolist() == [f"{source[name]}/3" for name in train.index]
    assert set(train["pneumonia"]) >= {"0/3", "1/3", "2/3"}
    majority, some = labels("vindr_cxr", train, "pneumonia"), labels("vindr_cxr", train, "pneumonia_any")
    assert [m == "present" for m in majority] == [source[name] >= 2 for name in train.index]
    assert [a == "present" for a in some] == [source[name] >= 1 for name in train.index]
    assert set(table.loc[table["split"] == "test", "pneumonia"]) <= {"0/1", "1/1"}
    healthy = labels("vindr_cxr", table, "finding")
    assert [h == "no finding" for h in healthy] == [int(name, 16) % 3 == 0 for name in table["image_id"]]


def test_vindr_attributes_come_from_the_tags_or_are_missing_and_said(
    miniature: Miniature, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = miniature("vindr_cxr")
    found = adapter_of("vindr_cxr").read(folder)
    assert found.table["sex"].tolist()[:6] == ["male", "female", "other", None, "female", "male"]
    np.testing.assert_allclose(found.table["age"][:6], [54, 61, np.nan, np.nan, 11 / 12, 47])
    assert any("2 ages" in note for note in found.notes)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    without = adapter_of("vindr_cxr").read(folder)
    assert without.table[["sex", "age"]].isna().all(axis=None)
    assert any("everygroup[dicom]" in note for note in without.notes)


def test_vindr_files_that_are_damaged_or_no_dicom(miniature: Miniature) -> None:
    folder = miniature("vindr_cxr")
    first, second = sorted((folder / "train").iterdir())[:2]
    first.write_bytes(b"no DICOM")
    second.rename(second.with_suffix(".png"))
    found = adapter_of("vindr_cxr").read(folder)
    assert found.table["sex"].tolist()[:2] == [None, None] and found.table.loc[5, "sex"] == "male"
    assert any("of 2 images" in note for note in found.notes)
    assert found.table.loc[1, "image"].endswith(".png")


# ---- mammography ----------------------------------------------------------------------------------------------------


def test_cbis_paths_with_line_breaks_and_the_worst_pathology(miniature: Miniature) -> None:
    folder = miniature("cbis_ddsm")
    found = adapter_of("cbis_ddsm").read(folder)
    table = found.table
    assert len(table) == 24 and table["abnormalities"].sum() == 28
    assert not table["image file path"].str.contains(r"\s$|\n", regex=True).any()
    assert all((folder / name).is_file() for name in table["image"])
    two = table[table["abnormalities"] == 2].iloc[0]
    assert two["pathology"] == "BENIGN" and two["mass shape"] == "OVAL | ROUND"
    assert any("4 mammograms have several" in note for note in found.notes)


def test_cbis_density_under_both_names_and_zero_is_missing(miniature: Miniature) -> None:
    table = read("cbis_ddsm", miniature("cbis_ddsm"))
    assert table.groupby("kind")["density"].count().to_dict() == {"calc": 10, "mass": 10}
    assert set(table["density"].dropna()) == {"1", "2", "3", "4"}


def test_cbis_benign_without_callback(miniature: Miniature) -> None:
    table = read("cbis_ddsm", miniature("cbis_ddsm"))
    spared = (table["pathology"] == "BENIGN_WITHOUT_CALLBACK").to_numpy()
    assert spared.any()
    for rule, said in (
        ("malignant", "benign"),
        ("malignant_of_called_back", None),
        ("three", "benign without callback"),
    ):
        assert {labels("cbis_ddsm", table, rule)[k] for k in np.flatnonzero(spared)} == {said}


def test_cbis_copy_with_series_uids_and_tables_that_are_absent(miniature: Miniature) -> None:
    folder = miniature("cbis_ddsm")
    table = pd.read_csv(folder / "mass_case_description_train_set.csv")
    for path in {*folder.glob("calc*.csv"), *folder.glob("*test*.csv")}:
        path.unlink()
    (folder / "CBIS-DDSM").rename(folder.parent / "elsewhere")
    for path in table["image file path"].str.strip():
        place = folder / "jpeg" / path.split("/")[2]
        place.mkdir(parents=True, exist_ok=True)
        (place / "1-263.jpg").write_bytes(b"")
    found = adapter_of("cbis_ddsm").read(folder)
    assert all((folder / name).is_file() for name in found.table["image"])
    assert found.table["image"].is_unique
    assert sum("there is no" in note for note in found.notes) == 3


def test_embed_findings_stay_on_their_side(miniature: Miniature) -> None:
    table = read("embed", miniature("embed"))
    exam = table[table["image_id"].str.contains("/10000001/1/")].set_index("ImageLateralityFinal")
    assert exam.loc["L", "assessment"] == "A" and exam.loc["L", "severity"] == "1", "the gravest of two findings"
    assert exam.loc["R", "assessment"] == "N" and exam.loc["R", "severity"] is None
    both = table[table["image_id"].str.contains("/10000000/0/")]
    assert both["assessment"].tolist() == ["B", "B"], "a blank side is both sides; 'B' is worse than 'N'"
    assert len(table) == 20, "the join makes no image twice"


def test_embed_pathology_of_the_other_breast(miniature: Miniature) -> None:
    folder = miniature("embed")
    path = folder / "tables" / "EMBED_OpenData_clinical.csv"
    clinical = pd.read_csv(path)
    cancer = (clinical["empi_anon"] == 10000000) & (clinical["path_severity"] == 0)
    assert clinical.loc[cancer, "side"].tolist() == ["L"]
    clinical.assign(bside=clinical["side"].where(~cancer, "R")).to_csv(path, index=False)
    table = read("embed", folder)
    exam = table[table["image_id"].str.contains("/10000000/1/")].set_index("ImageLateralityFinal")
    assert exam.loc["R", "severity"] == "0" and exam.loc["L", "severity"] is None
    assert exam["assessment"].tolist() == ["N", "N"], "the assessment stays with the finding"


def test_embed_labels_and_people(miniature: Miniature) -> None:
    table = read("embed", miniature("embed"))
    severity = labels("embed", table, "malignant")
    assert {s for s, value in zip(severity, table["severity"], strict=True) if value is None} == {None}
    assert {s for s, value in zip(severity, table["severity"], strict=True) if value in ("0", "1")} == {"malignant"}
    people = table.drop_duplicates("patient_id")
    assert [None if r != r else r for r in people["race"]] == ["white", "black", "asian", None, "other"]
    assert people["density"].tolist()[:4] == ["1", "2", "3", "4"] and people["density"].isna().tolist()[4]


def test_embed_names_differ_among_releases(miniature: Miniature) -> None:
    folder = miniature("embed")
    before = read("embed", folder)
    path = folder / "tables" / "EMBED_OpenData_clinical.csv"
    table = pd.read_csv(path).drop(columns="GENDER_DESC")
    table.rename(columns={"RACE_DESC": "ETHNICITY_DESC"}).to_csv(path, index=False)
    found = adapter_of("embed").read(folder)
    assert found.table["race"].equals(before["race"]) and found.table["sex"].isna().all()
    said = " ".join(found.notes)
    assert "ETHNICITY_DESC" in said and "GENDER_DESC" in said


def test_embed_image_without_clinical_row(miniature: Miniature) -> None:
    folder = miniature("embed")
    path = folder / "tables" / "EMBED_OpenData_clinical.csv"
    table = pd.read_csv(path)
    table[table["empi_anon"] != 10000004].to_csv(path, index=False)
    found = adapter_of("embed").read(folder)
    assert len(found.table) == 20 and any("4 images have no clinical row" in note for note in found.notes)
    assert found.table.loc[found.table["patient_id"] == "10000004", ["race", "assessment"]].isna().all(axis=None)


# ---- CT -------------------------------------------------------------------------------------------------------------


def test_covid_ct_slices_belong_to_their_patient(miniature: Miniature) -> None:
    folder = miniature("covid_ct_md")
    table = read("covid_ct_md", folder)
    assert table["image_id"].tolist()[:3] == ["P001/IM0000", "P001/IM0001", "P001/IM0002"]
    assert all(patient in image.split("/") for patient, image in zip(table["patient_id"], table["image"], strict=True))
    ages = table.drop_duplicates("patient_id")["age"].tolist()
    np.testing.assert_allclose(ages, [39, np.nan, 11 / 12, 72, 45, 51])
    assert set(labels("covid_ct_md", table, "covid")) == {"COVID-19", "other"}


def test_covid_ct_patient_without_slices_keeps_a_row(miniature: Miniature) -> None:
    folder = miniature("covid_ct_md")
    for file in (folder / "CAP subjects" / "cap001").iterdir():
        file.unlink()
    found = adapter_of("covid_ct_md").read(folder)
    assert found.table["patient_id"].nunique() == 6 and len(found.table) == 16
    assert any("1 patients have no folder" in note for note in found.notes)


def test_ol3i_blank_labels_and_slices_in_one_window(miniature: Miniature) -> None:
    folder = miniature("ol3i")
    table = read("ol3i", folder)
    assert labels("ol3i", table, "one_year")[:6] == ["event", "no event", "no event", "no event", "event", None]
    first = table.loc[0, "image_id"]
    assert set(table["image"].str.rpartition("@")[2]) == {"-160:240"}
    assert table.loc[0, "image"] == f"l3_slices.h5#{first}@-160:240"
    (folder / "slices").mkdir()
    (folder / "slices" / f"{first}.png").write_bytes(b"")
    edit(folder / "clinical_data.csv", label_5y=None)
    found = adapter_of("ol3i").read(folder)
    assert found.table["image"].tolist()[:1] == [f"slices/{first}.png"], "slices that were written out go first"
    assert any("label_5y" in note for note in found.notes) and found.table["label_5y"].isna().all()


# ---- race, statements -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "race"),
    [
        ("WHITE - OTHER EUROPEAN", "white"),
        ("Caucasian or White", "white"),
        ("White, Hispanic", "white"),
        ("African American  or Black", "black"),
        ("BLACK/CAPE VERDEAN", "black"),
        ("ASIAN - SOUTH EAST ASIAN", "asian"),
        ("HISPANIC OR LATINO", "hispanic"),
        ("PORTUGUESE", "other"),
        ("American Indian or Alaskan Native", "other"),
        ("Race and Ethnicity Unknown", None),
        ("PATIENT DECLINED TO ANSWER", None),
        ("Unknown, Unavailable or Unreported", None),
        ("UNABLE TO OBTAIN", None),
        ("Not Recorded", None),
        ("Not Available", None),
        ("Patient Declines", None),
        ("Declines to State", None),
        ("Declining", None),
        ("Patient refuses", None),
        ("Prefer not to answer", None),
        ("Chose Not to Disclose", None),
        ("Does not wish to answer", None),
        ("No Response", None),
        ("", None),
        (float("nan"), None),
    ],
)
def test_race_of_free_text(text: Any, race: str | None) -> None:
    assert race_of(text) == race


@pytest.mark.parametrize(
    ("text", "ethnicity"),
    [
        ("Non-Hispanic/Non-Latino", "not hispanic"),
        ("Not Hispanic", "not hispanic"),
        ("Hispanic or Latino", "hispanic"),
        ("Patient Refused", None),
        ("Hispanic status: prefer not to say", None),
        ("Unknown", None),
        ("Multiple", None),
        (None, None),
    ],
)
def test_ethnicity_of_free_text(text: Any, ethnicity: str | None) -> None:
    assert ethnicity_of(text) == ethnicity


def test_majority_needs_more_than_half_of_the_known_records() -> None:
    people = ["a", "a", "a", "b", "b", "c", "c", "d", "e", "e", "e", "e"]
    said = ["white", "white", "black", "white", "black", "asian", None, None, "white", "white", "black", "other"]
    settled, conflicts = by_majority(people, said)
    assert settled.to_dict() == {"a": "white", "c": "asian"}
    assert conflicts == 2, "b and e: half is no majority"


def test_statements_keep_the_four_apart() -> None:
    said = statements([1.0, "0", -1, None, float("nan"), "-1.0"], column="Edema", where="t.csv")
    assert said.tolist() == ["positive", "negative", "uncertain", "unmentioned", "unmentioned", "uncertain"]
    with pytest.raises(CohortError, match=r"t\.csv: row 3: '2'.*Edema"):
        statements([1, 2], column="Edema", where="t.csv")
