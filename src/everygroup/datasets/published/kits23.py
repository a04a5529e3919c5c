"""KiTS23: abdominal CT of 489 patients with kidney tumours, with outlines and clinical data (Heller et al. 2023)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_columns, check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import find_file, recode
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_NEEDS = ("case_id", "age_at_nephrectomy", "gender", "malignant")
_SEX = {
    "male": "male",
    "female": "female",
    "transgender_male_to_female": "transgender_male_to_female",
    "unknown": None,
}
_SUBTYPE = "tumor_histologic_subtype"


@register
class Kits23(Adapter):
    """kits23.json and one volume a case."""

    info = DataSetInfo(
        name="kits23",
        title="KiTS23",
        modality="abdominal CT",
        task="kidney tumours: malignant or not, clear cell or not; outlines of kidney, tumour and cyst",
        citation="Heller, Isensee, Trofimova et al. The KiTS21 challenge: automatic segmentation of kidneys, renal "
        "tumors, and renal cysts in corticomedullary-phase CT. arXiv:2307.01984 (2023); kits-challenge.org/kits23",
        licence="CC BY-NC-SA 4.0",
        access="open: github.com/neheller/kits23",
        files=("dataset/kits23.json", "dataset/case_00000/imaging.nii.gz and segmentation.nii.gz, ..."),
        attributes={
            "age": "years, at nephrectomy",
            "sex": "female, male, transgender_male_to_female (`gender` in the source)",
        },
        unit="image_id",
        n_images=489,
        defects=(
            "All patients had surgery for a suspected tumour: few tumours are benign, and none is absent.",
            "A volume is one image: its middle slice need not show the tumour. Name slices of your own for diagnosis.",
            "Nested fields (comorbidities, laboratory values, ...) are left out of the table.",
            "The column `mask` names the outlines (1 kidney, 2 tumour, 3 cyst).",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap("malignant", 1, "malignant", {"true": "malignant", "false": "benign"}, "by pathology"),
        LabelMap(
            "clear_cell",
            1,
            "clear_cell",
            {"yes": "clear cell carcinoma", "no": "other tumour"},
            f"{_SUBTYPE} is clear_cell_rcc, or another one",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "kits23.json")
        table = _cases(path).rename(columns=dict(column_map or {}))
        check_columns(path, table, _NEEDS)
        check_ids(path, table["case_id"], "case_id")
        age, notes = ages(table["age_at_nephrectomy"])
        ids = table["case_id"].astype(str)
        absent = pd.Series([None] * len(table), dtype=object)
        subtypes = [as_category(v) for v in table.get(_SUBTYPE, absent)]
        malignant = [None if (text := as_category(v)) is None else text.casefold() for v in table["malignant"]]
        coded = table.drop(columns=["case_id", "age_at_nephrectomy", "gender"]).assign(
            image_id=ids,
            image=ids + "/imaging.nii.gz",
            mask=ids + "/segmentation.nii.gz",
            age=age,
            sex=recode(table["gender"], _SEX, column="gender", where=str(path)),
            malignant=pd.Series(malignant, dtype=object),
            clear_cell=pd.Series(
                [None if s is None else "yes" if s.casefold() == "clear_cell_rcc" else "no" for s in subtypes],
                dtype=object,
            ),
        )
        return Published(coded, path, path.parent, notes)


def _cases(path: Path) -> pd.DataFrame:
    """Read the list of cases; only plain values, no lists and objects."""
    try:
        cases = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CohortError(f"{path}: cannot be read as JSON ({error}).", fix="download the file again") from error
    if not isinstance(cases, list) or not cases or not all(isinstance(case, dict) for case in cases):
        raise CohortError(f"{path}: is not a list of cases.", fix="give kits23.json as distributed")
    rows = [{k: v for k, v in case.items() if not isinstance(v, (dict, list))} for case in cases]
    return pd.DataFrame(rows, dtype=object)
