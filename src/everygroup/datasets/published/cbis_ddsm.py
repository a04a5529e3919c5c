"""CBIS-DDSM: film mammograms of 1,566 patients with proven pathology, chosen from DDSM (Lee et al. 2017)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from everygroup.cohort.groups import as_category, natural_key
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import categories, find_beside, find_file, first_column, read_source, recode
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_PATHS = ("image file path", "cropped image file path", "ROI mask file path")
_NEEDS = ("patient_id", "left or right breast", "image view", "pathology", "image file path")
_TABLES = tuple(f"{kind}_case_description_{part}_set.csv" for kind in ("mass", "calc") for part in ("train", "test"))
_PATHOLOGY = ("BENIGN_WITHOUT_CALLBACK", "BENIGN", "MALIGNANT")  # from the mildest to the worst
_SUFFIXES = {".dcm", ".png", ".jpg", ".jpeg"}
_SERIES = re.compile(r"(Mass|Calc)-(Training|Test)_P_\d+_(LEFT|RIGHT)_(CC|MLO)")


@register
class CbisDdsm(Adapter):
    """Whole mammograms: one row an image, with the worst pathology of the abnormalities in it."""

    info = DataSetInfo(
        name="cbis_ddsm",
        title="CBIS-DDSM",
        modality="mammography (scanned film)",
        task="malignant or benign",
        citation="Lee, Gimenez, Hoogi, Miyake, Gorovoy, Rubin. A curated mammography data set for use in "
        "computer-aided detection and diagnosis research. Scientific Data 4, 170177 (2017)",
        licence="CC BY 3.0",
        access="open: The Cancer Imaging Archive, doi:10.7937/K9/TCIA.2016.7O02S9CY",
        files=(
            ", ".join(_TABLES),
            "Mass-Training_P_00001_LEFT_CC/<study>/<series>/*.dcm ... (as the NBIA Data Retriever writes them), or the "
            "re-published jpeg/<series uid>/*.jpg",
        ),
        attributes={
            "density": "BI-RADS breast density 1 (fatty) to 4 (extremely dense); 0 is missing",
            "side": "LEFT, RIGHT",
            "view": "CC, MLO",
        },
        unit="patient_id",
        defects=(
            "There is no age, sex or race: breast density is the only attribute of patients.",
            "Tables have one row an abnormality; here it is one row a mammogram, with the worst pathology, and the "
            "column `abnormalities` says how many. Other columns that differ are joined by ' | '.",
            "A mammogram with a mass and a calcification is distributed twice, under two names, and a "
            "patient may be in the training part of the one and the test part of the other. Split anew by patient_id.",
            "Paths hold line breaks and blanks, and name folders that newer downloads call otherwise: the series' name "
            "(Mass-Training_P_00001_LEFT_CC) or UID finds the file.",
            "The files of cropped images and masks are exchanged in some rows; neither is used here.",
            "The density column is 'breast_density' in the mass tables and 'breast density' in the calc tables.",
            "Films are of four hospitals and were scanned by several scanners, which the tables do not name.",
        ),
    )
    label_maps = (
        LabelMap(
            "malignant",
            1,
            "pathology",
            {"BENIGN_WITHOUT_CALLBACK": "benign", "BENIGN": "benign", "MALIGNANT": "malignant"},
            "both kinds of benign against malignant",
        ),
        LabelMap(
            "malignant_of_called_back",
            1,
            "pathology",
            {"BENIGN_WITHOUT_CALLBACK": None, "BENIGN": "benign", "MALIGNANT": "malignant"},
            "benign without callback is left out: no biopsy was wanted",
        ),
        LabelMap(
            "three",
            1,
            "pathology",
            {
                "BENIGN_WITHOUT_CALLBACK": "benign without callback",
                "BENIGN": "benign",
                "MALIGNANT": "malignant",
            },
            "the source's three values",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        paths = [p for name in _TABLES if (p := find_beside(folder, name)) is not None]
        if not paths:
            paths = [find_file(folder, *_TABLES)]
        rows = pd.concat([_abnormalities(p, column_map) for p in paths], ignore_index=True)
        table = _by_image(rows)
        files = _files(folder)
        table = table.assign(
            image=[
                _choose(files, name, path)
                for name, path in zip(table["image_id"], table["image file path"], strict=True)
            ]
        )
        lacking = [p.name for p in paths]
        notes = tuple(f"there is no {name}" for name in _TABLES if name not in lacking)
        many = int((table["abnormalities"] > 1).sum())
        return Published(
            table, paths[0], folder, (*notes, f"{many} mammograms have several abnormalities; the worst counts")
        )


def _abnormalities(path: Path, column_map: Mapping[str, str] | None) -> pd.DataFrame:
    table = read_source(path, needs=_NEEDS, text=["patient_id", *_PATHS], column_map=column_map)
    density = first_column(path, table, "breast_density", "breast density")
    for column in _PATHS:
        if column in table.columns:
            table[column] = table[column].str.replace(r"\s*[\r\n]\s*", "", regex=True).str.strip()
    name = table["image file path"].str.split("/").str[0]
    odd = ~name.fillna("").str.fullmatch(_SERIES.pattern).to_numpy(bool)
    if odd.any():
        row = int(odd.argmax())
        raise CohortError(
            f"{path}: row {row + 2}: {table['image file path'].iloc[row]!r} names no series of CBIS-DDSM.",
            fix="'image file path' begins like Mass-Training_P_00001_LEFT_CC/",
        )
    where = str(path)
    return table.rename(columns={density: "breast_density"}).assign(
        image_id=name,
        density=categories(table[density], missing=["0"]),
        side=categories(table["left or right breast"]),
        view=categories(table["image view"]),
        pathology=recode(table["pathology"], {p: p for p in _PATHOLOGY}, column="pathology", where=where),
        kind=path.name.split("_")[0],
        split="test" if "test" in path.name else "train",
    )


def _by_image(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a mammogram: the worst pathology; other values that differ, joined."""
    groups = rows.groupby("image_id", sort=False)
    worst = groups["pathology"].agg(_worst)
    joined = {column: groups[column].agg(_joined) for column in rows.columns if column not in ("image_id", "pathology")}
    table = pd.DataFrame({**joined, "pathology": worst, "abnormalities": groups.size()}).reset_index()
    densities = groups["density"].nunique().to_numpy()
    return table.assign(density=table["density"].mask(densities > 1))  # not one density: not known


def _worst(values: pd.Series) -> str | None:
    known = list(values.dropna())
    return max(known, key=_PATHOLOGY.index) if known else None


def _joined(values: pd.Series) -> object:
    said = values.dropna().unique()
    return None if not len(said) else said[0] if len(said) == 1 else " | ".join(as_category(v) or "" for v in said)


def _files(folder: Path) -> dict[str, list[str]]:
    """Return the image files below the folder by each folder they lie in: a series' name, or its UID."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in _SUFFIXES and file.is_file():
            relative = file.relative_to(folder)
            for part in relative.parts[:-1]:
                found.setdefault(part, []).append(relative.as_posix())
    return found


def _choose(files: Mapping[str, list[str]], name: str, path: str) -> str:
    """Return the file of a mammogram, or its series where there is none (all files are called alike)."""
    uids = PurePosixPath(path).parts[1:-1]
    for key in (name, *reversed(uids)):
        if key in files:
            return min(files[key], key=natural_key)
    return name
