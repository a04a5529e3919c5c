"""BRSET: 16,266 Brazilian fundus photographs of 8,524 patients with 13 diagnoses and quality (Nakayama et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import categories, find_file, read_source, recode
from everygroup.datasets.published._image_files import locate
from everygroup.datasets.published._registry import register
from everygroup.datasets.published._retinopathy import any_retinopathy, grades, referable

_NEEDS = ("image_id", "patient_id", "patient_age", "patient_sex", "exam_eye", "DR_ICDR", "quality")
_SEX = {"1": "male", "2": "female"}
_EYE = {"1": "right", "2": "left"}


@register
class Brset(Adapter):
    """One table and one folder of photographs."""

    info = DataSetInfo(
        name="brset",
        title="BRSET",
        modality="colour fundus photography",
        task="diabetic retinopathy (international scale), and 12 other diagnoses",
        citation="Nakayama, Restrepo, Matos et al. BRSET: a Brazilian multilabel ophthalmological dataset of retina "
        "fundus photos. PLOS Digital Health 3, e0000454 (2024)",
        licence="PhysioNet Credentialed Health Data License",
        access="credentialed: PhysioNet, brazilian-ophthalmological",
        files=("labels_brset.csv or labels.csv", "fundus_photos/img00001.jpg, ..."),
        attributes={
            "age": "years; often blank",
            "sex": "male, female (the source writes 1 and 2; 1 = male is presumed)",
            "eye": "right, left (1 and 2 in the source): of the image, no property of a patient",
        },
        unit="patient_id",
        n_images=16266,
        counts={"sex": {"male": 6214, "female": 10052}},
        defects=(
            "Sex is written 1 and 2; that 1 is male is presumed from the shares (6,214 and 10,052), and doubtful.",
            "Ages are blank for many patients, and not at random.",
            "Photographs of insufficient quality are there: see the column `quality` (Adequate, Inadequate).",
            "The two scales of retinopathy (DR_ICDR, DR_SDRG) differ for some images; the label maps read DR_ICDR.",
            "Referable here is grade 2 or more; macular edema is a column of its own and does not enter.",
            "Patients have several images: split by patient_id.",
        ),
        doubtful=True,
    )
    label_maps = (any_retinopathy("DR_ICDR"), referable("DR_ICDR"), grades("DR_ICDR"))

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "labels_brset.csv", "labels.csv")
        table = read_source(path, needs=_NEEDS, text=["image_id", "patient_id"], column_map=column_map)
        check_ids(path, table["image_id"], "image_id")
        images, files = locate(folder, [f"{name}.jpg" for name in table["image_id"]], prefer=["fundus_photos"])
        age, notes = ages(table["patient_age"])
        where = str(path)
        coded = table.drop(columns=["patient_age", "patient_sex", "exam_eye"]).assign(
            image=files,
            patient_id=categories(table["patient_id"]),
            age=age,
            sex=recode(table["patient_sex"], _SEX, column="patient_sex", where=where),
            eye=recode(table["exam_eye"], _EYE, column="exam_eye", where=where),
        )
        return Published(coded, path, images, notes)
