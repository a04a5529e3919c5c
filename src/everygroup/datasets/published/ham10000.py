"""HAM10000: 10,015 dermoscopic images of 7,470 pigmented lesions in seven classes (Tschandl et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode, years
from everygroup.datasets.published._layout import first_copies, is_tidy, read_tidy
from everygroup.datasets.published._registry import register

_COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization")
_CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def _malignant(*malignant: str) -> dict[str, str | None]:
    return {dx: "malignant" if dx in malignant else "benign" for dx in _CLASSES}


@register
class Ham10000(Adapter):
    """The training set of ISIC 2018 task 3, with the metadata of its authors' deposit."""

    info = DataSetInfo(
        name="ham10000",
        title="HAM10000",
        modality="dermoscopy",
        task="seven classes of pigmented lesions",
        citation="Tschandl, Rosendahl, Kittler. The HAM10000 dataset, a large collection of multi-source dermatoscopic "
        "images of common pigmented skin lesions. Scientific Data 5, 180161 (2018)",
        licence="CC BY-NC 4.0 (authors' deposit; some copies say CC BY-NC-SA 4.0)",
        access="open: Harvard Dataverse, doi:10.7910/DVN/DBW86T",
        files=(
            "HAM10000_metadata or HAM10000_metadata.csv",
            "HAM10000_images_part_1/<image_id>.jpg and HAM10000_images_part_2/<image_id>.jpg",
        ),
        attributes={
            "age": "years, in steps of 5",
            "sex": "female, male; 'unknown' is missing",
            "localization": "body site; 'unknown' is missing",
        },
        unit="lesion_id",
        n_images=10015,
        counts={
            "dx": {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115},
            "dx_type": {"histo": 5340, "follow_up": 3704, "consensus": 902, "confocal": 69},
            "sex": {"male": 5406, "female": 4552},
        },
        defects=(
            "Lesions have up to several images each: split by lesion_id, never by image.",
            "39 images have age 0, as in the source; they are kept.",
            "There is no skin type; nearly all patients have light skin.",
            "ISIC_0024366 = ISIC_0029861 and ISIC_0024777 = ISIC_0029938 are the same files (one lesion each); the "
            "split keeps identical images together.",
        ),
    )
    label_maps = (
        LabelMap("seven", 1, "dx", {dx: dx for dx in _CLASSES}, "the seven classes of the authors"),
        LabelMap(
            "malignant",
            1,
            "dx",
            _malignant("mel", "bcc", "akiec"),
            "melanoma, basal cell carcinoma, and actinic keratoses / Bowen's disease (akiec is partly pre-malignant)",
        ),
        LabelMap(
            "malignant_without_bcc",
            1,
            "dx",
            _malignant("mel", "akiec"),
            "the rule of MEDFAIR (Zong et al. 2023) and FairMedFM (Jin et al. 2024): basal cell carcinoma, a cancer, "
            "counts as benign",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        if is_tidy(folder):
            needs = [c for c in _COLUMNS if c != "image_id"]
            found = read_tidy(folder, rename={"label": "dx"}, needs=needs, column_map=column_map)
            return self._coded(found)
        path = find_file(folder, "HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
        table = read_source(path, needs=_COLUMNS, text=["image_id", "lesion_id"], column_map=column_map)
        images, n_doubled = first_copies(folder, table["image_id"], suffix=".jpg")
        notes = (
            (f"{n_doubled} images lie there twice, as in a widely used copy; the first is read",) if n_doubled else ()
        )
        return self._coded(Published(table.assign(image=images), path, folder, notes))

    def _coded(self, found: Published) -> Published:
        table, where = found.table, str(found.path)
        age, impossible = years(table["age"])
        coded = table.assign(
            age=age,
            sex=recode(table["sex"], SEX, column="sex", where=where),
            localization=categories(table["localization"]),
        )
        notes = (f"{impossible} impossible ages count as missing",) if impossible else ()
        return replace(found, table=coded, notes=found.notes + notes)
