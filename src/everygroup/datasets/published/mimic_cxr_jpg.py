"""MIMIC-CXR-JPG: 377,110 chest X-rays of 65,379 patients, with the demography of MIMIC-IV (Johnson et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import (
    SEX,
    categories,
    find_beside,
    find_file,
    first_column,
    read_source,
    recode,
)
from everygroup.datasets.published._findings import FOURTEEN, ORIENTATION, statement_maps, with_statements
from everygroup.datasets.published._race import CODING, by_majority, race_of
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_KEYS = ("subject_id", "study_id")
_FOURTEEN_AND_KEYS = (*_KEYS, *FOURTEEN)
ColumnMap = Mapping[str, str] | None


@register
class MimicCxrJpg(Adapter):
    """Metadata, labels of a study, the split, and of MIMIC-IV sex, age and race where its tables are there."""

    info = DataSetInfo(
        name="mimic_cxr_jpg",
        title="MIMIC-CXR-JPG",
        modality="chest X-ray",
        task="14 observations, each positive, negative, uncertain or unmentioned",
        citation="Johnson, Pollard, Greenbaum, et al. MIMIC-CXR-JPG, a large publicly available database of labeled "
        "chest radiographs. arXiv:1901.07042 (2019); and Johnson et al. MIMIC-IV. Scientific Data 10, 1 (2023)",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        access="credentialed: PhysioNet, physionet.org/content/mimic-cxr-jpg",
        files=(
            "mimic-cxr-2.0.0-metadata.csv, -chexpert.csv (or -negbio.csv) and -split.csv, each also as .csv.gz",
            "files/p10/p10000032/s50414267/<dicom_id>.jpg, beside the tables",
            "patients.csv and admissions.csv of MIMIC-IV (optional, for sex, age and race), there or two folders below",
        ),
        attributes={
            "sex": "female, male; missing without patients.csv",
            "age": "years: anchor_age + year of the study - anchor_year; over 89 MIMIC-IV says 91. Missing without "
            "patients.csv",
            "race": f"{CODING}; of several admissions the majority. Missing without admissions.csv",
            "view": "ViewPosition: AP, PA, LATERAL, LL and others",
        },
        unit="patient_id",
        n_images=377110,
        defects=(
            "-1 is 'uncertain', blank 'not mentioned': the label maps name what is done about each.",
            ORIENTATION,
            "Race differs among the admissions of a patient: more than half must agree, else it is missing, and "
            "counted. Patients who were never admitted have no race.",
            "Split by patient_id; the published split (column `split`) keeps patients together.",
            "All views are kept; choose by `view`. The images of one study have the same labels.",
        ),
    )
    label_maps = statement_maps()

    def read(self, folder: Path, *, column_map: ColumnMap = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "mimic-cxr-*-metadata.csv*")
        needs = ("dicom_id", *_KEYS, "ViewPosition", "StudyDate")
        table = read_source(path, needs=needs, text=["dicom_id", *_KEYS], column_map=column_map)
        check_ids(path, table["dicom_id"], "dicom_id")
        labels, notes = _labels(path.parent, column_map)
        table = table.merge(labels, on=list(_KEYS), how="left", indicator="_found")
        if unlabelled := int((table.pop("_found") == "left_only").sum()):
            notes += (f"{unlabelled} images are of studies without labels",)
        labelled = with_statements(table, where=str(path))
        names = [c for c in labelled.columns if c not in table.columns]
        without = (
            table[list(FOURTEEN)].isna().all(axis=1)
        )  # no report was labelled: nothing is known, not 'unmentioned'
        labelled.loc[without, names] = None
        patient = labelled["subject_id"]
        labelled = labelled.assign(
            image_id=labelled["dicom_id"],
            image="files/p"
            + patient.str[:2]
            + "/p"
            + patient
            + "/s"
            + labelled["study_id"]
            + "/"
            + labelled["dicom_id"]
            + ".jpg",
            patient_id=patient,
            view=categories(labelled["ViewPosition"]),
        )
        labelled, more = _with_split(path.parent, labelled, column_map)
        labelled, about = _with_people(folder, labelled, column_map)
        return Published(labelled, path, path.parent, (*notes, *more, *about))


def _labels(folder: Path, column_map: ColumnMap) -> tuple[pd.DataFrame, tuple[str, ...]]:
    path = find_beside(folder, "mimic-cxr-*-chexpert.csv*") or find_file(folder, "mimic-cxr-*-negbio.csv*")
    table = read_source(path, needs=_FOURTEEN_AND_KEYS, text=_KEYS, column_map=column_map)
    double = table.duplicated(list(_KEYS)).to_numpy()
    if double.any():
        raise CohortError(
            f"{path}: row {int(double.argmax()) + 2}: the study stands in the table twice.", fix="keep one row a study"
        )
    program = "CheXpert" if "chexpert" in path.name else "NegBio"
    return table, (f"labels are those of {program} ({path.name})",)


def _with_split(folder: Path, table: pd.DataFrame, column_map: ColumnMap) -> tuple[pd.DataFrame, tuple[str, ...]]:
    path = find_beside(folder, "mimic-cxr-*-split.csv*")
    if path is None:
        return table, ("there is no split table: no column `split`",)
    parts = read_source(path, needs=["dicom_id", "split"], text=["dicom_id"], column_map=column_map)
    return table.assign(
        split=table["dicom_id"].map(parts.drop_duplicates("dicom_id").set_index("dicom_id")["split"])
    ), ()


def _with_people(folder: Path, table: pd.DataFrame, column_map: ColumnMap) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add sex, age and race of MIMIC-IV; missing where its tables are not there."""
    nothing = pd.Series([None] * len(table), dtype=object)
    notes: tuple[str, ...] = ()
    people, stays = find_beside(folder, "patients.csv*"), find_beside(folder, "admissions.csv*")
    if people is None:
        table = table.assign(sex=nothing, age=float("nan"))
        notes += ("there is no patients.csv of MIMIC-IV: sex and age are missing throughout",)
    else:
        needs = ("subject_id", "gender", "anchor_age", "anchor_year")
        known = read_source(people, needs=needs, text=["subject_id"], column_map=column_map)
        known = known.assign(sex=recode(known["gender"], SEX, column="gender", where=str(people)))
        known = known.drop_duplicates("subject_id").set_index("subject_id")
        here = known.reindex(table["patient_id"]).reset_index(drop=True)
        year = pd.to_numeric(table["StudyDate"].astype(str).str[:4], errors="coerce")
        age, about = ages(here["anchor_age"] + (year - here["anchor_year"]))
        table = table.assign(sex=here["sex"].astype(object), age=age)
        lacking = int(table.loc[~table["patient_id"].isin(known.index), "patient_id"].nunique())
        notes += about + ((f"{lacking} patients are not in {people.name}: sex and age are missing",) if lacking else ())
    if stays is None:
        return table.assign(race=nothing), (
            *notes,
            "there is no admissions.csv of MIMIC-IV: race is missing throughout",
        )
    records = read_source(stays, needs=["subject_id"], text=["subject_id"], column_map=column_map)
    column = first_column(stays, records, "race", "ethnicity")  # MIMIC-IV 2 and 1
    records = records[records["subject_id"].isin(table["patient_id"])]
    race, conflicts = by_majority(records["subject_id"], records[column].map(race_of))
    if conflicts:
        notes += (f"the race of {conflicts} patients differs among admissions, without a majority, and is missing",)
    return table.assign(race=table["patient_id"].map(race).astype(object)), notes
