"""ODIR-5K: photographs of both eye grounds of 5,000 patients with eight groups of diseases (challenge of 2019)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_file, has_file, read_source, recode
from everygroup.datasets.published._image_files import locate
from everygroup.datasets.published._layout import is_tidy, read_tidy
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_LETTERS = {
    "N": "normal",
    "D": "diabetes",
    "G": "glaucoma",
    "C": "cataract",
    "A": "age-related macular degeneration",
    "H": "hypertension",
    "M": "pathological myopia",
    "O": "other",
}
_CLASSES = tuple(_LETTERS.values())
_PATIENT = {letter: f"patient_{letter}" for letter in _LETTERS}
# Words of a keyword, in the order in which they decide; what holds none of them is another disease.
_WORDS = (
    ("hypertensive", "hypertension"),
    ("diabetic", "diabetes"),
    ("proliferative", "diabetes"),  # 'moderate non proliferative retinopathy' is a grade of diabetic retinopathy
    ("glaucoma", "glaucoma"),
    ("cataract", "cataract"),
    ("age-related macular", "age-related macular degeneration"),
    ("myopi", "pathological myopia"),
    ("normal fundus", "normal"),
)
_OF_THE_IMAGE = frozenset(
    {
        "lens dust",
        "low image quality",
        "image offset",
        "optic disk photographically invisible",
        "no fundus image",
        "anterior segment image",
    }
)
_ALL = ("ID", "Patient Age", "Patient Sex", *_LETTERS)
_SIDES = {"left": ("Left-Fundus", "Left-Diagnostic Keywords"), "right": ("Right-Fundus", "Right-Diagnostic Keywords")}
_TIDY = {"label": "diagnosis", "patient_id": "ID", "age": "Patient Age", "sex": "Patient Sex"}


def _against_normal(disease: str) -> dict[str, str | None]:
    return {c: c if c in (disease, "normal") else None for c in ("normal", *(c for c in _CLASSES if c != "normal"))}


def _one_disease(name: str, disease: str) -> LabelMap:
    return LabelMap(
        name,
        1,
        "diagnosis",
        _against_normal(disease),
        f"{disease} against normal eyes; other diagnoses are left out, and with them eyes whose {disease} stands "
        "behind another finding",
    )


@register
class Odir5k(Adapter):
    """The challenge's spreadsheet, the table of the widely used 512 x 512 copy (full_df.csv), or a tidy copy."""

    info = DataSetInfo(
        name="odir_5k",
        title="ODIR-5K",
        modality="colour fundus photography",
        task="eight groups of diagnoses of an eye",
        citation="Peking University International Competition on Ocular Disease Intelligent Recognition (ODIR-2019); "
        "Li, Li, Hu, Wang, Kang. A benchmark of ocular disease intelligent recognition: one shot for multi-disease "
        "detection. Bench 2020, doi:10.1007/978-3-030-71058-3_11",
        licence="unspecified by its re-publishers: research use only",
        access="registration with the challenge; copies circulate openly",
        files=(
            "full_df.csv and preprocessed_images/<ID>_left.jpg, <ID>_right.jpg (6,392 images of 3,358 patients), or",
            "ODIR-5K_Training_Annotations*.xlsx or data.xlsx, and the training images (7,000 of 3,500 patients)",
        ),
        attributes={
            "age": "years; 1 is a placeholder and missing",
            "sex": "female, male",
            "eye": "left, right: of the image, no property of a patient",
        },
        unit="patient_id",
        n_images=6392,
        counts={
            "diagnosis": {
                "normal": 2873,
                "diabetes": 1608,
                "other": 708,
                "cataract": 293,
                "glaucoma": 284,
                "age-related macular degeneration": 266,
                "pathological myopia": 232,
                "hypertension": 128,
            },
            "sex": {"male": 3424, "female": 2968},
            "eye": {"left": 3198, "right": 3194},
        },
        defects=(
            "The challenge labels patients, not eyes (patient_N to patient_O: either eye). `diagnosis` is of the eye: "
            "from full_df.csv's `labels`, else from the eye's keywords.",
            "An eye has one diagnosis, that of its first finding, though 1 in 15 has findings of several groups.",
            "Keywords and `labels` give the same diagnosis for 6,389 of 6,392 eyes; 'myopic maculopathy' (3 eyes) is "
            "'other' in `labels` and pathological myopia by its keyword, as the challenge has it for the patient.",
            "Age 1 (28 images of 15 patients) is a placeholder and counts as missing.",
            "Both eyes of a patient are here: split by patient_id.",
            "The published counts are those of full_df.csv; the spreadsheet has 7,000 images.",
        ),
    )
    label_maps = (
        LabelMap("eight", 1, "diagnosis", {c: c for c in _CLASSES}, "first finding of the eye"),
        _one_disease("diabetes", "diabetes"),
        _one_disease("glaucoma", "glaucoma"),
        _one_disease("cataract", "cataract"),
        _one_disease("amd", "age-related macular degeneration"),
        _one_disease("myopia", "pathological myopia"),
        LabelMap(
            "disease",
            1,
            "diagnosis",
            {c: "normal" if c == "normal" else "disease" for c in _CLASSES},
            "any diagnosis against normal",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        if is_tidy(folder):
            needs = [*_TIDY.values(), "eye", "diagnostic_keywords"]
            return _coded(read_tidy(folder, rename=_TIDY, needs=needs, text=["patient_id"], column_map=column_map))
        if has_file(folder, "full_df.csv"):
            return _coded(_copy(folder, column_map))
        return _coded(_challenge(folder, column_map))


def eye_diagnosis(keywords: str | None) -> str | None:
    """Return the group of an eye's first finding; None where the keywords tell only of the picture.

    Keywords are separated by Western or Chinese commas. Whatever stands beside 'normal fundus' goes before it.
    """
    groups = []
    for keyword in re.split("[,，]", (keywords or "").casefold()):
        text = keyword.strip()
        if text and text not in _OF_THE_IMAGE:
            groups.append(next((group for word, group in _WORDS if word in text), "other"))
    return next((g for g in groups if g != "normal"), "normal" if groups else None)


def _copy(folder: Path, column_map: Mapping[str, str] | None) -> Published:
    """Read full_df.csv: one row an image, with the label of the eye."""
    path = find_file(folder, "full_df.csv")
    needs = [*_ALL, *(c for pair in _SIDES.values() for c in pair), "labels", "filename"]
    table = read_source(path, needs=needs, text=["ID", "labels", "filename"], column_map=column_map)
    check_ids(path, table["filename"], "filename")
    letters = _part_of(path, table["labels"], r"^\W*([NDGCAHMO])\W*$", "one of ['N'] to ['O']")
    eye = _part_of(path, table["filename"], r"_(left|right)\.\w+$", "a name ending in _left.jpg or _right.jpg")
    keywords = table["Left-Diagnostic Keywords"].where(eye == "left", table["Right-Diagnostic Keywords"])
    images, files = locate(folder, list(table["filename"]), prefer=["preprocessed_images", "Training Images"])
    sides = [c for pair in _SIDES.values() for c in pair]
    table = table.drop(columns=[*sides, "labels", "filepath"], errors="ignore").assign(
        image_id=[name.rpartition(".")[0] for name in table["filename"]],
        image=files,
        eye=eye,
        diagnosis=letters.map(_LETTERS),
        diagnostic_keywords=keywords,
    )
    return Published(table, path, images)


def _part_of(path: Path, values: pd.Series, pattern: str, what: str) -> pd.Series:
    found = values.str.extract(pattern, expand=False)
    if found.isna().any():
        row = int(found.isna().to_numpy().argmax())
        raise CohortError(
            f"{path}: row {row + 2}: {values.name} {values[row]!r} is not {what}.", fix="give the file as distributed"
        )
    return found


def _challenge(folder: Path, column_map: Mapping[str, str] | None) -> Published:
    """Read the challenge's spreadsheet: one row a patient becomes one row an eye."""
    path = find_file(folder, "ODIR-5K_Training_Annotations*.xlsx", "data.xlsx", "*ODIR*.xlsx")
    sheet = read_source(path, needs=[*_ALL, *(c for pair in _SIDES.values() for c in pair)], column_map=column_map)
    check_ids(path, sheet["ID"], "ID")
    recode(sheet["Patient Sex"], SEX, column="sex", where=str(path))  # here a message can name the sheet's row
    sides = [c for pair in _SIDES.values() for c in pair]
    parts = []
    for eye, (file, keywords) in _SIDES.items():
        part = sheet.drop(columns=sides).assign(
            filename=sheet[file], eye=eye, diagnostic_keywords=sheet[keywords], row=range(len(sheet))
        )
        parts.append(part[[as_category(v) is not None for v in part["filename"]]])
    table = pd.concat(parts).sort_values(["row", "eye"], kind="stable", ignore_index=True).drop(columns="row")
    names = [str(v).strip() for v in table["filename"]]
    images, files = locate(folder, names, prefer=["Training Images", "ODIR-5K_Training_Dataset"])
    ids = pd.Series([name.rpartition(".")[0] or name for name in names])
    check_ids(path, ids, "fundus file")
    diagnosis = [eye_diagnosis(as_category(v)) for v in table["diagnostic_keywords"]]
    table = table.assign(image_id=ids, image=files, diagnosis=pd.Series(diagnosis, dtype=object))
    unknown = int(table["diagnosis"].isna().sum())
    notes = (f"{unknown} eyes whose keywords tell only of the picture have no diagnosis",) if unknown else ()
    return Published(table, path, images, notes)


def _coded(found: Published) -> Published:
    """Code the attributes; the names are those of full_df.csv until here."""
    table, where = found.table, str(found.path)
    age, notes = ages(table["Patient Age"], placeholder=1)
    coded = table.drop(columns=["Patient Age", "Patient Sex", "ID"]).rename(columns=_PATIENT)
    coded = coded.assign(
        patient_id=categories(table["ID"]),
        age=age,
        sex=recode(table["Patient Sex"], SEX, column="sex", where=where),
        eye=recode(table["eye"], {"left": "left", "right": "right"}, column="eye", where=where),
    )
    return replace(found, table=coded, notes=found.notes + notes)
