"""OL3I: one abdominal CT slice of each of 8,139 patients, and heart disease after it (Zambrano Chaves et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_beside, find_file, read_source, recode
from everygroup.datasets.published._registry import register

_SLICES = "l3_slices.h5"
_WINDOW = (-160, 240)  # Hounsfield units: level 40, width 400
_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm")
_EVENT: dict[str, str | None] = {"0": "no event", "1": "event", "-1": None}


@register
class Ol3i(Adapter):
    """The table of patients; the slices from the HDF5 file through one window, or as written out of it."""

    info = DataSetInfo(
        name="ol3i",
        title="OL3I",
        modality="abdominal CT, one axial slice at the third lumbar vertebra",
        task="ischaemic heart disease within one year, or five",
        citation="Zambrano Chaves, Wentland, Desai, et al. Opportunistic assessment of ischemic heart disease risk "
        "using abdominopelvic computed tomography and medical record data: a multimodal explainable artificial "
        "intelligence approach. Scientific Reports 13 (2023)",
        licence="Stanford University dataset research use agreement: no commercial use, no redistribution",
        access="registration: Stanford AIMI, stanfordaimi.azurewebsites.net",
        files=(
            "clinical_data.csv (or ol3i_metadata.csv)",
            "l3_slices.h5 (read with h5py), or <anon_id>.png (.jpg, .dcm) in any folder below, written out of it",
        ),
        attributes={
            "sex": "female, male",
            "age": "years at the scan",
        },
        unit="image_id",
        n_images=8139,
        defects=(
            "Column names were taken from public loaders, not from the released file: check them, and rename with a "
            "column map where they differ.",
            f"Slices are Hounsfield units; they are seen through the usual abdominal window, {_WINDOW[0]} to "
            f"{_WINDOW[1]}, the same for all. A window fitted to each slice would hide differences.",
            "Few patients had an event within a year: cells of group and label are small.",
            "Blank labels are patients without enough follow-up; they are left out, and are not 'no event'.",
            "One slice a patient: the unit is the image.",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap("one_year", 1, "label_1y", _EVENT, "heart disease within one year of the scan"),
        LabelMap("five_years", 1, "label_5y", _EVENT, "heart disease within five years; blank throughout if absent"),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "clinical_data.csv", "ol3i_metadata.csv")
        needs = ("anon_id", "age", "sex", "label_1y")
        table = read_source(path, needs=needs, text=["anon_id"], column_map=column_map)
        check_ids(path, table["anon_id"], "anon_id")
        age, notes = ages(table["age"])
        files = {p.stem: p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.suffix in _SUFFIXES}
        names = table["anon_id"].str.strip()
        stack = find_beside(folder, _SLICES)
        if stack is not None and not files:  # slices that were written out go before the file they are from
            place = f"{stack.relative_to(folder).as_posix()}#"
            files = {name: f"{place}{name}@{_WINDOW[0]}:{_WINDOW[1]}" for name in names}
        if "label_5y" not in table.columns:
            table = table.assign(label_5y=None)
            notes += ("there is no column label_5y: the map 'five_years' has no labels",)
        coded = table.assign(
            image_id=names,
            image=[files.get(name, f"{name}.png") for name in names],
            sex=recode(table["sex"], SEX, column="sex", where=str(path)),
            age=age,
            label_1y=categories(table["label_1y"]),
            label_5y=categories(table["label_5y"]),
        )
        return Published(coded, path, folder, notes)
