"""Montgomery County and Shenzhen: 138 and 662 chest radiographs, normal or with tuberculosis (Jaeger et al. 2014)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from posixpath import basename

import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import find_file
from everygroup.datasets.published._image_files import locate, walk
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_NAME = re.compile(r"(?P<site>MCUCXR|CHNCXR)_\d{4}_(?P<label>[01])\.txt")
_SITES = {"MCUCXR": "Montgomery", "CHNCXR": "Shenzhen"}
_FIELDS = ("Patient's Sex", "Patient's Age")
_SEX = re.compile(r"(?<![a-z])(?:(f(?:emale?)?)|(m(?:ale)?))(?![a-z])", re.IGNORECASE)  # 'femal' is written, too
_AGE = re.compile(r"(\d{1,3})\s*(y|mon|m|w|d)?", re.IGNORECASE)


@register
class MontgomeryShenzhen(Adapter):
    """One text file with sex, age and reading an image; the label is in the file's name."""

    info = DataSetInfo(
        name="montgomery_shenzhen",
        title="Montgomery County and Shenzhen chest X-ray sets",
        modality="chest radiography",
        task="tuberculosis",
        citation="Jaeger, Candemir, Antani, Wang, Lu, Thoma. Two public chest X-ray datasets for computer-aided "
        "screening of pulmonary diseases. Quant Imaging Med Surg 4, 475-477 (2014)",
        licence="U.S. National Library of Medicine: free use with citation",
        access="open: data.lhncbc.nlm.nih.gov",
        files=(
            "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt and CXR_png/MCUCXR_0001_0.png",
            "ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0001_0.txt and CXR_png/CHNCXR_0001_0.png; one set alone will do",
        ),
        attributes={
            "age": "years; '027Y' at Montgomery, '45yrs', '16month', '64days' at Shenzhen",
            "sex": "female, male; O is missing",
            "site": "Montgomery, Shenzhen",
        },
        unit="image_id",
        n_images=800,
        counts={"site": {"Montgomery": 138, "Shenzhen": 662}, "tuberculosis": {"0": 406, "1": 394}},
        defects=(
            "The two sites differ in machines, population and share of ill (42 % and 51 %): a network can tell the "
            "site. Compare within sites.",
            "Sex and age stand in free text; what cannot be read is missing, and counted.",
            "The masks of the lungs have the names of the images; images are taken from CXR_png.",
            "The label is the last digit of the name (1: tuberculosis, active or past), not the reading.",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap("tuberculosis", 1, "tuberculosis", {"0": "normal", "1": "tuberculosis"}, "from the file's name"),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`. `column_map` renames the fields of Montgomery's readings."""
        first = find_file(folder, "*CXR_*_[01].txt")
        rows = []
        for file in walk(folder):
            if name := _NAME.fullmatch(basename(file)):
                text = (folder / file).read_text(encoding="utf-8-sig", errors="replace")
                sex, age, reading = _parts(text, column_map or {})
                rows.append(
                    {
                        "image_id": basename(file).removesuffix(".txt"),
                        "sex": sex,
                        "age": age,
                        "site": _SITES[name["site"]],
                        "tuberculosis": name["label"],
                        "reading": reading,
                    }
                )
        if not rows:
            raise CohortError(f"{first}: is not called like MCUCXR_0001_0.txt.", fix="keep the names as distributed")
        table = pd.DataFrame(rows, dtype=object)
        if twice := sorted(table["image_id"][table["image_id"].duplicated()]):
            raise CohortError(f"{folder}: holds two readings called {twice[0]}.txt.", fix="remove the copy")
        images, files = locate(folder, [f"{name}.png" for name in table["image_id"]], prefer=["CXR_png"])
        age_years, notes = ages(table["age"])
        unread = {c: int(table[c].isna().sum()) for c in ("sex", "age")}
        said = [f"{n} readings do not tell the {c} (or O)" for c, n in unread.items() if n]
        return Published(table.assign(image=files, age=age_years), first, images, (*notes, *said))


def _parts(text: str, names: Mapping[str, str]) -> tuple[str | None, str | None, str]:
    """Return (sex, age as '027Y', the rest) of a reading, of either set."""
    lines = [line.strip() for line in text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").splitlines() if line.strip()]
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields[names.get(name.strip(), name.strip()).casefold()] = value
    sex_text, age_text = (fields.get(name.casefold()) for name in _FIELDS)
    if sex_text is None and age_text is None:  # Shenzhen: both in the first line
        first = lines[0] if lines else ""
        return _sex(first), _age(first), " ".join(lines[1:])
    rest = [line for line in lines if names.get(line.partition(":")[0].strip(), line.partition(":")[0]) not in _FIELDS]
    return _sex(sex_text or ""), _age(age_text or ""), " ".join(rest)


def _sex(text: str) -> str | None:
    found = _SEX.search(text)
    return None if found is None else "female" if found[1] else "male"


def _age(text: str) -> str | None:
    found = _AGE.search(as_category(text) or "")
    return None if found is None else f"{int(found[1])}{(found[2] or 'y')[0].upper()}"
