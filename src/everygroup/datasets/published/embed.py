"""EMBED: screening and diagnostic mammograms of a racially diverse population in Atlanta (Jeong et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pandas.api.typing import SeriesGroupBy

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import categories, find_file, read_source, recode
from everygroup.datasets.published._race import CODING, by_majority, ethnicity_of, race_of
from everygroup.datasets.published._registry import register

_EXAM = ("empi_anon", "acc_anon")
_CLINICAL = (*_EXAM, "side", "asses", "age_at_study", "tissueden", "path_severity")
_METADATA = (*_EXAM, "anon_dicom_path", "FinalImageType", "ImageLateralityFinal", "ViewPosition")
_ASSESSMENT = ("N", "B", "P", "A", "S", "M", "K")  # BI-RADS 1, 2, 3, 0, 4, 5, 6: from the mildest to the gravest
_SIDE = {"L": "L", "R": "R", "B": None}
_SEX = {"female": "female", "male": "male", "f": "female", "m": "male", "unknown": None, "u": None, "x": None}
ColumnMap = Mapping[str, str] | None


@register
class Embed(Adapter):
    """The open part (20%): metadata of images joined with the findings of their exam and side."""

    info = DataSetInfo(
        name="embed",
        title="EMBED Open Data",
        modality="mammography (2D and synthetic C-view)",
        task="BI-RADS assessment, pathology, density",
        citation="Jeong, Vey, Bhimireddy, et al. The EMory BrEast imaging Dataset (EMBED): a racially diverse, "
        "granular dataset of 3.4 million screening and diagnostic mammographic images. Radiology: Artificial "
        "Intelligence 5(1), e220047 (2023)",
        licence="EMBED data use agreement: research only, no redistribution",
        access="application: AWS Open Data, registry.opendata.aws/emory-breast-imaging-dataset-embed",
        files=(
            "tables/EMBED_OpenData_metadata.csv and tables/EMBED_OpenData_clinical.csv (or their _reduced forms)",
            "images/cohort_1/<empi_anon>/<study>/<image>.dcm ... images/cohort_2/...",
        ),
        attributes={
            "race": CODING,
            "ethnicity": "hispanic, not hispanic",
            "age": "years, age_at_study",
            "density": "BI-RADS breast density 1 (fatty) to 4 (extremely dense); 5 (normal male) is missing",
            "sex": "female, male, where the table has GENDER_DESC; else missing",
        },
        unit="patient_id",
        n_images=480323,
        defects=(
            "Column names were taken from the authors' data descriptor and from public loaders, which disagree: race "
            "is RACE_DESC in the one and stands in ETHNICITY_DESC in others; ethnicity is ETHNIC_GROUP_DESC. Check "
            "them against your files, and rename with a column map where they differ.",
            "Clinical rows are findings, metadata rows files: joined on patient, exam and side (B and blank are both "
            "sides). Joined on the exam alone, findings of one breast get onto the other.",
            "Of several findings of a side the gravest counts: BI-RADS 1 < 2 < 3 < 0 < 4 < 5 < 6, and the most severe "
            "pathology of that breast (`bside` where it is there); it is known only where tissue was taken.",
            "A blank pathology is not 'benign': the maps of path_severity leave it out.",
            "Screening and diagnostic exams (`desc`), 2D and C-view (`FinalImageType`) and magnifications (`spot_mag`) "
            "are all kept: choose before a comparison.",
            "Split by patient_id: patients have many exams.",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap(
            "recall",
            1,
            "assessment",
            {"N": "no recall", "B": "no recall", "P": None, "A": "recall", "S": None, "M": None, "K": None},
            "of screening: BI-RADS 1 and 2 against 0; the assessments of diagnostic exams are left out",
        ),
        LabelMap(
            "suspicious",
            1,
            "assessment",
            {"N": "other", "B": "other", "P": "other", "A": None, "S": "suspicious", "M": "suspicious", "K": None},
            "of diagnostic exams: BI-RADS 4 and 5 against 1 to 3; incomplete (0) and known cancer (6) are left out",
        ),
        LabelMap(
            "malignant",
            1,
            "severity",
            {
                "4": "benign",
                "5": "benign",
                "2": "benign",
                "3": "benign",
                "0": "malignant",
                "1": "malignant",
                "6": None,
            },
            "path_severity: invasive (0) and non-invasive (1) cancer against high-risk, borderline, benign and "
            "negative; other cancers (6) and images without pathology are left out",
        ),
        LabelMap(
            "dense",
            1,
            "density",
            {"1": "not dense", "2": "not dense", "3": "dense", "4": "dense"},
            "BI-RADS A and B against C and D",
        ),
    )

    def read(self, folder: Path, *, column_map: ColumnMap = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "EMBED_OpenData_metadata.csv*", "EMBED_OpenData_metadata_reduced.csv*")
        clinical_path = find_file(path.parent, "EMBED_OpenData_clinical.csv*", "EMBED_OpenData_clinical_reduced.csv*")
        table = read_source(path, needs=_METADATA, text=[*_EXAM, "anon_dicom_path"], column_map=column_map)
        clinical = read_source(clinical_path, needs=_CLINICAL, text=_EXAM, column_map=column_map)
        check_ids(path, table["anon_dicom_path"], "anon_dicom_path")
        images = folder / "images" if (folder / "images").is_dir() else folder
        place = table["anon_dicom_path"].str.extract(r"(cohort_\d+/.+)$", expand=False).fillna(table["anon_dicom_path"])
        table = table.assign(image_id=place, image=place, patient_id=table["empi_anon"])
        table = table.drop(columns=[c for c in table.columns if c.startswith("Unnamed:")])
        joined, lacking = _join(table, clinical, str(clinical_path))
        people, notes = _people(clinical, clinical_path)
        joined = joined.assign(
            **{name: joined["patient_id"].map(values).astype(object) for name, values in people.items()}
        )
        age, about = ages(joined["age_at_study"])
        notes += about + ((f"{lacking} images have no clinical row of their exam and side",) if lacking else ())
        return Published(joined.assign(age=age), path, images, notes)


def _join(table: pd.DataFrame, clinical: pd.DataFrame, where: str) -> tuple[pd.DataFrame, int]:
    """Add the gravest finding of an image's side, and of the exam its age, density, description and date."""
    grades = {letter: k for k, letter in enumerate(_ASSESSMENT)}
    side = recode(clinical["side"], _SIDE, column="side", where=where)
    letters = {letter: letter for letter in _ASSESSMENT}
    assessment = recode(clinical["asses"], {**letters, "X": None}, column="asses", where=where)
    grade = _by_side(clinical, side, assessment.map(grades)).max()
    tissue_side = side  # a pathology may be of the other breast than the finding in whose row it stands
    if "bside" in clinical.columns:
        tissue_side = recode(clinical["bside"], _SIDE, column="bside", where=where).fillna(side)
    severity = _by_side(clinical, tissue_side, pd.to_numeric(clinical["path_severity"], errors="coerce")).min()
    gravest = pd.DataFrame({"_grade": grade, "_severity": severity}).reset_index()
    laterality = categories(table["ImageLateralityFinal"])
    merged = table.assign(_side=laterality).merge(gravest, on=[*_EXAM, "_side"], how="left", indicator="_found")
    lacking = int((merged["_found"] == "left_only").sum())
    own = ["age_at_study", "density", *(c for c in ("desc", "study_date_anon") if c in clinical.columns)]
    density = categories(clinical["tissueden"], missing=["5", "0"])
    exam = clinical.assign(density=density).groupby(list(_EXAM), sort=False)[own].first().reset_index()
    exam = exam.rename(columns={"study_date_anon": "study_date_of_report"})  # the files' own date may differ
    merged = merged.merge(exam, on=list(_EXAM), how="left", validate="many_to_one")
    named = merged["_grade"].map(dict(enumerate(_ASSESSMENT))).astype(object)
    merged = merged.assign(assessment=named, severity=categories(merged["_severity"]))
    return merged.drop(columns=["_side", "_grade", "_severity", "_found"]), lacking


