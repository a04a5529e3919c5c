"""PAD-UFES-20: 2,298 smartphone photographs of skin lesions with skin type, age and sex (Pacheco et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode, years
from everygroup.datasets.published._layout import is_tidy, read_tidy
from everygroup.datasets.published._registry import register

_CLASSES = {"BCC": 845, "ACK": 730, "NEV": 244, "SEK": 235, "SCC": 192, "MEL": 52}
_RENAMED = {"gender": "sex", "fitspatrick": "skin_type"}  # the spelling is the source's
_NEEDS = ("patient_id", "lesion_id", "diagnostic", "age", "sex", "skin_type", "region", "biopsed")


@register
class PadUfes20(Adapter):
    """Metadata and photographs of a Brazilian dermatological assistance programme."""

    info = DataSetInfo(
        name="pad_ufes_20",
        title="PAD-UFES-20",
        modality="smartphone photographs",
        task="six skin lesions",
        citation="Pacheco et al. PAD-UFES-20: a skin lesion dataset composed of patient data and clinical images "
        "collected from smartphones. Data in Brief 32, 106221 (2020)",
        licence="CC BY 4.0",
        access="open: Mendeley Data, doi:10.17632/zr7vgbcyr2",
        files=("metadata.csv", "imgs_part_1, imgs_part_2, imgs_part_3: <img_id>, which ends in .png"),
        attributes={
            "age": "years",
            "sex": "female, male (gender)",
            "skin_type": "Fitzpatrick type 1-6 (fitspatrick)",
            "region": "body site",
        },
        unit="patient_id",
        n_images=2298,
        counts={
            "diagnostic": _CLASSES,
            "sex": {"female": 753, "male": 741},
            "skin_type": {"1": 153, "2": 876, "3": 392, "4": 62, "5": 10, "6": 1},
        },
        defects=(
            "Sex and skin type are blank for the same 804 images, none of them biopsied and none a cancer: what is "
            "missing tells the label. Report on the 1,494 that have them; do not fill them in.",
            "Types 4-6 are 73 images: too few to test, whatever is done about it.",
            "Patients have several images; the split is by patient.",
        ),
    )
    label_maps = (
        LabelMap("six", 1, "diagnostic", {c: c for c in _CLASSES}, "the authors' six classes"),
        LabelMap(
            "malignant",
            1,
            "diagnostic",
            {c: "malignant" if c in ("BCC", "SCC", "MEL") else "benign" for c in _CLASSES},
            "the three cancers; actinic keratosis, which is pre-malignant, counts as benign",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        if is_tidy(folder):
            names = {"label": "diagnostic", "localization": "region"}
            text = ["patient_id", "lesion_id"]
            return self._coded(read_tidy(folder, rename=names, needs=_NEEDS, text=text, column_map=column_map))
        path = find_file(folder, "metadata.csv")
        names = {**_RENAMED, **{old: _RENAMED.get(new, new) for old, new in (column_map or {}).items()}}
        text = ["img_id", "patient_id", "lesion_id"]
        table = read_source(path, needs=["img_id", *_NEEDS], text=text, column_map=names)
        check_ids(path, table["img_id"], "img_id")
        table = table.assign(image_id=table["img_id"].str.removesuffix(".png"), image=table["img_id"])
        return self._coded(Published(table, path, folder))

    def _coded(self, found: Published) -> Published:
        table = found.table
        age, impossible = years(table["age"])
        coded = table.assign(
            age=age,
            sex=recode(table["sex"], SEX, column="sex", where=str(found.path)),
            skin_type=categories(table["skin_type"]),
            region=categories(table["region"]),
        )
        blank = int(coded["skin_type"].isna().sum())
        notes = [f"skin type is missing for {blank} images, which are not a random part of them"] if blank else []
        notes += [f"{impossible} impossible ages count as missing"] if impossible else []
        return replace(found, table=coded, notes=tuple(notes))
