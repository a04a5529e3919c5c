"""PAPILA: fundus photographs and clinical data of both eyes of 244 patients, glaucoma and suspects (Kovalyk 2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_columns, check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import find_file, recode
from everygroup.datasets.published._image_files import locate
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError
from everygroup.tables.sheet import read_cells

_EYES = {"OD": "right", "OS": "left"}
_SEX = {"0": "male", "1": "female"}
_DIAGNOSIS = {"0": "healthy", "1": "glaucoma", "2": "suspect"}
_CODED = ("ID", "Age", "Gender", "Diagnosis")


@register
class Papila(Adapter):
    """One spreadsheet an eye, with three rows of headings."""

    info = DataSetInfo(
        name="papila",
        title="PAPILA",
        modality="colour fundus photography",
        task="glaucoma (healthy, glaucoma, suspect)",
        citation="Kovalyk, Morales-Sanchez, Verdu-Monedero et al. PAPILA: Dataset with fundus images and clinical "
        "data of both eyes of the same patient for glaucoma assessment. Scientific Data 9, 291 (2022)",
        licence="as on its figshare page (read it there)",
        access="open: figshare, doi:10.6084/m9.figshare.14798004",
        files=(
            "ClinicalData/patient_data_od.xlsx and patient_data_os.xlsx",
            "FundusImages/RET002OD.jpg, RET002OS.jpg, ...",
        ),
        attributes={
            "age": "years",
            "sex": "female, male (the source writes 0 male, 1 female; other sets of eyes have it the other way round)",
            "eye": "left (OS), right (OD): of the image, no property of a patient",
        },
        unit="patient_id",
        n_images=488,
        counts={"diagnosis": {"healthy": 333, "glaucoma": 87, "suspect": 68}, "eye": {"right": 244, "left": 244}},
        defects=(
            "Suspects (68 eyes) are neither healthy nor ill; the default label map leaves them out (420 eyes), as is "
            "usual. Two more maps say what else can be done.",
            "Both eyes of a patient are here, often with one diagnosis: split by patient_id.",
            "Sex is coded 0 male, 1 female, against the Harvard sets (0 female).",
            "The spreadsheets have three rows of headings, and ids such as '#002'.",
        ),
    )
    label_maps = (
        LabelMap(
            "glaucoma",
            1,
            "diagnosis",
            {"healthy": "healthy", "glaucoma": "glaucoma", "suspect": None},
            "suspects are left out",
        ),
        LabelMap("three", 1, "diagnosis", {c: c for c in _DIAGNOSIS.values()}, "suspects are a class"),
        LabelMap(
            "glaucoma_or_suspect",
            1,
            "diagnosis",
            {"healthy": "healthy", "glaucoma": "glaucoma or suspect", "suspect": "glaucoma or suspect"},
            "whom a screening would refer",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        paths = {side: find_file(folder, f"patient_data_{side.lower()}.xlsx") for side in _EYES}
        parts = [_one_eye(path, column_map).assign(side=side) for side, path in paths.items()]
        table = pd.concat(parts).sort_values(["ID", "side"], kind="stable", ignore_index=True)
        table["image_id"] = "RET" + table["ID"] + table["side"]
        images, files = locate(folder, [f"{name}.jpg" for name in table["image_id"]], prefer=["FundusImages"])
        age, notes = ages(table["Age"])
        coded = table.drop(columns=["Age", "side"]).rename(columns={"ID": "patient_id"})
        coded = coded.assign(image=files, eye=table["side"].map(_EYES), age=age)
        return Published(coded, paths["OD"], images, notes)


def _one_eye(path: Path, column_map: Mapping[str, str] | None) -> pd.DataFrame:
    """Read one spreadsheet: patients are the rows whose first cell is '#' and digits; headings stand above them."""
    cells = [row for _, row in read_cells(path)]
    ids = [re.fullmatch(r"#?0*(\d{1,4})", as_category(row[0]) or "") if row else None for row in cells]
    patients = [k for k, found in enumerate(ids) if found]
    if not patients or patients[0] == 0:
        raise CohortError(
            f"{path}: no row of a patient ('#002' in the first cell) below a heading.",
            fix="give the spreadsheet as distributed",
        )
    strays = [k for k in range(patients[0], len(cells)) if not ids[k] and any(cells[k])]
    if strays:
        raise CohortError(
            f"{path}: row {strays[0] + 1} begins with {cells[strays[0]][0]!r}, no patient's id such as '#002'.",
            fix="give the spreadsheet as distributed, or remove what was added below",
        )
    names = ["ID"]
    for column in range(1, max(len(row) for row in cells)):
        above = [as_category(row[column]) for row in cells[: patients[0]] if column < len(row)]
        names.append(next((text for text in reversed(above) if text), ""))  # the lowest heading is the precise one
    table = pd.DataFrame([cells[k] for k in patients], columns=names)
    table = table[[name for name in names if name]].rename(columns=dict(column_map or {}))
    check_columns(path, table, _CODED)
    table["ID"] = [f"{int(found[1]):03d}" for found in ids if found]
    check_ids(path, table["ID"], "ID")
    for source, name, codes in (("Gender", "sex", _SEX), ("Diagnosis", "diagnosis", _DIAGNOSIS)):
        by_row: list[Any] = [None] * len(cells)
        for row, value in zip(patients, table[source], strict=True):
            by_row[row] = value
        coded = recode(by_row[1:], codes, column=source, where=str(path))  # so that messages name the sheet's row
        table[name] = [coded[row - 1] for row in patients]
    return table.drop(columns=["Gender", "Diagnosis"])