def _by_side(clinical: pd.DataFrame, side: pd.Series, values: pd.Series) -> SeriesGroupBy:
    """Group the values of findings by exam and side; those without a side, or of both, count for both."""
    found = clinical[list(_EXAM)].assign(_side=side, value=values)
    both = found[found["_side"].isna()]
    sides = pd.concat([found[found["_side"].notna()], both.assign(_side="L"), both.assign(_side="R")])
    return sides.groupby([*_EXAM, "_side"], sort=False)["value"]


def _people(clinical: pd.DataFrame, path: Path) -> tuple[dict[str, pd.Series], tuple[str, ...]]:
    """Return race, ethnicity and sex by patient, and what is to be said about them."""
    notes: list[str] = []
    result = {}
    race = next((c for c in ("RACE_DESC", "ETHNICITY_DESC") if c in clinical.columns), None)
    if race == "ETHNICITY_DESC":
        notes.append(f"race is read from ETHNICITY_DESC, since {path.name} has no RACE_DESC")
    columns = {
        "race": (race, race_of),
        "ethnicity": ("ETHNIC_GROUP_DESC", ethnicity_of),
        "sex": ("GENDER_DESC", None),
    }
    for name, (column, code) in columns.items():
        if column is None or column not in clinical.columns:
            notes.append(f"{path.name} has no {column or 'RACE_DESC'}: {name} is missing throughout")
            result[name] = pd.Series(dtype=object)
            continue
        said = (
            clinical[column].map(code)
            if code is not None
            else recode(clinical[column], _SEX, column=column, where=str(path))
        )
        result[name], conflicts = by_majority(clinical["empi_anon"], said)
        if conflicts:
            notes.append(f"the {name} of {conflicts} patients differs among their records and counts as missing")
    return result, tuple(notes)
