"""CheXpert: 224,316 chest X-rays of 65,240 patients, 14 observations mined from reports (Irvin et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, exactly, find_beside, find_file, read_source, recode
from everygroup.datasets.published._findings import FOURTEEN, ORIENTATION, statement_maps, with_statements
from everygroup.datasets.published._race import CODING, by_majority, ethnicity_of, race_of
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_NEEDS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FOURTEEN)
_DEMOGRAPHICS = ("PATIENT", "PRIMARY_RACE", "ETHNICITY")


@register
class CheXpert(Adapter):
    """train.csv and, where it is there, valid.csv; race and ethnicity from the demographic supplement."""

    info = DataSetInfo(
        name="chexpert",
        title="CheXpert",
        modality="chest X-ray",
        task="14 observations, each positive, negative, uncertain or unmentioned",
        citation="Irvin, Rajpurkar, Ko, et al. CheXpert: a large chest radiograph dataset with uncertainty labels and "
        "expert comparison. AAAI 2019",
        licence="Stanford University dataset research use agreement: no commercial use, no redistribution",
        access="registration: Stanford AIMI, stanfordaimi.azurewebsites.net",
        files=(
            "train.csv and valid.csv",
            "train/patient00001/study1/view1_frontal.jpg ..., beside the tables (CheXpert-v1.0 or CheXpert-v1.0-small)",
            "CHEXPERT DEMO.xlsx (optional, for race and ethnicity; read with openpyxl), or saved as CHEXPERT DEMO.csv",
        ),
        attributes={
            "sex": "female, male; 'Unknown' is missing",
            "age": "years, 90 and more as 90; 0 is missing (nobody else is under 18)",
            "race": f"{CODING}; all missing without the supplement",
            "ethnicity": "hispanic, not hispanic; all missing without the supplement",
            "view": "Frontal, Lateral",
        },
        unit="patient_id",
        n_images=223648,
        counts={"split": {"train": 223414, "valid": 234}},
        defects=(
            "-1 is 'uncertain', blank 'not mentioned': the label maps name what is done about each, and results with "
            "different maps are not comparable.",
            ORIENTATION,
            "Split by patient_id. Published code has split by image, so that patients stand on both sides.",
            "valid.csv was labelled by three radiologists, train.csv by a program: do not pool them in one figure.",
            "Frontal and lateral views are kept; choose by `view`. Both views of a study have the same labels.",
            "Race is free text: its first word decides. Asian, black and other patients are few in some cells.",
            "The test set comes without sex and age and is not read.",
        ),
    )
    label_maps = statement_maps()

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "train.csv", "train.csv.gz")
        others = [p for name in ("valid.csv", "valid.csv.gz") if (p := path.parent / name).is_file()]
        parts = []
        for table_path in (path, *others[:1]):
            table = read_source(table_path, needs=_NEEDS, text=["Path"], column_map=column_map)
            check_ids(table_path, table["Path"], "Path")
            coded = with_statements(table, where=str(table_path))
            place = _below_root(table["Path"], table_path)
            parts.append(
                coded.assign(
                    image=place,
                    image_id=place,
                    patient_id=place.str.extract(r"(patient\d+)", expand=False),
                    split=place.str.split("/").str[0],
                    sex=recode(table["Sex"], SEX, column="Sex", where=str(table_path)),
                    view=categories(table["Frontal/Lateral"]),
                )
            )
        table = pd.concat(parts, ignore_index=True)
        age, notes = ages(table["Age"], placeholder=0)
        known, more = _demographics(folder, path.parent, column_map)
        table = table.assign(age=age, **{name: table["patient_id"].map(values) for name, values in known.items()})
        table = table.assign(image=exactly(path.parent, table["image"]))
        return Published(table, path, path.parent, (*notes, *more))


def _below_root(paths: pd.Series, where: Path) -> pd.Series:
    """Cut 'CheXpert-v1.0-small/' off, since that folder may be called anything."""
    place = paths.str.strip().str.replace("\\", "/").str.extract(r"((?:train|valid)/patient\d+/.+)$", expand=False)
    if place.isna().any():
        row = int(place.isna().to_numpy().argmax())
        raise CohortError(
            f"{where}: row {row + 2}: no patient can be read from the path {paths.iloc[row]!r}.",
            fix="paths look like CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg",
        )
    return place.astype(object)


def _demographics(
    folder: Path, tables: Path, column_map: Mapping[str, str] | None
) -> tuple[dict[str, pd.Series], tuple[str, ...]]:
    """Return race and ethnicity by patient, and what is to be said about them."""
    nobody = pd.Series(dtype=object)
    patterns = ("CHEXPERT DEMO.xlsx", "CHEXPERT DEMO.csv")
    path = find_beside(tables, *patterns) or find_beside(folder, *patterns)
    if path is None:
        said = "there is no 'CHEXPERT DEMO.xlsx': race and ethnicity are missing throughout"
        return {"race": nobody, "ethnicity": nobody}, (said,)
    table = read_source(path, needs=_DEMOGRAPHICS, text=["PATIENT"], column_map=column_map)
    patients = table["PATIENT"].astype(str).str.strip()
    race, conflicts = by_majority(patients, table["PRIMARY_RACE"].map(race_of))
    ethnicity, more = by_majority(patients, table["ETHNICITY"].map(ethnicity_of))
    notes = [
        f"the {name} of {n} patients differs among their records and counts as missing"
        for name, n in (("race", conflicts), ("ethnicity", more))
        if n
    ]
    return {"race": race, "ethnicity": ethnicity}, tuple(notes)
