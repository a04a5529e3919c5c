"""PadChest: 160,861 chest X-rays of 67,625 patients of one Spanish hospital, with 174 findings (Bustos et al. 2020)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode
from everygroup.datasets.published._findings import HEALTHY, column_of, finding_map, presence, presence_maps
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_FINDINGS = (
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "COPD signs",
    "infiltrates",
    "interstitial pattern",
    "nodule",
    "pacemaker",
    "pleural effusion",
    "pneumonia",
    "pneumothorax",
    "pulmonary fibrosis",
)
_NEEDS = (
    "ImageID",
    "ImageDir",
    "StudyDate_DICOM",
    "PatientID",
    "PatientBirth",
    "PatientSex_DICOM",
    "Projection",
    "Labels",
)
_SAYS_NOTHING = {"", "unchanged", "exclude", "suboptimal study"}


@register
class PadChest(Adapter):
    """The whole set: frontal and lateral views, labels by physicians and by a network."""

    info = DataSetInfo(
        name="padchest",
        title="PadChest",
        modality="chest X-ray",
        task="findings of a radiologist's report, each present or absent",
        citation="Bustos, Pertusa, Salinas, de la Iglesia-Vaya. PadChest: a large chest X-ray image dataset with "
        "multi-label annotated reports. Medical Image Analysis 66, 101797 (2020)",
        licence="for research only, no commercial use (BIMCV terms)",
        access="registration: BIMCV, bimcv.cipf.es/bimcv-projects/padchest",
        files=(
            "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv (or .csv.gz)",
            "<ImageDir>/<ImageID>, 16-bit PNG, ImageDir 0 to 54 (as unpacked from 0.zip to 54.zip)",
        ),
        attributes={
            "sex": "female, male, other (O); blank is missing",
            "age": "years: year of the study less year of birth, so up to one too many",
            "view": "Projection: PA, AP, AP_horizontal, L, COSTAL; EXCLUDE and UNK are missing",
        },
        unit="patient_id",
        n_images=160861,
        counts={
            "sex": {"male": 80920, "female": 79919},
            "view": {"PA": 91728, "L": 49579, "AP_horizontal": 14346, "AP": 4559, "COSTAL": 630},
            "MethodLabel": {"RNN_model": 121808, "Physician": 39053},
        },
        defects=(
            "Labels of 121,808 images were written by a network that read the report (MethodLabel 'RNN_model'), "
            "39,053 by physicians: report both, or keep the latter.",
            "Labels say what a report mentions: an unmentioned finding counts as absent.",
            "Labels are a Python list as text, with stray blanks and empty entries; 103 rows have none.",
            "Lateral views are kept: choose by `view`. Frontal and lateral images of one study have the same labels.",
            "12 patients have both sexes and 356 several years of birth in their records, as in the source.",
            "Images are 16-bit PNG that hold 12 bits (144,051) or 10 (16,810): BitsStored_DICOM says which.",
        ),
    )
    label_maps = (
        finding_map(
            {HEALTHY: HEALTHY, "finding": "finding", "unclear": None},
            "'normal' alone against anything else named; 'unchanged', 'exclude' and 'suboptimal study' alone say "
            "nothing and are left out. 232 images are 'normal' with something else: they count as a finding",
        ),
        *presence_maps(_FINDINGS, "named in 'Labels' or not; an image may have several findings"),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "PADCHEST_chest_x_ray_images_labels_160K*.csv*", "*chest_x_ray_images_labels*.csv*")
        text = ["ImageID", "ImageDir", "StudyID", "PatientID", "StudyDate_DICOM"]
        table = read_source(path, needs=_NEEDS, text=text, column_map=column_map)
        check_ids(path, table["ImageID"], "ImageID")
        table = table.drop(columns=[c for c in table.columns if c.startswith("Unnamed:")])  # the row numbers
        where = str(path)
        birth = pd.to_numeric(table["PatientBirth"], errors="coerce")
        age, notes = ages(pd.to_numeric(table["StudyDate_DICOM"].str[:4], errors="coerce") - birth)
        named = [_named(text, row, where) for row, text in enumerate(table["Labels"], start=2)]
        unlabelled = sum(n is None for n in named)
        if unlabelled:
            notes = (*notes, f"{unlabelled} images have no labels")
        place = table["ImageDir"].map(as_category)
        coded = table.assign(
            image_id=table["ImageID"],
            image=[i if d is None else f"{d}/{i}" for d, i in zip(place, table["ImageID"], strict=True)],
            patient_id=categories(table["PatientID"]),
            sex=recode(table["PatientSex_DICOM"], SEX, column="PatientSex_DICOM", where=where),
            age=age,
            view=categories(table["Projection"], missing=("UNK", "EXCLUDE")),
            finding=pd.Series([_summary(n) for n in named], dtype=object),
            **{column_of(finding): presence(named, finding) for finding in _FINDINGS},
        )
        return Published(coded, path, folder, notes)


def _named(text: object, row: int, where: str) -> set[str] | None:
    """Read "['normal', ' cardiomegaly']"."""
    said = as_category(text)
    if said is None:
        return None
    try:
        entries = ast.literal_eval(said)  # literals only: nothing is run
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise ValueError("no list of texts")
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise CohortError(
            f"{where}: row {row}: 'Labels' is {said[:60]!r}, not a list such as ['pneumonia', 'nodule'].",
            fix="give the table as distributed",
        ) from error
    return {entry.strip() for entry in entries}


def _summary(named: set[str] | None) -> str | None:
    if named is None:
        return None
    said = named - _SAYS_NOTHING
    return "unclear" if not said else HEALTHY if said == {"normal"} else "finding"
