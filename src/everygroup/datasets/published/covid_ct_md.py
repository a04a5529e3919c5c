"""COVID-CT-MD: chest CT of 169 patients with COVID-19, 60 with another pneumonia, 76 without (Afshar et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.cohort.groups import natural_key
from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, find_file, read_source, recode
from everygroup.datasets.published._registry import register

_NEEDS = ("Diagnosis", "Folder", "Patient Gender", "Patient Age")
_SUFFIXES = {".dcm", ".png", ".jpg", ".jpeg"}


@register
class CovidCtMd(Adapter):
    """One row a slice; the diagnosis is that of the patient."""

    info = DataSetInfo(
        name="covid_ct_md",
        title="COVID-CT-MD",
        modality="chest CT",
        task="COVID-19, community-acquired pneumonia or normal",
        citation="Afshar, Heidarian, Enshaei, et al. COVID-CT-MD, COVID-19 computed tomography scan dataset applicable "
        "in machine learning and deep learning. Scientific Data 8, 121 (2021)",
        licence="as stated with the Figshare deposit: check it before use",
        access="open: Figshare, by the link at github.com/ShahinSHH/COVID-CT-MD",
        files=(
            "Clinical-data.csv",
            "COVID-19 subjects/P001/*.dcm ..., Cap subjects/cap001/*.dcm ..., Normal subjects/normal001/*.dcm ...",
        ),
        attributes={
            "sex": "female, male",
            "age": "years, from texts such as '039Y'",
        },
        unit="patient_id",
        defects=(
            "The diagnosis is that of the patient: many slices of a patient with COVID-19 show no infection. Judge by "
            "patient (patient_id), and do not read the number of slices as a number of cases.",
            "File names are not in the order of the slices; that is the tag Slice Location. The authors' labels of "
            "slices (Slice-level-labels.npy) follow it, cover 79 patients, and are not read.",
            "COVID-19 was scanned from February to April 2020, pneumonia from 2018 to 2019, normal from 2019 to 2020: "
            "the time, and what changed with it, goes with the diagnosis.",
            "305 patients (183 men, 122 women) are few for three diagnoses in groups.",
        ),
    )
    label_maps = (
        LabelMap(
            "three",
            1,
            "Diagnosis",
            {"Normal": "normal", "CAP": "CAP", "COVID-19": "COVID-19"},
            "the patient's diagnosis",
        ),
        LabelMap(
            "covid",
            1,
            "Diagnosis",
            {"Normal": "other", "CAP": "other", "COVID-19": "COVID-19"},
            "COVID-19 against all else (as MEDFAIR, Zong et al. 2023)",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "Clinical-data.csv")
        table = read_source(path, needs=_NEEDS, text=["Folder"], column_map=column_map)
        check_ids(path, table["Folder"], "Folder")
        age, notes = ages(table["Patient Age"])
        sex = recode(table["Patient Gender"], SEX, column="Patient Gender", where=str(path))
        diagnosis = recode(
            table["Diagnosis"],
            {key: key for key in ("Normal", "CAP", "COVID-19")},
            column="Diagnosis",
            where=str(path),
        )
        patient = table["Folder"].str.strip()
        table = table.assign(sex=sex, age=age, Diagnosis=diagnosis, patient_id=patient)
        slices = _slices(folder)
        files = [slices.get(name.casefold(), []) for name in patient]
        if lacking := sum(not found for found in files):
            notes += (f"{lacking} patients have no folder of slices; each has one row, without an image",)
        rows = [found or [name] for found, name in zip(files, patient, strict=True)]
        table = table.assign(image=pd.Series(rows, dtype=object))
        table = table.explode("image", ignore_index=True)
        return Published(table.assign(image_id=_ids(table)), path, folder, notes)


def _slices(folder: Path) -> dict[str, list[str]]:
    """Return the files of every folder that holds images, by the folder's name."""
    found: dict[str, list[str]] = {}
    for file in folder.rglob("*"):
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file():
            found.setdefault(file.parent.name.casefold(), []).append(file.relative_to(folder).as_posix())
    return {name: sorted(files, key=natural_key) for name, files in found.items()}


def _ids(table: pd.DataFrame) -> pd.Series:
    """Return 'P001/IM0001' of each slice."""
    stem = table["image"].str.rsplit("/", n=1).str[-1].str.replace(r"\.[A-Za-z]+$", "", regex=True)
    return (table["patient_id"] + "/" + stem).astype(object)
