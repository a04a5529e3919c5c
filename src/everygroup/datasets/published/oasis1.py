"""OASIS-1: brain MRI of 416 people of 18 to 96 years, 100 of them with dementia, 20 scanned twice (Marcus 2007)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode
from everygroup.datasets.published._image_files import files_by_id, middle
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

YOUNG = 60  # years; below it the clinical dementia rating was mostly not taken
_NEEDS = ("ID", "M/F", "Hand", "Age", "CDR")
_ID = re.compile(r"(OAS1_\d{4}_MR\d)")
_VOLUME = r"(?:nii|nii\.gz|img)"
_KINDS = (
    re.compile(r"\.(?:png|jpe?g|tiff?)$", re.IGNORECASE),
    re.compile(rf"_t88_masked_gfc\.{_VOLUME}$", re.IGNORECASE),
    re.compile(r"(?:^|/)aligned_norm\.nii(?:\.gz)?$", re.IGNORECASE),
    re.compile(rf"_t88_gfc\.{_VOLUME}$", re.IGNORECASE),
    re.compile(rf"_mpr-\d+_anon\.{_VOLUME}$", re.IGNORECASE),
    re.compile(rf"(?:^|/)OAS1_\d{{4}}_MR\d\.{_VOLUME}$", re.IGNORECASE),
)
_DEMENTIA: dict[str, str | None] = {"0": "no dementia", "0.5": "dementia", "1": "dementia", "2": "dementia"}


@register
class Oasis1(Adapter):
    """The cross-sectional table, and one picture or volume a scan."""

    info = DataSetInfo(
        name="oasis1",
        title="OASIS-1 (cross-sectional)",
        modality="brain MRI (T1)",
        task="dementia by the clinical dementia rating (CDR)",
        citation="Marcus, Wang, Parker, Csernansky, Morris, Buckner. Open Access Series of Imaging Studies (OASIS): "
        "cross-sectional MRI data in young, middle aged, nondemented, and demented older adults. J Cogn Neurosci 19, "
        "1498-1507 (2007)",
        licence="OASIS data use agreement",
        access="open: sites.wustl.edu/oasisbrains, after the data use agreement",
        files=(
            "oasis_cross-sectional.csv or .xlsx",
            "a picture or volume a scan with the ID in its path, such as OAS1_0001_MR1/PROCESSED/MPRAGE/T88_111/"
            "OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc.img (with .hdr)",
        ),
        attributes={"age": "years", "sex": "female, male", "hand": "R: all are right-handed"},
        unit="subject",
        n_images=436,
        counts={"cdr": {"0": 135, "0.5": 70, "1": 28, "2": 2}},
        defects=(
            "CDR is blank for 201 scans, nearly all of young people. Blank is not 0: the default label map leaves "
            f"these scans out. The map `dementia_young_healthy` counts a blank below {YOUNG} years as no dementia, as "
            "the young were taken to be healthy but not rated; age then tells the label almost by itself.",
            "20 people were scanned again within 90 days (..._MR2): split by subject.",
            "Education is a code of 1 to 5 here, years in OASIS-2; SES is 1 (highest) to 5.",
            "Of several pictures of a scan (slices) the middle one is taken; of volumes the one masked and registered "
            "to the atlas, if it is there. Segmentations (FSL_SEG) are left aside.",
        ),
    )
    label_maps = (
        LabelMap("dementia", 1, "cdr", _DEMENTIA, "CDR 0 against 0.5 and more; scans without CDR are left out"),
        LabelMap(
            "dementia_young_healthy",
            1,
            "cdr_or_young",
            {**_DEMENTIA, "young": "no dementia"},
            f"blank CDR below {YOUNG} years is no dementia; age and label go together by construction",
        ),
        LabelMap(
            "cdr",
            1,
            "cdr",
            {"0": "no dementia", "0.5": "very mild", "1": "mild or moderate", "2": "mild or moderate"},
            "three grades; CDR 2 (two people) with CDR 1",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "oasis_cross-sectional*.csv", "oasis_cross-sectional*.xlsx")
        table = read_source(path, needs=_NEEDS, text=["ID"], column_map=column_map)
        check_ids(path, table["ID"], "ID")
        ids = table["ID"].astype(str).str.strip()
        subject = ids.str.extract(r"^(OAS1_\d{4})_MR\d$", expand=False)
        if subject.isna().any():
            row = int(subject.isna().to_numpy().argmax())
            raise CohortError(
                f"{path}: row {row + 2}: the ID {ids[row]!r} is not one of OASIS-1 (OAS1_0001_MR1).",
                fix="give the cross-sectional table of OASIS-1; OASIS-2 and 3 are other sets",
            )
        found = files_by_id(folder, _ID, _KINDS)
        age, notes = ages(table["Age"])
        cdr = categories(table["CDR"], missing=["n/a"])
        young = cdr.isna() & (age < YOUNG)
        coded = table.drop(columns=["ID", "Age", "M/F", "Hand", "CDR"]).assign(
            image_id=ids,
            image=[middle(found[name]) if name in found else f"{name}.nii.gz" for name in ids],
            subject=subject,
            age=age,
            sex=recode(table["M/F"], SEX, column="M/F", where=str(path)),
            hand=categories(table["Hand"]),
            cdr=cdr,
            cdr_or_young=pd.Series(["young" if y else c for y, c in zip(young, cdr, strict=True)], dtype=object),
        )
        several = sum(len(found.get(name, ())) > 1 for name in ids)
        said = [f"{int(cdr.isna().sum())} scans have no CDR, {int(young.sum())} of them of people below {YOUNG} years"]
        if several:
            said.append(f"{several} scans have several pictures, of which the middle one is taken")
        return Published(coded, path, folder, (*notes, *said))
