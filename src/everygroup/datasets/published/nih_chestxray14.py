"""ChestX-ray14: 112,120 frontal chest X-rays of 30,805 patients, findings mined from reports (Wang et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from everygroup.cohort.groups import as_category
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
from everygroup.datasets.published._findings import HEALTHY, column_of, finding_map, presence, presence_maps
from everygroup.datasets.published._layout import is_tidy, read_tidy
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
_NEEDS = ("Finding Labels", "Patient ID", "Patient Age", "View Position")
_SEX_NAMES = ("Patient Gender", "Patient Sex")
_SPLIT_NAMES = {  # the header's brackets hold commas, which cut two names into four
    "OriginalImage[Width": "OriginalImage.Width",
    "Height]": "OriginalImage.Height",
    "OriginalImagePixelSpacing[x": "OriginalImagePixelSpacing.x",
    "y]": "OriginalImagePixelSpacing.y",
}
_TIDY = {
    "finding_labels": "Finding Labels",
    "patient_id": "Patient ID",
    "age": "Patient Age",
    "sex": "Patient Gender",
    "view": "View Position",
    "follow_up": "Follow-up #",
    "label": "label_of_copy",
}
_LISTS = {"train_val_list.txt": "train_val", "test_list.txt": "test"}


@register
class NihChestXray14(Adapter):
    """Both releases of the table: that of 2017 (ages such as '058Y', some impossible) and that of 2020."""

    info = DataSetInfo(
        name="nih_chestxray14",
        title="NIH ChestX-ray14",
        modality="chest X-ray",
        task="14 findings, each present or absent",
        citation="Wang, Peng, Lu, Lu, Bagheri, Summers. ChestX-ray8: hospital-scale chest X-ray database and "
        "benchmarks on weakly-supervised classification and localization of common thorax diseases. CVPR 2017",
        licence="NIH Clinical Center: free use, with attribution",
        access="open: NIH Clinical Center, nihcc.app.box.com/v/ChestXray-NIHCC",
        files=(
            "Data_Entry_2017_v2020.csv or Data_Entry_2017.csv",
            "images_001/images/<Image Index> ... images_012/images/<Image Index>",
            "train_val_list.txt and test_list.txt (optional; column `split`)",
        ),
        attributes={
            "sex": "female, male",
            "age": "years; those beyond 120, in the release of 2017, are missing",
            "view": "PA, AP",
        },
        unit="patient_id",
        n_images=112120,
        counts={
            "sex": {"male": 63340, "female": 48780},
            "view": {"PA": 67310, "AP": 44810},
            "finding": {HEALTHY: 60361, "finding": 51759},
            "effusion": {"present": 13317, "absent": 98803},
            "pneumothorax": {"present": 5302, "absent": 106818},
        },
        defects=(
            "Labels were mined from reports by a program, with known errors: treat gaps between groups as gaps in "
            "agreement with that program, too.",
            "Patients have up to 184 images: split by patient_id, never by image. The authors' lists (column `split`) "
            "keep patients together.",
            "The view (AP at the bedside, PA standing) goes with finding and sex: a shortcut to look out for.",
            "Many films with a pneumothorax show the chest drain that treats it.",
            "The header's brackets hold commas, which cut two names into four: they are called "
            f"{', '.join(_SPLIT_NAMES.values())} here.",
        ),
    )
    label_maps = (
        finding_map(
            {HEALTHY: HEALTHY, "finding": "finding"},
            "'No Finding' against any of the 14; it means that none of the 14 was mentioned, not a healthy patient",
        ),
        *presence_maps(_FINDINGS, "named in 'Finding Labels' or not; an image may have several findings"),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        if is_tidy(folder):
            found = read_tidy(folder, rename=_TIDY, needs=_NEEDS, text=["patient_id"], column_map=column_map)
            return self._coded(found)
        path = find_file(folder, "Data_Entry_2017_v2020.csv*", "Data_Entry_2017*.csv*")
        table = read_source(path, needs=["Image Index", *_NEEDS], text=["Patient ID"], column_map=column_map)
        check_ids(path, table["Image Index"], "Image Index")
        nameless = [c for c in table.columns if c.startswith("Unnamed:") and table[c].isna().all()]
        table = table.drop(columns=nameless).rename(columns=_SPLIT_NAMES)
        table = table.assign(image_id=table["Image Index"].str.strip(), image=table["Image Index"].str.strip())
        found = self._coded(Published(table, path, folder))
        return replace(found, table=found.table.assign(**_authors_split(folder, found.table)))

    def _coded(self, found: Published) -> Published:
        table, where = found.table, str(found.path)
        sex = first_column(found.path, table, *_SEX_NAMES)
        age, notes = ages(table["Patient Age"])
        named = [_named(text, row, where) for row, text in enumerate(table["Finding Labels"], start=2)]
        healthy = [None if n is None else HEALTHY if n == {"No Finding"} else "finding" for n in named]
        coded = table.assign(
            patient_id=categories(table["Patient ID"]),
            age=age,
            sex=recode(table[sex], SEX, column=sex, where=where),
            view=categories(table["View Position"]),
            finding=pd.Series(healthy, dtype=object),
            **{column_of(finding): presence(named, finding) for finding in _FINDINGS},
        )
        return replace(found, table=coded, notes=notes)


def _named(text: object, row: int, where: str) -> set[str] | None:
    said = as_category(text)
    if said is None:
        return None
    named = {part.strip() for part in said.split("|")}
    if unknown := named - {*_FINDINGS, "No Finding"}:
        raise CohortError(
            f"{where}: row {row}: unknown finding {min(unknown)!r} in 'Finding Labels'.",
            fix=f"findings are separated by '|' and are No Finding, {', '.join(_FINDINGS)}",
        )
    return named


def _authors_split(folder: Path, table: pd.DataFrame) -> dict[str, pd.Series]:
    paths = {name: find_beside(folder, name) for name in _LISTS}
    parts = {
        line.strip(): _LISTS[name]
        for name, path in paths.items()
        if path is not None
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    return {"split": table["image_id"].map(parts).astype(object)} if parts else {}
