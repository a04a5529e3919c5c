"""ADNI: brain MRI and PET of normal ageing, mild impairment and Alzheimer's disease (Petersen et al. 2010)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode
from everygroup.datasets.published._image_files import files_by_id, middle
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_NEEDS = ("Image Data ID", "Subject", "Group", "Sex", "Age")
_ID = re.compile(r"(?:^|[/_])I(\d+)(?=[/._])")
_KINDS = (
    re.compile(r"\.(?:png|jpe?g|tiff?)$", re.IGNORECASE),
    re.compile(r"\.(?:nii|nii\.gz|img)$", re.IGNORECASE),
    re.compile(r"\.(?:dcm|ima)$", re.IGNORECASE),
)
_MCI: dict[str, str | None] = {"EMCI": "MCI", "MCI": "MCI", "LMCI": "MCI"}
_OTHERS: dict[str, str | None] = {"Patient": None}
_SIX = ("CN", "SMC", "EMCI", "MCI", "LMCI", "AD")


@register
class Adni(Adapter):
    """The table of an image collection, as it comes from the archive with a download."""

    info = DataSetInfo(
        name="adni",
        title="ADNI",
        modality="brain MRI or PET",
        task="cognitively normal, mild cognitive impairment, Alzheimer's disease",
        citation="Petersen, Aisen, Beckett et al. Alzheimer's Disease Neuroimaging Initiative (ADNI): clinical "
        "characterization. Neurology 74, 201-209 (2010)",
        licence="ADNI data use agreement",
        access="application: adni.loni.usc.edu",
        files=(
            "<collection>.csv with Image Data ID, Subject, Group, Sex, Age, Visit, Modality, Description, Type, Acq "
            "Date, Format, Downloaded",
            "ADNI/<Subject>/<Description>/<date>/I<Image Data ID>/<file>",
        ),
        attributes={"age": "years, at the scan", "sex": "female, male"},
        unit="Subject",
        defects=(
            "People are scanned many times: split by Subject.",
            "Group is the research group at enrolment, not the diagnosis on the day of the scan.",
            "SMC (significant memory concern) is neither a patient group nor plainly normal: the default label map "
            "leaves it out, `three_with_smc` counts it as normal. EMCI, MCI and LMCI are one class in both.",
            "Race, ethnicity and education are in ADNIMERGE, not in this table.",
            "Of several files of an image (DICOM slices) the middle one is taken.",
            "A collection is whatever was chosen for download: there are no published counts.",
        ),
    )
    label_maps = (
        LabelMap("three", 1, "Group", {"CN": "CN", "SMC": None, **_MCI, "AD": "AD", **_OTHERS}, "SMC is left out"),
        LabelMap(
            "three_with_smc", 1, "Group", {"CN": "CN", "SMC": "CN", **_MCI, "AD": "AD", **_OTHERS}, "SMC counts as CN"
        ),
        LabelMap(
            "ad",
            1,
            "Group",
            {"CN": "CN", "SMC": None, "EMCI": None, "MCI": None, "LMCI": None, "AD": "AD", **_OTHERS},
            "AD against CN; impairment and SMC are left out",
        ),
        LabelMap(
            "six",
            1,
            "Group",
            {**{name: name for name in _SIX}, **_OTHERS},
            "the groups as they stand; EMCI and LMCI exist since ADNI-GO only",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = _collection(folder, column_map)
        table = read_source(path, needs=_NEEDS, text=["Image Data ID", "Subject"], column_map=column_map)
        check_ids(path, table["Image Data ID"], "Image Data ID")
        numbers = table["Image Data ID"].str.strip().str.removeprefix("I")
        found = files_by_id(folder, _ID, _KINDS)
        age, notes = ages(table["Age"])
        coded = table.drop(columns=["Image Data ID", "Age", "Sex"]).assign(
            image_id="I" + numbers,
            image=[middle(found[n]) if n in found else f"I{n}.nii" for n in numbers],
            Subject=categories(table["Subject"]),
            Group=categories(table["Group"]),
            age=age,
            sex=recode(table["Sex"], SEX, column="Sex", where=str(path)),
        )
        several = sum(len(found.get(n, ())) > 1 for n in numbers)
        said = (f"{several} images have several files, of which the middle one is taken",) if several else ()
        return Published(coded, path, folder, (*notes, *said))


def _collection(folder: Path, column_map: Mapping[str, str] | None) -> Path:
    """Return the CSV file that lists the images: the one with the most of the documented columns."""
    find_file(folder, "*.csv")
    names = dict(column_map or {})
    fitting: dict[Path, int] = {}
    for path in sorted(p for p in folder.rglob("*.csv") if not p.name.startswith(".")):
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
            header = next(csv.reader(handle), [])
        fitting[path] = len({names.get(column.strip(), column.strip()) for column in header} & set(_NEEDS))
    best = max(fitting, key=lambda path: fitting[path])
    if not fitting[best]:
        raise CohortError(
            f"{folder}: no CSV file there has columns such as {', '.join(_NEEDS)}.",
            fix="put the table of the image collection there, as it comes with a download from the archive",
        )
    return best
